"""A world with one claim that stands, for this process (`stand`) and for the workers that it starts (`experiment`)."""

from importlib import import_module

from ntklora.claims import experiment as claims_module
from ntklora.claims.claim import Claim, Control, Evidence, Label, Outcome

CLAIM = Claim(
    "T0",
    "Ladders stand.",
    "Somebody, 1999",
    Label.derived,
    1,
    lambda profile: Evidence(Outcome.consistent, 1.0, 1.0, 0.5),
    (Control("a rung left out", Outcome.refuted, lambda profile: Evidence(Outcome.refuted, 1.0, 0.0, -0.5)),),
)
REFERENCE = "tests.cli.standing:experiment"


def stand(put):
    """Have it that there is one claim; `put(module, name, value)` sets an attribute."""
    put(claims_module, "all_claims", lambda: (CLAIM,))
    put(claims_module, "select_claims", lambda ids: (CLAIM,))
    put(import_module("ntklora.report.build"), "all_claims", lambda: (CLAIM,))
    put(import_module("ntklora.cli.results"), "CLAIMS", REFERENCE)


def experiment():
    """The claims as a worker finds them."""
    stand(setattr)
    return claims_module.claims_experiment()
