"""A finished trial as a row of `trials`."""

from __future__ import annotations

import json
from typing import Any

from optuna.distributions import distribution_to_json

from bench.tuning.study import FinishedTrial


def trial_row(trial: FinishedTrial) -> dict[str, Any]:
    """The columns of `trials` that the trial decides."""
    fit = trial.fit
    distributions = {name: distribution_to_json(value) for name, value in trial.distributions.items()}
    return {
        "trial": trial.number,
        "state": trial.state,
        "validation_mse_scaled": fit.validation_mse if trial.state != "failed" else None,
        "epochs": fit.epochs,
        "parameters": json.dumps(trial.overrides, sort_keys=True),
        "distributions": json.dumps(distributions, sort_keys=True),
        "validation_curve": fit.validation_mses,
        "duration_s": fit.fit_s,
    }
