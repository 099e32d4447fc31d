from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from bench.cells import CellKey
from bench.comparing.decision import compare, compare_folders
from bench.comparing.outcomes import ChangeVerdict, Comparison
from bench.errors import InputError
from bench.spec import Gate, Thresholds

SEEDS = 8
SINE = CellKey("sine", "lstm", 10, 1)


def verdicts(comparison: Comparison) -> dict[tuple[str, str], ChangeVerdict]:
    return {(cell.key.dataset, cell.key.model): cell.verdict for cell in comparison.cells}


def test_a_result_set_against_itself_is_equivalent(replicates: Any, tables: Any) -> None:
    rows = tables(replicates("sine", "lstm"), replicates("sine", "persistence"))
    found = compare(rows, rows)
    assert found.verdict is ChangeVerdict.EQUIVALENT
    for cell in found.cells:
        (rmse,) = cell.metrics
        assert (cell.paired, cell.verdict) == (SEEDS, ChangeVerdict.EQUIVALENT)
        assert (rmse.effect.value, rmse.effect.interval, rmse.old) == (0.0, None, rmse.new)
        assert (cell.fit_ratio, cell.predict_ratio, cell.notes) == (1.0, 1.0, ())
    assert found.same_machines


def test_numbers_agree_with_a_loop_over_the_pairs(replicates: Any, tables: Any) -> None:
    from scipy.stats import ttest_rel

    old = replicates("sine", "lstm")
    new = [{**row, "rmse": row["rmse"] * (1.1 + 0.01 * row["seed"]), "fit_s": 3.0} for row in reversed(old)]
    (cell,) = compare(tables(old), tables(new)).cells
    pairs = [(row["rmse"], next(n["rmse"] for n in new if n["seed"] == row["seed"])) for row in old]
    (rmse,) = cell.metrics
    logs = np.log([n / o for o, n in pairs])
    assert rmse.effect.value == pytest.approx(np.exp(logs.mean()) - 1)
    test = ttest_rel(*np.log(pairs).T[::-1])
    assert rmse.p_value == pytest.approx(test.pvalue)
    bounds = test.confidence_interval(0.99)
    assert rmse.effect.interval == pytest.approx((np.exp(bounds.low) - 1, np.exp(bounds.high) - 1))
    assert (rmse.old.value, rmse.new.value) == pytest.approx(np.mean(pairs, axis=0))
    assert cell.fit_ratio == pytest.approx(1.5)
    assert cell.verdict is ChangeVerdict.REGRESSED


def test_the_old_against_the_new_is_the_new_against_the_old_turned_over(replicates: Any, tables: Any) -> None:
    one = tables(replicates("sine", "lstm"), replicates("walk", "lstm"))
    other = tables(replicates("sine", "lstm", scale=1.3), replicates("walk", "lstm", scale=0.8))
    there, back = compare(one, other), compare(other, one)
    assert verdicts(there) == {("sine", "lstm"): ChangeVerdict.REGRESSED, ("walk", "lstm"): ChangeVerdict.IMPROVED}
    assert verdicts(back) == {("sine", "lstm"): ChangeVerdict.IMPROVED, ("walk", "lstm"): ChangeVerdict.REGRESSED}
    assert there.verdict is back.verdict is ChangeVerdict.REGRESSED
    for a, b in zip(there.cells, back.cells, strict=True):
        assert (1 + a.metrics[0].effect.value) * (1 + b.metrics[0].effect.value) == pytest.approx(1.0)


@pytest.mark.parametrize(("scale", "verdict"), [(1.001, ChangeVerdict.EQUIVALENT), (1.05, ChangeVerdict.REGRESSED)])
@pytest.mark.parametrize("seeds", [1, 3])
def test_a_deterministic_model_is_judged_by_its_change_alone(
    replicates: Any, tables: Any, seeds: int, scale: float, verdict: ChangeVerdict
) -> None:
    old, new = (tables(replicates("s", "persistence", seeds=seeds, scale=by)) for by in (1.0, scale))
    (cell,) = compare(old, new).cells
    assert cell.verdict is verdict
    assert cell.metrics[0].effect.value == pytest.approx(scale**0.5 - 1)
    assert (cell.metrics[0].effect.interval, cell.metrics[0].p_value, cell.metrics[0].new.interval) == (None,) * 3


