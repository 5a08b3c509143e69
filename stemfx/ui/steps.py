"""Tells a desk how far a run is."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from stemfx.graph import Node
from stemfx.run import NodeResult
from stemfx.ui.desk import Desk

_TOLD_EVERY_S = 0.1


class StepObserver:
    """Tells a desk how far a run is: how much of what the cache did not have is done.

    Args:
        desk: is told.
        n_nodes: that will be told of; None: nobody knows.
        clock: in seconds.
    """

    def __init__(
        self, desk: Desk, n_nodes: int | None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._desk, self._clock = desk, clock
        self._lock = threading.Lock()
        self._n_nodes, self._n_done = n_nodes, 0
        self._running: dict[str, tuple[int, float]] = {}  # samples to come, share done
        self._next_s = -float("inf")

    def started(self, node: Node, n_samples: int) -> None:
        """Note that a node begins."""
        with self._lock:
            self._running[node.id] = (n_samples, 0.0)
            self._next_s = -float("inf")
        self._tell(node.id)

    def advanced(self, node: Node, n_samples: int) -> None:
        """Note how far a node is."""
        with self._lock:
            expected = self._running.get(node.id, (0, 0.0))[0]
            if expected:
                self._running[node.id] = (expected, min(1.0, n_samples / expected))
        self._tell(node.id)

    def finished(self, node: Node, result: NodeResult) -> None:
        """Note that a node ended; one that never began came from the cache, and is no work."""
        with self._lock:
            if self._running.pop(node.id, None) is None:
                self._n_nodes = self._n_nodes and self._n_nodes - 1
            elif result.status == "done":
                self._n_done += 1
        self._tell(node.id)

    def _tell(self, step: str) -> None:
        with self._lock:
            now_s = self._clock()
            if now_s < self._next_s:
                return
            self._next_s = now_s + _TOLD_EVERY_S
            done = self._n_done + sum(share for _, share in self._running.values())
            share = done / self._n_nodes if self._n_nodes else None
        self._desk.progress(step, share)
