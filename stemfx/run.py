"""The one loop: runs the nodes of a plan that the cache does not have, several at a time."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, Protocol

from stemfx import (
    operations,
    operations_align,
    operations_checks,
    operations_files,
    operations_page,
)
from stemfx.audio import BLOCK_SAMPLES, Block, Signal
from stemfx.cache import Cache, Entry, EntryWriter, LostError, StoredSignal
from stemfx.dsp.loudness import measure
from stemfx.dsp.resample import Resampled
from stemfx.errors import CancelledError, StemfxError
from stemfx.graph import (
    DATA,
    UNHEARD,
    AlignStems,
    Apply,
    CombineStems,
    Decode,
    Finds,
    Fit,
    Kept,
    ListeningCopy,
    Makes,
    MaskMixture,
    Measure,
    Meeting,
    Node,
    Resample,
    Residual,
    Result,
    Separate,
    StemWork,
    Tells,
    seed_of,
)
from stemfx.io import check_writable, file_sha256
from stemfx.plan import Plan
from stemfx.separation import fit
from stemfx.separator import StemBlock
from stemfx.stage import Finding, Measurement, Notes

Status = Literal["done", "cached", "failed", "skipped"]


@dataclass(frozen=True)
class NodeResult:
    """What became of one node."""

    id: str
    op: str
    status: Status
    seconds: float = 0.0
    measurements: Mapping[str, Measurement] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """What became of a run: every node in plan order, and the seconds it took."""

    plan: Plan
    nodes: tuple[NodeResult, ...]
    seconds: float
    notices: tuple[Finding, ...] = ()

    @property
    def findings(self) -> list[tuple[str, Finding]]:
        """Every finding with the node it came from, in plan order."""
        return [("run", notice) for notice in self.notices] + [
            (node.id, finding) for node in self.nodes for finding in node.findings
        ]


class Observer(Protocol):
    """Watches a run; called from several threads."""

    def started(self, node: Node, n_samples: int) -> None:
        """A node begins; about `n_samples` will come out of it (0: unknown)."""

    def advanced(self, node: Node, n_samples: int) -> None:
        """So many samples of a node are done."""

    def finished(self, node: Node, result: NodeResult) -> None:
        """A node ended."""


class SilentObserver:
    """Watches nothing."""

    def started(self, node: Node, n_samples: int) -> None:
        """Ignore."""

    def advanced(self, node: Node, n_samples: int) -> None:
        """Ignore."""

    def finished(self, node: Node, result: NodeResult) -> None:
        """Ignore."""


def default_jobs() -> int:
    """Return how many nodes run at a time: the cores there are, at most four."""
    return min(4, os.cpu_count() or 1)


def run(
    plan: Plan,
    cache: Cache,
    *,
    observer: Observer | None = None,
    jobs: int | None = None,
    notices: Sequence[Finding] = (),
    check: Callable[[], None] = lambda: None,
) -> Outcome:
    """Run a plan and write its results.

    Args:
        plan: from `make_plan`.
        cache: finished nodes are taken from it and kept in it.
        observer: told of progress.
        jobs: nodes at a time, >= 1; the result does not depend on it.
        notices: findings from before the run, for the report.
        check: called a few times a second; what it raises stops the run as Ctrl-C does.

    Raises:
        StemfxError: a node failed; those that had finished are kept in the cache.
        CancelledError: interrupted from the keyboard; likewise.
    """
    began = time.perf_counter()
    with _target_folders(plan):
        results = run_steps(plan, cache, observer=observer, jobs=jobs, check=check)
    seconds = time.perf_counter() - began
    return Outcome(plan, results, seconds, (*notices, *plan.findings))


class Steps(Protocol):
    """Nodes in an order in which they can be run, and the rate in Hz of what they decode."""

    @property
    def nodes(self) -> Mapping[str, Node]:
        """By id, each after those that it reads."""

    @property
    def sample_rate(self) -> int:
        """Of the project."""


def run_steps(
    steps: Steps,
    cache: Cache,
    *,
    observer: Observer | None = None,
    jobs: int | None = None,
    check: Callable[[], None] = lambda: None,
) -> tuple[NodeResult, ...]:
    """Run the nodes that the cache does not have; see `run`.

    Raises:
        StemfxError: a node failed; those that had finished are kept in the cache.
        CancelledError: interrupted from the keyboard; likewise.
    """
    with cache.held():
        try:
            for attempt in range(3):
                try:
                    loop = _Loop(steps, cache, observer or SilentObserver(), jobs, check)
                    return loop.run()
                except LostError:  # somebody cleared the cache: make it again
                    if attempt == 2:
                        raise
            raise AssertionError  # the third time returns or raises
        finally:
            cache.touch(node.key for node in steps.nodes.values())


@contextmanager
def _target_folders(plan: Plan) -> Iterator[None]:
    """Make the folders of the results before any work; remove the empty ones if it fails."""
    paths = [path for path in plan.targets if path is not None]
    made = {
        folder
        for path in paths
        for folder in path.parents
        if folder.is_relative_to(plan.out_folder) and not folder.exists()
    }
    for folder in sorted({path.parent for path in paths}):
        check_writable(folder)
    try:
        yield
    except BaseException:
        for folder in sorted(made, reverse=True):
            with suppress(OSError):
                folder.rmdir()
        raise


def cached_entry(node: Node, cache: Cache) -> Entry | None:
    """Return a node's entry, if it is there and, for results, the files on disk are those."""
    entry = cache.lookup(node.key)
    if entry is None or not isinstance(node.work, Result):
        return entry
    try:
        written = zip(node.work.paths, entry.facts["files"], strict=True)
        is_same = all(
            path.stat().st_size == file["size_bytes"] and file_sha256(path) == file["sha256"]
            for path, file in written
        )
    except (OSError, ValueError, StemfxError):
        return None
    return entry if is_same else None


