"""YAML in which every value knows its position in the file.

ruamel.yaml parses the text into nodes with positions; the values are built here, by the core schema of YAML 1.2
(https://yaml.org/spec/1.2.2/#103-core-schema): ``1e-3`` is a number, ``no`` and ``2024-01-01`` are text, and a
duplicate key is an error, not a silent choice.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, StreamMark
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

from bench.atomic import open_file
from bench.errors import Problem, SuiteError, one_line
from bench.limits import CHARACTERS, allowed, exceeded
from bench.text import cut

_LONGEST = 1000
"""Characters of one message: what it repeats of a file may be of any length."""


_MOST = 1000
"""Problems that are looked for; the first hundred of them are shown."""


class Position(NamedTuple):
    """A line and a column of a file, from 1; 0 where there is none to name."""

    line: int
    column: int


@dataclass(frozen=True)
class Problems:
    """Everything found wrong in one file so far; the same thing at the same place counts once."""

    file: str
    collected: set[Problem] = field(default_factory=set)

    def add(self, place: Position, message: str) -> None:
        """Note that what begins at `place` is wrong, in one line."""
        if len(self.collected) >= _MOST:
            raise SuiteError(tuple(self.collected))
        self.collected.add(Problem(self.file, place.line, place.column, cut(one_line(message), _LONGEST)))

    def places(self) -> frozenset[Position]:
        """Where something is known to be wrong: what follows from it there need not be reported."""
        return frozenset(Position(problem.line, problem.column) for problem in self.collected)

    def check(self) -> None:
        """Raise what was found, if anything, as one `SuiteError`."""
        if self.collected:
            raise SuiteError(tuple(self.collected))

    def stop(self, place: Position, message: str) -> NoReturn:
        """Add one more and raise all of them: there is no going on after it."""
        self.add(place, message)
        raise SuiteError(tuple(self.collected))


@dataclass(frozen=True)
class Value:
    """A value of the file and the place where it begins.

    Parameters
    ----------
    place
        Of the value; of its anchor, where it is an alias.
    content
        `None`, a bool, int, float or str; a tuple of `Value`; or a dict of `Value`.
    keys
        Of a mapping: where each key begins.
    """

    place: Position
    content: Any
    keys: Mapping[str, Position] = field(default_factory=dict)

    def plain(self) -> Any:
        """The value without places: what JSON would hold."""
        if isinstance(self.content, dict):
            return {key: value.plain() for key, value in self.content.items()}
        if isinstance(self.content, tuple):
            return [value.plain() for value in self.content]
        return self.content


Scalar = bool | int | float | str | None

_TAG = "tag:yaml.org,2002:"
_IMPLICIT = frozenset(_TAG + name for name in ("bool", "float", "int", "null", "timestamp", "merge", "value"))
"""Tags that a plain scalar may have though none is stated."""
_CONSTANTS: Mapping[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INTEGER = re.compile(r"[-+]?[0-9]+")
_OTHER_BASE = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_REAL = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")

_DIGITS = 40  # of a whole number: no setting needs more, and Python refuses to read thousands of them
_DEPTH = 30  # an alias that contains itself never ends
_OPEN = 300  # brackets, at the same time
_BRACKETS = re.compile(r"[\[\]{}]")
_NESTED = "expected a suite, got lists or mappings nested hundreds deep"
_VALUES = 100_000  # ten lines of aliases to aliases can request billions


def read(path: Path, problems: Problems, text: str | None = None) -> Value | None:
    """The content of the YAML file at `path`, or of its `text` where that is known; `None` for one that says nothing.

    What is wrong with single values is added to `problems`, and reading goes on. A file that cannot be read,
    or is not YAML, raises `SuiteError` at once.
    """
    content = _text(path, problems) if text is None else text
    if long := exceeded(CHARACTERS, len(content)):
        problems.stop(Position(1, 1), long)
    if max(accumulate(1 if mark in "[{" else -1 for mark in _BRACKETS.findall(content)), default=0) > _OPEN:
        problems.stop(Position(1, 1), _NESTED)  # to find that out by parsing takes the square of their number
    node = _compose(content, problems)
    return None if node is None else _Builder(problems).build(node)


def _text(path: Path, problems: Problems) -> str:
    try:
        with open_file(path, follow=True) as file:
            content = file.read(4 * allowed(CHARACTERS) + 4)  # bytes of one more character than are allowed
    except OSError as error:
        problems.stop(Position(0, 0), f"expected a suite file that can be read: {error.strerror}")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before, byte = error.object[: error.start], error.object[error.start]
        problems.stop(_end_of(before.decode()), f"expected text in UTF-8, got the byte 0x{byte:02x}")


def _compose(text: str, problems: Problems) -> Node | None:
    reader = YAML(typ="safe", pure=True)
    reader.composer.warn_double_anchors = False  # YAML 1.2 lets a name be anchored anew
    try:
        node: Node | None = reader.compose(text)
    except ReaderError as error:
        problems.stop(_end_of(text[: error.position]), f"not YAML: the character U+{ord(text[error.position]):04X}")
    except MarkedYAMLError as error:
        problem = ", ".join(filter(None, (error.context, error.problem)))
        problems.stop(_place(error.problem_mark or error.context_mark), f"not YAML: {problem}")
    except RecursionError:
        problems.stop(Position(1, 1), _NESTED)
    return node


def scalar(text: str) -> Scalar:
    """What the unquoted `text` stands for in the core schema of YAML 1.2; `ValueError` where it is no value here."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _NOT_FINITE.fullmatch(text):
        raise ValueError(f"expected a finite number, got {text}")
    if _INTEGER.fullmatch(text) or _OTHER_BASE.fullmatch(text):
        if len(text) > _DIGITS:
            raise ValueError(f"expected a number of at most {_DIGITS} digits, got {len(text)}")
        return int(text, 10 if _INTEGER.fullmatch(text) else 0)
    if _REAL.fullmatch(text):
        if math.isinf(number := float(text)):
            raise ValueError(f"expected a number that fits in 64 bits, got {text:.40}")
        return number
    return text


