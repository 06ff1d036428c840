"""A savepoint with the uids of a former version is restored, operator by operator.

Read and written by Flink's own classes; what one operator saved names that operator.
"""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from pyflink.java_gateway import get_gateway

from scripts.tools.cluster import manifest, savepoint_metadata, savepoint_uids
from scripts.tools.cluster.restorable import drops_parts, migrated
from scripts.tools.console import ToolError

pytestmark = pytest.mark.flink
GOLDEN = Path(__file__).parent.parent / "golden"
STATEFUL = ("Source", "learn-", "fine-tune", "WindowAggregate", "GlobalWindow", "WindowRank")


def before() -> dict[str, str]:
    """Return the operators of a job of `ranking` with a deep model, as they were."""
    lines = (GOLDEN / "uids-before.txt").read_text().splitlines()
    return dict(line.split("\t") for line in lines)


def has_state(name: str) -> bool:
    return name.startswith(STATEFUL) or name.endswith((": Writer", ": Committer"))


def save(folder: Path, operators: Mapping[str, str]) -> Path:
    """Write a savepoint with a manifest: a file that holds each stateful operator's uid."""
    folder.mkdir()
    jvm = get_gateway().jvm
    runtime = jvm.org.apache.flink.runtime
    states = jvm.java.util.ArrayList()
    for number, (uid, name) in enumerate(operators.items()):
        identity = runtime.jobgraph.OperatorID(
            jvm.org.apache.flink.streaming.api.graph.StreamGraphHasherV2.generateUserSpecifiedHash(
                uid
            )
        )
        state = runtime.checkpoint.OperatorState(f"{name}[{number}]", uid, identity, 1, 8)
        if has_state(name):
            (folder / f"state-{number}").write_text(uid)
            path = jvm.org.apache.flink.core.fs.Path(str(folder / f"state-{number}"))
            file = runtime.state.filesystem.RelativeFileStateHandle(
                path, f"state-{number}", len(uid)
            )
            handle = runtime.state.OperatorStreamStateHandle(jvm.java.util.HashMap(), file)
            part = runtime.checkpoint.OperatorSubtaskState.builder()
            state.putState(0, part.setManagedOperatorState(handle).build())
        if name.startswith("Source"):
            state.setCoordinatorState(
                runtime.state.memory.ByteStreamStateHandle(uid, bytearray(uid.encode()))
            )
        states.add(state)
    none = jvm.java.util.ArrayList()
    metadata = runtime.checkpoint.metadata.CheckpointMetadata(7, states, none)
    stream = jvm.java.io.FileOutputStream(str(folder / manifest.METADATA))
    runtime.checkpoint.Checkpoints.storeCheckpointMetadata(metadata, stream)
    stream.close()
    manifest.write(folder, {"name": "shop"})
    return folder


def saved_by(folder: Path) -> dict[str, str]:
    """Return which uid wrote the state that is restored by each uid, as Flink finds it."""
    found = {}
    for state in _states(folder):
        for part in state.getStates().toArray():
            for handle in part.getManagedOperatorState().toArray():
                path = Path(handle.getDelegateStateHandle().getFilePath().getPath())
                assert path.parent == folder
                found[state.getOperatorID().toHexString()] = path.read_text()
        if state.getCoordinatorState() is not None:
            told = bytes(state.getCoordinatorState().getData()).decode()
            assert told == found[state.getOperatorID().toHexString()]
    return found


def _states(folder: Path) -> list[Any]:
    jvm = get_gateway().jvm
    stream = jvm.java.io.DataInputStream(
        jvm.java.io.FileInputStream(str(folder / manifest.METADATA))
    )
    loader = jvm.Thread.currentThread().getContextClassLoader()
    checkpoints = jvm.org.apache.flink.runtime.checkpoint.Checkpoints
    metadata = checkpoints.loadCheckpointMetadata(stream, loader, str(folder))
    stream.close()
    return list(metadata.getOperatorStates().toArray())


def id_of(uid: str) -> str:
    """Return the id under which Flink looks for the state of an operator."""
    jvm = get_gateway().jvm
    hasher = jvm.org.apache.flink.streaming.api.graph.StreamGraphHasherV2
    return bytes(hasher.generateUserSpecifiedHash(uid)).hex()


def test_every_state_of_before_is_found_by_the_operator_of_now(tmp_path: Path) -> None:
    old = before()
    folder = save(tmp_path / "savepoint-1", old)
    untouched = {path.name: path.read_bytes() for path in folder.iterdir()}
    copy = migrated(folder, print)
    assert copy.name == "savepoint-1-uids"
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == untouched
    assert manifest.verify(copy) is not None
    by_id = {id_of(uid): name for uid, name in savepoint_uids.operators(1, deep=True).items()}
    found = saved_by(copy)
    assert {by_id[key] for key in found} == {name for name in old.values() if has_state(name)}
    assert len(found) == sum(has_state(name) for name in old.values())
    for key, uid in found.items():
        assert by_id[key] == old[uid]
    windows = {uid: found[id_of(uid)] for uid in map(_window, (4, 18, 37, 62))}
    assert windows == dict(
        zip(map(_window, (4, 18, 37, 62)), map(_window, (4, 18, 48, 26)), strict=True)
    )


def _window(number: int) -> str:
    return f"{number}_stream-exec-window-aggregate_1_window-aggregate"


