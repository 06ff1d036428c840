"""Impressions added up by user: users are what is put into an arm, and what is independent."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scripts.tools.evaluate.feedback.impressions import Impressions, numbered
from scripts.tools.evaluate.feedback.ratio import summed


@dataclass(frozen=True)
class Users:
    """Sums of n users who are in one arm each.

    Parameters
    ----------
    arm : int[n]
        Number of each one's arm.
    impressions, clicks, reward : float64[n]
    """

    arm: NDArray[np.int32]
    impressions: NDArray[np.float64]
    clicks: NDArray[np.float64]
    reward: NDArray[np.float64]

    @classmethod
    def of(
        cls,
        user: NDArray[np.int32],
        arm: NDArray[np.int32],
        clicked: NDArray[np.bool_],
        reward: NDArray[np.float64],
    ) -> "Users":
        """Add up impressions of numbered users; numbers without impressions are left out."""
        impressions = summed(user)
        seen = impressions > 0
        arms = np.zeros(len(impressions), np.int32)
        arms[user] = arm
        return cls(
            arms[seen],
            impressions[seen],
            summed(user, clicked)[seen],
            summed(user, reward)[seen],
        )

    def of_arm(self, arm: int) -> "Users":
        """Return those of one arm."""
        theirs = self.arm == arm
        return Users(
            self.arm[theirs], self.impressions[theirs], self.clicks[theirs], self.reward[theirs]
        )


@dataclass(frozen=True)
class Assigned:
    """Impressions of an experiment.

    Parameters
    ----------
    kept : bool[n]
        Impressions of users in one arm.
    user : int32[n]
        Numbers of users.
    without_arm
        Impressions of users in no arm.
    several
        Users who were seen in several arms.
    """

    kept: NDArray[np.bool_]
    user: NDArray[np.int32]
    without_arm: int
    several: list[str]

    @classmethod
    def of(cls, all_of_them: Impressions) -> "Assigned":
        """Find the users who are in one arm; impressions without an arm are of no experiment."""
        names, user = numbered(all_of_them.user)
        named = np.array([bool(arm) for arm in all_of_them.arms])[all_of_them.arm]
        arm = np.full(len(names), -1, np.int32)
        arm[user[named]] = all_of_them.arm[named]  # any of theirs
        apart = named & (arm[user] != all_of_them.arm)
        several = np.zeros(len(names), np.bool_)
        several[user[apart]] = True
        return cls(
            named & ~several[user],
            user,
            int((~named).sum()),
            [f"{name:016x}" for name in names[several].tolist()],
        )
