"""Suite files with damage of every kind: each is taken as an independent reader takes it, or refused by its lines.

A few belong to every run of the tests; ``python tests/chaos/measure.py suites`` tries ten thousand.
"""

import json
import os
import random
import re
import resource
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

import bench
from bench.cells import expand
from bench.errors import BenchError, SuiteError
from bench.spec import Suite

CASES = int(os.environ.get("BENCH_CHAOS", "60"))
MOST_S, MOST_MB = 2.0, 500
"""What one file may take, of processor time and of memory."""

SHIPPED = {
    path.name: path.read_text(encoding="utf-8")
    for path in sorted((Path(__file__).parents[2] / "suites").glob("*.yaml"))
}
SMALL = """\
name: small
datasets:
  - {id: noise, kind: random, length: [70, 90]}
  - {id: wave, kind: sine, length: 70, unit: m}
  - {kind: file, path: a.csv, column: x}
models:
  - persistence
  - &net {kind: rnn, hidden_size: 2}
  - {<<: *net, id: other, hidden_size: 4, search: {hidden_size: [2, 4]}}
sequence_lengths: [4, 6]
horizons: [1, 2]
seeds: {from: 2, to: 5, until: decided}
split: {validation: 0.2, test: 0.2, stride: 2}
training: {epochs: 2, early_stopping: false, learning_rate: 1.0e-3}
tuning: {trials: 2, batch: 2, models: [rnn, other]}
limits: {cell_s: 5, cell_bytes: 1000000000}
gate: {thresholds: {rmse: 0.02}}
exclude: [{dataset: wave, model: "r*"}]
"""
HOSTILE = (
    *("null", "~", "true", "no", ".nan", "-.inf", "1e999", "-1", "0", "0.5", "1e300", "9" * 50, "0x7fffffff", "1_000"),
    *(
        "''",
        "' '",
        "[]",
        "{}",
        "[[]]",
        "[{}]",
        "{a: {}}",
        "[1, 1]",
        "[null]",
        "a: b",
        "- a",
        "? a",
        "2024-01-01",
        "12:30",
    ),
    *(
        "x" * 10_000,
        "[" * 2000,
        "{a: " * 500,
        "'unclosed",
        '"\\ud83d"',
        '"\\x00"',
        '"\\u202e"',
        "\x85",
        "\u2028",
        "\ufeff",
    ),
    *(
        "!!binary aGk=",
        "!!python/object:os.system x",
        "!x y",
        "&a [*a]",
        "&a {<<: *a}",
        "*none",
        "<<: 1",
        "% x",
        "@",
        "`",
    ),
    *(
        "../../x",
        "/dev/zero",
        "/",
        "./none.py:Net",
        "os:system",
        "none.py",
        "a/b",
        "é",
        "日本",
        "C:\\x",
        "rnn*",
        "[a-",
        "***",
    ),
    *("[" + ", ".join(map(str, range(1, 3000))) + "]", "2147483648", "[0.1, 0.2, 0.3]", "{low: 1, high: 2, log: true}"),
)
LAUGHS = "l0: &l0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]\n" for n in range(1, 9)
)
ENCODINGS = ("utf-16", "utf-32", "utf-8-sig", "latin-1", "cp037", "utf-16-le", "utf-7")
ENDS = ("\r\n", "\r", "\n\n", "\n\t", " \n", "\x85", "\u2028", "\n---\n", "\n...\n", "\n# ", "\n%YAML 1.1\n")
Change = Callable[[str, random.Random], str | bytes]


def of_bytes(text: str, dice: random.Random) -> bytes:
    """One to six bytes replaced, inserted, removed, or a stretch of them moved or cut off."""
    content = bytearray(text.encode())
    for _ in range(dice.randrange(1, 7)):
        at, other = dice.randrange(len(content) + 1), dice.randrange(len(content) + 1)
        byte = (
            dice.choice(b":-,[]{}&*#?|>'\"%@`! \n\t\r\x00\xff\xc3\xe2.0e~")
            if dice.random() < 0.7
            else dice.randrange(256)
        )
        kind = dice.randrange(7)
        if kind < 3:
            content[at : at + (kind > 0)] = bytes([byte])
        elif kind < 5:
            del content[at : at + dice.choice((1, 1, 3, 20))]
        elif kind == 5:
            content[at:at] = content[other : other + 40]
        elif dice.random() < 0.2:
            del content[at:]
    return bytes(content)


