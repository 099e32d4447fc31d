"""Fit a bank: best weights by validation, early stopping and divergence for each member on its own."""

from __future__ import annotations

import math
import time

from bench.schema import ADVICE, Status
from bench.suite.spec import Training
from bench.training.bank import Bank
from bench.training.members import Fit, Observer, never_stop


def fit(bank: Bank, *, observer: Observer = never_stop) -> list[Fit]:
    """Train every member of `bank` and leave it with its best weights by validation.

    Where validation does not choose, as in some published systems, the last weights are kept.

    A member ends when it has trained its epochs, has gone `early_stopping` epochs without a better validation
    error, has diverged, or the `observer` says so; the others go on.

    Raises
    ------
    OutOfTime
        The bank's deadline passed.
    """
    fits = [Fit() for _ in range(len(bank))]
    live = list(range(len(bank)))
    for epoch in range(1, bank.settings.epochs + 1):
        started = time.perf_counter()
        losses = bank.train_epoch(live)
        found = bank.validate()
        errors = [None] * len(live) if found is None else found.tolist()
        share_s = (time.perf_counter() - started) / len(live)
        for k, loss, error in zip(live, losses, errors, strict=True):
            fits[k].fit_s += share_s
            _record(fits[k], epoch, float(loss), error, chooses=bank.validation_chooses)
        if better := [k for k in live if fits[k].best_epoch == epoch]:
            bank.keep(better)
        live = [k for k in live if _goes_on(k, fits[k], bank.settings, observer)]
        if not live:
            break
    bank.restore()
    return fits


def _record(fit: Fit, epoch: int, loss: float, error: float | None, *, chooses: bool) -> None:
    fit.epochs = epoch
    fit.train_losses.append(loss)
    fit.validation_mses.append(math.nan if error is None else error)
    if not all(math.isfinite(value) for value in (loss, error) if value is not None):
        fit.status = Status.DIVERGED
        came = "" if error is None else f", validation error {error:g}"
        fit.reason = f"diverged in epoch {epoch}: training loss {loss:g}{came}; {ADVICE[Status.DIVERGED]}"
    elif not chooses or (error is not None and error < fit.validation_mse):
        fit.validation_mse = math.inf if error is None else error
        fit.best_epoch = epoch


def _goes_on(k: int, fit: Fit, settings: Training, observer: Observer) -> bool:
    if fit.status is not Status.OK:
        return False
    stop = observer(k, fit.epochs, fit.validation_mses[-1])
    patience = settings.early_stopping
    tired = patience is not False and fit.epochs - fit.best_epoch >= patience
    done = tired or fit.epochs == settings.epochs
    fit.pruned = stop and not done  # who has finished is not pruned
    return not (done or stop)
