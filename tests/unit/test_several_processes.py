"""Two trainer processes take the steps of one."""

import json
import time
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from operators.fine_tune.trainer import Trainer, TrainerParams
from scripts.tools.cluster.paths import TRAINER_PYTHON

PLAN = {
    "shape": {"dim": 16, "width": 16, "length": 12},
    "steps": 12, "batch": 9, "negatives": 32, "dropout": 0.0, "held_out": 0.1,
}  # fmt: skip


_SECONDS = 120
"""Longest that a round may take."""


def trained(folder: Path, processes: int, **changes: int) -> dict[str, np.ndarray]:
    folder.mkdir()
    random = np.random.default_rng(0)
    np.save(folder / "users.npy", random.integers(0, 60, 3_000).astype(np.uint64))
    np.save(folder / "items.npy", random.integers(0, 80, 3_000).astype(np.uint64))
    np.save(folder / "times.npy", np.arange(3_000, dtype=np.int64) * 60_000)
    (folder / "plan.json").write_text(json.dumps(PLAN | changes))
    params = TrainerParams(
        python=str(TRAINER_PYTHON), processes=processes, nice=0, seconds=_SECONDS
    )
    trainer = Trainer(params, folder)
    deadline = time.monotonic() + 1.5 * _SECONDS
    while (ended := trainer.poll()) is None:
        assert time.monotonic() < deadline, "the trainer neither ended nor was ended"
        time.sleep(0.1)
    assert ended.ok, ended.reason
    return load_file(folder / "out" / "weights.safetensors")


def test_two_processes_train_what_one_does(tmp_path: Path) -> None:
    one, two = (trained(tmp_path / str(n), n) for n in (1, 2))
    begun = trained(tmp_path / "begun", 1, steps=1)
    assert one.keys() == two.keys() == begun.keys()
    moved = 0.0
    for name, tensor in one.items():
        if name != "keys":
            moved = max(moved, float(np.abs(tensor - begun[name]).max()))
            assert two[name] == pytest.approx(tensor, abs=1e-4), name
    assert moved > 0.005  # fifty times what the two may differ by
