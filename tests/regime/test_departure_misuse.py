"""Property: misuse is named; what is said is said of the numbers."""

import jax.numpy as jnp
import numpy as np
import pytest

import ntklora as nl
from ntklora.regime.report import NtkRegime
from tests.regime.networks import KEY, NETWORKS, X, linear, problem_of, regime_of

CASE = linear()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rank": 0}, "rank must be a whole number >= 1, got 0"),
        ({"recorded": (3, 1)}, "expected rising steps from 0 to 12"),
        ({"recorded": (13,)}, "expected rising steps from 0 to 12"),
        ({"initialization": "kaimming"}, "did you mean 'kaiming'"),
        ({"targets": ["v"]}, "unknown target 'v'"),
        (
            {"initialization": nl.Given(np.zeros((1, 3)), np.zeros((5, 3)))},
            r"u \(1, 3\), v \(5, 3\); expected \(1, 2\)",
        ),
    ],
)
def test_misuse_is_named(options, message):
    with pytest.raises(ValueError, match=message):
        regime_of(CASE, **options)


def test_a_problem_of_another_network_or_a_perturbed_one_is_refused():
    problem = problem_of(CASE)
    with pytest.raises(ValueError, match=r"the problem adapts \['w'\], no leaves of params"):
        nl.full_departure(CASE.f, {"v": jnp.ones((1, 5))}, X, problem, steps=1)
    perturbed = nl.Problem(problem.op, problem.f0, problem.y[:, 0], "squared", 0.1, np.eye(6))
    with pytest.raises(ValueError, match="unperturbed"):
        nl.lora_departure(CASE.f, CASE.params, X, perturbed, 1, KEY, steps=1)


def test_the_regime_ends_when_outputs_first_part_by_more_than_the_tolerance():
    path = regime_of(NETWORKS["house"]()).lora
    distance = np.maximum(path.output_distance, path.held_out_distance)
    tolerance = float(np.median(distance))
    end = path.end_of_regime(tolerance)
    assert all(distance[path.time < end] <= tolerance)
    assert distance[path.time == end] > tolerance
    assert path.end_of_regime(distance.max()) is None
    broken = path._replace(output_distance=np.append(path.output_distance[:-1], np.nan))
    assert broken.end_of_regime(2 * distance.max()) == path.time[-1]


def test_the_summary_has_the_last_numbers_of_both_methods():
    answer = regime_of(NETWORKS["house"]())
    lora, full = answer.summary.splitlines()
    assert lora.startswith("LoRA, 12 steps")
    assert full.startswith("full fine-tuning, 12 steps")
    for said, path in ((lora, answer.lora), (full, answer.full)):
        assert f"differ by {path.output_distance[-1]:.2%}" in said
        assert f"held-out: {path.held_out_distance[-1]:.2%}" in said
        assert f"kernel by {path.kernel_drift[-1]:.2%}" in said


def test_a_network_that_diverged_is_said_to_have():
    answer = regime_of(NETWORKS["house"]())
    blown = np.array([1.0, 2.0, np.inf, np.nan])
    said = NtkRegime(answer.lora._replace(objective=blown), answer.full._replace(linearized_objective=blown)).summary
    lora, full = said.splitlines()
    assert lora.startswith("LoRA: the true network has diverged by step 8 with the learning rate")
    assert full.startswith("full fine-tuning: the linearized network has diverged by step 8")
    assert "nan" not in said
