"""What `scripts/evaluate offpolicy` shows: a table of estimates, and what they rest on."""

from typing import Any

from rich.console import Console
from rich.table import Table

from scripts.tools.console import progress
from scripts.tools.evaluate.feedback.arms_view import tell_bad
from scripts.tools.evaluate.feedback.impressions import Bad
from scripts.tools.evaluate.feedback.weights import Estimates, Usable

_REASONS = {
    "propensity_missing": "without a finite propensity",
    "propensity_not_above_0": "with a propensity that is not above 0",
    "propensity_above_1": "with a propensity above 1",
    "without_line_of_target": "without a line in the file of --target",
}
_FEW = 100
"""Effective impressions below which intervals are not to be trusted."""


def rows(found: Estimates) -> list[dict[str, Any]]:
    """Return a row an estimate: `estimate`, `value`, `low` and `high`."""
    every = (("logged", found.logged), ("ips", found.ips), ("snips", found.snips))
    told = []
    for name, one in every:
        low, high = one.interval() or (None, None)
        told.append({"estimate": name, "value": one.value, "low": low, "high": high})
    return told


def show(out: Console, found: Estimates) -> None:
    """Show the estimates."""
    table = Table("estimate", title="reward per impression", title_justify="left")
    table.add_column("value", justify="right")
    table.add_column("95 % interval", justify="right")
    names = {"logged": "logged policy", "ips": "IPS", "snips": "SNIPS"}
    for row in rows(found):
        ends = "one user" if row["low"] is None else f"{row['low']:.5f} … {row['high']:.5f}"
        table.add_row(names[row["estimate"]], f"{row['value']:.5f}", ends)
    out.print(table)
    clipped = f", {found.clipped:,} clipped" if found.clipped else ""
    out.print(
        f"{found.impressions:,} impressions, {found.users:,} users; effective sample size"
        f" {found.effective:,.0f}; weights: largest {found.largest:.4g}, mean {found.mean:.4f}"
        f"{clipped}",
        markup=False,
        highlight=False,
    )


def tell(bad: Bad, bad_of_target: Bad | None, usable: Usable, found: Estimates) -> None:
    """Say what was left out and what is doubtful, apart from the answer."""
    tell_bad(bad)
    if bad_of_target is not None:
        tell_bad(bad_of_target)
    for name, count in usable.left_out.items():
        if count:
            progress(f"left out: {count:,} impressions {_REASONS[name]}; estimates lack them")
    if found.effective < _FEW:
        progress(
            f"warning: expected an effective sample size of {_FEW} or more, got"
            f" {found.effective:.1f}; do not trust the intervals, gather more records"
        )
