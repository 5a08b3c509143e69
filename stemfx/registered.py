"""Models that a user has registered: a name for a file of one's own, and the hashes it had.

The files stay where they are. One small JSON file a model, in `registered/` of the models folder,
says where that is, what each file's SHA-256 was, and what is known of the model, so that listing
models opens none of them. Whoever uses one gets exactly what was registered, or a sentence.
"""

from __future__ import annotations

import re
import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from stemfx.audio import Signal
from stemfx.errors import ModelError
from stemfx.separator import (
    LicenceClass,
    ModelCard,
    SeparationContext,
    Separator,
    StemBlock,
    WeightsState,
)
from stemfx.separators.weights import check_plain, models_folder, sha256

Opener = Callable[[Path], Separator | None]
FORMAT: Literal[1] = 1
RESERVED = ("auto", "add", "fetch", "remove", "show")  # what else stands where a name does
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_LARGEST_RECORD = 256 << 10
_MOST_FILES = 64


@dataclass(frozen=True)
class RegisteredFile:
    """A file as it was when it was registered."""

    path: Path
    size_bytes: int
    mtime_ns: int
    sha256: str

    @classmethod
    def of(cls, path: Path) -> RegisteredFile:
        """Take a file's facts; all of it is read."""
        stat = path.stat()
        return cls(path, stat.st_size, stat.st_mtime_ns, sha256(path))

    def looks_unchanged(self) -> bool:
        """Say whether size and time of change are what they were, without reading the file."""
        try:
            stat = self.path.stat()
        except OSError:
            return False
        return (stat.st_size, stat.st_mtime_ns) == (self.size_bytes, self.mtime_ns)


class Registered(Separator):
    """A model under the name that the user gave it.

    Args:
        card: what was known of it when it was registered.
        path: what is opened: a file or a folder.
        files: all that it is made of.
        owned: whether its files were made by `stemfx models add`, which then removes them too.
        opener: makes a separator of `path`.
    """

    def __init__(
        self,
        card: ModelCard,
        path: Path,
        files: tuple[RegisteredFile, ...],
        *,
        owned: bool,
        opener: Opener,
    ) -> None:
        self.card, self.path, self.recorded, self.owned = card, path, files, owned
        self._opener = opener

    def weights(self) -> WeightsState:
        """Say whether all files are where they were; whether they are the same is told on use."""
        return "here" if all(file.path.is_file() for file in self.recorded) else "missing"

    def files(self) -> tuple[Path, ...]:
        """Return all that it is made of."""
        return tuple(file.path for file in self.recorded)

    def looks_unchanged(self) -> bool:
        """Say whether no file's size or time of change has changed; reads none of them."""
        return all(file.looks_unchanged() for file in self.recorded)

    def opened(self) -> Separator:
        """Return the separator itself, under the registered name.

        Raises:
            ModelError: a file is gone or has changed, or it is no model any more.
        """
        remedy = f"`stemfx models remove {self.card.name}`, then add it again, if that is meant"
        for file in self.recorded:
            if not file.path.is_file():
                raise ModelError(
                    f"a file of {self.card.name!r} is no longer there; put it back, or {remedy}",
                    where=str(file.path),
                )
            if (found := sha256(file.path)) != file.sha256:
                raise ModelError(
                    f"it has changed since {self.card.name!r} was registered (its SHA-256 was "
                    f"{file.sha256[:16]}... and is {found[:16]}...); put the old file back, or "
                    f"{remedy}",
                    where=str(file.path),
                )
        separator = self._opener(self.path)
        if separator is None:
            raise ModelError(
                f"the plugin that knows {self.card.name!r} is no longer installed",
                where=str(self.path),
            )
        known = {name: getattr(self.card, name) for name in ("name", "licence", "licence_class")}
        separator.card = replace(separator.card, **known)
        return separator

    def identity(self) -> str:
        """Name code and content, as the model itself does."""
        return self.opened().identity()

    def computes(self, wanted: tuple[str, ...]) -> tuple[str, ...]:
        """Say which stems come out, as the model itself does."""
        return self.opened().computes(wanted)

    def separate(
        self, mixture: Signal, wanted: tuple[str, ...], context: SeparationContext
    ) -> Iterator[StemBlock]:
        """Yield what the model itself yields."""
        return self.opened().separate(mixture, wanted, context)


def read_all(opener: Opener) -> tuple[list[Registered], list[str]]:
    """Return the registered models, and one sentence for each record that cannot be read."""
    models, problems = [], []
    folder = _folder()
    for path in sorted(folder.glob("*.json")) if folder.is_dir() else ():
        try:
            models.append(_read(path, opener))
        except (OSError, ValueError) as error:
            problems.append(f"{path} cannot be read ({type(error).__name__}); delete it")
    return models, problems


def check_name(name: str, taken: Mapping[str, Any]) -> None:
    """Refuse a name that cannot be a model's, or is another model's.

    Raises:
        ModelError: it is one of these.
    """
    if not _NAME.fullmatch(name):
        raise ModelError(
            f"{name[:80]!r} cannot be a model's name; letters, digits, `.`, `_` and `-` can (up to "
            "64): say --name NAME"
        )
    # Folders of models are named after them, and some systems do not tell `A` from `a`.
    clash = next((t for t in (*taken, *RESERVED) if t.casefold() == name.casefold()), None)
    if clash is not None:
        raise ModelError(
            f"{clash!r} is taken; say --name ANOTHER"
            + (f", or first `stemfx models remove {clash}`" if is_registered(clash) else "")
        )


