"""Rows of a step that are filled with users' sequences, one behind the other.

A user's part of a row has no padding, however short the histories are: of sessions a window each
would be padding nearly all.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.deep.training.sequences import Histories, Sampler

_SCORED = 0.5
"""Share of the positions that have a loss: neighbours in a sequence say nearly the same."""
_MORE = 1.1
"""Sequences drawn at a time, as a share of those that are likely to do."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of one step, each (B, L)."""

    item: Tensor
    """-1: left out of the input."""
    gap: Tensor
    first: Tensor
    """Whether a sequence begins there: nothing before is known."""
    target: Tensor
    scored: Tensor
    """Whether the position has a loss."""

    def parts(self) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Return all there is."""
        return self.item, self.gap, self.first, self.target, self.scored


class Packer:
    """Draws the rows of a step.

    Parameters
    ----------
    histories : Histories
    sampler : Sampler
        Of sequences of at most `length` pairs.
    rows, length
        Size of a step.
    new_share : float
        Share of the sequences that end at users' newest events.
    dropped : float
        Probability that an item is left out of the input.
    """

    def __init__(
        self,
        histories: Histories,
        sampler: Sampler,
        *,
        rows: int,
        length: int,
        new_share: float,
        dropped: float,
    ) -> None:
        self._histories, self._sampler, self._random = histories, sampler, sampler.random
        self._rows, self._length = rows, length
        self._new_share, self._dropped = new_share, dropped
        self._pairs = 1.0
        """Of a sequence, about."""

    def draw(self) -> Rows:
        """Return a freshly drawn step."""
        shape, random = (self._rows, self._length), self._random
        start, pairs = self._sequences(self._rows * self._length)
        nth = np.arange(pairs.sum()) - np.repeat(np.cumsum(pairs) - pairs, pairs)
        place = np.repeat(start, pairs) + nth
        item = self._histories.item[place].astype(np.int64)
        if self._dropped:
            item[random.random(len(item)) < self._dropped] = -1
        first = (nth == 0).reshape(shape)
        first[:, 0] = True  # what a row's end has cut in two is two sequences
        scored = np.zeros(len(item), np.bool_)
        scored[random.permutation(len(item))[: math.ceil(_SCORED * len(item))]] = True
        columns = (
            item.reshape(shape),
            self._histories.gap[place].astype(np.int64).reshape(shape),
            first,
            self._histories.item[place + 1].astype(np.int64).reshape(shape),
            scored.reshape(shape),
        )
        return Rows(*(torch.from_numpy(column) for column in columns))

    def _sequences(self, wanted: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return places of first events, and pairs of each, that many in all; longest first.

        So whole rows come first, and few sequences are cut by a row's end.
        """
        starts, counts, found = [], [], 0
        while found < wanted:
            start, pairs = self._some(1 + int(_MORE * (wanted - found) / self._pairs))
            self._pairs = float(pairs.mean())
            starts.append(start)
            counts.append(pairs)
            found += int(pairs.sum())
        start, pairs = np.concatenate(starts), np.concatenate(counts)
        last = int(np.searchsorted(np.cumsum(pairs), wanted))
        start, pairs = start[: last + 1], pairs[: last + 1]
        pairs[last] -= pairs.sum() - wanted
        order = np.argsort(-pairs, kind="stable")
        return start[order], pairs[order]

    def _some(self, count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        new = int(self._random.binomial(count, self._new_share))
        owners, ends = self._sampler.draw_ends(new, count - new)
        # in any order: of those that are too many, the last ones are left out
        order = self._random.permutation(count)
        owners, ends = owners[order], ends[order]
        pairs = np.minimum(ends - 1, self._length)
        return self._histories.start[owners] + ends - 1 - pairs, pairs


class Negatives:
    r"""Draws items by :math:`q_j \propto \sqrt{n_j + 1/2}` of their events, none twice.

    An item is among m draws with probability :math:`1 - (1 - q_j)^m`; by its logarithm its logit is
    lowered (logQ; Bengio and Senécal, 2008).
    """

    def __init__(self, count: NDArray[np.int64], size: int, random: np.random.Generator) -> None:
        weight = np.sqrt(count + 0.5)
        self._cumulated, self._size, self._random = np.cumsum(weight), size, random
        share = np.minimum(weight / max(weight.sum(), 1e-9), 1 - 1e-9)
        raised = -np.log(-np.expm1(size * np.log1p(-share)))
        self._raised = torch.from_numpy(raised.astype(np.float32))

    def draw(self) -> tuple[Tensor, Tensor]:
        """Return items, each once, and what is added to their logits."""
        at = self._random.random(self._size) * self._cumulated[-1]
        drawn = np.unique(np.searchsorted(self._cumulated, at, side="right"))
        items = torch.from_numpy(np.minimum(drawn, len(self._cumulated) - 1))
        return items, self._raised[items]
