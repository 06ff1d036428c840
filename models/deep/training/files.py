"""Files of a round's folder that every trainer reads and writes; no torch."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file

USERS = 1_000_000
"""Most users in a model that has a row a user."""


def parent(folder: Path) -> dict[str, NDArray[Any]]:
    """Return the tensors that the round starts from; none in the first one."""
    found: dict[str, NDArray[Any]] = {}
    for name in ("parent.safetensors", "parent-optimizer.safetensors"):
        if (folder / name).exists():
            found |= load_file(folder / name)
    return found


def column(folder: Path, name: str) -> NDArray[Any]:
    """Return a column of the round's events, of one file or of several."""
    parts = sorted(folder.glob(f"{name}-*.npy")) or [folder / f"{name}.npy"]
    return np.concatenate([np.load(part, allow_pickle=False) for part in parts])


def known_items(
    keys: NDArray[np.uint64], tensors: dict[str, NDArray[Any]], own: Sequence[str]
) -> tuple[NDArray[np.uint64], dict[str, NDArray[Any]]]:
    """Return the keys of the items that have events, and the parent's tensors of those.

    The parent's come first. An item whose last event has left ring and reservoir leaves the
    catalogue, too: it would grow for ever.

    Parameters
    ----------
    keys : uint64[n]
        Of the round's events.
    tensors : dict
        The parent's; none in the first round.
    own : sequence of str
        Names of tensors that have a row an item; their moments have them in their names.
    """
    before = tensors.get("keys", np.empty(0, np.uint64))
    kept = np.flatnonzero(np.isin(before, keys))
    rows = {
        name: tensor[kept]
        for name, tensor in tensors.items()
        if any(name == one or f".{one}." in name for one in own)
    }
    return known_keys(keys, before[kept]), {**tensors, **rows}


def known_keys(keys: NDArray[np.uint64], before: NDArray[Any] | None) -> NDArray[np.uint64]:
    """Return the keys there are: those of the parent first, in its order."""
    now = np.unique(keys)
    if before is None:
        return now
    return np.concatenate([before, np.setdiff1d(now, before, assume_unique=True)])


def known_users(
    users: NDArray[np.uint64], tensors: dict[str, NDArray[Any]], own: str
) -> tuple[NDArray[np.uint64], dict[str, NDArray[Any]]]:
    """Return the keys of users, those of the parent first, and the parent's tensors of those kept.

    Beyond `USERS`, users with the newest events stay. Tensors with `own` in their names have a row
    a user.
    """
    before = tensors.get("user_keys", np.empty(0, np.uint64))
    found = known_keys(users, before)
    if len(found) <= USERS:
        return found, tensors
    newest = np.full(len(found), -1, np.int64)
    np.maximum.at(newest, index_of(found, users), np.arange(len(users)))
    kept = np.sort(np.argsort(newest, kind="stable")[-USERS:])
    old = kept[kept < len(before)]
    rows = {name: tensor[old] for name, tensor in tensors.items() if own in name}
    return found[kept], {**tensors, **rows}


def index_of(known: NDArray[np.uint64], keys: NDArray[np.uint64]) -> NDArray[np.int32]:
    """Return where each key stands among the known ones, which hold them all."""
    order = np.argsort(known)
    return order[np.searchsorted(known, keys, sorter=order)].astype(np.int32)


def write(path: Path, data: bytes) -> None:
    """Replace a file at once."""
    part = path.with_suffix(".part")
    part.write_bytes(data)
    part.replace(path)
