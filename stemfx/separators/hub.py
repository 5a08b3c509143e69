"""Fetch files of a repository on the Hugging Face hub, and find those its own client has fetched.

By the hub's documented addresses and `stemfx.download`, not by its client: that one has no limit
of size, retries for 23 s without a network, and takes longer to import than `stemfx models` runs.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from stemfx.download import download
from stemfx.errors import ModelError
from stemfx.https import ask
from stemfx.separator import Progress

ANSWER_S = 3.5  # for the list of files: so long does `auto` wait for a network that is not there
_LARGEST_LIST = 4 << 20  # bytes; that of a model has some kB
_MORE = 1.05  # so much larger than its card says may a model be: cards round, headers grow
_COMMIT = re.compile(r"\A[0-9a-f]{40}\Z")
_SAFE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")


@dataclass(frozen=True)
class HubFile:
    """A file of a repository: its size, and its SHA-256 where the hub keeps one (large files)."""

    url: str
    size_bytes: int
    sha256: str | None


def endpoint() -> str:
    """Return the address of the hub; `HF_ENDPOINT` names a mirror, as for its own client."""
    return os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")


def files_of(hub_id: str) -> dict[str, HubFile]:
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
        return {
            name: HubFile(
                f"{endpoint()}/{hub_id}/resolve/{commit}/{name}",
                int(entry["size"]),
                str(entry["lfs"]["sha256"]) if entry.get("lfs") else None,
            )
            for entry in told["siblings"]
            if _SAFE_NAME.fullmatch(name := str(entry["rfilename"]))
        }
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise ModelError("its list of files cannot be read", where=url) from error


def fetch_files(
    hub_id: str,
    names: Sequence[str],
    folder: Path,
    *,
    told_bytes: int,
    progress: Progress,
    then: Callable[[list[Path]], Sequence[str]] | None = None,
) -> list[Path]:
    """Download files of a repository into a folder, each there only when it is whole.

    Args:
        hub_id: e.g. `adefossez/HTDemucs`.
        names: files at the top of the repository.
        folder: where they go, under their names.
        told_bytes: what the user was told that all of it has; 0 if nothing was told.
        progress: is told of all of them together.
        then: says from the files that have come which others are needed too.

    Raises:
        ModelError: one is not there, or is not what the hub says it is; or all of them are more
            than was told.
    """
    listed = files_of(hub_id)
    done: list[Path] = []
    wanted = list(names)
    while wanted:
        if absent := [name for name in wanted if name not in listed]:
            raise ModelError(f"{hub_id} has no {absent[0]} any more")
        before = sum(path.stat().st_size for path in done)
        total = before + sum(listed[name].size_bytes for name in wanted)
        if told_bytes and total > told_bytes * _MORE:
            raise ModelError(
                f"{hub_id} has {total} bytes now where {told_bytes} were told; it was not fetched"
            )
        came = []
        for name in wanted:
            file = listed[name]
            path = download(
                file.url,
                folder / name,
                sha256=file.sha256,
                size_bytes=max(file.size_bytes, 1),
                progress=partial(_of_all, progress, before, 0 if then else total),
            )
            before += file.size_bytes
            came.append(path)
        done += came
        wanted, then = list(then(came)) if then else [], None
    return done


def _of_all(progress: Progress, before: int, total: int, n_bytes: int, _: int) -> None:
    progress(before + n_bytes, total)


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
