r"""A gated linear recurrence, served: its state is one vector a layer, advanced once an event.

.. math:: x = \sqrt{d}\,(E_j + G_{gap}), \quad (v, a, g) = W_{in}\,\mathrm{LN}(x) + b_{in}, \quad
    h \leftarrow \sigma(a) \odot h + (1 - \sigma(a)) \odot v

    x \leftarrow x + W_{out}(h \odot \mathrm{silu}(g)) + b_{out}, \quad
    x \leftarrow x + \mathrm{FFN}(\mathrm{LN}(x)), \quad y = \mathrm{LN}(x)

and the logit of item j is y · O_j + o_j. Relatives: LRURec (arXiv 2310.02367), minGRU (arXiv
2410.01201). The gates depend on the input alone, so a layer's matrix products are made for all
events of a micro-batch at once; only the elementwise recurrence goes event by event.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from models.compiled import entry
from models.deep.functions import Array, gelu, normed, sigmoid
from models.deep.shape import Shape


class Recurrent:
    """The network with its weights; it never changes.

    Parameters
    ----------
    shape : Shape
    tensors : mapping of str to float32 array
        As `models.deep.training.recurrent` names them; E and O have a row an item.
    """

    keyed_by = ("keys",)
    """Columns of keys in its file, in the order of the arguments of `shapes`."""

    def __init__(self, shape: Shape, tensors: Mapping[str, Array]) -> None:
        self.shape = shape
        self._tensors = {name: np.ascontiguousarray(tensors[name]) for name in tensors}
        self._scale = np.float32(np.sqrt(shape.dim))
        self._layers = [self._layer(n) for n in range(shape.layers)]

    @property
    def catalogue(self) -> tuple[Array, Array, Array]:
        """The items' side of a score: targets (K, d), bias (K,), and no hidden units."""
        nothing = np.empty(0, np.float32)
        return self._tensors["targets.weight"], self._tensors["targets.bias"], nothing

    @staticmethod
    def shapes(shape: Shape, items: int) -> dict[str, tuple[int, ...]]:
        """Return the shape of every tensor, for that many items."""
        d, width = shape.dim, shape.width
        layer = {
            "norm.weight": (d,), "norm.bias": (d,),
            "input.weight": (3 * width, d), "input.bias": (3 * width,),
            "output.weight": (d, width), "output.bias": (d,),
            "ffn_norm.weight": (d,), "ffn_norm.bias": (d,),
            "ffn_in.weight": (2 * d, d), "ffn_in.bias": (2 * d,),
            "ffn_out.weight": (d, 2 * d), "ffn_out.bias": (d,),
        }  # fmt: skip
        found: dict[str, tuple[int, ...]] = {
            "items.weight": (items, d), "gaps.weight": (24, d),
            "final.weight": (d,), "final.bias": (d,),
            "targets.weight": (items, d), "targets.bias": (items,),
        }  # fmt: skip
        for n in range(shape.layers):
            found |= {f"layers.{n}.{name}": size for name, size in layer.items()}
        return found

    def advance(
        self,
        state: Array,
        user: NDArray[np.int32],
        item: NDArray[np.int32],
        gap: NDArray[np.uint8],
        wanted: NDArray[np.intp],
    ) -> Array:
        """Take events in order; return y after some of them.

        Parameters
        ----------
        state : float32[U, layers * width]
            Updated in place.
        user, item : int32[n]
            Row of the state, and of the embeddings: items it does not know are left out.
        gap : uint8[n]
            See `models.users.gaps`.
        wanted : int[w]
            Events after which y is asked for.

        Returns
        -------
        float32[w, d]
        """
        x = self._input(item, gap)
        for n, layer in enumerate(self._layers):
            last = n + 1 == len(self._layers)
            value, keep, gate = self._gates(layer, x)
            held = state[:, n * self.shape.width : (n + 1) * self.shape.width]
            hidden = np.empty_like(value)
            _scan(np.ascontiguousarray(user), value, keep, held, hidden)
            if last:
                hidden, gate, x = hidden[wanted], gate[wanted], x[wanted]
            x = self._mix(layer, x, hidden, gate)
        return self._final(x)

    def outputs(self, state: Array, item: NDArray[np.int32], gap: NDArray[np.uint8]) -> Array:
        """Return y (U, d) of users whose newest event was of these items and gaps; -1 for none."""
        x = self._input(item, gap)
        for n, layer in enumerate(self._layers):
            gate = self._project(layer, x)[:, 2 * self.shape.width :]
            held = state[:, n * self.shape.width : (n + 1) * self.shape.width]
            x = self._mix(layer, x, held, gate)
        return self._final(x)

    def _layer(self, n: int) -> dict[str, Array]:
        prefix = f"layers.{n}."
        return {
            name.removeprefix(prefix): np.ascontiguousarray(
                tensor.T if name.endswith(".weight") and tensor.ndim == 2 else tensor
            )
            for name, tensor in self._tensors.items()
            if name.startswith(prefix)
        }

    def _input(self, item: NDArray[np.int32], gap: NDArray[np.uint8]) -> Array:
        embedded = self._tensors["items.weight"][item]
        embedded[item < 0] = 0
        embedded += self._tensors["gaps.weight"][gap]
        embedded *= self._scale
        return embedded

    def _project(self, layer: Mapping[str, Array], x: Array) -> Array:
        z = _times(normed(x, layer["norm.weight"], layer["norm.bias"]), layer["input.weight"])
        z += layer["input.bias"]
        return z

    def _gates(self, layer: Mapping[str, Array], x: Array) -> tuple[Array, Array, Array]:
        z, width = self._project(layer, x), self.shape.width
        return z[:, :width], sigmoid(z[:, width : 2 * width]), z[:, 2 * width :]

    def _mix(self, layer: Mapping[str, Array], x: Array, hidden: Array, gate: Array) -> Array:
        told = _times(hidden * gate * sigmoid(gate), layer["output.weight"])
        x = x + told + layer["output.bias"]
        inner = normed(x, layer["ffn_norm.weight"], layer["ffn_norm.bias"])
        inner = _times(inner, layer["ffn_in.weight"]) + layer["ffn_in.bias"]
        mixed: Array = x + _times(gelu(inner), layer["ffn_out.weight"]) + layer["ffn_out.bias"]
        return mixed

    def _final(self, x: Array) -> Array:
        return normed(x, self._tensors["final.weight"], self._tensors["final.bias"])


