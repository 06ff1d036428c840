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
    kept = assigned.kept
    positions, position = np.unique(found.position[kept], return_inverse=True)
    slices: dict[str, tuple[NDArray[np.intp], list[Any]]] = {
        ALL: (np.zeros(int(kept.sum()), np.intp), [None]),
        POSITION: (position, positions.tolist()),
        REASON: (found.reason[kept].astype(np.intp), found.reasons),
    }
    rows: list[dict[str, Any]] = []
    for name, (code, names) in slices.items():
        rows += _rows(found, assigned, name, code, names, arms)
    return rows


def _rows(
    found: Impressions,
    assigned: Assigned,
    kind: str,
    code: NDArray[np.intp],
    names: Sequence[Any],
    arms: Sequence[str],
) -> Iterator[dict[str, Any]]:
    """Yield the rows of one kind of slice that have impressions; of all, those that have none."""
    kept, width = assigned.kept, len(names)
    group, groups = found.arm[kept] * width + code, len(found.arms) * width
    users = int(assigned.user.max()) + 1
    pairs = np.unique(group * users + assigned.user[kept])
    of_users = np.bincount(pairs // users, minlength=groups).tolist()
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


def _told(users: int, shown: int, clicks: int, reward: float) -> dict[str, Any]:
    return {
        "users": users,
        "impressions": shown,
        "clicks": clicks,
        "click_through": clicks / shown if shown else None,
        "reward": reward,
        "reward_per_1000": 1000 * reward / shown if shown else None,
    }