def test_rounding_around_zero_error_is_no_change(replicates: Any, tables: Any) -> None:
    old, new = (replicates("s", "persistence", rmse=rmse, error_scale=2.0) for rmse in (1e-15, 3e-13))
    assert compare(tables(old), tables(new)).verdict is ChangeVerdict.EQUIVALENT
    large = replicates("s", "persistence", rmse=1e-5, error_scale=2.0)
    assert compare(tables(old), tables(large)).verdict is ChangeVerdict.REGRESSED


def test_a_trained_model_with_one_seed_is_undecided(replicates: Any, tables: Any) -> None:
    old, new = (tables(replicates("s", "lstm", seeds=1, scale=scale)) for scale in (1.0, 3.0))
    (cell,) = compare(old, new).cells
    assert (cell.verdict, cell.metrics[0].further) == (ChangeVerdict.UNDECIDED, 15)  # Guenther's formula for d = 1, 1 %
    assert compare(old, old).verdict is ChangeVerdict.EQUIVALENT


def test_every_metric_with_a_threshold_is_judged_and_the_worst_decides(replicates: Any, tables: Any) -> None:
    gate = Gate(thresholds=Thresholds(rmse=0.02, mae=0.05, skill=0.02))
    old = [{**row, "mae": row["rmse"] * 0.8, "skill": 0.9} for row in replicates("sine", "lstm")]
    new = [{**row, "mae": row["mae"] * 1.03, "skill": 0.85 + 1e-4 * row["seed"]} for row in old]
    (cell,) = compare(tables(old), tables(new), gate).cells
    rmse, mae, skill = cell.metrics
    assert (rmse.verdict, mae.verdict, skill.verdict) == (
        ChangeVerdict.EQUIVALENT,
        ChangeVerdict.EQUIVALENT,
        ChangeVerdict.REGRESSED,
    )
    assert cell.verdict is ChangeVerdict.REGRESSED
    assert skill.effect.value == pytest.approx(-0.05 + 3.5e-4)
    assert compare(tables(new), tables(old), gate).cells[0].metrics[2].verdict is ChangeVerdict.IMPROVED


def test_an_improvement_below_the_noise_floor_is_a_suspected_leak(replicates: Any, tables: Any) -> None:
    old, new, best = (
        replicates("sine", "lstm", scale=scale, noise_floor_mse=noise)
        for scale, noise in ((1.0, 3.0), (0.1, 3.0), (0.8, 3.0))
    )
    found = compare(tables(old), tables(new))
    assert verdicts(found) == {("sine", "lstm"): ChangeVerdict.LEAK}
    assert (found.verdict, found.alarms()) == (ChangeVerdict.LEAK, {SINE: "too good: look for a leak"})
    assert compare(tables(old), tables(best)).verdict is ChangeVerdict.IMPROVED
    assert compare(tables(new), tables(new)).verdict is ChangeVerdict.EQUIVALENT


def test_cells_that_vanished_are_a_regression_and_those_that_appeared_are_not(replicates: Any, tables: Any) -> None:
    small, large = tables(replicates("sine", "lstm")), tables(replicates("sine", "lstm"), replicates("sine", "gru"))
    lost, won = compare(large, small), compare(small, large)
    assert lost.vanished == won.appeared == (CellKey("sine", "gru", 10, 1),)
    assert [cell.key.model for cell in lost.cells] == ["lstm"]
    assert (lost.verdict, won.verdict) == (ChangeVerdict.REGRESSED, ChangeVerdict.EQUIVALENT)
    assert lost.alarms() == {CellKey("sine", "gru", 10, 1): "vanished"}


def test_a_new_failure_is_a_regression_and_its_reason_is_kept(replicates: Any, tables: Any) -> None:
    good = replicates("sine", "lstm")
    lost = [{**row, "status": "diverged", "reason": "not finite", "rmse": None} for row in good]
    found = compare(tables(good), tables(lost))
    assert (found.failed, found.verdict) == ((SINE,), ChangeVerdict.REGRESSED)
    assert verdicts(found) == {("sine", "lstm"): ChangeVerdict.NOT_COMPARABLE}
    assert found.cells[0].notes == ("no replicate finished in both", "now 8 of 8 diverged: not finite")
    assert found.alarms() == {SINE: "no longer finishes"}
    partial = compare(tables(good), tables(lost[:3] + good[3:]))
    assert (partial.failed, partial.verdict, partial.cells[0].paired) == ((SINE,), ChangeVerdict.REGRESSED, 5)
    assert verdicts(partial) == {("sine", "lstm"): ChangeVerdict.EQUIVALENT}
    assert partial.alarms() == {SINE: "seeds 0–2 no longer ok"}


