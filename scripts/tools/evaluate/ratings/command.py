"""What users would rate: each rating of a file is predicted before it is learnt.

One pass in the order of time, every rating counts, predictions are clipped to the range of the
ratings. The models are the diagonal filter, the same stacked with a factorisation that is fitted to
the whole past now and then, and River's BiasedMF and biases with the settings of its documentation.
"""

import argparse
import time
from collections.abc import Mapping

from rich.console import Console
from rich.table import Table

from scripts.tools.console import ToolError, progress
from scripts.tools.data import columns
from scripts.tools.data.behaviour import recorded
from scripts.tools.evaluate.common.output import (
    SLICES,
    add_options,
    chosen,
    console_beside,
    first_of,
    progress_bar,
    write,
)
from scripts.tools.evaluate.ratings import plot
from scripts.tools.evaluate.ratings.data import Ratings
from scripts.tools.evaluate.ratings.run import MODELS, Evaluation, Passed, figures, rows


def add_to(protocols: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to those of `scripts/evaluate`."""
    parser = protocols.add_parser(
        "ratings", help="what users would rate, each rating predicted", description=__doc__
    )
    parser.set_defaults(evaluate=evaluate)
    add = parser.add_argument
    columns.add_arguments(parser, required=True)
    add_options(
        parser, plot="root mean squared error over the stream", models=MODELS, default=MODELS
    )
    add(
        "--refit-every",
        type=float,
        default=0.05,
        metavar="SHARE",
        help="share of the events between two refits (default: 0.05)",
    )
    for name, which in (("min", "lowest"), ("max", "highest")):
        add(
            f"--rating-{name}",
            type=float,
            metavar="R",
            help=f"{which} rating there can be (default: that of the file)",
        )


def evaluate(options: argparse.Namespace) -> int:
    """Evaluate as the command line says."""
    models = chosen(options.models, MODELS)
    if not 0 < options.refit_every <= 1:
        message = f"--refit-every: expected a share above 0, up to 1, got {options.refit_every}"
        raise ToolError(message, code=2)
    ratings = Ratings.of(
        recorded(options.data, columns=options.columns, events=options.limit),
        lowest=options.rating_min,
        highest=options.rating_max,
    )
    evaluation = Evaluation(ratings, seed=options.seed, refit_every=options.refit_every)
    begin = time.monotonic()
    with progress_bar() as bar:
        passed = evaluation.run(models, bar)
    _show(console_beside(options.json), passed, ratings, time.monotonic() - begin)
    if options.json is not None:
        write(
            options.json,
            rows(passed, ratings),
            ratings=ratings.told(),
        )
    if options.plot is not None:
        plot.draw(options.plot, passed, ratings)
        progress(f"plot in {options.plot}")
    return 0


def _show(out: Console, passed: Mapping[str, Passed], ratings: Ratings, seconds: float) -> None:
    heads = [f"{metric} {part}" for part in SLICES for metric in ("rmse", "mae")]
    events = ", ".join(f"{part} {len(ratings) - first_of(part, len(ratings)):,}" for part in SLICES)
    table = Table("model", *heads, "us an event", title=f"ratings: {events}", title_justify="left")
    for model, one in passed.items():
        found = figures(one, ratings)
        cells = [found[metric, part] for part in SLICES for metric in ("rmse", "mae")]
        table.add_row(model, *map(_cell, cells), f"{found['us_an_event', 'all']:.2f}")
    out.print(table)
    out.print(
        f"{ratings.users:,} users, {ratings.items:,} items, ratings from {ratings.lowest:g}"
        f" to {ratings.highest:g}; {seconds:,.0f} s"
    )


def _cell(value: float | None) -> str:
    return "diverged" if value is None else f"{value:.4f}"
