"""Property: `verify --proof` says what is proved, under a key of its own, and fails where a case does not come out."""

import sys
import tomllib
from importlib import metadata

import pytest
from packaging.requirements import Requirement

from ntklora.proof import cases
from ntklora.proof.spurious import Verdict
from tests.cli.run import ROOT, main_here
from tests.cli.standing import stand

KEYS = {"name", "statement", "label", "rank", "num_samples", "data", "outcome", "reason", "radius", "moved"}
KEYS |= {"curvature", "objective", "better", "excess", "relative_excess", "basin", "barrier"}
SHIPPED, CONTROLS = cases.spurious_cases()[:1], cases.control_cases()[:1]


def put(monkeypatch, shipped=SHIPPED, controls=CONTROLS):
    monkeypatch.setattr(cases, "spurious_cases", lambda: shipped)
    monkeypatch.setattr(cases, "control_cases", lambda: controls)


def test_json_has_the_proofs_beside_the_keys_of_the_contract(capsys, monkeypatch):
    put(monkeypatch)
    done = main_here(capsys, "verify", "--proof", "--json")
    assert (done.status, done.document["outcome"], done.document["claims"]) == (0, "consistent", [])
    ((instance,), (control,)) = (done.document["proof"][each] for each in ("instances", "controls"))
    assert set(instance) == KEYS
    assert set(control) == KEYS | {"expected", "as_expected"}
    assert (instance["outcome"], instance["label"]) == ("proved", "derived")
    assert instance["excess"][0] > 0
    assert (control["outcome"], control["curvature"]) == ("not_positive", None)


def test_claims_that_are_named_run_beside_the_proofs(capsys, monkeypatch):
    put(monkeypatch, (), CONTROLS)
    stand(monkeypatch.setattr, "refuted")
    done = main_here(capsys, "verify", "T0", "--proof", "--json")
    assert (done.status, done.document["outcome"]) == (1, "refuted")
    assert [claim["id"] for claim in done.document["claims"]] == ["T0"]
    assert len(done.document["proof"]["controls"]) == 1


def test_without_the_option_nothing_is_said_of_proofs(capsys, monkeypatch):
    stand(monkeypatch.setattr)
    assert "proof" not in main_here(capsys, "verify", "--json").document


@pytest.mark.parametrize("which", ["instance", "control"])
def test_a_case_that_does_not_come_out_is_status_1_and_named(which, capsys, monkeypatch):
    # A saddle in place of an instance; a control that stops elsewhere than it must.
    if which == "instance":
        put(monkeypatch, (CONTROLS[0]._replace(expected=Verdict.proved),), ())
    else:
        put(monkeypatch, (), (CONTROLS[0]._replace(expected=Verdict.not_lower),))
    done = main_here(capsys, "verify", "--proof")
    assert done.status == 1
    assert "NOT AS" in done.out


def test_the_table_has_outward_rounded_numbers(capsys, monkeypatch):
    put(monkeypatch)
    out = main_here(capsys, "verify", "--proof").out
    for words in (
        "proved: 1 of 1",
        "1 of 1 controls",
        "planted r=1",
        "not_positive",
        "curvature ≥ 0.0",
        "barrier ≥ ",
        "(derived)",
    ):
        assert words in out


def test_without_the_extra_one_line_says_the_mend(capsys, monkeypatch):
    for name in [name for name in sys.modules if name.startswith("ntklora.proof")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "flint", None)
    done = main_here(capsys, "verify", "--proof")
    assert (done.status, done.out) == (2, "")
    assert done.err.count("\n") == 1
    assert "pip install 'ntklora[proof]'" in done.err


def test_the_extra_is_part_of_the_test_environment_so_that_no_proof_is_skipped():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    (own,) = (Requirement(line) for line in extras["test"] if line.startswith("ntklora["))
    assert "proof" in own.extras
    for requirement in map(Requirement, extras["proof"]):
        assert metadata.version(requirement.name) in requirement.specifier
