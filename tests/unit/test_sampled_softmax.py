"""The sampled softmax against its definition by autograd, and dropout by random bytes."""

import json
import subprocess
from typing import Any

import pytest

from scripts.tools.cluster.paths import ROOT, TRAINER_PYTHON

pytestmark = pytest.mark.skipif(
    not TRAINER_PYTHON.exists(), reason=".venv-train is missing: scripts/setup --train"
)

_LOSS = """
import json, math, torch
from torch.nn import functional
from models.deep.training.loss import sampled_softmax
from models.deep.training.recurrent import Targets

def plain(y, target, targets, drawn, raised):
    own = (y * targets.weight[target]).sum(-1) + targets.bias[target]
    others = y @ targets.weight[drawn].t() + targets.bias[drawn] + raised
    others = others.masked_fill(target[:, None] == drawn[None, :], -math.inf)
    logits = torch.cat([own[:, None], others], dim=1)
    return functional.cross_entropy(logits, torch.zeros_like(target), reduction="sum")

torch.manual_seed(1)
targets = Targets(40, 8).double()
for parameter in targets.parameters():
    torch.nn.init.normal_(parameter)
found = []
for positions, drawn in ((50, torch.tensor([3, 9, 9, 1, 30])), (50, torch.tensor([2])),
                         (1, torch.arange(40)), (0, torch.arange(4))):
    y = torch.randn(positions, 8, dtype=torch.double) * 30  # far beyond what exp can hold
    y.requires_grad_()
    target, raised = torch.randint(0, 12, (positions,)), torch.rand(len(drawn)).double()
    of = [y, *targets.parameters()]
    losses = [f(y, target, targets, drawn, raised) for f in (plain, sampled_softmax)]
    one, two = (torch.autograd.grad(3 * loss, of) for loss in losses)
    wrong = [float((a - b).abs().max()) if a.numel() else 0 for a, b in zip(one, two)]
    found.append([float(losses[0]), float(losses[1]), max(wrong)])
print(json.dumps(found))
"""
_DROPOUT = """
import json, torch
from models.deep.training.dropout import Dropout
x = torch.ones(400, 300)
def made(seed, p, count=1):
    torch.manual_seed(seed)
    modules = [Dropout(p) for _ in range(count)]
    return [module(x) for module in modules]
one, two = made(1, 0.2, 2)
print(json.dumps({
    "kept": float((one > 0).float().mean()), "mean": float(one.mean()),
    "again": bool((made(1, 0.2)[0] == one).all()),
    "apart": float((one == two).float().mean()), "all": float(made(1, 1.0)[0].max()),
    "none": float(made(1, 0.0)[0].min()), "judged": float(Dropout(0.5).eval()(x).min()),
}))
"""


def told(script: str) -> Any:
    command = [str(TRAINER_PYTHON), "-c", script]
    done = subprocess.run(command, check=True, capture_output=True, env={"PYTHONPATH": str(ROOT)})
    return json.loads(done.stdout)


def test_loss_and_gradients_are_those_of_the_definition() -> None:
    for expected, found, wrong in told(_LOSS):
        assert found == pytest.approx(expected, rel=1e-9)
        assert wrong < 1e-6


def test_dropout_keeps_the_mean_and_repeats_itself() -> None:
    found = told(_DROPOUT)
    assert found["kept"] == pytest.approx(0.8, abs=0.01)
    assert found["mean"] == pytest.approx(1, abs=0.01)
    assert found["again"]
    assert 0.6 < found["apart"] < 0.75  # masks of two modules are drawn apart
    assert (found["all"], found["none"], found["judged"]) == (0, 1, 1)
