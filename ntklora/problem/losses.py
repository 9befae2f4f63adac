"""Losses `ℓ(z, y)` of the outputs of one sample, with the conjugates that certify and the Hessian factors that curve.

All methods act on a batch: outputs `z (N, K)`, encoded targets `y`, dual variables `α (N, K)`; the training loss is the
mean over samples. NumPy arrays give NumPy, JAX arrays JAX.
"""

from __future__ import annotations

import abc
from typing import Any, ClassVar

import numpy as np

from ntklora.arrays import namespace
from ntklora.module import Module

Array = Any

# A dual point that came from a gradient leaves the conjugate's domain by rounding only.
_DOMAIN_SLACK = 1e-12
# A margin whose exponential underflows: e^-745 is the smallest number of float64.
_CERTAIN = 1e4


class Loss(Module):
    """A convex loss. Subclasses satisfy, for `α = gradient(z, y)` (Fenchel–Young with equality):

    `value(z, y) + conjugate(α, y) = Σ_j α_j z_j`, and `hessian = hessian_factor @ hessian_factorᵀ`.
    """

    name: ClassVar[str]
    smoothness: ClassVar[float]  # Lipschitz constant of the gradient in z
    lipschitz: ClassVar[float]  # Lipschitz constant of the loss in z (inf if none)
    shift_invariant: ClassVar[bool] = False  # whether a shift common to all outputs of a sample changes nothing

    @abc.abstractmethod
    def encode(self, y: Array, num_samples: int, num_outputs: int) -> Array:
        """Validated targets in the form the other methods take. Errors: `ValueError` naming the entry and the mend."""

    @abc.abstractmethod
    def value(self, z: Array, y: Array) -> Array:
        """`ℓ(z_i, y_i)`, shape `(N,)`."""

    @abc.abstractmethod
    def gradient(self, z: Array, y: Array) -> Array:
        """`∇_z ℓ(z_i, y_i)`, shape `(N, K)`."""

    @abc.abstractmethod
    def hessian_factor(self, z: Array, y: Array) -> Array:
        """`W_i` with `∇²_z ℓ(z_i, y_i) = W_i W_iᵀ`, shape `(N, K, c)`: `c` is the rank that the Hessian can have."""

    @abc.abstractmethod
    def conjugate(self, alpha: Array, y: Array) -> Array:
        """`ℓ*(α_i, y_i) = sup_z <α_i, z> − ℓ(z, y_i)`, shape `(N,)`; `inf` outside its domain."""

    def hessian_bounds(self, z: Array, reach: Array) -> tuple[Array, Array]:
        """`low_i I ⪯ ∇²_z ℓ ⪯ high_i I`, `(N,)` each, wherever output j of sample i is within `reach_ij` of `z_ij`.

        What convexity and smoothness alone say, unless a loss knows better (softmax has the eigenvalue 0 everywhere).
        """
        xp = namespace(z, reach)
        return xp.zeros(z.shape[0], z.dtype), xp.full(z.shape[0], self.smoothness, z.dtype)

    def idle_samples(self, num_samples: int, num_outputs: int) -> tuple[np.ndarray, np.ndarray] | None:
        """Outputs `z (N, K)` and encoded targets of samples with `ℓ = 0` and `∇ℓ = 0`, exactly, in float64.

        For samples that no feature sees (`problem.room`). None where a loss does not tell any.
        """
        return None


class Squared(Loss):
    """`ℓ(z, y) = ½‖z − y‖²`, targets `(N, K)`; conjugate `½‖α‖² + <α, y>`."""

    name: ClassVar[str] = "squared"
    smoothness: ClassVar[float] = 1.0
    lipschitz: ClassVar[float] = np.inf

    def encode(self, y: Array, num_samples: int, num_outputs: int) -> Array:
        """Targets `(N, K)`; `(N,)` is accepted when `K = 1`."""
        if y.ndim == 1 and num_outputs == 1:
            y = y[:, None]
        if y.shape != (num_samples, num_outputs):
            raise ValueError(f"y has shape {y.shape}; the squared loss expects (N, K) = {(num_samples, num_outputs)}")
        _require_finite(y)
        return y if np.issubdtype(y.dtype, np.floating) else y.astype(np.float64)

    def value(self, z: Array, y: Array) -> Array:
        """`½‖z_i − y_i‖²`."""
        return 0.5 * ((z - y) ** 2).sum(1)

    def gradient(self, z: Array, y: Array) -> Array:
        """`z_i − y_i`."""
        return z - y

    def hessian_factor(self, z: Array, y: Array) -> Array:
        """The identity."""
        xp = namespace(z, y)
        return xp.broadcast_to(xp.eye(z.shape[1], dtype=z.dtype), (*z.shape, z.shape[1]))

    def conjugate(self, alpha: Array, y: Array) -> Array:
        """`½‖α_i‖² + <α_i, y_i>`."""
        return (0.5 * alpha**2 + alpha * y).sum(1)

    def hessian_bounds(self, z: Array, reach: Array) -> tuple[Array, Array]:
        """1 and 1."""
        ones = namespace(z, reach).ones(z.shape[0], z.dtype)
        return ones, ones

    def idle_samples(self, num_samples: int, num_outputs: int) -> tuple[np.ndarray, np.ndarray]:
        """Targets that are met: `z = y = 0`."""
        return np.zeros((num_samples, num_outputs)), np.zeros((num_samples, num_outputs))


