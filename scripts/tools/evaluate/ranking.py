"""What comes next, of all items known: each event of a file is ranked before it is learnt.

The job's own models go through the job's own corridor (no Flink: the same stages, trainer, gate and
swap), one pass each; the baselines take the same events by the same protocol. Every event counts as
a positive one; those of a user seen before are scored; ranked are all items seen so far but the
user's own; an item never seen is a miss; ties count half. Where the file has ratings, slice ge4 is
a stream of its own: the ratings of 4 and more only.
"""

import argparse
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from models.deep.shape import NETWORKS
from models.params import MODELS as RANKING_MODELS
from scripts.tools.cluster.paths import trainer_python
from scripts.tools.console import ToolError, positive, progress
from scripts.tools.data.behaviour import Blocks, Recorded, Source, source
from scripts.tools.evaluate import ablation, ranking_plot, ranking_view
from scripts.tools.evaluate.baselines import run as baselines
from scripts.tools.evaluate.corridor import VARIANTS, observed
from scripts.tools.evaluate.figures import Ranked, of_ranks
from scripts.tools.evaluate.fine_tuning import FineTuning
from scripts.tools.evaluate.output import (
    SLICES,
    add_options,
    chosen,
    console_beside,
    progress_bar,
    row,
    write,
)
from scripts.tools.evaluate.passes import DEEP, MODELS, Pass, Report, needed, own

GE4 = "ge4"
_LEAST = 4.0
_USUAL = tuple(model for model in MODELS if model not in DEEP)


@dataclass
class Evaluation:
    """What came of the passes over one stream."""

    data: Blocks
    passes: dict[str, Pass] = field(default_factory=dict)
    ranked: dict[str, Ranked] = field(default_factory=dict)
    tuning: FineTuning | None = None


