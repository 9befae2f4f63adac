"""Adding a change of the weights to a network's parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax

from ntklora.arrays import as_array
from ntklora.tangent.folding import Fold, kernel_fold, matrix_fold
from ntklora.tangent.operator import TangentOperator
from ntklora.tangent.targets import split_parameters


def apply_delta(params: Any, delta: Any, op: TangentOperator | None = None) -> Any:
    """The adapted parameters `W0 + δ`: a copy of `params`.

    `delta` is a dict `{name: (m, n)}`, or one array when exactly one leaf has that shape as a matrix. The operator `op`
    that `tangent_features` returned knows the target's name and the order of a kernel's axes. Without it a kernel is
    taken for (C_out, C_in, window...) as in JAX or for (window..., C_in, C_out) as in flax, by its shape.
    Errors: `ValueError` for an unknown name, a shape that does not fit, or one that fits in two ways.
    Source: LoRA as an edit of the parameters, δ = s·u vᵀ; theory §1.

    >>> apply_delta({"w": jax.numpy.zeros((1, 2))}, jax.numpy.ones((1, 2)))["w"].tolist()
    [[1.0, 1.0]]
    """
    parameters = split_parameters(params)
    known = {} if op is None else dict(op.folds)
    if not isinstance(delta, Mapping):
        delta = {_only_name(parameters.arrays, known, as_array(delta).shape): delta}
    changed = {}
    for name, matrix in delta.items():
        if name not in parameters.arrays:
            raise ValueError(f"delta names {name!r}; the leaves of params are {sorted(parameters.arrays)}")
        leaf, change = parameters.arrays[name], as_array(matrix)
        fits = [known[name]] if name in known else _fits(leaf.shape, change.shape)
        if not fits or fits[0].matrix_shape != change.shape:
            raise ValueError(f"delta {name!r} has shape {change.shape}, which does not fit the leaf {leaf.shape}")
        if len(fits) > 1:
            raise ValueError(
                f"delta {name!r} of shape {change.shape} fits the leaf {leaf.shape} in {len(fits)} ways; "
                "give the operator: apply_delta(params, delta, op)"
            )
        changed[name] = leaf + fits[0].fold(change).astype(leaf.dtype)
    return parameters.rebuild(changed)


def _only_name(arrays: Mapping[str, jax.Array], known: Mapping[str, Fold], shape: tuple[int, ...]) -> str:
    """The one leaf that a delta without a name can belong to."""
    if len(known) == 1:
        return next(iter(known))
    names = [name for name, leaf in arrays.items() if _fits(leaf.shape, shape)]
    if len(names) != 1:
        raise ValueError(
            f"delta has shape {shape} and no name, and {len(names) or 'no'} leaves of params have that shape as a "
            f"matrix{': ' + ', '.join(names) if names else ''}; give a dict {{name: delta}}"
        )
    return names[0]


def _fits(leaf: tuple[int, ...], matrix: tuple[int, ...]) -> list[Fold]:
    """The different ways to read a leaf of this shape as a matrix of that one."""
    own, last = matrix_fold(leaf), len(leaf) - 1
    if own is not None:
        folds = [own]
    else:
        splits = [Fold(leaf, tuple(range(k)), tuple(range(k, last + 1))) for k in range(1, last + 1)]
        folds = [kernel_fold(leaf, 0, 1), kernel_fold(leaf, last, last - 1), *splits]
    fitting = [fold for fold in folds if fold.matrix_shape == matrix]
    # Axes of size 1 may stand anywhere: two folds that differ in them only are one.
    distinct = {tuple(i for i in (*fold.rows, *fold.columns) if leaf[i] > 1): fold for fold in reversed(fitting)}
    return list(distinct.values())[::-1]
