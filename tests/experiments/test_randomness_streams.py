"""Property: data are the same across ranks and methods, starts fresh for each seed and rank; nothing else is drawn."""

import re
from pathlib import Path

import jax
import numpy as np
import pytest

import ntklora as nl
from ntklora.sweeps import Vmapped
from ntklora.sweeps.catalogue import all_experiments

EXPERIMENTS = all_experiments()


# The functions that keep an instance for the ranks of its neighbouring cells.
INSTANCES = {"landscape": "instance", "phase_diagram": "typical"}


class Seen(Exception):
    """What a cell was about to compute with."""


def data_and_start(name, monkeypatch, **changes):
    """The tangent features, targets and outputs of a cell, and the random numbers that it starts from."""
    experiment = EXPERIMENTS[name]
    parameters = experiment.parameters(**changes)
    if isinstance(experiment.run, Vmapped):
        arrays, (problem, *_) = experiment.run.prepare(parameters)
        (start,) = arrays["v"].values()
        return _data(problem), start[:, 0]
    names = names_in(experiment)

    def see(problem, *others, **named):
        raise Seen(problem, *others)

    where, what = {
        "landscape": (vars(nl), "survey_landscape"),
        "phase_diagram": (vars(nl), "survey_landscape"),
        "minimizer_rank": (vars(nl), "solve"),
        "high_rank_preheating": (names, "_final_objectives"),
    }[name]
    monkeypatch.setitem(where, what, see)
    if name in INSTANCES:
        monkeypatch.setattr(nl, "solve", lambda problem: None)
        names[INSTANCES[name]].cache_clear()
    with pytest.raises(Seen) as seen:
        experiment.run(parameters)
    monkeypatch.undo()
    if name in INSTANCES:
        names[INSTANCES[name]].cache_clear()
    problem, *others = seen.value.args
    keys = [np.asarray(jax.random.key_data(x)) for x in others if isinstance(x, jax.Array)]
    return _data(problem), keys[0] if keys else None


def _data(problem):
    leaves = (problem.op.dense(), problem.f0, problem.y)
    return [np.asarray(leaf) for leaf in jax.tree.leaves(leaves)]


def same(one, other):
    return all(x.shape == y.shape and np.array_equal(x, y) for x, y in zip(one, other, strict=True))


CELLS = {
    "landscape": ({"num_samples": 6}, "rank", (1, 2)),
    "phase_diagram": ({"num_samples": 6, "fan_out": 4, "fan_in": 5}, "rank", (1, 2)),
    "training_curves": ({"num_samples": 8}, "rank", (1, 2)),
    "steps_to_optimum": ({"num_samples": 6, "family": "gaussian"}, "rank", (1, 2)),
    "plateaus": ({"num_samples": 6, "family": "gaussian"}, "rank", (1, 2)),
    "high_rank_preheating": ({"preheat_rank": 8, "draws": 3, "preheat_steps": 2}, "preheat_rank", (8, 12)),
}


@pytest.mark.parametrize("name", CELLS)
def test_data_are_the_seeds_and_starts_are_the_cells(name, monkeypatch):
    common, axis, (one, other) = CELLS[name]
    cells = [{axis: one, "seed": 0}, {axis: other, "seed": 0}, {axis: one, "seed": 1}, {axis: one, "seed": 0}]
    found = [data_and_start(name, monkeypatch, **{**common, **cell}) for cell in cells]
    (data, start), (wider, fresh), (reseeded, again), repeated = found
    assert same(data, repeated[0])
    assert same(data, wider)
    assert not same(data, reseeded)
    np.testing.assert_array_equal(start, repeated[1])
    assert not np.isin(fresh, start).any()
    assert not np.isin(again, start).any()


def test_the_ranks_of_minimizers_are_of_data_from_the_seed_alone(monkeypatch):
    """Nothing random but the data: another weight decay sees the same."""
    changes = ({}, {"lam_ratio": 0.1}, {"seed": 1})
    (data, start), (decayed, _), (reseeded, _) = (
        data_and_start("minimizer_rank", monkeypatch, **change) for change in changes
    )
    assert start is None
    assert same(data, decayed)
    assert not same(data, reseeded)


def test_a_planted_instance_and_what_surrounds_it_come_from_the_seed_and_the_rank(monkeypatch):
    seen = []
    monkeypatch.setattr(nl, "find_endpoints", lambda problem, rank, key, **named: seen.append((problem, named)))
    monkeypatch.setattr(nl, "judge_endpoints", lambda problem, ends, tolerance: None)
    for seed in (0, 0, 1):
        names_in(EXPERIMENTS["landscape"])["planted_landscape"](2, 5, seed, 4, 1e-3)
    starts = [np.asarray(named["initial"][0]) for _, named in seen]
    np.testing.assert_array_equal(starts[0], starts[1])
    assert not np.isin(starts[0], starts[2]).any()
    assert same(_data(seen[0][0]), _data(seen[1][0]))
    assert not same(_data(seen[0][0]), _data(seen[2][0]))


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_an_experiment_draws_from_streams_alone(name):
    source = Path(names_in(EXPERIMENTS[name])["__file__"]).read_text()
    assert not re.search(r"random\.(key|PRNGKey|default_rng|RandomState|seed)\(", source)


def names_in(experiment):
    """What the experiment's functions see: the file may have been loaded again since, as another module."""
    return getattr(experiment.run, "prepare", experiment.run).__globals__
