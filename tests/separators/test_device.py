from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
import torch

from stemfx.errors import ModelError
from stemfx.separator import SeparationContext
from stemfx.separators.device import MemoryGuard, resolve


def test_auto_is_a_device_that_torch_has() -> None:
    assert resolve("auto") in {"cpu", "cuda", "mps"}
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
