from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from bench.compare import Change, Comparison, Place, compare, compare_folders, to_json, to_markdown
from bench.errors import InputError, StoreError
from bench.schema import table

SEEDS = 8
Row = dict[str, Any]
Tables = Mapping[str, pa.Table]


def replicates(dataset: str, model: str, *, seeds: int = SEEDS, scale: float = 1.0, **columns: Any) -> list[Row]:
    rng = np.random.default_rng(len(dataset) * 100 + len(model))
    deterministic = model == "persistence"
    draws = np.ones(seeds) if deterministic else rng.gamma(50.0, 1 / 50, size=seeds)
    return [
        {
            "cell_id": f"{dataset}-{model}",
            "suite": "s",
            "dataset": dataset,
            "model": model,
            "sequence_length": 10,
            "horizon": 1,
            "seed": seed,
            "status": "ok",
            "reason": "",
            "mse": 4.0 * scale * draws[seed],
            "rmse": (4.0 * scale * draws[seed]) ** 0.5,
            "deterministic": deterministic,
            "fit_s": 2.0,
            "predict_s": 0.5,
            "data_sha256": "a" * 64,
            "host": "one",
            **columns,
        }
        for seed in range(seeds)
    ]


def tables(*groups: list[Row]) -> Tables:
    return {"runs": table("runs", [row for group in groups for row in group])}


def changes(comparison: Comparison) -> dict[tuple[str, str], Change]:
    return {(cell.place.dataset, cell.place.model): cell.change for cell in comparison.cells}


def test_a_result_set_against_itself_is_unchanged() -> None:
    rows = tables(replicates("sine", "lstm"), replicates("sine", "persistence"))
    found = compare(rows, rows)
    assert set(changes(found).values()) == {Change.UNCHANGED}
    for cell in found.cells:
        assert cell.paired == SEEDS
        assert cell.ratio is not None
        assert cell.ratio.value == pytest.approx(1.0)
        assert cell.difference is not None
        assert cell.difference.value == 0.0
        assert (cell.fit_ratio, cell.predict_ratio, cell.notes) == (1.0, 1.0, ())
    assert found.same_machines


def test_numbers_agree_with_a_loop_over_the_pairs() -> None:
    old = replicates("sine", "lstm")
    new = [{**row, "mse": row["mse"] * (1.1 + 0.01 * row["seed"]), "fit_s": 3.0} for row in reversed(old)]
    (cell,) = compare(tables(old), tables(new)).cells
    pairs = [(row["mse"], next(n["mse"] for n in new if n["seed"] == row["seed"])) for row in old]
    assert cell.ratio is not None
    assert cell.ratio.value == pytest.approx((sum(n for _, n in pairs) / sum(o for o, _ in pairs)) ** 0.5)
    assert cell.difference is not None
    assert cell.difference.value == pytest.approx(np.mean([n - o for o, n in pairs]))
    assert cell.old.rmse is not None
    assert cell.old.rmse.value == pytest.approx(np.mean([o for o, _ in pairs]) ** 0.5)
    assert cell.ratio.interval is not None
    assert 1.1**0.5 <= cell.ratio.interval[0] < cell.ratio.value < cell.ratio.interval[1] <= 1.17**0.5
    assert cell.fit_ratio == pytest.approx(1.5)
    assert cell.change is Change.WORSE


def test_the_old_against_the_new_is_the_new_against_the_old_turned_over() -> None:
    one = tables(replicates("sine", "lstm"), replicates("walk", "lstm"))
    other = tables(replicates("sine", "lstm", scale=1.3), replicates("walk", "lstm", scale=0.8))
    there, back = compare(one, other), compare(other, one)
    assert changes(there) == {("sine", "lstm"): Change.WORSE, ("walk", "lstm"): Change.BETTER}
    assert changes(back) == {("sine", "lstm"): Change.BETTER, ("walk", "lstm"): Change.WORSE}
    for a, b in zip(there.cells, back.cells, strict=True):
        assert a.ratio is not None
        assert b.ratio is not None
        assert a.ratio.value * b.ratio.value == pytest.approx(1.0)


def test_noise_without_a_shift_is_mostly_not_a_difference() -> None:
    rng = np.random.default_rng(1)
    groups = [replicates(f"data-{i:03}", "lstm") for i in range(200)]

    def redrawn() -> Tables:
        return tables(*([{**row, "mse": float(rng.gamma(50.0, 1 / 50))} for row in group] for group in groups))

    found = compare(redrawn(), redrawn())
    shown = len(found.having(Change.WORSE)) + len(found.having(Change.BETTER))
    assert 1 <= shown <= 24  # 5 % of 200 are 10; eight replicates give a little more


def test_a_deterministic_model_that_moved_moved() -> None:
    found = compare(tables(replicates("s", "persistence")), tables(replicates("s", "persistence", scale=1.001)))
    assert changes(found) == {("s", "persistence"): Change.WORSE}
    rounding = compare(tables(replicates("s", "persistence")), tables(replicates("s", "persistence", scale=1 + 1e-13)))
    assert changes(rounding) == {("s", "persistence"): Change.UNCHANGED}


