"""fine-tune without Flink: when rounds begin, what becomes of them, and which model serves."""

import hashlib
import json
import re
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save

from models.arrays.weights import LOSSES
from models.columns.events import OFFSET_BITS
from models.deep.recurrent import Recurrent
from models.deep.shape import Shape
from models.keys import key_of
from operators.fine_tune.params import FineTuneParams
from operators.fine_tune.rounds import RoundParams
from operators.fine_tune.scratch import Scratch
from operators.fine_tune.trainer import TrainerParams
from operators.fine_tune.tuner import STATUS_ENTRY, Tuner
from scripts.tools.cluster.paths import TRAINER_PYTHON
from state import examples
from state.codec.sealed import StateError
from state.examples import Examples
from state.keyed import tuner_state
from state.store.model_store import OPTIMIZER, WEIGHTS, Manifest, ModelStore, StoreError
from state.topics import model_pointer
from state.topics.model_pointer import ModelPointer

SHAPE = Shape(dim=8, width=8, length=8)
MINUTE = 60_000
REPORT = {
    "items": 5, "steps": 3, "seconds": 0.1, "events": 9, "loss": [], "champion": {},
    "challenger": {},
}  # fmt: skip


class Entries(dict[str, bytes]):
    """Keyed state as a dictionary."""

    put = dict.__setitem__
    remove = dict.__delitem__


def weights(seed: int = 1) -> bytes:
    """Random weights of five items."""
    random = np.random.default_rng(seed)
    tensors = {
        name: random.normal(size=size).astype(np.float32)
        for name, size in Recurrent.shapes(SHAPE, 5).items()
    }
    return save({"keys": np.arange(5, dtype=np.uint64), **tensors})


