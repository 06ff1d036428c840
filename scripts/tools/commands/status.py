"""Show the job, where every record went, and how good the recommendations are."""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.table import Table

from conf import epochs
from conf.schema import JobConfig
from scripts.tools import results
from scripts.tools.cluster.flink_rest import FlinkRest, FlinkUnreachableError
from scripts.tools.commands.demo_view import console
from scripts.tools.console import progress, run
from scripts.tools.kafka import topics
from scripts.tools.kafka.accounting import FATES, Following, Metrics, Totals
from scripts.tools.kafka.balance import Balance, Log, balance, contradictions, plain_until
from scripts.tools.kafka.client import consumer, offsets, read_offsets
from scripts.tools.kafka.lag import Lag, standing
from scripts.tools.kafka.refusals import refusals
from scripts.tools.kafka.target import Target, add_arguments, target
from scripts.tools.results import Result

LAST_WINDOWS = 6
NOT_RUNNING, UNBALANCED, TOO_SMALL, OVERTAKEN, REFUSED = 3, 4, 5, 6, 7


def main() -> int:
    """Read the command line and show.

    Returns
    -------
    int
        0; 3 where no job runs; 4 where the accounts contradict each other or the log, or records
        wait and are not consumed; 5 where a topic refuses records that the job may write; 6 where
        retention deleted records before the job read them; 7 where the job refused most records.
        The first of 3, 7, 4, 5 and 6 that applies.
    """
    options = _parser().parse_args()
    job = target(options, options.flink)
    jobs = _jobs(job.flink, job.config.job.name)
    named = job.config.kafka.topics
    following = Following(job.address, named.recommendation_metrics, job.config.metrics.retention)
    metrics = following.catch_up()
    found = _balances(job, metrics.totals())
    is_running = any(one["state"] == "RUNNING" for one in jobs)
    if is_running:
        found = replace(found, moving=_moving(found, following, _patience(options, job.config)))
    objections = [*metrics.totals().contradictions(), *found.objections()]
    refusing = topics.too_small(job.config, job.address)
    refused = refusals(metrics.totals(), job.address, job.config)
    for line in refused:
        progress(f"error: {line}" if line is refused[0] else line)
    exactly_once = job.config.kafka.delivery == "exactly-once"
    ending = transactions_end(job.flink, jobs) if exactly_once else ""
    if options.json is None:
        _show(jobs, metrics, found, objections)
        if ending:
            console().print(f"[yellow]{ending}[/yellow]")
        for line in refusing:
            console().print(f"[red]{line}[/red]")
    else:
        too_small = Result("kafka.topics_too_small", len(refusing), "topics")
        _write(options.json, [*figures(jobs, metrics, found, objections), too_small])
    verdicts = (
        (NOT_RUNNING, not is_running),
        (REFUSED, refused),
        (UNBALANCED, objections),
        (TOO_SMALL, refusing),
        (OVERTAKEN, found.sum("overtaken")),
    )
    return next((status for status, applies in verdicts if applies), 0)


@dataclass(frozen=True)
class Input:
    """What the input topic holds, and what became of it."""

    records: int
    balances: Mapping[int, Balance]
    lags: Sequence[Lag] = ()
    moving: frozenset[int] = frozenset()
    """Partitions whose lag is no mistake: it was seen to move."""

    def remarks(self, one: Balance) -> Iterator[str]:
        """Say of a partition what is as it should be."""
        if one.missing and one.partition in self.moving:
            yield f"partition {one.partition}: {one.missing:,} records wait, and are being consumed"
        yield from one.remarks()

    def objections(self) -> list[str]:
        """Return what contradicts that every record was consumed once."""
        return contradictions({
            p: replace(one, missing=0) if p in self.moving else one
            for p, one in self.balances.items()
        })  # fmt: skip

    def sum(self, name: str) -> int:
        """Return one of the figures over all partitions."""
        return sum(getattr(one, name) for one in self.balances.values())


def _balances(job: Target, totals: Totals) -> Input:
    """Compare; the log itself is read only where its offsets leave a question."""
    topic, kafka = job.config.kafka.topics.user_behavior, job.config.kafka
    with consumer(job.address, [topic], isolation="read_committed") as client:
        ends = offsets(client, topic)
    known = {p: plain_until(totals.partition(p), *e) for p, e in ends.items()}
    unclear = {p: (known[p], high) for p, (_, high) in ends.items() if known[p] < high}
    read = read_offsets(job.address, topic, unclear)
    logs = {p: Log.partly(low, known[p], high, read.get(p)) for p, (low, high) in ends.items()}
    earliest = kafka.start == "earliest"
    balances = {
        p: balance(p, totals.partition(p), log, from_earliest=earliest)
        for p, log in sorted(logs.items())
    }
    return Input(
        sum(len(log.offsets) for log in logs.values()),
        balances,
        [
            Lag.of(p, totals.partition(p), logs[p], from_earliest=earliest)
            for p, one in balances.items()
            if one.missing
        ],
    )


