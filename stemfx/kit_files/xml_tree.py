"""XML without what makes it dangerous: no document type, so no entities; bounded in size."""

from __future__ import annotations

from typing import NoReturn
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from stemfx.errors import KitError
from stemfx.recipe.problems import quote

MAX_BYTES = 10 << 20
"""The largest kits have some hundred instruments of a few dozen layers of half a kB."""

MAX_ELEMENTS = 500_000
MAX_DEPTH = 32


def parse_xml(data: bytes, where: str) -> Element:
    """Return the root; names have lost their namespaces. Hydrogen's oldest kits are not UTF-8.

    Raises:
        KitError: it is not XML, or more or other than a kit needs.
    """
    try:
        return _parse(data, where, None)
    except expat.ExpatError as error:
        if error.code == expat.errors.codes[expat.errors.XML_ERROR_INVALID_TOKEN]:
            try:
                data.decode("utf-8")
            except UnicodeDecodeError:
                return _latin(data, where)
        _refuse(error, where)
    except LookupError as error:  # expat asks Python for an encoding that it does not know
        raise KitError(f"{quote(str(error))}; export the kit again as UTF-8", where=where) from None


def _latin(data: bytes, where: str) -> Element:
    try:
        return _parse(data, where, "iso-8859-1")
    except expat.ExpatError as error:
        _refuse(error, where)


def _refuse(error: expat.ExpatError, where: str) -> NoReturn:
    raise KitError(
        f"this is not valid XML ({expat.errors.messages[error.code]}); export the kit again",
        where=f"{where}:{error.lineno}:{error.offset + 1}",
    ) from None


def _parse(data: bytes, where: str, encoding: str | None) -> Element:
    builder = TreeBuilder()
    parser = expat.ParserCreate(encoding, namespace_separator=" ")
    parser.buffer_text = True
    count = depth = 0

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal count, depth
        count, depth = count + 1, depth + 1
        if count > MAX_ELEMENTS or depth > MAX_DEPTH:
            raise KitError(
                f"more than {MAX_ELEMENTS:,} elements or {MAX_DEPTH} levels; this is no kit",
                where=f"{where}:{parser.CurrentLineNumber}",
            )
        builder.start(name.rpartition(" ")[2], attributes)

    def end(name: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(name.rpartition(" ")[2])

    def refuse_doctype(*_declared: object) -> None:
        raise KitError(
            "a document type (<!DOCTYPE ...>) is declared; a kit has none, and its entities could "
            "read files or fill the memory: delete the declaration",
            where=f"{where}:{parser.CurrentLineNumber}",
        )

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = refuse_doctype
    parser.Parse(data, True)
    return builder.close()
