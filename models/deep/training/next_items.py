"""Next items: sequences, some new and some replayed, sampled softmax."""

import numpy as np
import torch
from torch import Tensor, nn

from models.deep.mixing import mixed
from models.deep.training import privacy
from models.deep.training.loss import loss_of
from models.deep.training.plan import Plan
from models.deep.training.ranks import Rank
from models.deep.training.sequences import Histories, Sampler, held_out
from models.deep.training.train import LARGEST_JUDGED, LEAST_JUDGED, Judged, ranked

_MOST_USERS = 1_024
"""Whose histories are read to judge a round."""

_MOST_HELD_OUT = 0.5
"""Largest share of the users with new events that a round leaves out."""


class NextItems:
    """The task of the networks that read sequences; judged by users that are held out."""

    def __init__(
        self, plan: Plan, histories: Histories, items: int, random: np.random.Generator
    ) -> None:
        length = plan.shape.length
        able = (histories.new > 0) & (histories.count > 1)
        share = plan.held_out
        if plan.privacy is None:  # else what others did would say who takes part
            # where little is new it takes more users to judge by
            fresh = int(np.minimum(histories.new, length)[able].sum())
            share = max(share, min(_MOST_HELD_OUT, LEAST_JUDGED / max(1, fresh)))
        judged_by = held_out(histories.users, share, plan.round)
        judged_by &= able | (plan.privacy is not None)  # others have nothing to judge by
        trained = ~judged_by if (~judged_by & (histories.count > 1)).any() else ~judged_by | True
        self._plan, self._new = plan, round(plan.batch * plan.new_share)
        self._histories = histories
        self._able = np.flatnonzero(trained & (histories.count > 1))
        self._sampler = Sampler(histories, trained, length=plan.shape.length, random=random)
        self.items, self.users, self.events = items, len(histories), len(histories.item)
        self.empty = self._sampler.empty
        rows = np.flatnonzero(judged_by & able)
        # in an order that says nothing of them: the busiest users are not what most are like
        rows = rows[np.argsort(mixed(histories.users[rows]))][:_MOST_USERS]
        positions = np.cumsum(np.minimum(histories.new[rows], length))
        rows = rows[: max(1, int(np.searchsorted(positions, LARGEST_JUDGED, side="right")))]
        windows, gaps = histories.windows(rows, histories.count[rows], length + 1)
        # only what came since the last round: neither side has been trained on it
        new = np.arange(length, 0, -1)[None, :] <= histories.new[rows][:, None]
        self._items, self._gaps = torch.from_numpy(windows), torch.from_numpy(gaps)
        self._wanted = torch.from_numpy(new) & (self._items[:, 1:] >= 0)
        self._wanted &= self._items[:, :-1] >= 0

    def loss(self, network: nn.Module, rank: Rank) -> Tensor:
        """Return this process's part of the mean loss of a freshly drawn step."""
        drawn = self._sampler.draw(self._new, self._plan.batch - self._new)
        items, gaps = (torch.from_numpy(a) for a in drawn)
        others = self._sampler.random.integers(0, self.items, self._plan.negatives)
        positions = int(((items[:, :-1] >= 0) & (items[:, 1:] >= 0)).sum())
        total = loss_of(
            network, rank.share(items), rank.share(gaps), torch.from_numpy(others), self.items
        )
        return total / max(1, positions)

    def private_users(self) -> privacy.Users:
        """Return what draws the users of a private round's steps."""
        plan = self._plan
        return privacy.Users(
            self._histories,
            self._able,
            batch=plan.batch,
            length=plan.shape.length,
            new_share=plan.new_share,
            random=np.random.default_rng(),
        )

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
