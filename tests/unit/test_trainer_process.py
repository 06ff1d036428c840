"""The trainer process: it never outlives its parent, repeats itself, and bears odd data."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from models.deep.shape import Shape
from models.deep.training.files import known_items
from operators.fine_tune.rounds import PARENT
from operators.fine_tune.trainer import Ended, Trainer, TrainerParams
from scripts.tools.cluster.paths import ROOT, TRAINER_PYTHON
from state.codec.sealed import CorruptError
from state.store import model_file
from state.store.model_store import WEIGHTS

SHAPE = Shape(dim=8, width=8, length=8)

pytestmark = pytest.mark.skipif(
    not TRAINER_PYTHON.exists(), reason=".venv-train is missing: scripts/setup --train"
)

_PARENT = """
import sys, time
from pathlib import Path
from operators.fine_tune.trainer import Trainer, TrainerParams
trainer = Trainer(TrainerParams(python=sys.argv[1], nice=0), Path(sys.argv[2]))
print(trainer._process.pid, flush=True)
time.sleep(600)
"""
_MANY = """
import sys, traceback
from pathlib import Path
from models.deep.training.process import run
for name in sys.argv[1:]:
    try:
        run(Path(name))
    except Exception as error:
        Path(name, "error").write_text(f"{type(error).__name__}: {error}")
"""


def data(folder: Path, users: Any, items: Any, **plan: Any) -> Path:
    """A round's folder."""
    folder.mkdir()
    columns = {
        "users": np.array(users, np.uint64),
        "items": np.array(items, np.uint64),
        "times": np.arange(len(users), dtype=np.int64) * 5_000,
    }
    for name, column in columns.items():
        np.save(folder / f"{name}.npy", column)
    settings = {"shape": SHAPE.to_dict(), "steps": 4, "batch": 4, "negatives": 4, "held_out": 0.3}
    settings["weights"] = [0.1, 0.5]
    (folder / "plan.json").write_text(json.dumps(settings | plan))
    return folder


