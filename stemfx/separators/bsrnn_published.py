"""The published weights of Band-Split RNN with one network a stem."""

from __future__ import annotations

from collections.abc import Sequence

from stemfx.errors import ModelError
from stemfx.separator import ModelCard, Progress, WeightsState
from stemfx.separators import hub
from stemfx.separators.bsrnn import Bsrnn, BsrnnMember, member_of
from stemfx.separators.chunked import FOUR_STEMS
from stemfx.separators.weights import models_folder

_HUB = {  # crlandsc's weights: bytes of each checkpoint, rounded up where only MB are known
    "drums": 521_819_269,
    "bass": 536_000_000,
    "other": 521_000_000,
    "vocals": 521_000_000,
}


class PublishedBsrnn(Bsrnn):
    """crlandsc's four networks, in the models folder or in the cache of the hub's own client."""

    card = ModelCard(
        name="bsrnn",
        family="bsrnn",
        stems=FOUR_STEMS,
        sample_rate=44_100,
        licence="no stated licence",
        summary="Band-Split RNN, a network a stem; older and weaker than the others",
        size_bytes=sum(_HUB.values()) + 16_000,  # and four settings of 3.7 kB
        realtime_factor=40.0,
        source="huggingface.co/crlandsc/bsrnn-vocals (-drums, -bass, -other)",
    )

    def __init__(self) -> None:
        super().__init__(self.card)

    def find(self) -> Sequence[BsrnnMember] | None:
        """Return the networks when all four are here."""
        found = []
        for stem in _HUB:
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
        done = 0

        def told(n_bytes: int, _: int) -> None:
            progress(done + n_bytes, self.card.size_bytes)

        for stem, n_bytes in _HUB.items():
            folder = models_folder() / "bsrnn" / stem
            names = ["hparams.yaml", f"{stem}.ckpt"]
            try:
                hub.fetch_files(_hub_id(stem), names, folder, told_bytes=n_bytes, progress=told)
            except ModelError as error:
                raise ModelError(
                    f"'bsrnn' cannot be fetched: {error.message}; put {' and '.join(names)} of "
                    f"{_hub_id(stem)} into {folder}"
                ) from error
            done += n_bytes


def _hub_id(stem: str) -> str:
    return f"crlandsc/bsrnn-{stem}"
