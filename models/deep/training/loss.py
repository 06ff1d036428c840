r"""Sampled softmax.

Loss of a position with the next item t and negatives j, shared by the step: cross-entropy of t
among {t, j}. The negatives' logits are raised so that the sum estimates that of the whole catalogue
(Jean et al., ACL 2015), uniform ones by log(max(1, (K - 1)/m)); a negative equal to t is left out.
"""

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional


def loss_of(network: nn.Module, items: Tensor, gaps: Tensor, drawn: Tensor, known: int) -> Tensor:
    """Return the summed loss of all positions (B, L) that have a next item; items (B, L + 1).

    `known` is the number of items in the catalogue, for the correction of the negatives.
    """
    device = network.targets.weight.device
    items, gaps, drawn = items.to(device), gaps.to(device), drawn.to(device)
    y = network(items[:, :-1], gaps[:, :-1])
    has_next = (items[:, :-1] >= 0) & (items[:, 1:] >= 0)
    raised = torch.full(drawn.shape, math.log(max(1.0, (known - 1) / len(drawn))), device=device)
    return sampled_softmax(y[has_next], items[:, 1:][has_next], network.targets, drawn, raised)


def sampled_softmax(
    y: Tensor, target: Tensor, targets: nn.Module, drawn: Tensor, raised: Tensor
) -> Tensor:
    """Return the summed loss of vectors y (n, d) with their next items (n,).

    `raised` (m,) is added to the logits of the negatives `drawn` (m,).
    """
    # rows by F.embedding: the gradient of an index would be sorted first
    own = (y * functional.embedding(target, targets.weight)).sum(-1) + targets.bias[target]
    weight = functional.embedding(drawn, targets.weight)
    loss: Tensor = _CrossEntropy.apply(
        own, y, weight, targets.bias[drawn] + raised, _equal(target, drawn)
    )
    return loss


def _equal(target: Tensor, drawn: Tensor) -> tuple[Tensor, Tensor]:
    """Return rows and columns of the negatives that are a position's own next item."""
    sorted_, order = torch.sort(drawn)
    first = torch.searchsorted(sorted_, target)
    count = torch.searchsorted(sorted_, target, right=True) - first
    rows = torch.repeat_interleave(torch.arange(len(target), device=target.device), count)
    nth = torch.arange(len(rows), device=target.device) - (count.cumsum(0) - count)[rows]
    return rows, order[first[rows] + nth]


class _CrossEntropy(torch.autograd.Function):
    """Summed cross-entropy of own logits (n,) among themselves and y (n, d) · weight (m, d).

    Autograd would hold and fill half a dozen matrices (n, m) where one does.
    """

    @staticmethod
    def forward(
        ctx: Any, own: Tensor, y: Tensor, weight: Tensor, bias: Tensor, left_out: Any
    ) -> Tensor:
        """Return the sum over all positions; `left_out` names logits (n, m) that do not count."""
        others = torch.addmm(bias, y, weight.t())
        others[left_out] = -math.inf
        top = torch.maximum(others.amax(1), own)
        others.sub_(top[:, None]).exp_()
        above = own - top
        total = others.sum(1) + above.exp()
        ctx.save_for_backward(others, total, above, y, weight)
        return (total.log() - above).sum()

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]  # torch has no types of it
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients of own, y, weight and bias."""
        others, total, above, y, weight = ctx.saved_tensors
        share = gradients[0] / total  # times others: the probabilities
        return (
            above.exp() * share - gradients[0],
            (others @ weight) * share[:, None],
            others.t() @ (y * share[:, None]),
            others.t() @ share,
            None,
        )
