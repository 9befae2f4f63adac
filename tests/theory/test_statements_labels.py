"""Property: every statement that is shown carries its label, and the claims agree about it."""

import pytest

from ntklora.claims.registry import all_claims
from ntklora.sweeps.catalogue import all_figures
from ntklora.theory.statements import LABELS, Label, with_labels


@pytest.mark.parametrize("claim", all_claims(), ids=lambda claim: claim.id)
def test_a_claim_has_the_label_of_its_statement(claim):
    assert claim.label is LABELS[claim.id]


def test_the_first_mention_alone_is_labelled_and_none_twice():
    text = with_labels("T2-strict, T2-strict; H10's bound, not H1; T3 [reconstructed]")
    assert text == "T2-strict [derived], T2-strict; H10's [derived] bound, not H1 [derived]; T3 [reconstructed]"
    assert with_labels(text) == text
    assert with_labels("AT1, T12, T2-other, KT1") == "AT1, T12, T2-other, KT1"


@pytest.mark.parametrize("figure", all_figures().values(), ids=lambda figure: figure.name)
def test_no_caption_says_another_label(figure):
    for text in (figure.title, figure.caption):
        labelled = with_labels(text)
        for name, label in LABELS.items():
            wrong = [other for other in Label if other is not label and f"{name} [{other}]" in labelled]
            assert not wrong
