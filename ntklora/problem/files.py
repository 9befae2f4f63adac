"""A problem as one NPZ file: what `ntklora certify` reads, and what anybody can write with `numpy.savez`.

| array | shape | |
|---|---|---|
| `G` | (N, K, m, n) | dense tangent features of the one weight |
| `a`, `b` | (N, T, n), (N, K, T, m) | or their factors, `G_ij = Σ_t b_ijt a_itᵀ` |
| `at`, `bt` | (N, S, m), (N, K, S, n) | factors of a weight applied as `x W`: `Σ_s at_is bt_ijsᵀ`, added to these |
| `G/<name>`, `a/<name>`, … | | the same for each of several weights |
| `f0` | (N, K) | outputs at initialization |
| `y` | | targets, as the loss takes them |
| `loss` | | `squared`, `logistic` or `cross_entropy` |
| `lam` | () | weight decay |
| `P`, or `P/<name>` | (m+n, m+n) | the perturbation, where there is one |

Files are read without pickle: a file cannot run code.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ntklora.atomic import replacing
from ntklora.problem.losses import LOSSES
from ntklora.problem.problem import Problem
from ntklora.tangent.blocks import Block, Dense, Factored, Transposed, TwoSided
from ntklora.tangent.operator import BARE, TangentOperator

Arrays = Mapping[str, np.ndarray]

_LARGEST = 1e50  # the fourth powers that curvatures take of features stay below float64's 1e308

FEATURES = ("G", "a", "b", "at", "bt")


def load_problem(path: str | Path, lam: float | None = None) -> Problem:
    """The problem that a file holds; `lam` takes the place of the file's own.

    Errors: `ValueError`, one line that names the file, the array, and the mend.
    """
    path = Path(path)
    arrays = _read(path)
    try:
        op = _operator(arrays)
        decay = lam if lam is not None else _scalar(arrays, "lam", "the weight decay lam (or pass it)")
        loss = str(_scalar(arrays, "loss", f"the loss, one of {', '.join(LOSSES)}"))
        f0, y = _numbers(arrays, "f0"), _numbers(arrays, "y")
        return Problem(op, f0, y, loss, decay, _perturbation(arrays, op))
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path}: {error}") from error


def save_problem(problem: Problem, path: str | Path) -> None:
    """Write the problem so that `load_problem` gives it back, whole or not at all; `.npz` is added where it lacks.

    Errors: `ValueError` for a loss of the user's own, which a file cannot hold.
    """
    if LOSSES.get(problem.loss.name) != problem.loss:
        raise ValueError(f"loss {problem.loss.name!r} is not one of {', '.join(LOSSES)}: a file cannot hold it")
    arrays: dict[str, object] = {"f0": problem.f0, "y": problem.y, "loss": problem.loss.name, "lam": problem.lam}
    for name, block in problem.op.blocks.items():
        suffix = "" if problem.op.bare else f"/{name}"
        arrays |= {f"{key}{suffix}": array for key, array in _parts(block).items()}
        if problem.perturbation is not None:
            arrays[f"P{suffix}"] = problem.perturbation[name]
    write_npz(path, {key: np.asarray(array) for key, array in arrays.items()})


def npz_path(path: str | Path) -> Path:
    """The path that is written: `.npz` is added where it lacks, as `numpy.savez` does."""
    path = Path(path)
    return path if path.suffix == ".npz" else path.with_name(path.name + ".npz")


def write_npz(path: str | Path, arrays: Arrays) -> Path:
    """These arrays under these names (names may hold `/`), whole or not at all; the path that was written."""
    path = npz_path(path)
    with replacing(path) as sibling, zipfile.ZipFile(sibling, "w") as archive:
        for key, array in arrays.items():
            with archive.open(f"{key}.npy", "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, array, allow_pickle=False)
    return path


def _read(path: Path) -> Arrays:
    if not path.is_file():
        raise ValueError(f"{path}: no such file")
    try:
        if not zipfile.is_zipfile(path):
            raise ValueError(f"{path}: not an NPZ file; write one with numpy.savez")
        with np.load(path, allow_pickle=False) as archive:
            return {key: _member(path, archive, key) for key in archive.files}
    except (OSError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path}: cannot be read ({error})") from error


def _member(path: Path, archive: Arrays, key: str) -> np.ndarray:
    # NumPy reports a pickled member as a ValueError, a damaged one in several ways.
    try:
        array = archive[key]
    except (ValueError, OSError, EOFError, zlib.error, zipfile.BadZipFile, NotImplementedError) as error:
        mend = "save plain numbers, not objects" if "pickle" in str(error) else "write it again"
        raise ValueError(f"{path}: array {key!r} cannot be read; {mend} ({error})") from error
    if not isinstance(array, np.ndarray):
        raise ValueError(f"{path}: {key!r} is no NumPy array; write the file with numpy.savez")
    return array


def _parts(block: Block) -> dict[str, object]:
    if isinstance(block, Dense):
        return {"G": block.g}
    if isinstance(block, Factored):
        return {"a": block.a, "b": block.b}
    if isinstance(block, Transposed):
        return {"at": block.of.a, "bt": block.of.b}
    return {**_parts(block.upright), **_parts(block.flipped)}


def _operator(arrays: Arrays) -> TangentOperator:
    bare = [key for key in FEATURES if key in arrays]
    named = [key for key in arrays if key.split("/")[0] in FEATURES and "/" in key]
    if bare and named:
        raise ValueError(f"holds both {bare[0]!r}, of one weight, and {named[0]!r}, of several; keep one form")
    if not bare and not named:
        held = ", ".join(arrays) or "nothing"
        raise ValueError(f"lacks tangent features: expected 'G', or 'a' and 'b'; it holds {held}")
    names = dict.fromkeys(key.split("/", 1)[1] for key in named)
    blocks = {name: _block(arrays, f"/{name}") for name in names} or {BARE: _block(arrays, "")}
    counts = {name: (block.num_samples, block.num_outputs) for name, block in blocks.items()}
    if len(set(counts.values())) > 1:
        raise ValueError(f"features of different weights disagree on (N, K): {counts}")
    return TangentOperator(blocks, bare=not named)


def _block(arrays: Arrays, suffix: str) -> Block:
    held = [key for key in FEATURES if f"{key}{suffix}" in arrays]
    if "G" in held:
        if len(held) > 1:
            raise ValueError(f"holds {f'G{suffix}'!r} and factors of the same weight; keep one form")
        return _only(TangentOperator.from_dense({f"G{suffix}": _numbers(arrays, f"G{suffix}")}))
    upright = _factors(arrays, f"a{suffix}", f"b{suffix}") if {"a", "b"} & set(held) else None
    flipped = Transposed(_factors(arrays, f"at{suffix}", f"bt{suffix}")) if {"at", "bt"} & set(held) else None
    if upright is not None and flipped is not None:
        if (upright.shape, upright.b.shape[:2]) != (flipped.shape, flipped.of.b.shape[:2]):
            raise ValueError(f"factors 'a{suffix}' and 'at{suffix}' belong to weights or samples of different shapes")
        return TwoSided(upright, flipped)
    block = upright if upright is not None else flipped
    assert block is not None  # some key of this weight was found
    return block


def _factors(arrays: Arrays, right: str, left: str) -> Factored:
    block = _only(TangentOperator.from_factors({right: _numbers(arrays, right)}, {right: _numbers(arrays, left)}))
    assert isinstance(block, Factored)
    return block


def _only(op: TangentOperator) -> Block:
    (block,) = op.blocks.values()
    return block


def _perturbation(arrays: Arrays, op: TangentOperator) -> np.ndarray | dict[str, np.ndarray] | None:
    if not any(key == "P" or key.startswith("P/") for key in arrays):
        return None
    return _numbers(arrays, "P") if op.bare else {name: _numbers(arrays, f"P/{name}") for name in op.blocks}


def _numbers(arrays: Arrays, key: str) -> np.ndarray:
    if key not in arrays:
        raise ValueError(f"lacks the array {key!r}; it holds {', '.join(arrays)}")
    if arrays[key].dtype.kind not in "fiub":
        raise ValueError(f"array {key!r} has dtype {arrays[key].dtype}; expected real numbers")
    largest = float(np.abs(arrays[key].astype(np.float64)).max(initial=0.0))
    if _LARGEST < largest < np.inf:
        raise ValueError(f"{key!r} has entries up to {largest:.1e}; beyond {_LARGEST:.0e} powers overflow: scale it")
    return arrays[key]


def _scalar(arrays: Arrays, key: str, what: str) -> float | str:
    if key not in arrays:
        raise ValueError(f"lacks {key!r}: {what}")
    array = arrays[key]
    if array.size != 1:
        raise ValueError(f"{key!r} has shape {array.shape}; expected one value")
    value = array.reshape(()).item()
    return value.decode() if isinstance(value, bytes) else value
