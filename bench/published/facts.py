"""Printed numbers that no training changes, parameters and shapes, against those that were recorded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from math import prod

from bench.published.evidence import Evidence
from bench.published.formulas import GATES, linear_parameters, recurrent_parameters
from bench.published.judge import exact
from bench.published.values import Finding, Outcome
from bench.suite.published import Published, Shape


def facts(published: Published, found: Evidence) -> Iterator[Finding]:
    """The verdicts on the printed parameters and shapes."""
    if published.parameters is not None:
        yield _parameters(published.parameters, found)
    for name, shape in published.shapes.items():
        yield _shape(name, shape, found)


def shape_text(shape: Shape) -> str:
    """A shape as it is written: of numbers in round brackets, with symbols in square ones.

    >>> shape_text((1944, 5, 1))
    '(1944, 5, 1)'
    >>> shape_text(("N", "T", "H"))
    '[N, T, H]'
    """
    sides = ", ".join(map(str, shape))
    return f"[{sides}]" if any(isinstance(side, str) for side in shape) else f"({sides})"


def symbols(found: Evidence) -> dict[str, int]:
    """What the symbols of a printed shape stand for in the cell; those of its model as far as that has them."""
    own = found.spec.get("model", {}).get("parameters", {})
    size = found.spec.get("training", {}).get("batch_size")
    windows = found.shapes.get("train_inputs", (0,))[0]
    known = {
        "N": windows if size == "all" else size and min(size, windows or size),
        "T": found.sequence_length,
        "H": own.get("hidden_size"),
        "layers": own.get("layers"),
        "directions": 2 if own.get("bidirectional") else 1,
    }
    return {name: value for name, value in known.items() if value}


def _shape(name: str, printed: Shape, found: Evidence) -> Finding:
    quantity, got = f"shape of {name}", found.shapes.get(name)
    meant = _in_numbers(printed, symbols(found))
    if meant is None:
        return Finding(quantity, shape_text(printed), Outcome.NOT_RUN, note="its symbols stand for nothing here")
    ours = None if got is None else shape_text(got)
    finding = exact(quantity, shape_text(meant), ours, because=f"the code gives ours, not {shape_text(meant)}")
    return replace(finding, published=shape_text(printed))


def _in_numbers(printed: Shape, known: Mapping[str, int]) -> tuple[int, ...] | None:
    """`printed` with the values of its symbols; `None` where one is not known."""
    sides: list[int] = []
    for side in printed:
        factors = [known.get(each.strip()) for each in side.split("·")] if isinstance(side, str) else [side]
        if None in factors:
            return None
        sides.append(prod(factor for factor in factors if factor is not None))
    return tuple(sides)


def _parameters(printed: int | tuple[int, ...], found: Evidence) -> Finding:
    total = found.mean("parameters")
    if isinstance(printed, int) or total is None:
        text = str(printed) if isinstance(printed, int) else _sum_text(printed)
        return exact("parameters", text, None if total is None else f"{total:.0f}")
    parts = _parts(found)
    known = parts is not None and sum(parts) == total
    ours = _sum_text(parts) if parts is not None and known else f"{total:.0f}"
    return exact("parameters", _sum_text(printed), ours, because="the layers and the linear map have ours")


def _parts(found: Evidence) -> tuple[int, int] | None:
    """Trained numbers of the recurrent layers and of the linear map, by their formulas; `None` of other models."""
    model = found.spec.get("model", {})
    if model.get("kind") not in GATES or not {"train_inputs", "train_targets"} <= found.shapes.keys():
        return None
    own = model["parameters"]
    directions = 2 if own["bidirectional"] else 1
    one_bias = own["layer"] == "keras" and model["kind"] != "gru"
    inputs = found.shapes["train_inputs"][2]
    _, steps, values = found.shapes["train_targets"]
    layers = recurrent_parameters(
        model["kind"],
        inputs,
        own["hidden_size"],
        layers=own["layers"],
        directions=directions,
        biases=1 if one_bias else 2,
    )
    outputs = values if found.task == "denoise" else steps * values
    return layers, linear_parameters(directions * own["hidden_size"], outputs)


def _sum_text(parts: tuple[int, ...]) -> str:
    return " + ".join(map(str, parts))