class Logistic(Loss):
    """`ℓ(z, y) = log(1 + e^{−yz})`, one output, targets `y` in {−1, +1}, shape `(N,)`.

    Conjugate `p log p + (1−p) log(1−p)` with `p = −yα` in [0, 1].
    """

    name: ClassVar[str] = "logistic"
    smoothness: ClassVar[float] = 0.25
    lipschitz: ClassVar[float] = 1.0

    def encode(self, y: Array, num_samples: int, num_outputs: int) -> Array:
        """Labels −1 and +1, `(N,)` (or `(N, 1)`)."""
        if num_outputs != 1:
            raise ValueError(
                f"the logistic loss takes K = 1 output, got K = {num_outputs}; use cross_entropy for classes"
            )
        y = _labels_of_length(y, num_samples)
        odd = np.asarray((y != 1) & (y != -1))
        if odd.any():
            raise ValueError(
                f"y[{int(odd.argmax())}] = {np.asarray(y)[odd.argmax()]}: logistic labels are -1 or +1; "
                "for labels 0 and 1 pass 2*y - 1"
            )
        return y if np.issubdtype(y.dtype, np.floating) else y.astype(np.float64)

    def value(self, z: Array, y: Array) -> Array:
        """`log(1 + e^{−y_i z_i})`."""
        return namespace(z, y).logaddexp(0.0, -y * z[:, 0])

    def gradient(self, z: Array, y: Array) -> Array:
        """`−y_i σ(−y_i z_i)`."""
        xp = namespace(z, y)
        # exp(-logaddexp) keeps full relative accuracy where the probability is tiny.
        return (-y * xp.exp(-xp.logaddexp(0.0, y * z[:, 0])))[:, None]

    def hessian_factor(self, z: Array, y: Array) -> Array:
        """`√(p_i(1 − p_i))` with `p_i = σ(z_i)`."""
        xp, margin = namespace(z, y), z[:, 0]
        return xp.exp(-0.5 * (xp.logaddexp(0.0, margin) + xp.logaddexp(0.0, -margin)))[:, None, None]

    def conjugate(self, alpha: Array, y: Array) -> Array:
        """The negative entropy of `p_i = −y_i α_i`."""
        p = -y * alpha[:, 0]
        return _x_log_x(p) + _x_log_x(1.0 - p)

    def hessian_bounds(self, z: Array, reach: Array) -> tuple[Array, Array]:
        """`p(1 − p)` falls with `|z|`: its values at the far and the near end of the interval."""
        xp = namespace(z, reach)
        far, near = xp.abs(z) + reach, xp.maximum(xp.abs(z) - reach, 0.0)
        low, high = (xp.exp(-xp.logaddexp(0.0, t) - xp.logaddexp(0.0, -t))[:, 0] for t in (far, near))
        return low, high

    def idle_samples(self, num_samples: int, num_outputs: int) -> tuple[np.ndarray, np.ndarray]:
        """A margin beyond which the probability of the other label is 0 in float64."""
        return np.full((num_samples, num_outputs), _CERTAIN), np.ones(num_samples)


