"""Property: rank reduction keeps the outputs, never raises the nuclear norm, and ends within the bound of T1."""

import numpy as np
import pytest

import ntklora as nl
from ntklora.certificates.rank_reduction import reduce_rank
from ntklora.certificates.span import span_dimension
from ntklora.instances.planted import plant_tight_optimum
from ntklora.problem.objective import nuclear_norm
from ntklora.problem.problem import Problem
from ntklora.tangent.operator import TangentOperator


def random_problem(layers: int, num_samples: int, num_outputs: int, seed: int) -> Problem:
    rng = np.random.default_rng(seed)
    g = {f"l{i}": rng.normal(size=(num_samples, num_outputs, 7 + i, 9)) for i in range(layers)}
    op = TangentOperator.from_dense(g)
    return Problem(
        op, np.zeros((num_samples, num_outputs)), rng.normal(size=(num_samples, num_outputs)), "squared", 0.1
    )


@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize(("num_samples", "num_outputs"), [(1, 1), (6, 1), (5, 2), (40, 1)])
def test_any_matrix_is_reduced_within_the_block_count(layers, num_samples, num_outputs):
    problem = random_problem(layers, num_samples, num_outputs, seed=layers + num_samples)
    rng = np.random.default_rng(1)
    delta = {name: rng.normal(size=shape) for name, shape in problem.shapes.items()}
    u, v = reduce_rank(problem, delta)
    before = problem.op.apply(delta)
    after = problem.op.apply_factors(u, v)
    assert np.abs(after - before).max() <= 1e-10 * np.abs(before).max()
    reduced = {name: u[name] @ v[name].T for name in u}
    assert nuclear_norm(problem, reduced) <= nuclear_norm(problem, delta) * (1 + 1e-12)
    ranks = [factor.shape[1] for factor in u.values()]
    assert sum(r * (r + 1) // 2 for r in ranks) <= num_samples * num_outputs
    assert max(ranks) <= nl.pataki_rank(num_samples * num_outputs)


def test_dependent_features_count_once():
    rng = np.random.default_rng(0)
    basis = rng.normal(size=(3, 8, 8))
    g = np.einsum("ib,bmn->imn", rng.normal(size=(12, 3)), basis)[:, None]
    problem = Problem(TangentOperator.from_dense(g), np.zeros(12), np.zeros(12), "squared", 0.1)
    assert span_dimension(problem) == 3
    u, _ = reduce_rank(problem, rng.normal(size=(8, 8)))
    assert u.shape[1] == nl.pataki_rank(3)


@pytest.mark.parametrize("rank", range(1, 7))
def test_the_tight_instance_keeps_its_rank(rank):
    planted = plant_tight_optimum(rank, seed=rank)
    u, v = reduce_rank(planted.problem, planted.u @ planted.v.T)
    assert u.shape[1] == rank == nl.pataki_rank(planted.problem.num_samples)
    np.testing.assert_allclose(u @ v.T, planted.u @ planted.v.T, atol=1e-13)


def test_zero_has_rank_zero():
    problem = random_problem(1, 3, 1, seed=0)
    u, v = reduce_rank(problem, {"l0": np.zeros((7, 9))})
    assert u["l0"].shape == (7, 0)
    assert v["l0"].shape == (9, 0)


def test_the_balanced_factors_come_back():
    problem = random_problem(1, 4, 1, seed=3)
    u, v = reduce_rank(problem, {"l0": np.random.default_rng(2).normal(size=(7, 9))})
    np.testing.assert_allclose(u["l0"].T @ u["l0"], v["l0"].T @ v["l0"], atol=1e-12)


@pytest.mark.parametrize("dust", [1e-12, 1e-15, 1e-18, 1e-24])
@pytest.mark.parametrize("seed", range(6))
def test_a_weight_of_rounding_size_does_not_take_the_others_with_it(dust, seed):
    problem = random_problem(2, 32, 1, seed)
    rng = np.random.default_rng(seed)
    m, n = problem.shapes["l1"]
    strong = np.outer(rng.normal(size=m), rng.normal(size=n))
    delta = {"l0": dust * rng.normal(size=problem.shapes["l0"]), "l1": strong}
    u, v = reduce_rank(problem, delta)
    before = problem.op.apply(delta)
    assert np.abs(problem.op.apply_factors(u, v) - before).max() <= 1e-10 * np.abs(before).max()
    reduced = {name: u[name] @ v[name].T for name in u}
    assert nuclear_norm(problem, reduced) <= nuclear_norm(problem, delta) * (1 + 1e-12)
