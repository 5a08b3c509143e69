"""BS-RoFormer, Mel-Band RoFormer, SCNet, MDX23C and Band-Split RNN, through pymss-core.

A model is a YAML and a checkpoint in the layout of Music-Source-Separation-Training (MSST), which
is what these architectures are published in. pymss-core builds the network; it never sees the
checkpoint, nor a YAML that was not checked.
"""

from __future__ import annotations

import hashlib
import tempfile
import warnings
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stemfx.errors import ModelError
from stemfx.separator import ModelCard, Separator
from stemfx.separators.chunked import Chunked, Member, Network
from stemfx.separators.pymss_config import Config, looks_like_msst, names_demucs, read_config
from stemfx.separators.weights import (
    CHECKPOINTS,
    filled,
    read_state,
    safetensors_metadata,
    sha256,
)

if TYPE_CHECKING:
    from torch import Tensor

VERSION = 1  # raise it whenever the sound changes

_SETTINGS = (".yaml", ".yml")


class Pymss(Chunked):
    """A network of pymss-core's with its checkpoint."""

    def identity(self) -> str:
        """Name the code, pymss-core's version and the content of both files."""
        digest = hashlib.sha256("\n".join(map(sha256, self.files())).encode()).hexdigest()
        return f"pymss-{VERSION}-{version('pymss-core')}-{digest[:32]}"


@dataclass(frozen=True)
class PymssMember(Member):
    """The network that a YAML describes."""

    config: Config

    @classmethod
    def of(cls, config: Config, checkpoint: Path) -> PymssMember:
        """Put together a YAML and a checkpoint, without reading the latter."""
        return cls(
            stems=config.stems,
            sample_rate=config.sample_rate,
            length=config.length,
            overlap=config.overlap,
            is_normalised=config.is_normalised,
            files=(config.path, checkpoint),
            config=config,
        )

    def shorter(self, n_samples: int) -> int:
        """Return the largest length up to `n_samples` that the network can hear."""
        return self.config.hearable(n_samples)

    def load(self) -> Network:
        """Build the network and fill it with the checkpoint's weights."""
        checkpoint = self.files[1]
        state = read_state(checkpoint)
        try:
            _hush()
            network = filled(self._build, state, checkpoint.stat().st_size)
        except Exception as error:  # torch and pymss-core refuse arguments in many ways
            reason = str(error).strip().partition("\n")[0] or type(error).__name__
            raise ModelError(
                f"the weights do not fit the network of {self.config.path.name}: {reason}",
                where=str(checkpoint),
            ) from error
        return _Shaped(network, self.config)

    def _build(self) -> Any:
        """Build the network through pymss-core's public function, which reads a file."""
        import yaml
        from pymss_core import get_model_from_config

        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "config.yaml"
            path.write_text(yaml.safe_dump(_plain(self.config.document)), encoding="utf-8")
            network, _ = get_model_from_config(self.config.kind, path)
        return network


def _hush() -> None:
    """Keep torch from telling everyone that SCNet's window is rectangular; it was trained so."""
    warnings.filterwarnings("ignore", "A window was not provided", UserWarning)


