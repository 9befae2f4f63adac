"""Finding an experiment by a string, so that any process on any host can be told which one is meant.

landscape                                  a name: the file of that name in the folder `experiments/`
my_sweep.py, /somewhere/my_sweep.py        a file that defines `experiment`
my_package.sweeps:experiment               an attribute of a module: an Experiment, or a function that gives one
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from hashlib import sha256
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

from ntklora.sweeps.experiment import Experiment


@cache
def find_experiment(reference: str) -> Experiment:
    """The experiment that a reference names; read once in each process.

    Errors: `ValueError` in one line, where there is none or where what is named cannot be loaded.
    """
    if reference.endswith(".py"):
        value = getattr(load_file(Path(reference)), "experiment", None)
        wanted = "must define `experiment`"
    elif ":" in reference:
        module, _, attribute = reference.partition(":")
        value = getattr(_import(module, reference), attribute, None)
        value = _given(value, reference) if callable(value) else value
        wanted = "must name an Experiment, or a function that gives one"
    else:
        from ntklora.sweeps.catalogue import all_experiments, named

        value, wanted = named(all_experiments(), reference, "experiment"), ""
    if not isinstance(value, Experiment):
        raise ValueError(f"{reference} {wanted}; it gives a {type(value).__name__}")
    return value


def load_file(path: Path) -> ModuleType:
    """A file as a module under a private name: files of experiments are no package, nothing can depend on them.

    Errors: `ValueError` naming the file and what went wrong in it.
    """
    path = path.resolve()
    name = f"_ntklora_{path.parent.name}_{path.stem}_{sha256(str(path).encode()).hexdigest()[:8]}"
    spec = spec_from_file_location(name, path)
    if not path.is_file() or spec is None or spec.loader is None:
        raise ValueError(f"{path}: there is no such file")
    module = module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # a person's file: whatever it raises is said in one line
        del sys.modules[name]
        raise ValueError(f"{path} cannot be loaded: {_said(error)}") from error
    return module


def _import(module: str, reference: str) -> ModuleType:
    try:
        return import_module(module)
    except (Exception, SystemExit) as error:
        raise ValueError(f"{reference}: module {module} cannot be imported: {_said(error)}") from error


def _given(function: Callable[[], Any], reference: str) -> Any:
    try:
        return function()
    except (Exception, SystemExit) as error:
        raise ValueError(f"{reference} gives no experiment: {_said(error)}") from error


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
