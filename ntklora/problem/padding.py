"""The same objective on more samples than there are: one compilation then serves many sample sizes."""

from __future__ import annotations

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