def some(
    events: int = 10,
    *,
    model: int = 0,
    first: int = 0,
    users: int = 7,
    rank: tuple[int, ...] = (),
    online_rank: tuple[int, ...] = (),
) -> bytes:
    """Examples of a few users that walk through the items."""
    n = np.arange(first, first + events)
    loss = np.zeros(LOSSES)
    loss[0] = len(rank)
    return examples.encode(
        Examples(
            model=model,
            loss=loss,
            user=(n % users).astype(np.uint64),
            item=(n // users % 5).astype(np.uint64),
            time=n * 1_000,
            coordinate=n % 2 << OFFSET_BITS | n,
            rank=np.array(rank, np.int32),
            online_rank=np.array(online_rank, np.int32),
        )
    )


class World:
    """A tuner, its clock, its memory, and all that it said."""

    def __init__(self, folder: Path, script: str = "exec sleep 600", **changes: Any) -> None:
        self.folder, self.now = folder, 1_700_000_000_000
        self.memory, self.said = Entries(), list[tuple[str, bytes, bytes]]()
        trainer = changes.pop("trainer", None) or TrainerParams(
            python=str(program(folder, script)), nice=0, seconds=60
        )
        settings: dict[str, Any] = {
            "round": RoundParams(shape=SHAPE, steps=3, batch=4, negatives=4, held_out=0.3),
            "trainer": trainer,
            "store": str(folder / "store"),
            "keep": 3,
            "every_events": 100,
            "every_ms": 0,
            "least_events": 20,
            "ring_events": 10_000,
        }
        self.params = FineTuneParams(**settings | changes)
        self.tuner = self.made("own")

    def made(self, name: str) -> Tuner:
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        return Tuner(self.params, self.memory, Scratch("own-", folder), lambda: self.now)

    def restored(self) -> None:
        """Lose the process and its folder, as in a failure."""
        self.tuner.save()
        self.tuner.close()
        self.tuner = self.made("other")

    def round_folder(self) -> Path:
        """The folder of the round at hand."""
        (found,) = self.folder.glob("o*/*/round-*")
        return found

    def take(self, *messages: bytes) -> None:
        self.tuner.take(messages)
        self.tuner.save()

    def tick(self, milliseconds: int = 1_000) -> None:
        """Let time pass, and the store answer."""
        self.now += milliseconds
        self.said += self.tuner.tick()
        while self.tuner._store.busy:
            self.tuner._store.wait(10)
            self.said += self.tuner.tick()
        self.tuner.save()

    def until(self, done: Callable[[], bool], seconds: float = 30.0) -> None:
        """Tick until something has become of the round."""
        end = time.monotonic() + seconds
        while not done():
            assert time.monotonic() < end, self.state.verdict
            self.tick(1)
            time.sleep(0.01)

    def finished(self) -> None:
        """Let the round end, well or not."""
        self.until(lambda: self.state.round is None)

    def command(self, key: str | None, value: bytes | None) -> list[dict[str, Any]]:
        """Give a command and return its answer, for which the store may be asked."""
        answers = list(self.tuner.command(None if key is None else key.encode(), value))
        self.tuner.save()
        if self.state.waiting:
            before = len(self.said)
            self.tick(0)
            answers += [one for one in self.said[before:] if one[0] == "control_results"]
        assert all(topic == "control_results" for topic, _, _ in answers)
        assert all(k.decode() == json.loads(v)["id"] for _, k, v in answers)
        return [json.loads(v) for _, _, v in answers]

    @property
    def state(self) -> tuner_state.TunerState:
        return self.tuner.state

    @property
    def pointers(self) -> list[ModelPointer]:
        said = [value for topic, key, value in self.said if (topic, key) == POINTERS]
        return [model_pointer.decode(value) for value in said]

    @property
    def status(self) -> dict[str, Any]:
        """The newest status record."""
        _, key, value = [one for one in self.said if one[0] == "recommendation_metrics"][-1]
        assert key == b"fine_tune"
        found: dict[str, Any] = json.loads(value)
        return found

    @property
    def store(self) -> ModelStore:
        return ModelStore(self.params.store)

    def stored(self, *versions: int, root: int = 1) -> None:
        """Put versions into the store, as rounds would have."""
        for version in versions:
            manifest = Manifest(
                version=version, parent=0, root=root, shape=SHAPE.to_dict(), created_at=1, events=1,
                items=5, steps=1, seconds=0.1,
            )  # fmt: skip
            self.store.put(manifest, {WEIGHTS: weights(version), OPTIMIZER: save({})})

    def serving(self, version: int) -> None:
        """Let a version serve."""
        self.stored(version)
        (answer,) = self.command(f"serve-{version}", promote(version))
        assert answer["ok"]
        self.tick()


POINTERS = ("model_updates", b"model")


def program(folder: Path, script: str) -> Path:
    """A shell script that stands for the trainer's interpreter."""
    path = folder / "trainer.sh"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def promote(version: int) -> bytes:
    return json.dumps({"command": "promote_model", "model": version}).encode()


def prepared(folder: Path, **changes: Any) -> str:
    """A script that leaves what a trainer would."""
    ready = folder / "ready"
    ready.mkdir()
    (ready / "report.json").write_text(json.dumps(REPORT))
    (ready / WEIGHTS).write_bytes(weights())
    (ready / OPTIMIZER).write_bytes(save({}))
    np.save(ready / "ranks-challenger.npy", np.zeros(0, np.int32))
    for name, content in changes.items():
        (ready / name.replace("_", ".")).write_bytes(content)
    return f"cp -r {ready} out"


@pytest.fixture
def world(tmp_path: Path):
    """Its trainer sleeps until it is ended."""
    one = World(tmp_path)
    yield one
    one.tuner.close()


@pytest.fixture
def quick(tmp_path: Path):
    """Its trainer is done at once."""
    one = World(tmp_path, prepared(tmp_path))
    yield one
    one.tuner.close()


# ---- when a round begins ----
def test_a_round_begins_after_enough_events(world: World) -> None:
    world.take(some(99))
    world.tick()
    assert world.state.round is None
    world.take(some(1, first=99))
    world.tick()
    current = world.state.round
    assert current is not None
    assert (current.version, current.reason, current.events) == (1, "events", 100)
    assert (world.status["status"], world.status["trigger"]) == ("training", "events")


def test_a_round_begins_by_time_if_there_is_something_new(tmp_path: Path) -> None:
    world = World(tmp_path, every_events=0, every_ms=10 * MINUTE)
    world.take(some(19))
    world.tick(10 * MINUTE)
    assert world.state.round is None
    world.take(some(1, first=19))
    world.tick(9 * MINUTE)
    assert world.state.round is None
    world.tick(MINUTE)
    assert world.state.round is not None
    assert world.state.round.reason == "time"
    world.tuner.close()


def test_a_round_begins_by_command(world: World) -> None:
    world.take(some(3))
    (answer,) = world.command("one", b'{"command":"fine_tune_now"}')
    assert (answer["ok"], answer["message"]) == (True, "a round begins")
    world.tick()
    assert world.state.round is not None
    assert world.state.round.reason == "command"


def test_no_round_begins_without_events(world: World) -> None:
    world.command("one", b'{"command":"fine_tune_now"}')
    world.tick()
    assert world.state.round is None
    assert world.state.version == 0
    world.take(some(1))
    world.tick()
    assert world.state.round is not None


def test_triggers_during_a_round_make_one_more_round(tmp_path: Path) -> None:
    quick = World(tmp_path, "sleep 1\n" + prepared(tmp_path))
    quick.take(some(100))
    quick.tick()
    for n in range(3):
        quick.take(some(100, first=100 * (n + 1)))
        (answer,) = quick.command(f"c{n}", b'{"command":"fine_tune_now"}')
        assert answer["message"] == "a round follows"
    assert quick.state.round is not None
    assert quick.state.version == 1
    assert quick.state.trigger == "events"
    quick.finished()
    quick.tick()
    quick.finished()
    for _ in range(3):
        quick.tick()
    assert quick.store.versions() == [1, 2]
    assert quick.state.trigger == ""


def test_more_events_than_are_trained_on_halve_the_users_once(tmp_path: Path) -> None:
    """Without a round in between, every window halved them again, down to nobody."""
    world = World(tmp_path, every_events=0, ring_events=1_000)
    for n in range(60):
        world.take(some(10, first=10 * n))
    assert world.state.share == 0.5
    for n in range(60, 400):
        world.take(some(10, first=10 * n))
    assert world.state.share >= 1 / 16
    assert world.state.new_events > 500
    # once less comes than there is room for, all users take part again
    for n in range(6):
        world.take(some(20, first=4_000 + 20 * n))
        world.command(f"round-{n}", b'{"command":"fine_tune_now"}')
    assert world.state.share == 1


# ---- what becomes of it ----
FAILURES = {
    "missing": (None, r"expected the interpreter .*no-such-python, got none there$"),
    "exits": ("echo first; echo it is broken >&2; exit 1", r"exit code 1: it is broken$"),
    "silent": ("exit 3", r"exit code 3: no output$"),
    "killed": ("kill -9 $$", r"killed by signal 9; out of memory\?: no output$"),
    "prints": ("head -c 100000000 /dev/zero | tr '\\0' x; echo; echo end; exit 1", r"1: end$"),
    "leaves nothing": ("exit 0", r"exit code 0: no output$"),
    "hangs": ("exec sleep 600", r"expected an end within 0\.2 s, got none$"),
}


@pytest.mark.parametrize("kind", FAILURES)
def test_a_trainer_that_fails_is_tried_thrice_and_the_round_given_up(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # its last words may be late where others take the processors
    monkeypatch.setattr("operators.fine_tune.trainer._DYING_SECONDS", 10.0)
    script, expected = FAILURES[kind]
    python = str(program(tmp_path, script)) if script else str(tmp_path / "no-such-python")
    seconds = 0.2 if kind == "hangs" else 60
    world = World(tmp_path, trainer=TrainerParams(python=python, nice=0, seconds=seconds))
    world.take(some(100))
    world.tick()
    world.finished()
    world.tick()
    assert world.state.failed == 3
    assert world.status["status"] == "idle"
    verdict = world.status["verdict"]
    assert verdict.startswith("round 1: trainer failed: ")
    assert len(verdict) < 700
    assert re.search(expected, verdict), verdict
    assert world.pointers == []
    assert list((tmp_path / "own").glob("*/round-*")) == []
    # the next trigger tries again, with another version
    world.take(some(100, first=100))
    world.tick()
    assert world.state.version == 2
    world.tuner.close()


def test_a_trainer_that_fails_once_is_tried_again_and_the_round_ends_well(tmp_path: Path) -> None:
    script = f"[ -e {tmp_path}/once ] || {{ touch {tmp_path}/once; exit 1; }}\n"
    world = World(tmp_path, script + prepared(tmp_path))
    world.take(some(100))
    world.tick()
    world.finished()
    assert (world.state.failed, world.state.champion) == (1, 1)


def damaged(folder: Path, name: str, content: bytes) -> World:
    """A world whose trainer leaves a file that makes no sense."""
    script = prepared(folder)
    (folder / "ready" / name).write_bytes(content)
    return World(folder, script)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("report.json", b""),
        ("report.json", b"{}"),
        ("report.json", b"[]"),
        ("ranks-challenger.npy", b""),
        ("ranks-challenger.npy", b"no array"),
        ("ranks-champion.npy", b""),
    ],
)
def test_files_of_a_trainer_that_make_no_sense_fail_the_round(
    tmp_path: Path, name: str, content: bytes
) -> None:
    world = damaged(tmp_path, name, content)
    world.take(some(100))
    world.tick()
    world.finished()
    assert world.state.failed == 3
    assert "expected the trainer's files" in world.state.verdict
    assert world.state.champion == 0


