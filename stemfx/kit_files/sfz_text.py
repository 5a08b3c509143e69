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
from stemfx.kit_files.inside import Folder, read_bytes

MAX_BYTES = 4 << 20
"""The largest kits, of 7000 samples, take 2 MiB."""

MAX_LINES = 300_000
MAX_SECTIONS = 200_000
MAX_INCLUDES = 200
MAX_MACROS = 1_000
MAX_OPCODES = 1_000
"""Of one section: every region takes over those of the sections around it."""

MAX_MACRO_NAME = 64

# A comment without an end runs to the end of the file, or each `/*` would look for it anew.
_COMMENT = re.compile(r"/\*.*?(?:\*/|\Z)|//[^\n]*", re.DOTALL)
_HEADER = re.compile(r"<(\w+)>")
_OPCODE = re.compile(r"(?<![^\s>])([A-Za-z_]\w*)=")
_INCLUDE = re.compile(r'\s*#include\s+"([^"\n]*)"')
_DEFINE = re.compile(r"\s*#define\s+(\$\w+)[ \t]+([^\s<]+)")
_MACRO = re.compile(r"\$\w+")


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
        self._left_filled = MAX_BYTES  # characters of what macros stand for
        self._left_lines = MAX_LINES
        self._left_includes = MAX_INCLUDES
        self._section = Section("", "")
        self._count = 0

    def sections(self, path: Path) -> Iterator[Section]:
        yield from self._file(path, ())
        yield self._section

    def _file(self, path: Path, outer: tuple[Path, ...]) -> Iterator[Section]:
        where = str(path)
        lines = self._text(path).splitlines()
        self._left_lines -= len(lines)
        if self._left_lines < 0:
            raise KitError(f"more than {MAX_LINES:,} lines of SFZ; this is no kit", where=where)
        for number, line in enumerate(lines, start=1):
            here = f"{where}:{number}"
            position = 0
            while found := _DEFINE.match(line, position):
                self._define(found[1], found[2], here)
                position = found.end()
            if found := _INCLUDE.match(line, position):
                yield from self._include(self._filled(found[1], here), here, (*outer, path))
                position = found.end()
            yield from self._line(self._filled(line[position:], here), here)

    def _text(self, path: Path) -> str:
        data = read_bytes(path, MAX_BYTES, "SFZ")
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
        if len(self._macros) >= MAX_MACROS or len(name) > MAX_MACRO_NAME:
            raise KitError(
                f"more than {MAX_MACROS:,} macros, or a name of more than {MAX_MACRO_NAME} "
                "characters",
                where=where,
            )
        self._macros[name] = self._filled(value, where)

    def _filled(self, text: str, where: str) -> str:
        """Replace macros by their values; of several that fit the longest name."""

        def value(found: re.Match[str]) -> str:
            written = found[0]
            for length in range(min(len(written), MAX_MACRO_NAME), 1, -1):
                if (macro := self._macros.get(written[:length])) is not None:
                    self._left_filled -= len(macro)
                    if self._left_filled < 0:
                        raise KitError(
                            f"its macros stand for more than {MAX_BYTES >> 20} MiB; this is no kit",
                            where=where,
                        )
                    return macro + written[length:]
            return written

        return _MACRO.sub(value, text) if self._macros else text

    def _include(self, name: str, where: str, outer: tuple[Path, ...]) -> Iterator[Section]:
        self._left_includes -= 1
        found = self._folder.find(name, where)
        if self._left_includes < 0 or found in outer or len(outer) > 10:
            raise KitError("files include each other without an end", where=where)
        yield from self._file(found, outer)

    def _line(self, line: str, where: str) -> Iterator[Section]:
        position = 0
        for header in _HEADER.finditer(line):
            self._opcodes(line[position : header.start()], where)
            position = header.end()
            yield self._section
            self._count += 1
            if self._count > MAX_SECTIONS:
                raise KitError(f"more than {MAX_SECTIONS:,} sections; this is no kit", where=where)
            self._section = Section(header[1].lower(), where)
        self._opcodes(line[position:], where)

    def _opcodes(self, text: str, where: str) -> None:
        opcodes = self._section.opcodes
        name, start = "", 0
        for found in _OPCODE.finditer(text):
            if name:
                opcodes[name] = text[start : found.start()].strip()
            name, start = found[1].lower(), found.end()
            if len(opcodes) >= MAX_OPCODES and name not in opcodes:
                raise KitError(f"more than {MAX_OPCODES:,} opcodes in one section", where=where)
        if name:
            opcodes[name] = text[start:].strip()
