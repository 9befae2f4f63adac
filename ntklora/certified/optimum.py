"""The convex optimum of full fine-tuning with a certificate: Newton on the factors, a duality gap as the judge.

    min_δ F(δ) = L(δ) + λ‖δ‖_*        or        min_{Q Qᵀ} F_P

`u vᵀ` at a rank above `pataki_rank(KN)` reaches the optimum (T1), and a stationary point that is not global shows a
negative eigenvalue of `S`, along which the next column leaves it (`lifting`). So Newton and lifting alternate until the
gap, which knows nothing of either, is small.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ntklora.certificates.perturbed import perturbed_gap
from ntklora.certificates.separation import has_minimizer
from ntklora.certified.lifting import lift_rank
from ntklora.certified.precision import require_float64
from ntklora.certified.runs import run_newton
from ntklora.certified.solution import Solution, solution_of, without_minimizer
from ntklora.certified.starts import natural_deviation
from ntklora.problem.objective import balanced_factors, dual_vector, gradient_matrices, lam_max, merge_factors
from ntklora.problem.problem import Problem
from ntklora.problem.reduction import reduce_problem
from ntklora.solvers.scale import Scale, scale_of
from ntklora.solvers.unregularized import minimize_loss
from ntklora.theory.ranks import pataki_rank

Array = Any
Matrices = dict[str, Any]

# Rounds of Newton and lifting.
_MAX_ROUNDS = 40
# Columns of the first run: a step's price is proportional to them, and optima of higher rank are rare.
_FIRST_COLUMNS = 8
# Share of a fresh start that any other gets: with a hundredth some columns stayed at zero, and lifting had to do it;
# with a tenth some of a path's warm starts took three times the steps of cold ones.
_STIR = 0.5


def solve(problem: Problem, *, tolerance: float = 1e-8) -> Solution:
    """Minimize `F(δ) = L(δ) + λ‖δ‖_*` until the relative duality gap is at most `tolerance`.

    A perturbed problem is minimized as the convex problem over `Q Qᵀ` that F_P is. At `λ = 0` the answer is the
    minimizer of the loss of smallest Frobenius norm, or the status `no_minimizer` for separable data.

    The answer has `.delta`, `.primal`, `.dual`, `.gap`, `.status`, `.rank`, `.message`, the factors `.u`, `.v` and the
    dual point `.alpha`: see `Solution`.

    Errors: `ValueError` unless JAX's x64 flag is on, or for a tolerance below 0. A gap that stays large is no error:
    `status` and `message` say so.
    Source: T1 and the dual problem [paper, JLR]; the algorithm [derived, theory §2.2].

    >>> import jax, ntklora as nl
    >>> jax.config.update("jax_enable_x64", True)
    >>> op = nl.TangentOperator.from_dense(np.ones((1, 1, 1, 1)))
    >>> solution = solve(nl.Problem(op, np.zeros(1), np.array([2.0]), "squared", 0.5))  # ½(δ − 2)² + ½|δ|
    >>> round(float(solution.delta[0, 0]), 6), str(solution.status)
    (1.5, 'certified')
    """
    return solve_path(problem, [float(problem.lam)], tolerance=tolerance)[0]


def solve_path(problem: Problem, lams: Sequence[float] | np.ndarray, *, tolerance: float = 1e-8) -> list[Solution]:
    """`solve` at every weight decay in `lams`, in their order; each starts from the solution at a larger one.

    Errors: `ValueError` unless JAX's x64 flag is on, or for a decay or a tolerance below zero or not finite.

    >>> import jax, ntklora as nl
    >>> jax.config.update("jax_enable_x64", True)
    >>> problem = nl.matrix_factorization(np.diag([3.0, 2.0]), lam=1.0)  # F = ½‖δ − M‖² + ‖δ‖_*
    >>> [(solution.rank, round(solution.primal, 9)) for solution in solve_path(problem, [4.0, 2.0, 1.0])]
    [(0, 6.5), (1, 6.0), (2, 4.0)]
    """
    require_float64("solve")
    if not np.isfinite(tolerance) or tolerance < 0:
        raise ValueError(f"tolerance must be a finite number >= 0, got {tolerance}")
    if np.ndim(lams) != 1:
        raise ValueError(f"lams must be a sequence of weight decays, got {lams!r}; for one there is solve")
    host = problem.host()
    top = lam_max(host) if host.perturbation is None else np.inf
    answers: dict[int, Solution] = {}
    hard = []
    for index, lam in enumerate(lams):
        at = host.with_lam(lam)
        if host.perturbation is None and lam == 0:
            answers[index] = _without_decay(at, tolerance)
        elif lam >= top:
            u, v = ({name: np.zeros((shape[side], 1)) for name, shape in host.shapes.items()} for side in (0, 1))
            answers[index] = solution_of(at, merge_factors(u, v), (u, v), tolerance, 0)
        else:
            hard.append(index)
    if hard:
        answers |= dict(zip(hard, _with_decay(host, [float(lams[index]) for index in hard], tolerance)))
    return [_in_precision(answers[index], problem.precision) for index in range(len(lams))]


def _in_precision(solution: Solution, precision: str) -> Solution:
    """Say so where the data were given in less than float64: the certificate is about their upcast values."""
    if precision == "float64":
        return solution
    note = f" (data given in {precision}: certified for their values upcast to float64)"
    return solution._replace(precision=precision, message=solution.message + note)


def _without_decay(problem: Problem, tolerance: float) -> Solution:
    if not has_minimizer(problem):
        return without_minimizer(problem)
    fit = minimize_loss(problem)
    return solution_of(problem, fit.deltas, None, tolerance, fit.num_steps)


def _with_decay(problem: Problem, lams: list[float], tolerance: float) -> list[Solution]:
    """The largest decay first, then in rounds the decays between and beyond those that are solved, twice as many each.

    Every round is one batched call, and every start in it is the solution at the nearest larger decay already known:
    on digits and Gaussian features a decade in eight decays takes a half to a third of the steps of eight fresh starts.
    """
    reduction = reduce_problem(problem) if problem.perturbation is None else None
    small = problem if reduction is None else reduction.problem
    scale = scale_of(small)
    fresh = _small_start(small, scale)
    order = np.argsort(lams)[::-1]
    first = (_first(fresh[0]), _first(fresh[1]))
    places, known = [0], [_stirred(_same_columns([_steepest_start(small, scale), first])[0], fresh)]
    factors: dict[int, tuple[Matrices, Matrices]] = {}
    steps: dict[int, int] = {}
    stride = 1 << (len(lams) - 1).bit_length()
    while places:
        rows = [lams[order[place]] for place in places]
        ends = run_newton(
            small,
            rows,
            *({k: np.stack([x[side][k] for x in known]) for k in fresh[0]} for side in (0, 1)),
            full=problem.shapes,
        )
        for row, place in enumerate(places):
            end = ({k: x[row] for k, x in ends.u.items()}, {k: x[row] for k, x in ends.v.items()})
            u, v, more = _climb(small.with_lam(rows[row]), *end, fresh, tolerance, problem.shapes)
            factors[place], steps[place] = (u, v), int(ends.num_steps[row]) + more
        stride //= 2
        places = list(range(stride, len(lams), 2 * stride)) if stride else []
        known = _same_columns([_stirred(factors[place - stride], fresh) for place in places])
    solutions = {}
    for place, index in enumerate(order):
        u, v = factors[place]
        if reduction is not None:
            u, v = (small.op.as_dict(x) for x in reduction.lift_factors(small.op.like(u), small.op.like(v)))
        solutions[index] = solution_of(
            problem.with_lam(lams[index]), merge_factors(u, v), (u, v), tolerance, steps[place]
        )
    return [solutions[index] for index in range(len(lams))]


def _first(factor: Matrices) -> Matrices:
    return {k: x[:, :_FIRST_COLUMNS] for k, x in factor.items()}


def _stirred(at: tuple[Matrices, Matrices], fresh: tuple[Matrices, Matrices]) -> tuple[Matrices, Matrices]:
    """A solution with a share of the fresh start added, so that no column stays zero: a smaller decay needs more."""

    def add(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return x + _STIR * np.pad(y, ((0, 0), (0, max(0, x.shape[1] - y.shape[1]))))[:, : x.shape[1]]

    return tuple({k: add(x, y[k]) for k, x in factor.items()} for factor, y in zip(at, fresh))  # type: ignore[return-value]


def _same_columns(starts: list[tuple[Matrices, Matrices]]) -> list[tuple[Matrices, Matrices]]:
    """Columns of zeros for those that have fewer: lifting may have given some of them more."""

    def pad(factor: Matrices) -> Matrices:
        most = {k: max(u[k].shape[1] for u, _ in starts) for k in factor}
        return {k: np.pad(x, ((0, 0), (0, most[k] - x.shape[1]))) for k, x in factor.items()}

    return [(pad(u), pad(v)) for u, v in starts]


def _climb(
    problem: Problem,
    u: Matrices,
    v: Matrices,
    fresh: tuple[Matrices, Matrices],
    tolerance: float,
    full: Mapping[str, tuple[int, int]],
) -> tuple[Matrices, Matrices, int]:
    """Lift the rank and descend again until the gap at `(u, v)` is below `tolerance`; the best point met.

    First to all columns of the fresh start at once, beyond them one by one.
    """
    best, best_u, best_v = np.inf, u, v
    num_steps = 0
    for _ in range(_MAX_ROUNDS):
        gap = perturbed_gap(problem, u, v).gap
        if gap < best:
            best, best_u, best_v = gap, u, v
        # Half of it, because lifting to the full coordinates rounds once more.
        if gap <= 0.5 * tolerance:
            break
        narrow = any(u[k].shape[1] < x.shape[1] for k, x in fresh[0].items())
        u, v = _stirred(_same_columns([(u, v), fresh])[0], fresh) if narrow else lift_rank(problem, u, v)
        single_u, single_v = ({k: x[None] for k, x in factor.items()} for factor in (u, v))
        end = run_newton(problem, [problem.lam], single_u, single_v, full=full)
        u, v = ({k: x[0] for k, x in factor.items()} for factor in (end.u, end.v))
        num_steps += int(end.num_steps[0])
    return best_u, best_v, num_steps


def _steepest_start(problem: Problem, scale: Scale) -> tuple[Matrices, Matrices]:
    """The balanced factors, few columns of them, of the exact line search's step from 0 along `−Γ(0)`.

    From here instead of a small random point Newton takes a sixth to a third fewer steps on Gaussian and digits
    features.
    """
    length = float(scale.step) / max(float(scale.gradient), np.finfo(np.float64).tiny)
    gammas = gradient_matrices(problem, dual_vector(problem, problem.f0))
    pairs = {name: balanced_factors(-length * gamma, _FIRST_COLUMNS) for name, gamma in gammas.items()}
    return {name: pair[0] for name, pair in pairs.items()}, {name: pair[1] for name, pair in pairs.items()}


def _small_start(problem: Problem, scale: Scale) -> tuple[Matrices, Matrices]:
    """Gaussian factors whose product is a hundredth of the size that the first gradient suggests.

    Small, because large starts run into loud stationary points. One column more than Pataki's rank.
    """
    enough = pataki_rank(problem.num_samples * problem.num_outputs) + 1
    generator = np.random.default_rng(0)
    u, v = {}, {}
    for name, (m, n) in problem.shapes.items():
        # Without a perturbation min(m, n) columns are always enough: the balanced factors of any δ have no more.
        rank = enough if problem.perturbation is not None else min(enough, m, n)
        deviation = 0.1 * natural_deviation(scale, (m, n), rank)
        u[name] = deviation * generator.normal(size=(m, rank))
        v[name] = deviation * generator.normal(size=(n, rank))
    return u, v
