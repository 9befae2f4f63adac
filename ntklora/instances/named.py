"""Instances by the name of their family, as grids of experiments spell them."""

from __future__ import annotations

from ntklora.instances.digits import Labels, Network, digits_problem
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

    `λ = lam_ratio · λ_max`. Errors: `ValueError` for an unknown family, which lists the known ones.
    """
    if family not in FAMILIES:
        raise ValueError(f"unknown family {family!r}; expected one of {', '.join(FAMILIES)}")
    if family == "gaussian":
        return gaussian_problem(
            _GAUSSIAN_SHAPE,
            num_samples=num_samples,
            seed=seed,
            num_outputs=num_outputs,
            loss=loss,
            lam_ratio=lam_ratio,
        )
    return digits_problem(
        Network(family.removesuffix(_RANDOM)),
        Labels.random if family.endswith(_RANDOM) else Labels.true,
        num_samples=num_samples,
        seed=seed,
        num_outputs=num_outputs,
        loss=loss,
        lam_ratio=lam_ratio,
    )
