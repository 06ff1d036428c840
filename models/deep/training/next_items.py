"""Next items: sequences, some new and some replayed, sampled softmax."""

import math

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from models.deep.mixing import mixed
from models.deep.training import expected, privacy, start
from models.deep.training.loss import sampled_softmax
from models.deep.training.packed import Negatives, Packer
from models.deep.training.plan import Plan
from models.deep.training.ranks import Rank
from models.deep.training.sequences import Histories, Sampler, held_out
from models.deep.training.train import LARGEST_JUDGED, LEAST_JUDGED, Judged, ranked

_MOST_USERS = 1_024
"""Whose histories are read to judge a round."""

_MOST_HELD_OUT = 0.5
"""Largest share of the users with new events that a round leaves out."""

_EPOCHS, _LEAST_STEPS = 6, 50
"""Steps beyond which few events are learnt by heart, and those that are taken all the same."""
_WARM, _COLDEST = 0.1, 0.05
"""Share of the steps by which rates have risen, and of the highest rate at the end."""
_SESSION = 10
"""Events a user below which items are left out of the input."""
_DROPPED = 0.3
_CHOSEN_BY = 512
"""Next items by which the start is chosen; half as many of a large catalogue."""
_LARGE = 20_000


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
        self._plan, self._histories, self._trained = plan, histories, trained
        self._apart = not (trained & judged_by).any()
        self._able = np.flatnonzero(trained & (histories.count > 1))
        self._sampler = Sampler(histories, trained, length=length, random=random)
        self.steps = min(
            plan.most_steps,
            max(_LEAST_STEPS, _EPOCHS * len(histories.item) // (plan.batch * length)),
        )
        dropped = plan.dropped
        if dropped is None:
            dropped = _DROPPED if len(histories.item) < _SESSION * len(histories) else 0.0
        self._packer = Packer(
            histories,
            self._sampler,
            rows=plan.batch,
            length=length,
            new_share=plan.share_of_new,
            dropped=dropped,
        )
        self._each = np.bincount(histories.item, minlength=items)
        self._negatives = Negatives(self._each, plan.negatives, random)
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
        self._counts: start.Counts | None = None

    def loss(self, network: nn.Module, rank: Rank) -> Tensor:
        """Return this process's part of the mean loss of a freshly drawn step."""
        rows, (drawn, raised) = self._packer.draw(), self._negatives.draw()
        device = network.targets.weight.device
        mine = [rank.share(part).to(device) for part in rows.parts()]
        item, gap, first, target, scored = mine
        y = network(item, gap, first).transpose(0, 1).reshape(item.numel(), -1)
        chosen = torch.nonzero(scored.t().reshape(-1))[:, 0]
        total = sampled_softmax(
            functional.embedding(chosen, y),
            target.t().reshape(-1)[chosen],
            network.targets,
            drawn.to(device),
            raised.to(device),
        )
        return total / max(1, int(rows.scored.sum()))

    def rate(self, step: int) -> float:
        """Return the share of the highest rates that a step takes: up, then down by a cosine."""
        warm = max(1.0, _WARM * self.steps)
        if step <= warm:
            return step / warm
        way = (step - warm) / max(1.0, self.steps - warm)
        return _COLDEST + (1 - _COLDEST) * (1 + math.cos(math.pi * way)) / 2

    def begin(self, network: nn.Module, seed: int) -> None:
        """Let a network begin at what the trained users' events tell at once."""
        if self._plan.shape.network == "recurrent":
            start.open_gates(network)
        network.eval()
        random = torch.Generator().manual_seed(seed)
        counts = start.begin(
            network, self._histories, self._trained, lambda: self._outputs(network), random
        )
        # of users that are trained nothing can be expected
        if self._plan.weights and self._apart:
            self._counts = counts

    def _outputs(self, network: nn.Module) -> tuple[Tensor, Tensor]:
        """Return y and the next items at some positions of users that are held out."""
        most = _CHOSEN_BY // 2 if self.items > _LARGE else _CHOSEN_BY
        enough = self._wanted.sum(1).cumsum(0) < most
        rows = int(enough.sum()) + 1
        wanted = self._wanted[:rows]
        y = network(self._items[:rows, :-1], self._gaps[:rows, :-1])[wanted]
        return y[:most], self._items[:rows, 1:][wanted][:most]

    def private_users(self) -> privacy.Users:
        """Return what draws the users of a private round's steps."""
        plan = self._plan
        return privacy.Users(
            self._histories,
            self._able,
            batch=plan.batch,
            length=plan.shape.length,
            new_share=plan.share_of_new,
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

    def expect(self, network: nn.Module) -> dict[str, list[float]]:
        """Return what weights beside the transitions bring at what `judge` ranks."""
        if self._counts is None or not self._wanted.any():
            return {}
        network.eval()
        device, wanted = network.targets.weight.device, self._wanted
        with torch.no_grad():
            y = network(self._items[:, :-1].to(device), self._gaps[:, :-1].to(device))[wanted]
            before = functional.pad(self._items[:, :-1], (start.LAGS - 1, 0), value=-1)
            judged = expected.Judged(
                before.unfold(1, start.LAGS, 1)[wanted].numpy().astype(np.int64),
                self._items[:, 1:][wanted].numpy().astype(np.int64),
                torch.nonzero(wanted)[:, 0].numpy(),
                y.cpu(),
            )
            return expected.gains(
                expected.Transitions(self._counts, self._each),
                judged,
                network.targets.weight.cpu(),
                network.targets.bias.cpu(),
                self._plan.weights,
            )