def missing_nodes(steps: Steps, cache: Cache, *, verify: bool = True) -> set[str]:
    """Return the ids of the nodes that have to run to bring forth every result.

    Args:
        steps: the graph.
        cache: where hits are looked up.
        verify: read the signals that will be used and compare their hashes; a damaged entry is
            discarded and counts as missing.
    """
    missing: set[str] = set()
    read: dict[str, set[str]] = {}  # the signals of each node that a missing node will read
    for node in reversed(list(steps.nodes.values())):  # whoever reads a node comes after it
        signals = read.get(node.id, set())
        is_read = bool(node.signals) or isinstance(node.work, Finds)
        if is_read and not signals and not node.is_told:
            continue  # nobody needs it
        entry = cached_entry(node, cache)
        if entry is not None and not all(
            name in entry.signals and (not verify or entry.signals[name].is_intact())
            for name in signals - UNHEARD
        ):
            if verify:
                cache.discard(node.key)
            entry = None
        if entry is not None and isinstance(node.work, ListeningCopy) and not _has_copy(entry):
            if verify:
                cache.discard(node.key)
            entry = None
        if entry is None:
            missing.add(node.id)
            for port in node.inputs:
                read.setdefault(port.node, set()).add(port.signal)
    return missing


def _has_copy(entry: Entry) -> bool:
    """Tell whether more than the facts of a listening copy is left, and undamaged."""
    return bool(entry.files) and all(file.is_intact() for file in entry.files.values())


