"""Property: what `template` writes of any experiment is a specification that reads back as the values it shows."""

import tomllib
from dataclasses import dataclass
from enum import StrEnum

import pytest

from ntklora.sweeps import Column, Experiment
from ntklora.sweeps.catalogue import all_experiments
from ntklora.sweeps.parameters import complete_grid
from ntklora.sweeps.spec import read_specification
from ntklora.sweeps.template import parameters_of, template
from tests.sweeps.test_spec_mistakes import EXPERIMENT


@pytest.mark.parametrize("name", all_experiments())
def test_a_shipped_experiments_template_is_the_first_grid_of_its_smallest_profile(name, tmp_path):
    experiment = all_experiments()[name]
    path = tmp_path / "sweep.toml"
    path.write_text(template(experiment, name))
    (grid,) = read_specification(path).sweep.grids
    first = next(iter(experiment.profiles.values()))[0]
    assert complete_grid(experiment.parameters, grid) == complete_grid(experiment.parameters, first)


def test_every_parameter_of_a_shipped_experiment_has_a_meaning():
    for experiment in all_experiments().values():
        for parameter in parameters_of(experiment):
            assert parameter.meaning, f"{experiment.name}.{parameter.name} has no docstring"
            assert f"# {parameter.meaning.rstrip('.')}. (" in template(experiment, experiment.name)


def test_a_required_parameter_is_left_to_fill_in(tmp_path):
    (tmp_path / "ladder.py").write_text(EXPERIMENT)
    path = tmp_path / "sweep.toml"
    path.write_text('experiment = "ladder.py"\n[fixed]\nrungs = 3')
    experiment = read_specification(path).sweep.experiment
    text = template(experiment, "ladder.py")
    assert "# How many. (int, required)\n# rungs =\n" in text
    assert '# (one of ash, oak, default "oak")\nwood = "oak"' in text
    path.write_text(text)
    with pytest.raises(ValueError, match="parameter rungs has no default"):
        read_specification(path)
    path.write_text(text.replace("# rungs =", "rungs = 3"))
    assert len(read_specification(path).sweep.cells) == 1


def test_awkward_values_survive(tmp_path):
    class Odd(StrEnum):
        plain = "plain"
        awkward = 'a "b" \\ \n ü'

    @dataclass(frozen=True)
    class Awkward:
        small: float = 1e-300
        negative: float = -0.0
        text: str = "tab\t, quote ' and backslash \\ \x7f"
        odd: Odd = Odd.awkward
        large: int = -(2**63)
        flag: bool = True

    experiment = Experiment(
        "awkward", 1, "?", Awkward, (Column("x", float, "none"),), {}, lambda awkward: {"x": awkward.small}
    )
    text = template(experiment, "awkward")
    assert tomllib.loads(text)["fixed"] == {name: values[0] for name, values in complete_grid(Awkward, {}).items()}
