"""What a demonstration showed, as a table, as figures, and what was wrong with it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from rich.table import Table

from scripts.tools.commands.demo_view import console, fine_tuning, recommendation_table
from scripts.tools.console import progress
from scripts.tools.kafka.accounting import FATES
from scripts.tools.kafka.observer import Seen
from scripts.tools.results import Result


@dataclass(frozen=True)
class Summary:
    """The end of a demonstration.

    Parameters
    ----------
    seen
        What came out of the job.
    sent, users
        Events sent, and who shall have recommendations: all whose events they were.
    ends
        First and end offset of every partition of the input topic.
    seconds, started, ready
        Duration of the whole; until the job ran; from the first event until it had learnt.
    refused
        Which events were refused and why, where most of them were.
    """

    seen: Seen
    sent: int
    users: frozenset[str]
    ends: Mapping[int, tuple[int, int]]
    seconds: float
    started: float
    ready: float
    refused: Sequence[str] = ()

    def results(self) -> list[Result]:
        """Return all figures."""
        totals, quality = self.seen.metrics.totals(), self.seen.metrics.quality()
        fresh = self.seen.freshness() or (None, None)
        found = [
            Result("events.sent", self.sent, "events"),
            *(Result(f"events.{fate}", getattr(totals, fate), "events") for fate in FATES),
            Result("recommendations", self.seen.recommendations, "records"),
            Result("recommendations.repeated", self.seen.repeats, "records"),
            Result("users.seen", len(self.users), "users"),
            Result("users.recommended", len(self.users & self.seen.users), "users"),
            Result("quality.scored", quality.scored, "events"),
            Result(
                "quality.hit_rate", quality.hit_rate, "share",
                peer=quality.popularity_hit_rate, ratio=quality.ratio,
            ),
            Result("quality.ndcg", quality.ndcg, "", peer=quality.popularity_ndcg),
            Result("quality.rmse", quality.rmse, ""),
            *self._deep_results(),
            Result("freshness.p50_ms", fresh[0], "ms"),
            Result("freshness.p99_ms", fresh[1], "ms"),
            Result("seconds.started", self.started, "s"),
            Result("seconds.ready", self.ready, "s"),
            Result("seconds.total", self.seconds, "s"),
        ]  # fmt: skip
        return [figure for figure in found if figure.value is not None]

    def _deep_results(self) -> list[Result]:
        deep, tuning = self.seen.metrics.quality().with_deep, self.seen.metrics.fine_tune
        found = [Result("fine_tune.model", tuning["model"], "version")] if tuning else []
        if deep is not None:
            found += [
                Result("deep.scored", deep.scored, "events"),
                Result("deep.hit_rate.blend", deep.blend, "share", peer=deep.online,
                       ratio=deep.blend / deep.online if deep.online else None),
                Result("deep.hit_rate.deep", deep.deep, "share"),
                Result("deep.hit_rate.popularity", deep.popularity, "share"),
                Result("recommendations.deep", self.seen.reasons["deep"], "items"),
            ]  # fmt: skip
        return found

    def faults(self) -> list[str]:
        """Return what was not as promised: refusals, fates that do not add up, users left out."""
        found = [*self.refused[:1], *self.seen.metrics.totals().objections(self.ends)]
        missing = len(self.users - self.seen.users)
        if missing:
            users = f"{len(self.users):,}"
            found.append(
                f"recommendations: expected some for {users} users, got none for {missing:,}"
            )
        return found

    def tell_faults(self) -> list[str]:
        """Report the faults, and return them."""
        found = self.faults()
        for fault in found:
            progress(f"error: {fault}")
        return found

    def show(self) -> None:
        """Print what was refused if most was, some recommendations, and the figures."""
        out = console()
        for line in self.refused:
            out.print(line, style="red", highlight=False, markup=False, soft_wrap=True)
        if self.seen.newest is not None:
            out.print(recommendation_table(self.seen.newest, rows=10))
        table = Table(show_header=False, title="summary", title_justify="left")
        for name, value in self._lines():
            table.add_row(name, value)
        out.print(table)

    def _lines(self) -> Iterator[tuple[str, str]]:
        totals, quality = self.seen.metrics.totals(), self.seen.metrics.quality()
        yield "events sent", f"{self.sent:,}"
        yield "each has one fate", ", ".join(f"{getattr(totals, name):,} {name}" for name in FATES)
        recommended = len(self.users & self.seen.users)
        yield "recommendations", f"{self.seen.recommendations:,}, {self.seen.repeats:,} repeated"
        yield "users recommended to", f"{recommended:,} of {len(self.users):,} seen"
        if quality.hit_rate is not None and quality.popularity_hit_rate is not None:
            popularity = quality.popularity_hit_rate
            ratio = "" if quality.ratio is None else f", {quality.ratio:.1f} times"
            against = f"{quality.hit_rate:.4f} against popularity {popularity:.4f}{ratio}"
            yield "hit rate, next item in the list", f"{against} ({quality.scored:,} scored)"
        if (deep := quality.with_deep) is not None:
            told = f"blend {deep.blend:.4f}, online alone {deep.online:.4f}, deep alone"
            told += f" {deep.deep:.4f}, popularity {deep.popularity:.4f}"
            yield "with the deep model, same events", f"{told} ({deep.scored:,} scored)"
        tuning = self.seen.metrics.fine_tune
        if tuning:
            yield "fine-tuning", f"{fine_tuning(tuning)}; {tuning['verdict']}"
            reasons = ", ".join(f"{n:,} {name}" for name, n in self.seen.reasons.most_common())
            yield "reasons of items", reasons
        if quality.rmse is not None:
            yield "error of a predicted rating", f"{quality.rmse:.4f} (root mean square)"
        fresh = self.seen.freshness()
        if fresh is not None:
            yield "event to recommendation", f"p50 {fresh[0]:,.0f} ms, p99 {fresh[1]:,.0f} ms"
        yield (
            "job runs after",
            f"{self.started:.1f} s; first events learnt {self.ready:.1f} s later",
        )
        yield "whole demo", f"{self.seconds:.1f} s"
