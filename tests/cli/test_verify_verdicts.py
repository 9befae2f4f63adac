"""Property: `verify` says for each claim what its check and its controls said, in a table and in JSON."""

import pytest

from ntklora.claims import Claim, Control, Evidence, Label, Outcome
from ntklora.cli import verify
from tests.cli.run import main_here

KEYS = {"id", "statement", "source", "label", "outcome", "predicted", "measured", "margin", "controls", "seconds"}


def claim(outcome, control=Outcome.refuted):
    doubt = Control("a layer left out", Outcome.refuted, lambda profile: Evidence(control, None, None, None))
    evidence = Evidence(outcome, 1.0, {"share": 0.5, "starts": 64}, float("nan"))
    return Claim("T0", "Ladders stand.", "Somebody, 1999", Label.derived, 1, lambda profile: evidence, (doubt,))


@pytest.mark.parametrize(
    ("claims", "status", "outcome"),
    [
        ([claim(Outcome.consistent)], 0, "consistent"),
        ([claim(Outcome.refuted)], 1, "refuted"),
        ([claim(Outcome.consistent, Outcome.consistent)], 1, "consistent"),
        ([claim(Outcome.consistent), claim(Outcome.inconclusive)], 1, "inconclusive"),
    ],
)
def test_json_has_the_contract_keys_and_the_worst_outcome_leads(claims, status, outcome, capsys, monkeypatch):
    monkeypatch.setattr(verify, "select_claims", lambda ids: claims)
    done = main_here(capsys, "verify", "--json")
    assert (done.status, done.document["outcome"]) == (status, outcome)
    record = done.document["claims"][0]
    assert set(record) >= KEYS
    assert record["measured"] == {"share": 0.5, "starts": 64}
    assert record["margin"] is None
    assert set(record["controls"][0]) == {"name", "expected", "outcome"}


def test_the_table_shows_every_column_and_names_an_unexpected_control(capsys, monkeypatch):
    monkeypatch.setattr(verify, "select_claims", lambda ids: [claim(Outcome.consistent, Outcome.consistent)])
    done = main_here(capsys, "verify")
    for word in ("T0", "Ladders stand.", "Somebody, 1999", "derived", "share 0.5", "consistent", "NOT AS EXPECTED"):
        assert word in done.out
