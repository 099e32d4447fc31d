"""Torch module and forecaster classes that a suite names by their source: ``./mynet.py:MyNet`` or ``mynets:MyNet``.

A suite alone never runs code: whoever runs it has to allow it, with ``--allow-plugin``. A class is identified by its
file and what that imports from its own folder, or by its package (`bench.source_code`), and loaded again when that
changes.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from bench.errors import InputError, described
from bench.models.base import ModelKind
from bench.models.own_forecaster import METHODS, forecaster_kind, is_forecaster_class
from bench.models.own_module import is_module_class, module_kind
from bench.paths import path_of
from bench.registry import FLAG, is_address, short_address
from bench.source_code import file_hash, source_hash

_ALLOWED: ContextVar[bool] = ContextVar("plug-ins allowed", default=False)

_LOADED: dict[tuple[str, str], ModelKind] = {}
"""Address and hash → the kind: a class is loaded once for each state of its source."""


_IMPORTED: dict[str, str] = {}
"""Module → the hash that its source had when it was imported: unlike a file, a package is not loaded again."""


def plug_ins_allowed() -> bool:
    """Whether code that a suite names may be run here."""
    return _ALLOWED.get()


def allow_plug_ins(*, allowed: bool = True) -> None:
    """Allow, or not, that code which a suite names is run in this context from here on."""
    _ALLOWED.set(allowed)


@contextmanager
def allowing_plug_ins(*, allowed: bool = True) -> Iterator[None]:
    """The same for the length of a ``with`` block."""
    token = _ALLOWED.set(allowed)
    try:
        yield
    finally:
        _ALLOWED.reset(token)


class Kinds(dict[str, ModelKind]):
    """Registered kinds by name; a class that is named by its source is loaded when it is looked up."""

    def __missing__(self, name: str) -> ModelKind:
        if not is_address(name):
            raise KeyError(name)
        return kind_at(name)

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name) or (isinstance(name, str) and is_address(name))

    def get(self, name: str, default: Any = None) -> Any:
        """As of any mapping."""
        return self[name] if self.__contains__(name) else default


def anchored(address: str, folder: Path) -> str:
    """`address` with the whole path of its file, which begins at `folder`; that of a module stays."""
    source, _, name = address.rpartition(":")
    return f"{(folder / path_of(source)).absolute()}:{name}" if source.endswith(".py") else address


def kind_at(address: str) -> ModelKind:
    """The kind of the class at `address`, with the whole path of its file.

    Raises
    ------
    InputError
        Code is not allowed, cannot be imported, or is no class of a module or forecaster that a suite can make.
    """
    name = short_address(address)
    if not plug_ins_allowed():
        raise InputError(
            f"{name}: this kind is code, which a suite alone never runs; read it, then run the command again with "
            f"{FLAG} (from Python: bench.run(…, allow_plugin=True))"
        )
    source, _, attribute = address.rpartition(":")
    identity = _identity(name, source)
    if (address, identity) not in _LOADED:
        given: Any = getattr(_imported(name, source, identity), attribute, None)
        if not _is_model_class(given):
            what = f"the class {given.__name__}" if isinstance(given, type) else f"an object of {type(given).__name__}"
            came = "nothing of that name" if given is None else what
            raise InputError(
                f"{name}: expected a torch.nn.Module class, or one with {METHODS}, got {came}"
                f"{_classes(source, identity)}"
            )
        kind = module_kind if is_module_class(given) else forecaster_kind
        _LOADED[address, identity] = kind(name, given, identity)
    return _LOADED[address, identity]


def _identity(name: str, source: str) -> str:
    if source.endswith(".py"):
        try:
            return file_hash(Path(source))
        except OSError as error:
            raise InputError(f"{name}: expected a file at {source}, got: {error.strerror}") from error
    known = source_hash(source)
    if known.sha256 is None:
        raise InputError(
            f"{name}: expected a module that can be imported and read, got none of the name {source}; name a file by "
            "its path, such as ./mynet.py:MyNet, or put the module's folder on PYTHONPATH"
        )
    return known.sha256


def _imported(name: str, source: str, identity: str) -> Any:
    """The module of the class, anew where the source of its file has changed.

    Raises
    ------
    InputError
        It cannot be imported, or belongs to a package that was edited since.
    """
    if _IMPORTED.setdefault(source, identity) != identity and not source.endswith(".py"):
        raise InputError(f"{name}: {source} was edited after it was imported; start Python again")
    try:
        return _of_file(Path(source), identity) if source.endswith(".py") else importlib.import_module(source)
    except (Exception, SystemExit) as error:  # whatever the code of others raises
        raise InputError(f"{name}: it cannot be imported: {described(error)}; correct it there") from error


def _of_file(path: Path, identity: str) -> Any:
    """The module of a file; what it imports from its folder is not kept, as that may change."""
    unique = f"{path.stem}_{identity[:16]}"
    if unique in sys.modules:
        return sys.modules[unique]
    spec = importlib.util.spec_from_file_location(unique, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no Python file")
    module, before = importlib.util.module_from_spec(spec), set(sys.modules)
    sys.modules[unique] = module
    sys.path.insert(0, str(path.parent))
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[unique]
        raise
    finally:
        sys.path.remove(str(path.parent))
        for each in set(sys.modules) - before - {unique}:
            place = getattr(sys.modules[each], "__file__", None)
            if place is not None and Path(place).is_relative_to(path.parent) and not _is_installed(place):
                del sys.modules[each]
    return module


def _is_installed(place: str) -> bool:
    """Whether a file lies where libraries do, which may be below the folder of a suite."""
    return "site-packages" in Path(place).parts


def _is_model_class(given: object) -> bool:
    return is_module_class(given) or is_forecaster_class(given)


def _classes(source: str, identity: str) -> str:
    """Which classes there are instead."""
    module: Any = sys.modules.get(f"{Path(source).stem}_{identity[:16]}", sys.modules.get(source))
    own = (each for each in vars(module).values() if _is_model_class(each) and each.__module__ == module.__name__)
    names = sorted(each.__name__ for each in own)
    return f" (there is: {', '.join(names)})" if names else ""
