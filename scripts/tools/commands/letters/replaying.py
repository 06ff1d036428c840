"""`replay`: letters back into the input topic, and what became of each."""

import argparse
from collections.abc import Iterable
from typing import Any

from conf.parameters import event_policy
from scripts.tools.commands.letters.common import now_ms, opener, selected
from scripts.tools.commands.letters.repairing import repaired
from scripts.tools.console import ToolError, answer, progress
from scripts.tools.kafka.client import consumer, partitions
from scripts.tools.kafka.letters import Letter, shown
from scripts.tools.kafka.resending import SENT, Judge, Outcome, Sender
from scripts.tools.kafka.target import Target

_TOLD = 10
"""Lines of a file that are named where they are refused."""


def replay(job: Target, options: argparse.Namespace) -> int:
    """Send letters, print the counts, and return the exit status."""
    topic = job.config.kafka.topics.user_behavior
    with consumer(job.address, [topic], isolation="read_committed") as client:
        partitions(client, topic)  # a producer would wait for a topic that nobody has made
    judge = Judge(event_policy(job.config), topic, options.code or (), everything=options.all)
    outcome = Outcome()
    refused: list[str] = []
    chosen = (
        repaired(job, options.file, judge, refused, opener(job, options))
        if options.file
        else selected(job, options)
    )
    try:
        send(chosen, judge, job, outcome, dry_run=options.dry_run, repaired=bool(options.file))
    except (KeyboardInterrupt, ToolError):
        progress(f"{outcome.kinds[SENT]:,} letters before that; what is sent twice is a duplicate")
        raise
    for line in refused[:_TOLD]:
        progress(f"error: {line}")
    if len(refused) > _TOLD:
        progress(f"error: {len(refused) - _TOLD:,} more lines are not as expected")
    figures = {"topic": topic, "dry_run": options.dry_run, **outcome.figures()}
    if options.file:
        figures["lines_refused"] = len(refused)
    answer(figures if options.json else _in_words(figures), as_json=options.json)
    return 0 if outcome.complete and not refused else 1


def send(
    chosen: Iterable[list[Letter]],
    judge: Judge,
    job: Target,
    outcome: Outcome,
    *,
    dry_run: bool,
    repaired: bool = False,
) -> None:
    """Judge letters, send those that are taken now, and note what became of each.

    Parameters
    ----------
    dry_run
        Whether nothing is sent, and the outcome says what would be.
    repaired
        Whether the values are not those that were refused.
    """
    config = job.config.kafka
    sender = None
    if not dry_run:
        sender = Sender(job.address, config.topics.user_behavior, config.max_record_bytes, outcome)
    try:
        for some in chosen:
            verdicts = judge(some, now_ms(), repaired=repaired)
            for letter, verdict in zip(some, verdicts, strict=True):
                if sender and verdict.kind == SENT:
                    sender.send(letter)
                else:
                    outcome.note(verdict)
    finally:
        if sender:
            sender.close()


def _in_words(figures: dict[str, Any]) -> dict[str, str]:
    """Return the counts as lines: those by code beside their sum, and no zeros but of the sent."""
    remarks = {
        "refused": "the configuration refuses them still",
        "held_back": "no configuration explains them: name them by --code",
        "ignored": "their event type is ignored",
        "foreign": "no letters of this input topic",
        "without_value": "the value was left out",
        "without_key": "the key was left out",
        "locked": "give their keys by --key-file",
        "failed": "not stored",
    }
    details = {
        "refused": "refused_by_code",
        "held_back": "held_back_by_code",
        "locked": "locked_by_reason",
        "failed": "failures",
    }
    verb = "would be sent to" if figures["dry_run"] else "sent to"
    lines = {"letters": f"{figures['letters']:,}"}
    lines["sent"] = f"{figures['sent']:,} {verb} {figures['topic']}"
    for name, remark in remarks.items():
        if figures[name]:
            by = figures[details[name]] if name in details else {}
            listed = ", ".join(f"{shown(code)} {count:,}" for code, count in by.items())
            lines[name] = f"{figures[name]:,} ({listed}): {remark}" if by else (
                f"{figures[name]:,}: {remark}"
            )  # fmt: skip
    if figures.get("lines_refused"):
        lines["lines_refused"] = f"{figures['lines_refused']:,} of the file"
    return lines
