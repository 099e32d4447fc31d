"""What the words of a report mean: one text for both pages."""

from __future__ import annotations

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
        "Learnable",
        "How much of the way from persistence to the noise floor a model goes. Chance can take it past 100 %.",
    ),
    (
        "Over seeds",
        "A 95 % bootstrap interval of the mean over replicates: would other random numbers in training give the same?",
    ),
    (
        "Over test window",
        "A 95 % block bootstrap interval over the test targets: would another stretch of this data give the same?",
    ),
    (
        "Better than persistence",
        "Both intervals of the skill lie above 0; for a model without random numbers, that over the test window. "
        "“No skill shown” is not proof of no skill. No correction is made for the number of comparisons.",
    ),
    (
        "Sequence length",
        "Each model is judged at the length that is best on validation; the test part has no say in it.",
    ),
    ("–", "There is no value. Nothing is filled in; in the HTML page, point at the dash for the reason."),
)
"""Each word with its meaning."""
