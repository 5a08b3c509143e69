"""Fetch published Demucs weights from the Hugging Face hub; give up at once when offline."""

from __future__ import annotations

import logging
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stemfx.errors import ModelError
from stemfx.separators.demucs_weights import Bag, read_header
from stemfx.separators.weights import models_folder, sha256

PROBE_S = 3.0  # the hub's own client retries for 23 s


def repository(name: str) -> str:
    """Return where a published model is on the hub (`demucs.hf.hf_repo_name`)."""
    prefix, _, variant = name.partition("_")
    if prefix != "htdemucs":
        return f"adefossez/Demucs-{name}"
    return f"adefossez/HTDemucs-{variant}" if variant else "adefossez/HTDemucs"


def fetch(name: str, hub_id: str) -> None:
    """Download a bag's YAML and its safetensors into the hub's cache, and look at each file.

    Raises:
        ModelError: no connection (in less than 4 s), or what came is not the model.
    """
    from huggingface_hub import constants, hf_hub_download, hf_hub_url

    remedy = f"put {name}.yaml and its weights into {models_folder()}, or use the embedded model"
    if constants.HF_HUB_OFFLINE:
        raise ModelError(f"{name!r} cannot be fetched: HF_HUB_OFFLINE is set; {remedy}")
    trouble = _probe(hf_hub_url(hub_id, f"{name}.yaml"))
    if trouble:
        raise ModelError(f"{name!r} cannot be fetched: {trouble}; {remedy}")
    try:
        with _quiet():
            bag = Bag.read(Path(hf_hub_download(hub_id, f"{name}.yaml")))
            for signature in bag.signatures:
                _check(Path(hf_hub_download(hub_id, f"{signature}.safetensors")))
    except ModelError:
        raise
    except Exception as error:  # the hub's client raises its own, httpx' and the system's
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise ModelError(f"{name!r} cannot be fetched: {reason}; {remedy}") from error


def _check(path: Path) -> None:
    """Refuse a damaged download: the hub stores large files under their SHA-256."""
    promised = path.resolve().name
    if re.fullmatch(r"[0-9a-f]{64}", promised) and sha256(path) != promised:
        raise ModelError(
            "damaged: its SHA-256 is not the hub's; delete it and try again", where=str(path)
        )
    read_header(path)


def _probe(url: str) -> str:
    """Return why `url` cannot be reached, or nothing. Proxies are honoured, as by the client.

    In a thread of its own, since looking up a name cannot be given a time limit.
    """
    import urllib.error
    import urllib.parse
    import urllib.request

    answers: list[str] = []
    host = urllib.parse.urlsplit(url).netloc

    def knock() -> None:
        request = urllib.request.Request(url, method="HEAD")  # noqa: S310  the hub's address
        try:
            urllib.request.urlopen(request, timeout=PROBE_S).close()  # noqa: S310
            answers.append("")
        except urllib.error.HTTPError as error:
            answers.append(f"{host} answers {error.code} for {url}")
            error.close()
        except Exception as error:  # noqa: BLE001 - it is told, and the thread must not print
            answers.append(f"no connection to {host}{_detail(error)}")

    thread = threading.Thread(target=knock, daemon=True)
    thread.start()
    thread.join(PROBE_S + 0.5)
    return answers[0] if answers else "no answer from the network"


def _detail(error: Exception) -> str:
    """Return what "no connection" does not say yet: a proxy, a certificate."""
    cause = getattr(error, "reason", error)
    if isinstance(cause, socket.gaierror | TimeoutError | ConnectionError):
        return ""
    return f": {getattr(cause, 'strerror', None) or cause}"


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the hub's client from printing: the engine shows progress itself."""
    from huggingface_hub.utils import (
        are_progress_bars_disabled,
        disable_progress_bars,
        enable_progress_bars,
    )

    logger = logging.getLogger("huggingface_hub")
    level, were_disabled = logger.level, are_progress_bars_disabled()
    logger.setLevel(logging.ERROR)
    disable_progress_bars()
    try:
        yield
    finally:
        logger.setLevel(level)
        if not were_disabled:
            enable_progress_bars()
