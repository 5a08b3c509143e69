"""A separator for stemfx that needs no network: what both sides share, and what they do not."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from stemfx.audio import Signal
from stemfx.hookspecs import hookimpl
from stemfx.separator import ModelCard, SeparationContext, Separator, StemBlock, WeightsState


class NewPluginSeparator(Separator):
    """Takes the middle of the stereo picture out of it; the two stems add up to the song."""

    card = ModelCard(
        name="newplugin",
        family="middle and sides",
        stems=("middle", "sides"),
        sample_rate=44_100,
        licence="CC0-1.0",
        licence_class="open",
        summary="What is the same left and right (often the voice), and the rest",
        realtime_factor=0.01,
    )
    resumes = True  # every sample stands for itself, so it may begin anywhere

    def weights(self) -> WeightsState:
        """Say where the weights are: there are none to wait for."""
        return "here"

    def identity(self) -> str:
        """Name what makes two results equal: raise the number whenever the sound changes."""
        return f"{self.card.name}-1"

    def separate(
        self,
        mixture: Signal,
        wanted: tuple[str, ...],  # noqa: ARG002 - both come at once
        context: SeparationContext,
    ) -> Iterator[StemBlock]:
        """Yield `(2, 2, n_samples)`: the middle on both sides, and what is left of the song."""
        done = 0
        for block in mixture.blocks():
            rest = block[:, max(0, context.start - done) :]
            done += block.shape[1]
            if rest.shape[1]:
                middle = np.broadcast_to(0.5 * (rest[0] + rest[1]), rest.shape)
                yield np.stack([middle, rest - middle])


@hookimpl
def stemfx_separators() -> list[Separator]:
    """Tell stemfx what this plugin adds."""
    return [NewPluginSeparator()]
