"""One printed number against the replicates → a verdict."""

from __future__ import annotations

from dataclasses import replace

from scipy.stats import f as f_ratio

from bench.published.values import LEAST, Finding, Outcome, Printed, Spread

IMPOSSIBLE = 1e-6
"""A chance below which a number is said to be one that cannot be."""


def judge(printed: Printed, ours: Spread | None, *, higher_is_better: bool = False, least: int = LEAST) -> Finding:
    """The verdict on `printed`.

    Reproduced where the printed number, or some of the printed range, give or take its printing tolerance, lies in
    the central 95 % of the replicates; else better or worse, by what we get.

    Parameters
    ----------
    printed
        What was printed.
    ours
        What the replicates give; `None` where none finished.
    higher_is_better
        As for accuracies; of losses and errors the lower is better.
    least
        Replicates that a verdict asks for; with fewer it is given, and said to rest on few.
    """
    base = Finding(printed.quantity, printed.text, Outcome.NOT_RUN, ours=ours, printed=printed)
    if ours is None:
        return replace(base, note="no replicate finished")
    if printed.low - printed.tolerance > ours.high:
        outcome = Outcome.WORSE if higher_is_better else Outcome.BETTER
    elif printed.high + printed.tolerance < ours.low:
        outcome = Outcome.BETTER if higher_is_better else Outcome.WORSE
    else:
        outcome = Outcome.REPRODUCED
    return replace(base, outcome=outcome, note=few(ours, least))


def few(ours: Spread, least: int) -> str:
    """What to keep in mind where there are fewer than `least` replicates; else nothing."""
    return "" if ours.count >= least else f"rests on {ours.count} of the {least} replicates that a verdict asks for"


def not_stated(quantity: str, ours: Spread | None, *, least: int = LEAST) -> Finding:
    """Nothing was printed: ours is given."""
    if ours is None:
        return Finding(quantity, "", Outcome.NOT_RUN, note="no replicate finished")
    return Finding(quantity, "", Outcome.NOT_STATED, ours=ours, note=few(ours, least))


def exact(quantity: str, published: str, ours: str | None, *, because: str = "") -> Finding:
    """The verdict on something that no chance enters: it is what was printed, or what was printed cannot be."""
    if ours is None:
        return Finding(quantity, published, Outcome.NOT_RUN, note="no replicate finished")
    outcome = Outcome.REPRODUCED if ours == published else Outcome.CANNOT_BE
    note = because if outcome is Outcome.CANNOT_BE else ""
    return Finding(quantity, published, outcome, exact=ours, note=note)


def below_floor(finding: Finding, floor_mse: float | None, points: int, *, impossible: float = IMPOSSIBLE) -> Finding:
    """`finding` on a test RMSE, which cannot be where it lies below what the data admit.

    The noise floor on the printed test targets and that on ours are mean squares of `points` Gaussian draws each, so
    their ratio follows an F distribution; a printed error whose ratio has a chance below `impossible` cannot be.
    """
    if floor_mse is None or not floor_mse > 0 or finding.printed is None:
        return finding
    upper = finding.printed.high + finding.printed.tolerance
    if f_ratio.cdf(upper**2 / floor_mse, points, points) >= impossible:
        return finding
    note = f"the best possible forecast of this data errs by {floor_mse**0.5:.4g}"
    return replace(finding, outcome=Outcome.CANNOT_BE, note=note)


def prediction(printed: Printed, ours: Spread | None, *, printed_target: float | None, target: float | None) -> Finding:
    """The verdict on a printed prediction: better or worse by the distance from the target that it is of.

    Parameters
    ----------
    printed, ours
        The predictions, original units.
    printed_target, target
        What was to be predicted, as it was printed and as it is.
    """
    finding = judge(printed, ours)
    if ours is None or finding.outcome is Outcome.REPRODUCED or target is None:
        return finding
    theirs = abs(printed.low - (target if printed_target is None else printed_target))
    off = abs(ours.mean - target)
    note = f"our mean is {off:.4g} from the target, the printed one {theirs:.4g} from the printed target"
    outcome = Outcome.BETTER if off < theirs else Outcome.WORSE
    return replace(finding, outcome=outcome, note="; ".join(filter(None, [note, finding.note])))
