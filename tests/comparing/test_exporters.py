"""What a comparison is written as, each form read back by a parser or held against its schema."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import jsonschema
import junitparser
import pytest

from bench.comparing.decision import compare
from bench.comparing.formats import FORMATS, REFUSALS, to_annotations, to_bencher, to_benchmark_action, to_junit
from bench.comparing.markdown import LIMIT, to_markdown
from bench.comparing.outcomes import Comparison
from bench.spec import Gate, Thresholds

HOSTILE = "<b>|`x`,: %\x01&\u202e"

# https://bencher.dev/docs/reference/bencher-metric-format: its published schema.
BENCHER = {
    "type": "object",
    "patternProperties": {
        ".+": {
            "type": "object",
            "patternProperties": {
                ".+": {
                    "type": "object",
                    "properties": {name: {"type": "number"} for name in ("value", "lower_value", "upper_value")},
                    "required": ["value"],
                }
            },
        }
    },
}
# https://github.com/benchmark-action/github-action-benchmark, "customSmallerIsBetter".
BENCHMARK_ACTION = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "unit": {"type": "string"},
            "value": {"type": "number"},
            "range": {"type": "string"},
            "extra": {"type": "string"},
        },
        "required": ["name", "unit", "value"],
        "additionalProperties": False,
    },
}


@pytest.fixture
def mixed(replicates: Any, tables: Any) -> Comparison:
    """One cell of each kind."""
    old = tables(
        replicates("worse", "lstm"),
        replicates("better", "lstm"),
        replicates("same", "lstm"),
        replicates("noisy", "lstm"),
        replicates("other", "lstm"),
        replicates(HOSTILE, "lstm"),
        replicates("gone", "rnn"),
        replicates("exact", "persistence"),
    )
    noisy = [{**row, "rmse": row["rmse"] * (1.5 if row["seed"] % 2 else 0.7)} for row in replicates("noisy", "lstm")]
    lost = [{**row, "status": "diverged", "reason": "not\nfinite", "rmse": None} for row in replicates(HOSTILE, "lstm")]
    new = tables(
        replicates("worse", "lstm", scale=1.5),
        replicates("better", "lstm", scale=0.5),
        replicates("same", "lstm"),
        noisy,
        replicates("other", "lstm", data_sha256="b" * 64),
        lost,
        replicates("fresh", "rnn"),
        replicates("exact", "persistence"),
    )
    return compare(old, new, gate_file="suites/a,b:c%.yaml")


@pytest.mark.parametrize("form", sorted(FORMATS))
def test_every_form_can_be_written_and_read_back(mixed: Comparison, form: str) -> None:
    text = FORMATS[form](mixed)
    assert text
    if form in ("json", "bencher", "benchmark-action"):
        json.loads(text, parse_constant=pytest.fail)


def test_json_holds_everything(mixed: Comparison) -> None:
    content = json.loads(FORMATS["json"](mixed))
    assert (content["verdict"], content["alpha"], content["thresholds"]) == ("regressed", 0.01, {"rmse": 0.02})
    assert content["vanished"] == [{"dataset": "gone", "model": "rnn", "sequence_length": 10, "horizon": 1}]
    by_name = {cell["key"]["dataset"]: cell for cell in content["cells"]}
    (rmse,) = by_name["worse"]["metrics"]
    assert rmse["effect"]["value"] == pytest.approx(1.5**0.5 - 1)
    assert (rmse["verdict"], by_name["noisy"]["verdict"]) == ("regressed", "undecided")
    assert by_name["other"]["metrics"] == []


def test_markdown_begins_with_the_verdict_and_the_worst_cell(mixed: Comparison) -> None:
    text = to_markdown(mixed)
    assert text.startswith("# Comparison: regressed\n\n7 cells in both: 1 regressed, 2 not comparable, 1 undecided, ")
    rows = [line for line in text.splitlines() if line.endswith(tuple(f"{word} |" for word in ("regressed", "equal")))]
    assert rows[0].startswith("| worse × lstm, L=10, h=1 | rmse | ")
    assert "\\+22.5 % | – | 8 | 2.00 s | 2.00 s | ▲ regressed |" in rows[0].replace("\u202f", " ")
    assert "## Vanished\n\n- gone × rnn, L=10, h=1\n" in text
    assert "&lt;b&gt;\\|\\`x\\`" in text
    assert re.search(r"\| \? undecided, (about|more than) [\d\u202f]+ more replicates? would decide \|", text)
    header = next(line for line in text.splitlines() if line.startswith("| Cell"))
    table = [line for line in text.splitlines() if line.startswith("| ")]
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in table} == {header.count("|")}


def test_lost_replicates_are_named_in_every_form_for_people(replicates: Any, tables: Any) -> None:
    rows = replicates("sine", "lstm")
    broken = [{**row, "status": "diverged", "reason": "not finite", "rmse": None} for row in rows[1:3]]
    found = compare(tables(rows), tables(rows[:1] + broken + rows[3:7]))
    reported = "seed 7 vanished; seeds 1–2 no longer ok"
    assert f"sine × lstm, L=10, h=1: {reported}\n" in to_markdown(found)
    assert "| 5 of 8 |" in to_markdown(found)
    assert to_annotations(found).endswith(f"::{reported}: now 2 of 7 diverged: not finite")
    (suite,) = junitparser.JUnitXml.fromstring(to_junit(found).encode())
    assert [case.result[0].type for case in suite] == [reported]


def test_commits_and_cautions_are_told(replicates: Any, tables: Any) -> None:
    old = tables(replicates("sine", "lstm", git_commit="a" * 40, git_dirty=False))
    new = tables(replicates("sine", "lstm", git_commit="b" * 40, git_dirty=True))
    found = replace(compare(old, new), cautions=("of *another* commit",))
    assert "\nCommit before: aaaaaaaaaaaa. Now: bbbbbbbbbbbb with uncommitted changes.\n" in to_markdown(found)
    assert "\n**Caution:** of \\*another\\* commit.\n" in to_markdown(found)
    assert to_annotations(found).splitlines()[1:] == ["::warning title=s::of *another* commit"]
    assert "\nCommit before: not known. Now: bbb" in to_markdown(compare(tables(replicates("sine", "lstm")), new))


def test_markdown_says_what_else_differs(replicates: Any, tables: Any) -> None:
    def made(host: str, **spec: Any) -> Any:
        return tables(replicates("sine", "lstm", host=host, spec=json.dumps({"training": {"epochs": 5}, **spec})))

    text = to_markdown(compare(made("one"), made("two", training={"epochs": 9})))
    assert "Other training settings in 1 of 1 cell: a change there may come from it." in text
    assert "Times compare within one machine only. Before: one. Now: two." in text
    assert "Other" not in to_markdown(compare(made("one"), made("one")))


def test_markdown_of_a_very_large_comparison_fits_a_step_summary(replicates: Any, tables: Any) -> None:
    name = "é" * 190
    rows = tables(*(replicates(f"{name}{i}", "lstm", seeds=2) for i in range(2500)))
    text = to_markdown(compare(rows, rows))
    assert 0.9 * LIMIT < len(text.encode()) <= LIMIT == 2**20
    assert re.search(r"\n\n[\d\u202f]+ more lines left out\.$", text)


def test_junit_is_read_by_a_parser(mixed: Comparison) -> None:
    (suite,) = junitparser.JUnitXml.fromstring(to_junit(mixed).encode())
    assert (suite.tests, suite.failures, suite.errors, suite.skipped) == (9, 3, 1, 2)
    found = {case.classname: [type(result).__name__ for result in case.result] for case in suite}
    assert found.pop(HOSTILE.replace("\x01", "\ufffd")) == ["Failure"]
    assert found == {
        "worse": ["Failure"],
        "gone": ["Failure"],
        "other": ["Error"],
        "noisy": ["Skipped"],
        "fresh": ["Skipped"],
        "better": [],
        "same": [],
        "exact": [],
    }
    failure = next(case.result[0] for case in suite if case.classname == "worse")
    assert failure.type == "regressed"
    assert failure.message.replace("\u202f", " ").startswith("regressed: rmse +22.5 %")


@pytest.mark.parametrize("form", sorted(FORMATS))
def test_a_refusal_is_of_the_same_form(form: str) -> None:
    why = f"a: expected {HOSTILE}\nb: expected more"
    text = REFUSALS[form](why)
    if form in ("json", "bencher", "benchmark-action"):
        content = json.loads(text)
        assert content == {"format": 4, "verdict": "not comparable", "problems": why.splitlines()} or not content
    elif form == "junit":
        (suite,) = junitparser.JUnitXml.fromstring(text.encode())
        assert (suite.tests, suite.errors) == (1, 1)
        assert [case.result[0].message for case in suite] == [why.replace("\x01", "\ufffd")]
    elif form == "annotations":
        assert [parsed(line)[2] for line in text.splitlines()] == why.splitlines()
    else:
        assert text.startswith("# Comparison: not comparable\n\n- a: expected &lt;b&gt;")
    assert REFUSALS.keys() == FORMATS.keys()


def parsed(line: str) -> tuple[str, dict[str, str], str]:
    """A workflow command as the runner reads it: actions/runner, ActionCommand.TryParseV2."""
    kind, _, rest = line.removeprefix("::").partition(" ")
    properties, _, message = rest.partition("::")

    def plain(text: str, rules: tuple[str, ...]) -> str:
        for character in rules:
            text = text.replace(f"%{ord(character):02X}", character)
        return text.replace("%25", "%")

    pairs = (pair.split("=", 1) for pair in properties.split(","))
    return kind, {key: plain(value, ("\r", "\n", ":", ",")) for key, value in pairs}, plain(message, ("\r", "\n"))


def test_annotations_are_read_as_the_runner_reads_them(mixed: Comparison) -> None:
    found = [parsed(line) for line in to_annotations(mixed).splitlines()]
    assert {kind for kind, _, _ in found} == {"error"}
    assert {properties["file"] for _, properties, _ in found} == {"suites/a,b:c%.yaml"}
    reported = {properties["title"]: message for _, properties, message in found}
    assert reported["gone × rnn, L=10, h=1"] == "vanished"
    assert reported["worse × lstm, L=10, h=1"].replace("\u202f", " ").startswith("regressed: rmse +22.5 %")
    assert reported[f"{HOSTILE} × lstm, L=10, h=1"].endswith("now 8 of 8 diverged: not\nfinite")
    assert reported["other × lstm, L=10, h=1"].startswith("not comparable: other data")
    assert len(found) == 4


def test_there_are_ten_annotations_at_most_and_a_notice_where_all_is_well(replicates: Any, tables: Any) -> None:
    old, new = (tables(*(replicates(f"d{i}", "lstm", scale=by) for i in range(30))) for by in (1, 2))
    lines = to_annotations(compare(old, new)).splitlines()
    assert len(lines) == 10
    assert parsed(lines[-1])[2].startswith("21 more cells got worse")
    assert to_annotations(compare(old, old)) == "::notice title=s::nothing got worse: equivalent"


def test_bencher_gets_every_metric_by_its_schema(replicates: Any, tables: Any) -> None:
    gate = Gate(thresholds=Thresholds(rmse=0.02, directional_accuracy=0.05))
    rows = tables(replicates("sine", "lstm", directional_accuracy=0.5), replicates("sine", "persistence"))
    content = json.loads(to_bencher(compare(rows, rows, gate)))
    jsonschema.Draft7Validator(BENCHER).validate(content)
    lstm = content["s: sine × lstm, L=10, h=1"]
    assert lstm["rmse"]["lower_value"] < lstm["rmse"]["value"] < lstm["rmse"]["upper_value"]
    assert lstm["directional-accuracy"]["value"] == 0.5
    assert content["s: sine × persistence, L=10, h=1"] == {"rmse": {"value": 2.0}}


def test_benchmark_action_gets_what_is_better_when_smaller(replicates: Any, tables: Any) -> None:
    gate = Gate(thresholds=Thresholds(rmse=0.02, directional_accuracy=0.05))
    rows = tables(replicates("sine", "lstm", directional_accuracy=0.5), replicates("sine", "persistence"))
    entries = json.loads(to_benchmark_action(compare(rows, rows, gate)))
    jsonschema.Draft202012Validator(BENCHMARK_ACTION).validate(entries)
    assert [entry["name"] for entry in entries] == [
        "s: sine × lstm, L=10, h=1 (rmse)",
        "s: sine × persistence, L=10, h=1 (rmse)",
    ]
    assert entries[0]["range"].startswith("± ")
    assert "range" not in entries[1]
