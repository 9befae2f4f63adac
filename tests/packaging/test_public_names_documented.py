"""Property: `help` answers for every public name, and what a first session calls shows an example that runs."""

import inspect

import pytest

import ntklora as nl

# Those that the README, the notebook and the command line lead to; their examples are doctests.
FIRST_CALLS = (
    "make_problem",
    "solve",
    "solve_path",
    "find_endpoints",
    "classify_endpoint",
    "classify_endpoints",
    "survey_landscape",
    "duality_gap",
    "reduce_rank",
    "train_lora",
    "train_full",
    "train_minibatches",
    "empirical_ntk",
    "tangent_features",
    "linearize",
    "ntk_regime",
    "infinite_width_problem",
    "plant_spurious_minimum",
    "plant_tight_optimum",
    "plant_worst_minimum",
    "prove_spurious_minimum",
    "restricted_curvature",
    "matrix_factorization",
    "gaussian_problem",
    "pataki_rank",
)


@pytest.mark.parametrize("name", [name for name in nl.__all__ if name != "__version__"])
def test_every_public_name_says_what_it_is(name):
    value = getattr(nl, name)
    told = inspect.getdoc(value)
    assert told
    assert len(told) > 20
    for parent in inspect.getmro(value)[1:] if inspect.isclass(value) else ():
        assert told != inspect.getdoc(parent), f"{name} has only the docstring of {parent.__name__}"
    assert "see the module" not in told.splitlines()[0], f"help({name}) shows no module"


@pytest.mark.parametrize("name", FIRST_CALLS)
def test_a_first_call_shows_an_example(name):
    assert ">>> " in inspect.getdoc(getattr(nl, name))
