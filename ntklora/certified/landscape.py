"""The landscape that LoRA of one rank sees: many starts, each trained to the end, each end judged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from ntklora.certificates.endpoints import Endpoint, classify_endpoints
from ntklora.certified.endpoints import Endpoints, find_endpoints
from ntklora.certified.optimum import Solution, solve
from ntklora.problem.problem import Problem


class Landscape(NamedTuple):
    """Counts of endpoint classes over the starts at one LoRA rank, and the certified optimum they are measured by.

    `kinds[s]` is the class of start `s`, `objective (S,)` its value; `counts` has every class of theory §2.2.
    """

    counts: Mapping[Endpoint, int]
    kinds: tuple[Endpoint, ...]
    objective: np.ndarray
    ends: Endpoints
    solution: Solution

    def __repr__(self) -> str:
        found = ", ".join(f"{count} {kind}" for kind, count in self.counts.items() if count)
        return (
            f"Landscape({found}; objective from {self.objective.min():.6g} to {self.objective.max():.6g}, certified "
            f"optimum {self.solution.primal:.6g})"
        )


def survey_landscape(
    problem: Problem,
    rank: int,
    key: Any,
    *,
    starts: int = 64,
    scale: float | None = None,
    solution: Solution | None = None,
    tolerance: float = 1e-6,
) -> Landscape:
    """Train LoRA of this rank from random starts and classify every end.

    The endpoints are those of a Newton method: their shares say what exists, not how often gradient descent would end
    there. Verdicts take all endpoints as rivals of each other. `solution` saves solving the convex problem again.
    The answer has `.counts` by class, `.kinds` and `.objective` start by start, the `.ends` and the `.solution`.
    Errors: `ValueError` as `solve` and `find_endpoints` raise them.

    >>> import jax, ntklora as nl
    >>> jax.config.update("jax_enable_x64", True)
    >>> problem = nl.matrix_factorization(np.diag([3.0, 2.0]), lam=1.0)  # F = ½‖δ − M‖² + ‖δ‖_*
    >>> survey_landscape(problem, 1, jax.random.key(0), starts=4)  # the optimum, diag(2, 1), has rank 2
    Landscape(4 rank_limited; objective from 4.5 to 4.5, certified optimum 4)
    >>> survey_landscape(problem, 2, jax.random.key(0), starts=4).counts["global"]
    4
    """
    ends = find_endpoints(problem, rank, key, starts=starts, scale=scale)
    return judge_endpoints(problem, ends, solution=solution, tolerance=tolerance)


def judge_endpoints(
    problem: Problem, ends: Endpoints, *, solution: Solution | None = None, tolerance: float = 1e-6
) -> Landscape:
    """The landscape of endpoints already found, from whatever starts."""
    solution = solve(problem) if solution is None else solution
    reports = classify_endpoints(problem, ends.u, ends.v, solution=solution, tolerance=tolerance)
    kinds = tuple(Endpoint(report.endpoint) for report in reports)
    return Landscape({kind: kinds.count(kind) for kind in Endpoint}, kinds, np.asarray(ends.objective), ends, solution)
