"""Band-split RNN with one network a stem (Luo and Yu, IEEE/ACM TASLP 2023, arXiv 2209.15174).

Its public layout: BandSplitRNN-PyTorch by amanteur, and crlandsc's weights for it on the Hugging
Face hub. A model is a folder with `hparams.yaml` and a checkpoint, one folder a stem; what no
network makes is the mixture minus the others.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from stemfx.errors import ModelError
from stemfx.separator import ModelCard, Separator
from stemfx.separators.chunked import (
    FOUR_STEMS,
    LEAST_OVERLAP,
    Chunked,
    Member,
    Network,
    left_over,
)
from stemfx.separators.plain_yaml import read_plain, section, shown
from stemfx.separators.weights import CHECKPOINTS, filled, read_state, sha256

VERSION = 1  # raise it whenever the sound changes

_SETTINGS = (".yaml", ".yml")
_SHARED_NAMES = ("hparams", "config")  # of settings that do not say whose they are
_LIMITS: Mapping[str, tuple[int, int]] = {
    "sr": (8_000, 192_000),
    "n_fft": (64, 16_384),
    "hop_length": (16, 8192),
    "t_timesteps": (2, 8192),
    "fc_dim": (1, 1024),
    "rnn_dim": (1, 2048),
    "num_layers": (1, 48),
    "mlp_dim": (1, 4096),
}
_MOST_BANDS = 512


@dataclass(frozen=True)
class Shape:
    """What a network of one stem is built from, each number from its settings.

    Args:
        sample_rate: in Hz.
        n_fft: of its spectrogram.
        hop_length: of its spectrogram.
        bands: up to which frequency bands are how wide, both in Hz.
        n_frames: that it hears at a time; its norms have a weight for each.
        n_features: of a band.
        n_hidden: of a recurrent layer.
        n_layers: pairs of recurrent layers, along time and along bands.
        n_mask_hidden: of the layers that make the masks.
        rnn_type: `LSTM` or `GRU`.
        is_bidirectional: whether recurrent layers also run backwards.
        is_mono: whether it hears left and right by themselves.
        has_mask_along_time: whether a band's mask is laid out by time first. The code did so by
            mistake until 2023-07-27, and weights of that time learned it.
    """

    sample_rate: int
    n_fft: int
    hop_length: int
    bands: tuple[tuple[int, int], ...]
    n_frames: int
    n_features: int
    n_hidden: int
    n_layers: int
    n_mask_hidden: int
    rnn_type: str
    is_bidirectional: bool
    is_mono: bool
    has_mask_along_time: bool

    @property
    def length(self) -> int:
        """Samples that it hears at a time."""
        return (self.n_frames - 1) * self.hop_length


@dataclass(frozen=True)
class BsrnnMember(Member):
    """The network of one stem."""

    shape: Shape

    def load(self) -> Network:
        """Build the network and fill it with the checkpoint's weights."""
        from stemfx.separators.bsrnn_network import BandSplitRnn

        checkpoint = self.files[1]
        state = read_state(checkpoint)
        try:
            network: Network = filled(
                lambda: BandSplitRnn(self.shape), state, checkpoint.stat().st_size
            )
        except Exception as error:  # torch refuses arguments in many ways
            reason = str(error).strip().partition("\n")[0] or type(error).__name__
            raise ModelError(
                f"the weights do not fit the network of {self.files[0].name}: {reason}",
                where=str(checkpoint),
            ) from error
        return network


class Bsrnn(Chunked):
    """Networks of single stems; only those of wanted stems run."""

    # Norms with a weight for every frame: it hears no other length than it was trained on.
    obeys: ClassVar[frozenset[str]] = frozenset({"overlap", "shifts", "device"})

    def identity(self) -> str:
        """Name the code and the content of all files."""
        digest = hashlib.sha256("\n".join(map(sha256, self.files())).encode()).hexdigest()
        return f"bsrnn-{VERSION}-{digest[:32]}"


