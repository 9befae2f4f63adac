"""Property: an experiment is found by name, by file and by attribute; what is not one is refused in a line."""

import pytest

from ntklora.sweeps.catalogue import all_experiments, reference_of
from ntklora.sweeps.reference import find_experiment


def test_a_shipped_experiment_is_found_by_its_name_and_by_its_file():
    assert find_experiment("landscape") is all_experiments()["landscape"]
    assert find_experiment(reference_of("landscape")).name == "landscape"
    with pytest.raises(ValueError, match="did you mean 'landscape'"):
        find_experiment("landscap")


def test_an_attribute_is_an_experiment_or_gives_one():
    assert find_experiment("tests.sweeps.trials:experiment") is find_experiment("tests.sweeps.trials:one_by_one")
    assert find_experiment("tests.sweeps.trials:mixed").name == "trials"


WRONG = {
    "nothing_here.py": (None, "there is no such file"),
    "empty.py": ("", "must define `experiment`; it gives a NoneType"),
    "broken.py": ("def", "cannot be loaded: SyntaxError"),
    "failing.py": ("1 / 0", "cannot be loaded: ZeroDivisionError"),
    "tests.sweeps.nowhere:experiment": (None, "cannot be imported: ModuleNotFoundError"),
    "tests.sweeps.trials:MIB": (None, "must name an Experiment"),
}


@pytest.mark.parametrize("reference", WRONG)
def test_what_is_no_experiment_is_refused_in_a_line(reference, tmp_path):
    text, message = WRONG[reference]
    if text is not None:
        (tmp_path / reference).write_text(text)
    where = str(tmp_path / reference) if reference.endswith(".py") else reference
    with pytest.raises(ValueError, match=message) as refused:
        find_experiment(where)
    assert "\n" not in str(refused.value)
