"""Gaussian expectations of activations in closed form: what a layer of infinite width does to a covariance.

For (z, z') Gaussian with mean 0 and covariance [[p, c], [c, q]],

    Λ = E φ(z) φ(z'),      Λ' = E φ'(z) φ'(z').

ReLU: the arc-cosine kernels of order 1 and 0 (Cho and Saul 2009). erf: Williams 1997 for Λ; Λ' is its derivative in c,
as for every φ (∂Λ/∂c = Λ', by Gaussian integration by parts) [derived].
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

Array = Float[np.ndarray, "*shape"]


class Moments(NamedTuple):
    """`value` = Λ and `slope` = Λ'."""

    value: Array
    slope: Array


def relu_moments(p: Array, c: Array, q: Array) -> Moments:
    """For φ = ReLU and positive variances, with `cos θ = c/√(pq)`:

        Λ = √(pq) (sin θ + (π − θ) cos θ)/(2π),      Λ' = (π − θ)/(2π)

    Equal arguments are told by `c = p = q`: there θ is 0 and not the 1e-8 that rounding makes of it.
    Errors: `ValueError` for a variance that is not positive, at which φ' has no value.

    >>> value, slope = relu_moments(np.array(1.0), np.array(0.0), np.array(4.0))
    >>> round(float(value * np.pi), 12), float(slope)
    (1.0, 0.25)
    """
    if not (np.all(p > 0) and np.all(q > 0)):
        raise ValueError("ReLU has no derivative at 0: a variance is 0 (an input of zeros, and no bias)")
    size = np.sqrt(p * q)
    cosine = np.where((c == p) & (c == q), 1.0, np.clip(c / size, -1.0, 1.0))
    angle = np.arccos(cosine)
    value = size * (np.sin(angle) + (np.pi - angle) * cosine) / (2 * np.pi)
    return Moments(value, (np.pi - angle) / (2 * np.pi))


def erf_moments(p: Array, c: Array, q: Array) -> Moments:
    """For φ = erf:

        Λ = (2/π) arcsin(2c/√((1+2p)(1+2q))),      Λ' = (4/π)/√((1+2p)(1+2q) − 4c²)

    >>> value, slope = erf_moments(np.array(0.5), np.array(0.5), np.array(0.5))
    >>> round(float(3 * value), 12), round(float(slope * np.pi * np.sqrt(3)), 12)
    (1.0, 4.0)
    """
    size = (1 + 2 * p) * (1 + 2 * q)
    return Moments(2 / np.pi * np.arcsin(2 * c / np.sqrt(size)), 4 / np.pi / np.sqrt(size - 4 * c**2))
