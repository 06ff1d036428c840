r"""The start of a network that learns anew: a factorisation of its users' transition counts.

.. math:: C_{ij} = \sum_{u, t, h \le W} \gamma^{h-1} [x_{t-h} = i, x_t = j]

Two ways lead from counts to embeddings E (input) and O (output). `svd`: the rank-d factors of the
positive pointwise mutual information (Levy and Goldberg, NeurIPS 2014), by a randomised SVD (Halko,
Martinsson and Tropp, 2011), for what long histories tell of taste. `neighbours`: random vectors
averaged over neighbours (FastRP; Chen et al., CIKM 2019), for sessions, where only what is near
counts. That one is taken which says better what users who are not in the counts took next, with the
scale of O that does so best.
"""

import warnings
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from models.deep.training.sequences import Histories

LAGS, _FADING = 10, 0.8
"""W and the factor a lag, as of the online model's transitions."""
_SCALES = (0.5, 0.8, 1.2, 1.8, 2.7, 4.0, 6.0, 9.0, 13.0, 20.0)
_SCALE = 2.7
"""Where there is nobody to choose it by."""
_MOST_EVENTS = 4_000_000
"""That are counted, about: pairs take a hundred bytes an event."""
_MOST_ITEMS = 20_000
"""Of a larger catalogue d factors tell too little, and take seconds."""
_EXTRA, _POWER = 16, 3
"""Columns and passes more than the factors, of the randomised SVD."""
_SMALL = 0.1
_GATE = 1.278
"""silu of it is 1."""
_SHORT, _LONG = 0.4, 2.5
"""Logits of what is kept: memories of 2.5 and 13 events."""

Factors = tuple[Tensor, Tensor]
"""E and O of every item, zeros where the counts know nothing of it."""


