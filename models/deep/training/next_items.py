r"""Next items: sequences, some new and some replayed, sampled softmax.

Loss of a position with the next item t and negatives j, uniform over the known items and shared
by the step: cross-entropy of t among {t, j}, the negatives' logits raised by log(max(1, (K - 1)/m))
so that the sum estimates that of the whole catalogue (Jean et al., ACL 2015); a negative equal to
t is left out.
"""

import math

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from models.deep.training.plan import Plan
from models.deep.training.ranks import Rank
from models.deep.training.sequences import Histories, Sampler, held_out
from models.deep.training.train import LARGEST_JUDGED, Judged, ranked


class NextItems:
    """The task of the networks that read sequences; judged by users that are held out."""

    def __init__(
        self, plan: Plan, histories: Histories, items: int, random: np.random.Generator
    ) -> None:
        judged_by = held_out(histories.users, plan.held_out, plan.round)
        trained = ~judged_by if (~judged_by & (histories.count > 1)).any() else ~judged_by | True
        self._plan, self._new = plan, round(plan.batch * plan.new_share)
        self._sampler = Sampler(histories, trained, length=plan.shape.length, random=random)
        self.items, self.users, self.events = items, len(histories), len(histories.item)
        self.empty = self._sampler.empty
        length = plan.shape.length
        rows = np.flatnonzero(judged_by & (histories.new > 0) & (histories.count > 1))
        most = max(1, LARGEST_JUDGED // length)
        rows = rows[np.argsort(-histories.new[rows], kind="stable")][: 4 * most]
        windows, gaps = histories.windows(rows, histories.count[rows], length + 1)
        # only what came since the last round: neither side has been trained on it
        fresh = np.arange(length, 0, -1)[None, :] <= histories.new[rows][:, None]
        self._items, self._gaps = torch.from_numpy(windows), torch.from_numpy(gaps)
        self._wanted = torch.from_numpy(fresh) & (self._items[:, 1:] >= 0)
        self._wanted &= self._items[:, :-1] >= 0

    def loss(self, network: nn.Module, rank: Rank) -> Tensor:
        """Return this process's part of the mean loss of a freshly drawn step."""
        drawn = self._sampler.draw(self._new, self._plan.batch - self._new)
        items, gaps = (torch.from_numpy(a) for a in drawn)
        others = self._sampler.random.integers(0, self.items, self._plan.negatives)
        positions = int(((items[:, :-1] >= 0) & (items[:, 1:] >= 0)).sum())
        total = loss_of(network, rank.share(items), rank.share(gaps), torch.from_numpy(others))
        return total / max(1, positions)

    def judge(self, network: nn.Module) -> Judged:
        """Rank the next items of users that the round does not train on."""
        network.eval()
        wanted, device = self._wanted, network.targets.weight.device
        if not wanted.any():
            return ranked(lambda _: torch.empty(0), torch.empty(0), 1)
        with torch.no_grad():
            y = network(self._items[:, :-1].to(device), self._gaps[:, :-1].to(device))[wanted]
            target = self._items[:, 1:][wanted].to(device)
            weight, bias = network.targets.weight.t(), network.targets.bias
            return ranked(lambda part: y[part] @ weight + bias, target, 512)


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
