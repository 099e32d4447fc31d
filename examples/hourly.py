"""A forecaster of your own: the mean of each hour of the day over all of the past, and a share of the last miss."""

import numpy as np


class HourlyProfile:
    """Running means by hour, and an autoregression of order 1 of what they miss: one pass over the history.

    A suite may set `period`, the points of one day. bench gives the history in scaled units, ``[T, D]``.
    """

    several_channels = True
    stochastic = False  # it draws no random numbers: one fit stands for all seeds

    def __init__(self, period: int = 24) -> None:
        self.period = period

    def fit(self, history, validation, *, seed, budget):
        """Fit on the train part; ``validation`` ``[M, D]`` is there to choose by, and is not needed here."""
        misses = (history - self.profile(history)[: len(history)])[self.period :]
        self.share = (misses[1:] * misses[:-1]).sum(axis=0) / (misses[:-1] ** 2).sum(axis=0).clip(1e-12)  # [D]

    def predict(self, history, origins, horizon):
        """``[N, H, D]``: the forecast from origin `o` uses ``history[:o]`` alone."""
        profile, steps = self.profile(history), np.arange(horizon)
        miss = history[origins - 1] - profile[origins - 1]  # [N, D]
        decay = self.share ** (steps + 1)[:, None]  # [H, D]
        return profile[origins[:, None] + steps % self.period] + decay * miss[:, None]

    def profile(self, history):
        """``[T + period, D]``: of each point, and of the day to come, the mean of its hour over all days before it."""
        days, channels = -(-len(history) // self.period), history.shape[1]
        by_day = np.full((days * self.period, channels), np.nan)
        by_day[: len(history)] = history
        sums = by_day.reshape(days, self.period, channels).cumsum(axis=0)
        first = np.broadcast_to(history[0], (1, self.period, channels))  # nothing is known of the first day
        means = np.concatenate([first, sums / np.arange(1, days + 1)[:, None, None]])
        return means.reshape(-1, channels)[: len(history) + self.period]
