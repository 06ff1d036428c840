"""Counts of feedback, per user bucket: kept in state, and told in `recommendation_metrics`.

Each impression has exactly one fate, and each that was joined one outcome:
joined = decided + forgotten + those that wait.
"""

from enum import StrEnum

import msgspec

from state.codec import json_codec
from state.codec.sealed import open_sealed, seal
from state.keyed.lineage import Lineage

MAGIC = b"FC"
VERSION = 1
READ_VERSIONS = (1,)
KEY = b"feedback"
"""First part of the key of its records, up to the slash."""
OTHERS = "(other)"
_MODELS = 8
_POSITIONS = 100


class Fate(StrEnum):
    """What becomes of an impression."""

    JOINED = "joined"
    REPEATED = "repeated"
    """The same item of the same list has been shown."""
    EXPIRED = "expired"
    """Its list is none of the last ones of the user, or never was one."""
    FOREIGN = "foreign"
    """Its list is another user's."""
    UNLISTED = "unlisted"
    """Its item is not in its list."""
    WITHOUT_LIST = "without_list"
    """It names none."""
    FORGOTTEN = "forgotten"
    """It was joined, and its user was forgotten before it was decided."""
    UNREADABLE = "unreadable"
    """Its `rec_id` is none, or its position no whole number from 1 to 10,000."""


class Cell(msgspec.Struct):
    """Outcomes that have something in common."""

    decided: int = 0
    acted: int = 0
    """Those with an action."""
    reward: float = 0.0
    value: float = 0.0
    """Sum of the values of actions: prices, for example."""
    actions: dict[str, int] = {}
    """By event type."""

    def add(self, action: str | None, reward: float, value: float) -> None:
        """Count an outcome."""
        self.decided += 1
        if action is not None:
            self.acted += 1
            self.reward += reward
            self.value += value
            self.actions[action] = self.actions.get(action, 0) + 1


class FeedbackCounts(msgspec.Struct):
    """All impressions of a bucket's users, ever."""

    bucket: int
    impressions: dict[str, int]
    """By `Fate`."""
    total: Cell
    arms: dict[str, Cell]
    positions: dict[str, Cell]
    reasons: dict[str, Cell]
    models: dict[str, Cell]
    """By model version, of the newest ones; those before as "(other)"."""
    lineage: str = ""
    """Of the job that began to count."""

    @classmethod
    def start(cls, bucket: int) -> "FeedbackCounts":
        """Return the counts of a bucket that has seen nothing."""
        return cls(bucket, {}, Cell(), {}, {}, {}, {})

    def note(self, fate: Fate, many: int = 1) -> None:
        """Count impressions."""
        self.impressions[fate.value] = self.impressions.get(fate.value, 0) + many

    def decide(  # an outcome
        self,
        arm: str,
        position: int,
        reason: str,
        model: str,
        action: str | None,
        reward: float,
        value: float,
    ) -> None:
        """Count an outcome."""
        for cell in self._cells(arm, position, reason, model):
            cell.add(action, reward, value)

    def ignore(self, arm: str, position: int, reason: str, model: str, many: int) -> None:
        """Count outcomes without an action."""
        for cell in self._cells(arm, position, reason, model):
            cell.decided += many

    def _cells(self, arm: str, position: int, reason: str, model: str) -> tuple[Cell, ...]:
        """Return where outcomes are counted; the oldest model makes room for a new one."""
        if model not in self.models and len(self.models) > _MODELS:
            oldest = next(name for name in self.models if name != OTHERS)
            self._merge(self.models.pop(oldest))
        return (
            self.total,
            self.arms.setdefault(arm, Cell()),
            self.positions.setdefault(str(min(position, _POSITIONS)), Cell()),
            self.reasons.setdefault(reason, Cell()),
            self.models.setdefault(model, Cell()),
        )

    def _merge(self, cell: Cell) -> None:
        others = self.models.setdefault(OTHERS, Cell())
        others.decided += cell.decided
        others.acted += cell.acted
        others.reward += cell.reward
        others.value += cell.value
        for kind, count in cell.actions.items():
            others.actions[kind] = others.actions.get(kind, 0) + count

    def record(
        self, now_ms: int, lineage: Lineage | None = None, epoch: int = 0
    ) -> tuple[bytes, bytes]:
        """Return key and value of the record that tells of it."""
        told = FeedbackRecord(
            self.bucket, self.impressions, self.total, self.arms, self.positions, self.reasons,
            self.models, lineage.id if lineage else "", KEY.decode(), now_ms, epoch,
        )  # fmt: skip
        if lineage is not None:
            self.lineage = self.lineage or lineage.id
            told.began, told.since, told.buckets = self.lineage, lineage.since, lineage.buckets
        return b"%s/%d" % (KEY, self.bucket), msgspec.json.encode(told)

    def to_state(self) -> bytes:
        """Return the sealed value kept in state (magic `FC`, version 1: the JSON)."""
        return seal(MAGIC, VERSION, msgspec.json.encode(self))

    @classmethod
    def from_state(cls, value: bytes) -> "FeedbackCounts":
        """Read what `to_state` wrote.

        Raises
        ------
        StateError
            If the value is damaged or of an unknown version.
        """
        where = "feedback counts of a user bucket"
        _, payload = open_sealed(value, MAGIC, READ_VERSIONS, where)
        return json_codec.decode(bytes(payload), cls, where)


class FeedbackRecord(FeedbackCounts):
    """The counts as the metrics topic has them; `lineage` is then the job's, of now."""

    kind: str = KEY.decode()
    generated_at: int = 0
    epoch: int = 0
    """Of the submission's lease."""
    began: str = ""
    """Lineage of the job that began to count."""
    since: int = 0
    buckets: int = 0
    """User buckets of the job."""