def _moving(found: Input, following: Following, seconds: float) -> frozenset[int]:
    """Return the partitions with a lag that moves while one looks."""
    if found.lags:
        progress(f"records wait: looking whether they are consumed, {seconds:g} s at most")
    still = standing(found.lags, lambda: following.catch_up().totals().partition, seconds)
    return frozenset(lag.partition for lag in found.lags) - still


def _patience(options: argparse.Namespace, config: JobConfig) -> float:
    """Return how long a lag is looked at: what is consumed is seen as a checkpoint ends."""
    if options.patience is not None:
        return float(options.patience)
    return 2 + 2 * config.flink.checkpoint_interval / 1000


def figures(
    jobs: list[dict[str, Any]],
    metrics: Metrics,
    found: Input,
    objections: list[str],
) -> list[Result]:
    """Return everything shown, as figures."""
    totals, quality = metrics.totals(), metrics.quality()
    running = sum(job["state"] == "RUNNING" for job in jobs)
    known = [
        Result("job.running", running, "jobs"),
        Result("input.records", found.records, "records"),
        Result("input.before_start", found.sum("before"), "records"),
        Result("input.without_record", found.sum("empty"), "offsets"),
        Result("input.missing", found.sum("missing"), "records"),
        Result("input.overtaken", found.sum("overtaken"), "records"),
        *(
            Result(f"input.overtaken.{p}", one.overtaken, "records")
            for p, one in found.balances.items()
        ),
        Result("accounting.consumed", totals.consumed, "records"),
        *(Result(f"accounting.{fate}", getattr(totals, fate), "records") for fate in FATES),
        *(Result(f"rejected.{code}", n, "records") for code, n in sorted(totals.by_code.items())),
        *(Result(f"ignored.{kind}", n, "records") for kind, n in sorted(totals.by_type.items())),
        *(Result(f"lines.{code}", n, "lines") for code, n in sorted(totals.lines.items())),
        Result("accounting.objections", len(objections), "objections"),
        Result("deep.model", metrics.fine_tune.get("model"), "version"),
        *(Result(f"deep.served.{w.subtask}", w.deep.model, "version") for w in metrics.workers),
        Result("recommendations", metrics.counted("recommendations"), "records"),
        Result("quality.scored", quality.scored, "events"),
        Result(
            "quality.hit_rate", quality.hit_rate, "share",
            peer=quality.popularity_hit_rate, ratio=quality.ratio,
        ),
        Result("quality.ndcg", quality.ndcg, "", peer=quality.popularity_ndcg),
        Result("quality.mrr", quality.mrr, ""),
        Result("quality.rmse", quality.rmse, ""),
    ]  # fmt: skip
    return [figure for figure in known if figure.value is not None]


def _jobs(flink: FlinkRest, name: str) -> list[dict[str, Any]]:
    return [job for job in flink.jobs() if job["name"] == name][:1]


def transactions_end(flink: FlinkRest, jobs: list[dict[str, Any]]) -> str:
    """Return what to do before the epochs of transactional ids come to their end; often nothing."""
    for one in jobs:
        if one["state"] != "RUNNING":
            continue
        try:
            taken = flink.get(f"/jobs/{one['jid']}/checkpoints")["counts"]["completed"]
        except FlinkUnreachableError:  # the job is just ending
            continue
        if taken > epochs.CHECKPOINTS * 3 // 4:
            return (
                f"{taken:,} checkpoints since this job was submitted: expected a restart before"
                f" {epochs.CHECKPOINTS:,}, where its transactional ids come to their last epochs;"
                " run scripts/savepoint --stop and scripts/restore latest"
            )
    return ""


def _show(
    jobs: list[dict[str, Any]],
    metrics: Metrics,
    found: Input,
    objections: list[str],
) -> None:
    out = console()
    for job in jobs:
        out.print(f"job {job['name']} {job['jid']}: [bold]{job['state']}[/bold]")
    if not jobs:
        out.print("no job")
    out.print(accounting_table(metrics, found.records))
    out.print(window_table(metrics))
    if metrics.fine_tune:
        out.print(deep_table(metrics))
        if verdict := metrics.fine_tune.get("verdict"):
            out.print(str(verdict), markup=False)
    for one in found.balances.values():
        for remark in found.remarks(one):
            out.print(remark)
        for alarm in one.alarms():
            out.print(f"[red]{alarm}[/red]")
    for objection in objections:
        out.print(f"[yellow]{objection}[/yellow]")
    if not objections:
        out.print("[green]every record consumed has exactly one fate[/green]")


