"""YAML as a tree of located values, read strictly and within bounds.

Scalars follow the YAML 1.2 core schema, so `no`, `on`, `1:30` and `2026-01-01` stay text and
`1e3` is a number. What programs disagree on (`010`, `0x1F`, `1_000`) stays text as well: where
a number is due, `validate.py` says what to write instead.

The tree is built from the parser's events. Limits are therefore checked while reading, before
anything is expanded, and no tag can ever construct an object.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import yaml

from stemfx.recipe.problems import Mark, Problems, label, quote, whole_file

MAX_BYTES = 1 << 20
MAX_NODES = 20_000  # after alias expansion
MAX_DEPTH = 32
MAX_TEXT = 10_000  # characters of one scalar
TOO_DEEP = f"{{what}} nests at most {MAX_DEPTH} levels deep"


@dataclass(frozen=True)
class Kind:
    """What a file is called in messages, and how one starts."""

    what: str
    starts: str


RECIPE = Kind("recipe", "stemfx: 1")

Scalar: TypeAlias = bool | int | float | str | None


@dataclass(frozen=True)
class Leaf:
    """A scalar: its text as written and the value that it stands for.

    Args:
        quoted: it was quoted or a block text, so it is text whatever it looks like.
        via: the `${knob}` that this value replaced, if any.
        broken: already reported; follow-up faults would only be noise.
    """

    mark: Mark
    text: str
    value: Scalar
    quoted: bool = False
    via: str = ""
    broken: bool = False

    @property
    def is_null(self) -> bool:
        """Nothing was written here."""
        return self.value is None and not self.broken


@dataclass(frozen=True)
class Items:
    """A list."""

    mark: Mark
    nodes: tuple[Node, ...]


@dataclass(frozen=True)
class Table:
    """A mapping; `keys` holds the mark of each key."""

    mark: Mark
    entries: dict[str, Node] = field(default_factory=dict)
    keys: dict[str, Mark] = field(default_factory=dict)

    def get(self, name: str) -> Node | None:
        """Return the value of a key; a key with nothing after it counts as not given."""
        node = self.entries.get(name)
        return None if isinstance(node, Leaf) and node.is_null else node

    def where(self, name: str) -> Mark:
        """Return the mark of a value that was given, else of the table."""
        node = self.entries.get(name)
        return node.mark if node else self.mark

    def without(self, *names: str) -> Table:
        """Return the table without some of its keys."""
        return replace(self, entries={k: n for k, n in self.entries.items() if k not in names})


Node: TypeAlias = Leaf | Items | Table

_INT = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,17})")
_LEADING_ZERO = re.compile(r"[-+]?0[0-9]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_WORDS: dict[str, Scalar] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


def resolve(text: str) -> Scalar:
    """Return the value of a plain scalar.

    >>> [resolve(text) for text in ("1e3", "no", "1:30", "010", "TRUE", "~")]
    [1000.0, 'no', '1:30', '010', True, None]
    """
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text) and not _LEADING_ZERO.fullmatch(text):
        return float(text)
    if _NOT_FINITE.fullmatch(text):
        return float(text.replace(".", ""))
    return text


def plain(node: Node) -> object:
    """Return the bare values of a tree, as `json.dumps` takes them."""
    if isinstance(node, Leaf):
        return node.value
    if isinstance(node, Items):
        return [plain(item) for item in node.nodes]
    return {key: plain(value) for key, value in node.entries.items()}


def parse(data: bytes, file: str, order: int, problems: Problems, kind: Kind = RECIPE) -> Table:
    """Read one recipe, or another file of the same strictness.

    Args:
        data: the file's content.
        file: its name in messages.
        order: its rank among the files of this recipe.
        problems: takes the faults.
        kind: what the file is.

    Raises:
        RecipeError: nothing can be made of the file.
    """
    what = f"a {kind.what}"
    if len(data) > MAX_BYTES:
        problems.stop(whole_file(file, order), f"{what} is at most 1 MiB; this file is larger")
    text = _decoded(data, file, order, problems, kind.what)
    root = _Builder(text, file, order, problems, kind.what).document()
    if isinstance(root, Leaf) and root.broken:
        problems.settle()
    if root is None or (isinstance(root, Leaf) and root.is_null):
        start = Mark(order, 1, 1, file)
        problems.stop(start, f"the file is empty; {what} starts with `{kind.starts}`")
    if not isinstance(root, Table):
        given = "a list" if isinstance(root, Items) else f"only the text {quote(root.text)}"
        starts = f"a mapping that starts with `{kind.starts}`"
        problems.stop(root.mark, f"{what} is {starts}, not {given}")
    return root


# YAML forbids these in a file, and no setting needs them escaped ("\0", "\e") either.
_CONTROL = re.compile("[\x00-\x08\x0b-\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def has_control(text: str) -> bool:
    """Tell whether a text holds control characters, line and tab aside."""
    return _CONTROL.search(text) is not None or "\r" in text


def _decoded(data: bytes, file: str, order: int, problems: Problems, what: str) -> str:
    def mark(before: str) -> Mark:
        return Mark(order, before.count("\n") + 1, len(before) - before.rfind("\n"), file)

    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        problems.stop(
            mark(""), f"the file is UTF-16; save it as UTF-8, the only encoding of {what}s"
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8-sig", "replace")
        problems.stop(
            mark(before),
            f"byte 0x{data[error.start]:02x} is not UTF-8; save the file as UTF-8, the only "
            f"encoding of {what}s",
        )
    if found := _CONTROL.search(text):
        problems.stop(
            mark(text[: found.start()]),
            f"the control character U+{ord(found[0]):04X} has no place in a {what}; delete it",
        )
    if found := re.search(r"^%TAG\b", text, re.MULTILINE):
        problems.stop(mark(text[: found.start()]), f"tags are not allowed in a {what}; delete this")
    return text


class _Builder:
    """Builds the tree of one file from the parser's events."""

    def __init__(self, text: str, file: str, order: int, problems: Problems, what: str) -> None:
        self._what = what
        self._file, self._order, self._problems = file, order, problems
        self._events = self._located(text)
        self._anchors: dict[str, Node | None] = {}  # None while the node is still open
        self._count = 0

    def _mark(self, mark: Any) -> Mark:
        return Mark(self._order, mark.line + 1, mark.column + 1, self._file)

    def _located(self, text: str) -> Iterator[Any]:
        """Yield the events; turn the parser's complaints into plain words."""
        try:
            yield from yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        except yaml.MarkedYAMLError as error:
            found = error.problem_mark or error.context_mark
            mark = self._mark(found) if found else Mark(self._order, 1, 1, self._file)
            opened = self._mark(error.context_mark) if error.context_mark else mark
            lines = text.splitlines()
            line = lines[mark.line - 1] if mark.line <= len(lines) else ""
            self._problems.stop(*_plain_words(error, mark, opened, line, self._what))
        except yaml.YAMLError:
            self._problems.stop(whole_file(self._file, self._order), "this is not valid YAML")

    def document(self) -> Node | None:
        """Return the root of the only document, or None when there is none."""
        root: Node | None = None
        documents = 0
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    self._problems.stop(
                        self._mark(event.start_mark),
                        f"a second document starts here; one file holds one {self._what}",
                    )
            elif isinstance(event, yaml.NodeEvent):
                root = self._node(event, depth=1)
        return root

    def _node(self, event: Any, depth: int) -> Node:
        mark = self._mark(event.start_mark)
        self._spend(mark, 1, depth)
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event, mark, depth)
        anchor = event.anchor
        if anchor:
            self._anchors[anchor] = None
        node: Node
        if isinstance(event, yaml.ScalarEvent):
            node = self._leaf(event, mark)
        elif isinstance(event, yaml.SequenceStartEvent):
            node = self._items(mark, depth)
        else:
            node = self._table(mark, depth)
        if event.tag:
            tag = quote(event.tag.replace("tag:yaml.org,2002:", "!!"))
            self._problems.add(mark, f"the tag {tag} is not allowed in a {self._what}; delete it")
            node = Leaf(mark, "", None, broken=True)
        if anchor:
            self._anchors[anchor] = node
        return node

    def _spend(self, mark: Mark, nodes: int, depth: int) -> None:
        self._count += nodes
        if self._count > MAX_NODES:
            self._problems.stop(
                mark,
                f"a {self._what} holds at most {MAX_NODES} values, those behind aliases included",
            )
        if depth > MAX_DEPTH:
            self._problems.stop(mark, TOO_DEEP.format(what=f"a {self._what}"))

    def _alias(self, event: Any, mark: Mark, depth: int) -> Node:
        node = self._anchors.get(event.anchor)
        if node is None:
            fault = "is inside what it repeats" if event.anchor in self._anchors else "is unknown"
            self._problems.add(mark, f"the alias {quote('*' + event.anchor)} {fault}")
            return Leaf(mark, "", None, broken=True)
        size, height = measure(node)
        self._spend(mark, size - 1, depth + height - 1)
        return node

    def _leaf(self, event: Any, mark: Mark) -> Leaf:
        text = event.value
        if len(text) > MAX_TEXT:
            self._problems.add(mark, f"a text is at most {MAX_TEXT} characters; got {len(text)}")
        elif has_control(text):
            self._problems.add(mark, f"control characters are not allowed; got {quote(text)}")
        else:
            quoted = bool(event.style)
            return Leaf(mark, text, text if quoted else resolve(text), quoted)
        return Leaf(mark, "", None, broken=True)

    def _items(self, mark: Mark, depth: int) -> Items:
        nodes = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            nodes.append(self._node(event, depth + 1))
        return Items(mark, tuple(nodes))

    def _table(self, mark: Mark, depth: int) -> Table:
        table = Table(mark)
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key = self._node(event, depth + 1)
            value = self._node(next(self._events), depth + 1)
            at = self._mark(event.start_mark)
            if isinstance(value, Leaf) and value.is_null and not value.text:
                value = replace(value, mark=at)  # nothing lies nowhere: its key does
            if not isinstance(key, Leaf):
                self._problems.add(at, "a key is a name, not a list or a mapping")
            elif key.text == "<<" and not key.quoted:
                self._problems.add(
                    at, "merge keys (`<<`) are not supported; use `extends`, or repeat the lines"
                )
            elif key.text in table.keys:
                first = table.keys[key.text].line
                self._problems.add(
                    at, f"{quote(key.text)} is given twice, first on line {first}; keep one"
                )
            elif not key.broken:
                table.entries[key.text] = value
                table.keys[key.text] = at
        return table


