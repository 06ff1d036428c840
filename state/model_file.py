"""Weights of a deep model as safetensors: read, and checked before anything is believed."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load

from models.deep.serving import NETWORKS, Model
from models.deep.shape import Shape
from state.codec import CorruptError, IncompatibleError

_LARGEST = 1e4
"""Largest number sane weights hold."""


def decode(data: bytes, shape: Shape, *, version: int, root: int) -> Model:
    """Return the model in the bytes of a weights file.

    Raises
    ------
    StateError
        If the bytes are no safetensors, of other shapes, not finite or without sane norms.
    """
    where = f"deep model {version}"
    remedy = "the model served before goes on; see the store"
    try:
        tensors: dict[str, NDArray[Any]] = load(data)
    except (SafetensorError, ValueError, KeyError) as error:
        raise CorruptError(f"{where}: expected safetensors, got {error}; {remedy}") from None
    keys = tensors.pop("keys", None)
    if keys is None or keys.dtype != np.uint64 or keys.ndim != 1 or len(np.unique(keys)) < 1:
        raise CorruptError(f"{where}: expected item keys, got none; {remedy}")
    if len(np.unique(keys)) != len(keys):
        raise CorruptError(f"{where}: expected every item key once, got repeats; {remedy}")
    made = NETWORKS[shape.network]
    _check(where, tensors, made.shapes(shape, len(keys)), remedy)
    network = made(shape, tensors)
    return Model(version, root, network, keys, tensors["targets.weight"], tensors["targets.bias"])


def _check(
    where: str,
    tensors: Mapping[str, NDArray[Any]],
    expected: Mapping[str, tuple[int, ...]],
    remedy: str,
) -> None:
    if tensors.keys() != expected.keys():
        odd = sorted(tensors.keys() ^ expected.keys())[0]
        raise IncompatibleError(
            f"{where}: expected the tensors of the configured network, got {odd} in one of both"
            f" only; {remedy}"
        )
    for name, tensor in tensors.items():
        if tensor.shape != expected[name] or tensor.dtype != np.float32:
            raise IncompatibleError(
                f"{where}: expected {name} of float32 {expected[name]}, got {tensor.dtype}"
                f" {tensor.shape}; {remedy}"
            )
        if not np.isfinite(tensor).all() or np.abs(tensor, out=None).max(initial=0) > _LARGEST:
            raise CorruptError(
                f"{where}: expected finite numbers of at most {_LARGEST:g} in {name}, got others;"
                f" {remedy}"
            )