class CrossEntropy(Loss):
    """`ℓ(z, y) = log Σ_k e^{z_k} − z_y`, targets class indices `(N,)` in 0 … K−1.

    Conjugate `Σ_k q_k log q_k` with `q = α + e_y` on the simplex.
    """

    name: ClassVar[str] = "cross_entropy"
    shift_invariant: ClassVar[bool] = True
    smoothness: ClassVar[float] = 0.5
    lipschitz: ClassVar[float] = float(np.sqrt(2.0))

    def encode(self, y: Array, num_samples: int, num_outputs: int) -> Array:
        """Class indices 0 … K−1, `(N,)`."""
        if num_outputs < 2:
            raise ValueError("cross_entropy takes K >= 2 outputs, got K = 1; use logistic for one logit")
        y = _labels_of_length(y, num_samples)
        host = np.asarray(y)
        odd = (host != np.floor(host)) | (host < 0) | (host >= num_outputs)
        if odd.any():
            raise ValueError(
                f"y[{int(odd.argmax())}] = {host[odd.argmax()]}: class indices are the integers 0 to {num_outputs - 1}"
            )
        return y if np.issubdtype(y.dtype, np.integer) else y.astype(np.int64)

    def value(self, z: Array, y: Array) -> Array:
        """`log Σ_k e^{z_ik} − z_{i,y_i}`."""
        return _log_sum_exp(z)[:, 0] - (z * self._one_hot(z, y)).sum(1)

    def gradient(self, z: Array, y: Array) -> Array:
        """`softmax(z_i) − e_{y_i}`."""
        probability = namespace(z, y).exp(z - _log_sum_exp(z))
        hot = self._one_hot(z, y)
        # 1 - q_y as the sum of the others: no cancellation where the sample is fitted.
        others = (probability * (1 - hot)).sum(1, keepdims=True)
        return probability * (1 - hot) - others * hot

    def hessian_factor(self, z: Array, y: Array) -> Array:
        """The Cholesky factor of `diag(p) − p pᵀ`, `p = softmax(z_i)`, without its last column, which is zero.

        In closed form (Tanabe & Sagae 1992), with `t_j = Σ_{k>j} p_k`: column `j` is `√(p_j t_j/(p_j + t_j))` times
        `e_j − Σ_{k>j} (p_k/t_j) e_k`, so `c = K − 1` and every column sums to zero.
        """
        xp, classes = namespace(z, y), z.shape[1]
        p = xp.exp(z - _log_sum_exp(z))
        below = (xp.arange(classes)[:, None] > xp.arange(classes - 1)).astype(z.dtype)
        tail, tiny = p @ below, xp.finfo(z.dtype).tiny
        head = p[:, :-1]
        length = xp.sqrt(head / xp.maximum(head + tail, tiny)) * xp.sqrt(tail)
        shares = below * (p[:, :, None] / xp.maximum(tail, tiny)[:, None, :])
        return length[:, None, :] * (xp.eye(classes, classes - 1, dtype=z.dtype) - shares)

    def conjugate(self, alpha: Array, y: Array) -> Array:
        """The negative entropy of `α_i + e_{y_i}`."""
        xp = namespace(alpha, y)
        off_simplex = xp.abs(alpha.sum(1)) > _DOMAIN_SLACK * alpha.shape[1]
        return xp.where(off_simplex, xp.inf, _x_log_x(alpha + self._one_hot(alpha, y)).sum(1))

    def idle_samples(self, num_samples: int, num_outputs: int) -> tuple[np.ndarray, np.ndarray]:
        """Class 0, by a margin beyond which the probabilities of the others are 0 in float64."""
        z = np.zeros((num_samples, num_outputs))
        z[:, 0] = _CERTAIN
        return z, np.zeros(num_samples, np.int64)

    @staticmethod
    def _one_hot(z: Array, y: Array) -> Array:
        xp = namespace(z, y)
        return (y[:, None] == xp.arange(z.shape[1])).astype(z.dtype)


LOSSES: dict[str, Loss] = {loss.name: loss for loss in (Squared(), Logistic(), CrossEntropy())}


def resolve_loss(loss: str | Loss) -> Loss:
    """The loss of this name, or the object itself. Errors: `ValueError` listing the names."""
    if isinstance(loss, Loss):
        return loss
    if loss not in LOSSES:
        raise ValueError(f"unknown loss {loss!r}; expected one of {', '.join(LOSSES)}, or a Loss object")
    return LOSSES[loss]


def _log_sum_exp(z: Array) -> Array:
    xp = namespace(z)
    top = z.max(1, keepdims=True)
    return top + xp.log(xp.exp(z - top).sum(1, keepdims=True))


def _x_log_x(x: Array) -> Array:
    """`x log x` with `0 log 0 = 0`; `inf` for x below zero by more than rounding."""
    xp = namespace(x)
    positive = xp.where(x > 0, x, 1.0)
    return xp.where(x < -_DOMAIN_SLACK, xp.inf, xp.where(x > 0, positive * xp.log(positive), 0.0))


def _labels_of_length(y: Array, num_samples: int) -> Array:
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.shape != (num_samples,):
        raise ValueError(f"y has shape {y.shape}; expected one label for each of the {num_samples} samples")
    _require_finite(y)
    return y


def _require_finite(y: Array) -> None:
    host = np.asarray(y)
    if host.dtype.kind not in "fiub":
        raise ValueError(f"y has dtype {host.dtype}; expected numbers")
    if not np.isfinite(host).all():
        raise ValueError(f"y has {int((~np.isfinite(host)).sum())} entries that are not finite; drop those samples")
