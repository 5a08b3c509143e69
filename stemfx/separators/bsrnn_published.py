"""The published weights of Band-Split RNN with one network a stem."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from stemfx.download import Remote, cannot_be_fetched, download_all
from stemfx.separator import ModelCard, Progress, WeightsState
from stemfx.separators import hub
from stemfx.separators.bsrnn import Bsrnn, BsrnnMember, member_of
from stemfx.separators.chunked import FOUR_STEMS
from stemfx.separators.weights import models_folder


class PublishedBsrnn(Bsrnn):
    """crlandsc's four networks, in the models folder or in the cache of the hub's own client."""

    card = ModelCard(
        name="bsrnn",
        family="bsrnn",
        stems=FOUR_STEMS,
        sample_rate=44_100,
        licence="no stated licence",
        summary="Band-Split RNN, a network a stem; older and weaker than the others",
        # drums, bass, two of which only MB are known, and four settings of 3.7 kB
        size_bytes=521_819_269 + 536_000_000 + 2 * 521_000_000 + 16_000,
        realtime_factor=40.0,
        source="huggingface.co/crlandsc/bsrnn-vocals (-drums, -bass, -other)",
    )

    def __init__(self) -> None:
        super().__init__(self.card)

    def find(self) -> Sequence[BsrnnMember] | None:
        """Return the networks when all four are here."""
        found = []
        for stem in self.card.stems:
            folders = (models_folder() / "bsrnn" / stem, hub.snapshot(_hub_id(stem)))
            pairs = (
                (folder / "hparams.yaml", folder / f"{stem}.ckpt") for folder in folders if folder
            )
            pair = next((pair for pair in pairs if all(file.is_file() for file in pair)), None)
            if pair is None:
                return None
            found.append(member_of(*pair))
        return found

    def weights(self) -> WeightsState:
        """Say whether all four networks are here."""
        return "here" if super().weights() == "here" else "fetchable"

    def computes(self, wanted: tuple[str, ...]) -> tuple[str, ...]:
        """Say which stems come out: those that are wanted, be the networks here or not."""
        return tuple(stem for stem in self.card.stems if stem in wanted)

    def fetch(self, progress: Progress) -> None:
        """Download all four networks into the models folder.

        Raises:
            ModelError: one cannot be had, or is not what the hub says it is.
        """
        folder, files = models_folder() / "bsrnn", dict[Path, Remote]()
        remedy = f"put hparams.yaml and <stem>.ckpt of {self.card.source} into {folder}/<stem>"
        with cannot_be_fetched("bsrnn", remedy):
            for stem in self.card.stems:
                hub_id, names = _hub_id(stem), ["hparams.yaml", f"{stem}.ckpt"]
                files |= hub.pick(hub_id, hub.files_of(hub_id), names, folder / stem)
            download_all(files, told_bytes=self.card.size_bytes, progress=progress)


def _hub_id(stem: str) -> str:
    return f"crlandsc/bsrnn-{stem}"
