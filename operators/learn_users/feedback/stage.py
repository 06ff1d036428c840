"""The stage of the pipeline that joins impressions with what users do next."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.columns.events import OFFSET_BITS, Events
from models.items.table import Items
from models.keys import key_of
from models.params.events import EventPolicy
from models.params.feedback import FeedbackParams
from operators.learn_users.feedback.deadlines import Deadlines
from operators.learn_users.feedback.join import Join, Shown
from operators.learn_users.stages.records import REASONS, recommendation_id
from operators.learn_users.stages.slate import Slates
from operators.memory import Memory
from state.events.fields import Event
from state.keyed.descriptors import FEEDBACK_ENTRY, feedback_entry, feedback_user
from state.keyed.feedback_counts import Fate, FeedbackCounts
from state.keyed.lineage import Lineage
from state.topics import feedback as topic
from state.users import feedback as users_state
from state.users.feedback import Pending, Served

Record = tuple[bytes, bytes]

_TELL_MS = 2_000
"""Processing time between two records of a bucket's counts."""
_KEY_DIGITS = 16
_FURTHEST = 10_000
_GREATEST = 1e12
"""Value of an action: sums of it stay numbers."""
_NAME = re.compile("[0-9a-f]{32}").fullmatch
_read_text = msgspec.json.Decoder(str | None).decode
_read_number = msgspec.json.Decoder(int | None).decode


@dataclass(frozen=True, slots=True)
class Taken:
    """Accepted events of a micro-batch, n of them."""

    users: list[str]
    """Distinct users, U of them: what `events.user` points into."""
    events: Events
    item_ids: list[str]
    code: NDArray[np.intp]
    """(n,) number of the event type in the policy."""
    amount: NDArray[np.float64]
    """(n,) values; NaN for none."""
    sources: Sequence[Event]
    """(n,) the events as they were read."""


class _Bucket:
    """What a worker holds of a bucket."""

    def __init__(self, counts: FeedbackCounts, started: int) -> None:
        self.counts = counts
        self.deadlines = Deadlines(started)
        self.told_at, self.changed, self.untold = 0, False, True