def test_cells_that_appeared_and_vanished_are_named() -> None:
    old = tables(replicates("sine", "lstm"), replicates("sine", "gru"))
    new = tables(replicates("sine", "lstm"), replicates("sine", "rnn"))
    found = compare(old, new)
    assert found.vanished == (Place("sine", "gru", 10, 1),)
    assert found.appeared == (Place("sine", "rnn", 10, 1),)
    assert [cell.place.model for cell in found.cells] == ["lstm"]


def test_a_new_failure_is_a_failure_and_its_reason_is_kept() -> None:
    good = replicates("sine", "lstm")
    lost = [{**row, "status": "diverged", "reason": "not finite", "mse": None} for row in good]
    part = lost[:3] + good[3:]
    found = compare(tables(good), tables(lost))
    assert found.failed == (Place("sine", "lstm", 10, 1),)
    assert changes(found) == {("sine", "lstm"): Change.NOT_COMPARABLE}
    assert found.cells[0].notes == ("no replicate finished in both", "now 8 of 8 diverged: not finite")
    assert compare(tables(lost), tables(good)).mended == found.failed
    partial = compare(tables(good), tables(part))
    assert partial.failed == found.failed
    assert partial.cells[0].paired == 5
    assert changes(partial) == {("sine", "lstm"): Change.UNCHANGED}


def test_replicates_are_paired_by_seed_where_the_seeds_differ() -> None:
    old = replicates("sine", "lstm", seeds=8)
    new = [{**row, "seed": row["seed"] + 3} for row in old]
    shifted = {row["seed"]: row["mse"] for row in new}
    (cell,) = compare(tables(old), tables(new)).cells
    assert cell.paired == 5
    assert cell.difference is not None
    expected = np.mean([shifted[row["seed"]] - row["mse"] for row in old if row["seed"] in shifted])
    assert cell.difference.value == pytest.approx(expected)


def test_other_data_is_never_compared() -> None:
    old, new = replicates("sine", "lstm"), replicates("sine", "lstm", scale=2.0, data_sha256="b" * 64)
    found = compare(tables(old), tables(new))
    assert found.changed_data == (Place("sine", "lstm", 10, 1),)
    assert changes(found) == {("sine", "lstm"): Change.NOT_COMPARABLE}
    assert "other data: aaaaaaaaaaaa… before, bbbbbbbbbbbb… now" in found.cells[0].notes
    unknown = compare(tables(old), tables(replicates("sine", "lstm", data_sha256=None)))
    assert unknown.changed_data == ()


@pytest.mark.parametrize(
    ("column", "old", "new", "said"),
    [
        ("test_points", 20, 40, "other test parts: 20 test points before, 40 now"),
        ("persistence_mse", 2.0, 2.01, "other test parts: the error of persistence differs"),
    ],
)
def test_other_test_parts_are_never_compared(column: str, old: Any, new: Any, said: str) -> None:
    before = replicates("sine", "lstm", **{column: old})
    found = compare(tables(before), tables(replicates("sine", "lstm", scale=2.0, **{column: new})))
    assert changes(found) == {("sine", "lstm"): Change.NOT_COMPARABLE}
    assert found.changed_data == (Place("sine", "lstm", 10, 1),)
    assert found.cells[0].notes == (said,)
    same = compare(tables(before), tables(replicates("sine", "lstm", scale=2.0, **{column: old})))
    assert changes(same) == {("sine", "lstm"): Change.WORSE}


def test_rounding_of_the_error_of_persistence_is_not_another_test_part() -> None:
    old, new = (replicates("sine", "lstm", persistence_mse=value) for value in (2.0, 2.0 * (1 + 1e-12)))
    assert changes(compare(tables(old), tables(new))) == {("sine", "lstm"): Change.UNCHANGED}


def test_each_kind_of_other_setting_is_one_caution() -> None:
    def made(model: str, **spec: Any) -> list[Row]:
        content = {"training": {"epochs": 5}, "code_version": 1, "model": {"parameters": {}, "stated": []}, **spec}
        return replicates("sine", model, spec=json.dumps(content))

    old = tables(made("lstm"), made("gru"))
    new = tables(made("lstm", training={"epochs": 9}, code_version=2), made("gru", code_version=2))
    found = compare(old, new)
    version = "version of the code that gives results"
    assert [cell.other_settings for cell in found.cells] == [(version,), ("training settings", version)]
    text = to_markdown(found)
    assert "Other training settings in 1 of 2 cells: a change there may come from it." in text
    assert f"Other {version} in 2 of 2 cells" in text
    assert "Other" not in to_markdown(compare(old, old))


@pytest.mark.parametrize(("scale", "change"), [(3.0, Change.WORSE), (0.5, Change.BETTER), (1.0, Change.UNCHANGED)])
@pytest.mark.parametrize("seeds", [1, 3])
def test_a_deterministic_model_has_a_sign_and_no_interval(seeds: int, scale: float, change: Change) -> None:
    old, new = (tables(replicates("s", "persistence", seeds=seeds, scale=by)) for by in (1.0, scale))
    (cell,) = compare(old, new).cells
    assert cell.change is change
    assert cell.ratio is not None
    assert cell.difference is not None
    assert cell.ratio.value == pytest.approx(scale**0.5)
    assert (cell.ratio.interval, cell.difference.interval) == (None, None)