def add_to(protocols: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to those of `scripts/evaluate`."""
    parser = protocols.add_parser(
        "ranking", help="what comes next, of all items known", description=__doc__
    )
    parser.set_defaults(evaluate=evaluate)
    add = parser.add_argument
    add(
        "--data",
        type=Path,
        metavar="FILE",
        help="Parquet with user_id, item_id, timestamp and perhaps rating; without it a generated"
        " drifting world",
    )
    add_options(parser, plot="hit rate", models=MODELS, default=_USUAL)
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
    deep = parser.add_argument_group(f"deep models ({', '.join(DEEP)}): need scripts/setup --train")
    deep.add_argument(
        "--fine-tune-every",
        type=float,
        default=0.05,
        metavar="SHARE",
        help="share of the events between two rounds of fine-tuning (default: 0.05)",
    )
    add = deep.add_argument
    add("--network", choices=NETWORKS, default="recurrent", help="deep network")
    add(
        "--steps", type=positive(int), default=250, metavar="N", help="steps a round (default: 250)"
    )
    add("--store", type=Path, metavar="DIR", help="keep the deep models here")


def evaluate(options: argparse.Namespace) -> int:
    """Evaluate as the command line says."""
    models = chosen(options.models, MODELS)
    if options.ablation:
        models = list(dict.fromkeys([*models, *ablation.STEPS]))
    if set(DEEP) & set(models) and trainer_python() is None:
        message = "torch: expected .venv-train, got none; run scripts/setup --train"
        raise ToolError(f"{message}, or leave {', '.join(DEEP)} out of --models")
    data = source(options.data, events=options.limit, seed=options.seed)
    begin = time.monotonic()
    whole = _evaluated(data, models, options)
    above = _above(data, options)
    liked = None
    if above is not None:
        liked = _evaluated(above, [model for model in models if model not in DEEP], options)
    found = rows(whole, liked)
    if options.ablation:
        found += ablation.rows(whole.ranked, liked.ranked if liked else None)
    out = console_beside(options.json)
    ranking_view.show(out, found, models, _sizes(whole, liked), whole.passes)
    ranking_view.show_rounds(out, whole.tuning.rounds if whole.tuning else [])
    if options.ablation:
        ablation.show(out, found)
    trained = whole.tuning.seconds if whole.tuning else 0.0
    ranking_view.say(out, time.monotonic() - begin, trained)
    _keep(options, found, whole)
    return 0


def rows(whole: Evaluation, liked: Evaluation | None) -> list[dict[str, Any]]:
    """Return a row for every model, metric and slice."""
    found = []
    for model, ranked in whole.ranked.items():
        for part in SLICES:
            figures = of_ranks(ranked.within(part, whole.data.events))
            if part == "all" and figures:
                figures |= ranked.more
            found += [row(model, metric, part, value) for metric, value in figures.items()]
        if liked is not None and model in liked.ranked:
            figures = of_ranks(liked.ranked[model].ranks)
            figures |= liked.ranked[model].more if figures else {}
            found += [row(model, metric, GE4, value) for metric, value in figures.items()]
    return found


def _evaluated(data: Blocks, models: list[str], options: argparse.Namespace) -> Evaluation:
    """Let models take a stream."""
    done = Evaluation(data)
    with (
        tempfile.TemporaryDirectory(prefix="streamrec-") as folder,
        progress_bar() as bar,
    ):
        tasks: dict[str, Any] = {}

        def report(events: int, text: str) -> None:
            name = text if text in MODELS else "online"
            if name not in tasks:
                tasks[name] = bar.add_task(name, total=data.events)
            bar.update(tasks[name], completed=events, description=text)

        for name in needed(models, ablation=options.ablation):
            corridor = observed(VARIANTS[name], _config(options), options.score_every)
            one = done.passes[name] = Pass(data, corridor)
            tuning = None
            if name == "online" and set(DEEP) & set(models):
                tuning = done.tuning = _tuning(one, Path(folder), models, options)
            one.run(name, report, tuning)
        found = own(models, done.passes)
        if done.tuning is not None:
            found |= {model: done.tuning.ranked(model) for model in models if model in DEEP}
        found |= _baselines(data, models, options, report)
    done.ranked = {model: found[model] for model in models}
    return done


def _baselines(
    data: Blocks, models: list[str], options: argparse.Namespace, report: Report
) -> dict[str, Ranked]:
    wanted = [model for model in models if model in baselines.MODELS]
    if not wanted:
        return {}
    return baselines.run(data, wanted, every=options.score_every, seed=options.seed, report=report)


def _config(options: argparse.Namespace) -> dict[str, Any]:
    return {
        "deep": {"network": options.network},
        "learning": {"ranking": {"seed": options.seed, "model": options.model}},
    }


def _tuning(one: Pass, folder: Path, models: list[str], options: argparse.Namespace) -> FineTuning:
    return FineTuning(
        one=one,
        shape=one.corridor.params.learning.deep,
        python=Path(trainer_python() or ""),
        folder=folder,
        store=options.store or folder / "store",
        every=options.fine_tune_every,
        steps=options.steps,
        seed=options.seed,
        frozen="deep_frozen" in models,
    )


def _above(data: Source, options: argparse.Namespace) -> Recorded | None:
    """Return the stream of good ratings; None, with a word, where there is none."""
    if not isinstance(data, Recorded) or data.values is None:
        progress(f"{options.data or 'generated events'}: no column rating, so no slice {GE4}")
        return None
    good = data.values >= _LEAST
    if not good.any():
        progress(f"{options.data}: no rating of {_LEAST:g} or more, so no slice {GE4}")
        return None
    return data.chosen(good)


def _sizes(whole: Evaluation, liked: Evaluation | None) -> dict[str, int]:
    """Return how many events of each slice were ranked, by the model that ranked most."""
    found = [
        (part, len(one.within(part, whole.data.events)))
        for part in SLICES
        for one in whole.ranked.values()
    ]
    found += [(GE4, len(one.ranks)) for one in (liked.ranked if liked else {}).values()]
    return {part: max(n for name, n in found if name == part) for part, _ in found}


def _keep(options: argparse.Namespace, found: list[dict[str, Any]], whole: Evaluation) -> None:
    """Write the figures and the plot where they are wanted."""
    one = next(iter(whole.passes.values()), None)
    rounds = whole.tuning.rounds if whole.tuning else []
    if options.json is not None:
        write(
            options.json,
            found,
            rounds=[each.as_mapping() for each in rounds],
            fates=dict(one.fates) if one else {},
            rejected=dict(one.codes) if one else {},
            cold=one.cold if one else None,
        )
    if options.plot is not None:
        ranking_plot.draw(options.plot, whole.ranked, whole.data.events, [r.events for r in rounds])
        progress(f"plot in {options.plot}")
