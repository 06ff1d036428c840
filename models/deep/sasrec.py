"""Self-attention over the last items, served: SASRec (Kang and McAuley, ICDM 2018).

Nothing is kept of a user but the history; each answer looks at the last L items again. Only the
newest position's y is wanted, so the last layer is computed for that one alone.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from models.deep.functions import Array, gelu, normed
from models.deep.shape import HEADS, Shape

_NEVER = np.float32(-1e30)


class SasRec:
    """The network with its weights; it never changes.

    Parameters
    ----------
    shape : Shape
    tensors : mapping of str to float32 array
        As `models.deep.training.sasrec` names them.
    """

    keyed_by = ("keys",)
    """Columns of keys in its file, in the order of the arguments of `shapes`."""

    def __init__(self, shape: Shape, tensors: Mapping[str, Array]) -> None:
        self.shape = shape
        self._tensors = {name: np.ascontiguousarray(tensors[name]) for name in tensors}
        self._scale = np.float32(np.sqrt(shape.dim))

    @property
    def catalogue(self) -> tuple[Array, Array, Array]:
        """The items' side of a score: targets (K, d), bias (K,), and no hidden units."""
        nothing = np.empty(0, np.float32)
        return self._tensors["targets.weight"], self._tensors["targets.bias"], nothing

    @staticmethod
    def shapes(shape: Shape, items: int) -> dict[str, tuple[int, ...]]:
        """Return the shape of every tensor, for that many items."""
        d = shape.dim
        layer = {
            "norm.weight": (d,), "norm.bias": (d,),
            "input.weight": (3 * d, d), "input.bias": (3 * d,),
            "output.weight": (d, d), "output.bias": (d,),
            "ffn_norm.weight": (d,), "ffn_norm.bias": (d,),
            "ffn_in.weight": (4 * d, d), "ffn_in.bias": (4 * d,),
            "ffn_out.weight": (d, 4 * d), "ffn_out.bias": (d,),
        }  # fmt: skip
        found: dict[str, tuple[int, ...]] = {
            "items.weight": (items, d), "positions.weight": (shape.length, d),
            "final.weight": (d,), "final.bias": (d,),
            "targets.weight": (items, d), "targets.bias": (items,),
        }  # fmt: skip
        for n in range(shape.layers):
            found |= {f"layers.{n}.{name}": size for name, size in layer.items()}
        return found

    def read(self, windows: NDArray[np.int32]) -> Array:
        """Return y (B, d) after the last item of each window.

        Parameters
        ----------
        windows : int32[B, L]
            Rows of the embeddings, newest last, padded by -1 on the left; an item that the
            network does not know is left out before.
        """
        if not len(windows):
            return np.empty((0, self.shape.dim), np.float32)
        present = windows >= 0
        x = self._scale * self._tensors["items.weight"][np.maximum(windows, 0)]
        x += self._tensors["positions.weight"]
        x *= present[:, :, None]
        steps = windows.shape[1]
        causal = np.tril(np.ones((steps, steps), np.bool_))
        allowed = (causal[None] & present[:, None, :]) | np.eye(steps, dtype=np.bool_)[None]
        for n in range(self.shape.layers):
            last = n + 1 == self.shape.layers
            x = self._layer(n, x, allowed, slice(-1, None) if last else slice(None))
        y: Array = self._normed(x[:, -1], "final")
        return y

    def _layer(self, n: int, x: Array, allowed: NDArray[np.bool_], wanted: slice) -> Array:
        t, prefix = self._tensors, f"layers.{n}."
        batch, steps, dim = x.shape
        z = self._normed(x, f"{prefix}norm")
        z = z @ t[f"{prefix}input.weight"].T + t[f"{prefix}input.bias"]
        parts = z.reshape(batch, steps, 3, HEADS, dim // HEADS).transpose(2, 0, 3, 1, 4)
        query, key, value = parts[0][:, :, wanted], parts[1], parts[2]
        weights = query @ key.transpose(0, 1, 3, 2) / np.float32(np.sqrt(dim // HEADS))
        weights = np.where(allowed[:, None, wanted], weights, _NEVER)
        weights = np.exp(weights - weights.max(axis=-1, keepdims=True))
        weights /= weights.sum(axis=-1, keepdims=True)
        seen = (weights @ value).transpose(0, 2, 1, 3).reshape(batch, -1, dim)
        x = x[:, wanted] + seen @ t[f"{prefix}output.weight"].T + t[f"{prefix}output.bias"]
        inner = self._normed(x, f"{prefix}ffn_norm")
        inner = gelu(inner @ t[f"{prefix}ffn_in.weight"].T + t[f"{prefix}ffn_in.bias"])
        mixed: Array = x + inner @ t[f"{prefix}ffn_out.weight"].T + t[f"{prefix}ffn_out.bias"]
        return mixed

    def _normed(self, x: Array, name: str) -> Array:
        flat = x.reshape(-1, x.shape[-1])
        found = normed(flat, self._tensors[f"{name}.weight"], self._tensors[f"{name}.bias"])
        return found.reshape(x.shape)
