import os
import time
from pathlib import Path

import pytest

from scripts.tools.benchmarks.progress import PARTS, CpuTime
from scripts.tools.benchmarks.scale import state, subtasks
from scripts.tools.benchmarks.scale.state import State
from scripts.tools.benchmarks.scale.world import Round, World
from scripts.tools.cluster import processes
from scripts.tools.cluster.instance import Local
from scripts.tools.console import ToolError

BURN = """
import time
while time.process_time() < 0.4: pass
open({done!r}, "w").close()
time.sleep(60)
"""
TREE = "import subprocess, sys\nsubprocess.run([sys.executable, '-c', {burn!r}])"


def test_the_cost_is_that_of_the_task_manager_and_its_workers():
    seconds = {"taskmanager": 1.0, "workers": 3.0, "jobmanager": 50.0, "kafka": 70.0}
    assert subtasks.cost(seconds, 1_000_000) == pytest.approx(4.0)


def test_costs_stand_beside_that_of_one_subtask():
    found = {result.name: result for result in subtasks.results({1: 40.0, 2: 50.0, 8: 80.0})}
    assert found["scale.subtasks_1.cost"].ratio == 1
    assert found["scale.subtasks_8.cost"].value == 80
    assert found["scale.subtasks_8.cost"].ratio == 2


def test_parallelisms_are_read_smallest_first():
    assert subtasks.parallelisms("8, 1,2,2") == [1, 2, 8]
    for wrong in ("", "0,1", "two"):
        with pytest.raises(ToolError, match="--parallelism"):
            subtasks.parallelisms(wrong)


def test_state_is_named_by_its_users_and_compared_with_the_small_one():
    small = State(rate=20_000, checkpoint_s=0.5, bytes=10, loop_bytes=100)
    large = State(rate=15_000, checkpoint_s=2.0, bytes=4_000_000, loop_bytes=50)
    found = {result.name: result for result in state.results(2_000_000, small, large)}
    assert found["scale.users_2m.relative"].value == pytest.approx(0.75)
    assert found["scale.users_2m.checkpoint_s"].ratio == pytest.approx(4)
    assert found["scale.users_2m.bytes_per_user"].value == pytest.approx(2)
    assert found["scale.users_2m.loop"].peer == 100


def test_the_users_state_is_told_from_other_tasks():
    vertices = [{"id": "a", "name": "learn-users -> (Calc)"}, {"id": "b", "name": "learn-items"}]
    details = {"tasks": {"a": {"state_size": 700}, "b": {"state_size": 50}}}
    assert state.state_bytes(details, vertices) == 700


def test_checkpoints_that_ended_before_do_not_count():
    rows = ((9_000, 3_000), (5_000, 2_000), (1_000, 500))
    done = [{"trigger_timestamp": at, "end_to_end_duration": took} for at, took in rows]
    assert state.checkpoint_seconds(done, 6_000) == pytest.approx(2.5)
    assert state.checkpoint_seconds(done, 8_000) == pytest.approx(3)
    assert state.checkpoint_seconds(done, 99_000) == pytest.approx(3)


def test_a_topic_is_measured_by_its_partitions(tmp_path: Path):
    for name, size in (("loop-0", 10), ("loop-1", 5), ("loop-other-0", 99), ("other-0", 99)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "0.log").write_bytes(b"x" * size)
        (tmp_path / name / "0.index").write_bytes(b"x" * 50)
    assert state.topic_bytes(tmp_path, ("loop",)) == 15
    assert state.topic_bytes(tmp_path, ("loop", "other")) == 114


def test_a_round_has_every_user_once_and_every_item():
    blocks = list(Round(users=12_000, items=300).blocks())
    users = [user for block in blocks for user in block.users]
    assert len(users) == len(set(users)) == 12_000
    assert len({item for block in blocks for item in block.items}) == 300
    times = [at for block in blocks for at in block.times]
    assert times == sorted(times)


def test_a_world_is_as_long_as_it_says():
    world = World(users=600, items=200, more=1_000)
    assert sum(map(len, world.blocks())) == world.events == 1_600


def test_cpu_time_of_a_tree_counts_what_its_children_spent(tmp_path: Path):
    local, done = Local.plan(tmp_path, port_base=0, slots=1), tmp_path / "done"
    tree = TREE.format(burn=BURN.format(done=str(done)))
    python = os.environ.get("PYTHON", "python3")
    processes.start("taskmanager", [python, "-c", tree], tmp_path)
    try:
        cpu = CpuTime(local)
        cpu.sample()
        deadline = time.monotonic() + 30
        while not done.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        cpu.sample()
    finally:
        processes.end_all(tmp_path, grace_seconds=1)
    grown = cpu.between(cpu.times[0], cpu.times[-1])
    assert set(grown) == set(PARTS)
    assert sum(grown.values()) > 0.3
    assert grown["workers"] > grown["taskmanager"]