@pytest.mark.parametrize("content", [b"", weights()[:500]])
def test_weights_that_make_no_sense_are_refused(tmp_path: Path, content: bytes) -> None:
    world = damaged(tmp_path, WEIGHTS, content)
    world.take(some(100))
    world.tick()
    world.finished()
    assert (world.state.rejected, world.state.champion) == (1, 0)
    assert world.store.versions() == []


def test_a_worse_model_is_not_served_and_its_events_stay_new(tmp_path: Path) -> None:
    world = World(tmp_path, prepared(tmp_path))
    np.save(tmp_path / "ready" / "ranks-champion.npy", np.zeros(300, np.int32))
    np.save(tmp_path / "ready" / "ranks-challenger.npy", np.full(300, 99, np.int32))
    world.serving(7)
    world.take(some(100))
    world.tick()
    world.finished()
    world.tick()
    assert (world.state.rejected, world.state.champion) == (1, 7)
    assert "worse than the champion" in world.status["verdict"]
    assert world.state.new_events == 100
    assert [pointer.model for pointer in world.pointers] == [7]


def test_a_restart_begins_the_same_round_again(world: World) -> None:
    world.take(some(150))
    world.tick()
    begun = world.state.round
    assert begun is not None
    before = json.loads((world.round_folder() / "plan.json").read_text())
    world.restored()
    assert list((world.folder / "own").iterdir()) == []
    assert world.state.round == begun
    world.tick()
    assert world.state.round == begun
    folder = world.round_folder()
    assert json.loads((folder / "plan.json").read_text()) == before
    parts = [np.load(part) for part in sorted(folder.glob("times-*.npy"))]
    assert np.concatenate(parts).tolist() == [1_000 * n for n in range(150)]


