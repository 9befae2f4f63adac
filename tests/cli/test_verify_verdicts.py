"""Property: `verify` says for each claim what its check and its controls said, in a table and in JSON."""

import pytest

from tests.cli.run import main_here
from tests.cli.standing import stand

KEYS = {"id", "statement", "source", "label", "outcome", "predicted", "measured", "margin", "controls", "seconds"}


@pytest.mark.parametrize(
    ("claims", "status", "outcome"),
    [
        ("consistent", 0, "consistent"),
        ("refuted", 1, "refuted"),
        ("unexpected", 1, "consistent"),
        ("inconclusive", 1, "inconclusive"),
    ],
)
def test_json_has_the_contract_keys_and_the_worst_outcome_leads(claims, status, outcome, capsys, monkeypatch):
    stand(monkeypatch.setattr, claims)
    done = main_here(capsys, "verify", "--json")
    assert (done.status, done.document["outcome"]) == (status, outcome)
    record = done.document["claims"][0]
    assert set(record) >= KEYS
    assert record["measured"] == {"share": 0.5, "starts": 64}
    assert record["margin"] == (None if claims == "inconclusive" else 0.5)
    assert set(record["controls"][0]) == {"name", "expected", "outcome"}


def test_a_claim_that_fails_to_run_says_why(capsys, monkeypatch):
    stand(monkeypatch.setattr, "error")
    done = main_here(capsys, "verify", "--json", "--jobs", 1)
    assert (done.status, done.document["outcome"]) == (3, "error")
    assert "ZeroDivisionError: no rungs" in done.document["claims"][0]["reason"]


def test_the_table_shows_every_column_and_names_an_unexpected_control(capsys, monkeypatch):
    stand(monkeypatch.setattr, "unexpected")
    done = main_here(capsys, "verify")
    for word in ("T0", "Ladders stand.", "Somebody, 1999", "derived", "share: 0.5", "consistent", "NOT AS EXPECTED"):
        assert word in done.out


def test_a_list_says_what_claims_state_and_runs_none(capsys, monkeypatch):
    stand(monkeypatch.setattr, "error")  # a claim that could not run
    done = main_here(capsys, "verify", "--list", "--json")
    assert done.status == 0
    (listed,) = done.document["claims"]
    assert set(listed) == {"id", "statement", "source", "label"}
    assert listed["statement"] in main_here(capsys, "verify", "--list").out
