"""The recurrence as served against the recurrence as trained, and the state that carries over."""

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest

from models.deep.sasrec import SasRec
from models.deep.shape import Shape
from models.users.gaps import LONGEST, gaps
from models.users.history import gaps_of
from scripts.tools.cluster.paths import ROOT, TRAINER_PYTHON
from state.codec.sealed import CorruptError, IncompatibleError, StateError
from state.store import model_file

_TORCH = """
import json, sys
from pathlib import Path
import numpy as np, torch
from safetensors.numpy import save_file
from models.deep.shape import Shape
from models.deep.training import recurrent, sasrec
folder = Path(sys.argv[1])
shape = Shape(**json.loads(sys.argv[2]))
torch.manual_seed(3)
made = {"recurrent": recurrent.Network, "sasrec": sasrec.Network}[shape.network]
network = made(shape, 40).eval()
with torch.no_grad():
    for parameter in network.parameters():
        parameter.add_(0.3 * torch.randn_like(parameter))
    random = np.random.default_rng(0)
    items, gaps = random.integers(0, 40, (5, 30)), random.integers(0, 24, (5, 30))
    y = network(torch.from_numpy(items), torch.from_numpy(gaps))
    logits = y @ network.targets.weight.t() + network.targets.bias
    padded = torch.nn.functional.pad(torch.from_numpy(items), (7, 0), value=-1)
    more = network(padded, torch.nn.functional.pad(torch.from_numpy(gaps), (7, 0)))
if shape.network == "recurrent":
    assert torch.allclose(more[:, 7:], y, atol=1e-5)
np.savez(folder / "expected.npz", items=items, gaps=gaps, y=y.numpy(), logits=logits.numpy(),
         padded=more.numpy())
tensors = {name: t.numpy() for name, t in network.state_dict().items()}
save_file({"keys": np.arange(40, dtype=np.uint64), **tensors}, folder / "weights.safetensors")
"""


@pytest.fixture(scope="module", params=[1, 2], ids=["one layer", "two layers"])
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory):
    shape = Shape(dim=12, width=20, layers=request.param)
    folder = tmp_path_factory.mktemp("torch")
    command = [str(TRAINER_PYTHON), "-c", _TORCH, str(folder), json.dumps(shape.to_dict())]
    subprocess.run(command, check=True, env={"PYTHONPATH": str(ROOT)})
    with np.load(folder / "expected.npz") as found:
        return shape, (folder / "weights.safetensors").read_bytes(), dict(found)


def test_what_is_served_equals_torch(trained) -> None:
    shape, data, expected = trained
    model = model_file.decode(data, shape, version=1, root=1)
    items, gap = expected["items"].astype(np.int32), expected["gaps"].astype(np.uint8)
    users, steps = items.shape
    state = np.zeros((users, shape.state), np.float32)
    # in micro-batches of odd sizes, users interleaved
    user = np.tile(np.arange(users, dtype=np.int32), steps)
    flat_items, flat_gaps = items.T.reshape(-1), gap.T.reshape(-1)
    found, at = [], 0
    for size in (1, 7, 50, 92):
        part = slice(at, at + size)
        everything = np.arange(size)
        found.append(
            model.network.advance(state, user[part], flat_items[part], flat_gaps[part], everything)
        )
        at += size
    assert at == users * steps
    y = np.concatenate(found).reshape(steps, users, -1).transpose(1, 0, 2)
    assert np.abs(y - expected["y"]).max() < 1e-4
    logits = y @ model.targets.T + model.bias
    assert np.abs(logits - expected["logits"]).max() < 1e-4
    last = model.network.outputs(state, items[:, -1], gap[:, -1])
    assert np.abs(last - expected["y"][:, -1]).max() < 1e-4


def test_attention_as_served_equals_torch(tmp_path: Path) -> None:
    shape = Shape(network="sasrec", dim=12, layers=2, length=37)
    command = [str(TRAINER_PYTHON), "-c", _TORCH, str(tmp_path), json.dumps(shape.to_dict())]
    subprocess.run(command, check=True, env={"PYTHONPATH": str(ROOT)})
    data = (tmp_path / "weights.safetensors").read_bytes()
    model = model_file.decode(data, shape, version=1, root=1)
    assert isinstance(model.network, SasRec)
    with np.load(tmp_path / "expected.npz") as found:
        items, y, padded = found["items"], found["y"], found["padded"]
    for newest in (30, 1, 12):
        windows = np.full((5, 37), -1, np.int32)
        windows[:, 37 - newest :] = items[:, 30 - newest :]
        wanted = y[:, -1] if newest == 30 else None
        served = model.network.read(windows)
        assert np.isfinite(served).all()
        if wanted is not None:
            assert np.abs(served - padded[:, -1]).max() < 1e-4
            assert np.abs(served - wanted).max() < 1e-4


def test_weights_of_another_shape_are_refused(trained) -> None:
    shape, data, _ = trained
    other = Shape(dim=16, width=shape.width, layers=shape.layers)
    with pytest.raises(IncompatibleError, match=r"expected .* of float32 .*, got float32"):
        model_file.decode(data, other, version=1, root=1)
    layers = Shape(dim=shape.dim, width=shape.width, layers=shape.layers + 1)
    with pytest.raises(IncompatibleError, match=r"expected the tensors of the configured network"):
        model_file.decode(data, layers, version=1, root=1)


@pytest.mark.parametrize("cut", [0, 7, 100, 5_000])
def test_a_truncated_file_is_refused(trained, cut: int) -> None:
    shape, data, _ = trained
    with pytest.raises(StateError, match=r"expected"):
        model_file.decode(data[: min(cut, len(data) - 1)], shape, version=1, root=1)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e9])
def test_weights_that_are_not_sane_are_refused(trained, value: float) -> None:
    from safetensors.numpy import load, save

    shape, data, _ = trained
    tensors = load(data)
    tensors["targets.weight"] = tensors["targets.weight"].copy()
    tensors["targets.weight"][3, 2] = value
    with pytest.raises(CorruptError, match=r"expected finite numbers"):
        model_file.decode(save(tensors), shape, version=1, root=1)


def test_compiled_and_plain_gaps_agree() -> None:
    time = np.array([0, 500, 1_000, 4_000, 3_000, 10**9, 10**12], np.int64)
    last = np.full(1, -1, np.int64)
    user, counts = np.zeros(len(time), np.int32), np.ones(len(time), np.bool_)
    found = gaps_of(user, counts, time, last)
    newest = np.maximum.accumulate(time)
    seconds = (time[1:] - newest[:-1]) / 1000
    assert found.tolist() == [LONGEST, *gaps(seconds).tolist()]
    assert last.tolist() == [10**12]
