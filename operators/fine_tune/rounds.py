"""A round of fine-tuning from both ends: the folder the trainer gets, and what it left there."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.deep.gate import Verdict, judge, judge_errors
from models.deep.privacy import Privacy, Spend
from models.deep.shape import SEQUENCES, Shape
from models.weights.blend import GRID
from state.codec.sealed import CorruptError, StateError
from state.store import model_file, round_files
from state.store.model_store import (
    OPTIMIZER,
    WEIGHTS,
    Manifest,
    MissingError,
    ModelStore,
    details,
    now_ms,
)
from state.store.round_files import Report

PARENT = {WEIGHTS: "parent.safetensors", OPTIMIZER: "parent-optimizer.safetensors"}


@dataclass(frozen=True, kw_only=True, slots=True)
class RoundParams:
    """Parameters of a round; all others are those of `models.deep.training.plan.Plan`."""

    shape: Shape
    steps: int | None = None
    batch: int = 64
    new_share: float | None = None
    negatives: int = 1024
    rate: float | None = None
    held_out: float = 0.05
    threads: int = 1
    seed: int = 1
    memory_bytes: int = 0
    tolerance: float = 0.02
    """Relative loss of NDCG@10, or rise of the RMSE, that the gate forgives."""
    scale: tuple[float, float] | None = None
    """Lowest and highest rating; None where no ratings are learnt."""
    privacy: Privacy | None = None
    """User-level differential privacy; None: without."""
    expects: bool = True
    """Whether the first round's trainer is asked what the model should bring."""

    def plan(self, number: int, new_from: int, spent: Sequence[Spend] = ()) -> dict[str, Any]:
        """Return the plan of a round; `spent` is what earlier ones spent of the privacy budget."""
        names = (
            "steps", "batch", "new_share", "negatives", "rate", "held_out", "threads", "seed",
            "memory_bytes",
        )  # fmt: skip
        told = {name: getattr(self, name) for name in names}
        if self.anew and self.expects and number == 1:
            told["weights"] = [round(float(weight), 3) for weight in GRID]
        if self.scale is not None:
            told["scale"] = list(self.scale)
        if self.privacy is not None:
            told |= {"privacy": self.privacy.to_dict(), "spent": list(spent)}
        return {**told, "shape": self.shape.to_dict(), "round": number, "new_from": new_from}

    @property
    def anew(self) -> bool:
        """Return whether a round learns anew from all events, and takes nothing from its parent."""
        return self.shape.network in SEQUENCES and self.privacy is None

    def digest(self) -> str:
        """Return what tells settings apart in a manifest."""
        text = json.dumps(self.plan(0, 0), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def prepare(
    folder: Path,
    params: RoundParams,
    *,
    number: int,
    new_from: int,
    store: ModelStore,
    parent: int,
    spent: Sequence[Spend] = (),
) -> None:
    """Write the plan and the parent's files into a round's folder.

    Raises
    ------
    StateError
        If the parent cannot be read.
    """
    fetch_parent(folder, store, parent)
    write_plan(folder, params, number=number, new_from=new_from, spent=spent)


def fetch_parent(folder: Path, store: ModelStore, parent: int) -> None:
    """Make a round's folder and write the parent's files into it; 0: it has none."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, target in PARENT.items():
        (folder / target).unlink(missing_ok=True)
        if not parent:
            continue
        try:
            (folder / target).write_bytes(store.read(parent, name))
        except (CorruptError, MissingError):
            if name == WEIGHTS:
                raise  # without its moments an optimiser begins with none


def has_parent(folder: Path) -> bool:
    """Return whether the round in a folder trains from a parent."""
    return (folder / PARENT[WEIGHTS]).exists()


def write_plan(
    folder: Path,
    params: RoundParams,
    *,
    number: int,
    new_from: int,
    spent: Sequence[Spend] = (),
) -> None:
    """Write the plan into a round's folder that has its parent's files, or none."""
    plan = params.plan(number if has_parent(folder) else 1, new_from, spent)
    (folder / "plan.json").write_text(json.dumps(plan))


def write_columns(folder: Path, columns: Mapping[str, NDArray[Any]], part: str = "") -> None:
    """Write events of a round: `users`, `items`, `times` and, of ratings, `values`."""
    for name, column in columns.items():
        suffix = f"-{part}" if part else ""
        np.save(folder / f"{name}{suffix}.npy", column, allow_pickle=False)


@dataclass(frozen=True, slots=True)
class Conclusion:
    """The outcome of a round whose trainer ended well."""

    manifest: Manifest | None
    """The version in the store; None where the gate refused it."""
    verdict: Verdict
    report: Report


def conclude(
    folder: Path,
    params: RoundParams,
    store: ModelStore,
    *,
    version: int,
    parent: Manifest | None,
    offsets: Mapping[str, list[int]],
    epsilon: float = 0.0,
) -> Conclusion:
    """Check what the trainer left, let the gate judge it, and store it.

    Raises
    ------
    StateError
        If the trainer's files make no sense or the store cannot be written.
    """
    out = folder / "out"
    report = round_files.report(out)
    kind, held_out = (np.int32, "ranks") if params.scale is None else (np.float32, "errors")
    challenger = round_files.column(out / f"{held_out}-challenger.npy", kind)
    champion_file = out / f"{held_out}-champion.npy"
    champion = round_files.column(champion_file, kind) if champion_file.exists() else None
    names = (WEIGHTS,) if params.anew else (WEIGHTS, OPTIMIZER)
    files = {name: round_files.content(out / name) for name in names}
    # states that other weights made are none of what was learnt anew
    root = parent.root if parent and not params.anew else version
    try:
        model_file.decode(files[WEIGHTS], params.shape, version=version, root=root)
    except StateError as error:
        return Conclusion(None, Verdict(accepted=False, reason=str(error)), report)
    judged = judge if params.scale is None else judge_errors
    verdict = judged(champion, challenger, tolerance=params.tolerance)
    if not verdict.accepted:
        return Conclusion(None, verdict, report)
    manifest = Manifest(
        version=version,
        parent=parent.version if parent else 0,
        root=root,
        shape=params.shape.to_dict(),
        created_at=now_ms(),
        config=params.digest(),
        offsets=dict(offsets),
        epsilon=epsilon,
        **details(report),
    )
    return Conclusion(store.put(manifest, files), verdict, report)
