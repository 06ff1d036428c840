"""`scripts/models`: what lies in a store, whether it holds, and what the job is told."""

import json
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest
from safetensors.numpy import save

from conf.loader import load
from jobs import parameters
from models.deep.recurrent import Recurrent
from models.deep.shape import Shape
from operators.fine_tune.scratch import Scratch
from operators.fine_tune.tuner import Tuner
from scripts.tools.cluster.paths import LOCAL_CONFIG
from scripts.tools.commands import control, models, submit
from scripts.tools.commands.submit import Submission
from scripts.tools.console import ToolError
from state.store.model_store import OPTIMIZER, WEIGHTS, Manifest, ModelStore
from state.topics import model_pointer

SHAPE = Shape(dim=4, width=6)
ITEMS = 5
NOW_MS = 1_795_750_024_757


def weights(items=ITEMS, value=0.5):
    shapes = Recurrent.shapes(SHAPE, items)
    tensors = {name: np.full(size, value, np.float32) for name, size in shapes.items()}
    return save({"keys": np.arange(items, dtype=np.uint64), **tensors})


def put(store, version, parent=0, data=None):
    manifest = Manifest(
        version=version,
        parent=parent,
        root=1,
        shape=SHAPE.to_dict(),
        created_at=NOW_MS,
        events=1_000,
        items=ITEMS,
        steps=20,
        seconds=1.5,
        champion={"hr_at_10": 0.0295} if parent else {},
        challenger={"hr_at_10": 0.0582},
    )
    store.put(manifest, {WEIGHTS: data or weights(), OPTIMIZER: b"moments"})


@pytest.fixture
def folder(tmp_path):
    store = ModelStore(str(tmp_path / "models"))
    put(store, 1)
    put(store, 2, parent=1)
    return tmp_path / "models"


def tool(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["models", *map(str, arguments)])
    return models.main()


def edit(path, **fields):
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


def test_a_list_has_a_row_a_version(monkeypatch, folder, capsys):
    assert tool(monkeypatch, "list", "--store", folder, "--verify") == 0
    shown = capsys.readouterr().out
    for text in ("2026-11-27 03:27", "recurrent", "4x6x1", "1,000", "0.0295", "0.0582"):
        assert text in shown