def of_lines(text: str, dice: random.Random) -> str:
    """Lines that are lost, moved, twice there, or deeper or less deep than they were; other ends of lines."""
    lines = text.splitlines()
    for _ in range(dice.randrange(1, 4)):
        at, other = dice.randrange(len(lines)), dice.randrange(len(lines))
        kind = dice.randrange(5)
        if kind == 0 and len(lines) > 1:
            del lines[at]
        elif kind == 1:
            lines.insert(other, lines[at])
        elif kind == 2:
            lines[at], lines[other] = lines[other], lines[at]
        else:
            lines[at] = (
                dice.choice(("  ", "\t", "- ", "? ", "#", ": ")) + lines[at] if kind == 3 else lines[at].lstrip()
            )
    return (dice.choice(ENDS) if dice.random() < 0.2 else "\n").join(lines)


_SCALAR = re.compile(r"(?<=[:\[,] )[^\s,\[\]{}:#][^,\[\]{}:#\n]*|(?<=\[)[^,\[\]{}:#\n]+")
_KEY = re.compile(r"[A-Za-z_]+(?=:)")


def of_values(text: str, dice: random.Random) -> str:
    """One to three values replaced by what is hard to read, or by another value of the file."""
    return _replaced(text, _SCALAR, dice, HOSTILE)


def of_keys(text: str, dice: random.Random) -> str:
    """One to three keys replaced, most often by a key that belongs elsewhere."""
    known = (
        "name",
        "datasets",
        "models",
        "seeds",
        "training",
        "tuning",
        "split",
        "search",
        "kind",
        "id",
        "path",
        "exclude",
    )
    more = (
        "as_published",
        "fresh_data",
        "season",
        "time_limit_s",
        "limits",
        "gate",
        "systems",
        "references",
        "<<",
        "horizons",
    )
    return _replaced(text, _KEY, dice, (*known, *more, *known, *more, *HOSTILE))


def _replaced(text: str, what: re.Pattern[str], dice: random.Random, others: tuple[str, ...]) -> str:
    for _ in range(dice.randrange(1, 4)):
        if places := list(what.finditer(text)):
            place = dice.choice(places)
            other = dice.choice(places).group() if dice.random() < 0.4 else dice.choice(others)
            text = text[: place.start()] + other + text[place.end() :]
    return text


def of_aliases(text: str, dice: random.Random) -> str:
    """Anchors and aliases where there were none, of themselves, of nothing, or of a billion."""
    if dice.random() < 0.1:
        return LAUGHS + text.replace("seeds:", "seeds: *l8\nx:", 1)
    name = dice.choice("abc")
    anchor = dice.choice(list(_SCALAR.finditer(text)))
    text = f"{text[: anchor.start()]}&{name} {text[anchor.start() :]}"
    more = (
        f"&{name} x",
        f"*{name}",
        f"*{name}",
        f"&{name} [*{name}]",
        f"{{<<: *{name}}}",
        f"{{<<: [*{name}, *net]}}",
        "*net",
    )
    return _replaced(text, _SCALAR, dice, more)


def of_encoding(text: str, dice: random.Random) -> bytes:
    """Another encoding, or two in one file."""
    encoding, at = dice.choice(ENCODINGS), dice.randrange(len(text))
    coded = text.replace("e", dice.choice("eéÿe"), 1).encode(encoding, "replace")
    return coded if dice.random() < 0.6 else text[:at].encode() + coded[at:]


def of_structure(text: str, dice: random.Random) -> str:
    """A part of the content in the place of another, or of another type; written as JSON, which is YAML."""
    content = YAML(typ="safe", pure=True).load(text)
    for _ in range(dice.randrange(1, 4)):
        places = list(_places(content))
        (mapping, key), (other, at) = dice.choice(places), dice.choice(places)
        value = other[at] if dice.random() < 0.5 else dice.choice(VALUES)
        mapping[key] = json.loads(json.dumps(value, default=str))
    return json.dumps(content, default=str, indent=dice.choice((None, 1)), ensure_ascii=dice.random() < 0.5)


