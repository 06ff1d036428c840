"""What comes next, of all items known: each event of a file is ranked before it is learnt.

The job's own models go through the job's own pipeline (no Flink: the same stages, trainer, gate and
swap), one pass each; the baselines take the same events by the same protocol. Every event counts as
a positive one, unless the file has event types: then the job's weights decide. Those of a user seen
before are scored; ranked are all items seen so far but the user's own; an item never seen is a
miss; ties count half. Where the file has ratings and no types, slice ge4 is a stream of its own:
the ratings of 4 and more only. Slices event2, event3 and event6 have the second, third and sixth
event of every user. The weights of popularity and of the deep model are learnt as in the job: from
the events of `evaluation.share` of the users.
"""

import argparse
import time
from collections.abc import Sequence
from typing import Any

from models.params.ranking import MODELS as RANKING_MODELS
from scripts.tools.console import ToolError, positive, progress
from scripts.tools.data import columns
from scripts.tools.data.behaviour import Recorded, Source, source
from scripts.tools.evaluate.common.event_types import check_types
from scripts.tools.evaluate.common.figures import windows
from scripts.tools.evaluate.common.output import add_options, chosen, console_beside, write
from scripts.tools.evaluate.common.ties import TIES, Shuffled
from scripts.tools.evaluate.ranking import ablation, plot, view
from scripts.tools.evaluate.ranking.figures import GE4, rows, sizes
from scripts.tools.evaluate.ranking.run import Evaluation, evaluated
from scripts.tools.evaluate.stream import deep_options, rounds
from scripts.tools.evaluate.stream.passes import DEEP, MODELS, weights_of

_LEAST = 4.0
_USUAL = tuple(model for model in MODELS if model not in (*DEEP, "factors", "fixed"))


def add_to(protocols: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to those of `scripts/evaluate`."""
    parser = protocols.add_parser(
        "ranking", help="what comes next, of all items known", description=__doc__
    )
    parser.set_defaults(evaluate=evaluate)
    add = parser.add_argument
    columns.add_arguments(parser, "; without it a generated drifting world")
    add_options(parser, plot="hit rate over the stream", models=MODELS, default=_USUAL)
    add(
        "--ties",
        choices=TIES,
        default="file",
        help="order of a file's events of one time: as stored, or random (default: file)",
    )
    add(
        "--score-every",
        type=positive(int),
        default=20,
        metavar="N",
        help="rank one event in N before it is learnt (default: 20)",
    )
    add(
        "--ablation",
        action="store_true",
        help="a table of what each component of the full model brings and costs",
    )
    add(
        "--model",
        choices=tuple(RANKING_MODELS),
        default="full",
        help="model of `online`, see learning.ranking.model (default: full)",
    )
    deep_options.add_to(parser, DEEP)


def evaluate(options: argparse.Namespace) -> int:
    """Evaluate as the command line says."""
    models = chosen(options.models, MODELS)
    if options.ablation:
        models = list(dict.fromkeys([*models, *ablation.STEPS]))
    deep = deep_options.wanted(models)
    data = _source(options)
    begin = time.monotonic()
    whole = evaluated(data, models, options)
    above, liked = _above(data), None
    if above is not None:
        others = [model for model in models if model not in deep]
        liked = evaluated(above, others, options, cold_start=False)
    _tell(options, models, whole, liked, begin)
    return 0


def _tell(
    options: argparse.Namespace,
    models: Sequence[str],
    whole: Evaluation,
    liked: Evaluation | None,
    begin: float,
) -> None:
    """Show the figures, and write them where they are wanted."""
    out, found = console_beside(options.json), rows(whole, liked)
    tuning = whole.tuning
    view.show(out, found, models, sizes(whole, liked), whole.passes)
    rounds.show(out, tuning.rounds if tuning else [])
    if options.ablation:
        found += ablation.rows(whole.sampled, liked.sampled if liked else None)
        ablation.show(out, found)
    view.say(out, time.monotonic() - begin, tuning.seconds if tuning else 0.0)
    _keep(options, found, whole)


def _source(options: argparse.Namespace) -> Source:
    """Return the stream.

    Raises
    ------
    ToolError
        For a random order where there is no file.
    """
    given = {"columns": options.columns, "events": options.limit, "seed": options.seed}
    if options.ties == "file":
        found = source(options.data, **given)
    elif options.data is None:
        message = "--ties random: expected --data, got none; leave it out for generated events"
        raise ToolError(message, code=2)
    else:
        found = Shuffled(*options.data, **given)
        progress(f"{found.where}: events of one time in a random order")
    if isinstance(found, Recorded):
        check_types(found)
    return found


def _above(data: Source) -> Recorded | None:
    """Return the stream of good ratings; None, with a word, where there is none."""
    if not isinstance(data, Recorded):
        progress(f"generated events: no column rating, so no slice {GE4}")
        return None
    if data.values is None or data.types is not None:
        why = "no column rating" if data.types is None else "event types of their own"
        progress(f"{data.where}: {why}, so no slice {GE4}")
        return None
    good = data.values >= _LEAST
    if not good.any():
        progress(f"{data.where}: no rating of {_LEAST:g} or more, so no slice {GE4}")
        return None
    return data.chosen(good)


def _keep(options: argparse.Namespace, found: list[dict[str, Any]], whole: Evaluation) -> None:
    """Write the figures and the plot where they are wanted."""
    one = next(iter(whole.passes.values()), None)
    done = whole.tuning.rounds if whole.tuning else []
    if options.json is not None:
        write(
            options.json,
            found,
            ties=options.ties,
            rounds=[each.as_mapping() for each in done],
            windows=windows(whole.sampled, whole.data.events),
            fates=dict(one.fates) if one else {},
            rejected=dict(one.codes) if one else {},
            cold=one.cold if one else None,
        )
    if options.plot is not None:
        swaps = [each.events for each in done]
        weights = weights_of(whole.passes)
        plot.draw(options.plot, whole.sampled, whole.data.events, swaps, weights)
        progress(f"plot in {options.plot}")