def lost(rows: list[Any], *seeds: int) -> list[Any]:
    failure = {"status": "diverged", "reason": "not finite", "rmse": None}
    return [{**row, **failure} if row["seed"] in seeds else row for row in rows]


@pytest.mark.parametrize(("now", "said"), [((0, 1, 2, 5), "seeds 1–2, 5 no longer ok"), ((1,), "seed 1 no longer ok")])
def test_a_failure_before_excuses_no_other_failure_now(
    replicates: Any, tables: Any, now: tuple[int, ...], said: str
) -> None:
    rows = replicates("sine", "lstm")
    found = compare(tables(lost(rows, 0)), tables(lost(rows, *now)))
    assert (found.verdict, found.alarms(), found.fixed) == (ChangeVerdict.REGRESSED, {SINE: said}, ())
    assert compare(tables(lost(rows, 0)), tables(lost(rows, 0))).verdict is ChangeVerdict.EQUIVALENT


def test_a_finite_error_that_is_lost_is_a_failure(replicates: Any, tables: Any) -> None:
    rows = replicates("sine", "lstm")
    found = compare(tables(rows), tables([{**row, "rmse": float("nan")} if row["seed"] < 3 else row for row in rows]))
    assert (found.verdict, found.alarms()) == (ChangeVerdict.REGRESSED, {SINE: "seeds 0–2 no longer ok"})
    (cell,) = found.cells
    assert (cell.paired, cell.metrics[0].pairs) == (8, 5)
    assert cell.notes == ("rmse is finite in both in 5 of 8 replicates",)


def test_replicates_that_vanished_are_a_regression(replicates: Any, tables: Any) -> None:
    rows = replicates("sine", "lstm")
    found = compare(tables(rows), tables(rows[:3]))
    assert (found.verdict, found.thinned) == (ChangeVerdict.REGRESSED, (SINE,))
    assert found.alarms() == {SINE: "seeds 3–7 vanished"}
    assert compare(tables(rows[:3]), tables(rows)).verdict is ChangeVerdict.EQUIVALENT


@pytest.mark.parametrize("before", [(0,), tuple(range(SEEDS))])
def test_other_data_is_not_excused_by_failures_before(replicates: Any, tables: Any, before: tuple[int, ...]) -> None:
    from bench.comparing.formats import to_annotations, to_junit

    old = lost(replicates("sine", "lstm"), *before)
    steady = replicates("walk", "gru")
    found = compare(tables(steady, old), tables(steady, replicates("sine", "lstm", data_sha256="b" * 64)))
    assert (found.verdict, found.changed_data, found.fixed) == (ChangeVerdict.NOT_COMPARABLE, (SINE,), (SINE,))
    assert 'errors="1"' in to_junit(found)
    assert to_annotations(found).startswith("::error ")


@pytest.mark.parametrize(
    ("factor", "verdict"), [(1.02, ChangeVerdict.EQUIVALENT), (1.0200001, ChangeVerdict.REGRESSED)]
)
def test_a_change_counts_above_the_threshold_and_rounding_is_not_above(
    replicates: Any, tables: Any, factor: float, verdict: ChangeVerdict
) -> None:
    for rmse in np.random.default_rng(0).uniform(0.1, 10, size=50).tolist():
        old, new = (tables(replicates("s", "persistence", rmse=each)) for each in (rmse, rmse * factor))
        assert compare(old, new).verdict is verdict


def test_a_cell_that_finishes_again_closes_no_gate_and_one_that_never_did_cannot_be_compared(
    replicates: Any, tables: Any
) -> None:
    steady, good = replicates("walk", "gru"), replicates("sine", "lstm")
    lost = [{**row, "status": "diverged", "reason": "not finite", "rmse": None} for row in good]
    fixed = compare(tables(steady, lost), tables(steady, good))
    assert (fixed.fixed, fixed.verdict) == ((SINE,), ChangeVerdict.EQUIVALENT)
    assert compare(tables(steady, lost), tables(steady, lost)).verdict is ChangeVerdict.NOT_COMPARABLE


def test_replicates_are_paired_by_seed_where_the_seeds_differ(replicates: Any, tables: Any) -> None:
    old = replicates("sine", "lstm", seeds=8)
    new = [{**row, "seed": row["seed"] + 3} for row in old]
    shifted = {row["seed"]: row["rmse"] for row in new}
    (cell,) = compare(tables(old), tables(new)).cells
    assert cell.paired == 5
    logs = [np.log(shifted[row["seed"]] / row["rmse"]) for row in old if row["seed"] in shifted]
    assert cell.metrics[0].effect.value == pytest.approx(np.exp(np.mean(logs)) - 1)


