"""H1: asymmetric gradient descent in closed form, at every step."""

from __future__ import annotations

from functools import partial

import numpy as np
import optax

from ntklora.adapters.training import Trained, train_factors, train_to_end
from ntklora.claims._evidence import Finding, compare_values, evidence
from ntklora.claims._factorization import instance
from ntklora.claims.claim import INAPPLICABLE, Claim, Control, Evidence, Label, Outcome, Profile
from ntklora.instances.matrix_factorization import matrix_factorization
from ntklora.theory import hrp

_SHAPE, _RANK, _SCALE = (8, 12), 3, 1.5
_SIGMA = np.arange(1.0, 9.0) ** -0.5
_CHECKPOINTS = (1, 10, 100)
_LONG = 3000  # steps after which the limit is compared
_TOLERANCE = 1e-10  # of ‖M‖; rounding of a hundred steps stays below 1e-13


def _check(
    profile: Profile,
    *,
    start: float = 0.0,
    trained: Trained = Trained.left,
    last: int = _LONG,
) -> Evidence:
    """The product at chosen steps, and after many the limit M P_A, for a few random A; every entry of B is `start`."""
    first = np.full((_SHAPE[0], _RANK), start)
    if first.any():
        return INAPPLICABLE
    target = instance(_SHAPE, _SIGMA, seed=6)
    size = float(np.linalg.norm(target))
    findings = []
    for seed in range(2 if profile is Profile.smoke else 5):
        right = np.random.default_rng(seed).standard_normal((_SHAPE[1], _RANK))
        values = np.linalg.svd(right, compute_uv=False) ** 2 * _SCALE**2
        step = 1.0 / values[0]
        for steps in _CHECKPOINTS:
            product, _ = _run(target, first, right, steps, step, trained)
            expected = hrp.asymmetric_descent(target, right, step, steps, _SCALE)
            findings.append(_distance(f"step {steps}, draw {seed}", product, expected, size))
        product, residual = _run(target, first, right, last, step, trained)
        # ‖product − limit‖ ≤ ‖gradient‖/√(s² μ_min): what is left of the way, from the last iterate alone.
        left = float(np.linalg.norm(_SCALE * residual @ right) / np.sqrt(values[-1]))
        limit = target @ right @ np.linalg.pinv(right)
        findings.append(_distance(f"limit, draw {seed}", product, limit, size, left))
    return evidence(findings)


def _run(target, first, right, steps, step, trained):
    # One program serves every number of steps.
    path = train_to_end(
        matrix_factorization(target), first, right, steps=steps, learning_rate=step, trained=trained, scale=_SCALE
    )
    product = _SCALE * np.asarray(path.u) @ np.asarray(path.v).T
    return product, product - target


def _momentum(profile: Profile) -> Evidence:
    """Ten steps with momentum from one A."""
    target, right = instance(_SHAPE, _SIGMA, seed=6), np.random.default_rng(0).standard_normal((_SHAPE[1], _RANK))
    step, steps = float(1.0 / (_SCALE * np.linalg.norm(right, 2)) ** 2), 10
    path = train_factors(
        matrix_factorization(target),
        np.zeros((_SHAPE[0], _RANK)),
        right,
        steps=steps,
        optimizer=optax.sgd(step, 0.5),
        trained=Trained.left,
        scale=_SCALE,
    )
    product = _SCALE * np.asarray(path.u) @ right.T
    expected = hrp.asymmetric_descent(target, right, step, steps, _SCALE)
    return evidence([_distance("step 10", product, expected, float(np.linalg.norm(target)))])


def _distance(name: str, product: np.ndarray, expected: np.ndarray, size: float, left: float = 0.0) -> Finding:
    apart = float(np.linalg.norm(product - expected)) / size
    return compare_values(name, np.array([apart]), 0.0, _TOLERANCE, excess=min(apart, left / size))


claim = Claim(
    id="H1",
    statement="Asymmetric gradient descent from B = 0: s B_k Aᵀ = M Σ_j (1 − (1 − η s² μ_j)^k) q_j q_jᵀ at every "
    "step k, with limit M P_A.",
    source="Chen et al., arXiv 2502.07739 (subject); exact form derived",
    label=Label.derived,
    version=3,
    check=_check,
    controls=(
        Control("both factors are trained", Outcome.refuted, partial(_check, trained=Trained.both)),
        Control("descent with momentum", Outcome.refuted, _momentum),
        Control("the limit is read after 20 steps", Outcome.inconclusive, partial(_check, last=20)),
        Control("B starts away from 0", Outcome.inapplicable, partial(_check, start=0.1)),
    ),
)
