"""What the demo shows: a live picture on a terminal, plain lines anywhere else."""

import time
from collections import deque
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from scripts.tools.kafka.observer import Seen
from state.topics.recommendation import Recommendation

LINE_SECONDS = 5.0
RATE_SECONDS = 10.0
WIDTH = 110
"""Of tables where there is no terminal."""


def console(*, stderr: bool = False) -> Console:
    """Return a console as wide as the terminal, or wide enough for our tables."""
    found = Console(stderr=stderr)
    return found if found.is_terminal else Console(stderr=stderr, width=WIDTH)


class View:
    """Progress of a replay and of the job behind it.

    Parameters
    ----------
    total
        Events that will be sent; None: nobody knows.
    """

    def __init__(self, total: int | None) -> None:
        self._total = total
        self._console = console(stderr=True)
        self._live = Live(console=self._console, auto_refresh=False, transient=True)
        self._begin = time.monotonic()
        self._last_line = self._begin
        self._accepted = deque([(self._begin, 0)])
        self.waits_for = ""
        """Why no events are sent for a while, where that is so."""
        self.facts: Sequence[tuple[str, str]] = ()
        """What else is to be shown: names and values."""

    def __enter__(self) -> Self:
        """Start the live picture where there is a terminal."""
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Take the live picture away."""
        self._live.stop()

    def say(self, text: str) -> None:
        """Print one line that stays."""
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    def show(self, sent: int, seen: Seen) -> None:
        """Bring the picture up to date; without a terminal, print a line now and then."""
        now = time.monotonic()
        accepted = seen.metrics.totals().accepted
        self._accepted.append((now, accepted))
        while now - self._accepted[0][0] > RATE_SECONDS:
            self._accepted.popleft()
        if self._console.is_terminal:
            self._live.update(self._picture(sent, accepted, seen), refresh=True)
        elif now - self._last_line >= LINE_SECONDS:
            self._last_line = now
            facts = [f"{name} {value}" for name, value in self._facts(sent, accepted, seen)]
            self.say(f"{now - self._begin:5.0f} s  " + " · ".join(facts))

    def _rate(self) -> float:
        """Return accepted events a second: they become visible in leaps, one a checkpoint."""
        (begin, before), (end, after) = self._accepted[0], self._accepted[-1]
        return (after - before) / max(end - begin, 1e-9)

    def _facts(self, sent: int, accepted: int, seen: Seen) -> list[tuple[str, str]]:
        facts = [
            ("sent", f"{sent:,}"),
            ("accepted", f"{accepted:,} ({self._rate():,.0f}/s)"),
            ("recommendations", f"{seen.recommendations:,} for {len(seen.users):,} users"),
        ]
        facts += self.facts
        quality = seen.metrics.quality()
        if quality.hit_rate is not None and quality.popularity_hit_rate is not None:
            popularity = quality.popularity_hit_rate
            facts.append(
                ("hit rate", f"{quality.hit_rate:.3f} against popularity {popularity:.3f}")
            )
        tuning = seen.metrics.fine_tune
        if self.waits_for:
            facts.append(("waits for", self.waits_for))
        if tuning.get("model") or tuning.get("status") == "training":
            facts.append(("fine-tuning", fine_tuning(tuning)))
        if (deep := quality.with_deep) is not None:
            told = f"blend {deep.blend:.3f}, online alone {deep.online:.3f}"
            told += f", deep alone {deep.deep:.3f}, popularity {deep.popularity:.3f}"
            facts.append(("with the deep model", told))
        if quality.rmse is not None:
            facts.append(("rmse", f"{quality.rmse:.4f}"))
        fresh = seen.freshness()
        if fresh is not None:
            facts.append(("freshness", f"p50 {fresh[0]:,.0f} ms, p99 {fresh[1]:,.0f} ms"))
        return facts

    def _picture(self, sent: int, accepted: int, seen: Seen) -> Group:
        table = Table.grid(padding=(0, 2))
        for name, value in self._facts(sent, accepted, seen):
            table.add_row(Text(name, style="dim"), value)
        bar = ProgressBar(total=self._total, completed=sent, width=60)
        newest = [] if seen.newest is None else [recommendation_table(seen.newest)]
        return Group(bar, table, *newest)


def fine_tuning(status: Mapping[str, Any]) -> str:
    """Return where fine-tuning stands, in one line."""
    served = f"model {status['model']} serves" if status.get("model") else "no model yet"
    if status.get("status") != "training":
        return served
    round_ = f"round {status['round']}"
    if "step" not in status:
        return f"{round_} begins, {served}"
    left = f"{status['left_s']:.0f} s left"
    steps = f"step {status['step']} of {status['steps']}"
    loss = f", loss {status['loss']:.3f}" if "loss" in status else ""  # a private round tells none
    return f"{round_}: {steps}{loss}, {left}; {served}"


def recommendation_table(recommendation: Recommendation, rows: int = 5) -> Table:
    """Return the first items of a recommendation with their reasons."""
    table = Table(title=f"for {recommendation.user_id}", title_justify="left")
    table.add_column("item")
    table.add_column("score", justify="right")
    table.add_column("reason")
    for item in recommendation.items[:rows]:
        source = f" from {item.source}" if item.source else ""
        table.add_row(item.item_id, f"{item.score:.3f}", item.reason + source)
    return table