def open_model(path: Path) -> Separator | None:
    """Open a checkpoint beside its settings, or a folder with one or more stems.

    Settings are `hparams.yaml`, `config.yaml`, or have the checkpoint's name. Stems of a folder
    lie side by side under names of their own, or in a folder each.

    Raises:
        ModelError: it is one of these, but damaged or not what it claims to be.
    """
    members = find_in(path)
    if not members:
        return None
    made = tuple(member.stems[0] for member in members)
    stems = made if set(FOUR_STEMS) <= set(made) else (*made, left_over(made))
    card = ModelCard(
        name=path.name if path.is_dir() else members[0].files[1].stem,
        family="bsrnn",
        stems=stems,
        sample_rate=members[0].sample_rate,
        licence="unknown: a file of your own",
        summary="a Band-Split RNN of your own",
        size_bytes=sum(member.files[1].stat().st_size for member in members),
        realtime_factor=5.0 * len(members),
    )
    return Bsrnn(card, members)


def find_in(path: Path) -> Sequence[BsrnnMember]:
    """Return the networks that lie at a path, in the order drums, bass, other, vocals.

    Raises:
        ModelError: damaged, or two of them make one stem.
    """
    if path.is_dir():
        folders = [path, *sorted(entry for entry in path.iterdir() if entry.is_dir())]
        pairs = [pair for folder in folders for pair in _pairs_in(folder)]
    else:
        pairs = _pairs_of(path)
    members = [member_of(*pair) for pair in pairs]
    order = {stem: k for k, stem in enumerate(FOUR_STEMS)}
    members.sort(key=lambda member: (order.get(member.stems[0], len(order)), member.stems))
    stems = [member.stems[0] for member in members]
    if len(set(stems)) < len(stems):
        raise ModelError("two networks for one stem; keep one of them", where=str(path))
    return members


def _pairs_of(path: Path) -> list[tuple[Path, Path]]:
    """Return the pair that one file belongs to; what else lies beside it does not matter."""
    if path.suffix in CHECKPOINTS:
        stems = (path.stem, *_SHARED_NAMES)
        beside = [path.with_name(stem + suffix) for stem in stems for suffix in _SETTINGS]
        return [(file, path) for file in beside if _looks_like_bsrnn(file)][:1]
    if path.suffix in _SETTINGS and _looks_like_bsrnn(path):
        return [pair for pair in _pairs_in(path.parent) if pair[0] == path]
    return []


def _pairs_in(folder: Path) -> list[tuple[Path, Path]]:
    """Return settings and checkpoint of each stem in one folder."""
    files = sorted(file for file in folder.iterdir() if file.is_file())
    checkpoints = [file for file in files if file.suffix in CHECKPOINTS]
    pairs = []
    for settings in files:
        if settings.suffix in _SETTINGS and _looks_like_bsrnn(settings):
            is_shared = settings.stem in _SHARED_NAMES
            own = [c for c in checkpoints if is_shared or c.stem == settings.stem]
            if len(own) != 1:
                n = len(own) or "no"
                raise ModelError(f"{n} checkpoints for it; it needs one", where=str(settings))
            pairs.append((settings, own[0]))
    return pairs


def _looks_like_bsrnn(settings: Path) -> bool:
    """Say whether a YAML is of this layout, be it readable or not."""
    try:
        with settings.open("rb") as file:
            text = file.read(1 << 16)
    except OSError:
        return False
    return b"model:" in text and b"bandsplits:" in text


def member_of(settings: Path, checkpoint: Path) -> BsrnnMember:
    """Put together settings and a checkpoint, without reading the latter.

    Raises:
        ModelError: the settings are not what they claim to be.
    """
    content = read_plain(settings)
    try:
        shape = _shape(content)
        stem = _stem(content, checkpoint)
    except ValueError as error:
        raise ModelError(str(error), where=str(settings)) from error
    heard = section(content, "audio_params") or section(content, "test_dataset")
    times_s = [heard.get("win_size"), heard.get("hop_size")]
    window_s, hop_s = (s if isinstance(s, int | float) and s > 0 else 1 for s in times_s)
    return BsrnnMember(
        stems=(stem,),
        sample_rate=shape.sample_rate,
        length=shape.length,
        overlap=min(0.9, max(LEAST_OVERLAP, 1 - hop_s / window_s)),
        is_normalised=False,
        files=(settings, checkpoint),
        shape=shape,
    )


