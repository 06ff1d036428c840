r"""User-level DP-SGD: no user moves a step by more than the noise hides.

Each trained user takes part in a step with the same probability q, independently (Poisson
sampling), with one sequence. The gradient of a user's own mean loss is scaled down to norm C at
most, these are summed, Gaussian noise of standard deviation :math:`\sigma C` is added to every
parameter, and the sum is divided by the configured batch, which is no function of the data (Abadi
et al., CCS 2016; McMahan et al., ICLR 2018). AdamW sees nothing else. Negatives are drawn without
looking at users, and a negative is left out for its own user only.

Noise and users come from the operating system's entropy: from the plan's seed, anybody could draw
them again. A private round therefore does not repeat itself.
"""

import math
import secrets
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.func import functional_call

from models.deep.privacy import Privacy, Spend
from models.deep.training.loss import loss_of
from models.deep.training.plan import Plan
from models.deep.training.sequences import Histories

TABLES = ("items.weight", "targets.weight", "targets.bias")
"""Parameters with a row an item: a user's gradient is held for the rows it touches."""

Told = Callable[[dict[str, Any]], None]


class Users:
    """Draws the users of a step and one sequence of each.

    Parameters
    ----------
    able : array (n,) of int
        Rows of the users that are trained.
    batch : int
        Users expected a step; all of them where there are fewer.
    new_share : float
        Probability that a user's sequence is the last one, not any.
    """

    def __init__(
        self,
        histories: Histories,
        able: NDArray[np.int64],
        *,
        batch: int,
        length: int,
        new_share: float,
        random: np.random.Generator,
    ) -> None:
        self._histories, self._able, self._random = histories, able, random
        self._count = histories.count[able]
        self._length, self._new_share = length + 1, new_share
        self.rate = min(1.0, batch / len(able)) if len(able) else 0.0
        """Probability that a user takes part in a step; 0 where there is none."""

    def draw(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return items and gaps (users, L + 1); nobody may be drawn."""
        drawn = self._random.random(len(self._able)) < self.rate
        rows, count = self._able[drawn], self._count[drawn]
        anywhere = self._random.integers(np.minimum(self._length, count), count + 1)
        newest = self._random.random(len(rows)) < self._new_share
        ends = np.where(newest | (count <= self._length), count, anywhere)
        return self._histories.windows(rows, ends, self._length)


class _Loss(nn.Module):
    """The mean loss of one user's positions, as a module, so that tables can be exchanged."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, items: Tensor, gaps: Tensor, drawn: Tensor, known: int) -> Tensor:
        positions = ((items[:, :-1] >= 0) & (items[:, 1:] >= 0)).sum()
        return loss_of(self.network, items, gaps, drawn, known) / positions


def add_user(network: nn.Module, items: Tensor, gaps: Tensor, drawn: Tensor, clip: float) -> None:
    """Add one user's clipped gradient to `grad` of the parameters.

    Rows of item tables that the user does not touch have no gradient and are never made: a user
    takes (L + m) rows, however many items there are.

    Parameters
    ----------
    items, gaps : Tensor (L + 1,)
        The user's sequence; item -1 is padding on the left.
    drawn : Tensor (m,)
        Negatives.
    clip : float
        Largest L2 norm of the gradient of all parameters together.
    """
    present = items >= 0
    rows, place = torch.unique(torch.cat([items[present], drawn]), return_inverse=True)
    here = torch.full_like(items, -1)
    here[present], negatives = place[: -len(drawn)], place[-len(drawn) :]
    parameters = dict(network.named_parameters())
    used = {
        name: one.detach()[rows].requires_grad_() if name in TABLES else one
        for name, one in parameters.items()
    }
    known = len(parameters[TABLES[0]])
    loss = functional_call(
        _Loss(network),
        {f"network.{name}": one for name, one in used.items()},
        (here[None], gaps[None], negatives, known),
    )
    gradients = torch.autograd.grad(loss, list(used.values()))
    norm = float(torch.linalg.vector_norm(torch.stack([one.norm() for one in gradients])))
    if not math.isfinite(norm):
        return  # nothing finite to scale
    factor = min(1.0, clip / max(norm, 1e-12))
    with torch.no_grad():
        for (name, parameter), gradient in zip(parameters.items(), gradients, strict=True):
            assert parameter.grad is not None  # noqa: S101  # `step` made it
            if name in TABLES:
                parameter.grad.index_add_(0, rows, gradient, alpha=factor)
            else:
                parameter.grad.add_(gradient, alpha=factor)


def step(
    network: nn.Module,
    sequences: tuple[Tensor, Tensor],
    drawn: Tensor,
    privacy: Privacy,
    batch: int,
    noise: torch.Generator,
) -> None:
    """Set `grad` of every parameter to the step's private gradient, also where nobody was drawn."""
    for parameter in network.parameters():
        parameter.grad = torch.zeros_like(parameter)
    for items, gaps in zip(*sequences, strict=True):
        add_user(network, items, gaps, drawn, privacy.clip)
    deviation = privacy.noise * privacy.clip
    for parameter in network.parameters():
        random = torch.randn(parameter.shape, generator=noise, device=parameter.device)
        parameter.grad = (parameter.grad + deviation * random) / batch


def steps(
    plan: Plan,
    privacy: Privacy,
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    users: Users,
    progress: Told,
    announce: Told,
) -> int:
    """Take as many steps as the budget leaves and return how many.

    What they spend is announced before the first. Where there is nobody to learn from, nothing is
    announced, spent or done. The training loss is told nobody: it has no noise.
    """
    if users.rate == 0:
        return 0
    budget = Budget(plan.spent, noise=privacy.noise, rate=users.rate, delta=privacy.delta)
    allowed = budget.steps(privacy.epsilon, plan.most_steps)
    announce(
        {
            "noise": privacy.noise,
            "rate": users.rate,
            "steps": allowed,
            "epsilon": budget.epsilon(allowed),
        }
    )
    device = next(network.parameters()).device
    noise = torch.Generator(device).manual_seed(secrets.randbits(63))
    random = np.random.default_rng(plan.seed)  # negatives are no secret
    known = len(network.get_parameter(TABLES[0]))
    begin, tenth = time.monotonic(), max(1, allowed // 10)
    network.train()
    for number in range(1, allowed + 1):
        items, gaps = (torch.from_numpy(one).to(device) for one in users.draw())
        drawn = torch.from_numpy(random.integers(0, known, plan.negatives)).to(device)
        step(network, (items, gaps), drawn, privacy, plan.batch, noise)
        optimizer.step()
        if number % tenth == 0 or number == allowed:
            left = (time.monotonic() - begin) / number * (allowed - number)
            progress({"step": number, "steps": allowed, "left_s": left})
    return allowed


class Budget:
    """Epsilon over a history and steps to come, by Rényi differential privacy (Mironov, 2017).

    The figures are those of Opacus' `RDPAccountant` for the same history: Rényi divergences of
    steps add up, so those of a step to come are computed once.
    """

    def __init__(
        self, spent: tuple[Spend, ...], *, noise: float, rate: float, delta: float
    ) -> None:
        # only here: Opacus takes seconds to import, and most trainers are not private
        from opacus.accountants import RDPAccountant
        from opacus.accountants.analysis import rdp

        self._rdp, self._orders, self._delta = rdp, RDPAccountant.DEFAULT_ALPHAS, delta
        self._before = np.zeros(len(self._orders))
        for one in spent:
            self._before += self._divergences(*one)
        self._step = self._divergences(noise, rate, 1)

    def epsilon(self, steps: int) -> float:
        """Return epsilon of the history and so many steps more."""
        total = self._before + steps * self._step
        if not total.any():
            return 0.0
        return float(
            self._rdp.get_privacy_spent(orders=self._orders, rdp=total, delta=self._delta)[0]
        )

    def steps(self, epsilon: float, most: int) -> int:
        """Return how many of `most` steps fit into a budget."""
        fit, beyond = 0, most + 1
        while beyond - fit > 1:
            middle = (fit + beyond) // 2
            if self.epsilon(middle) <= epsilon:
                fit = middle
            else:
                beyond = middle
        return fit

    def _divergences(self, noise: float, rate: float, steps: int) -> NDArray[np.float64]:
        found = self._rdp.compute_rdp(
            q=rate, noise_multiplier=noise, steps=steps, orders=self._orders
        )
        return np.asarray(found, np.float64)
