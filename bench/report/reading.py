"""What the words of a report mean: one text for both pages."""

from __future__ import annotations

from bench.errors import pip_install

TERMS = (
    (
        "RMSE",
        "The square root of the mean squared error over all test targets and seeds, in the data's own units. "
        "Smaller is better.",
    ),
    ("Persistence", "The forecast “the last value again”: what every model must beat."),
    ("Skill", "1 − MSE / MSE of persistence. 1 is no error, 0 is as good as persistence, below 0 is worse."),
    ("Noise floor", "The error of the best possible forecast, known where the data was generated."),
    (
        "Best linear forecast",
        "The error to expect of the best weighted sum of the window, where the covariance is known.",
    ),
    (
        "Learnable",
        "How much of the way from persistence to the noise floor a model goes. Chance can take it past 100 %.",
    ),
    (
        "Over seeds",
        "A 95 % interval over replicates: would other random numbers in training give the same? "
        "BCa bootstrap for the RMSE, Fieller's for the skill.",
    ),
    (
        "Over test window",
        "A 95 % block bootstrap interval over the test targets: would another stretch of this data give the same?",
    ),
    (
        "Verdict",
        "Better or worse than persistence only where the paired test over seeds and both tests over the test window "
        "(Diebold–Mariano, blocks) say so, corrected by Holm's method for all models of this report. "
        "“No skill shown” is not proof of no skill. A suspected leak is an error below what is possible.",
    ),
    (
        "Not told from it",
        "The same tests against the model with the smallest error do not show a larger error.",
    ),
    (
        "Model confidence set",
        "The models that the test targets cannot rule out as the best: it holds the best one with the stated "
        f"confidence. The seeds stay as they are. Shown where the extra stats is installed ({pip_install('stats')}).",
    ),
    (
        "Average rank",
        "1 is the smallest error on every dataset. A bar joins models that Wilcoxon's signed-rank tests over datasets, "
        "with Holm's correction, do not separate.",
    ),
    (
        "Error of persistence's",
        "RMSE as a share of that of persistence: the mean of the middle half over datasets and seeds, with its "
        "stratified bootstrap interval over seeds. ◆: every other model with an error as small takes longer to fit.",
    ),
    (
        "Tuning budget",
        "The mean, over all orders of the trials, of the best validation error after so many. "
        "Trials that were pruned or failed count as paid for.",
    ),
    (
        "Sequence length",
        "Each model is judged at the length that is best on validation; the test part has no say in it.",
    ),
    ("–", "There is no value. Nothing is filled in; in the HTML page, point at the dash for the reason."),
)
"""Each word with its meaning."""