def _times(x: Array, weight: Array) -> Array:
    """Return x @ weight, every row by itself.

    BLAS rounds a row by how many others there are: states would depend on how the log is cut.
    """
    product = np.zeros((len(x), weight.shape[1]), np.float32)
    _add_products(np.ascontiguousarray(x), weight, product)
    return product


@entry
def _add_products(x: Array, weight: Array, out: Array) -> None:
    inner = x.shape[1]
    whole = inner - inner % 4
    for e in range(len(x)):
        for i in range(0, whole, 4):  # by fours: a quarter of the loads and stores of `out`
            p, q, r, s = x[e, i], x[e, i + 1], x[e, i + 2], x[e, i + 3]
            for j in range(weight.shape[1]):
                first = p * weight[i, j] + q * weight[i + 1, j]
                out[e, j] += first + r * weight[i + 2, j] + s * weight[i + 3, j]
        for i in range(whole, inner):
            for j in range(weight.shape[1]):
                out[e, j] += x[e, i] * weight[i, j]


@entry
def _scan(user: NDArray[np.int32], value: Array, keep: Array, state: Array, out: Array) -> None:
    for e in range(len(user)):
        for f in range(value.shape[1]):
            h = value[e, f] + keep[e, f] * (state[user[e], f] - value[e, f])
            state[user[e], f] = h
            out[e, f] = h