def test_a_restart_says_again_which_model_serves(quick: World) -> None:
    quick.take(some(100))
    quick.tick()
    quick.finished()
    quick.tick()
    quick.restored()
    quick.tick()
    one, two = quick.pointers
    assert (one.model, two.model) == (1, 1)
    assert two.sequence == one.sequence + 1


def test_a_damaged_status_stops_the_job(world: World) -> None:
    world.tuner.save()
    world.memory[STATUS_ENTRY] = world.memory[STATUS_ENTRY][:-1] + b"\xa5"
    with pytest.raises(StateError, match=r"restore the job from an older savepoint"):
        world.made("other")


# ---- the real trainer ----
@pytest.mark.skipif(not TRAINER_PYTHON.exists(), reason=".venv-train is missing")
def test_two_real_rounds(tmp_path: Path) -> None:
    trainer = TrainerParams(python=str(TRAINER_PYTHON), nice=0, seconds=100)
    world = World(tmp_path, trainer=trainer)
    world.take(some(140))
    world.tick()
    world.until(lambda: world.state.round is None, 60)
    world.tick()
    first = world.store.manifest(1)
    assert (first.parent, first.root, first.steps, first.events) == (0, 1, 3, 140)
    assert first.offsets == {"0": [0, 138], "1": [1, 139]}
    (pointer,) = world.pointers
    digest = hashlib.sha256((tmp_path / "store/00000001" / WEIGHTS).read_bytes()).hexdigest()
    assert pointer.sha256 == first.files[WEIGHTS].sha256 == digest
    assert (pointer.model, pointer.root, pointer.sequence) == (1, 1, 1)
    assert world.store.load(pointer, SHAPE).keys.tolist() == [0, 1, 2, 3, 4]
    assert (world.status["status"], world.status["model"]) == ("idle", 1)
    assert world.status["verdict"].startswith("round 1: first model (")

    world.take(some(900, first=140, users=300))
    world.tick()
    plan = json.loads((world.round_folder() / "plan.json").read_text())
    assert (plan["round"], plan["new_from"]) == (2, 140)
    world.take(some(30, first=1040))  # while the round runs: not trained on
    world.until(lambda: world.state.round is None, 60)
    world.tick()
    second = world.store.manifest(2)
    assert (second.parent, second.root, second.events) == (1, 2, 1040)  # learnt anew
    assert second.champion.keys() == second.challenger.keys() != set()
    assert second.offsets == {"0": [140, 1038], "1": [141, 1039]}
    assert second.files.keys() == {WEIGHTS}  # no round goes on from it
    assert [pointer.model for pointer in world.pointers if pointer.model] == [1, 2]
    assert world.state.new_events == 30
    assert world.state.offsets == {"0": [1039, 1068], "1": [1040, 1069]}
    world.tuner.close()