class _Loop:
    def __init__(
        self,
        steps: Steps,
        cache: Cache,
        observer: Observer,
        jobs: int | None,
        check: Callable[[], None],
    ) -> None:
        self._steps, self._cache, self._observer = steps, cache, observer
        self._jobs = jobs or default_jobs()
        self._check = check
        self._stop = threading.Event()
        self._results: dict[str, NodeResult] = {}
        self._begun: set[str] = set()

    def run(self) -> tuple[NodeResult, ...]:
        missing = missing_nodes(self._steps, self._cache)
        _prepare_threads(missing)
        for node in self._steps.nodes.values():
            if node.id not in missing:
                self._take_from_cache(node)
        waiting = self._what_each_waits_for(missing)
        running: dict[Future[NodeResult], str] = {}
        with ThreadPoolExecutor(self._jobs, thread_name_prefix="stemfx") as pool:
            try:
                while waiting or running:
                    self._check()
                    for name in self._ready(waiting, running.values()):
                        del waiting[name]
                        running[pool.submit(self._execute, self._steps.nodes[name])] = name
                    # A short timeout, so that Ctrl-C is seen while threads work.
                    done, _ = wait(running, timeout=0.2, return_when=FIRST_COMPLETED)
                    for future in done:
                        name = running.pop(future)
                        self._results[name] = future.result()
                        for needs in waiting.values():
                            needs.discard(name)
            except BaseException as error:
                self._stop.set()
                for future in running:
                    future.cancel()
                if isinstance(error, KeyboardInterrupt):
                    raise self._interrupted() from None
                raise
        return tuple(self._results[name] for name in self._steps.nodes)

    def _ready(self, waiting: Mapping[str, set[str]], running: Iterable[str]) -> list[str]:
        """Return the nodes that can start; separations need gigabytes, so one at a time."""
        heavy = any(isinstance(self._steps.nodes[n].work, Separate) for n in running)
        ready = []
        for name, needs in waiting.items():
            is_heavy = isinstance(self._steps.nodes[name].work, Separate)
            if not needs and not (is_heavy and heavy):
                ready.append(name)
                heavy = heavy or is_heavy
        return ready

    def _what_each_waits_for(self, missing: set[str]) -> dict[str, set[str]]:
        """Return the missing nodes that each missing node waits for.

        That is what it reads; of equal nodes the first one; and before a result is written,
        everything else (but what judges the results), so that a run that fails has written nothing.
        """
        first: dict[str, str] = {}
        waiting = {}
        nodes = self._steps.nodes
        results = {name for name, node in nodes.items() if isinstance(node.work, Result)}
        judging = {n for n, node in nodes.items() if any(p.node in results for p in node.inputs)}
        others = missing - results - judging
        for name, node in self._steps.nodes.items():
            if name not in missing:
                continue
            if isinstance(node.work, Result):
                waiting[name] = set(others)
                continue
            waiting[name] = {port.node for port in node.inputs} & missing
            twin = first.setdefault(node.key, name)
            if twin != name:
                waiting[name].add(twin)
        return waiting

    def _interrupted(self) -> CancelledError:
        if not self._cache.is_kept:
            return CancelledError("interrupted")
        n_done = sum(result.status == "done" for result in list(self._results.values()))
        kept = f"{n_done} finished step{' is' if n_done == 1 else 's are'} kept"
        if any(self._cache.has_begun(self._steps.nodes[name].key) for name in self._begun):
            kept += ", and what is separated so far"
        return CancelledError(f"interrupted; {kept}: run the same command again to go on")

    def _take_from_cache(self, node: Node) -> None:
        entry = self._cache.lookup(node.key)
        if entry is None:
            result = NodeResult(node.id, node.op, "skipped")
        else:
            result = _result(node, "cached", 0.0, entry.facts)
        self._results[node.id] = result
        self._observer.finished(node, result)

    def _execute(self, node: Node) -> NodeResult:
        if not isinstance(node.work, Result) and self._cache.holds(node.key):
            self._take_from_cache(node)  # an equal node, or another run, was faster
            return self._results[node.id]
        if isinstance(node.work, Result):
            self._cache.discard(node.key)  # it tells of files that are no longer so
        began = time.perf_counter()
        if _resumes(node):
            self._begun.add(node.id)
        writer = self._cache.writer(node.key, keeps_partial=_resumes(node))
        try:
            inputs = [
                _Input(self._open(port.node, port.signal), self._check_stop)
                for port in node.inputs
                if port.signal not in UNHEARD
            ]
            notes = Notes()
            self._observer.started(node, _expected_samples(node, inputs, self._steps.sample_rate))
            extra = self._perform(node, inputs, writer, notes)
            self._check_stop()
            facts = {
                "op": node.op,
                "seconds": round(time.perf_counter() - began, 3),
                "measurements": notes.measurements,
                "findings": [asdict(finding) for finding in notes.findings],
            } | extra
            entry = writer.commit(facts)
        except StemfxError as error:
            if error.where is None and node.where is not None:
                error.where = node.where
            self._observer.finished(node, NodeResult(node.id, node.op, "failed"))
            raise
        except Exception as error:
            error.add_note(f"while running the step {node.id!r} ({node.where or node.op})")
            raise
        finally:
            writer.abandon()
        result = _result(node, "done", entry.facts["seconds"], entry.facts)
        self._observer.finished(node, result)
        return result

    def _open(self, name: str, signal: str) -> StoredSignal:
        entry = self._cache.lookup(self._steps.nodes[name].key)
        if entry is None or signal not in entry.signals:
            raise LostError(name)
        return entry.signals[signal]

    def _data(self, node: Node) -> list[Mapping[str, Any]]:
        """Return what the nodes found, or measured, whose data or notes a node reads, in order."""
        found = []
        for port in (port for port in node.inputs if port.signal in UNHEARD):
            entry = self._cache.lookup(self._steps.nodes[port.node].key)
            if entry is None:
                raise LostError(port.node)
            found.append(entry.facts[port.signal])
        return found

    def _check_stop(self) -> None:
        if self._stop.is_set():
            raise self._interrupted()

    def _perform(
        self, node: Node, inputs: list[_Input], writer: EntryWriter, notes: Notes
    ) -> dict[str, Any]:
        """Run one node; its signals go to `writer`. Return facts beyond the notes."""
        work = node.work
        store = _Store(node, writer, self._observer, self._check_stop)
        if isinstance(work, Decode):
            store.one(operations.decode(work, notes), self._steps.sample_rate)
        elif isinstance(work, Resample):
            heard = Resampled(inputs[0], work.sample_rate)
            store.one(heard.blocks(), work.sample_rate)
        elif isinstance(work, StemWork):
            _make_stems(work, inputs, self._data(node), store, notes)
        elif isinstance(work, Finds):
            inputs[:1] = [signal.telling(store.passed) for signal in inputs[:1]]
            return {DATA: operations.find(work, inputs, self._data(node), notes)}
        elif isinstance(work, Apply):
            data = self._data(node)
            blocks = operations.apply_stage(work, inputs, data, seed_of(node), notes)
            store.one(blocks, inputs[0].sample_rate)
        elif isinstance(work, Makes):
            blocks = operations.blocks(work, inputs, self._data(node), notes)
            store.one(blocks, inputs[0].sample_rate)
        elif isinstance(work, ListeningCopy):
            inputs[:1] = [signal.telling(store.passed) for signal in inputs[:1]]
            return {DATA: operations_page.write_copy(work, inputs[0], self._data(node)[0], writer)}
        elif isinstance(work, Kept):
            raise LostError(node.id)
        elif isinstance(work, Tells):
            inputs[:1] = [signal.telling(store.passed) for signal in inputs[:1]]
            _tell(work, inputs, self._data(node), notes)
        else:
            told = [signal.telling(store.passed) for signal in inputs]
            return {"files": operations_files.write_result(work, told, self._data(node), notes)}
        return {}


