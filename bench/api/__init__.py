"""The Python API: what ``import bench`` offers, each name imported when it is first used.

Nothing here prints or ends the process. What the user can correct is a `bench.BenchError`, whose text is one line for
each problem.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.errors import InputError
from bench.paths import is_url, path_of
from bench.spec import Suite

if TYPE_CHECKING:
    import pandas as pd

    from bench.api.results import Results
    from bench.comparing import Comparison

SuiteLike = str | Path | Mapping[str, Any] | Suite


def load(suite: SuiteLike) -> Suite:
    """A suite, checked and complete.

    Parameters
    ----------
    suite
        The path of a suite file, the name of a shipped suite, a mapping with the keys of a suite file, or a `Suite`.

    Raises
    ------
    BenchError
        There is no such suite, or something is wrong with it: one line for each problem, of a file with its place.
    """
    from bench.api.folders import as_mapping, from_mapping, loaded
    from bench.replication.systems import systems_of

    if isinstance(suite, Suite):
        return suite if systems_of(suite) else from_mapping(as_mapping(suite))
    if isinstance(suite, Mapping):
        return from_mapping(suite)
    if not isinstance(suite, str | Path):
        raise InputError(f"suite: expected a path, a name, a mapping or a Suite, got {type(suite).__name__}")
    return loaded(str(suite))


def run(  # noqa: PLR0913 - one parameter for each option
    suite: SuiteLike,
    *,
    results: str | Path | None = None,
    jobs: int | None = None,
    device: str = "auto",
    datasets: Mapping[str, Any] | None = None,
    models: Mapping[str, Any] | None = None,
    allow_plugin: bool = False,
) -> Results:
    """Run what the suite requests and is not stored yet, as ``bench run`` does, and open the results.

    Parameters
    ----------
    suite
        What `load` takes.
    results
        The results folder, or a URL such as ``"s3://bucket/prefix"``; ``results/<name of the suite>`` by default.
    jobs
        Cells at the same time, each in a process of its own; one for each CPU by default.
    device
        ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"cuda:INDEX"``.
    datasets
        Name → a DataFrame with one column of numbers, ``(DataFrame, column)``, a Series, or a `DatasetKind`. An index
        of dates gives the times. Each is added to the suite's datasets, unless the suite names it itself.
    models
        Name → a torch module class, a function that builds a module, an estimator with ``fit`` and ``predict``, a
        `ModelKind`, or the address of a module class, such as ``"./mynet.py:MyNet"``. Each is added to the suite's
        models, unless the suite names it itself. A constructor is given
        ``sequence_length``, ``horizon``, ``channels`` and ``outputs`` where it has parameters of these names; a suite
        may set its others. Modules map ``[B, T, C]`` to ``[B, H, D]``. An estimator is cloned for each replicate, its
        ``random_state`` is seeded where it has one, and it sees the windows laid flat, ``[B, T·C]``.
    allow_plugin
        Whether the code that the suite itself names may be run, as for ``bench run --allow-plugin``.

    Returns
    -------
    Results
        All that is stored in the folder. A cell that did not finish has rows that say why.

    Raises
    ------
    BenchError
        Something is wrong with the input, or the folder holds results of another suite; nothing was run.

    Notes
    -----
    Objects cannot be sent to other processes, addresses can. Where there are objects, all cells run one after another
    in this process, on one thread, and `jobs` has no effect. Objects are registered for the length of this call alone.
    """
    from bench.api.execution import carry_out
    from bench.api.objects import registered
    from bench.api.results import Results
    from bench.models.from_source import allowing_plug_ins, anchored

    if jobs is not None and (isinstance(jobs, bool) or not isinstance(jobs, int) or jobs < 1):
        raise InputError(f"jobs: expected a whole number ≥ 1, got {jobs!r}")
    if not isinstance(device, str):
        raise InputError(f"device: expected auto, cpu, cuda or cuda:INDEX, got {device!r}")
    datasets, models = _objects("datasets", datasets), _objects("models", models)
    named = {name: anchored(given, Path()) for name, given in models.items() if isinstance(given, str)}
    with allowing_plug_ins(allowed=allow_plugin or bool(named)), registered(datasets, {**models, **named}):
        known = _with_objects(suite, {"datasets": tuple(datasets), "models": tuple(models)})
        kinds = [each.model_copy(update={"kind": named.get(each.kind, each.kind)}) for each in known.models]
        known = known.model_copy(update={"models": tuple(kinds)})  # by addresses, which other processes know too
        folder = _folder(results) if results is not None else Path("results", known.name)
        engine = "inline" if datasets or models.keys() - named else "processes"
        carry_out(known, folder, engine=engine, jobs=jobs, device=device)
    return Results(folder)


def _with_objects(suite: SuiteLike, names: Mapping[str, Sequence[str]]) -> Suite:
    """The suite with those of `names`, by ``datasets`` and ``models``, that it does not name itself."""
    from bench.api.folders import as_mapping, from_mapping
    from bench.replication.systems import systems_of

    if not any(names.values()):
        return load(suite)
    if isinstance(suite, Mapping):
        content = dict(suite)
    else:
        known = load(suite)
        if systems_of(known):
            raise InputError(f"{known.name}: expected a suite without published systems to add objects to")
        content = as_mapping(known)
    for key, own in names.items():
        listed = content.get(key, [])
        if isinstance(listed, list | tuple):
            kinds = [entry.get("kind") if isinstance(entry, Mapping) else entry for entry in listed]
            content[key] = [*listed, *(name for name in own if name not in kinds)]
    return from_mapping(content)


def read(results: str | Path) -> Results:
    """Open a results folder, or what lies at a URL such as ``"s3://bucket/prefix"``; this imports no torch.

    Raises
    ------
    BenchError
        It is no results folder, or nothing in it can be read.
    """
    from bench.api.results import Results

    return Results(_folder(results))


def judge(predictions: pd.DataFrame | str | Path, truth: pd.DataFrame | str | Path | None = None) -> Results:
    """What the report says of forecasts that anybody made: skill, tests against persistence and between models, delay.

    Parameters
    ----------
    predictions
        A DataFrame, or a file as datasets may be, with a row for each forecast of a point: `time` or `index`, `step`
        (how far ahead, from 1), `truth` and `prediction`; optional are `model`, `seed`, `persistence` and `best`, the
        best possible forecast, whose error is the noise floor.
    truth
        The whole series, with `time` or `index` and one column of values; for what `predictions` lacks.

    Returns
    -------
    Results
        Its ``verdicts()`` and ``leaderboard()`` are as of a run; nothing is stored.

    Raises
    ------
    BenchError
        Something is wrong with the table; the message says where.
    """
    from bench.api.judged import source_of
    from bench.api.results import Results

    source, _ = source_of(predictions, truth)
    return Results(Path(source.folder), source)


def report(results: Results | str | Path, reports: str | Path = "reports") -> Path:
    """Write the report of `results` in a folder of its suite's name within `reports`; the path of its page.

    Raises
    ------
    BenchError
        There is nothing to report, or the page cannot be written.
    """
    from bench.api.reports import write_report

    return write_report(_folder(results), _path("reports", reports))


def compare(old: Results | str | Path, new: Results | str | Path, *, suite: str | None = None) -> Comparison:
    """What changed from `old` to `new`, cell by cell, as ``bench compare`` finds it.

    Parameters
    ----------
    suite
        A suite file or a shipped suite, whose gate says what counts as a change; by default the shipped suite that
        `new` names, where there is one.

    Returns
    -------
    Comparison
        Its ``verdict`` is of everything, its ``cells`` have what became of each metric.

    Raises
    ------
    BenchError
        The two cannot be compared.
    """
    from bench.api.folders import gate_of
    from bench.comparing import compare_folders
    from bench.replication.systems import parsed

    if suite is not None and not isinstance(suite, str):
        raise InputError(f"suite: expected a file or the name of a shipped suite, got {type(suite).__name__}")
    limits, origin = gate_of(suite, _folder(new))
    return compare_folders(_folder(old), _folder(new), limits, gate_file=origin, parse=parsed)


def _folder(results: Results | str | Path) -> Path:
    """The folder of `results`; of a URL, its copy on this machine, brought up to date."""
    from bench.api.results import Results

    if isinstance(results, Results):
        return results.folder
    if not isinstance(results, str) or not is_url(results):
        return _path("results", results)
    from bench.store.copies import copy_of

    return copy_of(results)


def _path(what: str, value: str | Path) -> Path:
    """`value` as the path of a folder.

    Raises
    ------
    InputError
        It is none.
    """
    if not isinstance(value, str | Path) or not str(value):
        raise InputError(f"{what}: expected the path of a folder, got {value!r:.60}")
    return path_of(value)


def _objects(what: str, given: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """Objects by name; none where none are given."""
    if given is not None and not isinstance(given, Mapping):
        raise InputError(f"{what}: expected a mapping of names to objects, got {type(given).__name__}")
    return given or {}