def ratings(events: int, *, first: int = 0) -> tuple[bytes, np.ndarray]:
    """Examples of ratings by the tastes of thirty users, and the ratings."""
    random = np.random.default_rng(3)
    taste, kind = random.normal(size=(30, 2)), random.normal(size=(20, 2))
    random = np.random.default_rng([4, first])
    user, item = random.integers(0, 30, events), random.integers(0, 20, events)
    value = np.clip(3 + (taste[user] * kind[item]).sum(axis=1), 1, 5).astype(np.float32)
    n, nobody = np.arange(first, first + events), np.empty(0, np.int32)
    made = Examples(
        model=0,
        loss=np.zeros(LOSSES),
        user=user.astype(np.uint64),
        item=item.astype(np.uint64),
        time=n,
        coordinate=n,
        rank=nobody,
        online_rank=nobody,
        value=value,
    )
    return examples.encode(made), value


def test_two_real_rounds_of_ratings(tmp_path: Path) -> None:
    """By this very interpreter: no torch is needed."""
    shape = Shape(network="mf", dim=4)
    params = RoundParams(shape=shape, scale=(1.0, 5.0), held_out=0.2)
    trainer = TrainerParams(python="", nice=0, seconds=100)
    world = World(tmp_path, trainer=trainer, round=params, every_events=2_000)
    told, value = ratings(2_000)
    world.take(told)
    world.tick()
    world.until(lambda: world.state.round is None, 100)
    world.tick()
    first = world.store.manifest(1)
    assert (first.parent, first.events, first.items, first.steps) == (0, 2_000, 20, 12)
    (pointer,) = world.pointers
    model = world.store.load(pointer, shape)
    assert model.keys.tolist() == list(range(20))
    assert model.bias.mean() == pytest.approx(value.mean(), abs=0.3)
    world.take(ratings(2_000, first=2_000)[0])
    world.tick()
    world.until(lambda: world.state.round is None, 100)
    world.tick()
    second = world.store.manifest(2)
    assert (second.parent, second.root, second.events) == (1, 1, 4_000)
    assert second.champion["positions"] == second.challenger["positions"] == 800
    assert second.challenger["rmse"] < 0.75 * value.std()
    assert re.fullmatch(r"round 2: RMSE 0\.\d+ against \d\.\d+ on 800 events \(\d+ s\)",
                        world.status["verdict"])  # fmt: skip
    told = examples.decode(ratings(500)[0])
    told.model, told.loss[:4] = 2, (500, 400.0, 150.0, 250.0)
    world.take(examples.encode(told))
    world.tick(5_000)
    assert world.pointers[-1].weight == pytest.approx(0.5)
    assert (world.pointers[-1].model, world.state.judged) == (2, 500)
    world.tuner.close()


