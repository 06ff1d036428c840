"""Impressions as columns: what the statistics need of each record, some 45 bytes.

Of 10 million records the columns take about 450 MB, so that everything is counted at the end, with
whole users left out where that must be, and nothing has to be read twice.
"""

from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Annotated, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.keys import key_of
from scripts.tools.console import ToolError
from scripts.tools.evaluate.feedback.source import Value
from scripts.tools.kafka.letters import shown
from state.codec import json_codec
from state.codec.sealed import StateError
from state.topics.feedback import user_of

_EXAMPLES = 3
_SHOWN = 200
"""Characters of an objection."""
_LARGEST = 1e12
"""Reward that can still be squared and added up."""
_T = TypeVar("_T")


class Record(msgspec.Struct):
    """The fields of `state.topics.feedback.Feedback` that count; a propensity may be missing."""

    rec_id: Annotated[str, msgspec.Meta(pattern="^[0-9a-fA-F]{16}")]
    item_id: str
    position: Annotated[int, msgspec.Meta(ge=0, lt=1 << 16)]
    reason: str
    arm: str
    action: str | None
    reward: Annotated[float, msgspec.Meta(ge=-_LARGEST, le=_LARGEST)]
    propensity: float | None = None


@dataclass
class Bad:
    """Values that are no records: how many, and what is wrong with the first ones."""

    count: int = 0
    examples: list[str] = field(default_factory=list)

    def decoded(self, where: str, value: bytes | None, kind: type[_T]) -> _T | None:
        """Return a value as what it should be; note it and return None where it is not."""
        try:
            return json_codec.decode(value, kind, where, remedy="left out")
        except StateError as error:
            self.count += 1
            if len(self.examples) < _EXAMPLES:
                self.examples.append(shown(str(error), _SHOWN))
            return None


@dataclass(frozen=True)
class Impressions:
    """Columns of n impressions, in the order they were read.

    Parameters
    ----------
    user : uint64[n]
        What stands for users in the ids of recommendations.
    arm, reason : int32[n]
        Numbers of `arms` and `reasons`.
    arms, reasons
        Names, in the order they came.
    position : int32[n]
    clicked : bool[n]
        Whether there was an action.
    reward, propensity : float64[n]
        A missing propensity is NaN.
    key : uint64[n]
        Of recommendation and item, see `impression_key`; empty where nobody asked.
    bad
        What was read and is no record.
    """

    user: NDArray[np.uint64]
    arm: NDArray[np.int32]
    arms: list[str]
    reason: NDArray[np.int32]
    reasons: list[str]
    position: NDArray[np.int32]
    clicked: NDArray[np.bool_]
    reward: NDArray[np.float64]
    propensity: NDArray[np.float64]
    key: NDArray[np.uint64]
    bad: Bad

    @classmethod
    def of(cls, values: Iterable[Value], *, keys: bool = False) -> "Impressions":
        """Read records.

        Parameters
        ----------
        values
        keys
            Whether impressions are looked up by recommendation and item.

        Raises
        ------
        ToolError
            Where there is no record.
        """
        bad, arms, reasons = Bad(), dict[str, int](), dict[str, int]()
        user, key = array("Q"), array("Q")
        arm, reason, position, clicked = array("i"), array("i"), array("i"), array("b")
        reward, propensity = array("d"), array("d")
        for where, value in values:
            record = bad.decoded(where, value, Record)
            if record is None:
                continue
            user.append(int(user_of(record.rec_id), 16))
            arm.append(arms.setdefault(record.arm, len(arms)))
            reason.append(reasons.setdefault(record.reason, len(reasons)))
            position.append(record.position)
            clicked.append(record.action is not None)
            reward.append(record.reward)
            propensity.append(np.nan if record.propensity is None else record.propensity)
            if keys:
                key.append(impression_key(record.rec_id, record.item_id))
        if not user:
            raise ToolError(_nothing(bad))
        return cls(
            np.frombuffer(user, np.uint64),
            np.frombuffer(arm, np.int32),
            list(arms),
            np.frombuffer(reason, np.int32),
            list(reasons),
            np.frombuffer(position, np.int32),
            np.frombuffer(clicked, np.bool_),
            np.frombuffer(reward, np.float64),
            np.frombuffer(propensity, np.float64),
            np.frombuffer(key, np.uint64) if key else np.zeros(0, np.uint64),
            bad,
        )


def numbered(user: NDArray[np.uint64]) -> tuple[NDArray[np.uint64], NDArray[np.int32]]:
    """Return distinct users, ascending, and which one each impression is of.

    As `numpy.unique` with `return_inverse` in less than half of the memory.

    >>> numbered(np.array([7, 3, 7], np.uint64))[1].tolist()
    [1, 0, 1]
    """
    names = np.unique(user)
    return names, np.searchsorted(names, user).astype(np.int32)


def impression_key(rec_id: str, item_id: str) -> int:
    """Return a 64-bit key of an impression: of 10 million, two are equal once in 400,000 times."""
    return key_of(f"{rec_id}\n{item_id}")


def _nothing(bad: Bad) -> str:
    if not bad.count:
        return "feedback: expected records, got none; were lists shown, and their windows over?"
    return f"feedback: expected records, got {bad.count:,} bad ones only: {bad.examples[0]}"
