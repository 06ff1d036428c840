"""Weights of a deep model as safetensors: read, and checked before anything is believed."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load

from models.deep.placed import NETWORKS, Model
from models.deep.shape import Shape
from state.codec.sealed import CorruptError, IncompatibleError

_LARGEST = 1e4
"""Largest number sane weights hold."""
_KEYS = {"keys": "item", "user_keys": "user"}
"""Whose keys a column holds."""


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
    made = NETWORKS[shape.network]
    items, *others = [_keys(where, tensors, name, remedy) for name in made.keyed_by]
    times = _times(where, tensors, made, len(others[0]) if others else 0, remedy)
    _check(where, tensors, made.shapes(shape, len(items), *map(len, others)), remedy)
    tensors |= times
    network = made(shape, tensors, *others)
    return Model(version, root, network, items, *network.catalogue)


def _keys(
    where: str, tensors: dict[str, NDArray[Any]], name: str, remedy: str
) -> NDArray[np.uint64]:
    """Take a column of keys out of the tensors."""
    kind = _KEYS[name]
    keys = tensors.pop(name, None)
    if keys is None or keys.dtype != np.uint64 or keys.ndim != 1 or not len(keys):
        raise CorruptError(f"{where}: expected {kind} keys, got none; {remedy}")
    if len(np.unique(keys)) != len(keys):
        raise CorruptError(f"{where}: expected every {kind} key once, got repeats; {remedy}")
    return keys


def _times(
    where: str, tensors: dict[str, NDArray[Any]], made: type[Any], users: int, remedy: str
) -> dict[str, NDArray[np.int64]]:
    """Take the column of times out of the tensors, where network and file have one."""
    name = getattr(made, "timed_by", "")
    times = tensors.pop(name, None)
    if times is None:
        return {}
    if times.dtype != np.int64 or times.shape != (users,):
        raise CorruptError(
            f"{where}: expected {name} of int64 {(users,)}, got {times.dtype} {times.shape};"
            f" {remedy}"
        )
    return {name: times}


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
