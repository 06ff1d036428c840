"""Private rounds: what a user can do to a step, what is spent, and when it is over."""

import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.deep.privacy import Privacy, merged
from operators.fine_tune.rounds import RoundParams
from operators.fine_tune.trainer import TrainerParams
from scripts.tools.cluster.paths import ROOT, TRAINER_PYTHON
from tests.unit.test_tuner import SHAPE, World, prepared, program, some

PRIVACY = Privacy(epsilon=3.0, delta=1e-5, clip=0.5, noise=1.0)
ROUND = RoundParams(shape=SHAPE, steps=3, batch=4, negatives=4, held_out=0.3, privacy=PRIVACY)
needs_torch = pytest.mark.skipif(not TRAINER_PYTHON.exists(), reason=".venv-train is missing")

_GRADIENTS = """
import json
import numpy as np
import torch
from models.deep.privacy import Privacy
from models.deep.shape import Shape
from models.deep.training import recurrent, sasrec
from models.deep.training.loss import loss_of
from models.deep.training.privacy import step

def one(network, items, gaps, drawn):
    loss = loss_of(network, items[None], gaps[None], drawn, 30)
    loss = loss / int(((items[:-1] >= 0) & (items[1:] >= 0)).sum())
    flat = torch.autograd.grad(loss, list(network.parameters()))
    return torch.cat([gradient.flatten() for gradient in flat])

def private(network, sequences, drawn, clip, noise=0.0, batch=1, seed=1):
    settings = Privacy(epsilon=1.0, delta=1e-5, clip=clip, noise=noise)
    step(network, sequences, drawn, settings, batch, torch.Generator().manual_seed(seed))
    return torch.cat([parameter.grad.flatten() for parameter in network.parameters()])

found = {}
for name, module in (("recurrent", recurrent), ("sasrec", sasrec)):
    torch.manual_seed(3)
    network = module.Network(Shape(network=name, dim=8, width=8, length=6), 30, 0.0)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    items = torch.randint(0, 30, (5, 7))
    items[0, :4] = -1                      # a short history
    items[1] = 9                           # an item again and again
    gaps = torch.randint(0, 9, (5, 7))
    drawn = torch.tensor([9, 2, 2, 17])    # one twice, one that is somebody's target
    alone = [one(network, i, g, drawn) for i, g in zip(items, gaps)]
    mean = torch.stack(alone).mean(0)
    whole = private(network, (items, gaps), drawn, 1e9, batch=5)
    clipped = private(network, (items, gaps), drawn, 0.1)
    less = private(network, (items[:4], gaps[:4]), drawn, 0.1)
    with torch.no_grad():
        network.targets.weight.mul_(1e3)   # the loss of every user is extreme
    extreme = private(network, (items[2:3], gaps[2:3]), drawn, 0.1)
    empty = (torch.empty((0, 7), dtype=torch.long),) * 2
    noised = private(network, empty, drawn, 0.5, noise=2.0, batch=4)
    found[name] = {
        "error": float((whole - mean).abs().max()),
        "size": float(mean.abs().max()),
        "unclipped": min(float(a.norm()) for a in alone),
        "expected": float((sum(a * min(1, 0.1 / float(a.norm())) for a in alone) - clipped).norm()),
        "neighbours": float((clipped - less).norm()),
        "extreme": float(extreme.norm()),
        "deviation": float(noised.std()),
    }
print(json.dumps(found))
"""

_EPSILON = """
import json, sys
from opacus.accountants import RDPAccountant
found = []
for history in json.loads(sys.argv[1]):
    accountant = RDPAccountant()
    accountant.history = [tuple(one) for one in history]
    found.append(accountant.get_epsilon(delta=1e-5))
print(json.dumps(found))
"""


