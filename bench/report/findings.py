"""What is found over all datasets: plain frozen values."""

from __future__ import annotations

from dataclasses import dataclass

from bench.report.estimate import Estimate


@dataclass(frozen=True)
class Rank:
    """One model's place.

    Parameters
    ----------
    average
        Of its ranks by error, 1 for the smallest; `None` where no section was finished by every ranked model.
    smallest_error, with_skill, tested
        Sections where it has the smallest error, where it beats persistence, and where that could be tested.
    fit_s
        Median over sections.
    """

    model: str
    average: float | None
    smallest_error: int
    with_skill: int
    tested: int
    fit_s: float | None


@dataclass(frozen=True)
class Ranking:
    """The models in order, the best first.

    Parameters
    ----------
    sections
        How many the ranks were taken over.
    groups
        Models that are not separated from each other over the sections, by Wilcoxon's tests with Holm's correction.
    friedman_p
        Of the test that all models are alike; `None` where it cannot be made.
    separable
        Whether so many sections could separate two of so many models at all.
    over
        The same in words.
    note
        What was left out, and why.
    """

    ranks: tuple[Rank, ...]
    sections: int
    over: str
    note: str
    groups: tuple[tuple[str, ...], ...] = ()
    friedman_p: float | None = None
    separable: bool = False


@dataclass(frozen=True)
class Standing:
    """One model over all datasets.

    Parameters
    ----------
    error
        As a share of that of persistence: the interquartile mean over datasets and seeds, with its interval over seeds.
    fit_s
        Of one seed, the geometric mean over datasets; `None` where it was not measured on all of them.
    probed
        Whether that is the probe's time, apart from any other work; else it is the run's, beside other cells.
    on_front
        Every other model with an error as small takes longer to fit.
    """

    model: str
    error: Estimate
    fit_s: float | None
    probed: bool
    on_front: bool


@dataclass(frozen=True)
class Answer:
    """A reader's question, and what the results say to it."""

    question: str
    sentences: tuple[str, ...]