VALUES: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    0.5,
    1e300,
    2**31,
    "",
    "x",
    [],
    {},
    [[]],
    [None],
    {"a": 1},
    [1, "a"],
    "\ud83d",
)


def _places(content: Any) -> Iterator[tuple[Any, Any]]:
    items = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for key, value in items:
        yield content, key
        yield from _places(value)


CHANGES: tuple[Change, ...] = (of_bytes, of_lines, of_values, of_values, of_keys, of_aliases, of_encoding, of_structure)


def mutated(case: int) -> tuple[str, bytes]:
    """What was done, and the file; the large shipped suites are rarer, as they take longest."""
    dice = random.Random(case)
    texts = {"small": SMALL, **SHIPPED}
    name = dice.choice(
        ("small", "small", "small", "ci.yaml", "quick.yaml", *SHIPPED) if case % 10 == 0 else ("small", "ci.yaml")
    )
    change = dice.choice(CHANGES)
    content = change(texts[name], dice)
    return f"case {case}, {name}, {change.__name__}", content.encode("utf-8", "surrogatepass") if isinstance(
        content, str
    ) else content


def _resident_mb() -> float:
    """The most memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2 ** (20 if sys.platform == "darwin" else 10)


def _loaded(path: Path) -> tuple[Suite | None, BenchError | None]:
    try:
        return bench.load(path), None
    except BenchError as error:
        return None, error


def refused(path: Path, case: str) -> bool:
    """Whether `path` is refused, and each reason names the file and a place in it; else its cells are what it says."""
    suite, error = _loaded(path)
    if isinstance(error, SuiteError):
        assert error.problems, case
        for problem in error.problems:
            assert re.match(rf"{re.escape(str(path))}:\d+:\d+: \S", str(problem)), (case, str(problem))
            assert len(str(problem)) < 1500, case
            assert not re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]", problem.message), (case, str(problem))
    if suite is None:
        assert str(error).startswith(str(path)), (case, str(error))
        return True
    assert len({cell.id for cell in expand(suite)}) > 0, case
    reader = YAML(typ="safe", pure=True)
    reader.composer.warn_double_anchors = False  # YAML 1.2 lets a name be anchored anew
    said = reader.load(path.read_bytes().decode("utf-8-sig"))
    for key in ("name", "sequence_lengths", "horizons", "seed"):
        if key in said and not (key == "name" and isinstance(said[key], int)):  # 1_000 is a text in YAML 1.2
            read = getattr(suite, key)
            assert (list(read) if isinstance(read, tuple) else read) == said[key], (case, key)
    return False


def test_a_mutated_suite_is_read_as_it_is_written_or_refused_by_its_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Callable[..., Any], note: Callable[..., None]
) -> None:
    monkeypatch.chdir(tmp_path)
    path, accepted, failures = tmp_path / "mine.yaml", 0, []
    path.write_text(SMALL.replace("{kind: file, path: a.csv, column: x}", "sine"))
    refused(path, "unchanged")  # what is imported now, no case has to
    for case in range(CASES):
        what, content = mutated(case)
        path.write_bytes(content)
        before, began = _resident_mb(), time.process_time()
        wrong, was_refused, took_s = "", False, 0.0
        try:
            was_refused = refused(path, what)
            took_s = time.process_time() - began
            if case % 100 == 0:
                ended = run("run", str(path), "--dry-run", "--results", "results")
                assert ended.status == 2 if was_refused else ended.status in (0, 2), (what, ended.text)
                assert "Traceback" not in ended.text, what
        except Exception as error:  # every case is tried before the test fails
            wrong = f"{what}: {type(error).__name__}: {error}"
        grew_mb = _resident_mb() - before
        if took_s > MOST_S or grew_mb > MOST_MB:
            wrong = wrong or f"{what}: {took_s:.1f} s, {grew_mb:.0f} MB"
        accepted += not wrong and not was_refused
        note("suites", case=what, wrong=wrong, refused=was_refused, seconds=took_s, mb=grew_mb)
        failures += [wrong] if wrong else []
    assert failures == []
    assert accepted > CASES // 50  # there was something to compare
