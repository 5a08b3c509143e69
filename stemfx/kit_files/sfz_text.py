"""SFZ as text: sections with opcodes, `#define` and `#include` worked in.

The format: https://sfzformat.com (SFZ 1 by Cakewalk, with what SFZ 2 and ARIA add). Comments are
`// ...` and `/* ... */`; a value runs to the next opcode or the end of its line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from stemfx.errors import KitError
from stemfx.kit_files.inside import Folder

MAX_BYTES = 16 << 20
MAX_SECTIONS = 200_000
MAX_INCLUDES = 200
MAX_LINE = 20_000  # characters, macros filled in
MAX_MACROS = 1_000

_COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
_HEADER = re.compile(r"<(\w+)>")
_OPCODE = re.compile(r"(?<![^\s>])([A-Za-z_]\w*)=")
_INCLUDE = re.compile(r'\s*#include\s+"([^"\n]*)"')
_DEFINE = re.compile(r"\s*#define\s+(\$\w+)[ \t]+([^\s<]+)")


@dataclass
class Section:
    """A header such as `<region>` and the opcodes after it; `where` is `file:line`."""

    name: str
    where: str
    opcodes: dict[str, str] = field(default_factory=dict)


def read_sections(path: Path, folder: Folder) -> Iterator[Section]:
    """Yield the sections of an SFZ file and of those that it includes, in order.

    Raises:
        KitError: it cannot be read, is no text, or larger than a kit.
    """
    yield from _Parser(folder).sections(path)


class _Parser:
    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._macros: dict[str, str] = {}
        self._left_bytes = MAX_BYTES
        self._left_includes = MAX_INCLUDES
        self._section = Section("", "")
        self._count = 0

    def sections(self, path: Path) -> Iterator[Section]:
        yield from self._file(path, ())
        yield self._section

    def _file(self, path: Path, outer: tuple[Path, ...]) -> Iterator[Section]:
        where = str(path)
        for number, line in enumerate(self._text(path).splitlines(), start=1):
            here = f"{where}:{number}"
            rest = line
            while found := _DEFINE.match(rest):
                self._define(found[1], found[2], here)
                rest = rest[found.end() :]
            if found := _INCLUDE.match(rest):
                yield from self._include(self._filled(found[1], here), here, (*outer, path))
                rest = rest[found.end() :]
            yield from self._line(self._filled(rest, here), here)

    def _text(self, path: Path) -> str:
        try:
            data = path.read_bytes()
        except OSError as error:
            raise KitError(f"cannot be read ({error.strerror})", where=str(path)) from None
        self._left_bytes -= len(data)
        if self._left_bytes < 0:
            raise KitError(
                f"more than {MAX_BYTES >> 20} MiB of SFZ; this is no kit", where=str(path)
            )
        if b"\0" in data:
            raise KitError("this is no SFZ file: SFZ is text", where=str(path))
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = data.decode("cp1252", "replace")  # what Windows wrote before UTF-8
        # Line breaks stay, so that lines keep their numbers.
        return _COMMENT.sub(lambda found: "\n" * found[0].count("\n"), text)

    def _define(self, name: str, value: str, where: str) -> None:
        if len(self._macros) >= MAX_MACROS:
            raise KitError(f"more than {MAX_MACROS:,} macros", where=where)
        self._macros[name] = self._filled(value, where)

    def _filled(self, text: str, where: str) -> str:
        """Replace macros by their values; of several that fit the longest name."""
        if "$" not in text:
            return text
        for name in sorted(self._macros, key=len, reverse=True):
            text = text.replace(name, self._macros[name])
            if len(text) > MAX_LINE:
                raise KitError(f"a line of more than {MAX_LINE:,} characters", where=where)
        return text

    def _include(self, name: str, where: str, outer: tuple[Path, ...]) -> Iterator[Section]:
        self._left_includes -= 1
        found = self._folder.find(name, where)
        if self._left_includes < 0 or found in outer or len(outer) > 10:
            raise KitError("files include each other without an end", where=where)
        yield from self._file(found, outer)

    def _line(self, line: str, where: str) -> Iterator[Section]:
        position = 0
        for header in _HEADER.finditer(line):
            self._opcodes(line[position : header.start()])
            position = header.end()
            yield self._section
            self._count += 1
            if self._count > MAX_SECTIONS:
                raise KitError(f"more than {MAX_SECTIONS:,} sections; this is no kit", where=where)
            self._section = Section(header[1].lower(), where)
        self._opcodes(line[position:])

    def _opcodes(self, text: str) -> None:
        found = list(_OPCODE.finditer(text))
        ends = [*(opcode.start() for opcode in found[1:]), len(text)]
        for opcode, end in zip(found, ends, strict=False):
            self._section.opcodes[opcode[1].lower()] = text[opcode.end() : end].strip()
