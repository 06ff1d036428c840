"""The gated linear recurrence in torch; equations and names as in `models.deep.recurrent`."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.deep.shape import Shape
from models.deep.training.dropout import Dropout
from models.users.gaps import LONGEST

_START = 0.02


class Recurrence(torch.autograd.Function):
    """h_t = on_t keep_t h_{t-1} + (1 - keep_t) value_t, with its own backward pass.

    on_t is 0 where a sequence begins, else 1; without it, one begins at the first step alone.
    Autograd would keep a graph of 64 steps; the gradient is the same recurrence backwards.
    """

    @staticmethod
    def forward(ctx: Any, value: Tensor, keep: Tensor, on: Tensor | None) -> Tensor:
        """Return h of shape (T, B, D), like value and keep; on is (T, B, 1)."""
        hidden = torch.empty_like(value)
        new = (1 - keep) * value
        carried = keep if on is None else keep * on
        h = torch.zeros_like(value[0])
        for t in range(len(value)):
            h = torch.addcmul(new[t], carried[t], h, out=hidden[t])
        ctx.save_for_backward(value, keep, carried, hidden, on)
        return hidden

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None]:
        """Return the gradients of value and keep."""
        value, keep, carried, hidden, on = ctx.saved_tensors
        total = gradients[0].clone()
        for t in range(len(value) - 2, -1, -1):
            total[t].addcmul_(carried[t + 1], total[t + 1])
        before = torch.neg(value)
        before[1:] += hidden[:-1] if on is None else hidden[:-1] * on[1:]
        return total * (1 - keep), before.mul_(total), None


class Layer(nn.Module):
    """One gated recurrence and its feed-forward network."""

    def __init__(self, dim: int, width: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.input = nn.Linear(dim, 3 * width)
        self.output = nn.Linear(width, dim)
        self.ffn_norm = nn.LayerNorm(dim)
        self.ffn_in = nn.Linear(dim, 2 * dim)
        self.ffn_out = nn.Linear(2 * dim, dim)
        self.dropout = Dropout(dropout)
        with torch.no_grad():  # memories from 2 to 55 events
            self.input.bias[width : 2 * width] = torch.linspace(0, 4, width)

    def forward(self, x: Tensor, present: Tensor | None, on: Tensor | None) -> Tensor:
        """Return x (T, B, d) after the layer; padding (present 0) leaves the state as it is.

        The state is empty where a sequence begins (on 0).
        """
        # one product each: parts of one would be copied together for its gradient
        parts = zip(self.input.weight.chunk(3), self.input.bias.chunk(3), strict=True)
        normed = self.norm(x)
        value, keep, gate = (functional.linear(normed, *part) for part in parts)
        value = value if present is None else value * present
        hidden: Tensor = Recurrence.apply(value, torch.sigmoid(keep), on)
        x = x + self.dropout(self.output(hidden * functional.silu(gate)))
        inner = functional.gelu(self.ffn_in(self.ffn_norm(x)), approximate="tanh")
        return x + self.dropout(self.ffn_out(inner))


class Network(nn.Module):
    """Items and gaps in, one vector y a position out; `targets` hold O and o."""

    def __init__(self, shape: Shape, items: int, dropout: float = 0.2) -> None:
        super().__init__()
        self.scale = shape.dim**0.5
        self.items = nn.Embedding(items, shape.dim)
        self.gaps = nn.Embedding(LONGEST + 1, shape.dim)
        self.layers = nn.ModuleList(
            Layer(shape.dim, shape.width, dropout) for _ in range(shape.layers)
        )
        self.final = nn.LayerNorm(shape.dim)
        self.targets = Targets(items, shape.dim)
        self.dropout = Dropout(dropout)
        for embedding in (self.items, self.gaps):
            nn.init.normal_(embedding.weight, std=_START)

    def forward(self, item: Tensor, gap: Tensor, first: Tensor | None = None) -> Tensor:
        """Return y (B, T, d) of item and gap (B, T); item -1 is padding on the left.

        With `first` (B, T), whether a sequence begins there, rows have no padding, and an item -1
        is one that the network does not know.
        """
        item, gap = item.t(), gap.t()  # time first from here on
        dtype = self.items.weight.dtype
        known = (item >= 0).unsqueeze(-1).to(dtype)
        embedded, between = self.items(item.clamp(min=0)), self.gaps(gap)
        if first is None:
            x, present, on = self.dropout(self.scale * (embedded + between)) * known, known, None
        else:
            x, present = self.dropout(self.scale * (embedded * known + between)), None
            on = (~first).t().unsqueeze(-1).to(dtype)
        for layer in self.layers:
            x = layer(x, present, on)
        y: Tensor = self.final(x).transpose(0, 1)
        return y


class Targets(nn.Module):
    """Output embedding and bias of every item."""

    def __init__(self, items: int, dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(items, dim) * _START)
        self.bias = nn.Parameter(torch.zeros(items))