def test_other_data_is_never_compared(replicates: Any, tables: Any) -> None:
    old, new = replicates("sine", "lstm"), replicates("sine", "lstm", scale=2.0, data_sha256="b" * 64)
    found = compare(tables(old), tables(new))
    assert (found.changed_data, found.verdict) == ((SINE,), ChangeVerdict.NOT_COMPARABLE)
    assert found.cells[0].metrics == ()
    assert found.cells[0].notes == ("other data: aaaaaaaaaaaa… before, bbbbbbbbbbbb… now",)
    unknown = compare(tables(old), tables(replicates("sine", "lstm", data_sha256=None)))
    assert unknown.changed_data == ()


@pytest.mark.parametrize(
    ("column", "old", "new", "said"),
    [
        ("test_points", 20, 40, "other test parts: 20 test points before, 40 now"),
        ("persistence_mse", 2.0, 2.01, "other test parts: the error of persistence differs"),
    ],
)
def test_other_test_parts_are_never_compared(
    replicates: Any, tables: Any, column: str, old: Any, new: Any, said: str
) -> None:
    before = replicates("sine", "lstm", **{column: old})
    found = compare(tables(before), tables(replicates("sine", "lstm", scale=2.0, **{column: new})))
    assert verdicts(found) == {("sine", "lstm"): ChangeVerdict.NOT_COMPARABLE}
    assert (found.changed_data, found.cells[0].notes) == ((SINE,), (said,))
    same = compare(tables(before), tables(replicates("sine", "lstm", scale=2.0, **{column: old})))
    assert verdicts(same) == {("sine", "lstm"): ChangeVerdict.REGRESSED}


def test_rounding_of_the_error_of_persistence_is_not_another_test_part(replicates: Any, tables: Any) -> None:
    old, new = (replicates("sine", "lstm", persistence_mse=value) for value in (2.0, 2.0 * (1 + 1e-12)))
    assert compare(tables(old), tables(new)).verdict is ChangeVerdict.EQUIVALENT


def test_each_kind_of_other_setting_is_named(replicates: Any, tables: Any) -> None:
    def made(model: str, **spec: Any) -> Any:
        content = {"training": {"epochs": 5}, "code_version": 1, "model": {"parameters": {}, "stated": []}, **spec}
        return replicates("sine", model, spec=json.dumps(content))

    old = tables(made("lstm"), made("gru"))
    new = tables(made("lstm", training={"epochs": 9}, code_version=2), made("gru", code_version=2))
    version = "version of the code that gives results"
    assert [cell.other_settings for cell in compare(old, new).cells] == [(version,), ("training settings", version)]
    assert [cell.other_settings for cell in compare(old, old).cells] == [(), ()]


def test_a_cell_that_was_tuned_on_one_side_is_named(replicates: Any, tables: Any) -> None:
    content = json.dumps({"training": {"epochs": 5}, "code_version": 1})
    old, new = (tables(replicates("sine", "lstm", spec=content, untuned=untuned)) for untuned in (True, None))
    assert compare(old, new).cells[0].other_settings == ("whether the cell was tuned",)
    assert compare(new, new).cells[0].other_settings == ()


def test_rows_without_times_are_no_machine(replicates: Any, tables: Any) -> None:
    rows = replicates("sine", "lstm", threads=2)
    nothing = {"rmse": None, "fit_s": None, "predict_s": None, "threads": None, "host": "one"}
    lost = [{**row, **nothing, "status": "unavailable", "reason": "no file"} for row in replicates("walk", "lstm")]
    found = compare(tables(rows, lost), tables(rows, lost))
    assert (found.old_machines, found.same_machines) == (("one, 2 threads",), True)


def test_times_of_different_machines_are_not_divided(replicates: Any, tables: Any) -> None:
    old, new = replicates("sine", "lstm"), replicates("sine", "lstm", host="two", fit_s=9.0)
    found = compare(tables(old), tables(new))
    (cell,) = found.cells
    assert (cell.old.fit_s, cell.new.fit_s, cell.fit_ratio) == (2.0, 9.0, None)
    assert (found.old_machines, found.new_machines, found.same_machines) == (("one",), ("two",), False)


