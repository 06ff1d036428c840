"""What `scripts/evaluate arms` shows: tables of arms, their comparison, and warnings."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from scripts.tools.console import progress
from scripts.tools.evaluate.feedback.comparison import LEAST_ACTIVE, LEAST_USERS, Comparison, Plan
from scripts.tools.evaluate.feedback.impressions import Bad
from scripts.tools.evaluate.feedback.sample_ratio import LEAST_P, SampleRatio
from scripts.tools.evaluate.feedback.slices import ALL, POSITION, REASON
from scripts.tools.kafka.letters import shown

_ROWS = 60
"""Rows of a table; all are in the JSON."""
_NAMED = 10
"""Users who are named."""
_NAME = 40
"""Characters of a name."""
_METRICS = {"click_through": "click-through", "reward_per_impression": "reward per impression"}


def show(
    out: Console,
    rows: Sequence[dict[str, Any]],
    comparisons: Sequence[Comparison],
    right: SampleRatio | None,
    plan: Plan,
) -> None:
    """Show the arms, then their comparison."""
    for name in (ALL, POSITION, REASON):
        _show_totals(out, name, [row for row in rows if row["slice"] == name])
    if not comparisons:
        out.print("one arm only: nothing to compare it with", markup=False)
        return
    _show_comparisons(out, comparisons, plan)
    if right is not None:
        _show_sample_ratio(out, right)


def tell(left_out: Mapping[str, int], bad: Bad, several: Sequence[str]) -> None:
    """Say what was left out, apart from the answer."""
    tell_bad(bad)
    if without := left_out["without_arm"]:
        progress(f"left out: {without:,} impressions without an arm, outside the experiment")
    if several:
        more = f" and {len(several) - _NAMED:,} more" if len(several) > _NAMED else ""
        impressions = left_out["in_several_arms"]
        progress(
            f"left out: {len(several):,} users seen in several arms, with {impressions:,}"
            f" impressions: {', '.join(several[:_NAMED])}{more}"
        )


def tell_bad(bad: Bad) -> None:
    """Say how many values are no records, and what is wrong with the first ones."""
    if bad.count:
        progress(f"left out: {bad.count:,} values that are no records; the first ones:")
        for example in bad.examples:
            progress(f"  {example}")


def _show_totals(out: Console, name: str, rows: Sequence[dict[str, Any]]) -> None:
    table = Table("arm", title=f"by {name}" if name != ALL else "arms", title_justify="left")
    if name != ALL:
        table.add_column(name)
    for column in ("users", "impressions", "clicks", "click-through", "reward per 1,000"):
        table.add_column(column, justify="right")
    for row in rows[:_ROWS]:
        label = [] if name == ALL else [_text(str(row["of"]))]
        counts = (f"{row[key]:,}" for key in ("users", "impressions", "clicks"))
        rates = (_number(row["click_through"], ".4f"), _number(row["reward_per_1000"], ",.2f"))
        table.add_row(_text(row["arm"]), *label, *counts, *rates)
    out.print(table)
    if len(rows) > _ROWS:
        out.print(f"and {len(rows) - _ROWS:,} more rows: --json has them", markup=False)


def _show_comparisons(out: Console, comparisons: Sequence[Comparison], plan: Plan) -> None:
    title = f"against {shown(comparisons[0].control, _NAME)}"
    table = Table("arm", "of", title=Text(title), title_justify="left")
    table.add_column("difference", justify="right")
    table.add_column("interval at every look", justify="right")
    table.add_column("so far")
    for one in comparisons:
        ends = f"{one.low:+.5f} … {one.high:+.5f}" if one.low is not None else "too few"
        apart = _number(one.difference, "+.5f")
        table.add_row(_text(one.arm), _METRICS[one.metric], apart, ends, one.verdict)
    out.print(table)
    arms = len({one.arm for one in comparisons})
    each = "" if arms == 1 else f", {plan.alpha / arms:.3g} of each arm"
    out.print(
        f"alpha {plan.alpha:g} over all looks{each}; narrowest at {plan.users:,} users; decided"
        f" from {LEAST_USERS} users an arm and {LEAST_ACTIVE} with clicks",
        markup=False,
        highlight=False,
    )


def _show_sample_ratio(out: Console, right: SampleRatio) -> None:
    users = ", ".join(
        f"{shown(arm, _NAME)} {n:,} ({right.expected[arm]:,.0f} expected)"
        for arm, n in right.users.items()
    )
    out.print(
        f"users by arm: {users}; chi-square {right.chi_square:.2f}, p = {right.p:.3g}",
        markup=False,
        highlight=False,
    )
    if not right.is_right:
        progress(
            f"warning: users by arm: expected the shares, got p = {right.p:.3g} < {LEAST_P}; do not"
            " trust the comparison: find out why users are missing (or give --shares)"
        )


def _text(name: str) -> Text:
    return Text(shown(name, _NAME))


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