class _Store:
    """Puts the blocks of one node into its entry, tells the observer, and stops when asked."""

    def __init__(
        self,
        node: Node,
        writer: EntryWriter,
        observer: Observer,
        check_stop: Callable[[], None],
    ) -> None:
        self._node, self._writer = node, writer
        self._observer, self._check_stop = observer, check_stop
        self.n_kept = writer.n_kept  # samples that an interrupted run has left

    def passed(self, n_samples: int) -> None:
        """Say that so many samples are done."""
        self._check_stop()
        self._observer.advanced(self._node, n_samples)

    def one(self, blocks: Iterator[Block], sample_rate: int) -> None:
        """Store the blocks of a node with one signal, or drain a check."""
        signal = None
        for block in blocks:
            if signal is None:
                signal = self._writer.open(self._node.signals[0], sample_rate, block.shape[0])
            signal.append(block)
            self.passed(signal.n_samples)

    def several(self, blocks: Iterator[StemBlock], sample_rate: int, channels: int) -> None:
        """Store `(n_signals, channels, n)` blocks, one signal each."""
        signals = [self._writer.open(name, sample_rate, channels) for name in self._node.signals]
        for block in blocks:
            for signal, part in zip(signals, block, strict=True):
                signal.append(part)
            self._writer.checkpoint()
            self.passed(signals[0].n_samples)


