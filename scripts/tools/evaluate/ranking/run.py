"""The passes of `scripts/evaluate ranking` over one stream."""

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scripts.tools.data.behaviour import Blocks
from scripts.tools.evaluate.baselines import run as baselines
from scripts.tools.evaluate.common.figures import Ranked
from scripts.tools.evaluate.common.output import progress_bar
from scripts.tools.evaluate.ranking.sample import Sample
from scripts.tools.evaluate.stream import deep_options
from scripts.tools.evaluate.stream.fine_tuning import FineTuning
from scripts.tools.evaluate.stream.passes import DEEP, MODELS, Pass, Report, needed, own
from scripts.tools.evaluate.stream.pipeline import VARIANTS, observed


@dataclass
class Evaluation:
    """What came of the passes over one stream."""

    data: Blocks
    sample: Sample
    passes: dict[str, Pass] = field(default_factory=dict)
    ranked: dict[str, Ranked] = field(default_factory=dict)
    tuning: FineTuning | None = None

    def within(self, part: NDArray[np.bool_]) -> dict[str, Ranked]:
        """Return what was ranked of some events, by model."""
        return {model: one.within(part) for model, one in self.ranked.items()}

    @property
    def sampled(self) -> dict[str, Ranked]:
        """Return what was ranked of the whole stream, one event in so many, by model."""
        return self.within(self.sample.slices()["all"])


def evaluated(
    data: Blocks, models: Sequence[str], options: argparse.Namespace, *, cold_start: bool = True
) -> Evaluation:
    """Let models take a stream.

    Parameters
    ----------
    cold_start
        Whether all events of users who are new are ranked.
    """
    deep = deep_options.wanted(models)
    done = Evaluation(data, Sample.of(data, options.score_every, whole=cold_start))
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
            pipeline = observed(
                VARIANTS[name], _config(options), options.score_every, done.sample.more
            )
            one = done.passes[name] = Pass(data, pipeline)
            tuning = None
            if name == "online" and deep:
                tuning = deep_options.fine_tuning(one, Path(folder), deep, options)
                done.tuning = tuning
            one.run(name, report, tuning)
        done.ranked = _ranked(done, models, options, report)
    return done


def _ranked(
    done: Evaluation, models: Sequence[str], options: argparse.Namespace, report: Report
) -> dict[str, Ranked]:
    """Return what every model ranked; baselines take the stream here."""
    found = own(models, done.passes)
    if done.tuning is not None:
        found |= {model: done.tuning.ranked(model) for model in models if model in DEEP}
    found |= baselines.run(
        done.data,
        [model for model in models if model in baselines.MODELS],
        every=options.score_every,
        more=done.sample.more,
        seed=options.seed,
        report=report,
    )
    return {model: found[model] for model in models}


def _config(options: argparse.Namespace) -> dict[str, Any]:
    return {
        "deep": {"network": options.network},
        "learning": {"ranking": {"seed": options.seed, "model": options.model}},
    }
