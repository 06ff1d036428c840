"""Lists at one moment, against all that a user takes afterwards.

The file is cut at a time: the job's own models (as in `ranking`, through the job's own pipeline, no
Flink) and the baselines learn what is before, then each makes a list for every user known by then.
All items that the user has after the cut and had not before are wanted: precision, recall, F1, MAP
and NDCG of lists of k, means over users with 95 % intervals. Users who come later are not asked. In
`ranking`, one item is right at a time, and models go on learning.
"""

import argparse
import time

from conf.parameters import event_policy
from conf.schema import JobConfig
from scripts.tools.console import ToolError, positive, progress
from scripts.tools.data import columns
from scripts.tools.data.behaviour import Recorded, recorded
from scripts.tools.evaluate.common.event_types import check_types
from scripts.tools.evaluate.common.output import add_options, chosen, console_beside, write
from scripts.tools.evaluate.holdout import diversity, figures, view
from scripts.tools.evaluate.holdout.lists import DEEP, MODELS, lists_of
from scripts.tools.evaluate.holdout.split import Split
from scripts.tools.evaluate.stream import deep_options, rounds

_USUAL = ("online", "item_knn", "popularity")
_LONGEST = 100
"""Items of a list that the job makes at most."""


def add_to(protocols: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to those of `scripts/evaluate`."""
    parser = protocols.add_parser(
        "holdout", help="lists at one moment, against all that comes later", description=__doc__
    )
    parser.set_defaults(evaluate=evaluate)
    add = parser.add_argument
    columns.add_arguments(parser, required=True)
    add_options(parser, plot="figures by length of the list", models=MODELS, default=_USUAL)
    add(
        "--split",
        type=_share,
        default=0.8,
        metavar="SHARE",
        help="share of the rows before the cut (default: 0.8)",
    )
    add(
        "--k",
        type=_cuts,
        default=(1, 5, 10, 20),
        metavar="K,...",
        help=f"lengths of lists, up to {_LONGEST} (default: 1,5,10,20)",
    )
    add(
        "--users",
        type=positive(int),
        metavar="N",
        help="ask that many users, drawn at random (default: all)",
    )
    add(
        "--least-rating",
        type=float,
        metavar="R",
        help="take rows with a rating of R or more only (default: all rows)",
    )
    deep_options.add_to(parser, DEEP)


def evaluate(options: argparse.Namespace) -> int:
    """Evaluate as the command line says."""
    models = chosen(options.models, MODELS)
    deep_options.wanted(models)
    data = _data(options)
    begin = time.monotonic()
    split = Split.of(data, options.split, users=options.users, seed=options.seed)
    lists, tuning = lists_of(split, models, max(options.k), options)
    for model in models:
        if model not in lists:
            progress(f"{model}: no round of fine-tuning was accepted, so no lists")
    if not lists:
        message = "expected lists of one model at least, got none"
        raise ToolError(f"{message}; choose --fine-tune-every, or online beside")
    hits = {model: split.hits(one) for model, one in lists.items()}
    found = figures.rows(hits, split.counts, options.k)
    out, done = console_beside(options.json), tuning.rounds if tuning else []
    view.show(out, found, list(lists), options.k)
    diverse = diversity.rows(lists, split, options.k)
    diversity.show(out, diverse, list(lists), options.k)
    rounds.show(out, done)
    view.tell(out, split, time.monotonic() - begin)
    if options.json is not None:
        told = [each.as_mapping() for each in done]
        write(options.json, found + diverse, split=split.told, rounds=told)
    if options.plot is not None:
        view.draw(options.plot, found, list(lists), options.k)
        progress(f"plot in {options.plot}")
    return 0


def _data(options: argparse.Namespace) -> Recorded:
    """Return the rows.

    Raises
    ------
    ToolError
        Where good ratings are asked for and there are none.
    """
    data = recorded(options.data, columns=options.columns, events=options.limit)
    check_types(data)
    if options.least_rating is None:
        return data
    where = f"{data.where}: --least-rating"
    values = data.ratings(event_policy(JobConfig()).rating_type)
    if values is None:
        raise ToolError(f"{where}: expected a column of ratings, got none", code=2)
    good = values >= options.least_rating
    if not good.any():
        message = f"{where}: expected ratings of {options.least_rating:g} or more, got none"
        raise ToolError(message, code=2)
    return data.chosen(good)


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 < share < 1:
        message = f"expected a share between 0 and 1, got {text!r}"
        raise argparse.ArgumentTypeError(message)
    return share


def _cuts(text: str) -> tuple[int, ...]:
    """Return the lengths of lists, ascending, each once.

    >>> _cuts("10,1,5,5")
    (1, 5, 10)
    """
    parts = text.split(",")
    if not all(part.strip().isascii() and part.strip().isdigit() for part in parts):
        raise argparse.ArgumentTypeError(f"expected whole numbers as 1,5,10, got {text!r}")
    found = tuple(sorted({int(part) for part in parts}))
    if not 1 <= found[0] <= found[-1] <= _LONGEST:
        raise argparse.ArgumentTypeError(f"expected lengths from 1 to {_LONGEST}, got {text!r}")
    return found
