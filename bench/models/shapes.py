"""What of a shape some models cannot do, said when they are built."""

from __future__ import annotations

from bench.errors import InputError
from bench.models.base import Shape


def refuse_other_values(shape: Shape, name: str) -> None:
    """Refuse targets that are not of the window's own channels: `name` repeats or continues those.

    Raises
    ------
    InputError
        They are something else.
    """
    if shape.targets[1] != shape.channels:
        raise InputError(
            f"{name}: expected targets of the window's own {shape.channels} channels, got {shape.targets[1]} other "
            "values; exclude this model for this dataset"
        )


def refuse_variable(shape: Shape, name: str) -> None:
    """Refuse windows that end early.

    Raises
    ------
    InputError
        They may.
    """
    if shape.variable:
        raise InputError(
            f"{name}: expected windows of one length, got some that end early; exclude this model for this dataset, "
            "or give its sequences one length"
        )


def refuse_every_step(shape: Shape, name: str) -> None:
    """Refuse to be asked for an output at every step.

    Raises
    ------
    InputError
        It is.
    """
    if shape.every_step:
        raise InputError(
            f"{name}: expected targets after the window alone, got some at each of its steps; set supervision: last"
        )


def answer_steps(shape: Shape) -> int:
    """Steps of one target: all of the window to denoise, else the horizon, whatever else training may ask for."""
    return shape.sequence_length if shape.task == "denoise" else shape.horizon
