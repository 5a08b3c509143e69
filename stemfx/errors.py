"""The error tree of stemfx.

An *expected* failure is a `StemfxError`: its text is one clear sentence that says
where, what was given, what is allowed and what to try. The command line prints it
without a traceback and exits with its `exit_code`. Anything else is a bug.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

EXIT_OK = 0
EXIT_FINDING = 1
EXIT_EXPECTED = 2
EXIT_BUG = 3
EXIT_INTERRUPTED = 130


class StemfxError(Exception):
    """An expected failure: `message` for people, `code` for programs, `where` it lies."""

    code = "error"
    exit_code = EXIT_EXPECTED

    def __init__(self, message: str, *, where: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.where = where

    def __str__(self) -> str:
        return f"{self.where}: {self.message}" if self.where else self.message


@dataclass(frozen=True)
class Problem:
    """One fault in a recipe: `where` is `file:line:column`, ready to click in an editor."""

    where: str
    message: str

    def __str__(self) -> str:
        return f"{self.where}: {self.message}"


class RecipeError(StemfxError):
    """A recipe that cannot be run; carries every problem that was found, in file order."""

    code = "recipe"

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(
            "\n".join(str(problem) for problem in self.problems),
            where=None,
        )
        self.where = self.problems[0].where if self.problems else None

    def __str__(self) -> str:
        return self.message


class UsageError(StemfxError):
    """A command-line argument that cannot be used."""

    code = "usage"


class AudioFileError(StemfxError):
    """An audio file that is missing, unreadable, damaged or unsuitable."""

    code = "audio_file"


class SilentFileError(AudioFileError):
    """An audio file with nothing but zeros, where there should be a song."""


class HitsError(StemfxError):
    """A file of drum hits that cannot be read."""

    code = "hits"


class OutputError(StemfxError):
    """A result that cannot be written."""

    code = "output"


class DiskFullError(OutputError):
    """The disk (or the quota, or the file-size limit) ran out while writing."""

    code = "disk_full"


class TagError(StemfxError):
    """Tags or a cover that cannot be put into a file."""

    code = "tags"


class KitError(StemfxError):
    """A drum kit that is missing, empty, damaged or not to be trusted."""

    code = "kit"

    def __str__(self) -> str:
        # Of a `kit.yaml` the message carries every problem, each with its own place.
        if self.where and self.message.startswith(f"{self.where}:"):
            return self.message
        return super().__str__()


class BundleError(StemfxError):
    """A `.stemfx` bundle that is damaged, from a newer program, or not to be trusted."""

    code = "bundle"


class WeightsError(StemfxError):
    """A file of weights that cannot be used."""

    code = "weights"

    def __str__(self) -> str:
        return self.message  # it carries every problem, each with its own place


class AlignmentError(StemfxError):
    """Songs that cannot be brought into one tempo or key as asked."""

    code = "align"


class ModelError(StemfxError):
    """A separation model that is unknown, not here, or not what it claims to be."""

    code = "model"


class LicenceError(StemfxError):
    """Something in the result may not be sold, or nobody says that it may."""

    code = "licence"

    def __str__(self) -> str:
        return self.message  # it carries every problem, each with its own place


class PluginError(StemfxError):
    """A plugin that clashes with another one or did not keep its contract."""

    code = "plugin"


class StageError(StemfxError):
    """A stage that cannot do what its parameters ask on this audio."""

    code = "stage"


class CancelledError(StemfxError):
    """The run was interrupted; what had finished is kept."""

    code = "interrupted"
    exit_code = EXIT_INTERRUPTED
