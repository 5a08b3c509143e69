from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
import torch

from stemfx.errors import ModelError
from stemfx.separator import SeparationContext
from stemfx.separators import device
from stemfx.separators.device import MemoryGuard, resolve, share_cores


def test_auto_is_a_device_that_torch_has() -> None:
    assert resolve("auto") == ("cuda" if torch.cuda.is_available() else "cpu")
    assert resolve("cpu") == "cpu"


@pytest.mark.parametrize("name", ["cuda:99", "gpu", "", "CPU"])
def test_a_device_that_is_not_here_is_named_with_those_that_are(name: str) -> None:
    with pytest.raises(ModelError, match=f"no device {name!r} here; it has cpu"):
        resolve(name)


OUT_OF_MEMORY = [
    MemoryError(),
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried 9e9 bytes"),
]


@pytest.mark.parametrize("error", OUT_OF_MEMORY, ids=lambda e: type(e).__name__)
def test_what_runs_out_of_memory_beside_others_is_done_again_alone(error: Exception) -> None:
    """Two calls meet, which is one too many; from then on every call is alone."""
    context, meeting, lock = SeparationContext(), threading.Barrier(2), threading.Lock()
    at_work = 0
    crowds = []

    def crowded(k: int) -> int:
        nonlocal at_work
        with lock:
            at_work += 1
        with suppress(threading.BrokenBarrierError):
            meeting.wait(timeout=0.2)
        with lock:
            crowds.append(at_work)
        try:
            if crowds[-1] > 1:
                raise error
            return k
        finally:
            meeting.abort()
            with lock:
                at_work -= 1

    guard = MemoryGuard(2, context)
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(lambda k: guard(crowded, k), range(6))) == list(range(6))
    assert crowds[0] == 2
    assert crowds[2:] == [1] * len(crowds[2:])
    assert [finding.code for finding in context.findings] == ["low_memory"]


def test_memory_that_does_not_suffice_for_one_is_told_in_a_sentence() -> None:
    def always() -> None:
        raise MemoryError

    with pytest.raises(ModelError, match="does not suffice for one segment; close other programs"):
        MemoryGuard(2, SeparationContext())(always)


def test_other_errors_pass() -> None:
    def broken() -> None:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    context = SeparationContext()
    with pytest.raises(RuntimeError, match="mat1"):
        MemoryGuard(2, context)(broken)
    assert not context.findings


@pytest.mark.parametrize(
    ("cores", "free_gb", "at_once", "shared"),
    [
        (4, 16, 2, (2, 2)),
        (4, 1.5, 2, (1, 2)),  # memory for one: fewer segments, as many threads each
        (4, 0.1, 2, (1, 2)),  # one is tried in any case
        (4, None, 2, (2, 2)),  # the system does not say
        (1, 16, 2, (1, 1)),
        (4, 16, 1, (1, 4)),
    ],
)
def test_cores_are_shared_by_what_memory_allows(
    monkeypatch: pytest.MonkeyPatch,
    cores: int,
    free_gb: float | None,
    at_once: int,
    shared: tuple[int, int],
) -> None:
    monkeypatch.setattr(device, "usual_threads", lambda: cores)
    free = None if free_gb is None else int(free_gb * 1e9)
    monkeypatch.setattr(device, "_free_bytes", lambda: free)
    assert share_cores("cpu", 1e9, at_once=at_once) == shared
    assert share_cores("cuda", 1e9, at_once=at_once) == (1, cores)


def test_linux_says_how_much_memory_is_free() -> None:
    free = device._free_bytes()
    assert free is None or 1e6 < free < 1e14
