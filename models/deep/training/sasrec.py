"""Self-attention over the last items in torch; names as in `models.deep.sasrec`."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.deep.shape import HEADS, Shape
from models.deep.training.dropout import Dropout
from models.deep.training.recurrent import Targets

_START = 0.02


class Layer(nn.Module):
    """Pre-norm self-attention, causal, and a feed-forward network."""

    def __init__(self, dim: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.input = nn.Linear(dim, 3 * dim)
        self.output = nn.Linear(dim, dim)
        self.ffn_norm = nn.LayerNorm(dim)
        self.ffn_in = nn.Linear(dim, 4 * dim)
        self.ffn_out = nn.Linear(4 * dim, dim)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor, allowed: Tensor) -> Tensor:
        """Return x (B, T, d) after the layer; `allowed` (B, 1, T, T) says who sees whom."""
        batch, steps, dim = x.shape
        parts = self.input(self.norm(x)).view(batch, steps, 3, HEADS, dim // HEADS)
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        seen = functional.scaled_dot_product_attention(
            query, key, value, attn_mask=allowed, dropout_p=self.dropout.p if self.training else 0.0
        )
        x = x + self.dropout(self.output(seen.transpose(1, 2).reshape(batch, steps, dim)))
        inner = functional.gelu(self.ffn_in(self.ffn_norm(x)), approximate="tanh")
        return x + self.dropout(self.ffn_out(inner))


class Network(nn.Module):
    """SASRec (Kang and McAuley, ICDM 2018) with an output embedding of its own."""

    def __init__(self, shape: Shape, items: int, dropout: float = 0.2) -> None:
        super().__init__()
        self.scale = shape.dim**0.5
        self.items = nn.Embedding(items, shape.dim)
        self.positions = nn.Embedding(shape.length, shape.dim)
        self.layers = nn.ModuleList(Layer(shape.dim, dropout) for _ in range(shape.layers))
        self.final = nn.LayerNorm(shape.dim)
        self.targets = Targets(items, shape.dim)
        self.dropout = Dropout(dropout)
        for embedding in (self.items, self.positions):
            nn.init.normal_(embedding.weight, std=_START)

    def forward(
        self,
        item: Tensor,
        gap: Tensor,  # noqa: ARG002  # it knows no time
        first: Tensor | None = None,
    ) -> Tensor:
        """Return y (B, T, d) of item (B, T), right-aligned; item -1 is padding on the left.

        With `first` (B, T), whether a sequence begins there, rows have no padding, and an item -1
        is one that the network does not know.
        """
        steps = item.shape[1]
        known = item >= 0
        at = torch.arange(steps, device=item.device)
        causal = torch.ones(steps, steps, dtype=torch.bool, device=item.device).tril()
        if first is None:
            present, last = known, torch.full_like(at, steps - 1)
            # a padded position sees itself: a row without any would be no number
            itself = torch.eye(steps, dtype=torch.bool, device=item.device)
            allowed = (causal & present[:, None, None, :]) | itself
        else:
            last, same = _sequences(first)
            present, allowed = torch.ones_like(known), (causal & same)[:, None]
        position = at - last + self.positions.num_embeddings - 1
        embedded = self.items(item.clamp(min=0)) * known.unsqueeze(-1)
        x = self.scale * embedded + self.positions(position)
        x = self.dropout(x * present.unsqueeze(-1))
        for layer in self.layers:
            x = layer(x, allowed)
        y: Tensor = self.final(x)
        return y


def _sequences(first: Tensor) -> tuple[Tensor, Tensor]:
    """Return each position's last one of its sequence (B, T), and who shares one (B, T, T)."""
    steps = first.shape[1]
    at = torch.arange(steps, device=first.device)
    begun = functional.pad(torch.where(first, at, steps)[:, 1:], (0, 1), value=steps)
    last = begun.flip(1).cummin(1).values.flip(1) - 1
    return last, last[:, :, None] == last[:, None, :]
