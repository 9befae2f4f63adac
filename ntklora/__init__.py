"""ntklora: the theory of low-rank adaptation (LoRA) in the neural-tangent-kernel regime, checked by machine.

Linearize a network at its initialization, form the convex fine-tuning problem, solve it with a certificate, look at
the landscape that LoRA of a given rank sees, and compare with what the papers prove:

* a network `f(params, x)` -> `tangent_features` -> `Problem` -> `solve` (a duality gap) -> `find_endpoints` and
  `classify_endpoint` (inertia, and a better point when an endpoint is spurious).

Importing this package does nothing: public names load on first use, no JAX setting is touched, no device is asked.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from ntklora.version import __version__ as __version__

# Public name -> the module that defines it. Lazy, so that `import ntklora` costs no more than Python's own start.
_HOME = {
    "linearize": "ntklora.tangent.linearize",
    "centred": "ntklora.tangent.linearize",
    "tangent_features": "ntklora.tangent.features",
    "apply_delta": "ntklora.tangent.delta",
    "TangentOperator": "ntklora.tangent.operator",
    "empirical_ntk": "ntklora.ntk.empirical",
    "Problem": "ntklora.problem.problem",
    "objective": "ntklora.problem.objective",
    "lam_max": "ntklora.problem.objective",
    "load_problem": "ntklora.problem.files",
    "merge_factors": "ntklora.problem.objective",
    "nuclear_norm": "ntklora.problem.objective",
    "reduce_problem": "ntklora.problem.reduction",
    "pad_columns": "ntklora.problem.padding",
    "pad_samples": "ntklora.problem.padding",
    "make_problem": "ntklora.problem.networks",
    "predict": "ntklora.problem.networks",
    "MLP": "ntklora.models.mlp",
    "infinite_width_ntk": "ntklora.ntk.infinite_width",
    "infinite_width_problem": "ntklora.instances.infinite_width",
    "digits_problem": "ntklora.instances.digits",
    "linearized_digits": "ntklora.instances.digits",
    "gaussian_problem": "ntklora.instances.gaussian",
    "named_linearization": "ntklora.instances.named",
    "named_problem": "ntklora.instances.named",
    "plant_spurious_minimum": "ntklora.instances.planted",
    "plant_loud_minimum": "ntklora.instances.loud",
    "plant_tight_optimum": "ntklora.instances.planted",
    "plant_worst_minimum": "ntklora.instances.worst_case",
    "search_worst_minimum": "ntklora.instances.adversarial",
    "teacher_population": "ntklora.instances.population",
    "taught_population": "ntklora.instances.population",
    "digits_population": "ntklora.instances.population",
    "population_of": "ntklora.instances.population",
    "linear_population": "ntklora.instances.population",
    "Population": "ntklora.instances.population",
    "Weighted": "ntklora.problem.weighted",
    "random_perturbation": "ntklora.instances.gaussian",
    "reduce_rank": "ntklora.certificates.rank_reduction",
    "restricted_curvature": "ntklora.certificates.restricted",
    "span_dimension": "ntklora.certificates.span",
    "landscape_rank": "ntklora.theory.ranks",
    "worst_excess": "ntklora.theory.worst_case",
    "balanced_curvature": "ntklora.theory.worst_case",
    "Endpoint": "ntklora.certificates.endpoints",
    "Status": "ntklora.certificates.duality",
    "classify_endpoint": "ntklora.certificates.endpoints",
    "relative_curvature": "ntklora.certificates.conditioning",
    "classify_endpoints": "ntklora.certificates.endpoints",
    "duality_gap": "ntklora.certificates.duality",
    "solve": "ntklora.certified.optimum",
    "numerical_rank": "ntklora.certified.solution",
    "train_full": "ntklora.solvers.proximal",
    "descend_proximally": "ntklora.solvers.proximal",
    "solve_path": "ntklora.certified.optimum",
    "find_endpoints": "ntklora.certified.endpoints",
    "survey_landscape": "ntklora.certified.landscape",
    "judge_endpoints": "ntklora.certified.landscape",
    "side_by_side": "ntklora.certified.meeting",
    "prove_spurious_minimum": "ntklora.proof.spurious",
    "pataki_rank": "ntklora.theory.ranks",
    "parameter_count": "ntklora.theory.ranks",
    "planting_threshold": "ntklora.theory.ranks",
    "matrix_factorization": "ntklora.instances.matrix_factorization",
    "wide_network": "ntklora.instances.wide",
    "Given": "ntklora.adapters.initializations",
    "HRP": "ntklora.adapters.hrp",
    "Kaiming": "ntklora.adapters.initializations",
    "Orthonormal": "ntklora.adapters.initializations",
    "Padded": "ntklora.adapters.initializations",
    "Wise": "ntklora.adapters.initializations",
    "train_lora": "ntklora.adapters.lora",
    "train_factors": "ntklora.adapters.training",
    "train_to_end": "ntklora.adapters.training",
    "train_minibatches": "ntklora.adapters.minibatches",
    "descend_with_snapshots": "ntklora.adapters.snapshots",
    "descend_accelerated": "ntklora.solvers.accelerated",
    "curvature": "ntklora.certificates.inertia",
    "loss_curvature": "ntklora.problem.smoothness",
    "tail_curvature": "ntklora.certificates.tail",
    "largest_curvature": "ntklora.certificates.tail",
    "lower_rank_saddles": "ntklora.certified.saddles",
    "factor_distance": "ntklora.certified.saddles",
    "ntk_regime": "ntklora.regime.report",
    "lora_departure": "ntklora.regime.departure",
    "full_departure": "ntklora.regime.departure",
}

__all__ = ["__version__", *sorted(_HOME)]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'ntklora' has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
