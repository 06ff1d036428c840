"""Neural collaborative filtering: trained in rounds, judged, stored, and served as torch has it."""

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load, load_file

from models.arrays.lesson import Lesson
from models.deep.placed import Model
from models.deep.serving import Deep
from models.deep.shape import Shape
from models.items.table import Items
from models.params.ranking import RankingParams
from models.params.transitions import TransitionParams
from models.ranking.model import Ranking
from operators.fine_tune import rounds
from operators.fine_tune.rounds import RoundParams
from scripts.tools.cluster.paths import ROOT, TRAINER_PYTHON
from state.codec.sealed import CorruptError
from state.store import model_file
from state.store.model_store import WEIGHTS, ModelStore
from tests.builders import USERS
from tests.columns import FACTORS, events, new_items, new_users, rows_of

SHAPE = Shape(network="ncf", dim=12, width=20, length=8)
PARAMS = RoundParams(shape=SHAPE, steps=60, batch=16, rate=0.01, held_out=0.5)

pytestmark = pytest.mark.skipif(
    not TRAINER_PYTHON.exists(), reason=".venv-train is missing: scripts/setup --train"
)

_TORCH = """
import sys
from pathlib import Path
import numpy as np, torch
from safetensors.numpy import load_file
from models.deep.training.ncf import Ncf
from models.deep.training.process import run
run(Path(sys.argv[3]))
tensors = load_file(sys.argv[1])
users, items = len(tensors.pop("user_keys")), len(tensors.pop("keys"))
network = Ncf(users, items, dim=12, dense=20, hidden=12)
network.load_state_dict({name: torch.from_numpy(t) for name, t in tensors.items()})
user, item = torch.arange(users).repeat_interleave(items), torch.arange(items).repeat(users)
with torch.no_grad():
    np.save(sys.argv[2], network(user, item).view(users, items).numpy())
"""


def columns(users: int, size: int) -> Mapping[str, Any]:
    """Users who each take items of one of two kinds, odd or even."""
    random = np.random.default_rng(users)
    user = random.integers(0, users, size)
    item = 2 * random.integers(0, 15, size) + user % 2
    return {
        "users": user.astype(np.uint64) + np.uint64(100),
        "items": item.astype(np.uint64),
        "times": np.arange(size) * 1000,
    }


def python(*words: str) -> None:
    subprocess.run([str(TRAINER_PYTHON), *words], check=True, env={"PYTHONPATH": str(ROOT)})


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[rounds.Conclusion]]:
    """Two rounds through trainer, gate and store; in the second there are more users."""
    top = tmp_path_factory.mktemp("ncf")
    store, found, parent = ModelStore(str(top / "store")), [], None
    for number, users, new_from in ((1, 200, 0), (2, 300, 5000)):
        folder = top / str(number)
        version = parent.version if parent else 0
        rounds.prepare(
            folder, PARAMS, number=number, new_from=new_from, store=store, parent=version
        )
        rounds.write_columns(folder, columns(users, 10_000))
        if number == 1:
            python("-m", "models.deep.training", str(folder))
        else:
            first = str(top / "1/out" / WEIGHTS)
            python("-c", _TORCH, first, str(top / "logits.npy"), str(folder))
        found.append(
            rounds.conclude(folder, PARAMS, store, version=number, parent=parent, offsets={})
        )
        parent = found[-1].manifest
    return top, found


def model(top: Path, version: int = 1) -> Model:
    data = (top / str(version) / "out" / WEIGHTS).read_bytes()
    return model_file.decode(data, SHAPE, version=version, root=1)


def served(found: Model, keys: list[int], items: Items) -> np.ndarray:
    """Scores (users, item rows) that go into recommendations and ranks."""
    deep = Deep(SHAPE)
    deep.swap(found)
    users = new_users(len(keys))
    users.key[:] = keys
    said = deep.score(items, users)
    hidden = np.maximum(said.y[:, None] + said.targets[None, : items.size], 0)
    return hidden @ said.output


def test_a_round_learns_and_passes_the_gate(done: tuple[Path, list[rounds.Conclusion]]) -> None:
    _, (first, second) = done
    assert first.manifest is not None
    assert second.manifest is not None
    assert first.report.steps == 60
    assert first.report.loss[-1] < 0.9 * first.report.loss[0]
    assert second.report.champion["positions"] == second.report.challenger["positions"] > 200


def test_what_is_served_equals_torch(done: tuple[Path, list[rounds.Conclusion]]) -> None:
    top, _ = done
    found, logits = model(top), np.load(top / "logits.npy")
    items = new_items()
    items.rows(found.keys)
    keys = load((top / "1/out" / WEIGHTS).read_bytes())["user_keys"]
    scores = served(found, keys.tolist(), items)
    assert np.abs(scores - (logits - logits.mean(axis=1, keepdims=True))).max() < 1e-4


def test_unknown_users_and_items_score_as_the_average(
    done: tuple[Path, list[rounds.Conclusion]],
) -> None:
    top, _ = done
    items = new_items()
    items.rows(np.array([7, 999, 8], np.uint64))
    scores = served(model(top), [100, 5], items)
    assert (scores[:, 1] == 0).all()
    assert (scores[1] == 0).all()
    assert (scores[0, [0, 2]] != 0).all()


def test_the_next_round_goes_on_and_adds_users(
    done: tuple[Path, list[rounds.Conclusion]],
) -> None:
    top, _ = done
    one, two = (load_file(top / str(n) / "out" / WEIGHTS) for n in (1, 2))
    assert two["user_keys"][: len(one["user_keys"])].tolist() == one["user_keys"].tolist()
    assert len(two["user_keys"]) == 300
    first, second = (t["user.0.weight"][:200].reshape(-1) for t in (one, two))
    assert np.corrcoef(first, second)[0, 1] > 0.5


def test_lists_and_ranks_hold_the_deep_score(done: tuple[Path, list[rounds.Conclusion]]) -> None:
    top, _ = done
    items, users = new_items(), new_users(2)
    users.key[:] = [100, 5]
    ranking = Ranking(
        RankingParams(factors=FACTORS), users=USERS, transitions=TransitionParams(window=5)
    )
    deep = Deep(SHAPE)
    deep.swap(model(top))
    deep.blend.deep = 1e6
    log = events(*((n % 2, n % 30) for n in range(60)))
    rows = rows_of(items, log)
    everything = np.ones(60, np.bool_)
    gap = np.zeros(60, np.uint8)
    said = deep.learn(items, users, log, rows, gap, everything)
    assert (said.row >= 0).tolist() == [True, False] * 30
    ranking.learn(
        items,
        users,
        Lesson(
            log,
            rows,
            bucket=0,
            fresh=everything,
            scored=everything,
            gap=gap,
            deep=said,
        ),
    )
    scores = served(model(top), [100, 5], items)[0]
    found = ranking.recommend(items, users, 5, deep.score(items, users))
    listed = found.rows[0][found.rows[0] >= 0]
    assert len(listed) == 5
    assert (np.diff(scores[listed]) <= 1e-4).all()


def test_a_file_without_users_is_refused(done: tuple[Path, list[rounds.Conclusion]]) -> None:
    from safetensors.numpy import save

    top, _ = done
    tensors = load((top / "1/out" / WEIGHTS).read_bytes())
    del tensors["user_keys"]
    with pytest.raises(CorruptError, match="expected user keys, got none"):
        model_file.decode(save(tensors), SHAPE, version=1, root=1)
