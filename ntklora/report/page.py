"""The page: sections in the order in which a reader asks, one style sheet, no script."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from xml.etree.ElementTree import Element

from ntklora.claims.claim import Outcome
from ntklora.plotting.files import Plotted
from ntklora.report.gallery import gallery_section
from ntklora.report.html import link, markup, node
from ntklora.report.setting import setting_section
from ntklora.report.sources import Source, failures_section, sources_section
from ntklora.report.verdicts import Verdicts, verdicts_section
from ntklora.sweeps.profile import Profile
from ntklora.version import __version__

PAPERS = (
    ("JLR", "2402.11867", "Jang, Lee, Ryu, LoRA Training in the NTK Regime has No Spurious Local Minima, ICML 2024"),
    (
        "KKR",
        "2502.09376",
        "Kim, Kim, Ryu, LoRA Training Provably Converges to a Low-Rank Global Minimum or It Fails Loudly, ICML 2025",
    ),
    ("HRP", "2502.07739", "Chen et al., HRP: High-Rank Preheating for Superior LoRA Initialization"),
)


class Contents(NamedTuple):
    """Everything the page shows."""

    profile: Profile
    verdicts: Verdicts
    plotted: Sequence[Plotted]
    sources: Sequence[Source]


def page(contents: Contents) -> str:
    """The whole document as text; the same contents give the same text."""
    style = (Path(__file__).parent / "style.css").read_text()
    head = node(
        "head",
        node("meta", attributes={"charset": "utf-8"}),
        node("meta", attributes={"name": "viewport", "content": "width=device-width, initial-scale=1"}),
        node("meta", attributes={"name": "color-scheme", "content": "light dark"}),
        node("title", f"ntklora report, {contents.profile.value} profile"),
        node("style", style),
    )
    body = node(
        "body",
        _opening(contents),
        node(
            "main",
            setting_section(),
            verdicts_section(contents.verdicts),
            gallery_section(contents.plotted),
            sources_section(contents.sources),
            failures_section(contents.sources),
        ),
        _papers(),
    )
    return "<!DOCTYPE html>\n" + markup(node("html", head, body, attributes={"lang": "en"})) + "\n"


def verdict_in_short(contents: Contents) -> str:
    """One sentence for the top of the page.

    The worst is said first: a refuted claim, a control that did not do its work, what failed to run, what is missing.
    """
    results = contents.verdicts.results
    refuted = [result.claim.id for result in results if result.outcome is Outcome.refuted]
    idle = [result.claim.id for result in results if not all(control.as_expected for control in result.controls)]
    broken = [result.claim.id for result in results if result.outcome is Outcome.error]
    open_ = [result.claim.id for result in results if result.outcome is Outcome.inconclusive]
    not_run = [claim.id for claim in contents.verdicts.not_run]
    failed = sum(each.coverage.failed for each in contents.sources)
    missing = sum(each.coverage.missing for each in contents.sources)
    worries = [
        f"refuted: {', '.join(refuted)}" if refuted else "",
        f"controls not as expected: {', '.join(idle)}" if idle else "",
        f"failed to run: {', '.join(broken)}" if broken else "",
        f"inconclusive: {', '.join(open_)}" if open_ else "",
        f"not run: {', '.join(not_run)}" if not_run else "",
        f"{failed:,} failed cells" if failed else "",
        f"{missing:,} cells not computed" if missing else "",
    ]
    found = "; ".join(worry for worry in worries if worry)
    if found:
        return f"Look here first: {found}."
    if not results:
        return "No claims have been run."
    apart = sum(result.outcome is Outcome.inapplicable for result in results)
    rest = f", {apart} inapplicable" if apart else ""
    return f"{len(results) - apart} claims consistent{rest}; every control came out as expected; nothing failed."


def _opening(contents: Contents) -> Element:
    revisions = sorted({revision for each in contents.sources for revision in each.coverage.revisions})
    dates = sorted(date for each in contents.sources for date in (each.coverage.first, each.coverage.last) if date)
    span = " to ".join(dict.fromkeys([dates[0][:10], dates[-1][:10]])) if dates else "no rows yet"
    return node(
        "header",
        node("h1", "Low-rank adaptation in the NTK regime, checked by machine"),
        node(
            "p",
            f"ntklora {__version__}, profile {contents.profile.value}. Rows of {span}, revision "
            f"{', '.join(revisions) or 'none'}. Made by ",
            node("code", f"ntklora reproduce --profile {contents.profile.value}"),
            ".",
            attributes={"class": "source"},
        ),
        node("p", verdict_in_short(contents), attributes={"class": "short"}),
        node(
            "nav",
            link("#claims", "Claims"),
            link("#figures", "Figures"),
            *(link(f"#figure-{each.figure.name}", each.figure.title) for each in contents.plotted),
            link("#sources", "Where the numbers come from"),
            link("#failures", "Failures"),
        ),
    )


def _papers() -> Element:
    items = [
        node(
            "li", node("strong", name), f": {title}, ", link(f"https://arxiv.org/abs/{number}", f"arXiv {number}"), "."
        )
        for name, number, title in PAPERS
    ]
    return node("footer", node("h2", "Papers"), node("ul", *items))
