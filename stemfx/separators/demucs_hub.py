"""Fetch published Demucs weights from the Hugging Face hub."""

from __future__ import annotations

from pathlib import Path

from stemfx.errors import ModelError
from stemfx.separator import ModelCard, Progress
from stemfx.separators import hub
from stemfx.separators.demucs_weights import Bag, read_header
from stemfx.separators.weights import models_folder


def repository(name: str) -> str:
    """Return where a published model is on the hub (`demucs.hf.hf_repo_name`)."""
    prefix, _, variant = name.partition("_")
    if prefix != "htdemucs":
        return f"adefossez/Demucs-{name}"
    return f"adefossez/HTDemucs-{variant}" if variant else "adefossez/HTDemucs"


def fetch(card: ModelCard, progress: Progress) -> None:
    """Download a bag's YAML and its safetensors into the models folder, and look at each file.

    Raises:
        ModelError: no connection (in less than 4 s), or what came is not the model.
    """
    folder = models_folder() / card.name
    try:
        files = hub.fetch_files(
            repository(card.name),
            [f"{card.name}.yaml"],
            folder,
            told_bytes=card.size_bytes,
            progress=progress,
            then=_weights_of,
        )
        for path in files[1:]:
            _check(path)
    except ModelError as error:
        remedy = f"put {card.name}.yaml and its weights into {folder}, or use the embedded model"
        raise ModelError(f"{card.name!r} cannot be fetched: {error.message}; {remedy}") from error


def _weights_of(files: list[Path]) -> list[str]:
    return [f"{signature}.safetensors" for signature in Bag.read(files[0]).signatures]


def _check(path: Path) -> None:
    """Take what has come away again if it is no Demucs model, though it is what the hub has."""
    try:
        read_header(path)
    except ModelError:
        path.unlink()
        raise