def is_registered(name: str) -> bool:
    """Say whether a user has registered a model of that name."""
    return _NAME.fullmatch(name) is not None and _record(name).is_file()


def add(
    path: Path,
    *,
    opener: Opener,
    taken: Mapping[str, Any],
    name: str | None = None,
    licence: str | None = None,
    licence_class: LicenceClass | None = None,
    allow_pickle: str | None = None,
) -> Registered:
    """Register a model file or folder under a name; all of it is read once, for its hashes.

    Args:
        path: what is opened; it stays where it is.
        opener: makes a separator of it, or refuses it.
        taken: the names of all known models.
        name: default: that of the file or folder.
        licence: of the weights, in words, where the user knows it.
        licence_class: what that comes to.
        allow_pickle: the SHA-256 of a checkpoint from which only the tensors are to be taken; see
            `stemfx.separators.extract`.

    Raises:
        ModelError: it is no model, or the name is taken or cannot be one.
    """
    path = path.absolute()
    check_plain(path)
    if allow_pickle is None:
        separator = _open(path, opener)
        name = separator.card.name if name is None else name
        check_name(name, taken)
    else:
        name = path.stem if name is None else name
        check_name(name, taken)
        if not path.is_file():
            raise ModelError("--allow-pickle takes one file", where=str(path))
    owned = allow_pickle is not None
    try:
        if allow_pickle is not None:
            path = _taken_out(path, allow_pickle, own_folder(name))
            separator = _open(path, opener)
        files = separator.files() or _files_of(path)
        facts = tuple(map(RegisteredFile.of, _absolute(files, path)))
        card = replace(
            separator.card,
            name=name,
            licence=licence or separator.card.licence,
            licence_class=licence_class or separator.card.licence_class,
            size_bytes=separator.card.size_bytes or sum(file.size_bytes for file in facts),
        )
        model = Registered(card, path, facts, owned=owned, opener=opener)
        _write(model)
    except BaseException:
        if owned:
            shutil.rmtree(own_folder(name), ignore_errors=True)
        raise
    return model


def _absolute(files: tuple[Path, ...], path: Path) -> list[Path]:
    if len(files) > _MOST_FILES:
        raise ModelError(
            f"{len(files)} files; a model has {_MOST_FILES} at most, in a folder of its own",
            where=str(path),
        )
    return [file.absolute() for file in files]


def _open(path: Path, opener: Opener) -> Separator:
    separator = opener(path)
    if separator is None:
        raise ModelError("no installed separator knows this file or folder", where=str(path))
    return separator


def _taken_out(path: Path, digest: str, folder: Path) -> Path:
    """Make a file of the tensors of a checkpoint, beside copies of what describes it."""
    from stemfx.separators.extract import extract

    made = extract(path, digest, folder)
    texts = [p for p in _files_of(path.parent) if p.suffix in {".yaml", ".yml", ".json"}]
    named = [p for p in texts if p.stem == path.stem]
    for text in named or (texts if len(texts) == 1 else []):
        if text.stat().st_size <= _LARGEST_RECORD:
            shutil.copyfile(text, folder / text.name)
    return made


def _files_of(path: Path) -> tuple[Path, ...]:
    if path.is_file():
        return (path,)
    return tuple(entry for entry in sorted(path.iterdir()) if entry.is_file())


def remove(name: str) -> Path | None:
    """Forget a registered model; return the folder that went with it, if it was made for it.

    The user's own files stay. A record that cannot be read is removed too.

    Raises:
        ModelError: no model of that name was registered.
    """
    if not is_registered(name):
        raise ModelError(
            f"no model {name!r} was registered; `stemfx models` lists them, and only what "
            "`stemfx models add` has added can be removed"
        )
    gone = None
    try:
        model = _read(_record(name), lambda _: None)
    except (OSError, ValueError):
        model = None
    _record(name).unlink()
    if model is not None and model.owned and own_folder(name).is_dir():
        gone = own_folder(name)
        shutil.rmtree(gone)
    return gone


def own_folder(name: str) -> Path:
    """Return where `stemfx models add` keeps the files that it has to make itself."""
    return _folder() / name


def _folder() -> Path:
    return models_folder() / "registered"


def _record(name: str) -> Path:
    return _folder() / f"{name}.json"


@dataclass(frozen=True)
class _Record:
    """What is kept of a model, and in which form."""

    stemfx: Literal[1]
    path: Path
    owned: bool
    files: tuple[RegisteredFile, ...]
    card: ModelCard


def _write(model: Registered) -> None:
    from pydantic import RootModel

    document = RootModel[_Record](
        _Record(FORMAT, model.path, model.owned, model.recorded, model.card)
    )
    record = _record(model.card.name)
    record.parent.mkdir(parents=True, exist_ok=True)
    draft = record.with_name(f"{record.name}.{uuid.uuid4().hex}.part")
    try:
        draft.write_text(document.model_dump_json(indent=1), encoding="utf-8")
        draft.replace(record)
    finally:
        draft.unlink(missing_ok=True)


def _read(path: Path, opener: Opener) -> Registered:
    """Read a record.

    Raises:
        OSError, ValueError: it is none.
    """
    from pydantic import TypeAdapter

    with path.open(encoding="utf-8") as file:
        found = TypeAdapter(_Record).validate_json(file.read(_LARGEST_RECORD), strict=True)
    if found.card.name != path.stem:
        raise ValueError("the name of the file is not that of the model")
    return Registered(found.card, found.path, found.files, owned=found.owned, opener=opener)
