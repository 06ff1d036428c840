"""What is clicked next in a session: each click is ranked before it is learnt.

One pass through the job's own corridor for each model; a session is a user, and items may be
recommended again. Scored is every click with an earlier one in its session, of an item seen before;
ranked are all items seen so far; ties count half. Period 0 is only learnt, and a figure is the mean
of the values of the periods after it (ADER, Mi et al., RecSys 2020).
"""

import argparse
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from conf.units import DURATIONS, parse
from scripts.tools.console import ToolError, positive, progress
from scripts.tools.evaluate import sessions_plot
from scripts.tools.evaluate.corridor import VARIANTS, observed
from scripts.tools.evaluate.figures import Ranked
from scripts.tools.evaluate.output import (
    add_options,
    chosen,
    console_beside,
    progress_bar,
    row,
    write,
)
from scripts.tools.evaluate.passes import Pass, needed, own
from scripts.tools.evaluate.sessions_data import Clicks
from scripts.tools.evaluate.sessions_figures import METRICS, by_period, mean

_SECOND_MS = 1_000
MODELS = ("online", "light", "transitions", "neighbours", "popularity")


def add_to(protocols: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to those of `scripts/evaluate`."""
    parser = protocols.add_parser(
        "sessions", help="what is clicked next in a session", description=__doc__
    )
    parser.set_defaults(evaluate=evaluate)
    add = parser.add_argument
    add(
        "--data",
        type=Path,
        metavar="FILE",
        required=True,
        help="Parquet with session_id, item_id, period and perhaps timestamp; the clicks of a"
        " period in order",
    )
    add_options(parser, plot="recall@20", models=MODELS, default=MODELS)
    add(
        "--score-every",
        type=positive(int),
        default=10,
        metavar="N",
        help="rank one click in N before it is learnt (default: 10)",
    )
    add(
        "--count-window",
        default="1s",
        metavar="TIME",
        help="users.count_window: further clicks of a session on one item within this time teach"
        " nothing (default: 1s; the job's own default is 6h)",
    )


def evaluate(options: argparse.Namespace) -> int:
    """Evaluate as the command line says."""
    models = chosen(options.models, MODELS)
    window = parse(options.count_window, DURATIONS)
    if window is None or window < _SECOND_MS:
        message = f"--count-window: expected a time such as 1s or 6h, got {options.count_window}"
        raise ToolError(message, code=2)
    clicks = Clicks.of(options.data, options.limit)
    begin = time.monotonic()
    passes = _passes(clicks, models, options)
    ranked = own(models, passes)
    periods = {model: by_period(one, clicks.period) for model, one in ranked.items()}
    found = _rows(ranked, periods)
    _show(console_beside(options.json), found, passes, time.monotonic() - begin)
    if options.json is not None:
        write(
            options.json,
            found,
            periods=[{"model": model, **one} for model in models for one in periods[model]],
            fates=dict(next(iter(passes.values())).fates),
            clicks=clicks.events,
        )
    if options.plot is not None:
        sessions_plot.draw(options.plot, periods)
        progress(f"plot in {options.plot}")
    return 0


def _passes(clicks: Clicks, models: list[str], options: argparse.Namespace) -> dict[str, Pass]:
    config = {
        "users": {"count_window": options.count_window},
        "recommend": {"repeats": "allow"},
        "deep": {"enabled": False},
        "learning": {"ranking": {"seed": options.seed}},
    }
    done = {}
    with progress_bar() as bar:
        for name in needed(models):
            task = bar.add_task(name, total=clicks.events)

            def report(events: int, text: str, task: Any = task) -> None:
                bar.update(task, completed=events, description=text)

            corridor = observed(VARIANTS[name], config, options.score_every)
            done[name] = Pass(clicks, corridor, listing=False)
            done[name].run(name, report)
    return done


def _rows(
    ranked: Mapping[str, Ranked], periods: Mapping[str, list[dict[str, Any]]]
) -> list[dict[str, Any]]:
    """Return a row for every model and metric."""
    found = []
    for model, one in ranked.items():
        figures = {metric: mean(periods[model], metric) for metric in METRICS}
        figures |= one.more
        found += [row(model, metric, "all", value) for metric, value in figures.items()]
    return found


def _show(
    out: Console, found: list[dict[str, Any]], passes: Mapping[str, Pass], seconds: float
) -> None:
    values = {(one["model"], one["metric"]): one["value"] for one in found}
    table = Table("model", *METRICS, "us an event", title="mean of the periods after 0",
                  title_justify="left")  # fmt: skip
    for model in dict.fromkeys(one["model"] for one in found):
        cost = values.get((model, "us_an_event"))
        cells = [values.get((model, metric)) for metric in METRICS]
        table.add_row(
            model,
            *("" if value is None else f"{value:.4f}" for value in cells),
            "" if cost is None else f"{cost:.1f}",
        )
    out.print(table)
    first = next(iter(passes.values()))
    fates = ", ".join(f"{count:,} {fate}" for fate, count in first.fates.items())
    out.print(
        f"{len(first.numbers):,} clicks ranked, {first.cold:,} of them left out as their item had"
        f" never been seen; {fates}; {seconds:,.0f} s"
    )
