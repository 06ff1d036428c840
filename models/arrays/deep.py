"""The deep model's view of the users of a micro-batch, as compiled functions take it."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class DeepArrays(NamedTuple):
    """Outputs of the deep model for the users of a micro-batch; all empty where there is none."""

    y: NDArray[np.float32]
    """(S, d) of scored events: the user as it was before the event; h units of `output` wide where
    there are some."""
    row: NDArray[np.int32]
    """(n,) row of `y` of each event, -1 where it is not scored."""
    targets: NDArray[np.float32]
    """(R, d) output embedding of every item row, nothing for those the model does not know."""
    bias: NDArray[np.float32]
    """(R,)"""
    weight: float
    """Of the deep score beside the online one, see `models.weights.blend`."""
    output: NDArray[np.float32]
    """(h,) weights of the hidden units that join y and target, see `models.deep.part`;
    empty where their scalar product is the score."""

    @classmethod
    def none(cls) -> "DeepArrays":
        """Return what stands for no deep model."""
        empty = np.empty((0, 0), np.float32)
        nothing = np.empty(0, np.int32)
        none = np.empty(0, np.float32)
        return cls(empty, nothing, empty, none, 0.0, none)
