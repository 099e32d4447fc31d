"""The checks of ``bench conform`` as tests: inherit `ModuleConformance` or `ForecasterConformance` in a file of tests.

::

    from bench.testing import ModuleConformance
    from mynet import MyNet


    class TestMyNet(ModuleConformance):
        module = MyNet
        parameters = {"hidden_size": 8}

A forecaster is named by ``forecaster = MyForecaster`` in place of ``module``: `Forecaster` says which methods it has,
and `FitBudget` is what its `fit` is given. Each check is a test of its own, which fails with what is wrong in one line.
Unlike the command, tests run in this process: one that hangs is not ended.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from bench.conformance.history_checks import HISTORY_CHECKS
from bench.conformance.requirements import CHECKS, ExaminedModule
from bench.models.forecaster import FitBudget, Forecaster
from bench.models.own_forecaster import forecaster_kind
from bench.models.own_module import module_kind

__all__ = ["FitBudget", "Forecaster", "ForecasterConformance", "ModuleConformance"]


class ModuleConformance:
    """What a subclass names is checked.

    Attributes
    ----------
    module
        A `torch.nn.Module` class ``[B, T, C] -> [B, H, D]``.
    parameters
        Its own parameters, as a suite would state them.
    sequence_length, horizon, channels
        Of the windows that it is tried on; several numbers of channels one after another.
    """

    module: ClassVar[Callable[..., Any]]
    parameters: ClassVar[Mapping[str, Any]] = {}
    sequence_length: ClassVar[int] = 12
    horizon: ClassVar[int] = 2
    channels: ClassVar[tuple[int, ...]] = (1, 2)

    def _passes(self, name: str) -> None:
        given = type(self).module
        kind = module_kind(given.__name__, given, identity="")
        sizes = self.sequence_length, self.horizon, self.channels
        CHECKS[name](ExaminedModule(given.__name__, kind, self.parameters, *sizes))

    def test_shapes(self) -> None:
        """Outputs have the shape that is requested."""
        self._passes("shapes")

    def test_batch(self) -> None:
        """A forecast does not depend on the other windows of its batch."""
        self._passes("batch")

    def test_seeds(self) -> None:
        """The same seed gives the same weights and outputs."""
        self._passes("seeds")

    def test_numbers(self) -> None:
        """Constant, small and large inputs give finite outputs."""
        self._passes("numbers")

    def test_gradients(self) -> None:
        """Every weight that is to be trained gets a gradient."""
        self._passes("gradients")

    def test_bank(self) -> None:
        """A bank trains as its members would one by one."""
        self._passes("bank")

    def test_training(self) -> None:
        """The loss stays finite while it learns a sine, and falls."""
        self._passes("training")

    def test_causality(self) -> None:
        """Changing the future moves no forecast and no training."""
        self._passes("causality")


class ForecasterConformance:
    """What a subclass names is checked.

    Attributes
    ----------
    forecaster
        A class with the methods of a `Forecaster`.
    parameters
        Its own parameters, as a suite would state them.
    sequence_length, horizon, channels
        The origins that it is tried on lie after at least so many points, and it forecasts so many; several numbers of
        channels one after another, of which it need only serve the first.
    """

    forecaster: ClassVar[Callable[..., Any]]
    parameters: ClassVar[Mapping[str, Any]] = {}
    sequence_length: ClassVar[int] = 12
    horizon: ClassVar[int] = 2
    channels: ClassVar[tuple[int, ...]] = (1, 2)

    def _passes(self, name: str) -> None:
        given = type(self).forecaster
        kind = forecaster_kind(given.__name__, given, identity="")
        sizes = self.sequence_length, self.horizon, self.channels
        HISTORY_CHECKS[name](ExaminedModule(given.__name__, kind, self.parameters, *sizes))

    def test_shapes(self) -> None:
        """Forecasts have the shape that is requested."""
        self._passes("shapes")

    def test_seeds(self) -> None:
        """The same seed gives the same forecasts."""
        self._passes("seeds")

    def test_numbers(self) -> None:
        """Constant, small and large histories give finite forecasts."""
        self._passes("numbers")

    def test_causality(self) -> None:
        """Changing the future of an origin changes no forecast from there."""
        self._passes("causality")
