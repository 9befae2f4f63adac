"""Property: T3's constants are those of its proof: each step holds in simulation, the best κ is the best."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from ntklora.theory.generalization import BEST_KAPPA, deviation_constant, excess_risk_bound

RNG = np.random.default_rng(0)


def test_the_best_kappa_minimizes_the_bound():
    found = minimize_scalar(lambda kappa: excess_risk_bound(1.0, kappa, 1.0), bounds=(1.01, 50.0), method="bounded")
    assert found.x == pytest.approx(BEST_KAPPA, abs=1e-4)
    assert found.fun == pytest.approx(3 + 2 * np.sqrt(2))


def test_the_constant_is_mean_plus_mcdiarmid():
    """`2 E sup` by symmetrization and contraction, plus `(2 G √K R/N) √(N log(1/η)/2)`, per unit of the radius t."""
    for outputs, contraction in ((1, 1.0), (4, np.sqrt(2.0))):
        n, g, r, eta = 321, 1.3, 0.7, 0.02
        mean = 2 * contraction * g * np.sqrt(outputs * n) * r / n
        deviation = 2 * g * np.sqrt(outputs) * r / n * np.sqrt(n * np.log(1 / eta) / 2)
        assert deviation_constant(n, outputs, g, r, eta) == pytest.approx(mean + deviation, rel=1e-12)


def test_the_deviations_stay_below_the_constant():
    """Logistic loss at a fixed radius t: the supremum over rank-one directions, which a convex maximum attains."""
    n, t, eta = 200, 1.0, 0.05
    directions = RNG.normal(size=(400, 12))
    u, v = directions[:, :5], directions[:, 5:]
    rank_one = np.einsum("sm,sn->smn", u / np.linalg.norm(u, axis=1)[:, None], v / np.linalg.norm(v, axis=1)[:, None])
    features = RNG.normal(size=(50, 5, 7))
    features /= np.linalg.norm(features, axis=(1, 2))[:, None, None]
    z = t * np.einsum("kmn,smn->sk", features, rank_one)
    gain = np.logaddexp(0, -z) - np.log(2)  # ℓ(δ) − ℓ(0) of each atom, label +1
    exceed = 0
    for _ in range(400):
        atoms = RNG.integers(50, size=n)
        exceed += (gain.mean(1) - gain[:, atoms].mean(1)).max() > deviation_constant(n, 1, 1.0, 1.0, eta) * t
    assert exceed <= eta * 400


def test_suboptimality_is_charged_by_its_factor():
    exact, loose = (excess_risk_bound(0.1, 3.0, 2.0, left) for left in (0.0, 0.5))
    assert exact == pytest.approx(2 * 0.3 * 2.0)
    assert loose - exact == pytest.approx(1.5 * 0.5)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: deviation_constant(10, 1, np.inf, 1.0, 0.1), "Lipschitz"),
        (lambda: deviation_constant(0, 1, 1.0, 1.0, 0.1), "num_samples"),
        (lambda: deviation_constant(10, 1, 1.0, 1.0, 1.5), "eta"),
        (lambda: excess_risk_bound(0.1, 1.0, 1.0), "exceed 1"),
    ],
)
def test_outside_the_hypotheses_there_is_no_bound(call, words):
    with pytest.raises(ValueError, match=words):
        call()
