"""Where torch computes, and what happens when its memory does not suffice."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from stemfx.errors import ModelError
from stemfx.separator import SeparationContext
from stemfx.separators.threads import usual_threads

AUTO = "auto"
Result = TypeVar("Result")


def resolve(device: str) -> str:
    """Return a device that torch has: `auto` is the first CUDA card if there is one, else the CPU.

    `mps` has to be asked for: not every network's operations exist there.

    Raises:
        ModelError: it names none, or one that is not here.
    """
    import torch

    cards = [f"cuda:{k}" for k in range(torch.cuda.device_count())]
    here = ["cpu", *(["cuda", *cards] if cards else [])]
    if torch.backends.mps.is_available():
        here.append("mps")
    if device == AUTO:
        return "cuda" if cards else "cpu"
    if device not in here:
        raise ModelError(
            f"torch has no device {device!r} here; it has {', '.join(here)}, and {AUTO!r} takes "
            "the fastest that every network runs on",
            where="--device",
        )
    return device


def share_cores(device: str, segment_bytes: float, *, at_once: int = 2) -> tuple[int, int]:
    """Return how many segments to work on at a time, and with how many of torch's threads each.

    Segments side by side wait for each other once a segment, threads of torch at the end of every
    operation (see `threads`). On a graphics card there is one at a time, which shares all of it.
    Less memory makes it fewer segments, never another number of threads, on which the last bits
    of a result may depend.

    Args:
        device: as `resolve` gives it.
        segment_bytes: what one more segment at work needs.
        at_once: the most at a time; a third one is seldom worth its memory.
    """
    cores = usual_threads()
    if device != "cpu":
        return 1, cores
    most = min(at_once, cores)
    free = _free_bytes()
    fitting = most if free is None else max(1, int(free // segment_bytes))
    return min(most, fitting), cores // most


def _free_bytes() -> int | None:
    """Return how much memory can be had without swapping, where the system says so (Linux)."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return next(
            int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable:")
        )
    except (OSError, ValueError, IndexError, StopIteration):
        return None


def is_out_of_memory(error: BaseException) -> bool:
    """Say whether an error means that memory did not suffice, on a graphics card or here."""
    import torch

    return isinstance(error, MemoryError | torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and "can't allocate memory" in str(error)
    )


class MemoryGuard:
    """Lets several segments be at work until memory does not suffice, then one at a time.

    Args:
        workers: how many calls may be at work at once, >= 1.
        context: where it is told that work went on one at a time.
    """

    def __init__(self, workers: int, context: SeparationContext) -> None:
        self._workers, self._context = workers, context
        self._free = threading.Semaphore(workers)
        self._turn = threading.Lock()
        self._alone = workers == 1

    def __call__(self, function: Callable[..., Result], *arguments: Any) -> Result:
        """Return `function(*arguments)`; what ran out of memory beside others is done again alone.

        Raises:
            ModelError: memory does not suffice for one segment.
        """
        if not self._alone:
            with self._permits(1):
                try:
                    return function(*arguments)
                except Exception as error:
                    if not is_out_of_memory(error):
                        raise
            self._go_on_alone()
        with self._permits(self._workers):
            try:
                return function(*arguments)
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                raise ModelError(
                    "memory does not suffice for one segment; close other programs, give the "
                    "model a shorter `segment_s`, or choose a smaller model or --device cpu"
                ) from error

    def _go_on_alone(self) -> None:
        with self._turn:
            if not self._alone:
                self._alone = True
                self._context.find(
                    "info",
                    "low_memory",
                    "memory did not suffice for several segments at once; they were separated "
                    "one after the other",
                )

    @contextmanager
    def _permits(self, n: int) -> Iterator[None]:
        """Hold `n` of the permits; whoever wants several takes them before the next one does."""
        with self._turn:
            for _ in range(n):
                self._free.acquire()
        try:
            yield
        finally:
            self._free.release(n)
