r"""Sampled softmax.

Loss of a position with the next item t and negatives j, uniform over the known items and shared
by the step: cross-entropy of t among {t, j}, the negatives' logits raised by log(max(1, (K - 1)/m))
so that the sum estimates that of the whole catalogue (Jean et al., ACL 2015); a negative equal to
t is left out.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional


def loss_of(network: nn.Module, items: Tensor, gaps: Tensor, drawn: Tensor, known: int) -> Tensor:
    """Return the summed loss of all positions (B, L) that have a next item; items (B, L + 1).

    `known` is the number of items in the catalogue, for the correction of the negatives.
    """
    device = network.targets.weight.device
    items, gaps = items.to(device), gaps.to(device)
    y = network(items[:, :-1], gaps[:, :-1])
    has_next = (items[:, :-1] >= 0) & (items[:, 1:] >= 0)
    target = items[:, 1:][has_next]
    return sampled_softmax(y[has_next], target, network.targets, drawn.to(device), known)


def sampled_softmax(
    y: Tensor, target: Tensor, targets: nn.Module, drawn: Tensor, known: int
) -> Tensor:
    """Return the summed loss of vectors y (n, d), their next items (n,) and negatives (m,)."""
    correction = math.log(max(1.0, (known - 1) / len(drawn)))
    own = (y * targets.weight[target]).sum(-1) + targets.bias[target]
    others = y @ targets.weight[drawn].t() + (targets.bias[drawn] + correction)
    others = others.masked_fill(target[:, None] == drawn[None, :], -math.inf)
    logits = torch.cat([own[:, None], others], dim=1)
    return functional.cross_entropy(logits, torch.zeros_like(target), reduction="sum")
