"""fine-tune off the straight road: older savepoints, other stores and shapes, commands while a
round runs, slow stores, full disks, processes that leave something behind."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from safetensors.numpy import save

from models.deep.privacy import Privacy, most
from models.deep.recurrent import Recurrent
from models.deep.shape import Shape
from operators.background import Background
from operators.fine_tune import tuner
from operators.fine_tune.scratch import Scratch
from operators.fine_tune.trainer import TrainerParams
from state.store.model_store import WEIGHTS, Ledger, ModelStore, StoreError
from tests.unit.test_tuner import (
    ROLLBACK,
    SHAPE,
    Entries,
    World,
    lost,
    prepared,
    program,
    promote,
    some,
)

PRIVATE = Privacy(epsilon=4.0, delta=1e-6, clip=1.0, noise=1.0)
QUICK = 0.1
"""Seconds that nothing in an operator's thread may take."""


def waits_for_go(folder: Path) -> str:
    """A trainer that ends once there is a file `go`."""
    return f"while [ ! -e {folder}/go ]; do sleep 0.02; done\n" + prepared(folder)


def restored_from(world: World, memory: Entries) -> None:
    """Go on from an older savepoint: in a new process, in another folder."""
    world.tuner.close()
    world.memory = Entries(memory)
    world.tuner = world.made("other")
    world.said.clear()


# ---- what an operator decided is not undone by a round ----
@pytest.mark.parametrize("decision", ["rollback", "promotion", "watch"])
def test_what_was_decided_during_a_round_is_not_undone_by_it(tmp_path: Path, decision: str) -> None:
    world = World(tmp_path, waits_for_go(tmp_path))
    world.serving(1)
    world.serving(2)
    world.take(some(100))
    world.tick()
    assert world.state.round is not None
    if decision == "rollback":
        world.command("back", ROLLBACK)
    elif decision == "promotion":
        world.command("other", promote(1))
    else:
        world.take(lost(90, 2))
        world.tick()
    assert world.state.champion == 1
    (tmp_path / "go").touch()
    world.finished()
    world.tick()
    assert world.state.champion == 1
    assert world.pointers[-1].model == 1
    assert 3 in world.store.versions()
    told = "stored and not served, as model 1 was set or judged meanwhile"
    assert told in world.status["verdict"]
    # the next round is judged against what serves, and may serve
    world.take(some(100, first=100))
    world.tick()
    world.finished()
    world.tick()
    assert world.state.champion == 4
    world.tuner.close()


def test_a_decision_that_is_taken_back_during_a_round_lets_its_model_serve(tmp_path: Path) -> None:
    world = World(tmp_path, waits_for_go(tmp_path))
    world.serving(1)
    world.serving(2)
    world.take(some(100))
    world.tick()
    world.command("back", ROLLBACK)
    world.command("again", promote(2))
    (tmp_path / "go").touch()
    world.finished()
    assert world.state.champion == 3


# ---- older savepoints, other stores, other shapes ----
def test_a_champion_that_left_the_store_gives_way_to_one_that_is_there(tmp_path: Path) -> None:
    world = World(tmp_path, prepared(tmp_path))
    for version in (1, 2, 3):
        world.serving(version)
    old = Entries(world.memory)
    for version in (4, 5, 6):
        world.serving(version)
    (tmp_path / "store/00000003/manifest.json").unlink()
    restored_from(world, old)
    world.tick()
    assert world.state.champion == 2
    assert world.pointers[-1].model == 2
    assert "model 3 rolled back to 2" in world.status["verdict"]
    assert world.status["model"] == 2


def test_where_no_champion_is_left_rounds_begin_from_nothing(tmp_path: Path) -> None:
    world = World(tmp_path, prepared(tmp_path))
    world.serving(1)
    old = Entries(world.memory)
    for version in (2, 3, 4, 5):
        world.serving(version)
    world.store.keep(3, also=[5])
    restored_from(world, old)
    world.take(some(100))
    world.tick()
    world.finished()
    world.tick()
    assert (world.state.failed, world.state.rollbacks, world.state.champion) == (0, 1, 6)
    assert world.store.manifest(6).parent == 0


