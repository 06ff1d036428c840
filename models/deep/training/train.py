"""A round of fine-tuning: steps of AdamW on what a task draws, judged before and after.

What is learnt from events is a `Task`: the next item of sequences (`.next_items`), or pairs of a
user and an item (`.pairs`).
"""

import time
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from models.deep.training import privacy
from models.deep.training.plan import Plan
from models.deep.training.ranks import Rank
from models.deep.training.report import Progress, Report

LARGEST_JUDGED = 16_384
"""Most events that a round is judged by."""
LEAST_JUDGED = 500
"""Events that are held out where there are so many new ones."""


Judged = tuple[dict[str, float], NDArray[np.int32]]
"""Figures, and the 0-based rank of each held-out item, ties half."""


class Task(Protocol):
    """The task of a network: what it learns from the events of a round."""

    items: int
    users: int
    events: int
    steps: int
    """Of the round."""
    empty: bool
    """Whether there is nothing to learn from."""

    def rate(self, step: int) -> float:
        """Return the share of the highest rates that a step takes; the first is step 1."""

    def loss(self, network: nn.Module, rank: Rank) -> Tensor:
        """Return this process's part of the mean loss of a freshly drawn step."""

    def private_users(self) -> privacy.Users:
        """Return what draws the users of a private round's steps."""

    def judge(self, network: nn.Module) -> Judged:
        """Rank what was held out, in the full catalogue."""

    def expect(self, network: nn.Module) -> dict[str, list[float]]:
        """Return what weights beside the online score should bring; empty where nobody can say."""


def train(
    plan: Plan,
    network: nn.Module,
    champion: nn.Module,
    optimizer: torch.optim.Optimizer,
    task: Task,
    progress: Progress,
    rank: Rank,
    announce: Callable[[dict[str, Any]], None],
) -> tuple[Report, dict[str, NDArray[np.int32]]]:
    """Train in place; return the report and the ranks of what was held out, before and after.

    `champion` is what served before; the network itself where it goes on from that. `announce` is
    told what a private round spends, before its first step.
    """
    begin = time.monotonic()
    report = Report(items=task.items, users=task.users, events=task.events)
    ranks: dict[str, NDArray[np.int32]] = {}
    if plan.round > 1:
        report.champion, ranks["champion"] = task.judge(champion)
    if plan.privacy is not None:
        users = task.private_users()
        taken = privacy.steps(plan, plan.privacy, network, optimizer, users, progress, announce)
        report.steps = taken
    elif not task.empty:
        _steps(network, optimizer, task, report, progress, rank)
    report.challenger, ranks["challenger"] = task.judge(network)
    report.expected = _expected(task, network)
    report.seconds = time.monotonic() - begin
    return report, ranks


def _expected(task: Task, network: nn.Module) -> dict[str, list[float]]:
    try:
        return task.expect(network)
    except MemoryError:  # what is trained is worth more
        return {}


def _steps(
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    task: Task,
    report: Report,
    progress: Progress,
    rank: Rank,
) -> None:
    begin = time.monotonic()
    network.train()
    losses: list[float] = []
    tenth, highest = max(1, task.steps // 10), [group["lr"] for group in optimizer.param_groups]
    for step in range(1, task.steps + 1):
        for group, rate in zip(optimizer.param_groups, highest, strict=True):
            group["lr"] = rate * task.rate(step)
        loss = task.loss(network, rank)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        rank.add_gradients(network)
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        losses.append(rank.of * float(loss.detach()))
        report.steps = step
        if step % tenth == 0 or step == task.steps:
            report.loss.append(float(np.mean(losses)))
            losses.clear()
            spent = time.monotonic() - begin
            left = spent / step * (task.steps - step)
            progress({"step": step, "steps": task.steps, "loss": report.loss[-1], "left_s": left})


def ranked(scores: Callable[[slice], Tensor], target: Tensor, block: int) -> Judged:
    """Rank targets (n,) by scores (b, K) of the whole catalogue, a block of them at a time."""
    if not len(target):
        return {"positions": 0.0}, np.empty(0, np.int32)
    ranks, losses = [], []
    for at in range(0, len(target), block):
        part = slice(at, at + block)
        logits = scores(part)
        aim = logits.gather(1, target[part, None])
        losses.append(functional.cross_entropy(logits, target[part]).item())
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