# ---- commands ----
def test_a_model_is_rolled_back_to_the_one_before_and_to_none(world: World) -> None:
    world.serving(1)
    world.serving(2)
    answers = [*world.command("a", ROLLBACK), *world.command("b", ROLLBACK)]
    world.tick()
    assert [answer["message"] for answer in answers] == [
        "model 2 rolled back to 1: by command",
        "model 1 rolled back to none: by command",
    ]
    assert [pointer.model for pointer in world.pointers] == [1, 2, 1, 0]
    (answer,) = world.command("c", ROLLBACK)
    assert not answer["ok"]
    assert "expected a model that serves, got none" in answer["message"]
    assert world.state.rollbacks == 2


ROLLBACK = b'{"command":"rollback_model"}'


def test_a_rollback_passes_over_versions_that_are_gone(world: World) -> None:
    for version in (1, 2, 3):
        world.serving(version)
    (world.folder / "store/00000002/manifest.json").unlink()
    (answer,) = world.command("a", ROLLBACK)
    assert answer["message"].startswith("model 3 rolled back to 1")


def test_a_version_is_promoted_and_the_pointer_has_its_sha256(world: World) -> None:
    world.serving(1)
    world.serving(4)
    (answer,) = world.command("a", promote(1))
    assert (answer["ok"], answer["message"]) == (True, "model 1 serves")
    world.tick()
    assert world.pointers[-1].model == 1
    assert world.pointers[-1].sha256 == hashlib.sha256(weights(1)).hexdigest()
    assert [pointer.sequence for pointer in world.pointers] == [1, 2, 3]
    world.take(some(100))
    world.tick()
    assert world.state.version == 5  # never one that there was


def test_promoting_what_serves_changes_nothing(world: World) -> None:
    world.serving(1)
    assert world.command("a", promote(1))[0]["ok"]
    assert (world.state.champion, world.state.previous) == (1, [])


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"nonsense",
        b"[]",
        b"{}",
        b"\xff",
        b'{"command":"drop_all"}',
        b'{"command":7}',
        b'{"command":"promote_model"}',
        b'{"command":"promote_model","model":"1"}',
        b'{"command":"promote_model","model":9}',
        b'{"command":"promote_model","model":-1}',
    ],
)
def test_a_command_that_makes_no_sense_is_answered(world: World, value: bytes | None) -> None:
    world.serving(1)
    (answer,) = world.command("bad", value)
    assert not answer["ok"]
    assert "expected" in answer["message"]
    assert answer["answered_at"] == world.now
    assert (world.state.champion, world.state.round) == (1, None)


def test_a_version_of_another_shape_is_not_promoted(world: World) -> None:
    other = Manifest(
        version=3, parent=0, root=3, shape=Shape(dim=16).to_dict(), created_at=1, events=1,
        items=5, steps=1, seconds=0.1,
    )  # fmt: skip
    world.store.put(other, {WEIGHTS: weights()})
    (answer,) = world.command("a", promote(3))
    assert (answer["ok"], world.state.champion) == (False, 0)
    assert "of the configured shape" in answer["message"]


def test_a_version_without_weights_is_not_promoted(world: World) -> None:
    other = Manifest(
        version=3, parent=0, root=3, shape=SHAPE.to_dict(), created_at=1, events=1, items=5,
        steps=1, seconds=0.1,
    )  # fmt: skip
    world.store.put(other, {OPTIMIZER: b""})
    (answer,) = world.command("a", promote(3))
    assert not answer["ok"]
    world.tick()
    assert world.pointers == []


