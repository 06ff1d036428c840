"""What each component of the full ranking model brings, and what it costs."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from scripts.tools.evaluate.common.figures import Ranked, of_ranks
from scripts.tools.evaluate.common.output import row

STEPS = {
    "transitions": "transitions",
    "factors": "+ factors",
    "hybrid": "+ popularity (hybrid)",
    "online": "+ neighbours (online)",
}
"""Models, each with one component more than the one before, and what the table calls them."""
_BROUGHT = ("hr@10", "ndcg@10")
_COSTS = ("us_an_event", "us_a_ranking")


def rows(whole: Mapping[str, Ranked], liked: Mapping[str, Ranked] | None) -> list[dict[str, Any]]:
    """Return what each component adds to the one before, as rows `+hr@10`, `+ndcg@10`, ….

    Parameters
    ----------
    whole, liked
        Ranked events by model: of the whole stream, and of the good ratings.
    """
    found = []
    for part, ranked in (("all", whole), ("ge4", liked)):
        before: dict[str, float] = {}
        for model in STEPS if ranked else ():
            one = (ranked or {})[model]
            figures = {**of_ranks(one.ranks), **one.more}
            wanted = {m: figures[m] for m in (*_BROUGHT, *_COSTS) if m in figures}
            found += [
                row(model, f"+{metric}", part, value - before.get(metric, 0.0))
                for metric, value in wanted.items()
            ]
            before = wanted
    return found


def show(out: Console, found: Sequence[dict[str, Any]]) -> None:
    """Show the table: each component with its gain on the one before, of the whole stream."""
    values = {(r["model"], r["metric"]): r["value"] for r in found if r["slice"] == "all"}
    table = Table("components", "HR@10", "gain", "NDCG@10", "gain", "µs an event", "µs a ranking",
                  title="ablation: what each component brings", title_justify="left")  # fmt: skip
    for model, name in STEPS.items():
        cells = [name]
        for metric in _BROUGHT:
            value, gain = values.get((model, metric)), values.get((model, f"+{metric}"))
            cells.append("" if value is None else f"{value:.4f}")
            cells.append("" if gain is None or model == "transitions" else f"{gain:+.4f}")
        for metric in _COSTS:
            value = values.get((model, metric))
            cells.append("" if value is None else f"{value:.1f}")
        table.add_row(*cells)
    out.print(table)