def told(script: str, *arguments: str) -> Any:
    """What a script prints under the trainer's interpreter."""
    done = subprocess.run(
        [str(TRAINER_PYTHON), "-c", script, *arguments],
        check=True, capture_output=True, env={"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def gradients() -> Any:
    return told(_GRADIENTS)


@needs_torch
@pytest.mark.parametrize("network", ["recurrent", "sasrec"])
def test_without_noise_and_clipping_a_step_is_the_mean_of_users(
    gradients: Any, network: str
) -> None:
    found = gradients[network]
    assert found["error"] < 1e-5 * max(1, found["size"])


@needs_torch
@pytest.mark.parametrize("network", ["recurrent", "sasrec"])
def test_no_user_moves_a_step_by_more_than_the_clip(gradients: Any, network: str) -> None:
    found = gradients[network]
    assert found["unclipped"] > 0.1  # or nothing would be clipped
    assert found["expected"] < 1e-5
    assert found["neighbours"] == pytest.approx(0.1, rel=1e-3)
    assert found["extreme"] == pytest.approx(0.1, rel=1e-3)


@needs_torch
@pytest.mark.parametrize("network", ["recurrent", "sasrec"])
def test_a_step_without_users_is_noise(gradients: Any, network: str) -> None:
    assert gradients[network]["deviation"] == pytest.approx(2.0 * 0.5 / 4, rel=0.1)


def test_equal_neighbours_of_a_history_are_one() -> None:
    spends = [(1.0, 0.1, 3), (1.0, 0.1, 4), (1.0, 0.2, 1), (1.0, 0.1, 2)]
    assert merged(spends) == [(1.0, 0.1, 7), (1.0, 0.2, 1), (1.0, 0.1, 2)]
    assert merged([]) == []


@needs_torch
def test_real_rounds_spend_what_is_left_and_then_end(tmp_path: Path) -> None:
    budget = Privacy(epsilon=8.5, delta=1e-5, clip=0.5, noise=1.5)
    trainer = TrainerParams(python=str(TRAINER_PYTHON), nice=0, seconds=100)
    world = World(
        tmp_path, trainer=trainer, round=replace(ROUND, steps=100, privacy=budget), every_events=0
    )
    before = [(2.0, 0.5, 3)]
    world.state.privacy, world.state.version = list(before), 1  # of an earlier round
    world.take(some(100))
    for name in ("one", "two"):
        assert world.command(name, b'{"command":"fine_tune_now"}')[0]["ok"]
        world.tick()
        world.finished()
    world.tick()
    assert world.state.failed == 0, world.state.verdict
    assert world.state.privacy[:1] == before
    noise, rate, steps = world.state.privacy[1]
    assert (len(world.state.privacy), noise) == (2, 1.5)
    assert 0 < steps < 100
    more = [*before, (noise, rate, steps + 1)]
    earlier, now, beyond = told(_EPSILON, json.dumps([before, world.state.privacy, more]))
    assert earlier < now <= 8.5 < beyond
    assert world.state.epsilon == pytest.approx(now)
    assert world.status["privacy"] == {
        "epsilon": world.state.epsilon, "budget": 8.5, "delta": 1e-5, "steps": 3 + steps
    }  # fmt: skip
    assert world.status["verdict"] == f"privacy budget reached: epsilon {now:.3g} of 8.5"
    assert "loss" not in world.status
    first = world.store.manifest(2)
    assert (first.steps, first.epsilon, first.loss) == (steps, world.state.epsilon, [])


# ---- the tuner, with a script for the trainer ----
def spends(steps: int = 3, epsilon: float = 1.0) -> str:
    """A line of a trainer that says what it spends."""
    what = {"noise": 1.0, "rate": 0.5, "steps": steps, "epsilon": epsilon}
    return f"echo '{json.dumps(what)}' > privacy.json\n"


def test_what_a_trainer_spends_counts_once_and_goes_with_the_model(tmp_path: Path) -> None:
    script = spends() + "\nsleep 0.5\n" + prepared(tmp_path)
    world = World(tmp_path, script, round=ROUND)
    world.take(some(100))
    world.tick()
    plan = json.loads((world.round_folder() / "plan.json").read_text())
    assert plan["privacy"] == PRIVACY.to_dict()
    assert plan["spent"] == []
    world.finished()
    assert world.state.privacy == [(1.0, 0.5, 3)]
    assert world.store.manifest(1).epsilon == 1.0
    world.take(some(100, first=100))
    world.tick()
    plan = json.loads((world.round_folder() / "plan.json").read_text())
    assert plan["spent"] == [[1.0, 0.5, 3]]
    world.finished()
    assert world.state.privacy == [(1.0, 0.5, 6)]


@pytest.mark.parametrize("end", ["kill -9 $$", "exit 1", "exec sleep 600"])
def test_what_failed_trainers_spent_is_spent(tmp_path: Path, end: str) -> None:
    trainer_seconds = 0.3 if "sleep" in end else 60
    python = str(program(tmp_path, spends() + end))
    trainer = TrainerParams(python=python, nice=0, seconds=trainer_seconds)
    world = World(tmp_path, round=ROUND, trainer=trainer)
    world.take(some(100))
    world.tick()
    world.finished()
    assert world.state.failed == 3
    assert world.state.privacy == [(1.0, 0.5, 9)]


def test_what_a_refused_round_spent_is_spent(tmp_path: Path) -> None:
    world = World(tmp_path, spends() + prepared(tmp_path), round=ROUND)
    np.save(tmp_path / "ready" / "ranks-champion.npy", np.zeros(300, np.int32))
    np.save(tmp_path / "ready" / "ranks-challenger.npy", np.full(300, 99, np.int32))
    world.serving(7)
    world.take(some(100))
    world.tick()
    world.finished()
    assert (world.state.rejected, world.state.privacy) == (1, [(1.0, 0.5, 3)])


def test_what_was_spent_survives_a_restart_in_mid_round(tmp_path: Path) -> None:
    world = World(tmp_path, spends() + "exec sleep 600", round=ROUND)
    world.take(some(100))
    world.until(lambda: bool(world.state.privacy))
    world.restored()
    assert world.state.privacy == [(1.0, 0.5, 3)]
    world.until(lambda: world.state.privacy == [(1.0, 0.5, 6)])  # another trainer, another spend
    world.tuner.close()


def reached(folder: Path) -> World:
    """A world whose first private trainer finds no room for a step."""
    world = World(folder, spends(0, 2.9) + prepared(folder), round=ROUND, every_ms=60_000)
    world.take(some(100))
    world.tick()
    world.finished()
    return world


def test_no_round_begins_once_the_budget_is_reached(tmp_path: Path) -> None:
    world = reached(tmp_path)
    assert (world.state.failed, world.state.champion, world.state.privacy) == (0, 0, [])
    world.take(some(100, first=100))
    world.tick(60_000)
    world.tick(60_000)
    assert (world.state.round, world.state.trigger, world.state.version) == (None, "", 1)
    (answer,) = world.command("now", b'{"command":"fine_tune_now"}')
    assert not answer["ok"]
    assert "got privacy budget reached: epsilon 0 of 3; raise" in answer["message"]
    assert world.status["verdict"] == "privacy budget reached: epsilon 0 of 3"
    world.restored()
    world.take(some(100, first=200))
    world.tick()
    assert world.state.round is None


def test_a_larger_budget_lets_rounds_begin_again(tmp_path: Path) -> None:
    world = reached(tmp_path)
    before = world.state.version
    larger = Privacy(epsilon=6.0, delta=1e-5, clip=0.5, noise=1.0)
    world.params = replace(world.params, round=replace(ROUND, privacy=larger))
    world.restored()
    world.take(some(100, first=100))
    world.tick()
    assert world.state.version == before + 1
    world.tuner.close()


def test_a_spend_that_makes_no_sense_fails_the_round(tmp_path: Path) -> None:
    world = World(tmp_path, "echo nonsense > privacy.json\n" + prepared(tmp_path), round=ROUND)
    world.take(some(100))
    world.tick()
    world.finished()
    assert (world.state.failed, world.state.champion) == (3, 0)
    assert "privacy.json: expected the trainer's files" in world.state.verdict