def test_a_trained_model_with_one_seed_is_not_tested() -> None:
    old, new = (tables(replicates("s", "lstm", seeds=1, scale=scale)) for scale in (1.0, 3.0))
    assert changes(compare(old, new)) == {("s", "lstm"): Change.NOT_TESTED}
    assert changes(compare(old, old)) == {("s", "lstm"): Change.UNCHANGED}


def test_rows_without_times_are_no_machine() -> None:
    rows = replicates("sine", "lstm", threads=2)
    nothing = {"mse": None, "rmse": None, "fit_s": None, "predict_s": None, "threads": None, "host": "one"}
    lost = [{**row, **nothing, "status": "unavailable", "reason": "no file"} for row in replicates("walk", "lstm")]
    found = compare(tables(rows, lost), tables(rows, lost))
    assert (found.old_machines, found.same_machines) == (("one, 2 threads",), True)
    untimed = compare(tables(lost), tables(lost))
    assert (untimed.old_machines, untimed.same_machines) == ((), True)


def test_lost_seeds_show_in_the_pairs() -> None:
    good = replicates("sine", "lstm")
    part = [{**good[0], "status": "diverged", "mse": None}, *good[1:]]
    assert "| 7 of 8 |" in to_markdown(compare(tables(good), tables(part)))
    assert "| 8 |" in to_markdown(compare(tables(good), tables(good)))


def test_times_of_different_machines_are_shown_and_not_divided() -> None:
    old, new = replicates("sine", "lstm"), replicates("sine", "lstm", host="two", fit_s=9.0)
    found = compare(tables(old), tables(new))
    (cell,) = found.cells
    assert (cell.old.fit_s, cell.new.fit_s, cell.fit_ratio) == (2.0, 9.0, None)
    assert not found.same_machines
    assert (found.old_machines, found.new_machines) == (("one",), ("two",))
    assert "Times compare within one machine only. Before: one. Now: two." in to_markdown(found)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            [replicates("sine", "lstm")],
            [replicates("walk", "lstm")],
            r"sine × lstm, L=10, h=1; the new one walk × lstm",
        ),
        ([], [replicates("walk", "lstm")], "the old one has no cell"),
        ([replicates("sine", f"m{i}") for i in range(9)], [], "and 6 more; the new one no cell"),
    ],
)
def test_nothing_in_common_is_an_error_and_not_an_empty_table(old: Any, new: Any, said: str) -> None:
    with pytest.raises(InputError, match=f"expected cells that both result sets have, found none: .*{said}"):
        compare(tables(*old), tables(*new))


def test_json_holds_everything_and_no_nan() -> None:
    old = tables(replicates("sine", "lstm"), replicates("sine", "gru", mse=0.0), replicates("gone", "rnn"))
    new = tables(replicates("sine", "lstm", scale=1.2), replicates("sine", "gru"))
    found = compare(old, new)
    content = json.loads(to_json(found), parse_constant=pytest.fail)
    assert content["vanished"] == [{"dataset": "gone", "model": "rnn", "sequence_length": 10, "horizon": 1}]
    gru, lstm = content["cells"]
    assert (gru["change"], gru["ratio"]) == ("larger error", None)
    assert found.cells[1].ratio is not None
    assert lstm["ratio"]["value"] == found.cells[1].ratio.value
    assert lstm["old"]["fit_s"] == 2.0
    assert content["same_machines"] is True


def test_markdown_begins_with_what_changed() -> None:
    worse, same = replicates("sine", "lstm"), replicates("sine", "gru")
    old = tables(same, worse, replicates("<b>|`x`", "rnn"))
    new = tables(same, replicates("sine", "lstm", scale=1.5))
    text = to_markdown(compare(old, new))
    assert text.splitlines()[2] == "2 cells in both: 1 larger error and 1 unchanged. 1 vanished."
    assert "## Vanished\n\n- &lt;b&gt;\\|\\`x\\` × rnn, L=10, h=1\n" in text
    rows = [line for line in text.splitlines() if line.startswith("| sine")]
    assert [row.split(" | ")[0] for row in rows] == ["| sine × lstm, L=10, h=1", "| sine × gru, L=10, h=1"]
    assert rows[0].endswith("| ▲ larger error |")
    header = next(line for line in text.splitlines() if line.startswith("| Cell"))
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {header.count("|")}


def test_folders_without_results_are_one_line(tmp_path: Any) -> None:
    with pytest.raises(StoreError, match="expected a results folder"):
        compare_folders(tmp_path / "a", tmp_path / "b")


def test_folders_are_read_and_compared(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from bench import store
    from bench.schema import SCHEMAS

    rows = {name: table(name, []) for name in SCHEMAS} | dict(tables(replicates("sine", "lstm")))
    for name in ("a", "b"):
        with store.writing(tmp_path / name) as writer:
            writer.put(rows)
    assert changes(compare_folders(tmp_path / "a", tmp_path / "b")) == {("sine", "lstm"): Change.UNCHANGED}
