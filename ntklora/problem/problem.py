"""One instance of linearized fine-tuning.

    F(δ)      = (1/N) Σ_i ℓ(f0_i + A(δ)_i, y_i) + λ ‖δ‖_*                 full fine-tuning
    F(u, v)   = L(u vᵀ) + (λ/2)(‖u‖² + ‖v‖²)                              LoRA
    F_P(u, v) = F(u, v) + <P, Q Qᵀ>,  Q = [u; v],  P ⪰ 0                  perturbed LoRA

with several weights `δ = (δ^l)_l`, `‖δ‖_* = Σ_l ‖δ^l‖_*` and `P = diag(P^l)` [paper, JLR; theory §1].
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import numpy as np

from ntklora.arrays import as_array, on_host
from ntklora.module import Module
from ntklora.problem.losses import Loss, resolve_loss
from ntklora.tangent.operator import TangentOperator

Array = Any


class Problem(Module):
    """Tangent operator, outputs at initialization, targets, loss, weight decay, perturbation.

    `f0 (N, K)`; `y` as the loss takes it: `(N, K)` for squared, labels −1/+1 `(N,)` for logistic, class indices `(N,)`
    for cross-entropy; `lam ≥ 0`; `perturbation` is `None`, or for each weight a symmetric PSD `(m+n, m+n)` matrix.
    Data are kept in the precision given: `host()` is the NumPy float64 problem that certificates are computed from.
    Errors: `ValueError` naming the argument, what came and what was expected.
    """

    op: TangentOperator
    f0: Array
    y: Array
    loss: Loss
    lam: Array
    perturbation: dict[str, Array] | None

    def __init__(
        self,
        op: TangentOperator,
        f0: Array,
        y: Array,
        loss: str | Loss,
        lam: float | Array,
        perturbation: Array | dict[str, Array] | None = None,
    ):
        n, k = op.num_samples, op.num_outputs
        f0 = as_array(f0)
        f0 = f0[:, None] if f0.ndim == 1 and k == 1 else f0
        if f0.shape != (n, k):
            raise ValueError(f"f0 has shape {f0.shape}; the features say (N, K) = {(n, k)}")
        self.op = op
        self.f0 = f0 if np.issubdtype(f0.dtype, np.floating) else f0.astype(np.float64)
        self.loss = resolve_loss(loss)
        self.y = self.loss.encode(as_array(y), n, k)
        self.lam = _checked_decay(lam)
        _require_finite("f0", self.f0)
        for name, block in op.blocks.items():
            for leaf in jax.tree.leaves(block):
                _require_finite(f"features {name!r}", leaf)
        self.perturbation = None if perturbation is None else _checked_perturbation(op, perturbation)

    @property
    def num_samples(self) -> int:
        """`N`."""
        return self.op.num_samples

    @property
    def num_outputs(self) -> int:
        """`K`."""
        return self.op.num_outputs

    @property
    def shapes(self) -> dict[str, tuple[int, int]]:
        """`(m, n)` of each weight."""
        return self.op.shapes

    @property
    def precision(self) -> str:
        """The lowest floating precision among the arrays given ("float32"): certificates upcast it to float64."""
        kinds = [leaf.dtype for leaf in jax.tree.leaves(self) if np.issubdtype(leaf.dtype, np.floating)]
        return str(min(kinds, key=lambda kind: kind.itemsize))

    def host(self) -> Problem:
        """The same problem with every floating array in NumPy float64."""
        arrays, static = eqx.partition(self, eqx.is_array)
        return eqx.combine(jax.tree.map(on_host, arrays), static)

    def with_lam(self, lam: float | Array) -> Problem:
        """The same problem with another weight decay. Errors: `ValueError` for one below zero or not finite."""
        # Not through the constructor, which would look at every entry of the features again.
        return eqx.tree_at(lambda problem: problem.lam, self, _checked_decay(lam))

    def with_perturbation(self, perturbation: Array | dict[str, Array] | None) -> Problem:
        """The same problem with another perturbation `P`."""
        return Problem(self.op, self.f0, self.y, self.loss, self.lam, perturbation)

    def save(self, path: str | Path) -> None:
        """Write the NPZ file that `load_problem` and `ntklora certify` read.

        Errors: `ValueError` for a loss of the user's own.
        """
        from ntklora.problem.files import save_problem

        save_problem(self, path)


def _checked_decay(lam: float | Array) -> np.ndarray:
    try:
        checked = np.asarray(lam, np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"lam must be one finite number >= 0, got {lam!r}") from None
    if checked.shape != () or not np.isfinite(checked) or checked < 0:
        raise ValueError(f"lam must be one finite number >= 0, got {lam}")
    return checked


def _checked_perturbation(op: TangentOperator, perturbation: Array | dict[str, Array]) -> dict[str, Array]:
    matrices = op.as_dict(perturbation)
    for name, (m, n) in op.shapes.items():
        matrix = np.asarray(matrices[name], np.float64)
        if matrix.shape != (m + n, m + n):
            raise ValueError(f"perturbation {name!r} has shape {matrix.shape}; expected (m+n, m+n) = {(m + n, m + n)}")
        _require_finite(f"perturbation {name!r}", matrix)
        scale = np.abs(matrix).max()
        if np.abs(matrix - matrix.T).max() > 1e-12 * scale:
            raise ValueError(f"perturbation {name!r} is not symmetric")
        lowest = np.linalg.eigvalsh(matrix)[0]
        if lowest < -1e-10 * scale:
            raise ValueError(f"perturbation {name!r} has the eigenvalue {lowest:.3g}; it must be positive semidefinite")
    return matrices


def _require_finite(what: str, array: Array) -> None:
    host = np.asarray(array)
    # The sum first, in half the time: it is finite wherever no entry is bad and nothing overflows.
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(host.sum()):
            return
    bad = int((~np.isfinite(host)).sum())
    if bad:
        raise ValueError(f"{what} has {bad} entries that are NaN or infinite")