def test_a_copy_outlives_the_savepoint_and_is_made_once(tmp_path: Path) -> None:
    folder = save(tmp_path / "savepoint-1", before())
    copy = migrated(folder, print)
    written = (copy / manifest.METADATA).stat()
    assert migrated(folder, print) == copy
    assert (copy / manifest.METADATA).stat() == written
    assert written.st_mtime_ns == (folder / manifest.METADATA).stat().st_mtime_ns
    assert migrated(copy, print) == copy  # it has the uids of now
    for path in folder.iterdir():
        path.unlink()
    assert len(saved_by(copy)) > 0


def test_a_copy_that_is_damaged_is_refused(tmp_path: Path) -> None:
    folder = save(tmp_path / "savepoint-1", before())
    (migrated(folder, print) / manifest.METADATA).write_bytes(b"stale")
    with pytest.raises(ToolError, match="delete it and try again"):
        migrated(folder, print)


def test_a_savepoint_without_a_manifest_gets_its_copy(tmp_path: Path) -> None:
    """Those of `flink stop` have none."""
    folder = save(tmp_path / "savepoint-1", before())
    (folder / manifest.NAME).unlink()
    copy = migrated(folder, print)
    assert manifest.verify(copy) is not None
    assert migrated(folder, print) == copy


def test_a_savepoint_that_is_damaged_is_refused_before_it_is_copied(tmp_path: Path) -> None:
    folder = save(tmp_path / "savepoint-1", before())
    next(folder.glob("state-*")).write_text("changed")
    with pytest.raises(ToolError, match="restore an older one"):
        migrated(folder, print)
    assert list(tmp_path.iterdir()) == [folder]


@pytest.mark.parametrize("fault", [KeyboardInterrupt(), OSError("Read-only file system")])
def test_nothing_is_left_of_a_copy_that_was_not_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: BaseException
) -> None:
    folder = save(tmp_path / "savepoint-1", before())

    def fail(*_: object) -> None:
        raise fault

    monkeypatch.setattr(manifest, "write", fail)
    with pytest.raises((KeyboardInterrupt, ToolError)) as caught:
        migrated(folder, print)
    if isinstance(fault, OSError):
        assert "got: Read-only file system; copy the savepoint to a folder" in str(caught.value)
    assert list(tmp_path.iterdir()) == [folder]


def test_a_copy_of_another_savepoint_of_that_name_is_made_anew(tmp_path: Path) -> None:
    folder = save(tmp_path / "savepoint-1", before())
    copy = migrated(folder, print)
    old = set(saved_by(copy))
    shutil.rmtree(folder)
    save(folder, {uid: name for uid, name in before().items() if name != "learn-users"})
    assert migrated(folder, print) == copy
    assert set(saved_by(copy)) < old
    assert manifest.verify(copy) is not None


def test_a_savepoint_of_now_is_left_alone(tmp_path: Path) -> None:
    folder = save(tmp_path / "savepoint-1", savepoint_uids.operators(4, deep=True))
    assert migrated(folder, print) == folder
    assert list(tmp_path.iterdir()) == [folder]


def test_what_is_no_savepoint_is_refused(tmp_path: Path) -> None:
    folder = save(tmp_path / "savepoint-1", {})
    (folder / manifest.METADATA).write_bytes(b"metadata")
    with pytest.raises(ToolError, match="that Flink can read"):
        savepoint_metadata.operators(folder)


def test_without_a_deep_model_only_what_trains_it_loses_its_state(tmp_path: Path) -> None:
    folder = save(tmp_path / "savepoint-1", savepoint_uids.operators(4, deep=True))
    said: list[str] = []
    assert drops_parts(folder, item_buckets=4, deep=False, feedback=False, report=said.append)
    (line,) = said
    for name in ("fine-tune", "commands", "tuned_updates: Writer", "control_results: Committer"):
        assert name in line
    assert "recommendations" not in line
    assert "learn-users" not in line


def test_without_feedback_only_its_sink_loses_its_state(tmp_path: Path) -> None:
    saved = savepoint_uids.operators(1, deep=False, feedback=True)
    folder = save(tmp_path / "savepoint-1", saved)
    assert not drops_parts(folder, item_buckets=1, deep=False, feedback=True, report=pytest.fail)
    said: list[str] = []
    assert drops_parts(folder, item_buckets=1, deep=False, feedback=False, report=said.append)
    assert "left behind: feedback: Committer, feedback: Writer" in said[0]


@pytest.mark.parametrize("saved_with", [True, False])
def test_nothing_is_lost_where_the_job_has_all_operators(
    tmp_path: Path, *, saved_with: bool
) -> None:
    folder = save(tmp_path / "savepoint-1", savepoint_uids.operators(1, deep=saved_with))
    assert not drops_parts(folder, item_buckets=1, deep=True, feedback=False, report=pytest.fail)


@pytest.mark.parametrize("deep", [True, False])
@pytest.mark.parametrize("buckets", [2, 16])
def test_any_other_loss_is_refused_by_name(tmp_path: Path, *, deep: bool, buckets: int) -> None:
    """Another number of item buckets moves the sinks: their state would be lost, or another's."""
    folder = save(tmp_path / "savepoint-1", savepoint_uids.operators(1, deep=True))
    with pytest.raises(ToolError, match=r"got also that of .*recommendations: Writer.*buckets"):
        drops_parts(folder, item_buckets=buckets, deep=deep, feedback=False, report=print)


def test_state_of_an_operator_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    known = savepoint_uids.operators(1, deep=False)
    folder = save(tmp_path / "savepoint-1", {**known, "99_stream-exec-sink_2_sink": "x: Writer"})
    with pytest.raises(ToolError, match=r"x: Writer \(99_stream-exec-sink_2_sink\)"):
        drops_parts(folder, item_buckets=1, deep=False, feedback=False, report=print)
