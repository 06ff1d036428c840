"""A job with a deep model goes on without it, from a savepoint with the uids of before."""

import json
import shutil
from pathlib import Path

import pytest

from scripts.tools.cluster import manifest, savepoint_metadata, savepoint_uids
from scripts.tools.cluster.savepoint_uids import operators
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
    for uid, name in operators(1, deep=True).items():
        if name.startswith("tuned_"):  # it had none of these
            back[uid] = f"before: {uid}"
    shutil.copytree(folder, target)
    savepoint_metadata.rewrite(folder, back, target / manifest.METADATA)
    manifest.write(target, {"name": "before"})
    return target


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
