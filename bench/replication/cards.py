"""Systems and the rows of their cells → one card for each published document."""

from collections.abc import Sequence
from dataclasses import dataclass

from bench.replication.evidence_rows import Evidence, Tables, delay_of
from bench.replication.facts import findings, trajectory
from bench.replication.findings import ClaimFinding, PublishedFinding, PublishedOutcome, Trajectory
from bench.replication.own_claims import TESTS, decide_own
from bench.replication.statements import decide
from bench.replication.systems import MARKS, System, is_marked, unmarked
from bench.stats.delay import Delay


@dataclass(frozen=True, eq=False)
class Run:
    """One system on one dataset with one model, as published.

    Parameters
    ----------
    system
        The id of its system.
    dataset, model
        Ids, as results call them; the model's without what marks it as published.
    evidence
        Its replicates; `None` where there is no row.
    departures
        The options that depart from the protocol.
    findings, trajectory
        The verdicts.
    delay
        How far the forecast lags behind the truth, on real data; the median replicate's.
    """

    system: str
    dataset: str
    model: str
    evidence: Evidence | None
    departures: tuple[str, ...]
    findings: tuple[PublishedFinding, ...]
    trajectory: Trajectory | None
    delay: Delay | None

    @property
    def all_findings(self) -> tuple[PublishedFinding, ...]:
        """Those on the printed epochs first."""
        if self.evidence is None:
            return (PublishedFinding("everything", "", PublishedOutcome.NOT_RUN, note="no row is stored"),)
        return (*(self.trajectory.findings if self.trajectory else ()), *self.findings)


@dataclass(frozen=True, eq=False)
class Card:
    """One published document: its system and that one's variants.

    Parameters
    ----------
    id
        The first word of the ids of its systems.
    title
        Of its first system.
    systems
        Its systems, in the order of the suite.
    runs
        As published, by system, dataset and model.
    protocol
        The cells of the same data under the protocol.
    claims
        The verdicts on what was said in words.
    """

    id: str
    title: str
    systems: tuple[System, ...]
    runs: tuple[Run, ...]
    protocol: tuple[Evidence, ...]
    claims: tuple[ClaimFinding, ...]

    @property
    def numbers(self) -> list[PublishedFinding]:
        """Each printed number once, as the first dataset and model of its system give it; what was not run as one.

        What else it is held against, such as a variant of the data, explains it and is no other printed number.
        """
        numbers: dict[tuple[str, str], PublishedFinding] = {}
        for run in self.runs:
            for finding in run.all_findings:
                if not finding.is_statement and finding.outcome is not PublishedOutcome.NOT_STATED:
                    numbers.setdefault((run.system, finding.quantity), finding)
        return list(numbers.values())

    @property
    def outcomes(self) -> list[PublishedOutcome]:
        """Of `numbers`."""
        return [finding.outcome for finding in self.numbers]

    @property
    def not_stated(self) -> int:
        """Results that nothing was printed of, of each dataset and model."""
        every = (finding.outcome for run in self.runs for finding in run.all_findings)
        return sum(outcome is PublishedOutcome.NOT_STATED for outcome in every)

    @property
    def printed_statements(self) -> list[PublishedFinding]:
        """Each shape or other fact that was printed once; one that is impossible somewhere is impossible."""
        facts: dict[tuple[str, str, str], PublishedFinding] = {}
        for run in self.runs:
            for finding in filter(lambda each: each.is_statement, run.all_findings):
                where = "" if finding.quantity.startswith("shape") else run.dataset
                key = (where, finding.quantity, finding.published)
                if key not in facts or finding.outcome is PublishedOutcome.IMPOSSIBLE:
                    facts[key] = finding
        return list(facts.values())


def cards(systems: Sequence[System], tables: Tables) -> tuple[Card, ...]:
    """A card for each first word among the systems' ids: ``T04`` and ``T04 last-step`` share one.

    Parameters
    ----------
    systems
        Of the suite that was run.
    tables
        The rows of its results.
    """
    grouped: dict[str, list[System]] = {}
    for system in systems:
        grouped.setdefault(system.card, []).append(system)
    return tuple(_card(name, own, tables) for name, own in grouped.items())


def _card(name: str, systems: Sequence[System], tables: Tables) -> Card:
    runs = tuple(run for system in systems for run in _runs(system, tables))
    cells = [run.evidence for run in runs if run.evidence and run.evidence.seeds]
    protocol = _protocol(systems, tables)
    same = _same_models(protocol, cells)
    claims: list[ClaimFinding] = []
    for system in systems:
        own = [run.evidence for run in runs if run.system == system.id and run.evidence and run.evidence.seeds]
        for claim in system.published.claims:
            if claim.test in TESTS:
                claims.append(decide_own(claim, system.published, own, tables))
            else:
                claims += decide(claim, cells, tables, protocol=same)
    return Card(name, systems[0].title, tuple(systems), runs, protocol, tuple(claims))


def _same_models(protocol: Sequence[Evidence], published: Sequence[Evidence]) -> list[Evidence]:
    """The finished cells under the protocol whose model also ran as published on the same data."""
    places = {(cell.dataset, unmarked(cell.model)) for cell in published}
    return [cell for cell in protocol if cell.seeds and (cell.dataset, cell.model) in places]


def _protocol(systems: Sequence[System], tables: Tables) -> tuple[Evidence, ...]:
    datasets = dict.fromkeys(dataset.id for system in systems for dataset in system.named_datasets)
    names = ((dataset, model) for dataset in datasets for model in tables.models(dataset))
    return tuple(cell for dataset, model in names if not is_marked(model) for cell in tables.evidence(dataset, model))


def _runs(system: System, tables: Tables) -> list[Run]:
    runs = []
    for dataset in system.named_datasets:
        for model in system.models:
            own = [cell for mark in MARKS for cell in tables.evidence(dataset.id, f"{model.id}{mark}")]
            runs += [_run(system, cell, tables, model=model.id) for cell in own]
            if not own:
                runs.append(Run(system.id, dataset.id, model.id, None, (), (), None, None))
    return runs


def _run(system: System, cell: Evidence, tables: Tables, *, model: str) -> Run:
    return Run(
        system=system.id,
        dataset=cell.dataset,
        model=model,
        evidence=cell,
        departures=tuple(filter(None, cell.departures.split(", "))),
        findings=findings(system.published, cell, tables),
        trajectory=trajectory(system.published, cell, tables),
        delay=delay_of(cell, tables),
    )
