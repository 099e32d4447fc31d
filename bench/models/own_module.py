"""A torch module class, or a function that builds modules, as a kind of model.

What it is given of the data is decided by the names of its parameters (`FACTS`); its other parameters are a suite's to
set. Imports no torch before something is built.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, create_model

from bench.errors import InputError, described, is_out_of_memory
from bench.models.base import FloatRange, ModelKind, Parameters, Shape
from bench.models.parameters import refuse_every_step, refuse_variable
from bench.models.trial_process import tried
from bench.spec import Training

if TYPE_CHECKING:
    from torch import Tensor, nn

FACTS: dict[str, Callable[[Shape], int]] = {
    "sequence_length": lambda shape: shape.sequence_length,
    "horizon": lambda shape: shape.horizon,
    "channels": lambda shape: shape.channels,
    "outputs": lambda shape: shape.targets[1],
}
"""What a constructor is given of the data, for those of its parameters that have these names."""

_TAKEN = frozenset({"id", "kind", "search", *Training.model_fields})
"""Names that mean something else in a suite, and so no parameters of a constructor."""

_PLAIN = (bool, int, float, str, NoneType)


class OwnParameters(Parameters):
    """What a constructor takes next to `FACTS`; its names are its author's."""

    model_config = ConfigDict(protected_namespaces=())


def is_module_class(given: object) -> bool:
    """Whether `given` is a class of `torch.nn.Module`; known without importing torch, as whoever made it has."""
    return isinstance(given, type) and any(
        base.__module__ == "torch.nn.modules.module" and base.__name__ == "Module" for base in given.__mro__
    )


def module_kind(place: str, constructor: Callable[..., Any], identity: str) -> ModelKind:
    """The kind of the modules that `constructor` makes.

    Parameters
    ----------
    place
        What messages call it.
    constructor
        A `torch.nn.Module` class, or a function that returns a module ``[B, T, C] -> [B, H, D]``.
    identity
        What identifies its source.

    Raises
    ------
    InputError
        It has a parameter that a suite cannot state.
    """
    facts, own = constructor_parameters(place, constructor)
    parameters = create_model("ModuleParameters", __base__=OwnParameters, **own)

    def make(chosen: Parameters, shape: Shape) -> Any:
        return constructor(**{name: FACTS[name](shape) for name in facts}, **chosen.model_dump())

    def build(chosen: Parameters, shape: Shape) -> Any:
        return _shaped(place, make(chosen, shape), shape)

    @functools.cache
    def examined(chosen: str, shape: Shape) -> str | None:
        return tried(lambda: wrong_module(lambda: make(parameters.model_validate_json(chosen), shape), shape))

    def refuse(shape: Shape, chosen: Parameters) -> None:
        if wrong := examined(chosen.model_dump_json(), shape):
            raise InputError(f"{place}: {wrong}")

    return ModelKind(
        summary="a torch module of yours",
        parameters=parameters,
        builder=build,
        tasks=frozenset({"forecast", "classify"}),
        search={"learning_rate": FloatRange(1e-4, 1e-2, log=True)},
        refusals=(refuse_every_step, refuse_variable, refuse),
        identity=identity,
    )


def constructor_parameters(place: str, constructor: Callable[..., Any]) -> tuple[list[str], dict[str, Any]]:
    """The facts that `constructor` takes, and its other parameters with their types and defaults."""
    facts, own = [], {}
    for parameter in _signature(constructor):
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        by_name, typed = parameter.kind is not parameter.POSITIONAL_ONLY, _is_plain(parameter.annotation)
        stated = parameter.default is not parameter.empty
        if by_name and parameter.name in FACTS:
            facts.append(parameter.name)
        elif by_name and (isinstance(parameter.default, _PLAIN) if stated else typed):
            _check_name(place, parameter.name)
            kind = parameter.annotation if typed else _type_of(parameter.default)
            own[parameter.name] = (kind, parameter.default if stated else ...)
        elif not stated or not by_name:
            raise InputError(
                f"{place}: expected parameters named {', '.join(FACTS)}, or with a default, got {parameter.name!r} "
                "without one; give it a default, or the type int, float, bool or str"
            )
    return facts, own


def _signature(constructor: Callable[..., Any]) -> list[inspect.Parameter]:
    try:
        signature = inspect.signature(constructor, eval_str=True)
    except Exception:  # an annotation that cannot be evaluated here says nothing, and is none of ours
        signature = inspect.signature(constructor)
    return list(signature.parameters.values())


