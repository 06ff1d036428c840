"""A round of fine-tuning: new sequences and replay, sampled softmax, AdamW."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from models.deep.training import privacy
from models.deep.training.loss import loss_of
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
    announce: Callable[[dict[str, Any]], None],
) -> tuple[Report, dict[str, NDArray[np.int32]]]:
    """Train in place; return the report and the ranks of held-out positions, before and after.

    `announce` is told what a private round spends, before its first step.
    """
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
    if plan.privacy is not None:
        users = privacy.Users(
            histories,
            np.flatnonzero(trained & (histories.count > 1)),
            batch=plan.batch,
            length=plan.shape.length,
            new_share=plan.new_share,
            random=np.random.default_rng(),
        )
        taken = privacy.steps(plan, plan.privacy, network, optimizer, users, progress, announce)
        report.steps = taken
    elif not sampler.empty:
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
        loss = loss_of(network, rank.share(items), rank.share(gaps), drawn, report.items)
        loss = loss / max(1, positions)
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
