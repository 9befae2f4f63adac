"""Which parameters are adapted: leaves of a pytree, by name.

A leaf is named by its path, `jax.tree_util.keystr(path, simple=True, separator="/")`: `"block0/q/w"`, `"layers/0/w"`.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from ntklora.tangent.folding import Fold, matrix_fold

Targets = str | Sequence[str]

PARAMETERS, MATRICES = "parameters", "matrices"


class Parameters(NamedTuple):
    """A pytree cut in two: its floating-point arrays by name, and all else (integers, functions, `None`)."""

    arrays: dict[str, jax.Array]
    rest: tuple[tuple[str, Any], ...]
    treedef: Any
    names: tuple[str, ...]

    def rebuild(self, arrays: Mapping[str, Any]) -> Any:
        """The pytree with these arrays in place of its own."""
        leaves = {**dict(self.rest), **self.arrays, **arrays}
        return jax.tree.unflatten(self.treedef, [leaves[name] for name in self.names])


def given_targets(targets: Targets) -> str | tuple[str, ...]:
    """`targets` as something that can be hashed. Errors: `ValueError` for what is neither a name nor several."""
    if isinstance(targets, str):
        return targets
    if not isinstance(targets, Iterable):
        raise ValueError(f"targets must be names or patterns, got {targets!r}")
    return tuple(targets)


def split_parameters(params: Any) -> Parameters:
    """The floating-point arrays of `params` by name.

    Errors: `ValueError` when there is none, or two leaves have the same name.
    """
    paths, treedef = jax.tree_util.tree_flatten_with_path(params)
    named = [(jax.tree_util.keystr(path, simple=True, separator="/"), leaf) for path, leaf in paths]
    if len(dict(named)) < len(named):
        raise ValueError(f"params has two leaves of one name; its paths are {[name for name, _ in named]}")
    arrays = {name: leaf for name, leaf in named if _is_floating(leaf)}
    if not arrays:
        raise ValueError("params has no floating-point array to differentiate with respect to")
    rest = tuple((name, leaf) for name, leaf in named if name not in arrays)
    return Parameters(arrays, rest, treedef, tuple(name for name, _ in named))


def resolve_targets(
    targets: Targets, shapes: Mapping[str, tuple[int, ...]], kernels: Mapping[str, Fold]
) -> tuple[str, ...]:
    """Names of the targeted leaves, in the order of the pytree.

    `"parameters"` is every leaf, `"matrices"` every 2-D leaf and every convolution kernel (`kernels` says which leaves
    those are); anything else is a name or an `fnmatch` pattern, or several of them.
    Errors: `ValueError` for a name or pattern that fits no leaf (the nearest names are given), or no target at all.
    """
    if isinstance(targets, str):
        if targets == PARAMETERS:
            return tuple(shapes)
        if targets == MATRICES:
            chosen = tuple(name for name, shape in shapes.items() if len(shape) == 2 or name in kernels)
            if not chosen:
                raise ValueError(f"params has no matrix and no convolution kernel; its leaves are {_listed(shapes)}")
            return chosen
        targets = [targets]
    if not targets:
        raise ValueError("targets is empty; name at least one leaf, or give 'matrices' or 'parameters'")
    chosen_by = [_matching(pattern, tuple(shapes)) for pattern in targets]
    return tuple(name for name in shapes if any(name in chosen for chosen in chosen_by))


def target_folds(
    names: Sequence[str], shapes: Mapping[str, tuple[int, ...]], kernels: Mapping[str, Fold]
) -> dict[str, Fold | None]:
    """How each target is read as a matrix; `None` where only the way it is applied can tell (see `backward`)."""
    return {name: kernels.get(name) or matrix_fold(shapes[name]) for name in names}


def _matching(pattern: str, names: Sequence[str]) -> set[str]:
    if not isinstance(pattern, str):
        raise ValueError(f"targets must be names or patterns, got {pattern!r}")
    found = {name for name in names if name == pattern} or {name for name in names if fnmatchcase(name, pattern)}
    if not found:
        nearest = difflib.get_close_matches(pattern, [*names, PARAMETERS, MATRICES], n=3, cutoff=0.0)
        raise ValueError(
            f"unknown target {pattern!r}: no leaf of params fits; the nearest are {', '.join(map(repr, nearest))}"
        )
    return found


def _listed(shapes: Mapping[str, tuple[int, ...]]) -> str:
    shown = [f"{name!r} {shape}" for name, shape in list(shapes.items())[:6]]
    return ", ".join(shown) + (", ..." if len(shapes) > 6 else "")


def _is_floating(leaf: Any) -> bool:
    return hasattr(leaf, "dtype") and hasattr(leaf, "shape") and jnp.issubdtype(leaf.dtype, jnp.floating)
