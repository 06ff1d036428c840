"""A model's weights, and its items by replica row."""

from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from models.deep.mf import Mf
from models.deep.ncf import NEVER, Ncf
from models.deep.recurrent import Recurrent
from models.deep.sasrec import SasRec
from models.refit import fold

Network: TypeAlias = Recurrent | SasRec | Ncf | Mf

_STEP = 16_384
"""Rows that are looked up at a time."""

NETWORKS: dict[str, type[Recurrent] | type[SasRec] | type[Ncf] | type[Mf]] = {
    "recurrent": Recurrent,
    "sasrec": SasRec,
    "ncf": Ncf,
    "mf": Mf,
}
"""What serves each network."""


@dataclass(frozen=True, slots=True)
class Model:
    """Weights that can be served, with their place in history."""

    version: int
    root: int
    """First version of the line that these weights were fine-tuned from: states are carried over
    within a line, those of other lines are computed anew."""
    network: Network
    keys: NDArray[np.uint64]
    """(K,) items by row of the embeddings."""
    targets: NDArray[np.float32]
    """(K, d)"""
    bias: NDArray[np.float32]
    """(K,)"""
    output: NDArray[np.float32]
    """(h,) weights of hidden units, see `models.arrays.deep.DeepArrays`."""
    sha256: str = ""
    """Of the weights file: what tells two models of one version apart."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A model whose items lie by row of a replica, as it was at some time."""

    model: Model
    """Its targets are centred, where the network scores by them."""
    keys: NDArray[np.uint64]
    """(K,) of its items, ascending."""
    order: NDArray[np.int32]
    """(K,) their rows of the embeddings."""
    index: NDArray[np.int32]
    """(R,) row of the embeddings of each row of the replica, -1 for none."""
    targets: NDArray[np.float32]
    """(room, d)"""
    bias: NDArray[np.float32]
    """(room,)"""
    generation: int
    """Of the replica: in another one its rows are others."""

    @classmethod
    def of(
        cls, model: Model, keys: NDArray[np.uint64], room: int = 0, generation: int = -1
    ) -> "Placed":
        """Return a model with the items of a replica, whose rows have these keys.

        It takes a while where there are many, in short steps, so that another thread goes on.
        """
        # an item that a ranker does not know has the score 0: let that be the average
        if not len(model.output) and not isinstance(model.network, Mf):
            centred = model.targets - model.targets.mean(axis=0)
            # in place of the model's own, which would be as large again
            model = replace(model, targets=centred, bias=model.bias - model.bias.mean())
        order, nothing = np.argsort(model.keys).astype(np.int32), np.empty(0, np.float32)
        known, rows = model.keys[order], np.empty(0, np.int32)
        return cls(model, known, order, rows, nothing, nothing, -1).among(keys, room, generation)

    def among(self, keys: NDArray[np.uint64], room: int, generation: int) -> "Placed":
        """Return the same model with the items of a replica whose rows have these keys."""
        model = self.model
        absent = NEVER if len(model.output) else 0
        unknown = fold.NEVER if isinstance(model.network, Mf) else 0
        empty = replace(
            self,
            index=np.empty(0, np.int32),
            targets=np.full((room, model.targets.shape[1]), absent, np.float32),
            bias=np.full(room, unknown, np.float32),
            generation=generation,
        )
        return empty.with_rows(keys)

    def with_rows(self, keys: NDArray[np.uint64]) -> "Placed":
        """Return the same with further rows of the replica; its arrays are filled in place."""
        parts = [self.index]
        for at in range(0, len(keys), _STEP):
            index = self.find(keys[at : at + _STEP])
            rows = len(self.index) + at + np.flatnonzero(index >= 0)
            self.targets[rows] = self.model.targets[index[index >= 0]]
            self.bias[rows] = self.model.bias[index[index >= 0]]
            parts.append(index)
        return replace(self, index=np.concatenate(parts))

    def find(self, keys: NDArray[np.uint64]) -> NDArray[np.int32]:
        """Return the row of the embeddings of every item, -1 for none."""
        at = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        found: NDArray[np.int32] = np.where(self.keys[at] == keys, self.order[at], np.int32(-1))
        return found