def accounting_table(metrics: Metrics, records: int) -> Table:
    """Return what became of the records of the input topic."""
    totals = metrics.totals()
    table = Table("records", "consumed", *FATES, title="accounting", title_justify="left")
    fates = [f"{getattr(totals, name):,}" for name in ("consumed", *FATES)]
    table.add_row(f"{records:,}", *fates)
    for code, count in sorted(totals.by_code.items()):
        table.add_row("", "", "", "", "", f"{code} {count:,}")
    for kind, count in sorted(totals.by_type.items()):
        table.add_row("", "", "", "", "", "", f"{escape(kind)} {count:,}")
    for code, count in sorted(totals.lines.items()):
        table.add_row("", "", "", "", "", f"lines of others, {code} {count:,}")
    return table


def window_table(metrics: Metrics) -> Table:
    """Return the last windows, and all of them in one row."""
    table = Table(title="quality, newest windows last", title_justify="left")
    names = ("scored", "hr_at_", "popularity_hr_at_", "ndcg_at_", "mrr", "rmse")
    newest = metrics.newest_windows(LAST_WINDOWS)
    titles = [_title(newest, name) for name in names]
    for heading in ("seconds", "accepted", *titles, "freshness p50", "p99"):
        table.add_column(heading, justify="right")
    for window in newest:
        fresh = window.get("freshness_ms") or {}
        table.add_row(
            f"{(window['window_start'] - newest[-1]['window_end']) / 1000:.0f}",
            f"{window['accepted']:,}",
            *(_figure(window, name) for name in names),
            *(_milliseconds(fresh.get(name)) for name in ("p50", "p99")),
        )
    quality = metrics.quality()
    whole = (quality.hit_rate, quality.popularity_hit_rate, quality.ndcg, quality.mrr, quality.rmse)
    table.add_section()
    accepted = f"{metrics.counted('accepted'):,}"
    table.add_row("all", accepted, f"{quality.scored:,}", *map(_decimal, whole))
    return table


def deep_table(metrics: Metrics) -> Table:
    """Return which deep model fine-tune lets serve, and which one each worker serves."""
    table = Table("worker", "model", "sha256", title="deep model", title_justify="left")
    table.add_column("why not")
    table.add_row("fine-tune", str(metrics.fine_tune.get("model") or "none"), "", "")
    for one in metrics.workers:
        deep = one.deep
        late = f"model {deep.wanted} is being loaded" if deep.wanted != deep.model else ""
        told = (str(one.subtask), str(deep.model or "none"), deep.sha256, deep.error or late)
        table.add_row(*(escape(text) for text in told))
    return table


def _title(windows: list[dict[str, Any]], prefix: str) -> str:
    """Return a figure's full name: its prefix, and the cut-off the job was told."""
    names = (name for window in windows for name in window if name.startswith(prefix))
    return next(names, prefix.rstrip("@")).replace("popularity_", "popularity ")


def _figure(window: dict[str, Any], prefix: str) -> str:
    found = next((value for name, value in window.items() if name.startswith(prefix)), None)
    return f"{found:,}" if isinstance(found, int) else _decimal(found)


def _decimal(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _milliseconds(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f} ms"


def _write(path: Path, found: list[Result]) -> None:
    if str(path) == "-":
        sys.stdout.write(json.dumps(results.document(found)) + "\n")
    else:
        results.write(path, found)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/status",
        description=__doc__,
        epilog="Exit status: 0, 3 where no job runs, 4 where records wait and are not consumed or"
        " the accounts contradict each other or the log, 5 where a topic refuses records that the"
        " job may write, 6 where retention deleted records before the job read them, 7 where the"
        " job refused most records; the first of 3, 7, 4, 5, 6 that applies.",
    )
    parser.add_argument(
        "--json", type=Path, nargs="?", const=Path("-"), metavar="OUT",
        help="write one JSON object to a file, or to standard output",
    )  # fmt: skip
    parser.add_argument(
        "--patience", type=float, metavar="SECONDS",
        help="how long records may wait while none of their partition is consumed (default: two"
        " checkpoints and 2 s); less where their number moves",
    )  # fmt: skip
    add_arguments(parser)
    parser.add_argument(
        "--flink",
        metavar="URL",
        help="REST address of the JobManager: HOST:8081, https://USER:PASSWORD@HOST/PATH",
    )
    return parser


if __name__ == "__main__":
    run(main)
