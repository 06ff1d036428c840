"""The shape of a network: what state, weights and trainer must agree on."""

from dataclasses import asdict, dataclass
from typing import Literal

NETWORKS = ("recurrent", "sasrec", "ncf")
"""Those that rank; `mf` predicts ratings."""
SEQUENCES = ("recurrent", "sasrec")
"""Those that read sequences, and are trained anew in every round that is not private."""
HEADS = 2
"""Attention heads of `sasrec`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Shape:
    """Sizes of a network; what serves it and what trains it are built from this alone."""

    network: Literal["recurrent", "sasrec", "ncf", "mf"] = "recurrent"
    dim: int = 64
    """d, length of an embedding, or of the factors of `mf`; units of the hidden layer of `ncf`."""
    width: int = 128
    """D, length of a layer's recurrent state; units of a tower of `ncf`."""
    layers: int = 1
    """1 for `ncf`."""
    length: int = 64
    """L, last items of a training sequence; the window of `sasrec`."""

    @property
    def state(self) -> int:
        """Numbers kept in a user's record."""
        if self.network == "mf":
            return self.dim + 1  # factors and bias
        return self.layers * self.width if self.network == "recurrent" else 0

    def to_dict(self) -> dict[str, str | int]:
        """Return the sizes by name."""
        return asdict(self)
