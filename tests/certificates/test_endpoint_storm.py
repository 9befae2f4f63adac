"""More of the same, at random: thousands of counts and hundreds of verdicts against the dense Hessian."""

from collections import Counter

import numpy as np
import pytest

from ntklora.certificates.endpoints import Endpoint, classify_endpoints
from ntklora.certificates.hessian import count_below, hessian
from tests.certificates.dense_hessian import dense_hessian, projected_eigenvalues
from tests.certificates.descent import descend, full_rank_optimum
from tests.certificates.random_problems import random_factors, random_problem

pytestmark = pytest.mark.slow

KINDS = [
    ("squared", {"k": 1, "n": 12}),
    ("squared", {"k": 2, "n": 10, "shapes": ((3, 4), (4, 3))}),
    ("logistic", {"k": 1, "n": 24}),
    ("cross_entropy", {"k": 3, "n": 14, "factored": True}),
]


@pytest.mark.parametrize(("loss", "options"), KINDS)
def test_counts_are_right_however_close_to_an_eigenvalue(loss, options):
    wrong = total = 0
    for seed in range(60):
        problem = random_problem(seed, loss, lam=(0.1, 1e-3, 0.0)[seed % 3], **options)
        u, v = random_factors(problem, 1 + seed % 4, seed, scale=10.0 ** (seed % 3 - 1))
        eigenvalues, h = projected_eigenvalues(problem, u, v), hessian(problem, u, v)
        rng = np.random.default_rng(seed)
        for mu in rng.choice(eigenvalues, 20) + rng.choice([-1, 1], 20) * 10.0 ** -rng.uniform(6, 12, 20) * h.scale:
            if np.abs(eigenvalues - mu).min() > 5e-13 * h.scale:
                total += 1
                wrong += count_below(h, mu) != (eigenvalues < mu).sum()
    assert total > 1000
    assert wrong == 0


@pytest.mark.parametrize(("loss", "options"), KINDS)
def test_verdicts_on_ends_of_descent_are_right(loss, options):
    verdicts = Counter()
    for seed in range(12):
        for lam in (0.1, 0.01):
            for rank in (1, 2):
                problem, rng = random_problem(seed, loss, lam=lam, **options), np.random.default_rng(seed)
                ends = [descend(problem, rank, rng, scale=10.0**-k) for k in range(3)]
                us, vs = ({k: np.stack([end[side][k] for end in ends]) for k in problem.shapes} for side in (0, 1))
                optimum = full_rank_optimum(problem, rng)
                for end, report in zip(ends, classify_endpoints(problem, us, vs, solution=optimum)):
                    lowest = projected_eigenvalues(problem, *end)[0]
                    scale = np.abs(np.linalg.eigvalsh(dense_hessian(problem, *end))).max()
                    verdicts[report.endpoint] += 1
                    if report.endpoint is Endpoint.saddle:
                        assert lowest < -1e-9 * scale
                    if report.endpoint in (Endpoint.spurious, Endpoint.rank_limited):
                        assert lowest > 1e-9 * scale
    assert verdicts[Endpoint.inconclusive] + verdicts[Endpoint.unconverged] <= 2
    assert sum(verdicts.values()) == 144
