"""Rows filled with sequences, the negatives of a step, and where a network begins."""

import json
import subprocess
from typing import Any

import numpy as np
import pytest

from scripts.tools.cluster.paths import ROOT, TRAINER_PYTHON

pytestmark = pytest.mark.skipif(
    not TRAINER_PYTHON.exists(), reason=".venv-train is missing: scripts/setup --train"
)

_SCRIPT = """
import json, sys
import numpy as np, torch
from models.deep.shape import Shape
from models.deep.training import expected, recurrent, sasrec, start
from models.deep.training.next_items import NextItems
from models.deep.training.packed import Negatives, Packer
from models.deep.training.plan import Plan
from models.deep.training.sequences import Histories, Sampler
torch.set_num_threads(1)
random = np.random.default_rng(1)

def histories(users, items, events):
    user = random.integers(0, users, events).astype(np.uint64)
    # the next item is nearly always the one behind: a ring
    item = np.zeros(events, np.int32)
    for one in range(users):
        mine = np.flatnonzero(user == one)
        item[mine] = (random.integers(items) + np.arange(len(mine))) % items
    return Histories.of(user, item, np.arange(events) * 60_000, 0)

found = {}
rows = histories(40, 30, 400)
sampler = Sampler(rows, np.arange(40) % 4 > 0, length=8, random=np.random.default_rng(2))
packer = Packer(rows, sampler, rows=6, length=8, new_share=0.5, dropped=0.0)
drawn = [packer.draw() for _ in range(20)]
item, gap, first, target, scored = (torch.cat(parts) for parts in zip(*(d.parts() for d in drawn)))
found["shape"] = list(item.shape)
found["next"] = bool(((item + 1) % 30 == target).all())
found["goes on"] = bool((first[:, 1:] | (item[:, 1:] == target[:, :-1])).all())
found["begins"] = bool(first[:, 0].all())
found["scored"] = [int(d.scored.sum()) for d in drawn]
packer = Packer(rows, sampler, rows=6, length=8, new_share=0.5, dropped=0.3)
left_out = [(packer.draw().item < 0).double().mean() for _ in range(50)]
found["dropped"] = float(np.mean(left_out))

# a sequence in a row says what it says in a window of its own
found["alone"] = {}
for name, module in (("recurrent", recurrent), ("sasrec", sasrec)):
    torch.manual_seed(3)
    network = module.Network(Shape(network=name, dim=8, width=16, length=8, layers=2), 30).eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    row = torch.tensor([[1, 2, 3, 9, 8, 7, 6, 5]])
    gaps, begins = row % 5, torch.tensor([[True, False, False, True] + [False] * 4])
    whole = network(row, gaps, begins)
    parts = []
    for at, end in ((0, 3), (3, 8)):
        pad = (8 - (end - at), 0)
        window = torch.nn.functional.pad(row[:, at:end], pad, value=-1)
        parts.append(network(window, torch.nn.functional.pad(gaps[:, at:end], pad))[:, pad[0]:])
    found["alone"][name] = float((whole - torch.cat(parts, 1)).detach().abs().max())

value, keep = (torch.rand(7, 3, 4, dtype=torch.double, requires_grad=True) for _ in range(2))
on = (torch.rand(7, 3, 1) < 0.7).double()
of = lambda value, keep: recurrent.Recurrence.apply(value, keep, on)
found["gradient"] = torch.autograd.gradcheck(of, (value, keep))

count = np.array([0, 3, 1000, 10, 0, 60])
negatives = Negatives(count, 4, np.random.default_rng(3))
hits, sets = np.zeros(6), [negatives.draw() for _ in range(20_000)]
for drawn, raised in sets:
    assert len(set(drawn.tolist())) == len(drawn)
    hits[drawn.numpy()] += 1
found["inclusion"] = (hits / len(sets)).tolist()
found["raised"] = np.exp(-negatives._raised.numpy()).tolist()

found["start"] = {}
for name, module in (("recurrent", recurrent), ("sasrec", sasrec)):
    world, plan = histories(60, 50, 3_000), Plan(shape=Shape(network=name, dim=16, width=32))
    task = NextItems(plan, world, 50, np.random.default_rng(4))
    made = []
    for seed in (1, 1, 2):
        torch.manual_seed(5)
        network = module.Network(plan.shape, 50)
        before = task.judge(network)[0]
        task.begin(network, seed)
        made.append(network)
    one, two, other = (network.items.weight for network in made)
    found["start"][name] = {
        "before": before["hr_at_10"], "after": task.judge(made[0])[0]["hr_at_10"],
        "again": bool((one == two).all()), "other": bool((one == other).all()),
    }
trained = task._trained
changed = Histories(world.users, world.start, world.item.copy(), world.gap, world.new)
changed.item[~np.repeat(trained, world.count)] = 7  # what those who judge did
counts = [start.Counts(one, trained, 50) for one in (world, changed)]
found["unseen"] = bool((counts[0].value == counts[1].value).all())
pairs = np.zeros((50, 50))
for one in np.flatnonzero(trained):
    mine = world.item[world.start[one]:world.start[one + 1]]
    for lag in range(1, 11):
        np.add.at(pairs, (mine[:-lag], mine[lag:]), 0.8 ** (lag - 1))
dense = np.zeros((50, 50))
dense[counts[0].row, counts[0].column] = counts[0].value
found["counts"] = float(np.abs(pairs - dense).max())

# what the transitions alone say, and what a score beside them gains
each = np.bincount(world.item, minlength=50)
both = dense + 0.4 * dense.T
scores = expected.Transitions(counts[0], each)
last = np.array([[-1, 3, 9, 4], [7, 7, 1, 30], [-1, -1, -1, 5]])
plain = np.zeros((3, 50))
for row, mine in enumerate(last):
    weight = [0.8 ** (3 - at) * each[i] ** -0.6 if i >= 0 else 0 for at, i in enumerate(mine)]
    share = sum(w * both[i] for w, i in zip(weight, mine))
    total = sum(w * both[i].sum() for w, i in zip(weight, mine))
    plain[row] = np.log1p(share / total / 1e-5) - 0.3 * np.log(each)
found["transitions"] = float(np.abs(scores.scores(last) - plain).max())
last, target = np.repeat(last, 4, axis=0), np.arange(20, 32)
users, wanted = np.repeat([5, 6, 7], 4), torch.zeros(50, 12)
wanted[target, torch.arange(12)] = 9.0
for name, sign in (("knows", 1), ("errs", -1), ("says nothing", 0)):
    judged = expected.Judged(last, target, users, sign * torch.eye(12))
    found[name] = expected.gains(scores, judged, wanted, torch.zeros(50), (0.1, 9.0))
parts = list(scores.blocks(np.full((9, 4), 3)))
found["blocks"] = [part.stop - part.start for part in parts]
expected._BLOCK = 200
found["small blocks"] = [part.stop - part.start for part in scores.blocks(np.full((9, 4), 3))]
found["cut"] = expected.gains(scores, judged, wanted, torch.zeros(50), (0.1, 9.0)) == found[name]
many = np.arange(100)
spread = expected.Judged(np.zeros((100, 4), np.int64), many, many, torch.eye(100))
found["some"] = spread.some(10).target.tolist()

# a world in which nothing but popularity tells what comes next
users, items = np.arange(12_000) % 600, np.minimum(random.zipf(1.3, 12_000), 900).astype(np.int32)
alike = Histories.of(users.astype(np.uint64), items, np.arange(12_000) * 60_000, 0)
weights = tuple(float(one) for one in (0.05, 0.1, 0.2, 0.4, 0.8, 1.2))
task = NextItems(Plan(shape=Shape(dim=16, width=32), weights=weights, held_out=0.2),
                 alike, 901, np.random.default_rng(4))
torch.manual_seed(5)
network = recurrent.Network(Shape(dim=16, width=32), 901)
task.begin(network, 1)
with torch.no_grad():  # what it learns of it is all it learns
    network.targets.weight.zero_()
    network.targets.bias.copy_(torch.from_numpy(np.log1p(task._each)))
told = task.expect(network)
found["popularity alone"] = (
    np.array(told["gains"]) / 2 / np.sqrt(told["variances"])
).tolist()
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def found() -> Any:
    command = [str(TRAINER_PYTHON), "-c", _SCRIPT]
    done = subprocess.run(command, capture_output=True, env={"PYTHONPATH": str(ROOT)})
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    assert b"Warning" not in done.stderr, done.stderr
    return json.loads(done.stdout)


def test_rows_are_full_of_sequences(found: Any) -> None:
    assert found["shape"] == [120, 8]
    assert (found["next"], found["goes on"], found["begins"]) == (True, True, True)
    assert set(found["scored"]) == {24}
    assert found["dropped"] == pytest.approx(0.3, abs=0.03)


@pytest.mark.parametrize("network", ["recurrent", "sasrec"])
def test_neighbours_in_a_row_do_not_see_each_other(found: Any, network: str) -> None:
    assert found["alone"][network] < 1e-5


def test_the_gradient_of_a_recurrence_that_begins_anew(found: Any) -> None:
    assert found["gradient"]


def test_negatives_are_raised_by_how_likely_they_are_drawn(found: Any) -> None:
    assert found["inclusion"] == pytest.approx(found["raised"], abs=0.015)
    assert np.argsort(found["raised"])[-3:].tolist() == [3, 5, 2]


@pytest.mark.parametrize("network", ["recurrent", "sasrec"])
def test_a_network_begins_at_the_counts(found: Any, network: str) -> None:
    begun = found["start"][network]
    assert begun["before"] < 0.45
    assert begun["after"] > 0.9
    assert (begun["again"], begun["other"]) == (True, False)


def test_counts_are_those_of_trained_users_alone(found: Any) -> None:
    assert found["unseen"]
    assert found["counts"] < 1e-9


def test_what_a_score_should_bring_beside_the_transitions(found: Any) -> None:
    assert found["transitions"] == pytest.approx(0, abs=1e-4)
    for name, sign in (("knows", 1), ("errs", -1), ("says nothing", 0)):
        (events,), gains = found[name]["events"], found[name]["gains"]
        assert events == 12
        assert np.sign(gains).tolist() == [sign, sign]
        assert abs(gains[1]) >= abs(gains[0])
        assert (np.array(found[name]["squares"]) >= np.square(gains) / 12 - 1e-9).all()
        assert min(found[name]["variances"]) >= 0
    assert found["blocks"] == [9]
    assert (sum(found["small blocks"]), max(found["small blocks"]) < 9) == (9, True)
    assert found["cut"]
    assert found["some"] == [*range(0, 99, 11), 99]


def test_what_a_network_knows_of_popularity_is_not_expected_to_help(found: Any) -> None:
    assert max(found["popularity alone"]) < 2
