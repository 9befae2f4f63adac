"""Making a folder that of one sweep, or refusing it."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from time import time

from ntklora.sweeps.store import manifest, spec_file
from ntklora.sweeps.store.spec_file import StoredSpec
from ntklora.sweeps.store.writing import Refused, alone, writing

_HOUR = 3600.0


def claim(folder: Path, asked: StoredSpec, *, force: bool, extend: bool) -> None:
    """Write the specification and the manifest where the folder is free, or is this sweep's; see `Store.claim`."""
    with writing(folder), alone(folder):
        _remove_leftovers(folder)
        _see_manifest(folder, asked.experiment, force)
        before = _compatible(folder, asked, force, extend)
        if before is None or before.as_dict() != asked.as_dict():
            asked.write(folder)


def set_aside(folder: Path, path: Path) -> None:
    """Move a file of the folder to `set_aside/`, where it takes the place of none."""
    aside = folder / "set_aside"
    aside.mkdir(exist_ok=True)
    target, count = aside / path.name, 1
    while target.exists():
        count += 1
        target = aside / f"{path.stem}-{count}{path.suffix}"
    with suppress(FileNotFoundError):  # another writer was faster
        path.rename(target)


def _remove_leftovers(folder: Path) -> None:
    """Remove what processes that were killed had begun to write; nobody takes an hour to write a file."""
    for path in [*folder.glob(".*.partial*"), *folder.glob("*/.*.partial*")]:
        with suppress(FileNotFoundError):
            if time() - path.stat().st_mtime > _HOUR:
                path.unlink()


def _see_manifest(folder: Path, experiment: str, force: bool) -> None:
    """Start the manifest; refuse a folder that holds files but no manifest of ours."""
    path, reason = folder / manifest.FILE, None
    if not path.exists() and any(not each.name.startswith(".") for each in folder.iterdir()):
        reason = f"{folder} holds files and no {manifest.FILE} of ntklora"
    try:
        manifest.read_runs(folder)
    except ValueError as error:
        reason = str(error)
    if reason is not None and not force:
        raise Refused(f"{reason}: pass another folder, or --force to write there nevertheless")
    if reason is not None and path.exists():
        set_aside(folder, path)
    if not path.exists():
        manifest.start_manifest(folder, experiment)


def _compatible(folder: Path, asked: StoredSpec, force: bool, extend: bool) -> StoredSpec | None:
    """The specification before; None where there is none, or none that counts."""
    if not (folder / spec_file.FILE).exists():
        return None
    try:
        before = spec_file.read_spec(folder)
    except ValueError as error:
        if force or extend:
            return None
        raise Refused(f"{error}: pass another folder, or --force to compute this sweep there") from error
    found = spec_file.differences(before, asked)
    if force or not found:
        return before
    if not extend or before.experiment != asked.experiment:
        raise Refused(
            f"{folder} holds another sweep ({'; '.join(found)}): pass another folder, or --force to compute this one "
            "there"
        )
    found = spec_file.column_differences(before, asked) if before.version == asked.version else []
    if found:
        raise Refused(
            f"{folder} holds rows {'; '.join(found)}: raise the version of experiment {asked.experiment}, or compute "
            "everything again with --force"
        )
    return before
