"""Property: ranks, seeds and labels that share a program give what `train_lora` gives one by one, in any precision."""

import numpy as np
import pytest

import ntklora as nl
from ntklora.sweeps import stream_key
from ntklora.sweeps.catalogue import all_experiments
from ntklora.sweeps.chunk import plan_groups
from ntklora.sweeps.numerics import Numerics
from ntklora.sweeps.parameters import cells_of
from ntklora.sweeps.program import in_precision, signature
from ntklora.sweeps.run_chunk import run_chunk

EXPERIMENT = all_experiments()["training_curves"]
COMMON = {"network": "mlp", "num_samples": 8, "num_steps": 60, "lam_ratio": 0.05}


def cells(**axes):
    return cells_of(EXPERIMENT.parameters, ({**COMMON, **axes},))


def rows(asked, numerics):
    return [
        row
        for group in plan_groups(EXPERIMENT, asked, range(len(asked)))
        for chunk in group
        for row in run_chunk(EXPERIMENT, chunk, numerics)
    ]


def problem_of(row):
    names = ("network", "labels", "num_samples", "seed", "lam_ratio")
    return nl.linearized_digits(**{name: row[name] for name in names}, num_outputs=2, loss="cross_entropy")


def test_a_row_is_what_the_library_gives_for_its_cell_alone():
    for row in rows([*cells(rank=(1, 3), seed=1), *cells(method="full", rank=0, seed=1)], Numerics()):
        problem = problem_of(row)
        if row["method"] == "full":
            path = nl.train_full(problem, steps=60)
        else:
            key = stream_key("starts", row["seed"], rank=row["rank"])
            path = nl.train_lora(problem, row["rank"], key, steps=60)
        np.testing.assert_allclose(row["objective"], np.asarray(path.objective)[row["steps"]], rtol=1e-11)
        assert row["learning_rate"] == pytest.approx(float(path.learning_rate), rel=1e-12)
        assert row["primal"] == pytest.approx(nl.solve(problem).primal, rel=1e-12)
        assert row["reached"] == (row["objective"][-1] <= 1.01 * row["primal"])


@pytest.mark.parametrize("axes", [{"rank": (1, 5, 16)}, {"method": "full", "rank": 0}, {"rank": (17, 32)}])
def test_cells_of_one_shape_have_arrays_of_one_kind(axes):
    asked = [EXPERIMENT.parameters(**cell) for cell in cells(**axes, labels=("true", "random"), seed=(0, 1, 2))]
    kinds = {signature(in_precision(EXPERIMENT.run.prepare(each)[0], "float64")) for each in asked}
    assert len({EXPERIMENT.shape(each) for each in asked}) == 1
    assert len(kinds) == 1


def test_in_float32_certificates_and_verdicts_stay_those_of_float64():
    asked = [*cells(rank=(1, 3), seed=1), *cells(method="full", rank=0, seed=1)]
    for double, single in zip(rows(asked, Numerics()), rows(asked, Numerics("float32")), strict=True):
        assert single["status"] == 0, single["reason"]
        assert single["key"] != double["key"]
        assert (single["primal"], single["reached"]) == (double["primal"], double["reached"])
        assert single["objective"] != double["objective"]
        np.testing.assert_allclose(single["objective"], double["objective"], rtol=1e-4)
