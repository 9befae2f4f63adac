"""Worlds with few claims, for this process (`stand`) and for the workers that it starts (the functions)."""

from importlib import import_module

from ntklora.claims import experiment as claims_module
from ntklora.claims.claim import Claim, Control, Evidence, Label, Outcome


def claim(outcome, name="T0", control=Outcome.refuted, margin=0.5):
    """A claim that comes out so, with its control; for None it fails to run."""
    doubt = Control("a rung left out", Outcome.refuted, lambda profile: Evidence(control, 1.0, 0.0, -0.5))

    def check(profile):
        if outcome is None:
            raise ZeroDivisionError("no rungs")
        return Evidence(outcome, 1.0, {"share": 0.5, "starts": 64}, margin)

    return Claim(name, "Ladders stand.", "Somebody, 1999", Label.derived, 1, check, (doubt,))


CLAIMS = {
    "consistent": (claim(Outcome.consistent),),
    "refuted": (claim(Outcome.refuted),),
    "unexpected": (claim(Outcome.consistent, control=Outcome.consistent),),
    "inconclusive": (claim(Outcome.consistent, margin=None), claim(Outcome.inconclusive, "T1", margin=None)),
    "error": (claim(None),),
}


def stand(put, name="consistent"):
    """Have it that these are the claims; `put(module, name, value)` sets an attribute."""

    def select(ids):
        return tuple(claim for claim in CLAIMS[name] if not ids or claim.id in ids)

    put(claims_module, "all_claims", lambda: CLAIMS[name])
    put(claims_module, "select_claims", select)
    put(import_module("ntklora.cli.verify"), "select_claims", select)
    put(import_module("ntklora.report.build"), "all_claims", lambda: CLAIMS[name])
    put(import_module("ntklora.cli.results"), "CLAIMS", f"tests.cli.standing:{name}")


def _in_worker(name):
    stand(setattr, name)
    return claims_module.claims_experiment()


def consistent():
    return _in_worker("consistent")


def refuted():
    return _in_worker("refuted")


def unexpected():
    return _in_worker("unexpected")


def inconclusive():
    return _in_worker("inconclusive")


def error():
    return _in_worker("error")
