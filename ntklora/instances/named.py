"""Instances by the name of their family, as grids of experiments spell them."""

from __future__ import annotations

from typing import Any

from ntklora.instances.digits import Labels, Network, digits_problem, linearized_digits
from ntklora.instances.gaussian import gaussian_problem
from ntklora.problem.problem import Problem

_RANDOM = "_random_labels"
# Gaussian features have no width of their own; this is the size after reduction of the networks at N = 32.
_GAUSSIAN_SHAPE = (32, 32)

FAMILIES = ("gaussian", *(f"{network}{suffix}" for network in Network for suffix in ("", _RANDOM)))


def named_problem(
    family: str, *, num_samples: int, seed: int, num_outputs: int = 1, loss: str = "squared", lam_ratio: float = 0.01
) -> Problem:
    """One instance of a family in `FAMILIES`: Gaussian features, or a network on digits with true or random labels.

    `λ = lam_ratio · λ_max`; exactly reduced to the span that the data excites. Errors: `ValueError` for an unknown
    family, which lists the known ones.
    """
    task: dict[str, Any] = {"seed": seed, "num_outputs": num_outputs, "loss": loss, "lam_ratio": lam_ratio}
    if _is_gaussian(family):
        return gaussian_problem(_GAUSSIAN_SHAPE, num_samples=num_samples, **task)
    return digits_problem(*_network_and_labels(family), num_samples=num_samples, **task)


def named_linearization(
    family: str, *, num_samples: int, seed: int, num_outputs: int = 1, loss: str = "squared", lam_ratio: float = 0.01
) -> Problem:
    """`named_problem` in the coordinates of the weights, where optimizers act; Gaussian features are `(N, N)`."""
    task: dict[str, Any] = {"seed": seed, "num_outputs": num_outputs, "loss": loss, "lam_ratio": lam_ratio}
    if _is_gaussian(family):
        return gaussian_problem((num_samples, num_samples), num_samples=num_samples, **task)
    return linearized_digits(*_network_and_labels(family), num_samples=num_samples, **task)


def _is_gaussian(family: str) -> bool:
    if family not in FAMILIES:
        raise ValueError(f"unknown family {family!r}; expected one of {', '.join(FAMILIES)}")
    return family == "gaussian"


def _network_and_labels(family: str) -> tuple[Network, Labels]:
    return Network(family.removesuffix(_RANDOM)), Labels.random if family.endswith(_RANDOM) else Labels.true