def test_a_list_for_programs_is_the_manifests(monkeypatch, folder, capsys):
    assert tool(monkeypatch, "list", "--store", folder, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert [one["version"] for one in told["models"]] == [1, 2]
    assert told["models"][1]["parent"] == 1
    assert told["models"][1]["bytes"] == len(weights()) + len(b"moments")
    assert told["models"][1]["problem"] is None


def test_the_store_of_the_local_cluster_is_the_default(monkeypatch, folder, capsys):
    assert tool(monkeypatch, "list", "--run-dir", folder.parent, "--json") == 0
    assert len(json.loads(capsys.readouterr().out)["models"]) == 2


def test_a_configuration_names_the_store(monkeypatch, folder, tmp_path, capsys):
    other = f"fine_tune.store={tmp_path / 'none'}"
    assert tool(monkeypatch, "list", "--run-dir", folder.parent, "--set", other, "--json") == 0
    assert json.loads(capsys.readouterr().out)["models"] == []
    config = tmp_path / "job.yaml"
    config.write_text(f"fine_tune: {{store: {folder}}}\n")
    assert tool(monkeypatch, "list", "--config", config, "--json") == 0
    assert len(json.loads(capsys.readouterr().out)["models"]) == 2


def test_an_empty_store_is_no_error(monkeypatch, tmp_path, capsys):
    assert tool(monkeypatch, "list", "--store", tmp_path / "none") == 0
    assert "no models" in capsys.readouterr().out


def test_a_manifest_is_shown_whole(monkeypatch, folder, capsys):
    assert tool(monkeypatch, "show", 2, "--store", folder, "--verify") == 0
    shown = json.loads(capsys.readouterr().out)
    assert msgspec.convert(shown, Manifest) == ModelStore(str(folder)).manifest(2)


def test_a_version_that_is_not_there_is_refused(monkeypatch, folder):
    with pytest.raises(ToolError, match="choose one of the store's versions: 1, 2"):
        tool(monkeypatch, "show", 3, "--store", folder)


@pytest.mark.parametrize("name", [WEIGHTS, OPTIMIZER])
def test_a_changed_byte_is_found(monkeypatch, folder, capsys, name):
    path = folder / "00000002" / name
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    assert tool(monkeypatch, "show", 2, "--store", folder) == 0  # nobody asked
    assert tool(monkeypatch, "show", 2, "--store", folder, "--verify") == 1
    assert f"expected {name} with sha256" in capsys.readouterr().err
    assert tool(monkeypatch, "list", "--store", folder, "--verify", "--json") == 1
    first, second = json.loads(capsys.readouterr().out)["models"]
    assert first["problem"] is None
    assert name in second["problem"]


def test_a_missing_file_is_found(monkeypatch, folder, capsys):
    (folder / "00000001" / WEIGHTS).unlink()
    assert tool(monkeypatch, "show", 1, "--store", folder, "--verify") == 1
    assert WEIGHTS in capsys.readouterr().err


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (weights(value=np.nan), "expected finite numbers"),
        (weights(items=ITEMS + 1), "expected 5 items, got 6"),
        (b"no tensors", "expected safetensors"),
    ],
)
def test_weights_that_hold_their_checksum_are_decoded_too(
    monkeypatch, folder, capsys, data, reason
):
    put(ModelStore(str(folder)), 3, parent=2, data=data)
    assert tool(monkeypatch, "show", 3, "--store", folder, "--verify") == 1
    assert reason in capsys.readouterr().err


@pytest.mark.parametrize(
    "shape", [{"network": "recurrent", "depth": 3}, {**SHAPE.to_dict(), "dim": 8}]
)
def test_a_shape_that_is_not_the_weights_is_found(monkeypatch, folder, shape):
    edit(folder / "00000002" / "manifest.json", shape=shape)
    assert tool(monkeypatch, "show", 2, "--store", folder, "--verify") == 1


def test_the_manifest_of_another_version_is_found(monkeypatch, folder, capsys):
    edit(folder / "00000002" / "manifest.json", version=7)
    assert tool(monkeypatch, "show", 2, "--store", folder, "--verify") == 1
    assert "expected its own manifest, got that of 7" in capsys.readouterr().err


def test_a_broken_manifest_does_not_hide_the_others(monkeypatch, folder, capsys):
    (folder / "00000001" / "manifest.json").write_text("{")
    assert tool(monkeypatch, "list", "--store", folder) == 1
    told = capsys.readouterr()
    assert "model 1: expected a manifest" in told.err
    assert "0.0582" in told.out


class Job:
    """Stands for the running job: answers what it is sent, the first `deaf` times not."""

    def __init__(self, monkeypatch, *, ok=True, deaf=0):
        self.sent, self.ok, self.deaf = [], ok, deaf
        monkeypatch.setattr(control, "send", self.send)
        monkeypatch.setattr(control, "wait", self.wait)

    def send(self, _address, _config, command, name="", **fields):
        self.sent.append((name, command, fields))
        return "id"

    def wait(self, _address, _config, name, _seconds=60.0):
        if len(self.sent) <= self.deaf:
            message = "no answer"
            raise ToolError(message)
        return {"id": name, "ok": self.ok, "message": "model 2 serves"}


@pytest.mark.parametrize("ok", [True, False])
def test_promote_tells_the_job(monkeypatch, tmp_path, capsys, ok):
    job = Job(monkeypatch, ok=ok)
    assert tool(monkeypatch, "promote", 2, "--run-dir", tmp_path, "--json") == (0 if ok else 1)
    assert job.sent == [("", "promote_model", {"model": 2})]
    assert json.loads(capsys.readouterr().out)["ok"] == ok


