"""Forecasters that each fail one check; the name says which."""

import os
import random

import numpy as np


class Sound:
    """The mean of everything before the origin, moved by a bias: nothing is wrong with it."""

    several_channels = True
    stochastic = False

    def __init__(self, bias: float = 0.0) -> None:
        self.bias = bias

    def fit(self, history, validation, *, seed, budget):
        assert history.ndim == 2
        assert validation is None or validation.shape[1] == history.shape[1]

    def predict(self, history, origins, horizon):
        means = np.cumsum(history, axis=0)[origins - 1] / origins[:, None] + self.bias  # [N, D]
        return np.repeat(means[:, None], horizon, axis=1)


class OneChannel(Sound):
    several_channels = False
    horizons = range(1, 3)


class Draws(Sound):
    stochastic = True

    def fit(self, history, validation, *, seed, budget):
        self.bias = np.random.default_rng(seed).normal()


class FailsShapes(Sound):
    def predict(self, history, origins, horizon):
        return super().predict(history, origins, horizon)[:, 0]


class FailsNumbers(Sound):
    def predict(self, history, origins, horizon):
        return np.log(super().predict(history, origins, horizon) * 0 + history.std()) * 0


class FailsSeeds(Sound):
    def fit(self, history, validation, *, seed, budget):
        self.bias = random.random()


class FailsCausality(Sound):
    """Each forecast knows the value that it is to forecast first, where the history holds it."""

    def predict(self, history, origins, horizon):
        given = super().predict(history, origins, horizon)
        inside = origins < len(history)
        given[inside, 0] = 0.9 * given[inside, 0] + 0.1 * history[origins[inside]]
        return given


class FailsLate(Sound):
    """Only the seventh forecast knows what it is to forecast."""

    def predict(self, history, origins, horizon):
        given = super().predict(history, origins, horizon)
        if len(origins) > 7:
            given[6] = history[origins[6]]
        return given


class SaysItDrawsNothing(Draws):
    stochastic = False


class FailsByTheMeanOfAll(Sound):
    def predict(self, history, origins, horizon):
        return np.tile(history.mean(axis=0), (len(origins), horizon, 1))


class FailsByMemory(Sound):
    """It goes on from where the call before ended."""

    def predict(self, history, origins, horizon):
        self.bias += 1
        return super().predict(history, origins, horizon)


class FailsNumbersAlways(Sound):
    def predict(self, history, origins, horizon):
        return super().predict(history, origins, horizon) * np.nan


class Raises(Sound):
    def fit(self, history, validation, *, seed, budget):
        raise ValueError("no fit today")


class Ends(Sound):
    def predict(self, history, origins, horizon):
        os._exit(7)


class SaysTooMuch(Sound):
    several_channels = "yes"


class OfAnotherKind:
    def fit(self, X, y):
        pass

    def predict(self, X):
        pass
