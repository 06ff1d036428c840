"""The deep model beside a pass, as the command line says."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from conf.sections.deep import DifferentialPrivacyRules
from models.deep.privacy import Privacy
from models.deep.shape import NETWORKS
from scripts.tools.cluster.paths import trainer_python
from scripts.tools.console import ToolError, positive
from scripts.tools.evaluate.stream.fine_tuning import FineTuning
from scripts.tools.evaluate.stream.passes import DEEP, Pass


def add_to(parser: argparse.ArgumentParser, models: Sequence[str]) -> None:
    """Add the options of the deep models to a command that has these of them."""
    add = parser.add_argument_group(
        f"deep models ({', '.join(models)}): need scripts/setup --train"
    ).add_argument
    add(
        "--fine-tune-every",
        type=float,
        default=0.05,
        metavar="SHARE",
        help="share of the events between two rounds of fine-tuning (default: 0.05)",
    )
    add("--network", choices=NETWORKS, default="recurrent", help="deep network")
    add(
        "--steps",
        type=positive(int),
        metavar="N",
        help="fine_tune.steps: steps a round, at most (default: the job's)",
    )
    add(
        "--epsilon",
        type=float,
        metavar="E",
        help="fine-tune with user-level differential privacy, within this budget of all rounds",
    )
    add(
        "--noise",
        type=float,
        default=DifferentialPrivacyRules().noise,
        metavar="SIGMA",
        help="noise multiplier: the more, the more steps fit into the budget (default: 1)",
    )
    add("--store", type=Path, metavar="DIR", help="keep the deep models here")


def wanted(models: Sequence[str]) -> list[str]:
    """Return the deep models among some.

    Raises
    ------
    ToolError
        Where there is one and nothing to train it with.
    """
    found = [model for model in models if model in DEEP]
    if found and trainer_python() is None:
        message = "torch: expected .venv-train, got none; run scripts/setup --train"
        raise ToolError(f"{message}, or leave {', '.join(found)} out of --models")
    return found


def fine_tuning(
    one: Pass, folder: Path, models: Sequence[str], options: argparse.Namespace
) -> FineTuning:
    """Return what fine-tunes the deep model of a pass.

    Parameters
    ----------
    folder
        Empty one, for what the rounds write.
    """
    return FineTuning(
        one=one,
        shape=one.pipeline.params.learning.deep,
        python=Path(trainer_python() or ""),
        folder=folder,
        store=options.store or folder / "store",
        every=options.fine_tune_every,
        steps=options.steps,
        seed=options.seed,
        privacy=_privacy(options.epsilon, options.noise),
        frozen="deep_frozen" in models,
    )


def _privacy(epsilon: float | None, noise: float) -> Privacy | None:
    """Return the job's settings with another budget and noise; None without a budget.

    Raises
    ------
    ToolError
        If the job does not take them.
    """
    if epsilon is None:
        return None
    try:
        given = DifferentialPrivacyRules(enabled=True, epsilon=epsilon, noise=noise)
    except ValidationError as error:
        (first, *_) = error.errors()
        told = f"--{first['loc'][0]}: {first['msg']}, got {first['input']:g}"
        raise ToolError(told, code=2) from None
    return Privacy(**given.model_dump(exclude={"enabled"}))