def test_rollback_names_no_version(monkeypatch, tmp_path):
    job = Job(monkeypatch)
    assert tool(monkeypatch, "rollback", "--run-dir", tmp_path) == 0
    assert job.sent == [("", "rollback_model", {})]


def test_a_new_job_is_asked_again_under_the_same_id(monkeypatch):
    job = Job(monkeypatch, deaf=2)
    assert control.ask_new_job(None, None, "promote_model", model=2)["ok"]
    assert [name for name, _, _ in job.sent] == ["", "id", "id"]
    silent = Job(monkeypatch, deaf=99)
    with pytest.raises(ToolError):
        control.ask_new_job(None, None, "promote_model", model=2)
    assert len(silent.sent) == 6


def test_the_job_serves_what_is_promoted_and_overwrites_nothing(folder, tmp_path):
    config = load(LOCAL_CONFIG, [*OVERRIDES, f"fine_tune.store={folder}"])
    scratch = Scratch("work-", tmp_path)
    tuner = Tuner(parameters.fine_tune(config), {}, scratch, lambda: NOW_MS)
    assert list(tuner.command(b"id", b'{"command":"promote_model","model":1}')) == []
    assert list(tuner.tick())[-1][1] == b"fine_tune"  # the store is being asked
    said: dict[str, bytes] = {}
    while "control_results" not in said:
        tuner._store.wait(10)
        said |= {topic: value for topic, _, value in tuner.tick()}
    assert json.loads(said["control_results"])["message"] == "model 1 serves"
    assert list(tuner.command(b"id", b'{"command":"promote_model","model":1}')) == []
    pointer = model_pointer.decode(said["model_updates"])
    assert ModelStore(pointer.store).load(pointer, SHAPE).version == 1
    assert tuner.state.version == 2  # the next round is the third


OVERRIDES = ("deep.dim=4", "deep.width=6")


@pytest.mark.parametrize("end", ["", "/"])
def test_a_submission_with_a_model_has_its_store(folder, end):
    path = f"{folder / '00000002'}{end}"
    made, model = submit.with_model(Submission(overrides=OVERRIDES), path)
    assert (list(made.overrides), model) == ([*OVERRIDES, f"fine_tune.store={folder}"], 2)


@pytest.mark.parametrize(
    ("name", "overrides", "reason"),
    [
        ("latest", OVERRIDES, "expected STORE/VERSION"),
        ("00000009", OVERRIDES, "see scripts/models list"),
        ("00000002", (), "expected the job's shape"),
        ("00000002", (*OVERRIDES, "learning.objective=rating"), "expected the job's shape"),
        (
            "00000002",
            (*OVERRIDES, "learning.objective=rating", "learning.rating.model=sgd"),
            "expected a job with a deep model",
        ),
    ],
)
def test_a_model_that_cannot_serve_is_refused_before_the_start(folder, name, overrides, reason):
    with pytest.raises(ToolError, match=reason) as caught:
        submit.with_model(Submission(overrides=overrides), str(folder / name))
    assert caught.value.code == 2


@pytest.mark.parametrize("ok", [True, False])
def test_submit_reports_what_the_job_says_of_the_model(monkeypatch, folder, capsys, ok):
    class Cluster:
        run_dir, brokers, rest_url = Path("/nowhere"), "localhost:1", "http://localhost:2"

    job = Job(monkeypatch, ok=ok)
    monkeypatch.setattr(submit.Local, "load", lambda _: Cluster)
    monkeypatch.setattr(submit, "submit", lambda *_: "j1")
    options = [option for value in OVERRIDES for option in ("--set", value)]
    path = str(folder / "00000002")
    monkeypatch.setattr(sys, "argv", ["submit", *options, "--model", path, "--json"])
    assert submit.main() == (0 if ok else 1)
    assert job.sent == [("", "promote_model", {"model": 2})]
    told = json.loads(capsys.readouterr().out)
    assert (told["job"], told["model"]) == ("j1", "model 2 serves")