def test_nothing_in_common_is_an_error_and_not_an_empty_table(replicates: Any, tables: Any) -> None:
    walk, sine = [replicates("walk", "lstm")], [replicates("sine", "lstm")]
    for old, new, said in (
        (sine, walk, r"sine × lstm, L=10, h=1; the new one walk × lstm"),
        ([], walk, "the old one has no cell"),
        ([replicates("sine", f"m{i}") for i in range(9)], [], "and 6 more; the new one no cell"),
    ):
        with pytest.raises(InputError, match=f"expected cells that both result sets have, found none: .*{said}"):
            compare(tables(*old), tables(*new))


def test_what_does_not_go_together_is_named_pair_by_pair(replicates: Any, tables: Any) -> None:
    old = replicates("sine", "lstm", mae=1.0)
    new = replicates("sine", "lstm", suite="t")
    gate = Gate(thresholds=Thresholds(rmse=0.02, mae=0.02))
    with pytest.raises(InputError) as error:
        compare(tables(old), tables(new), gate)
    suites, metric = str(error.value).splitlines()
    assert suites.startswith("suite: expected results of one suite, got s before and t now;")
    assert metric.startswith("metric mae: expected values in both result sets, got some before and none now;")


def test_folders_without_results_are_one_line_each(tmp_path: Any) -> None:
    with pytest.raises(InputError) as error:
        compare_folders(tmp_path / "a", tmp_path / "b")
    assert [line.partition(": expected a results folder")[0] for line in str(error.value).splitlines()] == [
        str(tmp_path / "a"),
        str(tmp_path / "b"),
    ]


def test_folders_are_read_and_compared(replicates: Any, tables: Any, tmp_path: Any) -> None:
    from bench import store
    from bench.store.schema import SCHEMAS, table

    rows = {name: table(name, []) for name in SCHEMAS} | dict(tables(replicates("sine", "lstm")))
    for name in ("a", "b"):
        with store.writing(tmp_path / name) as writer:
            writer.put(rows)
    assert compare_folders(tmp_path / "a", tmp_path / "b").verdict is ChangeVerdict.EQUIVALENT


@pytest.mark.parametrize("folder", ["a", "b"])
def test_of_more_replicates_than_the_suite_has_seeds_the_first_are_compared(
    replicates: Any, tables: Any, tmp_path: Any, folder: str
) -> None:
    from bench import store
    from bench.spec import Entry, Suite
    from bench.store.schema import SCHEMAS, table

    for name in ("a", "b"):
        seeds = 8 if name == folder else 5
        wrong = [{**row, "rmse": 9.0, "mse": 81.0} if row["seed"] >= 5 else row for row in replicates("sine", "lstm")]
        with store.writing(tmp_path / name) as writer:
            writer.put({each: table(each, []) for each in SCHEMAS} | dict(tables(wrong[:seeds])))
    entries = {name: Entry(id=name, kind=name, parameters={}) for name in ("sine", "lstm")}
    suite = Suite(name="s", datasets=(entries["sine"],), models=(entries["lstm"],), sequence_lengths=(10,), seeds=5)
    store.write_suite(tmp_path / folder, suite.model_dump_json())
    found = compare_folders(tmp_path / "a", tmp_path / "b")
    assert (found.verdict, found.alarms()) == (ChangeVerdict.EQUIVALENT, {})
    assert [cell.paired for cell in found.cells] == [5]
    assert found.cautions == (
        f"{tmp_path / folder} keeps what is no result of its suite, and is not compared: "
        "sine × lstm, L=10, h=1 (seeds 5 to 7: the suite has 5)",
    )


def test_a_cell_that_left_the_suite_vanished_though_its_rows_are_still_in_the_folder(
    replicates: Any, tables: Any, tmp_path: Any
) -> None:
    from bench import store
    from bench.spec import Entry, Suite
    from bench.store.schema import SCHEMAS, table

    models = ("lstm", "gru")
    for name in ("a", "b"):
        with store.writing(tmp_path / name) as writer:
            for model in models:
                writer.put({each: table(each, []) for each in SCHEMAS} | dict(tables(replicates("sine", model))))
    entries = {name: Entry(id=name, kind=name, parameters={}) for name in ("sine", *models)}
    suite = Suite(name="s", datasets=(entries["sine"],), models=(entries["lstm"],), sequence_lengths=(10,))
    store.write_suite(tmp_path / "b", suite.model_dump_json())
    found = compare_folders(tmp_path / "a", tmp_path / "b")
    assert found.verdict is ChangeVerdict.REGRESSED
    assert found.alarms() == {CellKey("sine", "gru", 10, 1): "vanished"}
    assert found.cautions == (
        f"{tmp_path / 'b'} keeps what is no result of its suite, and is not compared: "
        "sine × gru, L=10, h=1 (the suite has no such cell)",
    )
