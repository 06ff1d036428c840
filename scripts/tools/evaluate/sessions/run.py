"""The passes of `scripts/evaluate sessions`."""

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from scripts.tools.evaluate.common.output import progress_bar
from scripts.tools.evaluate.sessions.data import Clicks
from scripts.tools.evaluate.stream import deep_options
from scripts.tools.evaluate.stream.fine_tuning import FineTuning
from scripts.tools.evaluate.stream.passes import Pass, needed
from scripts.tools.evaluate.stream.pipeline import VARIANTS, observed


def run(
    clicks: Clicks, models: Sequence[str], options: argparse.Namespace
) -> tuple[dict[str, Pass], FineTuning | None]:
    """Let models take all clicks; return the passes, and the rounds of fine-tuning beside."""
    deep, done, tuning = deep_options.wanted(models), dict[str, Pass](), None
    with tempfile.TemporaryDirectory(prefix="streamrec-") as folder, progress_bar() as bar:
        for name in needed(models):
            task = bar.add_task(name, total=clicks.events)

            def report(events: int, text: str, task: Any = task) -> None:
                bar.update(task, completed=events, description=text)

            fine_tuned = bool(deep) and name == "online"
            config = _config(options, deep=fine_tuned)
            pipeline = observed(VARIANTS[name], config, options.score_every)
            one = done[name] = Pass(clicks, pipeline, listing=False)
            if fine_tuned:
                tuning = deep_options.fine_tuning(one, Path(folder), deep, options)
            one.run(name, report, tuning if fine_tuned else None)
    return done, tuning


def _config(options: argparse.Namespace, *, deep: bool) -> dict[str, Any]:
    return {
        "users": {"count_window": options.count_window},
        "recommend": {"repeats": "allow"},
        "deep": {"enabled": deep, "network": options.network},
        "learning": {"ranking": {"seed": options.seed}},
    }
