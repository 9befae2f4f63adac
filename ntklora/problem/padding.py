"""The same objective on more samples, or with more columns, than there are: one compilation then serves many sizes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ntklora.problem.losses import Squared
from ntklora.problem.problem import Problem
from ntklora.tangent.operator import TangentOperator


def pad_samples(problem: Problem, num_samples: int) -> Problem:
    """The problem with samples of `G = 0, f0 = y = 0` up to `num_samples` = N', the others longer by `√c`, `c = N'/N`:

        ½(√c z − √c y)²/N' = ½(z − y)²/N,     so     F'_P = F_P

    with the same λ, P and d. Features become dense. Squared loss only: in the others a sample whose output cannot
    change still costs a constant. Errors: `ValueError` for another loss, or fewer samples than there are.
    """
    if not isinstance(problem.loss, Squared):
        raise ValueError(f"pad_samples needs squared loss, where a sample can cost nothing; got {problem.loss!r}")
    if num_samples < problem.num_samples:
        raise ValueError(f"num_samples = {num_samples} is below the {problem.num_samples} samples that there are")
    root, more = np.sqrt(num_samples / problem.num_samples), num_samples - problem.num_samples

    def padded(rows: np.ndarray) -> np.ndarray:
        return root * np.pad(np.asarray(rows), ((0, more), *[(0, 0)] * (rows.ndim - 1)))

    features = {name: padded(g) for name, g in problem.op.as_dict(problem.op.dense()).items()}
    op = TangentOperator.from_dense(problem.op.like(features))
    return Problem(op, padded(problem.f0), padded(problem.y), problem.loss, problem.lam, problem.perturbation)


def pad_columns(factors: Mapping[str, Any], columns: int) -> dict[str, np.ndarray]:
    """The factor of each weight with columns of zeros behind its own: δ and F stay, and gradient steps leave them zero.

    Both factors must be padded: beside a column that is not zero, one of zeros moves. Errors: `ValueError` for fewer
    columns than there are.

    >>> pad_columns({"w": np.ones((2, 1))}, 3)["w"].tolist()
    [[1.0, 0.0, 0.0], [1.0, 0.0, 0.0]]
    """
    arrays = {name: np.asarray(x) for name, x in factors.items()}
    for name, x in arrays.items():
        if x.shape[1] > columns:
            raise ValueError(f"columns = {columns} is below the {x.shape[1]} of factor {name!r}")
    return {name: np.pad(x, ((0, 0), (0, columns - x.shape[1]))) for name, x in arrays.items()}