class Counts:
    """C, sparse: pairs of items in the order of `row`, then `column`."""

    def __init__(self, histories: Histories, trained: NDArray[np.bool_], items: int) -> None:
        code, value = np.empty(0, np.int64), np.empty(0)
        owner = np.repeat(np.arange(len(histories)), histories.count)
        every = 1 + len(owner) // _MOST_EVENTS  # of the users one in so many is enough
        of_trained = (trained & (np.arange(len(histories)) % every == 0))[owner]
        item = histories.item.astype(np.int64)
        for lag in range(1, LAGS + 1):
            same = (owner[lag:] == owner[:-lag]) & of_trained[lag:]
            pairs, count = np.unique(
                item[:-lag][same] * items + item[lag:][same], return_counts=True
            )
            # lag by lag: all pairs at once would be ten an event
            more = np.concatenate([value, count * _FADING ** (lag - 1)])
            code, value = _summed(np.concatenate([code, pairs]), more)
        self.items = items
        self.row, self.column, self.value = code // items, code % items, value

    def sums(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the sums of the rows and of the columns."""
        by_row = np.bincount(self.row, self.value, self.items)
        by_column = np.bincount(self.column, self.value, self.items)
        return by_row.astype(np.float64), by_column.astype(np.float64)


def _summed(
    code: NDArray[np.int64], value: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return every code once, ascending, and the sum of its values."""
    order = np.argsort(code, kind="stable")  # of sorted parts, which this sort merges
    code = code[order]
    begin = np.flatnonzero(np.r_[True, code[1:] != code[:-1]][: len(code)])
    if not len(begin):
        return code, value
    return code[begin], np.add.reduceat(value[order], begin)


def _matrix(
    row: NDArray[np.int64], column: NDArray[np.int64], value: NDArray[np.float64], items: int
) -> Tensor:
    """Return a sparse matrix of cells in the order of their rows."""
    bounds = np.searchsorted(row, np.arange(items + 1))
    parts = (torch.from_numpy(part) for part in (bounds, column, value.astype(np.float32)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that such matrices are a beta of torch
        return torch.sparse_csr_tensor(*parts, size=(items, items), check_invariants=False)


def _transposed(
    row: NDArray[np.int64], column: NDArray[np.int64], value: NDArray[np.float64], items: int
) -> Tensor:
    order = np.argsort(column, kind="stable")
    return _matrix(column[order], row[order], value[order], items)


def svd(counts: Counts, dim: int, random: torch.Generator) -> Factors:
    """Return the factors of the positive pointwise mutual information."""
    by_row, by_column = counts.sums()
    damped = by_column**0.75
    expected = by_row[counts.row] * damped[counts.column] / damped.sum()
    told = np.log(counts.value / expected)
    cells = told > 0
    row, column, value = counts.row[cells], counts.column[cells], told[cells]
    matrix = _matrix(row, column, value, counts.items)
    transposed = _transposed(row, column, value, counts.items)
    rank = min(dim, counts.items)
    basis = torch.randn(counts.items, min(dim + _EXTRA, counts.items), generator=random)
    for _ in range(_POWER):
        basis = torch.linalg.qr(matrix @ basis).Q
        basis = torch.linalg.qr(transposed @ basis).Q
    left, strength, right = torch.linalg.svd(matrix @ basis, full_matrices=False)
    root = strength[:rank].sqrt()
    padding = (0, dim - rank)
    return (
        functional.pad(left[:, :rank] * root, padding),
        functional.pad((basis @ right.t())[:, :rank] * root, padding),
    )


def neighbours(counts: Counts, dim: int, random: torch.Generator) -> Factors:
    """Return random vectors averaged over neighbours, and those over what follows."""
    code = counts.row * counts.items + counts.column
    back = counts.column * counts.items + counts.row
    either, weight = _summed(np.concatenate([code, back]), np.tile(counts.value, 2))
    row, column = either // counts.items, either % counts.items
    near = _matrix(row, column, _shares(row, weight, counts.items), counts.items)
    share = _shares(counts.row, counts.value, counts.items)
    following = _matrix(counts.row, counts.column, share, counts.items)
    passed = functional.normalize(torch.randn(counts.items, dim, generator=random))
    output = 0.5 * passed
    for _ in range(3):
        passed = near @ passed
        output = output + functional.normalize(passed)
    known = torch.from_numpy(np.bincount(row, minlength=counts.items) > 0)
    output = functional.normalize(output) * known[:, None]
    return functional.normalize(output + functional.normalize(following @ output)), output


def _shares(row: NDArray[np.int64], value: NDArray[np.float64], items: int) -> NDArray[np.float64]:
    return value / np.bincount(row, value, items)[row]


Outputs = Callable[[], tuple[Tensor, Tensor]]
"""Vectors y (n, d) of the network as it is, at users who are not in the counts, and their next
items (n,)."""


def begin(
    network: nn.Module,
    histories: Histories,
    trained: NDArray[np.bool_],
    outputs: Outputs,
    random: torch.Generator,
) -> Counts | None:
    """Let a network of sequences begin at the counts, in place; return them, if there are any."""
    items, dim = network.items.weight.shape
    counts = Counts(histories, trained, items)
    if not len(counts.value):
        return None
    ways = [neighbours] if items > _MOST_ITEMS else [svd, neighbours]
    found = [_fitted(network, way(counts, dim, random), outputs) for way in ways]
    _, given, scale = min(found, key=lambda one: one[0])
    _fill(network, given, scale)
    return counts


def _fitted(network: nn.Module, factors: Factors, outputs: Outputs) -> tuple[float, Factors, float]:
    """Return the least cross-entropy at some next items, the factors, and the scale it takes."""
    inward, outward = factors
    known = inward.abs().sum(1) > 0
    deviation = float(inward[known].square().mean().sqrt())
    given = inward / (deviation * inward.shape[1] ** 0.5), deviation * outward
    if not (0 < deviation < float("inf")):
        return float("inf"), given, 0.0
    _fill(network, given, _SCALE)
    with torch.no_grad():
        y, target = outputs()
        if not len(target):
            return 0.0, given, _SCALE
        logits = y @ given[1].t()
        losses = [float(functional.cross_entropy(scale * logits, target)) for scale in _SCALES]
    best = int(np.argmin(losses))
    return losses[best], given, _SCALES[best]


def _fill(network: nn.Module, factors: Factors, scale: float) -> None:
    """Set the rows of items that the counts know; the others keep their random start."""
    known = (factors[0].abs().sum(1) > 0) & (factors[1].abs().sum(1) > 0)
    with torch.no_grad():
        network.items.weight[known] = factors[0][known]
        network.targets.weight[known] = scale * factors[1][known]


def open_gates(network: nn.Module) -> None:
    """Let a recurrent network begin as the sum of its last item and of two averages before.

    Every other weight is small: the scores are those of a factorised transition model over the
    history, and all of it can be learnt.
    """
    with torch.no_grad():
        for layer in network.layers:
            for part in (layer.input, layer.output, layer.ffn_out):
                part.weight.mul_(_SMALL)
            layer.output.bias.zero_()
            layer.ffn_out.bias.zero_()
        first = network.layers[0]
        dim, width = first.output.weight.shape
        unit = torch.arange(width)
        first.input.weight[unit, unit % dim] += 1
        first.output.weight[unit % dim, unit] += 1
        value, keep, gate = first.input.bias.chunk(3)
        value.zero_()
        keep.copy_(torch.where(unit < dim, _SHORT, _LONG))
        gate.fill_(_GATE)
