"""Pairs of a user and an item that the user took: binary cross-entropy with sampled items.

The events of a step are drawn as sequences, some new and some replayed, and each is a pair; with
it come `NEGATIVES` uniform items (He et al., WWW 2017) that are not in the drawn sequence.

The network knows a user only from training on it. So what is held out is no users but events: the
newest of some users who have new ones.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from models.deep.training import privacy
from models.deep.training.ncf import Ncf
from models.deep.training.plan import Plan
from models.deep.training.ranks import Rank
from models.deep.training.sequences import Histories, Sampler, held_out
from models.deep.training.train import LARGEST_JUDGED, LEAST_JUDGED, Judged, ranked

NEGATIVES = 4
"""Items sampled for each pair."""
_START = 0.1
_BLOCK = 1 << 24
"""Numbers of hidden units at a time when the catalogue is ranked."""


def network(plan: Plan, users: int, items: int) -> Ncf:
    """Return the network; whom it has not been trained on yet is nearly the average user."""
    made = Ncf(users, items, dim=plan.shape.dim, dense=plan.shape.width, hidden=plan.shape.dim)
    for tower in (made.user, made.item):
        nn.init.normal_(tower[0].weight, std=_START)
    return made


class Pairs:
    """The task of `ncf`; judged by the newest events of some users, which are held out.

    Parameters
    ----------
    plan : Plan
    histories : Histories
    rows : int64[U]
        Row of the embeddings of each user of the histories.
    items : int
    random : numpy.random.Generator
    """

    def __init__(
        self,
        plan: Plan,
        histories: Histories,
        rows: NDArray[np.int64],
        items: int,
        random: np.random.Generator,
    ) -> None:
        able = (histories.new > 0) & (histories.count > 1)
        # an event each: it takes more users than where whole histories are held out
        share = max(plan.held_out, min(1.0, LEAST_JUDGED / max(1, int(able.sum()))))
        judged = np.flatnonzero(held_out(histories.users, share, plan.round) & able)
        judged = judged[: LARGEST_JUDGED // 4]
        newest = histories.start[judged + 1] - 1
        self.items, self.users, self.events = items, len(histories), len(histories.item)
        self._judged = torch.from_numpy(rows[judged])
        self._target = torch.from_numpy(histories.item[newest].astype(np.int64))
        self._plan, self._rows = plan, rows
        self._new = round(plan.batch * plan.share_of_new)
        self.steps = plan.most_steps
        kept = histories.without_newest(judged)
        everyone = np.ones(len(kept), np.bool_)
        self._sampler = Sampler(kept, everyone, length=plan.shape.length, random=random)
        self.empty = self._sampler.empty

    def loss(self, network: nn.Module, rank: Rank) -> Tensor:
        """Return this process's part of the mean loss of a freshly drawn step."""
        owners, ends = self._sampler.draw_ends(self._new, self._plan.batch - self._new)
        items, _ = self._sampler.windows(owners, ends)
        others = self._sampler.random.integers(
            0, self.items, (len(items), items.shape[1] * NEGATIVES)
        )
        taken = (others[:, :, None] == items[:, None, :]).any(axis=2)
        weight = np.hstack([items >= 0, np.repeat(items >= 0, NEGATIVES, axis=1) & ~taken])
        item = torch.from_numpy(np.hstack([np.maximum(items, 0), others]))
        user = torch.from_numpy(self._rows[owners])[:, None].expand_as(item)
        label = torch.zeros(item.shape)
        label[:, : items.shape[1]] = 1
        mine = torch.from_numpy(weight)
        device = network.output[0].weight.device
        parts = [rank.share(part) for part in (user, item, label, mine)]
        user, item, label, wanted = (part.to(device) for part in parts)
        logits = network.join(network.of_user(user[:, :1]), network.of_item(item))
        total = functional.binary_cross_entropy_with_logits(
            logits[wanted], label[wanted], reduction="sum"
        )
        return total / max(1, int(weight.sum()))

    def rate(self, step: int) -> float:  # noqa: ARG002  # always the same
        """Return the share of the rate that a step takes."""
        return 1.0

    def private_users(self) -> privacy.Users:
        """Refuse: an embedding of a user's own cannot be private to that user."""
        message = "plan: expected another network than ncf for a private round, got ncf"
        raise ValueError(message)

    def expect(self, network: nn.Module) -> dict[str, list[float]]:  # noqa: ARG002
        """Return nothing: the online model's transitions are not known here."""
        return {}

    def judge(self, network: nn.Module) -> Judged:
        """Rank the held-out events' items."""
        network.eval()
        device = network.output[0].weight.device
        with torch.no_grad():
            users = network.of_user(self._judged.to(device))[:, None]
            items = network.of_item(torch.arange(self.items, device=device))[None]
            block = max(1, _BLOCK // items.numel())
            return ranked(
                lambda part: network.join(users[part], items), self._target.to(device), block
            )
