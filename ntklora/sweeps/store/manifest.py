"""`manifest.json`: the runs that wrote to a folder, each with its provenance. What makes a folder one of ours."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from secrets import token_hex
from typing import Any

from ntklora.sweeps.store.writing import alone, write_json, writing

SCHEMA = 1
FILE = "manifest.json"

Run = Mapping[str, Any]


def read_runs(folder: Path) -> list[dict[str, Any]]:
    """The runs, oldest first; none where there is no manifest. Errors: `ValueError` for a file that is no manifest."""
    path = folder / FILE
    try:
        content = json.loads(path.read_text())
        runs = content["runs"]
        if not isinstance(content["schema"], int) or not all(isinstance(run, dict) for run in runs):
            raise TypeError("its runs are no objects")
    except FileNotFoundError:
        return []
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is no manifest that this program can read ({error})") from error
    return runs


def start_manifest(folder: Path, experiment: str) -> None:
    """A manifest without runs."""
    _write(folder, experiment, [])


def append_run(folder: Path, experiment: str, run: Run) -> str:
    """Add a run at the end; the name by which `update_run` finds it. Safe with several writers at once."""
    name = token_hex(6)
    with writing(folder), alone(folder):
        _write(folder, experiment, [*read_runs(folder), {"run": name, **run}])
    return name


def update_run(folder: Path, experiment: str, name: str, changes: Run) -> None:
    """Say more of a run that was appended."""
    with writing(folder), alone(folder):
        runs = read_runs(folder)
        _write(folder, experiment, [{**run, **changes} if run.get("run") == name else run for run in runs])


def _write(folder: Path, experiment: str, runs: list[dict[str, Any]]) -> None:
    write_json(folder / FILE, {"schema": SCHEMA, "experiment": experiment, "runs": runs})