@dataclass(frozen=True)
class _Input:
    """A stored signal as a node sees it: reading it stops when the run is to stop.

    `on_read` is told how far it was read, for nodes that only read.
    """

    signal: StoredSignal
    check_stop: Callable[[], None]
    on_read: Callable[[int], None] | None = None

    @property
    def sample_rate(self) -> int:
        return self.signal.sample_rate

    @property
    def channels(self) -> int:
        return self.signal.channels

    @property
    def n_samples(self) -> int:
        return self.signal.n_samples

    def blocks(self, n_samples: int = BLOCK_SAMPLES) -> Iterator[Block]:
        done = 0
        try:
            for block in self.signal.blocks(n_samples):
                self.check_stop()
                yield block
                done += block.shape[1]
                if self.on_read is not None:
                    self.on_read(done)
        except FileNotFoundError:
            raise LostError(self.signal.path.parent.name) from None

    def read(self, start: int = 0, stop: int | None = None) -> Block:
        self.check_stop()
        try:
            return self.signal.read(start, stop)
        except FileNotFoundError:
            raise LostError(self.signal.path.parent.name) from None

    def telling(self, on_read: Callable[[int], None]) -> _Input:
        """Return the same signal, telling how far it was read."""
        return replace(self, on_read=on_read)


def _make_stems(
    work: StemWork,
    inputs: Sequence[_Input],
    data: Sequence[Mapping[str, Any]],
    store: _Store,
    notes: Notes,
) -> None:
    """Run one node between a song and its stems."""
    rate, channels = inputs[0].sample_rate, inputs[0].channels
    if isinstance(work, Separate):
        rate = work.separator.card.sample_rate
        store.several(operations.separate(work, inputs[0], notes, store.n_kept), rate, 2)
        if store.n_kept:
            notes.measurements["resumed_at_s"] = store.n_kept / rate
    elif isinstance(work, Fit):
        store.several(fit(inputs[1:], inputs[0]), rate, channels)
    elif isinstance(work, CombineStems):
        store.one(operations.combined(work, inputs, notes), rate)
    elif isinstance(work, MaskMixture):
        store.several(operations.masked(work, inputs, notes), rate, channels)
    elif isinstance(work, Residual):
        store.one(operations.residual(inputs, notes), rate)
    elif isinstance(work, AlignStems):
        widest = max(signal.channels for signal in inputs)
        store.several(operations_align.aligned(work, inputs, data[0], notes), rate, widest)
    else:
        store.several(operations.return_residual(inputs, notes), rate, channels)


def _prepare_threads(missing: Collection[str]) -> None:
    """Import scipy before threads do: two that are the first at once may each find half of it.

    `import scipy.signal` does not wait for a `scipy` that another thread has only begun, and
    Python breaks the circle with an ImportError or a KeyError, once in about ten separations.
    """
    if missing:
        import scipy.fft  # noqa: F401 - used by nearly all work


def _resumes(node: Node) -> bool:
    """Tell whether an interrupted node can go on where it stopped."""
    return isinstance(node.work, Separate) and node.work.separator.resumes


def _expected_samples(node: Node, inputs: Sequence[Signal], sample_rate: int) -> int:
    if inputs:
        return max(signal.n_samples for signal in inputs)
    return round(node.seconds_of_audio * sample_rate)


def _result(node: Node, status: Status, seconds: float, facts: Mapping[str, Any]) -> NodeResult:
    return NodeResult(
        node.id,
        node.op,
        status,
        seconds,
        facts.get("measurements", {}),
        tuple(Finding(**finding) for finding in facts.get("findings", [])),
    )


def _tell(
    work: Tells, inputs: Sequence[Signal], told: Sequence[Mapping[str, Any]], notes: Notes
) -> None:
    """Run one node that only measures."""
    if isinstance(work, Measure):
        _measure(inputs[0], notes)
    elif isinstance(work, Meeting):
        operations_align.meet(work, inputs, told, notes)
    else:
        operations_checks.tell(work, inputs, told, notes)


def _measure(signal: Signal, notes: Notes) -> None:
    reading = measure(signal)
    values = {
        "lufs": reading.lufs,
        "true_peak_dbtp": reading.true_peak_dbtp,
        "sample_peak_dbfs": reading.sample_peak_dbfs,
        "max_short_term_lufs": reading.max_short_term_lufs,
        "max_momentary_lufs": reading.max_momentary_lufs,
        "lra_lu": reading.lra_lu,
        "plr_lu": reading.plr_lu,
        "psr_lu": reading.psr_lu,
        "duration_s": signal.n_samples / signal.sample_rate,
        "sample_rate": signal.sample_rate,
        "channels": signal.channels,
    }
    notes.measurements |= {name: value for name, value in values.items() if value is not None}
