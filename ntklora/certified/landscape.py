"""The landscape that LoRA of one rank sees: random starts, each trained to the end, each end judged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from ntklora.certificates.endpoints import Endpoint, classify_endpoints
from ntklora.certified.endpoints import find_endpoints
from ntklora.certified.optimum import Solution, solve

from ntklora.problem.problem import Problem


class Landscape(NamedTuple):
    """Counts of endpoint classes over `starts` random starts at LoRA rank `lora_rank`, and the certified optimum.

    `endpoints[s]` is the class of start `s`, `objective (S,)` its value, `counts` has every class (theory §2.2).
    """

    lora_rank: int
    starts: int
    counts: Mapping[Endpoint, int]
    endpoints: tuple[Endpoint, ...]
    objective: np.ndarray
    solution: Solution


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
    Errors: `ValueError` as `solve` and `find_endpoints` raise them.
    """
    solution = solve(problem) if solution is None else solution
    ends = find_endpoints(problem, rank, key, starts=starts, scale=scale)
    reports = classify_endpoints(problem, ends.u, ends.v, solution=solution, tolerance=tolerance)
    endpoints = tuple(Endpoint(report.endpoint) for report in reports)
    counts = {kind: endpoints.count(kind) for kind in Endpoint}
    return Landscape(rank, starts, counts, endpoints, np.asarray(ends.objective), solution)