def measure(node: Node) -> tuple[int, int]:
    """Return how many nodes a tree has and how deep it is; costs what `_spend` then charges."""
    if isinstance(node, Leaf):
        return 1, 1
    inner = node.nodes if isinstance(node, Items) else node.entries.values()
    sizes = [measure(child) for child in inner]
    # A table's keys were charged where they stand; repeating them costs nothing new.
    return 1 + sum(size for size, _ in sizes), 1 + max((height for _, height in sizes), default=0)


def _plain_words(
    error: yaml.MarkedYAMLError, mark: Mark, opened: Mark, line: str, file_kind: str
) -> tuple[Mark, str]:
    """Return where a syntax error lies and what to do about it, without the parser's jargon."""
    what = f"{error.context} {error.problem}"
    character = line[mark.column - 1 : mark.column]
    # libyaml looks ahead, and since PyYAML 6.0.4 it has a limit of its own.
    in_brackets = "flow" in what and "nesting depth" not in what
    if in_brackets and "${" in line:
        return mark, 'inside { } and [ ] a knob needs quotes: "${name}"'
    if character == "\t" or "tab character" in what:
        return mark, f"a tab cannot indent a {file_kind}; use spaces"
    if "quoted scalar" in what and "end of stream" in what:
        return opened, "this text has no closing quote"
    if in_brackets:
        bracket, closing = ("{", "}") if "mapping" in what else ("[", "]")
        return mark, (
            f"expected `,` or `{closing}`: the `{bracket}` of line {opened.line} is not closed"
            if "expected ','" in what
            else f"a value is missing, or a bracket does not match the `{bracket}` before it"
        )
    for sign, words in _WORDING.items():
        if sign in what:
            return mark, words.format(character=quote(character), what=f"a {file_kind}")
    return mark, f"this is not valid YAML ({label(str(error.problem))})"


_WORDING = {
    "nesting depth": TOO_DEEP,
    "mapping values are not allowed": "a `:` is not expected here; line this up with the lines "
    "above, or put a text that contains `: ` in quotes",
    "cannot start any token": "{character} cannot start a value; put the text in quotes",
    "could not find expected ':'": "this line is neither `name: value` nor part of a text",
    "escape": "a text in \"double quotes\" holds an unknown \\ escape; use 'single quotes'",
    "block collection": "this line does not line up with the list above",
    "block mapping": "this line does not line up with the lines above",
    "document start": "nothing may follow here; is the line above complete?",
}
