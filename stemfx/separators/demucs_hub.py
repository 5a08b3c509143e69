"""Fetch published Demucs weights from the Hugging Face hub."""

from __future__ import annotations

from pathlib import Path

from stemfx.download import cannot_be_fetched, download_all
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
    hub_id, folder = repository(card.name), models_folder() / card.name
    listing = folder / f"{card.name}.yaml"
    remedy = f"put {listing.name} and its weights into {folder}, or use the embedded model"
    with cannot_be_fetched(card.name, remedy):
        listed = hub.files_of(hub_id)
        download_all(hub.pick(hub_id, listed, [listing.name], folder), told_bytes=card.size_bytes)
        names = [f"{signature}.safetensors" for signature in Bag.read(listing).signatures]
        weights = hub.pick(hub_id, listed, names, folder)
        download_all(weights, told_bytes=card.size_bytes, progress=progress)
        for path in weights:
            _check(path)


def _check(path: Path) -> None:
    """Take what has come away again if it is no Demucs model, though it is what the hub has."""
    try:
        read_header(path)
    except ModelError:
        path.unlink()
        raise
