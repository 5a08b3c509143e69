"""Share the processor among torch's threads without waiting at barriers.

Torch's own threads meet at the end of every operation. When anything else holds one core the
others spin there: the embedded model then runs at a quarter of its speed on one thread. Whole
segments in threads of their own meet once a segment instead.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class _TorchThreads:
    """Limits torch's threads for the calling thread alone.

    Torch's setter also leaves its number for threads that ask torch for the first time later. So
    what is usual is kept here while anybody is inside, and nobody takes a limit for it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._usual = 1
        self._own = threading.local()  # the limit that the calling thread is under

    def usual(self) -> int:
        """Return how many threads torch uses where nothing limits it."""
        import torch

        with self._lock:
            return self._usual if self._users else torch.get_num_threads()

    @contextmanager
    def limit(self, n: int) -> Iterator[None]:
        """Let torch use `n` threads for what the calling thread does inside."""
        import torch

        outer: int | None = getattr(self._own, "limit", None)
        with self._lock:
            # Asked in any case: a thread's first question would undo what was set before it.
            here = torch.get_num_threads()
            if not self._users:
                self._usual = here
            self._users += 1
            torch.set_num_threads(n)
        self._own.limit = n
        try:
            yield
        finally:
            self._own.limit = outer
            with self._lock:
                self._users -= 1
                torch.set_num_threads(self._usual if outer is None else outer)


_torch_threads = _TorchThreads()
torch_threads = _torch_threads.limit
usual_threads = _torch_threads.usual


def in_order(
    pool: Executor, function: Callable[[Item], Result], items: Iterable[Item], ahead: int
) -> Iterator[Result]:
    """Yield `function(item)` for each item in order, working on up to `ahead` more meanwhile."""
    pending: deque[Future[Result]] = deque()
    try:
        for item in items:
            pending.append(pool.submit(function, item))
            if len(pending) > ahead:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        for future in pending:
            future.cancel()


class _FlashAttention:
    """Keeps torch's unfused attention kernel off: flash attention is 1.17 times as fast here.

    The switch belongs to the process, and two nodes may run at once: the first one in turns it
    off and the last one out turns it back.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._was_on = True

    def __enter__(self) -> None:
        from torch.backends import mha

        with self._lock:
            if not self._users:
                self._was_on = mha.get_fastpath_enabled()
                mha.set_fastpath_enabled(value=False)
            self._users += 1

    def __exit__(self, *_: object) -> None:
        from torch.backends import mha

        with self._lock:
            self._users -= 1
            if not self._users:
                mha.set_fastpath_enabled(value=self._was_on)


flash_attention = _FlashAttention()
