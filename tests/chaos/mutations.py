"""Changes to a results folder such as a stranger, a bad disk or a slip of the hand makes, by a seeded generator."""

import json
import os
import random
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

TABLES = (
    *("runs", "runs", "runs", "trials", "curves", "predictions", "sequences", "probes", "unfinished", "unfinished"),
    *("superseded/runs", "superseded/trials", "superseded/predictions"),
)
DEEP = '{"a":' * 5000 + "1" + "}" * 5000
TEXTS = (
    *("", "okay", "\x1b[2J\x1b[31mred", "x" * 10**5, "a\nb", "../../x", "<script>alert(1)</script>", "{", "[]", "{}"),
    *("null", '{"a": NaN}', '{"dataset": 3}', '{"model": {"parameters": []}}', '{"a": 1e999}', DEEP, "\u202eabc"),
)
NUMBERS = (float("nan"), float("inf"), -float("inf"), -1.0, 0.0, 1e-320, 1e300, -1e300, 1.7e308)
COUNTS = (-(2**31), -1, 0, 2**31 - 1)
LONG_COUNTS = (-(2**63), -1, 0, 2**63 - 1)
LINKS = (
    *(".lock", ".pending", ".pending/a.moved", ".strays", ".suite.json.tmp", "suite.json", "studies.journal", "runs"),
    *(
        "trials",
        "predictions",
        "probes",
        "unfinished",
        "superseded",
        "superseded/runs",
        "superseded/.pending",
        "fresh.json",
    ),
    *("../reports/small", "../reports/small/figures", "../reports/small/index.html", "../reports/small/.stamp"),
    *("../reports/small/.index.html.tmp", "../reports/small/report.md", "../reports/small/.report.md.tmp"),
    *("../reports/history/index.html", "../reports/history/.index.html.tmp", "../kept/runs"),
)


def mutate(folder: Path, dice: random.Random) -> str:
    """Change the results in `folder`; what was done, for a person who reads of a failure."""
    change = dice.choice(CHANGES)
    return f"{change.__name__}: {change(folder, dice)}"


def _part(folder: Path, dice: random.Random) -> Path:
    return _part_in(folder / dice.choice(TABLES), dice)


def _part_in(place: Path, dice: random.Random) -> Path:
    """A part in `place`; none of what a link leads to, which is not of the folder."""
    led_out = any(path.is_symlink() for path in (place, *place.parents))
    parts = [] if led_out else [path for path in sorted(place.glob("*.parquet")) if path.is_file()]
    return dice.choice(parts) if parts else place / "none.parquet"


def _rows(part: Path) -> pa.Table | None:
    """The rows of a part; `None` where there are none to be changed, as an earlier change may have left it."""
    try:
        rows = pq.ParquetFile(part).read() if part.is_file() else None
    except (pa.ArrowException, OSError):
        return None
    return rows if rows is not None and rows.num_rows and rows.num_columns else None


def _hostile(kind: pa.DataType, dice: random.Random) -> Any:
    """A value, or a list of them for a list, of the type `kind`."""
    if dice.random() < 0.2:
        return None
    if pa.types.is_string(kind):
        return dice.choice(TEXTS)
    if pa.types.is_floating(kind):
        return dice.choice(NUMBERS)
    if pa.types.is_list(kind):
        return [dice.choice((None, *NUMBERS)) for _ in range(dice.randrange(4))]
    if pa.types.is_boolean(kind):
        return dice.choice((True, False))
    return dice.choice(COUNTS if kind == pa.int32() else LONG_COUNTS)


def value(folder: Path, dice: random.Random) -> str:
    """Another value in some rows of one column, or in all of them."""
    return _other_value(_part(folder, dice), dice)


def trial(folder: Path, dice: random.Random) -> str:
    """Another value in the trials of the cell whose study goes on."""
    return _other_value(_part_in(folder / "unfinished", dice), dice)


def _other_value(part: Path, dice: random.Random) -> str:
    if (rows := _rows(part)) is None:
        return "nothing there"
    field = dice.choice(list(rows.schema))
    plain = pa.int64() if pa.types.is_timestamp(field.type) else field.type
    values = rows[field.name].cast(plain).to_pylist()
    other, every = _hostile(plain, dice), dice.random() < 0.5
    values = [other if every or dice.random() < 0.5 else each for each in values]
    column = pa.array(values, plain).cast(field.type)
    _rewrite(part, rows.set_column(rows.column_names.index(field.name), field, column))
    return f"{part.parent.name}.{field.name} = {other!r:.40}"


def column(folder: Path, dice: random.Random) -> str:
    """A column less, of another name, or of another type."""
    part = _part(folder, dice)
    if (rows := _rows(part)) is None:
        return "nothing there"
    name = dice.choice(rows.column_names)
    at = rows.column_names.index(name)
    kind = dice.randrange(3)
    if kind == 0:
        changed = rows.drop_columns([name])
    elif kind == 1:
        changed = rows.rename_columns([f"{each}x" if each == name else each for each in rows.column_names])
    else:
        changed = rows.set_column(at, name, pa.nulls(rows.num_rows, dice.choice((pa.binary(), pa.int8(), pa.date32()))))
    _rewrite(part, changed)
    return f"{part.parent.name}.{name}, way {kind}"


