"""How good the models are: a file through the job's own corridor, ranked before it is learnt.

No Flink: the same stages, trainer, gate and swap as in the job, one pass, over the full catalogue.
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from models.deep.shape import NETWORKS
from scripts.tools import results
from scripts.tools.cluster.paths import trainer_python
from scripts.tools.commands import evaluate_plot
from scripts.tools.commands.demo_view import console
from scripts.tools.commands.evaluate_run import MODELS, Evaluation, Settings
from scripts.tools.console import ToolError, progress, run
from scripts.tools.data.behaviour import source

SHOWN = ("hr@10", "ndcg@10", "mrr", "coverage")


def main() -> int:
    """Read the command line and evaluate."""
    options = _parser().parse_args()
    models = _models(options.models)
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
    )
    evaluation = Evaluation(settings, data)
    begin = time.monotonic()
    columns = (
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"),
        TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=console(stderr=True)) as bar:
        task = bar.add_task("evaluating", total=data.events)
        evaluation.run(lambda done, text: bar.update(task, completed=done, description=text))
    rows = evaluation.rows(models)
    _show(rows, evaluation, models, time.monotonic() - begin)
    if options.json is not None:
        _write(options.json, _document(rows, evaluation))
    if options.plot is not None:
        evaluate_plot.draw(options.plot, evaluation, models)
        progress(f"plot in {options.plot}")
    return 0


def _models(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in MODELS]
    if unknown or not names:
        got = ", ".join(unknown) or "nothing"
        raise ToolError(f"--models: expected some of {', '.join(MODELS)}, got {got}", code=2)
    return names


def _show(
    rows: Sequence[dict[str, Any]], evaluation: Evaluation, models: Sequence[str], seconds: float
) -> None:
    out = console()
    found = {(row["model"], row["metric"], row["slice"]): row["value"] for row in rows}
    for part in ("all", "after5", "last20"):
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


def _document(rows: Sequence[dict[str, Any]], evaluation: Evaluation) -> dict[str, Any]:
    return {
        "command": results.command(),
        "commit": results.commit(),
        "machine": results.machine(),
        "rows": list(rows),
        "rounds": [one.as_mapping() for one in evaluation.rounds],
        "fates": evaluation.fates,
        "rejected": evaluation.codes,
        "cold": evaluation.cold,
    }


def _write(path: Path, document: dict[str, Any]) -> None:
    text = json.dumps(document, indent=1)
    if str(path) == "-":
        sys.stdout.write(text + "\n")
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + "\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scripts/evaluate", description=__doc__)
    protocols = parser.add_subparsers(required=True, metavar="ranking", dest="protocol")
    ranking = protocols.add_parser(
        "ranking", help="what comes next, of all items known", description=__doc__
    )
    add = ranking.add_argument
    add(
        "--data",
        type=Path,
        metavar="FILE",
        help="Parquet with user_id, item_id, timestamp; without it a generated drifting world",
    )
    add("--json", type=Path, metavar="OUT", help="figures as JSON, - for standard output")
    add("--plot", type=Path, metavar="OUT.png", help="hit rate over the stream")
    add(
        "--models",
        default="online,deep,blend,popularity",
        metavar="LIST",
        help=f"some of {', '.join(MODELS)} (default: online,deep,blend,popularity)",
    )
    add(
        "--score-every",
        type=int,
        default=20,
        metavar="N",
        help="rank one event in N before it is learnt (default: 20)",
    )
    add("--limit", type=int, metavar="N", help="the first N events only")
    add(
        "--fine-tune-every",
        type=float,
        default=0.05,
        metavar="SHARE",
        help="share of the events between two rounds of fine-tuning (default: 0.05)",
    )
    add("--network", choices=NETWORKS, default="recurrent", help="deep network")
    add("--steps", type=int, default=250, metavar="N", help="steps a round (default: 250)")
    add("--store", type=Path, metavar="DIR", help="keep the models here")
    add("--seed", type=int, default=1, metavar="N", help="of every random choice (default: 1)")
    return parser


if __name__ == "__main__":
    run(main)