class FeedbackStage:
    """Joins impressions with actions for the buckets of one worker.

    Parameters
    ----------
    params : FeedbackParams
    policy : EventPolicy
    epoch : int
        Of the submission's lease.
    """

    def __init__(
        self,
        params: FeedbackParams,
        policy: EventPolicy,
        epoch: int = 0,
    ) -> None:
        self._params, self._epoch = params, epoch
        self._types = [*policy.weights, ""]
        acts = [kind in params.rewards for kind in self._types]
        self._acts = np.array(acts, np.bool_)
        self._shows = np.array([kind == params.impression_type for kind in self._types], np.bool_)
        self._buckets: dict[int, _Bucket] = {}
        self._wait_ms = params.window_ms + params.lateness_ms
        self._open: dict[str, Join] = {}
        plain = params.rewards.keys() - params.value_types
        self._rewards = {
            code: params.rewards[kind] if kind in plain else 0.0
            for code, kind in enumerate(self._types)
            if kind in params.rewards
        }
        """By number of the event type; 0 where the value counts."""

    def is_impression(self, code: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Return which events are impressions, by the numbers of their types."""
        shows: NDArray[np.bool_] = self._shows[code]
        return shows

    def waits(self, bucket: int) -> bool:
        """Return whether impressions of a bucket wait for their outcome, or counts to be told."""
        held = self._buckets.get(bucket)
        return held is not None and (held.deadlines.waits or held.untold)

    def warm(self, bucket: int, entries: Iterable[tuple[str, bytes]], now_ms: int) -> None:
        """Take up a bucket: its counts, and the users whose impressions wait.

        Parameters
        ----------
        entries
            All entries of the bucket's memory; others than those of feedback are passed over.
        """
        held = _Bucket(FeedbackCounts.start(bucket), now_ms)
        self._buckets[bucket] = held
        for entry, value in entries:
            if entry == FEEDBACK_ENTRY:
                held.counts, held.untold = FeedbackCounts.from_state(value), True
            elif user := feedback_user(entry):
                self._wait(held, user, users_state.decode(value).pending, now_ms)

    def take(self, bucket: int, memory: Memory, taken: Taken, now_ms: int) -> NDArray[np.bool_]:
        """Join the events of a micro-batch, in their order; return which are impressions."""
        held, events = self._held(bucket, memory, now_ms), taken.events
        partitions = events.coordinate >> OFFSET_BITS
        # no clock is ahead of when the record arrived: of old input nobody is in the present
        arrived = np.where(events.published < 0, events.time, events.published)
        times = np.minimum(events.time, arrived)
        newest: dict[int, list[int]] = {}
        for partition in np.unique(partitions).tolist():
            mine = partitions == partition
            of_users = np.full(len(taken.users), -1, np.int64)
            np.maximum.at(of_users, events.user[mine], times[mine])
            held.deadlines.follow(taken.users, partition, of_users, now_ms)
            newest[partition] = of_users.tolist()
        shows, acts = self._shows[taken.code], self._acts[taken.code]
        chosen = np.flatnonzero(shows | acts)
        shown: dict[str, list[Pending]] = {}
        for n, u, item, time, code, value, partition in zip(
            chosen.tolist(),
            events.user[chosen].tolist(),
            events.item[chosen].tolist(),
            events.time[chosen].tolist(),
            taken.code[chosen].tolist(),
            _values(taken.amount[chosen]).tolist(),
            partitions[chosen].tolist(),
            strict=True,
        ):
            user = taken.users[u]
            join = self._open.get(user) or self._join(user, memory)
            if not join.newest:
                join.newest = {at: found[u] for at, found in newest.items()}
            if code in self._rewards:
                kind = self._types[code]
                reward = self._rewards[code] or self._params.reward(kind, value)
                join.act(item, kind, time, reward, max(value, 0.0))
                continue
            found = _reference(user, taken.sources[n])
            if not isinstance(found, Fate):
                key, position = found
                name = taken.item_ids[n]
                found = join.show(Shown(key, item, name, position, time, now_ms, partition))
            held.counts.note(found)
            held.changed = True
            if found is Fate.JOINED:
                shown.setdefault(user, []).append(join.kept.pending[-1])
        for user, pendings in shown.items():
            self._wait(held, user, pendings, now_ms)
        return shows

    def serve(
        self,
        memory: Memory,
        users: list[str],
        keys: list[int],
        slates: Slates,
        items: Items,
        model: str,
    ) -> None:
        """Remember the lists that users are recommended.

        Parameters
        ----------
        keys
            Of the triggering events, see `operators.learn_users.stages.records.trigger_keys`.
        """
        lists = slates.lists
        rows = lists.rows
        named = np.where(rows >= 0, items.keys[np.maximum(rows, 0)], np.uint64(0)).tolist()
        lengths = np.count_nonzero(rows >= 0, axis=1).tolist()
        drawn = (slates.propensities < 1).any(axis=1).tolist()
        for n, (user, key, found, reasons, length) in enumerate(
            zip(users, keys, named, lists.reasons.tolist(), lengths, strict=True)
        ):
            chances = slates.propensities[n, :length].tolist() if drawn[n] else []
            served = Served(
                key, model, slates.arms[n], found[:length], reasons[:length], chances, []
            )
            self._join(user, memory).serve(served)

    def ignored(self, memory: Memory, users: list[str], times: list[int]) -> list[dict[int, float]]:
        """Return how often each user has ignored an item, as it counts at an event time, ms."""
        if not self._params.notes_ignored:
            return [{} for _ in users]
        return [
            self._join(user, memory).ignored(time) for user, time in zip(users, times, strict=True)
        ]

    def note_forgotten(self, bucket: int, memory: Memory, waiting: int, now_ms: int) -> None:
        """Count impressions that waited and are gone with their users."""
        if waiting:
            held = self._held(bucket, memory, now_ms)
            held.counts.note(Fate.FORGOTTEN, waiting)
            held.changed = True

    def close(self, bucket: int, memory: Memory, now_ms: int) -> list[Record]:
        """Decide what can be decided, and keep the rest; return key and value of the records."""
        held = self._held(bucket, memory, now_ms)
        due = held.deadlines.due(now_ms)
        for user in due:
            self._join(user, memory)
        records: list[Record] = []
        for user, join in self._open.items():
            if join.kept.pending:
                partitions = {one.partition for one in join.kept.pending}
                reached = {
                    number: held.deadlines.reached(number, now_ms, join.newest)
                    for number in partitions
                }
                over = partial(self._is_over, held.deadlines.started, reached, now_ms)
                for pending in join.decided(over):
                    records.append(self._outcome(user, pending, held.counts))
                    held.changed = True
            if join.settle():
                memory.put(feedback_entry(user), users_state.encode(join.kept))
            if user in due:
                self._wait(held, user, join.kept.pending, now_ms)
        self._open.clear()
        if held.changed:
            memory.put(FEEDBACK_ENTRY, held.counts.to_state())
            held.changed, held.untold = False, True
        return records

    def leave(self, bucket: int, memory: Memory, user: str, now_ms: int) -> list[Record]:
        """Decide what waits of a user as it is, and keep nothing of the user."""
        held, join = self._held(bucket, memory, now_ms), self._join(user, memory)
        records = [
            self._outcome(user, pending, held.counts) for pending in join.decided(lambda _: True)
        ]
        held.changed |= bool(records)
        del self._open[user]
        if memory.get(feedback_entry(user)) is not None:
            memory.remove(feedback_entry(user))
        return records

    def told(self, bucket: int, now_ms: int, lineage: Lineage | None) -> list[Record]:
        """Return the record of a bucket's counts, if they changed and it is time."""
        held = self._buckets[bucket]
        if not held.untold or now_ms - held.told_at < _TELL_MS:
            return []
        held.untold, held.told_at = False, now_ms
        return [held.counts.record(now_ms, lineage, self._epoch)]

    def _held(self, bucket: int, memory: Memory, now_ms: int) -> _Bucket:
        if bucket not in self._buckets:
            counts = memory.get(FEEDBACK_ENTRY)
            self.warm(bucket, [] if counts is None else [(FEEDBACK_ENTRY, counts)], now_ms)
        return self._buckets[bucket]

    def _join(self, user: str, memory: Memory) -> Join:
        """Return what is kept of a user, for the rest of the micro-batch."""
        if user not in self._open:
            kept = users_state.decode(memory.get(feedback_entry(user)))
            self._open[user] = Join(self._params, kept)
        return self._open[user]

    def _wait(self, held: _Bucket, user: str, pending: list[Pending], now_ms: int) -> None:
        """Look at a user again when the first of some impressions is over, by partition."""
        for partition in {one.partition for one in pending}:
            shown_at = min(one.shown_at for one in pending if one.partition == partition)
            quiet = now_ms + self._wait_ms + 1
            held.deadlines.add(user, partition, shown_at + self._wait_ms, quiet)

    def _is_over(
        self, started: int, reached: dict[int, int], now_ms: int, pending: Pending
    ) -> bool:
        since = max(pending.received_at, started)
        end = pending.shown_at + self._wait_ms
        return end < reached[pending.partition] or since + self._wait_ms < now_ms

    def _outcome(self, user: str, pending: Pending, counts: FeedbackCounts) -> Record:
        reason = REASONS[pending.reason]
        counts.decide(
            pending.arm,
            pending.position,
            reason,
            pending.model,
            pending.action,
            pending.reward,
            pending.value,
        )
        record = topic.Feedback(
            rec_id=recommendation_id(user, pending.key),
            item_id=pending.item_id,
            position=pending.position,
            reason=reason,
            model_version=pending.model,
            arm=pending.arm,
            propensity=pending.propensity,
            shown_at=pending.shown_at,
            action=pending.action,
            reward=pending.reward,
            delay_ms=pending.delay_ms,
        )
        return topic.encode(record)


def waiting(value: bytes) -> bool:
    """Return whether a user has impressions that wait, by what is kept of the user."""
    return bool(users_state.decode(value).pending)


def _values(amounts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return values of actions; -1 for none, and for what no sum can hold."""
    found: NDArray[np.float64] = np.where(np.isfinite(amounts), amounts, -1)
    return np.clip(found, -1, _GREATEST)


def _reference(user: str, event: Event) -> tuple[int, int | None] | Fate:
    """Return key and position of the list that an impression names, or its fate."""
    try:
        name, position = (
            _read_text(event.rec_id or b"null"),
            _read_number(event.position or b"null"),
        )
    except msgspec.DecodeError:
        return Fate.UNREADABLE
    if name is None:
        return Fate.WITHOUT_LIST
    if not _NAME(name) or not (position is None or 1 <= position <= _FURTHEST):
        return Fate.UNREADABLE
    if int(name[:_KEY_DIGITS], 16) != key_of(user):
        return Fate.FOREIGN
    return int(name[_KEY_DIGITS:], 16), position