class _Builder:
    """Nodes → values; counts what it builds, so that aliases cannot request more than memory holds.

    The positions in ``.lc`` of ruamel's round-trip objects were tried instead and are not enough: an empty value has
    the position of whatever comes next, and a document that is one scalar has none; a key given twice ends the load,
    without the line of the first; ``1`` and ``true`` are one key, as to Python; and a mapping that contains itself
    reads as one that is empty there.
    """

    def __init__(self, problems: Problems) -> None:
        self.problems = problems
        self.count = 0

    def build(self, node: Node, depth: int = 0) -> Value:
        place = _place(node.start_mark)
        self.count += 1
        if depth > _DEPTH or self.count > _VALUES:
            limit = f"{_DEPTH} levels" if depth > _DEPTH else f"{_VALUES} values"
            self.problems.stop(place, f"expected at most {limit}, got more; does an alias contain itself?")
        if isinstance(node, MappingNode) and node.tag == _TAG + "map":
            return self._mapping(node, depth)
        if isinstance(node, SequenceNode) and node.tag == _TAG + "seq":
            return Value(place, tuple(self.build(item, depth + 1) for item in node.value))
        if isinstance(node, ScalarNode) and _is_untagged(node):
            return Value(place, self._scalar(node))
        self.problems.add(place, f"expected a value without a tag, got {_tag(node)}")
        return Value(place, None)

    def _mapping(self, node: MappingNode, depth: int) -> Value:
        content: dict[str, Value] = {}
        keys: dict[str, Position] = {}
        merged: list[Value] = []
        for key_node, value_node in node.value:
            if _is_empty(value_node):  # its own mark is that of whatever comes next
                value_node.start_mark = key_node.start_mark
            value = self.build(value_node, depth + 1)
            if key_node.tag == _TAG + "merge":
                merged += self._merged(value)
                continue
            key, place = self._key(key_node), _place(key_node.start_mark)
            if key in content:
                self.problems.add(place, f"the key {key!r} is given twice, first on line {keys[key].line}")
            elif key is not None:
                content[key], keys[key] = value, place
        for other in merged:  # a mapping's own keys come before merged ones, the first merged before the next
            content = {**other.content, **content}
            keys = {**other.keys, **keys}
        return Value(_place(node.start_mark), content, keys)

    def _merged(self, value: Value) -> list[Value]:
        mappings = value.content if isinstance(value.content, tuple) else (value,)
        for other in mappings:
            if not isinstance(other.content, dict):
                self.problems.add(other.place, "<<: expected an alias of a mapping, or a list of them")
        return [mapping for mapping in mappings if isinstance(mapping.content, dict)]

    def _key(self, node: Node) -> str | None:
        if isinstance(node, ScalarNode) and _is_untagged(node):
            return self._text(node)
        if isinstance(node, ScalarNode):
            self.problems.add(_place(node.start_mark), f"expected a key without a tag, got {_tag(node)}")
            return None
        self.problems.add(_place(node.start_mark), "expected a key that is a name, got a list or a mapping")
        return None

    def _scalar(self, node: ScalarNode) -> Scalar:
        text = self._text(node)
        if text is None or _is_text(node):
            return text
        try:
            return scalar(text)
        except ValueError as error:
            self.problems.add(_place(node.start_mark), str(error))
            return None

    def _text(self, node: ScalarNode) -> str | None:
        text: str = node.value
        try:  # "\ud83d\ude00" is one character, as in JSON; half of such a pair is none
            return text.encode("utf-16", "surrogatepass").decode("utf-16")
        except UnicodeDecodeError:
            self.problems.add(_place(node.start_mark), f"expected text, got half of a character in {text!a:.60}")
            return None


def _is_untagged(node: ScalarNode) -> bool:
    """Whether a tag was given by what is written alone; `!!str` may be stated."""
    return _is_text(node) or (not node.style and node.tag in _IMPLICIT)


def _tag(node: Node) -> str:
    return str(node.tag).replace(_TAG, "!!")


def _is_text(node: Node) -> bool:
    return bool(node.tag == _TAG + "str")  # quoted, or neither a number nor a constant


def _is_empty(node: Node) -> bool:
    return isinstance(node, ScalarNode) and not node.value and not node.style


def _place(mark: StreamMark) -> Position:
    return Position(mark.line + 1, mark.column + 1)


def _end_of(text: str) -> Position:
    return Position(text.count("\n") + 1, len(text) - text.rfind("\n"))