def walk(folder: Path, **plan: Any) -> Path:
    """A small world that walks through its items."""
    n = np.arange(300)
    return data(folder, n % 11, n // 11 % 9, **plan)


def trained(folder: Path, **params: Any) -> tuple[Trainer, Ended]:
    trainer = Trainer(TrainerParams(python=str(TRAINER_PYTHON), nice=0, **params), folder)
    end = time.monotonic() + 60
    while (ended := trainer.poll()) is None:
        assert time.monotonic() < end
        time.sleep(0.02)
    return trainer, ended


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rounds of many kinds, all run by one process, and one by the command line."""
    top = tmp_path_factory.mktemp("rounds")
    walk(top / "again")
    data(top / "nothing", [], [])
    data(top / "one-user", [7] * 40, list(range(10)) * 4)
    data(top / "one-user-held-out", [7] * 40, list(range(10)) * 4, held_out=1.0)
    data(top / "one-item", [1, 2, 3] * 10, [5] * 30)
    data(top / "one-event", [1], [5])
    data(top / "single-events", list(range(50)), [n % 5 for n in range(50)])
    data(top / "later-round", [7] * 40, list(range(10)) * 4, round=2, new_from=40)
    data(top / "all-new", [7] * 40, list(range(10)) * 4, new_share=1.0, new_from=40)
    # thousands of events, and of 400 users one new one each
    n = np.arange(8_000)
    users, items = np.r_[n % 2_000, np.arange(400)], np.r_[n // 2_000 % 7, np.arange(400) % 7]
    data(top / "little-new", users, items, round=2, new_from=8_000, held_out=0.05)
    names = [str(path) for path in sorted(top.iterdir())]
    subprocess.run(
        [str(TRAINER_PYTHON), "-c", _MANY, *names], check=True, env={"PYTHONPATH": str(ROOT)}
    )
    return top


def report(folder: Path) -> dict[str, Any]:
    assert not (folder / "error").exists(), (folder / "error").read_text()
    found: dict[str, Any] = json.loads((folder / "out" / "report.json").read_bytes())
    return found


def served(folder: Path) -> model_file.Model:
    data = (folder / "out" / "weights.safetensors").read_bytes()
    return model_file.decode(data, SHAPE, version=1, root=1)


def test_a_trainer_tells_what_weights_beside_the_transitions_bring(folder: Path) -> None:
    told = report(folder / "little-new")["expected"]
    assert told["events"][0] > 100
    assert len(told["gains"]) == len(told["squares"]) == 2
    assert np.isfinite([*told["gains"], *told["squares"]]).all()
    assert report(folder / "nothing")["expected"] == {}


def test_where_little_is_new_more_users_are_held_out_to_judge_by(folder: Path) -> None:
    """A twentieth of the users would be 20 events, by which a gate can tell nothing."""
    judged = report(folder / "little-new")["champion"]["positions"]
    assert 150 <= judged <= 250


def test_items_whose_events_are_gone_leave_the_catalogue(tmp_path: Path) -> None:
    columns = {"users": [1, 2] * 30, "items": [5, 7, 9] * 20}
    first, later = data(tmp_path / "1", **columns), tmp_path / "2"
    assert trained(first)[1].ok
    data(later, [1, 2] * 30, [9, 11, 5] * 20, round=2, new_from=60)
    shutil.copy(first / "out" / WEIGHTS, later / PARENT[WEIGHTS])
    assert trained(later)[1].ok
    assert served(first).keys.tolist() == [5, 7, 9]
    assert served(later).keys.tolist() == [5, 9, 11]


def test_a_round_learns_anew_whatever_its_parent_learnt(tmp_path: Path) -> None:
    first, alone, later = (walk(tmp_path / n, new_from=100) for n in ("1", "2", "3"))
    for folder, plan in ((alone, {"round": 2}), (later, {"round": 2})):
        told = json.loads((folder / "plan.json").read_text())
        (folder / "plan.json").write_text(json.dumps(told | plan))
    assert trained(first)[1].ok
    shutil.copy(first / "out" / WEIGHTS, later / PARENT[WEIGHTS])
    assert trained(alone)[1].ok
    assert trained(later)[1].ok
    one, two = ((folder / "out" / WEIGHTS).read_bytes() for folder in (alone, later))
    assert one == two
    # the figures of the champion are the parent's own all the same
    assert report(later)["champion"] != report(alone)["champion"]


def test_a_row_stays_with_its_item_where_others_leave() -> None:
    rows = np.arange(3, dtype=np.float32)
    tensors = {
        "keys": np.array([7, 5, 9], np.uint64),
        "items.weight": rows[:, None] + 10,
        "targets.bias": rows,
        "optimizer.items.weight.exp_avg": rows[:, None] + 20,
        "final.bias": rows + 30,
    }
    keys = np.array([9, 11, 9, 7], np.uint64)
    found, kept = known_items(keys, tensors, ("items.weight", "targets.bias"))
    assert found.tolist() == [7, 9, 11]
    assert kept["items.weight"][:, 0].tolist() == [10, 12]
    assert kept["targets.bias"].tolist() == [0, 2]
    assert kept["optimizer.items.weight.exp_avg"][:, 0].tolist() == [20, 22]
    assert kept["final.bias"].tolist() == [30, 31, 32]


def test_the_same_plan_and_data_give_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    trainer, ended = trained(walk(tmp_path / "once"))
    assert ended.ok, ended.reason
    assert trainer.progress().step == trainer.progress().steps == 4
    names = sorted(path.name for path in (tmp_path / "once" / "out").iterdir())
    assert names == [
        "ranks-challenger.npy", "report.json", "weights.safetensors"
    ]  # fmt: skip
    for name in names:
        if name != "report.json":
            once = (tmp_path / "once" / "out" / name).read_bytes()
            assert once == (folder / "again" / "out" / name).read_bytes(), name
    one, two = report(tmp_path / "once"), report(folder / "again")
    assert {**one, "seconds": 0} == {**two, "seconds": 0}
    assert (one["steps"], one["users"], one["items"], one["events"]) == (4, 11, 9, 300)


@pytest.mark.parametrize(
    ("name", "steps", "items"),
    [
        ("one-user", 4, 10),
        ("one-user-held-out", 4, 10),
        ("one-item", 4, 1),
        ("one-event", 0, 1),
        ("single-events", 0, 5),
        ("later-round", 4, 10),
        ("all-new", 4, 10),
    ],
)
def test_odd_data_give_a_harmless_model(folder: Path, name: str, steps: int, items: int) -> None:
    found = report(folder / name)
    assert (found["steps"], found["items"]) == (steps, items)
    assert len(served(folder / name).keys) == items
    assert np.isfinite(found["loss"]).all()


def test_without_events_there_is_no_model_to_serve(folder: Path) -> None:
    assert not (folder / "nothing" / "error").exists()
    assert report(folder / "nothing")["steps"] == 0
    with pytest.raises(CorruptError, match=r"expected item keys, got none"):
        served(folder / "nothing")


def gone(pid: int, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.05)
    return False


def test_the_trainer_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    folder = walk(tmp_path / "round", steps=3_000)
    parent = subprocess.Popen(
        [sys.executable, "-c", _PARENT, str(TRAINER_PYTHON), str(folder)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
    )
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    try:
        end = time.monotonic() + 30
        while not (folder / "progress.json").exists():  # said after a tenth of the steps
            assert time.monotonic() < end
            time.sleep(0.05)
        parent.send_signal(signal.SIGKILL)
        parent.wait(5)
        assert gone(pid, 5)
        assert not (folder / "out").exists()  # it did not end by itself
    finally:
        parent.kill()
        parent.stdout.close()
        if psutil.pid_exists(pid):
            os.kill(pid, signal.SIGKILL)
