"""The same landscape on more samples than there are: one compilation then serves many sample sizes."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from ntklora.problem.losses import Squared
from ntklora.problem.problem import Problem

Array = Any


def pad_samples(problem: Problem, num_samples: int) -> Problem:
    """The problem with samples of `G = 0, f0 = y = 0` up to `num_samples`: no weight sees them, and they cost nothing.

        L' = (N/N') L,   λ' = (N/N') λ,   P' = (N/N') P,   so   F'_P = (N/N') F_P

    exactly: the same minimizers, endpoints, curvature signs and relative gaps, the same `λ/λ_max` and `d`. Squared loss
    only: a sample whose output cannot change still costs a constant in the others.
    Errors: `ValueError` for another loss, or fewer samples than there are.
    """
    if not isinstance(problem.loss, Squared):
        raise ValueError(f"pad_samples needs squared loss, where a sample can cost nothing; got {problem.loss!r}")
    if num_samples < problem.num_samples:
        raise ValueError(f"num_samples = {num_samples} is below the {problem.num_samples} samples that there are")
    missing, share = num_samples - problem.num_samples, problem.num_samples / num_samples

    def padded(rows: Array) -> np.ndarray:
        return np.pad(np.asarray(rows), ((0, missing), *[(0, 0)] * (rows.ndim - 1)))

    perturbation = problem.perturbation
    return Problem(
        jax.tree.map(padded, problem.op),
        padded(problem.f0),
        padded(problem.y),
        problem.loss,
        share * problem.lam,
        perturbation if perturbation is None else {name: share * p for name, p in perturbation.items()},
    )
