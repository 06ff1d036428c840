"""Totals of arms: over everything, by position and by reason."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scripts.tools.evaluate.feedback.impressions import Impressions
from scripts.tools.evaluate.feedback.users import Assigned

ALL, POSITION, REASON = "all", "position", "reason"


def totals(found: Impressions, assigned: Assigned, arms: Sequence[str]) -> list[dict[str, Any]]:
    """Return rows of what arms have, of users in one arm only.

    Returns
    -------
    list of dict
        `arm`, `slice` (`all`, `position`, `reason`), `of` (which one of these), and `users`,
        `impressions`, `clicks`, `click_through`, `reward`, `reward_per_1000`.
    """
    rows: list[dict[str, Any]] = []
    for kind in (ALL, POSITION, REASON):  # one after the other: columns are large
        code, names = _coded(found, assigned.kept, kind)
        rows += _rows(found, assigned, kind, code, names, arms)
    return rows


def _coded(
    found: Impressions, kept: NDArray[np.bool_], kind: str
) -> tuple[NDArray[np.int32], list[Any]]:
    """Return which slice impressions are in, and what slices are called."""
    if kind == REASON:
        return found.reason[kept], found.reasons
    if kind == ALL:
        return np.zeros(int(kept.sum()), np.int32), [None]
    positions = np.unique(found.position[kept])
    return np.searchsorted(positions, found.position[kept]).astype(np.int32), positions.tolist()


def _rows(
    found: Impressions,
    assigned: Assigned,
    kind: str,
    code: NDArray[np.int32],
    names: Sequence[Any],
    arms: Sequence[str],
) -> Iterator[dict[str, Any]]:
    """Yield the rows of one kind of slice that have impressions; of all, those that have none."""
    kept, width = assigned.kept, len(names)
    group, groups = found.arm[kept] * width + code, len(found.arms) * width
    of_users = _users(group, assigned.user[kept], groups)
    shown = np.bincount(group, minlength=groups).tolist()
    clicks = np.bincount(group, found.clicked[kept], minlength=groups).tolist()
    reward = np.bincount(group, found.reward[kept], minlength=groups).tolist()
    for arm in arms:
        begin = found.arms.index(arm) * width if arm in found.arms else None
        for number, name in enumerate(names):
            if begin is None:
                counts = (0, 0, 0, 0.0)
            else:
                at = begin + number
                counts = (of_users[at], shown[at], int(clicks[at]), reward[at])
            if counts[1] or name is None:
                yield {"arm": arm, "slice": kind, "of": name} | _told(*counts)


def _users(group: NDArray[np.int32], user: NDArray[np.int32], groups: int) -> list[int]:
    """Return the users of each group."""
    pairs = group.astype(np.int64)
    pairs <<= 32
    pairs |= user
    pairs.sort()
    first = np.ones(len(pairs), np.bool_)
    np.not_equal(pairs[1:], pairs[:-1], out=first[1:])
    counts: list[int] = np.bincount(pairs[first] >> 32, minlength=groups).tolist()
    return counts


def _told(users: int, shown: int, clicks: int, reward: float) -> dict[str, Any]:
    return {
        "users": users,
        "impressions": shown,
        "clicks": clicks,
        "click_through": clicks / shown if shown else None,
        "reward": reward,
        "reward_per_1000": 1000 * reward / shown if shown else None,
    }
