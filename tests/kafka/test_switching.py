"""A job with a deep model goes on without it, from a savepoint with the uids of before."""

import json
import shutil
from pathlib import Path

import pytest
from pyflink.java_gateway import get_gateway

from scripts.tools.cluster import manifest, savepoint_metadata, savepoint_uids
from tests.builders import behaviour
from tests.kafka.running import RunningJob

pytestmark = pytest.mark.kafka

LOG = behaviour(600, users=30, items=60)
GOLDEN = Path(__file__).parent.parent / "golden"


def as_before(folder: Path, target: Path) -> Path:
    """Write the savepoint as a job of `ranking` with a deep model did before."""
    lines = (GOLDEN / "uids-before.txt").read_text().splitlines()
    before = dict(line.split("\t") for line in lines)
    back = {now: old for old, now in savepoint_uids.moves(before).items()}
    shutil.copytree(folder, target)
    _leave_out(target, "tuned_")  # sinks that it had not yet
    copy = target / manifest.METADATA
    savepoint_metadata.rewrite(target, back, copy.with_suffix(".new"))
    copy.with_suffix(".new").replace(copy)
    manifest.write(target, {"name": "before"})
    return target


def _leave_out(folder: Path, prefix: str) -> None:
    """Take operators out of a savepoint."""
    jvm, found = get_gateway().jvm, savepoint_metadata._load(folder)
    checkpoint = jvm.org.apache.flink.runtime.checkpoint
    kept = jvm.java.util.ArrayList()
    for state in found.getOperatorStates().toArray():
        if not state.getOperatorName().orElse("").startswith(prefix):
            kept.add(state)
    stream = jvm.java.io.FileOutputStream(str(folder / manifest.METADATA))
    checkpoint.Checkpoints.storeCheckpointMetadata(
        checkpoint.metadata.CheckpointMetadata(
            found.getCheckpointId(),
            kept,
            found.getMasterStates(),
            found.getCheckpointProperties(),
        ),
        stream,
    )
    stream.close()


def test_the_deep_model_is_switched_off_at_a_restore_and_nothing_else_is_lost(
    job: RunningJob, tmp_path: Path
) -> None:
    job.start()
    job.send(LOG[:300])
    job.settle()
    saved = as_before(job.stop(), tmp_path / "savepoint-before")
    job.settings = ("deep.enabled=false",)
    del job.__dict__["config"]
    said: list[str] = []
    job.start(state=saved, report=said.append)
    (moved,) = [line for line in said if "uids of a former version" in line]
    assert "savepoint-before-uids" in moved
    (left,) = [line for line in said if "left behind" in line]
    assert "fine-tune" in left
    assert "recommendations" not in left
    job.send(LOG[299:300])  # had before
    job.send(LOG[300:])
    totals = job.settle()
    assert totals.consumed == len(LOG) + 1
    assert totals.duplicate == 1  # users' state and the accounting were restored
    ids = [one["rec_id"] for one in job.recommendations()]
    assert len(ids) == len(set(ids))
    assert json.loads(job.read("recommendations")[-1].value() or b"{}")["items"]
