"""Tells when files change, by looking at them several times a second.

Not by what the system tells of changes: that does not come from network drives, differs from
system to system, and of one save tells several things.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from itertools import islice
from pathlib import Path

from stemfx.io import visible_files

INTERVAL_S = 0.2
"""Between two looks. A change counts after two that agree, so it is seen after 0.2 to 0.4 s."""

MOST_IN_A_FOLDER = 1000
"""Files of one folder that are looked at."""

State = tuple[int, int, int]
"""Size, time of change and identity: a file renamed into the place of another may have its size
and time."""

Seen = Mapping[Path, Mapping[Path, State]]
"""The files that were there at each path: itself, or all in the folder."""


def look(paths: Collection[Path]) -> dict[Path, dict[Path, State]]:
    """Return what is there at paths; hidden files in a folder do not count.

    Args:
        paths: of files and folders, there or not.
    """
    return {path: dict(_files_at(path)) for path in paths}


def _files_at(path: Path) -> Iterator[tuple[Path, State]]:
    within = islice(visible_files(path), MOST_IN_A_FOLDER) if os.path.isdir(path) else [path]  # noqa: PTH112 - never raises
    for file in within:
        try:
            status = file.stat()
        except (OSError, ValueError):
            continue
        yield file, (status.st_size, status.st_mtime_ns, status.st_ino)


class Watch:
    """Knows what some files were like when they were read, and tells when they are no longer so.

    Editors write a file in place, rename another one into its place, or delete it and make it
    again: all of that is over before two looks, one interval apart, see the same. Only then has
    something changed.

    Args:
        look_at: returns what is there at paths; as `look`.
        clock: in seconds.
        interval_s: between two looks.
    """

    def __init__(
        self,
        look_at: Callable[[Collection[Path]], Seen] = look,
        clock: Callable[[], float] = time.monotonic,
        interval_s: float = INTERVAL_S,
    ) -> None:
        self._look_at, self._clock, self._interval_s = look_at, clock, interval_s
        self._ignored: frozenset[Path] = frozenset()
        self._read: Seen = {}  # what was there when the files were read
        self._last: Seen = {}  # at the last look
        self._next_s = -float("inf")
        self.changed: tuple[Path, ...] = ()
        """The files that changed since `begin`, in order."""

    @property
    def paths(self) -> Collection[Path]:
        """What is watched."""
        return self._read.keys()

    def begin(self) -> None:
        """Look at everything: what is read from now on is as new as that, or newer."""
        self._ignored = frozenset()
        self._read = self._last = self._look_at(self.paths)
        self._next_s = self._clock() + self._interval_s
        self.changed = ()

    def follow(self, paths: Collection[Path]) -> bool:
        """Watch these paths and no others.

        Returns:
            Whether all of them were watched before. If not, what was read of the others may be
            older than what was seen of them now: read again.
        """
        seen = self._look_at([path for path in paths if path not in self._read])
        self._read = {path: self._read.get(path, seen.get(path, {})) for path in paths}
        self._last = {path: self._last.get(path, seen.get(path, {})) for path in paths}
        return not seen

    def ignore(self, files: Collection[Path]) -> None:
        """Until the next `begin` these do not count: a result must not start the next render."""
        self._ignored = frozenset(files)
        self._read, self._last = self._counted(self._read), self._counted(self._last)

    def has_changed(self) -> bool:
        """Tell whether a file changed since `begin`; looks when it is time to."""
        if not self.changed and self._clock() >= self._next_s and self._is_at_rest():
            self.changed = tuple(sorted(self._differing(self._last)))
        return bool(self.changed)

    def wait(self, sleep: Callable[[float], None] = time.sleep) -> None:
        """Return when a file has changed."""
        while not self.has_changed():
            sleep(max(0.0, self._next_s - self._clock()))

    def was_read_in_a_save(self, sleep: Callable[[float], None] = time.sleep) -> bool:
        """Tell whether files are not what they were at `begin`; if so, once they are at rest.

        What was read may have been half of a file: read it again.
        """
        is_at_rest = self._is_at_rest()
        if is_at_rest and not self._differing(self._last):
            return False
        while not is_at_rest:
            sleep(self._interval_s)
            is_at_rest = self._is_at_rest()
        return True

    def _is_at_rest(self) -> bool:
        """Look; tell whether that is what the last look saw."""
        before, self._last = self._last, self._counted(self._look_at(self.paths))
        self._next_s = self._clock() + self._interval_s
        return self._last == before

    def _counted(self, seen: Seen) -> Seen:
        return {
            path: {file: state for file, state in files.items() if file not in self._ignored}
            for path, files in seen.items()
        }

    def _differing(self, now: Seen) -> set[Path]:
        """Return the files that came, went or changed since they were read."""
        differing = set()
        for path, files in now.items():
            before = self._read[path]
            differing |= {f for f in files.keys() | before.keys() if files.get(f) != before.get(f)}
        return differing
