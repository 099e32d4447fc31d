"""What of a shape some models cannot do: declared by their kinds, said before anything is built. Imports no torch."""

from __future__ import annotations

from bench.errors import InputError
from bench.models.base import Parameters, Shape
from bench.models.parameters import RecurrentParameters


def refuse_other_values(shape: Shape, _parameters: Parameters) -> None:
    """Refuse targets that are not of the window's own channels, where those are repeated or continued.

    Raises
    ------
    InputError
        They are something else.
    """
    if shape.targets[1] != shape.channels:
        raise InputError(
            f"expected targets of the window's own {shape.channels} channels, got {shape.targets[1]} other "
            "values; exclude this model for this dataset"
        )


def refuse_variable(shape: Shape, _parameters: Parameters) -> None:
    """Refuse windows that end early.

    Raises
    ------
    InputError
        They may.
    """
    if shape.variable:
        raise InputError(
            "expected windows of one length, got some that end early; exclude this model for this dataset, or give its "
            "sequences one length"
        )


def refuse_every_step(shape: Shape, _parameters: Parameters) -> None:
    """Refuse to be asked for an output at every step.

    Raises
    ------
    InputError
        It is.
    """
    if shape.every_step:
        raise InputError(
            "expected targets after the window alone, got some at each of its steps; set supervision: last"
        )


def refuse_both_ways(shape: Shape, parameters: RecurrentParameters) -> None:
    """Refuse recurrent layers that read backwards, or carry state, where windows or targets leave no sense to it.

    Raises
    ------
    InputError
        They do.
    """
    if shape.variable and (parameters.bidirectional or parameters.carries_state):
        which = "bidirectional" if parameters.bidirectional else "carries_state"
        raise InputError(
            f"expected windows of one length, since {which} is true, got some that end early; leave {which} out, or "
            "give the sequences one length"
        )
    if shape.every_step and shape.task == "forecast" and parameters.bidirectional:
        raise InputError(
            "expected targets after the window alone, since bidirectional is true and each step has seen the next, got "
            "some at every step; leave bidirectional out, or set supervision: last"
        )


def answer_steps(shape: Shape) -> int:
    """Steps of one target: all of the window to denoise, else the horizon, whatever else training may ask for."""
    return shape.sequence_length if shape.task == "denoise" else shape.horizon
