"""List what a repository on the Hugging Face hub holds, and find what its own client has fetched.

By the hub's documented addresses and `stemfx.download`, not by its client: that one has no limit
of size, retries for 23 s without a network, and takes longer to import than `stemfx models` runs.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from contextlib import closing
from http.client import HTTPException
from pathlib import Path

from stemfx.download import Remote
from stemfx.errors import ModelError
from stemfx.https import ask

ANSWER_S = 3.5  # for the list of files: so long does `auto` wait for a network that is not there
_LARGEST_LIST = 4 << 20  # bytes; that of a model has some kB
_COMMIT = re.compile(r"\A[0-9a-f]{40}\Z")
_SIZE = re.compile(r"\A[0-9]{1,15}\Z")
_SHA256 = re.compile(r"\A[0-9a-f]{64}\Z")
_SAFE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_UNREADABLE = (
    *(OSError, HTTPException),  # the connection broke
    *(ValueError, LookupError, TypeError, AttributeError, RecursionError),  # no such JSON
)


def endpoint() -> str:
    """Return the address of the hub; `HF_ENDPOINT` names a mirror, as for its own client."""
    return os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")


def files_of(hub_id: str) -> dict[str, Remote]:
    """Ask the hub what a repository holds now; all addresses are of one commit.

    Raises:
        ModelError: `HF_HUB_OFFLINE` is set, no connection (within `ANSWER_S`), or an answer that
            is no such list.
    """
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}:
        raise ModelError("HF_HUB_OFFLINE is set")
    url = f"{endpoint()}/api/models/{hub_id}?blobs=true"
    try:
        with closing(ask(url, answer_s=ANSWER_S)) as answer:
            told = json.loads(answer.read(_LARGEST_LIST))
        commit = _COMMIT.findall(told["sha"])[0]
        root = f"{endpoint()}/{hub_id}/resolve/{commit}"
        return {
            name: Remote(
                f"{root}/{name}",
                int(_SIZE.findall(str(entry["size"]))[0]),
                _SHA256.findall(entry["lfs"]["sha256"])[0] if entry.get("lfs") else None,
            )
            for entry in told["siblings"]
            if _SAFE_NAME.fullmatch(name := str(entry["rfilename"]))
        }
    except _UNREADABLE as error:
        raise ModelError("its list of files cannot be read", where=url) from error


def pick(
    hub_id: str, listed: Mapping[str, Remote], names: Sequence[str], folder: Path
) -> dict[Path, Remote]:
    """Return files that a repository holds by where each is to go: into `folder`, by its name.

    Raises:
        ModelError: it holds one of them no more.
    """
    if absent := [name for name in names if name not in listed]:
        raise ModelError(f"{hub_id} has no {absent[0]} any more")
    return {folder / name: listed[name] for name in names}


def snapshot(hub_id: str) -> Path | None:
    """Return where the cache of the hub's own client has a repository, by its documented layout."""
    cache_home = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache"))
    home = os.environ.get("HF_HOME", cache_home / "huggingface")
    cache = Path(os.environ.get("HF_HUB_CACHE", Path(home) / "hub")).expanduser()
    repository = cache / f"models--{hub_id.replace('/', '--')}"
    try:
        commit = (repository / "refs" / "main").read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return None
    return repository / "snapshots" / commit
