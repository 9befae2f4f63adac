"""The same problem with room for more samples and larger weights: one compilation then serves neighbouring sizes."""

from __future__ import annotations

import numpy as np

from ntklora.problem.problem import Problem
from ntklora.tangent.operator import TangentOperator

Shapes = dict[str, tuple[int, int]]


def with_room(problem: Problem, num_samples: int, shapes: Shapes) -> Problem:
    """`F'_P = (N/N') F_P` with N' = `num_samples` and weights of these `shapes`, for any loss with `idle_samples`.

    What is added has features that vanish, and samples whose loss does: it costs nothing and moves nothing. λ and P are
    scaled with F, so a method whose steps do not depend on the unit of F takes the same ones; rows of the factors that
    start at zero stay at zero. For a problem on the host.
    Errors: `ValueError` for a loss without `idle_samples` where samples are added, or sizes below those there are.
    """
    count = problem.num_samples
    share, more = count / num_samples, num_samples - count
    idle = problem.loss.idle_samples(more, problem.num_outputs) if more > 0 else None
    if idle is None and more > 0:
        raise ValueError(f"the loss {problem.loss!r} does not tell samples that cost nothing (idle_samples)")
    if more < 0 or any(new < old for name, shape in problem.shapes.items() for new, old in zip(shapes[name], shape)):
        raise ValueError(
            f"N = {num_samples}, shapes {shapes} are below the N = {count}, shapes {problem.shapes} that there are"
        )
    blocks = {name: block.pad(num_samples, *shapes[name]) for name, block in problem.op.blocks.items()}
    f0, y = problem.f0, problem.y
    if idle is not None:
        f0, y = np.concatenate([f0, idle[0]]), np.concatenate([y, idle[1]])
    op = TangentOperator(blocks, problem.op.bare)
    perturbation = None
    if problem.perturbation is not None:
        perturbation = op.like({name: share * _spread(problem, name, shapes[name]) for name in blocks})
    return Problem(op, f0, y, problem.loss, share * problem.lam, perturbation)


def _spread(problem: Problem, name: str, shape: tuple[int, int]) -> np.ndarray:
    """`P` of one weight with zeros for the rows and columns that are added: `(m' + n', m' + n')`."""
    assert problem.perturbation is not None
    (m, n), (rows, columns) = problem.shapes[name], shape
    kept = np.concatenate([np.arange(m), rows + np.arange(n)])
    spread = np.zeros((rows + columns, rows + columns))
    spread[np.ix_(kept, kept)] = problem.perturbation[name]
    return spread
