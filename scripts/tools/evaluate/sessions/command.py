"""What is clicked next in a session: each click is ranked before it is learnt.

One pass through the job's own pipeline for each model; a session is a user, and items may be
recommended again. Scored is every click with an earlier one in its session, of an item seen before;
ranked are all items seen so far; ties count half. Period 0 is only learnt, and a figure is the mean
of the values of the periods after it (ADER, Mi et al., RecSys 2020). The deep model is fine-tuned
as in `scripts/evaluate ranking`.
"""

import argparse
import time
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from conf.units import DURATIONS, parse
from scripts.tools.console import ToolError, positive, progress
from scripts.tools.data import columns
from scripts.tools.evaluate.common.figures import Ranked
from scripts.tools.evaluate.common.output import add_options, chosen, console_beside, row, write
from scripts.tools.evaluate.sessions import plot
from scripts.tools.evaluate.sessions.data import COLUMNS, Clicks
from scripts.tools.evaluate.sessions.figures import METRICS, by_period, mean
from scripts.tools.evaluate.sessions.run import run
from scripts.tools.evaluate.stream import deep_options, rounds
from scripts.tools.evaluate.stream.passes import Pass, own, weights_of

_SECOND_MS = 1_000
DEEP = ("deep", "blend")
_USUAL = ("online", "light", "transitions", "neighbours", "popularity")
MODELS = (*_USUAL, "fixed", *DEEP)


def add_to(protocols: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to those of `scripts/evaluate`."""
    parser = protocols.add_parser(
        "sessions", help="what is clicked next in a session", description=__doc__
    )
    parser.set_defaults(evaluate=evaluate)
    add = parser.add_argument
    columns.add_arguments(
        parser,
        " (a time is not needed); the clicks of a period in order",
        required=True,
        roles=(*COLUMNS, "time"),
    )
    add_options(parser, plot="recall@20 over the stream", models=MODELS, default=_USUAL)
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
    deep_options.add_to(parser, DEEP)


def evaluate(options: argparse.Namespace) -> int:
    """Evaluate as the command line says."""
    models = chosen(options.models, MODELS)
    window = parse(options.count_window, DURATIONS)
    if window is None or window < _SECOND_MS:
        message = f"--count-window: expected a time such as 1s or 6h, got {options.count_window}"
        raise ToolError(message, code=2)
    clicks = Clicks.of(options.data, options.limit, options.columns)
    begin = time.monotonic()
    passes, tuning = run(clicks, models, options)
    ranked = own(models, passes)
    if tuning is not None:
        ranked |= {model: tuning.ranked(model) for model in models if model in DEEP}
    periods = {model: by_period(one, clicks.period) for model, one in ranked.items()}
    found = _rows(ranked, periods)
    out, done = console_beside(options.json), tuning.rounds if tuning else []
    _show(out, found, passes, time.monotonic() - begin)
    rounds.show(out, done)
    if options.json is not None:
        write(
            options.json,
            found,
            periods=[{"model": model, **one} for model in models for one in periods[model]],
            rounds=[each.as_mapping() for each in done],
            fates=dict(next(iter(passes.values())).fates),
            clicks=clicks.events,
        )
    if options.plot is not None:
        plot.draw(options.plot, periods, weights_of(passes))
        progress(f"plot in {options.plot}")
    return 0


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