def _plain(value: Any) -> Any:
    """Return a value with lists where there were tuples."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


class _Shaped:
    """Gives pymss-core's networks one shape in and out.

    They give `(batch, channels, n)` for one stem and `(batch, stems, channels, n)` for several,
    and some of them a few samples less than they hear.
    """

    def __init__(self, network: Any, config: Config) -> None:
        self._network, self._config = network, config

    def to(self, device: str) -> None:
        """Move the weights, and try the network on the least that it can hear.

        Its caches of weights are filled then: two threads that filled them at once could take
        different ways to the same sum, whose last bits differ.

        Raises:
            ModelError: what was built from the settings cannot run.
        """
        import torch

        self._network.to(device)
        try:
            with torch.inference_mode():
                self(torch.zeros(2, self._config.hearable(1), device=device))
        except Exception as error:  # torch refuses shapes in many ways
            reason = str(error).strip().partition("\n")[0] or type(error).__name__
            raise ModelError(
                f"the network that it describes cannot run: {reason}", where=str(self._config.path)
            ) from error

    def __call__(self, heard: Tensor) -> Tensor:
        from torch.nn.functional import pad

        batch = heard[:, None] if self._config.hears_one_channel else heard[None]
        made = self._network(batch)
        made = made[:, None] if made.ndim == 3 else made  # (batch, stems, channels, n)
        stems = made.transpose(0, 2)[0] if self._config.hears_one_channel else made[0]
        missing = heard.shape[-1] - stems.shape[-1]
        return pad(stems, (0, missing))


def open_model(path: Path) -> Separator | None:
    """Open a YAML of the MSST layout, the checkpoint beside one, or a folder with both.

    A checkpoint's YAML has the same name, or is the only one of this layout in the folder, or is
    `config.yaml`.

    Raises:
        ModelError: it is one of these, but damaged or not what it claims to be.
    """
    pair = _pair(path)
    if pair is None:
        return None
    settings, checkpoint = pair
    if names_demucs(settings):
        if checkpoint.suffix == ".th":
            return None  # a package that says itself what it is
        raise ModelError(
            "a Demucs network in a training's layout; take its published `.th` or `.safetensors`",
            where=str(checkpoint),
        )
    member = PymssMember.of(read_config(settings), checkpoint)
    return Pymss(_card(member), [member])


def _pair(path: Path) -> tuple[Path, Path] | None:
    """Find the YAML and the checkpoint that belong together."""
    if path.is_dir():
        return _pair_in(path)
    if path.suffix in _SETTINGS:
        if not looks_like_msst(path):
            return None
        return path, _checkpoint_of(path)
    if path.suffix not in CHECKPOINTS or _is_for_a_class(path):
        return None
    same = [path.with_suffix(suffix) for suffix in _SETTINGS]
    beside = _settings_in(path.parent)
    default = [settings for settings in beside if settings.stem == "config"]
    for candidates in (same, beside if len(beside) == 1 else default):
        for settings in candidates:
            if settings in beside:
                return settings, path
    return None


def _pair_in(folder: Path) -> tuple[Path, Path] | None:
    settings = _settings_in(folder)
    if not settings:
        return None
    checkpoints = _checkpoints_in(folder)
    if len(settings) == 1:
        return settings[0], _checkpoint_of(settings[0])
    if len(checkpoints) == 1:
        return _pair(checkpoints[0])
    raise ModelError(
        f"{len(settings)} models; give the path of the checkpoint of one", where=str(folder)
    )


def _checkpoint_of(settings: Path) -> Path:
    checkpoints = _checkpoints_in(settings.parent)
    same = [checkpoint for checkpoint in checkpoints if checkpoint.stem == settings.stem]
    for candidates in (same, checkpoints):
        if len(candidates) == 1:
            return candidates[0]
    n = len(checkpoints) or "no"
    raise ModelError(
        f"{n} checkpoints beside it; one must have the same name or be alone", where=str(settings)
    )


def _settings_in(folder: Path) -> list[Path]:
    files = sorted(file for file in folder.iterdir() if file.suffix in _SETTINGS)
    return [file for file in files if file.is_file() and looks_like_msst(file)]


def _checkpoints_in(folder: Path) -> list[Path]:
    return sorted(f for f in folder.iterdir() if f.suffix in CHECKPOINTS and f.is_file())


def _is_for_a_class(path: Path) -> bool:
    """Say whether a safetensors file names its own network, as Demucs' do."""
    return path.suffix == ".safetensors" and "klass" in safetensors_metadata(path)


def _card(member: PymssMember) -> ModelCard:
    config, checkpoint = member.config, member.files[1]
    return ModelCard(
        name=checkpoint.stem,
        family=config.kind,
        stems=(*config.stems, config.left) if config.left else config.stems,
        sample_rate=config.sample_rate,
        licence="unknown: a file of your own",
        summary=f"a {config.kind} model of your own",
        size_bytes=checkpoint.stat().st_size,
        realtime_factor=4.0,
    )