def _is_plain(annotation: Any) -> bool:
    """Whether values of the type can be written in a suite."""
    if get_origin(annotation) in (Union, UnionType):
        return all(map(_is_plain, get_args(annotation)))
    return get_origin(annotation) is Literal or (isinstance(annotation, type) and annotation in _PLAIN)


def _type_of(default: Any) -> Any:
    return bool | int | float | str | None if default is None else type(default)


def _check_name(place: str, name: str) -> None:
    """A suite has to be able to say the parameter, and nothing else by its name."""
    if name in _TAKEN:
        raise InputError(f"{place}: {name!r} is a setting of every model in a suite; give the parameter another name")
    if name.startswith("_") or hasattr(BaseModel, name):
        raise InputError(f"{place}: {name!r} cannot be the name of a parameter in a suite; give it another name")


def _shaped(place: str, module: Any, shape: Shape) -> Any:
    """`module`, of which one pass over zeros gives what is requested: a wrong shape would be broadcast in silence.

    Raises
    ------
    InputError
        It gives another shape.
    """
    import torch

    if isinstance(module, torch.nn.Module) and (wrong := Examined.of(module, shape).shape()):
        raise InputError(f"{place}: shapes: {wrong}")
    return module  # what trains it refuses what is no module


def wrong_module(make: Callable[[], Any], shape: Shape) -> str | None:
    """What one prediction of a fresh module says against training it: the check that fails, and why.

    A forecast may not depend on the other windows of its batch: among those of a test part are its own targets. Where
    memory runs out nothing is said: its cells end the same way, each by itself.
    """
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        try:
            module = make()
            if not isinstance(module, torch.nn.Module):
                return f"expected a torch.nn.Module, got {type(module).__name__}"
            examined = Examined.of(module, shape, inputs=torch.randn(4, shape.sequence_length, shape.channels))
            checks = {"shapes": examined.shape, "numbers": examined.numbers, "batch": examined.batch}
            return next((f"{name}: {wrong}" for name, check in checks.items() if (wrong := check())), None)
        except Exception as error:  # whatever the code of others raises
            return None if is_out_of_memory(error) else f"it cannot be built and called: {described(error)}"


@dataclass(frozen=True, eq=False)
class Examined:
    """A module as it predicts, and what it gives for some inputs ``[B, T, C]``."""

    module: nn.Module
    wanted: Shape
    inputs: Tensor
    output: Any

    @classmethod
    def of(cls, module: nn.Module, shape: Shape, inputs: Tensor | None = None) -> Examined:
        """`module` as it predicts from `inputs`, by default zeros."""
        import torch

        x = torch.zeros(2, shape.sequence_length, shape.channels) if inputs is None else inputs
        module.eval()
        with torch.no_grad():
            output = module(x)
        module.train()
        return cls(module, shape, x, output)

    def shape(self) -> str | None:
        """The outputs are those that are requested."""
        wanted, came = [len(self.inputs), *self.wanted.targets], self.output
        if list(getattr(came, "shape", ())) == wanted:
            return None
        got = list(came.shape) if hasattr(came, "shape") else type(came).__name__
        return f"expected outputs {wanted} of inputs {list(self.inputs.shape)}, got {got}; shape them as [B, H, D]"

    def numbers(self) -> str | None:
        """They are finite."""
        if bool(self.output.isfinite().all()):
            return None
        return "expected finite outputs of standard normal inputs, got NaN or infinity; look for a division or a log"

    def batch(self) -> str | None:
        """A window gives the same alone as in its batch, but for rounding."""
        import torch

        self.module.eval()
        with torch.no_grad():
            alone = torch.cat([self.module(row[None]) for row in self.inputs])
        self.module.train()
        same = (alone == self.output) | (alone.isnan() & self.output.isnan())  # what is not finite fails by `numbers`
        gap = float((alone - self.output).abs().masked_fill(same, 0).max())
        scale = float(self.output.nan_to_num(0, 0, 0).abs().max()) + 1.0
        if gap <= 1e-4 * scale:
            return None
        return (
            f"expected a window to give the same alone as in a batch, got a difference of {gap:.3g}: it peeks at the "
            "other windows, which hold its targets, or draws random numbers while it predicts"
        )