def test_a_command_that_comes_again_is_not_answered_again(world: World) -> None:
    world.serving(1)
    world.serving(2)
    assert world.command("once", ROLLBACK)
    assert world.command("once", ROLLBACK) == []
    world.restored()
    assert world.command("once", ROLLBACK) == []
    assert world.state.champion == 1


def test_commands_without_a_key_are_all_carried_out(world: World) -> None:
    assert len(world.command(None, b"{}") + world.command("", b"{}")) == 2


def test_the_ids_remembered_are_bounded(world: World) -> None:
    for n in range(600):
        world.command(f"{n}" + "x" * 1_000, b"{}")
    assert len(world.state.commands) <= 256
    assert len(world.memory[STATUS_ENTRY]) < 100_000


# ---- a store that fails ----
def test_a_store_that_cannot_be_written_fails_the_round(tmp_path: Path) -> None:
    world = World(tmp_path, prepared(tmp_path))
    (tmp_path / "store").write_text("a file")
    world.take(some(100))
    world.tick()
    world.finished()
    world.tick()
    assert world.state.failed == 3
    assert "expected to list, got" in world.status["verdict"]
    assert world.state.champion == 0


def spoil(store: Path) -> None:
    """Put a file where the store was."""
    store.rename(store.with_name("moved"))
    store.write_text("a file")


def test_a_store_that_is_gone_leaves_the_champion(tmp_path: Path) -> None:
    world = World(tmp_path, prepared(tmp_path))
    world.serving(1)
    spoil(tmp_path / "store")
    world.take(some(100))
    world.tick()
    world.finished()
    world.tick()
    assert world.state.failed == 3
    assert world.state.champion == 1
    assert "expected to list, got" in world.status["verdict"]
    assert {pointer.model for pointer in world.pointers} == {1}
    (answer,) = world.command("a", ROLLBACK)  # to none, which needs no store
    assert answer["ok"]
    assert world.state.champion == 0


def test_a_store_that_fails_after_the_model_was_written_fails_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path, prepared(tmp_path))

    listed = ModelStore.versions

    def broken(store: ModelStore) -> list[int]:
        if not listed(store):
            return []
        message = "cannot be listed"
        raise StoreError(message)

    monkeypatch.setattr(ModelStore, "versions", broken)
    world.take(some(100))
    world.tick()
    world.finished()
    world.tick()
    assert world.state.champion == 1
    assert [pointer.model for pointer in world.pointers] == [1]


def test_old_versions_leave_the_store(quick: World) -> None:
    for n in range(6):
        quick.take(some(100, first=100 * n))
        quick.tick()
        quick.finished()
    assert quick.store.versions() == [4, 5, 6]


# ---- the watch and the blend ----
def lost(events: int, model: int) -> bytes:
    """Events that the blend missed and the online model alone would have hit."""
    return some(events, model=model, rank=(99,) * events, online_rank=(0,) * events)


def test_a_model_that_makes_lists_worse_is_rolled_back_by_itself(world: World) -> None:
    world.serving(1)
    world.serving(2)
    world.take(lost(90, 2))
    world.tick()
    assert (world.state.champion, world.state.rollbacks, world.state.wealth) == (1, 1, 1.0)
    assert "worse than the online model alone" in world.status["verdict"]
    assert [pointer.model for pointer in world.pointers[-2:]] == [2, 1]
    assert world.pointers[-2].deep == 0  # at once, before the store is asked


def test_a_store_that_cannot_be_read_does_not_stop_the_job_at_a_rollback(world: World) -> None:
    world.serving(1)
    world.serving(2)
    spoil(world.folder / "store")
    world.take(lost(90, 2))
    world.tick()
    world.tick()
    assert world.state.champion == 0  # worse than nothing: better none than this one
    assert world.pointers[-1].model == 0


