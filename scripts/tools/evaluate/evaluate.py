"""How good the models are on events of a file, in one pass: each is scored before it is learnt."""

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from models.deep.shape import NETWORKS
from models.params import MODELS as RANKING_MODELS
from scripts.tools.cluster.paths import trainer_python
from scripts.tools.commands.demo_view import console
from scripts.tools.console import ToolError, progress, run
from scripts.tools.data.behaviour import source
from scripts.tools.evaluate import ranking_plot, ratings
from scripts.tools.evaluate.corridor import MODELS, Evaluation, Settings
from scripts.tools.evaluate.output import (
    SLICES,
    add_options,
    chosen,
    progress_bar,
    write,
)

SHOWN = ("hr@10", "ndcg@10", "mrr", "coverage")
_RANKING = """How good every part of the ranking is: a file through the job's own corridor.

No Flink: the same stages, trainer, gate and swap as in the job, one pass, over the full catalogue.
"""


def main() -> int:
    """Read the command line and evaluate."""
    parser = argparse.ArgumentParser(prog="scripts/evaluate", description=__doc__)
    protocols = parser.add_subparsers(required=True, metavar="ranking|ratings", dest="protocol")
    _add_ranking(protocols)
    ratings.add_to(protocols)
    options = parser.parse_args()
    evaluate: Callable[[argparse.Namespace], int] = options.evaluate
    return evaluate(options)


def ranking(options: argparse.Namespace) -> int:
    """Rank what comes next, of all items known."""
    models = chosen(options.models, MODELS)
    data = source(options.data, events=options.limit, seed=options.seed)
    deep = bool({"deep", "deep_frozen", "blend"} & set(models))
    if deep and trainer_python() is None:
        message = "torch: expected .venv-train, got none; run scripts/setup --train"
        raise ToolError(f"{message}, or leave deep, deep_frozen and blend out of --models")
    settings = Settings(
        every=options.score_every,
        fine_tune_every=options.fine_tune_every if deep else 0.0,
        frozen="deep_frozen" in models,
        steps=options.steps,
        seed=options.seed,
        keep=options.store,
        network=options.network,
        model=options.model,
    )
    evaluation = Evaluation(settings, data)
    begin = time.monotonic()
    with progress_bar() as bar:
        task = bar.add_task("evaluating", total=data.events)
        evaluation.run(lambda done, text: bar.update(task, completed=done, description=text))
    rows = evaluation.rows(models)
    _show(rows, evaluation, models, time.monotonic() - begin)
    if options.json is not None:
        write(
            options.json,
            rows,
            rounds=[one.as_mapping() for one in evaluation.rounds],
            fates=evaluation.fates,
            rejected=evaluation.codes,
            cold=evaluation.cold,
        )
    if options.plot is not None:
        ranking_plot.draw(options.plot, evaluation, models)
        progress(f"plot in {options.plot}")
    return 0


def _show(
    rows: Sequence[dict[str, Any]], evaluation: Evaluation, models: Sequence[str], seconds: float
) -> None:
    out = console()
    found = {(row["model"], row["metric"], row["slice"]): row["value"] for row in rows}
    for part in SLICES:
        table = Table("model", *SHOWN, title=f"{part}: {evaluation.scored(part):,} events ranked",
                      title_justify="left")  # fmt: skip
        for model in models:
            figures = [found.get((model, metric, part)) for metric in SHOWN]
            table.add_row(model, *("" if v is None else f"{v:.4f}" for v in figures))
        out.print(table)
    if evaluation.rounds:
        table = Table("round", "events", "steps", "seconds", "loss", "HR@10 before", "after",
                      "weight", "verdict", title="fine-tuning", title_justify="left")  # fmt: skip
        for one in evaluation.rounds:
            table.add_row(*map(str, one.as_cells()))
        out.print(table)
    fates = evaluation.fates
    told = ", ".join(f"{count:,} {fate}" for fate, count in fates.items())
    out.print(f"{told}; {evaluation.cold:,} ranked events of items never seen before (misses)")
    if fates["accepted"] < sum(fates.values()) / 2:
        out.print(f"[red]most events were not accepted: {evaluation.codes}[/red]")
    out.print(f"{seconds:,.0f} s, of which {evaluation.training_seconds:,.0f} s training")


def _add_ranking(protocols: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = protocols.add_parser(
        "ranking", help="what comes next, of all items known", description=_RANKING
    )
    parser.set_defaults(evaluate=ranking)
    add = parser.add_argument
    add(
        "--data",
        type=Path,
        metavar="FILE",
        help="Parquet with user_id, item_id, timestamp; without it a generated drifting world",
    )
    add_options(
        parser,
        plot="hit rate",
        models=MODELS,
        default=("online", "deep", "blend", "popularity"),
    )
    add(
        "--score-every",
        type=int,
        default=20,
        metavar="N",
        help="rank one event in N before it is learnt (default: 20)",
    )
    add(
        "--fine-tune-every",
        type=float,
        default=0.05,
        metavar="SHARE",
        help="share of the events between two rounds of fine-tuning (default: 0.05)",
    )
    add("--network", choices=NETWORKS, default="recurrent", help="deep network")
    add(
        "--model",
        choices=tuple(RANKING_MODELS),
        default="full",
        help="online model, see learning.ranking.model (default: full)",
    )
    add("--steps", type=int, default=250, metavar="N", help="steps a round (default: 250)")
    add("--store", type=Path, metavar="DIR", help="keep the models here")


if __name__ == "__main__":
    run(main)
