"""The symbols and words of the page, for a reader who comes to it first."""

from __future__ import annotations

from xml.etree.ElementTree import Element

from ntklora.certificates.endpoints import Endpoint
from ntklora.report.html import node

SYMBOLS = (
    (
        "δ, G, d",
        "The change of a weight W0 (m×n) and the tangent features G_ij = ∂f_j(x_i)/∂W of N samples and K outputs. In "
        "the NTK regime the outputs are f_j(x_i) + <G_ij, δ>; d = dim span{G_ij} ≤ KN, counted once for all weights "
        "(for cross-entropy the span of G_ij − G_iK).",
    ),
    (
        "F(δ)",
        "L(δ) + λ‖δ‖_*: full fine-tuning, training loss (a mean over the samples) and weight decay, which is the "
        "nuclear norm. Convex; its optimum F* is certified by a duality gap. From λ = λ_max on, δ = 0 is optimal.",
    ),
    (
        "F(u, v)",
        "L(u vᵀ) + (λ/2)(‖u‖² + ‖v‖²): LoRA of rank r, not convex. F_P adds <P, QQᵀ>, Q = [u; v], with a small P ⪰ 0.",
    ),
    (
        "strict, modulo gauge",
        "(u, v) and (uO, vO) with O orthogonal are the same δ; a minimum is strict if the curvature is positive in all "
        "other directions.",
    ),
    (
        "excess",
        "How far an objective lies above the optimum, or above a better point of the same rank; relative.",
    ),
)

# What the end of a run is called, by the evidence for it.
ENDPOINTS = {
    Endpoint.global_: "within 1e-6 of a dual bound of the convex optimum",
    Endpoint.spurious: "a strict local minimum, although an exhibited point of rank ≤ r is better",
    Endpoint.rank_limited: "a strict local minimum above the optimum, no better point of rank ≤ r is known",
    Endpoint.flat: "no negative curvature, but a valley",
    Endpoint.saddle: "negative curvature, exhibited",
    Endpoint.unconverged: "no stationary point within reach",
    Endpoint.inconclusive: "the margin is below what the arithmetic supports",
}


def setting_section() -> Element:
    """Folded, since a second visit does not need it."""
    words = [*SYMBOLS, *((kind.value.replace("_", "-"), said) for kind, said in ENDPOINTS.items())]
    terms = [part for term, said in words for part in (node("dt", term), node("dd", said))]
    return node(
        "section",
        node("details", node("summary", "Symbols and words of this page"), node("dl", *terms)),
        attributes={"id": "setting"},
    )
