"""One system on one dataset with one model → a verdict for each printed number."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from bench.published.evidence import Evidence, Tables
from bench.published.facts import facts
from bench.published.judge import below_floor, exact, judge, not_stated, prediction
from bench.published.printed import accuracy, decimals, errors_on_test, train_losses
from bench.published.trajectory import follow
from bench.published.values import LEAST, LEAST_IMAGES, Finding, Printed, Spread, Trajectory
from bench.suite.published import Published

NOTHING_HELD_OUT = "split: none"
"""The departure that tests on the windows that were trained on."""

_COLUMNS = {"test_rmse": "rmse", "test_l1": "mae"}


def trajectory(published: Published, found: Evidence, tables: Tables) -> Trajectory | None:
    """The verdict on the printed course of the training loss, where one was printed."""
    printed = train_losses(published)
    losses = {epoch: tables.losses(found, epoch) for epoch in printed}
    return follow(printed, losses, least=least(found)) if printed else None


def findings(published: Published, found: Evidence, tables: Tables) -> tuple[Finding, ...]:
    """The verdicts on everything else that was printed, and the test error where it was not."""
    return (*_errors(published, found), *facts(published, found), *_first(published, found, tables))


def least(found: Evidence) -> int:
    """Replicates that a verdict on this cell asks for."""
    return LEAST_IMAGES if found.task == "classify" else LEAST


def _errors(published: Published, found: Evidence) -> Iterator[Finding]:
    enough = least(found)
    given = accuracy(published)
    if given is not None:
        yield judge(given, _spread(found, "accuracy"), higher_is_better=True, least=enough)
    printed = errors_on_test(published)
    for key, number in printed.items():
        finding = judge(number, _spread(found, _COLUMNS[key]), least=enough)
        if key == "test_rmse":
            finding = below_floor(finding, found.mean("noise_floor_mse"), int(found.mean("test_points") or 1))
        yield finding
    if not printed and given is None:
        word, column = ("accuracy", "accuracy") if found.task == "classify" else ("MSE", "mse")
        quantity = f"{word} on the training windows" if NOTHING_HELD_OUT in found.departures else f"test {word}"
        yield not_stated(quantity, _spread(found, column), least=enough)


def _first(published: Published, found: Evidence, tables: Tables) -> Iterator[Finding]:
    """The first test target, and the prediction of it."""
    if published.first_target is None and published.first_prediction is None:
        return
    truth, predicted = _first_values(found, tables)
    if published.first_target is not None:
        places = decimals([published.first_target])
        text = f"{published.first_target:.{places}f}"
        ours = None if truth is None else f"{truth:.{places}f}"
        yield exact("first target", text, ours, because="the formula of the data gives ours")
    if published.first_prediction is not None:
        number = published.first_prediction
        printed = Printed("prediction of the first target", number, number, decimals([number]))
        yield prediction(printed, Spread.of(predicted), printed_target=published.first_target, target=truth)


def _first_values(found: Evidence, tables: Tables) -> tuple[float | None, list[float]]:
    """The first test target and its predictions."""
    rows = tables.predictions(found)
    if rows is None or not rows.num_rows:
        return None, []
    index, step = rows["index"].to_numpy(), rows["step"].to_numpy()
    own = np.flatnonzero((index == index.min()) & (step == step[index == index.min()].min()))
    own = own[rows["channel"].to_numpy()[own] == 0]
    return float(rows["truth"].to_numpy()[own[0]]), rows["prediction"].to_numpy()[own].tolist()


def _spread(found: Evidence, column: str) -> Spread | None:
    return found.spread(column)
