"""The gated linear recurrence in torch; equations and names as in `models.deep.recurrent`."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.deep.gaps import LONGEST
from models.deep.shape import Shape

_START = 0.02


class Recurrence(torch.autograd.Function):
    """h_t = keep_t h_{t-1} + (1 - keep_t) value_t, with its own backward pass.

    Autograd would keep a graph of 64 steps; the gradient is the same recurrence backwards.
    """

    @staticmethod
    def forward(ctx: Any, value: Tensor, keep: Tensor) -> Tensor:
        """Return h of shape (T, B, D), like both arguments."""
        hidden = torch.empty_like(value)
        new = (1 - keep) * value
        h = torch.zeros_like(value[0])
        for t in range(len(value)):
            h = torch.addcmul(new[t], keep[t], h, out=hidden[t])
        ctx.save_for_backward(value, keep, hidden)
        return hidden

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        """Return the gradients of value and keep."""
        value, keep, hidden = ctx.saved_tensors
        total = gradients[0].clone()
        for t in range(len(value) - 2, -1, -1):
            total[t].addcmul_(keep[t + 1], total[t + 1])
        before = torch.cat([torch.zeros_like(hidden[:1]), hidden[:-1]])
        return total * (1 - keep), total * (before - value)


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
        self.dropout = nn.Dropout(dropout)
        with torch.no_grad():  # memories from 2 to 55 events
            self.input.bias[width : 2 * width] = torch.linspace(0, 4, width)

    def forward(self, x: Tensor, present: Tensor) -> Tensor:
        """Return x (T, B, d) after the layer; padding (present 0) leaves the state as it is."""
        value, keep, gate = self.input(self.norm(x)).chunk(3, dim=-1)
        hidden: Tensor = Recurrence.apply(value * present, torch.sigmoid(keep))
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
        self.dropout = nn.Dropout(dropout)
        for embedding in (self.items, self.gaps):
            nn.init.normal_(embedding.weight, std=_START)

    def forward(self, item: Tensor, gap: Tensor) -> Tensor:
        """Return y (B, T, d) of item and gap (B, T); item -1 is padding on the left."""
        present = (item >= 0).t().unsqueeze(-1).to(self.items.weight.dtype)
        x = self.scale * (self.items(item.clamp(min=0)) + self.gaps(gap))
        x = self.dropout(x.transpose(0, 1)) * present
        for layer in self.layers:
            x = layer(x, present)
        y: Tensor = self.final(x).transpose(0, 1)
        return y


class Targets(nn.Module):
    """Output embedding and bias of every item."""

    def __init__(self, items: int, dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(items, dim) * _START)
        self.bias = nn.Parameter(torch.zeros(items))
