"""One system on one dataset with one model → a verdict for each printed number.

Parameters and shapes follow from the printed code by formula and do not depend on training; they are compared with the
recorded ones. Errors and losses are compared with those of the replicates.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from math import prod

import numpy as np

from bench.replication.evidence_rows import Evidence, Tables
from bench.replication.findings import PublishedFinding, PublishedOutcome, Spread, Trajectory
from bench.replication.judge import below_floor, exact, follow, judge, not_stated, prediction
from bench.replication.printed import Printed, accuracy, decimals, errors_on_test, train_losses
from bench.replication.systems import Published, Raising, Shape

GATES = {"rnn": 0, "gru": 2, "lstm": 3}
"""Gates of a cell: next to the candidate, each is one more block of weights."""


def recurrent_parameters(
    cell: str, inputs: int, hidden: int, *, layers: int = 1, directions: int = 1, biases: int = 2
) -> int:
    """Trained numbers of recurrent layers.

    Each block of each layer and direction has ``hidden · (inputs + hidden)`` weights and `biases` vectors of biases:
    torch keeps two, Keras one (of a GRU two). An RNN has one block, a GRU three, an LSTM four.
    """
    blocks = GATES[cell] + 1
    widths = [inputs, *[directions * hidden] * (layers - 1)]
    return sum(directions * blocks * hidden * (width + hidden + biases) for width in widths)


def linear_parameters(inputs: int, outputs: int) -> int:
    """Trained numbers of a linear map with a constant."""
    return outputs * (inputs + 1)


def gates(parameters: int, inputs: int, hidden: int, outputs: int) -> float:
    """The gates of a one-layer network with a linear head, from the count of its parameters."""
    block = recurrent_parameters("rnn", inputs, hidden)
    return (parameters - linear_parameters(hidden, outputs)) / block - 1


def facts(published: Published, cell: Evidence) -> Iterator[PublishedFinding]:
    """The verdicts on the printed parameters and shapes."""
    if published.parameters is not None:
        yield _parameters(published.parameters, cell)
    for name, shape in published.shapes.items():
        yield replace(_shape(name, shape, cell), is_statement=True)
    if published.points:
        points, ours = _of_dataset(published.points, cell.dataset), _points(cell)
        yield replace(
            exact("points of the series", str(points), None if ours is None else str(ours)), is_statement=True
        )
    for line in published.raises:
        note = "it raises when it is run"
        impossible = PublishedOutcome.IMPOSSIBLE
        yield PublishedFinding(line, "a model", impossible, exact=RAISES[line], note=note, is_statement=True)


RAISES: Mapping[Raising, str] = {
    "nn.Sequential(nn.RNN, nn.Linear)": "TypeError: linear(): argument 'input' (position 1) must be Tensor, not tuple"
}
"""What torch says of each printed line of code that raises."""


def _of_dataset(points: Mapping[str, int], dataset: str) -> int:
    """Of a system of one dataset the only number; of several, that of the dataset, whose id ends in its own."""
    (sole, *others) = points
    return points[sole] if not others else points[dataset.rsplit(maxsplit=1)[-1]]


def _points(cell: Evidence) -> int | None:
    """The points of the series that was cut into train, validation and test; `None` where windows were cut."""
    split, windows = (cell.spec.as_published.get(name) for name in ("split", "windows"))
    sizes = [cell.mean(name) for name in ("train_windows", "validation_points", "test_points")]
    if (split, windows) != ("points", "all") or None in sizes or cell.task != "forecast":
        return None
    train, *rest = (int(size) for size in sizes if size is not None)
    return train + cell.sequence_length + cell.horizon - 1 + sum(rest)


def shape_text(shape: Shape) -> str:
    """A shape as it is written: of numbers in round brackets, with symbols in square ones.

    >>> shape_text((1944, 5, 1))
    '(1944, 5, 1)'
    >>> shape_text(("N", "T", "H"))
    '[N, T, H]'
    """
    sides = ", ".join(map(str, shape))
    return f"[{sides}]" if any(isinstance(side, str) for side in shape) else f"({sides})"


def symbols(cell: Evidence) -> dict[str, int]:
    """What the symbols of a printed shape stand for in the cell; those of its model as far as that has them."""
    own = cell.spec.model_parameters
    size = cell.spec.training.get("batch_size")
    windows = cell.shapes.get("train_inputs", (0,))[0]
    batch = windows if size == "all" else size and min(size, windows or size)
    known = {
        "N": batch,
        "None": batch,
        "T": cell.sequence_length,
        "H": own.get("hidden_size"),
        "layers": own.get("layers"),
        "directions": 2 if own.get("bidirectional") else 1,
    }
    return {name: value for name, value in known.items() if value}


def _shape(name: str, printed: Shape, cell: Evidence) -> PublishedFinding:
    quantity, got = f"shape of {name}", _shapes(cell).get(name)
    meant = _in_numbers(printed, symbols(cell))
    if meant is None:
        return PublishedFinding(
            quantity, shape_text(printed), PublishedOutcome.NOT_RUN, note="its symbols stand for nothing here"
        )
    ours = None if got is None else shape_text(got)
    finding = exact(quantity, shape_text(meant), ours, because=f"the code gives ours, not {shape_text(meant)}")
    return replace(finding, published=shape_text(printed))


def _shapes(cell: Evidence) -> dict[str, tuple[int, ...]]:
    """Those recorded, and what follows of them: of all windows together, and of the last state of one layer."""
    shapes = dict(cell.shapes)
    if "train_inputs" in shapes and "split: windows" in cell.departures and cell.horizon == 1:
        windows, steps, values = shapes["train_inputs"]
        windows += sum(int(cell.mean(name) or 0) for name in ("validation_points", "test_points"))  # a window for each
        shapes |= {"all_inputs": (windows, steps, values), "all_targets": (windows, prod(shapes["train_targets"][1:]))}
    if "h_n" in shapes and shapes["h_n"][0] == 1:
        shapes["last_state"] = shapes["h_n"][1:]
    return shapes


def _in_numbers(printed: Shape, known: Mapping[str, int]) -> tuple[int, ...] | None:
    """`printed` with the values of its symbols; `None` where one is not known."""
    sides: list[int] = []
    for side in printed:
        factors = [known.get(each.strip()) for each in side.split("·")] if isinstance(side, str) else [side]
        if None in factors:
            return None
        sides.append(prod(factor for factor in factors if factor is not None))
    return tuple(sides)


def _parameters(printed: int | tuple[int, ...], cell: Evidence) -> PublishedFinding:
    total = cell.mean("parameters")
    if isinstance(printed, int) or total is None:
        text = str(printed) if isinstance(printed, int) else _sum_text(printed)
        return exact("parameters", text, None if total is None else f"{total:.0f}")
    parts = _parts(cell)
    known = parts is not None and sum(parts) == total
    ours = _sum_text(parts) if parts is not None and known else f"{total:.0f}"
    return exact("parameters", _sum_text(printed), ours, because="the layers and the linear map have ours")


def _parts(cell: Evidence) -> tuple[int, int] | None:
    """Trained numbers of the recurrent layers and of the linear map, by their formulas; `None` of other models."""
    kind = cell.spec.model_kind
    if kind not in GATES or not {"train_inputs", "train_targets"} <= cell.shapes.keys():
        return None
    own = cell.spec.model_parameters
    directions = 2 if own["bidirectional"] else 1
    one_bias = own["layer"] == "keras" and kind != "gru"
    inputs = cell.shapes["train_inputs"][2]
    _, steps, values = cell.shapes["train_targets"]
    layers = recurrent_parameters(
        kind,
        inputs,
        own["hidden_size"],
        layers=own["layers"],
        directions=directions,
        biases=1 if one_bias else 2,
    )
    outputs = values if cell.task == "denoise" else steps * values
    return layers, linear_parameters(directions * own["hidden_size"], outputs)


def _sum_text(parts: tuple[int, ...]) -> str:
    return " + ".join(map(str, parts))


NO_TEST_PART = "split: none"
"""The departure that tests on the windows that were trained on."""

_COLUMNS = {"test_rmse": "rmse", "test_l1": "mae"}


def trajectory(published: Published, cell: Evidence, tables: Tables) -> Trajectory | None:
    """The verdict on the printed course of the training loss, where one was printed."""
    printed = train_losses(published)
    losses = {epoch: tables.losses(cell, epoch) for epoch in printed}
    return follow(printed, losses) if printed else None


def findings(published: Published, cell: Evidence, tables: Tables) -> tuple[PublishedFinding, ...]:
    """The verdicts on everything else that was printed, and the test error where it was not."""
    return (*_errors(published, cell), *facts(published, cell), *_first(published, cell, tables))


def _errors(published: Published, cell: Evidence) -> Iterator[PublishedFinding]:
    given = accuracy(published)
    if given is not None:
        yield judge(given, cell.spread("accuracy"), higher_is_better=True)
    printed = errors_on_test(published)
    for key, number in printed.items():
        finding = judge(number, cell.spread(_COLUMNS[key]))
        if key == "test_rmse":
            finding = below_floor(finding, cell.mean("noise_floor_mse"), int(cell.mean("test_points") or 1))
        yield finding
    if not printed and given is None:
        word, column = ("accuracy", "accuracy") if cell.task == "classify" else ("MSE", "mse")
        quantity = f"{word} on the training windows" if NO_TEST_PART in cell.departures else f"test {word}"
        yield not_stated(quantity, cell.spread(column))


def _first(published: Published, cell: Evidence, tables: Tables) -> Iterator[PublishedFinding]:
    """The first test target, and the prediction of it."""
    if published.first_target is None and published.first_prediction is None:
        return
    truth, predicted = _first_values(cell, tables)
    if published.first_target is not None:
        places = decimals([published.first_target])
        text = f"{published.first_target:.{places}f}"
        ours = None if truth is None else f"{truth:.{places}f}"
        yield exact("first target", text, ours, because="the formula of the data gives ours")
    if published.first_prediction is not None:
        number = published.first_prediction
        printed = Printed("prediction of the first target", number, number, decimals([number]))
        yield prediction(printed, Spread.of(predicted), printed_target=published.first_target, target=truth)


def _first_values(cell: Evidence, tables: Tables) -> tuple[float | None, list[float]]:
    """The first test target and its predictions."""
    rows = tables.predictions(cell)
    if rows is None or not rows.num_rows:
        return None, []
    index, step = rows["index"].to_numpy(), rows["step"].to_numpy()
    own = np.flatnonzero((index == index.min()) & (step == step[index == index.min()].min()))
    own = own[rows["channel"].to_numpy()[own] == 0]
    return float(rows["truth"].to_numpy()[own[0]]), rows["prediction"].to_numpy()[own].tolist()