def _stem(content: Mapping[str, Any], checkpoint: Path) -> str:
    places = ("audio_params", "test_dataset", "train_dataset")
    targets = [section(content, place).get("target") for place in places]
    stem = next(filter(None, targets), checkpoint.stem)
    is_name = isinstance(stem, str) and stem.replace("_", "").isalnum() and len(stem) <= 32
    if not is_name:
        raise ValueError(f"{shown(stem)} cannot be the name of a stem")
    return str(stem).lower()


def _shape(content: Mapping[str, Any]) -> Shape:
    """Check what the settings ask for.

    Raises:
        ValueError: out of limits, or a variant that was never published.
    """
    model = section(content, "model")
    transform = section(section(content, "featurizer"), "direct_transform")
    for key, only in (
        ("bottleneck_layer", "rnn"),
        ("complex_as_channel", True),
        ("return_mask", False),
    ):
        if model.get(key, only) != only:
            raise ValueError(
                f"model.{key} = {shown(model[key])} is not supported, only {only!r} is"
            )
    if model.get("rnn_type") not in ("LSTM", "GRU"):
        raise ValueError(f"model.rnn_type = {shown(model.get('rnn_type'))} must be LSTM or GRU")
    if not all(isinstance(model.get(key), bool) for key in ("bidirectional", "is_mono")):
        raise ValueError("model.bidirectional and model.is_mono must be true or false")
    n_fft = _number(model, "n_fft")
    if transform.get("n_fft", n_fft) != n_fft or transform.get("win_length", n_fft) != n_fft:
        raise ValueError("featurizer and model have different n_fft or win_length")
    hop_length, n_frames = _number(transform, "hop_length"), _number(model, "t_timesteps")
    if (n_frames - 1) * hop_length < n_fft:
        raise ValueError(f"t_timesteps = {n_frames} hops are shorter than n_fft {n_fft}")
    return Shape(
        sample_rate=_number(model, "sr"),
        n_fft=n_fft,
        hop_length=hop_length,
        bands=_bands(model.get("bandsplits"), _number(model, "sr")),
        n_frames=n_frames,
        n_features=_number(model, "fc_dim"),
        n_hidden=_number(model, "rnn_dim"),
        n_layers=_number(model, "num_layers"),
        n_mask_hidden=_number(model, "mlp_dim"),
        rnn_type=model["rnn_type"],
        is_bidirectional=model["bidirectional"],
        is_mono=model["is_mono"],
        # crlandsc's training, of April and May 2023, logged to wandb; the public code does not
        has_mask_along_time="wandb" in section(content, "logger"),
    )


def _number(values: Mapping[str, Any], key: str) -> int:
    value, (low, high) = values.get(key), _LIMITS[key]
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ValueError(f"{key} = {shown(value)} is outside [{low}, {high}]")
    return value


def _bands(value: Any, sample_rate: int) -> tuple[tuple[int, int], ...]:
    """Return pairs of the frequency up to which bands have which width, both in Hz."""
    rows = value if isinstance(value, list | tuple) and 0 < len(value) <= 16 else [None]
    bands: list[tuple[int, int]] = []
    at, n_bands = 0, 1
    for row in rows:
        top, width = row if isinstance(row, list | tuple) and len(row) == 2 else (0, 0)
        is_fine = isinstance(top, int) and isinstance(width, int)
        if not is_fine or not (at < top <= sample_rate / 2 and 0 < width <= top):
            raise ValueError("model.bandsplits must be pairs [up to Hz, width in Hz], ascending")
        n_bands += -(-(top - at) // width)
        at = top
        bands.append((top, width))
    if n_bands > _MOST_BANDS:
        raise ValueError(f"model.bandsplits makes {n_bands} bands; {_MOST_BANDS} are allowed")
    return tuple(bands)