def rows_of_others(folder: Path, dice: random.Random) -> str:
    """Rows twice, none, or those of another cell."""
    part, other = _part(folder, dice), _part(folder, dice)
    rows, others = _rows(part), _rows(other)
    if rows is None or others is None or part.parent != other.parent:
        return "nothing there"
    changed = dice.choice((pa.concat_tables([rows, rows]), rows.slice(0, 0), others))
    _rewrite(part, changed)
    return f"{part.parent.name}: {changed.num_rows} rows"


def _rewrite(part: Path, rows: pa.Table) -> None:
    pq.write_table(rows, part)


def content(folder: Path, dice: random.Random) -> str:
    """Bytes that are cut, flipped, replaced, lost or copied."""
    part = _part(folder, dice)
    if not part.exists():
        return "nothing there"
    whole = part.read_bytes()
    kind = dice.randrange(5)
    if kind == 0:
        part.write_bytes(whole[: dice.randrange(len(whole))])
    elif kind == 1:
        flipped = bytearray(whole)
        for _ in range(dice.randrange(1, 9)):
            flipped[dice.randrange(len(whole))] ^= 1 << dice.randrange(8)
        part.write_bytes(flipped)
    elif kind == 2:
        part.write_bytes(dice.randbytes(dice.randrange(200)))
    elif kind == 3:
        part.unlink()
    else:
        shutil.copy(part, part.with_name(f"{dice.choice(('copy', '..x', ' ', 'a-b'))}.parquet"))
    return f"{part.parent.name}, way {kind}"


def other_kind(folder: Path, dice: random.Random) -> str:
    """A pipe, a folder, or a device in place of a file."""
    names = [
        str(_part(folder, dice).relative_to(folder)),
        "suite.json",
        ".lock",
        "studies.journal",
        "runs",
        "fresh.json",
    ]
    path = folder / dice.choice(names)
    _remove(path)
    kind = dice.randrange(3)
    if kind == 0:
        os.mkfifo(path)
    elif kind == 1:
        path.mkdir()
    else:
        path.symlink_to("/dev/zero")
    return f"{path.name}, way {kind}"


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)


def link(folder: Path, dice: random.Random) -> str:
    """A symbolic link that leads out of the folder."""
    path = folder / dice.choice((*LINKS, str(_part(folder, dice).relative_to(folder))))
    if any(parent.is_symlink() for parent in path.parents):
        return "below another link"
    _remove(path)
    target = dice.choice(("notes.txt", "inner", "new"))
    path.symlink_to(folder.parents[1] / "outside" / target)
    return f"{path.name} → {target}"


def stray(folder: Path, dice: random.Random) -> str:
    """Something of nobody's in the folder of what is pending."""
    pending = folder / ".pending"
    if not pending.is_dir() or pending.is_symlink():
        return "nothing there"
    name = dice.choice(("notes", "x.tmp", "x.moved", "\x1b[2J", "x" * 200, *(path.stem for path in pending.iterdir())))
    path = pending / name
    as_file = dice.random() < 0.5
    if path.is_file() or (as_file and not path.is_dir()):
        path.write_text("mine")
    else:
        path.mkdir(exist_ok=True)
        (path / dice.choice(("thesis", "runs"))).write_text("mine")
    return repr(name)


def suite(folder: Path, dice: random.Random) -> str:
    """Another suite file, or one that is none."""
    path = folder / "suite.json"
    if not path.is_file() or path.is_symlink():
        return "nothing there"
    try:
        known = json.loads(path.read_text())
    except (ValueError, RecursionError):  # an earlier change left none
        known = {}
    known = known if isinstance(known, dict) else {}
    many = list(range(1, 10**5))
    texts: Sequence[Callable[[], str]] = (
        lambda: path.read_text()[: dice.randrange(1000)],
        lambda: json.dumps({**known, "sequence_lengths": many}),
        lambda: json.dumps({**known, "sequence_lengths": many[:20_000], "horizons": many[:20_000]}),
        lambda: json.dumps(
            {**known, dice.choice(sorted(known) or ["name"]): dice.choice((None, [], {}, "", 1e300, "a/b"))}
        ),
        lambda: dice.choice(TEXTS),
        lambda: json.dumps({"name": "../../x"}),
    )
    kind = dice.randrange(len(texts))
    path.write_text(texts[kind](), encoding="utf-8", errors="replace")
    return f"way {kind}"


CHANGES: Sequence[Callable[[Path, random.Random], str]] = (
    *(value, value, value, value, column, rows_of_others, content, other_kind, link, link, stray, suite),
)