def test_a_version_is_never_made_twice(tmp_path: Path) -> None:
    """An abandoned timeline left versions that this one knows nothing of."""
    world = World(tmp_path, prepared(tmp_path))
    world.serving(1)
    old = Entries(world.memory)
    before = {v: (tmp_path / f"store/{v:08}/{WEIGHTS}") for v in (2, 7)}
    world.stored(*before)
    contents = {v: path.read_bytes() for v, path in before.items()}
    restored_from(world, old)
    world.take(some(100))
    world.tick()
    world.finished()
    assert world.state.champion == 8
    assert {v: path.read_bytes() for v, path in before.items()} == contents


def test_a_round_that_was_stored_before_a_crash_gets_another_number(tmp_path: Path) -> None:
    world = World(tmp_path, waits_for_go(tmp_path))
    world.take(some(100))
    world.tick()
    begun = Entries(world.memory)
    (tmp_path / "go").touch()
    world.finished()
    assert world.store.versions() == [1]
    restored_from(world, begun)
    world.tick()
    world.finished()
    world.tick()
    assert world.store.versions() == [1, 2]
    assert world.pointers[-1].model == 2


def test_a_store_refuses_to_write_a_version_twice(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.stored(3)
    with pytest.raises(StoreError, match=r"expected no version 3, got one"):
        world.stored(3)
    world.tuner.close()


def test_another_model_of_the_same_number_is_not_the_champion(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.serving(1)
    world.serving(2)
    old = Entries(world.memory)
    folder = tmp_path / "store/00000002"
    shutil.rmtree(folder)
    shutil.copytree(tmp_path / "store/00000001", folder)
    told = json.loads((folder / "manifest.json").read_bytes())
    (folder / "manifest.json").write_text(json.dumps(told | {"version": 2}))
    restored_from(world, old)
    world.tick()
    assert world.state.champion == 1
    assert "the store has another model 2 than the one that served" in world.status["verdict"]


def test_a_champion_of_another_shape_is_given_up_and_rounds_begin_anew(tmp_path: Path) -> None:
    wide = Shape(dim=12, width=8, length=8)
    world = World(tmp_path, prepared(tmp_path))
    world.serving(1)
    random = np.random.default_rng(1)
    tensors = {n: random.normal(size=s).astype(np.float32)
               for n, s in Recurrent.shapes(wide, 5).items()}  # fmt: skip
    (tmp_path / "ready" / WEIGHTS).write_bytes(
        save({"keys": np.arange(5, dtype=np.uint64), **tensors})
    )
    world.params = replace(world.params, round=replace(world.params.round, shape=wide))
    world.restored()
    world.tick()
    assert world.state.champion == 0
    assert "of the configured shape" in world.status["verdict"]
    world.take(some(100))
    world.tick()
    world.finished()
    world.tick()
    assert (world.state.failed, world.state.champion) == (0, 2)
    assert world.pointers[-1].shape == wide.to_dict()


def test_another_store_has_nothing_of_the_champion(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.serving(1)
    root = world.pointers[-1].root
    world.params = replace(world.params, store=str(tmp_path / "elsewhere"))
    world.restored()
    world.tick()
    assert world.state.champion == 0
    assert world.pointers[-1].model == 0
    world.stored(1)
    world.command("one", promote(1))
    world.tick()
    assert world.pointers[-1].model == 1
    assert world.pointers[-1].root != root  # states of the other store's line are none of this one
    world.tuner.close()


def test_a_store_that_was_copied_elsewhere_is_the_same(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.serving(1)
    shutil.copytree(tmp_path / "store", tmp_path / "elsewhere")
    root = world.pointers[-1].root
    world.params = replace(world.params, store=str(tmp_path / "elsewhere"))
    world.restored()
    world.tick()
    newest = world.pointers[-1]
    assert (newest.model, newest.root, newest.store) == (1, root, str(tmp_path / "elsewhere"))
    world.tuner.close()


def test_an_empty_store_may_not_be_mounted_and_takes_nothing_away(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.serving(1)
    (tmp_path / "store").rename(tmp_path / "unmounted")
    (tmp_path / "store").mkdir()
    world.restored()
    world.tick()
    assert world.state.champion == 1
    assert world.pointers[-1].model == 1
    assert "expected model 1, got an empty store" in world.status["verdict"]
    (tmp_path / "store").rmdir()
    (tmp_path / "unmounted").rename(tmp_path / "store")
    world.tick(40_000)
    assert world.state.champion == 1
    world.tuner.close()


def test_a_damaged_manifest_stops_nothing(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.serving(1)
    world.serving(2)
    manifest = tmp_path / "store/00000002/manifest.json"
    manifest.write_bytes(manifest.read_bytes()[:40] + b"\xff" + manifest.read_bytes()[41:])
    world.restored()
    world.tick()
    assert world.state.champion == 1
    (answer,) = world.command("p", promote(2))
    assert not answer["ok"]
    assert "model 2: expected a manifest" in answer["message"]
    world.tuner.close()


def test_pointers_say_whose_they_are(tmp_path: Path) -> None:
    world = World(tmp_path, job="shop", run="abc")
    world.serving(1)
    world.restored()
    world.tick()
    one, two = world.pointers[0], world.pointers[-1]
    assert {(p.job, p.run) for p in world.pointers} == {("shop", "abc")}
    assert one.start != two.start
    assert two.follows(one)
    assert not one.follows(msgspec.structs.replace(one, sequence=one.sequence + 1))
    world.tuner.close()


# ---- privacy ----
def private(folder: Path, end: str | None = None) -> World:
    """A world of private rounds, each of which spends 10 steps, and may end otherwise."""
    spends = '{"noise":1.0,"rate":0.1,"steps":10,"epsilon":1.5}'
    world = World(folder, f"echo '{spends}' >privacy.json\n" + (end or prepared(folder)))
    world.params = replace(world.params, round=replace(world.params.round, privacy=PRIVATE))
    world.tuner.close()
    world.tuner = world.made("private")
    return world


def test_what_was_spent_is_known_to_the_store_and_not_forgotten_with_the_state(
    tmp_path: Path,
) -> None:
    world = private(tmp_path)
    before = Entries(world.memory)
    world.take(some(100))
    world.tick()
    world.finished()
    world.tick()
    assert world.state.champion == 1
    assert world.state.privacy == [(1.0, 0.1, 10)]
    assert world.store.spent() == Ledger([(1.0, 0.1, 10)], 1.5)
    restored_from(world, before)
    world.tick()
    assert world.state.privacy == [(1.0, 0.1, 10)]
    assert world.state.epsilon == 1.5
    assert world.status["privacy"]["epsilon"] == 1.5
    world.tuner.close()


def test_what_a_failed_private_round_spent_reaches_the_store(tmp_path: Path) -> None:
    world = private(tmp_path)
    (tmp_path / "ready" / WEIGHTS).write_bytes(b"no weights")
    world.take(some(100))
    world.tick()
    world.finished()
    world.tick()
    assert world.state.champion == 0
    assert world.store.spent().privacy == world.state.privacy != []
    world.tuner.close()


def test_what_a_trainer_that_died_has_spent_reaches_the_store(tmp_path: Path) -> None:
    """Nothing is judged or stored then, and the account is told by itself."""
    world = private(tmp_path, "exit 1")
    world.take(some(100))
    world.tick()
    world.finished()
    world.tick()
    assert world.state.failed == 3
    world.tick(40_000)
    assert world.store.spent().privacy == world.state.privacy != []
    world.tuner.close()


def test_no_private_round_begins_before_it_is_known_what_was_spent(tmp_path: Path) -> None:
    world = private(tmp_path)
    (tmp_path / "store").mkdir()
    (tmp_path / "store/privacy.json").write_bytes(b"\xff")
    world.take(some(100))
    for _ in range(5):
        world.tick(1_000)
    assert world.state.round is None
    assert world.state.version == 0
    assert "without it nobody knows what was spent" in world.status["verdict"]
    (tmp_path / "store/privacy.json").unlink()
    world.tick(40_000)
    assert world.state.version == 1
    world.tuner.close()


def test_two_accounts_of_one_history_are_the_longer_one() -> None:
    one, other = [(1.0, 0.1, 10), (2.0, 0.1, 5)], [(1.0, 0.1, 4), (1.0, 0.1, 3), (2.0, 0.2, 1)]
    assert most(one, other) == [(1.0, 0.1, 10), (2.0, 0.1, 5), (2.0, 0.2, 1)]
    assert most(other, []) == [(1.0, 0.1, 7), (2.0, 0.2, 1)]


# ---- stores that are slow, hang, or were left half-written ----
def test_a_slow_store_holds_up_no_tick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put, read, versions = ModelStore.put, ModelStore.read, ModelStore.versions

    def slowly(call: Any) -> Any:
        def slow(*arguments: Any, **named: Any) -> Any:
            time.sleep(0.5)
            return call(*arguments, **named)

        return slow

    world = World(tmp_path, prepared(tmp_path))
    world.serving(1)
    monkeypatch.setattr(ModelStore, "put", slowly(put))
    monkeypatch.setattr(ModelStore, "read", slowly(read))
    monkeypatch.setattr(ModelStore, "versions", slowly(versions))
    world.take(some(100))
    longest, end = 0.0, time.monotonic() + 30
    while world.state.champion != 2:
        assert time.monotonic() < end, world.state.verdict
        begin = time.monotonic()
        world.said += world.tuner.tick()
        world.tuner.save()
        longest = max(longest, time.monotonic() - begin)
        time.sleep(0.01)
    assert longest < QUICK
    world.tuner.close()


def test_a_store_that_hangs_costs_a_round_and_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path, prepared(tmp_path))
    world.serving(1)
    forever = threading.Event()

    def hang(_: ModelStore) -> list[int]:
        forever.wait(60)
        return []

    monkeypatch.setattr(ModelStore, "versions", hang)
    monkeypatch.setattr(tuner, "_STORE_SECONDS", 0.2)
    monkeypatch.setattr(tuner, "_UPLOAD_SECONDS", 0.2)
    monkeypatch.setattr(world.tuner, "_ask", _with_patience(world, 0.2))
    world.take(some(100))
    list(world.tuner.command(b"back", ROLLBACK))
    end = time.monotonic() + 20
    while world.state.failed < 1 or world.state.waiting:
        assert time.monotonic() < end
        begin = time.monotonic()
        world.said += world.tuner.tick()
        assert time.monotonic() - begin < QUICK
        time.sleep(0.02)
    (answer,) = [json.loads(v) for t, _, v in world.said if t == "control_results"][-1:]
    assert answer["ok"]  # to none, which needs no store
    assert "expected an answer within 0.2 s, got none" in answer["message"]
    assert world.state.champion == 0
    forever.set()
    world.tuner.close()


def _with_patience(world: World, seconds: float) -> Any:
    ask = type(world.tuner)._ask

    def asked(call: Any, answered: Any, _: float = 0) -> None:
        ask(world.tuner, call, answered, seconds)

    return asked


def test_an_upload_that_was_given_up_keeps_its_number_to_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path, prepared(tmp_path))
    world.tick()
    put, go_on, puts = ModelStore.put, threading.Event(), list[int]()

    def slow(store: ModelStore, manifest: Any, files: Any) -> Any:
        puts.append(manifest.version)
        if len(puts) == 1:
            go_on.wait(60)
        return put(store, manifest, files)

    monkeypatch.setattr(ModelStore, "put", slow)
    monkeypatch.setattr(tuner, "_UPLOAD_SECONDS", 0.3)
    monkeypatch.setattr(world.tuner, "_ask", _with_patience(world, 0.3))
    world.take(some(100))
    end = time.monotonic() + 20
    while len(puts) < 2:
        assert time.monotonic() < end
        world.said += world.tuner.tick()
        time.sleep(0.02)
    go_on.set()
    world.finished()
    assert puts == [1, 2]
    assert world.store.versions() == [1, 2]
    for version in (1, 2):
        assert world.store.read(version, WEIGHTS)
    world.tuner.close()


def test_a_clock_that_is_set_back_holds_nothing_up(tmp_path: Path) -> None:
    world = World(tmp_path, every_events=0, every_ms=600_000)
    world.serving(1)
    before = len(world.pointers)
    world.now -= 86_400_000
    world.tick()
    assert len(world.pointers) > before
    world.take(some(30))
    world.tick(601_000)
    assert world.state.round is not None
    world.tuner.close()


def test_a_clock_that_is_set_back_holds_up_no_look_into_the_store(tmp_path: Path) -> None:
    world = World(tmp_path, prepared(tmp_path))
    world.serving(1)
    (tmp_path / "store").rename(tmp_path / "unmounted")
    (tmp_path / "store").mkdir()
    world.restored()
    world.tick()
    world.now -= 86_400_000
    (tmp_path / "store").rmdir()
    (tmp_path / "unmounted").rename(tmp_path / "store")
    world.take(some(100))
    world.tick()
    world.tick(40_000)
    world.finished()
    assert world.store.manifest(2).parent == 1
    world.tuner.close()


def test_no_more_than_a_few_calls_wait_for_a_store_that_hangs() -> None:
    forever, clock = threading.Event(), [0.0]
    background: Background[None] = Background("store", 1.0, lambda: clock[0])
    for _ in range(4):
        background.start(lambda: forever.wait(60) and None)
        clock[0] += 2
        done = background.poll()
        assert done is not None
        assert "expected an answer within 1 s" in str(done.error)
    background.start(lambda: None)
    background.wait(5)
    done = background.poll()
    assert done is not None
    assert "4 calls that still wait" in str(done.error)
    forever.set()


def test_what_was_never_finished_leaves_the_store_after_an_hour(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.stored(1, 2, 3)
    (tmp_path / "store/00000002/manifest.json").unlink()
    (tmp_path / "store/00000003/manifest.json").unlink()
    long_ago = time.time() - 7_200
    for path in (tmp_path / "store/00000002").iterdir():
        os.utime(path, (long_ago, long_ago))
    world.tick()
    assert sorted(p.name for p in (tmp_path / "store").iterdir()) == ["00000001", "00000003"]
    world.tuner.close()


# ---- disks that are full or swept ----
def test_a_full_disk_costs_a_round_and_never_the_stream(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path, prepared(tmp_path))
    saved, full = np.save, [False]

    def save_to_disk(*arguments: Any, **named: Any) -> None:
        if full[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        saved(*arguments, **named)

    monkeypatch.setattr(np, "save", save_to_disk)
    world.take(some(100))
    world.tick()
    world.finished()
    full[0] = True
    world.take(some(150, first=100))  # this ended the job
    world.tick()
    world.finished()
    world.tick()
    assert world.state.failed == 3
    assert "No space left on device" in world.status["verdict"]
    assert list(tmp_path.glob("o*/*/round-*")) == []
    full[0] = False
    world.take(some(100, first=250))
    world.tick()
    world.finished()
    assert world.state.failed == 3
    assert world.state.champion == world.state.version
    world.tuner.close()


@pytest.mark.parametrize("swept", ["a block", "all blocks", "the folder"])
def test_files_that_somebody_tidied_up_are_written_again(tmp_path: Path, swept: str) -> None:
    world = World(tmp_path, prepared(tmp_path))
    world.take(some(100))
    world.tick()
    world.finished()
    blocks = sorted(tmp_path.glob("o*/*/blocks/*"))
    assert blocks
    if swept == "the folder":
        shutil.rmtree(blocks[0].parent.parent)
    for path in blocks[: 1 if swept == "a block" else None]:
        path.unlink(missing_ok=True)
    world.take(some(20_000, first=100))
    world.tick()
    world.finished()
    world.tick()
    assert world.state.failed == 0
    assert world.state.champion == 2
    world.tuner.close()


def test_no_temporary_folder_costs_a_round(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(tmp_path, prepared(tmp_path))

    def refuse(*_: Any, **__: Any) -> str:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("tempfile.mkdtemp", refuse)
    world.take(some(100))
    world.tick()
    world.finished()
    world.tick()
    assert world.state.failed == 3
    assert "No space left" in world.status["verdict"]


# ---- processes that leave something behind ----
LEAVES = """
import subprocess, sys
from pathlib import Path
from operators.fine_tune.scratch import Scratch
folder = Scratch("left-", Path(sys.argv[1])).folder()
(folder / "users-b1.npy").write_bytes(b"somebody's events")
child = subprocess.Popen(["sleep", "600"], cwd=folder)
print(child.pid, flush=True)
import os, signal
os.kill(child.pid, signal.SIGSTOP)
if len(sys.argv) > 2:
    sys.stdin.read()
os.kill(os.getpid(), signal.SIGKILL)
"""


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_what_a_killed_process_left_goes_at_the_next_start(tmp_path: Path) -> None:
    def run(*more: str) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            [sys.executable, "-c", LEAVES, str(tmp_path), *more],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip

    dead, living = run(), run("stays")
    assert dead.stdout is not None
    assert living.stdout is not None
    assert living.stdin is not None
    stopped, other = int(dead.stdout.readline()), int(living.stdout.readline())
    assert dead.wait(10) == -signal.SIGKILL
    assert len(list(tmp_path.glob("left-*"))) == 2
    mine = Scratch("left-", tmp_path)
    mine.folder()
    mine._sweep()
    assert len(list(tmp_path.glob("left-*"))) == 2  # the living one's and mine
    end = time.monotonic() + 5
    while alive(stopped):
        assert time.monotonic() < end
        time.sleep(0.01)
    assert alive(other)
    os.kill(other, signal.SIGKILL)
    living.stdin.close()
    living.wait(10)
    mine.close()
    after = Scratch("left-", tmp_path)
    after._sweep()
    assert list(tmp_path.glob("left-*")) == []


def test_a_trainer_that_is_stopped_is_named_and_ends_with_its_worker(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.take(some(100))
    world.tick()
    running = world.tuner.training.trainer
    assert running is not None
    assert running._process is not None
    pid = running._process.pid
    assert Path(f"/proc/{pid}/oom_score_adj").read_text().strip() == "1000"
    os.kill(pid, signal.SIGSTOP)
    end = time.monotonic() + 5
    while "trainer" not in world.status:
        assert time.monotonic() < end
        world.tick()
    assert world.status["trainer"].startswith("stopped by a signal")
    begin = time.monotonic()
    world.tuner.close()
    assert time.monotonic() - begin < 1
    assert not alive(pid)


def test_a_relative_interpreter_is_found_from_another_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = program(tmp_path, prepared(tmp_path))
    monkeypatch.chdir(tmp_path)
    here = tmp_path / "world"
    here.mkdir()
    world = World(here, trainer=TrainerParams(python=f"./{script.name}", nice=0, seconds=60))
    world.take(some(100))
    world.tick()
    world.finished()
    assert (world.state.failed, world.state.champion) == (0, 1)
    assert SHAPE.to_dict() == world.store.manifest(1).shape
    world.tuner.close()


# ---- what serves stays where it is ----
def test_the_model_that_serves_is_kept_whatever_a_round_began_from(tmp_path: Path) -> None:
    world = World(tmp_path, waits_for_go(tmp_path), keep=2)
    for version in (1, 2, 3):
        world.serving(version)
    world.take(some(100))
    world.tick()
    world.command("one", promote(1))
    (tmp_path / "go").touch()
    world.finished()
    world.tick()
    assert world.state.champion == 1
    assert 1 in world.store.versions()
    world.restored()
    world.tick()
    assert (world.state.champion, world.state.rollbacks) == (1, 0)
    world.tuner.close()


@pytest.mark.parametrize("decision", ["command", "watch"])
def test_what_is_decided_while_a_model_is_being_stored_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, decision: str
) -> None:
    world = World(tmp_path, prepared(tmp_path))
    world.serving(1)
    world.serving(2)
    put, go_on = ModelStore.put, threading.Event()

    def slow(store: ModelStore, manifest: Any, files: Any) -> Any:
        go_on.wait(30)
        return put(store, manifest, files)

    monkeypatch.setattr(ModelStore, "put", slow)
    world.take(some(100))
    end = time.monotonic() + 20
    while world.tuner.training.ended is None:  # its upload is under way
        assert time.monotonic() < end
        world.said += world.tuner.tick()
        time.sleep(0.01)
    world.said += world.tuner.tick()
    world.state.deep = 0.4
    if decision == "command":
        world.said += world.tuner.command(b"back", ROLLBACK)
    else:
        world.tuner.take([lost(90, 2)])
        world.now += 3_000
        world.said += world.tuner.tick()
        assert world.state.deep == 0  # at once, though the store is busy
    go_on.set()
    world.finished()
    world.tick()
    assert world.state.champion == 1
    assert world.state.rollbacks == 1
    assert "stored and not served" in world.state.verdict or "rolled back to 1" in (
        world.state.verdict
    )
    world.tuner.close()


def test_a_store_removes_nothing_that_is_not_its_own(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.stored(1)
    long_ago = time.time() - 7_200
    others = ["archive/2026/11/29/log.gz", "20261129/report.csv", "00000007/notes.txt"]
    for name in others:
        path = tmp_path / "store" / name
        path.parent.mkdir(parents=True)
        path.write_bytes(b"somebody's")
        os.utime(path, (long_ago, long_ago))
    shutil.copytree(tmp_path / "store/00000001", tmp_path / "store/backup/20261129")
    world.tick()
    assert all((tmp_path / "store" / name).exists() for name in others)
    assert world.store.versions() == [1]
    world.tuner.close()


# ---- files of a version that are damaged or gone ----
@pytest.mark.parametrize("damage", ["flipped", "cut", "gone"])
def test_a_version_with_damaged_weights_is_not_served(tmp_path: Path, damage: str) -> None:
    world = World(tmp_path)
    world.serving(1)
    world.serving(2)
    path = tmp_path / f"store/00000002/{WEIGHTS}"
    content = path.read_bytes()
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(content[:-1] + (b"\x00" if damage == "flipped" else b""))
    world.restored()
    world.tick()
    assert (world.state.champion, world.state.rollbacks) == (1, 1)
    (answer,) = world.command("two", promote(2))
    assert not answer["ok"]
    assert "expected" in answer["message"]
    assert world.state.champion == 1
    world.tuner.close()


@pytest.mark.parametrize("damage", ["flipped", "gone"])
def test_a_champion_that_is_damaged_while_the_job_runs_gives_way_at_the_next_round(
    tmp_path: Path, damage: str
) -> None:
    world = World(tmp_path, prepared(tmp_path))
    world.serving(1)
    world.serving(2)
    world.tick()
    path = tmp_path / f"store/00000002/{WEIGHTS}"
    path.unlink() if damage == "gone" else path.write_bytes(b"x" * path.stat().st_size)
    world.take(some(100))
    world.tick()
    assert world.state.failed > 0
    world.tick(40_000)
    assert world.state.rollbacks == 1
    assert world.state.champion in (1, 3)  # on a slow machine the next round is over, too
    world.tuner.close()


@pytest.mark.parametrize("damage", ["flipped", "gone"])
def test_without_its_optimizer_a_parent_is_still_the_one_to_beat(
    tmp_path: Path, damage: str
) -> None:
    world = World(tmp_path, waits_for_go(tmp_path))
    world.serving(1)
    path = tmp_path / "store/00000001/optimizer.safetensors"
    path.unlink() if damage == "gone" else path.write_bytes(b"x" * path.stat().st_size)
    world.take(some(100))
    world.tick()
    folder = world.round_folder()
    assert (folder / "parent.safetensors").exists()
    assert not (folder / "parent-optimizer.safetensors").exists()
    assert json.loads((folder / "plan.json").read_text())["round"] == 2
    world.tuner.close()


def test_no_round_begins_while_the_champion_may_be_out_of_reach(tmp_path: Path) -> None:
    world = World(tmp_path, prepared(tmp_path))
    world.serving(1)
    world.take(some(100))
    (tmp_path / "store").rename(tmp_path / "unmounted")
    (tmp_path / "store").mkdir()
    world.restored()
    for _ in range(3):
        world.tick()
    assert (world.state.champion, world.state.round) == (1, None)
    (tmp_path / "store").rmdir()
    (tmp_path / "unmounted").rename(tmp_path / "store")
    world.tick(40_000)
    world.finished()
    assert world.store.manifest(2).parent == 1
    world.tuner.close()


def test_an_account_of_privacy_is_only_added_to(tmp_path: Path) -> None:
    store = ModelStore(str(tmp_path))
    store.note_spent(Ledger([(1.0, 0.01, 300)], 2.0))
    store.note_spent(Ledger([(1.0, 0.01, 100), (2.0, 0.1, 5)], 1.0))  # comes late
    assert store.spent() == Ledger([(1.0, 0.01, 300), (2.0, 0.1, 5)], 2.0)


def test_no_more_commands_wait_than_can_be_answered_soon(tmp_path: Path) -> None:
    world = World(tmp_path)
    answers = [list(world.tuner.command(b"c%d" % n, ROLLBACK)) for n in range(20)]
    refused = [json.loads(one[0][2]) for one in answers if one]
    assert len(world.state.waiting) == 16
    assert len(refused) == 4
    assert "at most 16 commands" in refused[0]["message"]
    world.tuner.close()


def test_a_folder_whose_lock_was_tidied_up_goes_in_the_end(tmp_path: Path) -> None:
    mine = Scratch("own-", tmp_path)
    first = mine.folder()
    (first / "lock").unlink()
    second = mine.folder()
    assert first != second
    assert not first.exists()
    left = tmp_path / "own-left"  # of a release without locks
    left.mkdir()
    os.utime(left, (0, 0))
    Scratch("own-", tmp_path)._sweep()
    assert not left.exists()
    assert second.exists()
    mine.close()