def test_events_ranked_by_another_model_are_not_judged(world: World) -> None:
    world.serving(1)
    world.serving(2)
    for model in (0, 1, 3):
        world.take(lost(90, model))
    assert (world.state.wealth, world.state.judged) == (1.0, 0.0)
    world.take(lost(5, 2))
    assert world.state.wealth == pytest.approx(1.1**5)
    assert world.state.judged == 5


def test_a_new_champion_is_watched_from_the_start(world: World) -> None:
    world.serving(1)
    world.take(lost(20, 1))
    assert world.state.wealth > 1
    world.serving(2)
    assert world.state.wealth == 1


def test_the_blend_goes_on_within_a_line_and_begins_anew_after_it(world: World) -> None:
    world.serving(1)
    world.take(lost(5, 1))
    world.serving(2)  # of the same line
    assert (world.state.root, world.state.judged) == (1, 5.0)
    world.stored(3, root=3)
    world.state.deep = 0.4
    world.command("another line", promote(3))
    assert (world.state.root, world.state.judged, world.state.deep) == (3, 0.0, 0.0)


def test_after_a_rollback_the_model_has_to_show_anew_that_it_helps(world: World) -> None:
    world.serving(1)
    world.serving(2)
    world.take(lost(5, 2))
    world.state.deep = 0.4
    world.command("back", ROLLBACK)
    assert (world.state.champion, world.state.judged, world.state.deep) == (1, 0.0, 0.0)


def test_damaged_examples_are_skipped_and_the_others_taken(world: World) -> None:
    good, bad = some(4), bytearray(some(9, first=4))
    bad[40] ^= 1
    world.take(bytes(bad), good, b"", b"EX")
    assert world.state.events == 4
    world.take(bytes(bad))
    assert world.state.events == 4


def test_a_blend_that_moves_is_told_not_too_often(world: World) -> None:
    world.serving(1)
    for n in range(20):
        world.state.deep = 0.01 * n
        world.tick(500)
    told = [pointer.deep for pointer in world.pointers]
    assert 4 <= len(told) <= 7
    world.tick(2_000)
    assert world.pointers[-1].deep == pytest.approx(0.19)


def test_nothing_is_said_twice_but_a_pointer_now_and_then(world: World) -> None:
    """Whoever missed it, or could not read the store then, serves the model all the same."""
    world.serving(1)
    before = len(world.said)
    for _ in range(10):
        world.tick(1_000)
    assert len(world.said) == before
    for _ in range(50):
        world.tick(1_000)
    again = world.said[before:]
    assert {(topic, key) for topic, key, _ in again} == {POINTERS}
    assert 3 <= len(again) <= 5
    assert {pointer.model for pointer in world.pointers} == {1}
    sequences = [pointer.sequence for pointer in world.pointers]
    assert sequences == sorted(set(sequences))


# ---- where a model comes from ----
def test_a_round_names_the_model_it_began_from_as_its_parent(tmp_path: Path) -> None:
    """Even if another one serves by the time it ends."""
    world = World(
        tmp_path, f"while [ ! -e {tmp_path}/go ]; do sleep 0.02; done\n" + prepared(tmp_path)
    )
    world.serving(1)
    world.serving(2)
    world.take(some(100))
    world.tick()
    world.command("back", ROLLBACK)
    world.restored()  # begins again from what serves now
    world.tick()
    world.command("again", promote(2))
    (tmp_path / "go").touch()
    world.finished()
    assert world.store.manifest(3).parent == 1


def test_shares_are_told_by_plan(world: World) -> None:
    world.take(some(100))
    world.tick()
    plan = json.loads((world.round_folder() / "plan.json").read_text())
    told = replace(world.params.round).plan(1, 0)
    assert plan == told


def test_a_command_about_a_user_is_obeyed_once_and_answered_elsewhere(world: World) -> None:
    forget = b'{"command":"forget_user","user":"ann"}'
    assert list(world.command("f", forget)) == []
    assert world.state.forgotten == [key_of("ann")]
    assert list(world.command("r", b'{"command":"readmit_user","user":"ann"}')) == []
    assert list(world.command("f", forget)) == []  # sent twice
    assert world.state.forgotten == []
