"""How the critical rank grows with the number of samples: worst case, typical instances, the theory's curves."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ntklora.plotting.boundary import fit_growth, fit_power_law, usual_decay
from ntklora.plotting.heat_map import DASHES
from ntklora.plotting.intervals import share_interval
from ntklora.plotting.style import BLUE, GREY, INK, SMALLEST, VERMILION, ladder, new_drawing, plain_ticks
from ntklora.plotting.tables import Record, compare_in_words, grouped, interval_in_words, named_interval, new_record
from ntklora.sweeps import Figure
from ntklora.sweeps.figure import Rows, Table
from ntklora.theory import landscape_rank, planting_threshold, sharp_landscape_rank

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

HALF = 0.5  # of the instances
NAMES = (
    *("part", "family", "fan_out", "fan_in", "lam_ratio", "excess", "offset", "rank", "surveyed", "num_samples"),
    "instances",
    *(f"{value}{end}" for value in ("instance_share", "exponent") for end in ("", "_low", "_high")),
    "prefactor",
)
MARKERS = "osD^v"


def tabulate(rows: Mapping[str, Rows]) -> Table:
    """In long form, by `part`.

    planted: share of planted instances at `offset` = N − r(r+3)/2, all ranks together. first: the least N at which an
    instance planted or searched for has a spurious minimum of this rank. critical: the largest rank at which half of
    the instances of a family have one, 0 where none has, of ranks up to `surveyed`. growth: the fitted power laws, of
    the first for the planted.
    """
    own, surveys = rows.get("phase_diagram", ()), rows.get("landscape", ())
    gaussian = [row for row in own if row["family"] == "gaussian"]
    planted, elsewhere = ([row for row in some if row["family"] == "planted"] for some in (own, surveys))
    worst = [*planted, *elsewhere, *rows.get("worst_case", ())]
    networks = [row for row in surveys if row["family"] not in ("planted", "gaussian")]
    return [*_planted(planted), *_worst(worst), *_typical(gaussian), *_networks(networks)]


def _planted(rows: Rows) -> list[Record]:
    cells: dict[tuple[float, int], list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        cells[row["excess"], row["num_samples"] - planting_threshold(row["rank"])].append(row)
    return [
        new_record(
            NAMES, part="planted", family="planted", excess=excess, offset=offset, **_counted(cells[excess, offset])
        )
        for excess, offset in sorted(cells)
    ]


def _counted(rows: Rows) -> dict[str, Any]:
    share = share_interval(sum(row["spurious"] > 0 for row in rows), len(rows))
    return {"instances": len(rows), **named_interval("instance_share", share)}


def _worst(rows: Rows) -> list[Record]:
    found = grouped([row for row in rows if row["spurious"]], "rank")
    first = {rank: min(row["num_samples"] for row in some) for (rank,), some in found.items()}
    records = [new_record(NAMES, part="first", family="planted", rank=rank, num_samples=first[rank]) for rank in first]
    if law := fit_power_law(list(first.values()), list(first)):
        own = {"prefactor": law.prefactor, **named_interval("exponent", law.exponent)}
        records.append(new_record(NAMES, part="growth", family="planted", **own))
    return records


def _typical(rows: Rows) -> list[Record]:
    records = []
    for (fan_out, fan_in, lam_ratio), some in grouped(rows, "fan_out", "fan_in", "lam_ratio").items():
        of = {"family": "gaussian", "fan_out": fan_out, "fan_in": fan_in, "lam_ratio": lam_ratio}
        records += _criticals(some, of)
        if law := fit_growth(some):
            own = {"prefactor": law.prefactor, **named_interval("exponent", law.exponent)}
            records.append(new_record(NAMES, part="growth", **of, **own))
    return records


def _networks(rows: Rows) -> list[Record]:
    families = grouped(rows, "family", "lam_ratio").items()
    return [
        record
        for (family, lam_ratio), some in families
        for record in _criticals(some, {"family": family, "lam_ratio": lam_ratio})
    ]


def _criticals(rows: Rows, of: Mapping[str, Any]) -> list[Record]:
    """The critical rank at every N at which all ranks were surveyed: without some the largest one is not known."""
    ranks, records = {row["rank"] for row in rows}, []
    for (count,), column in grouped(rows, "num_samples").items():
        cells = grouped(column, "rank")
        if len(cells) == len(ranks):
            found = [rank for (rank,), cell in cells.items() if _counted(cell)["instance_share"] >= HALF]
            instances = min(len(cell) for cell in cells.values())
            critical = {"num_samples": count, "rank": max(found, default=0), "surveyed": max(ranks)}
            records.append(new_record(NAMES, part="critical", **of, **critical, instances=instances))
    return records


def finding(table: Table) -> str:
    """The exponents beside 1/2, where the worst case begins, and how far typical instances are from the guarantee."""
    said = [_said_of_worst(table), _said_of_typical(table), _said_of_distance(table)]
    return " ".join(sentence for sentence in said if sentence) or "The surveys show no critical rank."


def _part(table: Table, part: str, planted: bool) -> list[Record]:
    return [record for record in table if record["part"] == part and (record["family"] == "planted") == planted]


def _said_of_worst(table: Table) -> str:
    first = {record["rank"]: record["num_samples"] for record in _part(table, "first", True)}
    if not first:
        return (
            "No instance planted or searched for had a spurious minimum, so the worst case is not shown."
            if table
            else ""
        )
    early, late = (
        [rank for rank, count in first.items() if sign * (count - planting_threshold(rank)) > 0] for sign in (-1, 1)
    )
    ranks = f"r = {min(first)}" if len(first) == 1 else f"r = {min(first)} … {max(first)}"
    where = "exactly at N = r(r+3)/2" if not late else f"at N = r(r+3)/2, except later at r = {_listed(late)}"
    said = f"In the worst case, planted or searched for, spurious minima of {ranks} begin {where}"
    if early:
        said = f"Spurious minima of r = {_listed(early)} appear below N = r(r+3)/2, which contradicts T2-strict"
    for law in _part(table, "growth", True):
        exact = fit_power_law([planting_threshold(rank) for rank in first], list(first))
        curve = "" if exact is None else f"; the curve itself: {exact.exponent.value:.2f} there, 1/2 in the limit"
        said += f", a rank that grows as N^{interval_in_words(law, 'exponent')} over N = "
        said += (
            f"{min(first.values())} … {max(first.values())} ({compare_in_words(law, 'exponent', 0.5, '1/2')}{curve})"
        )
    return f"{said}."


def _said_of_typical(table: Table) -> str:
    laws = grouped(_part(table, "growth", False), "lam_ratio")
    each = [
        (f"with λ = {lam_ratio:g} λ_max" if lam_ratio else "without weight decay")
        + " as N to the "
        + ", ".join(
            f"{interval_in_words(law, 'exponent')} on {law['fan_out']}×{law['fan_in']} "
            f"({compare_in_words(law, 'exponent', 0.5, '1/2')})"
            for law in some
        )
        for (lam_ratio,), some in laws.items()
    ]
    return f"The typical critical rank of Gaussian features grows {'; '.join(each)}." if each else ""


def _said_of_distance(table: Table) -> str:
    """Critical ranks at the largest N, beside the largest ranks that the theorems leave open."""
    critical, said = _part(table, "critical", False), []
    for what, gaussian in (("Gaussian features", True), ("linearized networks on digits", False)):
        records = [record for record in critical if (record["family"] == "gaussian") == gaussian]
        if records:
            count = max(record["num_samples"] for record in records)
            top = max((record for record in records if record["num_samples"] == count), key=lambda each: each["rank"])
            bound = "at least" if top["rank"] == top["surveyed"] else "at most"
            left = f"{landscape_rank(count) - 1} (T2) and {sharp_landscape_rank(count) - 1} (T2-strict)"
            said.append(
                f"on {what} at N = {count} the critical rank is {bound} {top['rank']}, while the theorems leave ranks "
                f"open up to {left}"
            )
    return f"Practice against theory: {'; '.join(said)}." if said else ""


def _listed(ranks: Sequence[int]) -> str:
    return ", ".join(str(rank) for rank in ranks)


def draw(table: Table) -> Drawing:
    """Planted shares over the distance to r(r+3)/2, and critical ranks over N."""
    drawing = new_drawing(2.15)
    left, right = drawing.subplots(1, 2, width_ratios=(1, 1.35))
    _planted_shares(left, _part(table, "planted", True))
    _critical_ranks(right, table)
    return drawing


def _planted_shares(axes: Axes, records: Table) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.axvline(0, color=INK, linewidth=0.8, linestyle=DASHES)
    by_excess = grouped(records, "excess")
    for look, ((excess,), cells) in zip(ladder(len(by_excess)), by_excess.items()):
        x, y = [cell["offset"] for cell in cells], [cell["instance_share"] for cell in cells]
        bars = [[cell["instance_share"] - cell["instance_share_low"] for cell in cells]]
        bars.append([cell["instance_share_high"] - cell["instance_share"] for cell in cells])
        axes.errorbar(
            x, y, yerr=bars, color=look.color, marker=look.marker, linestyle=look.linestyle, markersize=2.6,
            elinewidth=0.5, label=f"$e = {excess:g}$",
        )  # fmt: skip
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.set_title("planted", fontsize=6.5)
    axes.set_xlabel("$N - r(r+3)/2$")
    axes.set_ylabel("share of instances")
    axes.set_ylim(-0.05, 1.05)
    if by_excess:
        axes.legend(fontsize=SMALLEST, loc="upper right", handlelength=1.6)


def _critical_ranks(axes: Axes, table: Table) -> None:
    first = _part(table, "first", True)
    critical = [record for record in _part(table, "critical", False) if record["rank"]]
    last = 1.3 * max([record["num_samples"] for record in (*first, *critical)], default=10)
    counts = [2 * (last / 2) ** (step / 200) for step in range(201)]
    known = [axes.plot(counts, [landscape_rank(int(n)) - 1 for n in counts], color=INK, linewidth=0.8)[0]]
    sharp = [sharp_landscape_rank(int(n)) - 1 for n in counts]
    known += axes.plot(counts, sharp, color=INK, linewidth=0.8, linestyle=DASHES)
    gaussian = [record for record in critical if record["family"] == "gaussian"]
    usual = usual_decay(gaussian)
    x, y = [record["num_samples"] for record in first], [record["rank"] for record in first]
    axes.plot(x, y, color=VERMILION, marker="D", linestyle="", label="worst case", zorder=4)
    typical = grouped([record for record in gaussian if record["lam_ratio"] == usual], "fan_out", "fan_in")
    for marker, ((fan_out, fan_in), records) in zip(MARKERS, typical.items()):
        x, y = [record["num_samples"] for record in records], [record["rank"] for record in records]
        look = {"color": BLUE, "marker": marker, "markersize": 2.8, "markerfacecolor": "white"}
        axes.plot(x, y, linestyle="", label=f"typical, {fan_out}×{fan_in}", **look)
        for law in _part(table, "growth", False):
            if (law["fan_out"], law["fan_in"], law["lam_ratio"]) == (fan_out, fan_in, usual):
                within = [n for n in counts if min(x) <= n <= max(x)]
                fitted = [law["prefactor"] * n ** law["exponent"] for n in within]
                axes.plot(within, fitted, color=BLUE, linewidth=0.6, zorder=1)
    networks = [record for record in critical if record["family"] != "gaussian"]
    worst = {
        count: max(record["rank"] for record in some) for (count,), some in grouped(networks, "num_samples").items()
    }
    if worst:
        axes.plot(list(worst), list(worst.values()), color=GREY, marker="x", linestyle="", label="digits")
    axes.set_xscale("log")
    axes.set_yscale("log")
    plain_ticks(axes.xaxis, (2, 4, 8, 16, 32, 64, 128))
    plain_ticks(axes.yaxis, (1, 2, 4, 8, 16))
    axes.set_title("critical rank $r_c$", fontsize=6.5)
    axes.set_xlabel("samples $N$")
    axes.legend(fontsize=SMALLEST, loc="upper left", handlelength=0.8, handletextpad=0.3, borderpad=0.0)
    statements = ["$r(r+1)/2 = KN$, T2 [paper]", "$r(r+3)/2 = d$, T2-strict [derived]"]
    axes.figure.legend(known, statements, loc="outside lower right", ncols=2, fontsize=SMALLEST, columnspacing=1.0)


figure = Figure(
    name="critical_rank",
    title="How the critical rank grows with the number of samples",
    caption=(
        "Left: share of planted instances [derived] with a spurious minimum, over the distance of N to r(r+3)/2, all "
        "ranks together, for excesses e of the gradient's norm over λ; 95% intervals. Right: least N with a spurious "
        "minimum, planted or found by adversarial search, at each rank (diamonds); largest rank at which half of the "
        "instances have one, for Gaussian features of three shapes with the power laws fitted to them (blue; logistic "
        "regression of instances over log N and log r, counts of parameters below KN/2 left out), and for linearized "
        "networks on digits (crosses: largest of six). Solid: largest rank that T2 [paper] leaves open, r(r+1)/2 ≤ KN, "
        "about √(2KN); dashed: T2-strict [derived], r(r+3)/2 ≤ d. K = 1, squared loss, with weight decay; endpoints "
        "are those of a regularized Newton method."
    ),
    experiments=("phase_diagram", "worst_case", "landscape"),
    tabulate=tabulate,
    draw=draw,
    finding=finding,
)
