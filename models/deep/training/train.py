r"""A round of fine-tuning: new sequences and replay, sampled softmax, AdamW.

Loss of a position with the next item t and negatives j, uniform over the known items and shared
by the step: cross-entropy of t among {t, j}, the negatives' logits raised by log(max(1, (K - 1)/m))
so that the sum estimates that of the whole catalogue (Jean et al., ACL 2015); a negative equal to
t is left out.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from models.deep.training.plan import Plan
from models.deep.training.ranks import Rank
from models.deep.training.sequences import Histories, Sampler, held_out

_LARGEST_JUDGED = 4096
"""Most positions a round is judged by."""


@dataclass(slots=True)
class Report:
    """What became of a round."""

    steps: int = 0
    seconds: float = 0.0
    items: int = 0
    users: int = 0
    events: int = 0
    loss: list[float] = field(default_factory=list)
    """Mean training loss of each tenth of the steps."""
    champion: dict[str, float] = field(default_factory=dict)
    """Figures of the weights the round started from, on the held-out users; empty in round 1."""
    challenger: dict[str, float] = field(default_factory=dict)


Progress = Callable[[dict[str, Any]], None]


def train(
    plan: Plan,
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    histories: Histories,
    progress: Progress,
    rank: Rank,
) -> tuple[Report, dict[str, NDArray[np.int32]]]:
    """Train in place; return the report and the ranks of held-out positions, before and after."""
    begin = time.monotonic()
    items = network.targets.weight.shape[0]
    random = np.random.default_rng([plan.seed, plan.round])
    torch.manual_seed(int(random.integers(2**62)) + rank.number)
    judged_by = held_out(histories.users, plan.held_out, plan.round)
    trained = ~judged_by if (~judged_by & (histories.count > 1)).any() else ~judged_by | True
    sampler = Sampler(histories, trained, length=plan.shape.length, random=random)
    report = Report(items=items, users=len(histories), events=len(histories.item))
    judge = _Judge(histories, judged_by, plan)
    ranks: dict[str, NDArray[np.int32]] = {}
    if plan.round > 1:
        report.champion, ranks["champion"] = judge(network)
    if not sampler.empty:
        _steps(plan, network, optimizer, sampler, report, progress, rank)
    report.challenger, ranks["challenger"] = judge(network)
    report.seconds = time.monotonic() - begin
    return report, ranks


def _steps(
    plan: Plan,
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    sampler: Sampler,
    report: Report,
    progress: Progress,
    rank: Rank,
) -> None:
    begin = time.monotonic()
    network.train()
    new = round(plan.batch * plan.new_share)
    losses: list[float] = []
    tenth = max(1, plan.steps // 10)
    for step in range(1, plan.steps + 1):
        items, gaps = (torch.from_numpy(a) for a in sampler.draw(new, plan.batch - new))
        drawn = torch.from_numpy(sampler.random.integers(0, report.items, plan.negatives))
        positions = int(((items[:, :-1] >= 0) & (items[:, 1:] >= 0)).sum())
        loss = loss_of(network, rank.share(items), rank.share(gaps), drawn) / max(1, positions)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        rank.add_gradients(network)
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        losses.append(rank.of * float(loss.detach()))
        report.steps = step
        if step % tenth == 0 or step == plan.steps:
            report.loss.append(float(np.mean(losses)))
            losses.clear()
            spent = time.monotonic() - begin
            left = spent / step * (plan.steps - step)
            progress({"step": step, "steps": plan.steps, "loss": report.loss[-1], "left_s": left})


def loss_of(network: nn.Module, items: Tensor, gaps: Tensor, drawn: Tensor) -> Tensor:
    """Return the summed loss of all positions (B, L) whose next item is known; items (B, L + 1)."""
    device = network.targets.weight.device
    items, gaps = items.to(device), gaps.to(device)
    y = network(items[:, :-1], gaps[:, :-1])
    has_next = (items[:, :-1] >= 0) & (items[:, 1:] >= 0)
    target = items[:, 1:][has_next]
    return sampled_softmax(y[has_next], target, network.targets, drawn.to(device))


def sampled_softmax(y: Tensor, target: Tensor, targets: nn.Module, drawn: Tensor) -> Tensor:
    """Return the summed loss of vectors y (n, d), their next items (n,) and negatives (m,)."""
    known = targets.weight.shape[0]
    correction = math.log(max(1.0, (known - 1) / len(drawn)))
    own = (y * targets.weight[target]).sum(-1) + targets.bias[target]
    others = y @ targets.weight[drawn].t() + (targets.bias[drawn] + correction)
    others = others.masked_fill(target[:, None] == drawn[None, :], -math.inf)
    logits = torch.cat([own[:, None], others], dim=1)
    return functional.cross_entropy(logits, torch.zeros_like(target), reduction="sum")


class _Judge:
    """Ranks the next items of users that the round does not train on."""

    def __init__(self, histories: Histories, judged_by: NDArray[np.bool_], plan: Plan) -> None:
        rows = np.flatnonzero(judged_by & (histories.new > 0) & (histories.count > 1))
        self._length = plan.shape.length
        most = max(1, _LARGEST_JUDGED // self._length)
        rows = rows[np.argsort(-histories.new[rows], kind="stable")][: 4 * most]
        items, gaps = histories.windows(rows, histories.count[rows], self._length + 1)
        # only what came since the last round: neither side has been trained on it
        fresh = np.arange(self._length, 0, -1)[None, :] <= histories.new[rows][:, None]
        self._items, self._gaps = torch.from_numpy(items), torch.from_numpy(gaps)
        self._wanted = torch.from_numpy(fresh) & (self._items[:, 1:] >= 0)
        self._wanted &= self._items[:, :-1] >= 0

    def __call__(self, network: nn.Module) -> tuple[dict[str, float], NDArray[np.int32]]:
        """Return the figures, and the 0-based rank of each position's next item, ties half."""
        network.eval()
        wanted = self._wanted
        device = network.targets.weight.device
        if not wanted.any():
            return {"positions": 0.0}, np.empty(0, np.int32)
        ranks, losses = [], []
        with torch.no_grad():
            y = network(self._items[:, :-1].to(device), self._gaps[:, :-1].to(device))[wanted]
            target = self._items[:, 1:][wanted].to(device)
            for at in range(0, len(y), 512):
                logits = y[at : at + 512] @ network.targets.weight.t() + network.targets.bias
                aim = logits.gather(1, target[at : at + 512, None])
                losses.append(functional.cross_entropy(logits, target[at : at + 512]).item())
                above, level = (logits > aim).sum(1), (logits == aim).sum(1)
                ranks.append((above + (level - 1) // 2).cpu().numpy())
        rank = np.concatenate(ranks).astype(np.int32)
        hits = rank < 10
        figures = {
            "positions": float(len(rank)),
            "loss": float(np.mean(losses)),
            "accuracy": float((rank == 0).mean()),
            "hr_at_10": float(hits.mean()),
            "ndcg_at_10": float((hits / np.log2(rank + 2)).mean()),
        }
        return figures, rank
