"""The stage of the pipeline that joins impressions with what users do next."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.columns.events import OFFSET_BITS, Events
from models.items.table import Items
from models.params.events import EventPolicy
from models.params.feedback import FeedbackParams
from operators.learn_users.feedback.deadlines import Deadlines, Ends
from operators.learn_users.feedback.join import Join, Shown
from operators.learn_users.feedback.reference import reference_of
from operators.learn_users.stages.records import REASONS, id_of
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
_NEVER = 1 << 63
_GREATEST = 1e12
"""Value of an action: sums of it stay numbers."""


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
                pending = users_state.decode(value).pending
                self._wait(held, user, users_state.decode_all(pending))

    def take(self, bucket: int, memory: Memory, taken: Taken, now_ms: int) -> NDArray[np.bool_]:
        """Join the events of a micro-batch, in their order; return which are impressions."""
        held, events = self._held(bucket, memory, now_ms), taken.events
        partitions = events.coordinate >> OFFSET_BITS
        newest = _follow(held.deadlines, taken, partitions, now_ms)
        shows, acts = self._shows[taken.code], self._acts[taken.code]
        chosen = np.flatnonzero(shows | acts)
        fates, first = list[Fate](), dict[tuple[str, int], int]()
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
            join.newest = newest[u]
            if code in self._rewards:
                kind = self._types[code]
                reward = self._rewards[code] or self._params.reward(kind, value)
                join.act(item, kind, time, reward, max(value, 0.0))
                continue
            found = reference_of(taken.sources[n], join.user_key)
            if not isinstance(found, Fate):
                key, position = found
                name = taken.item_ids[n]
                found = join.show(Shown(key, item, name, position, time, now_ms, partition))
            if found is Fate.JOINED and time < first.get((user, partition), _NEVER):
                first[user, partition] = time
            fates.append(found)
        for (user, partition), time in first.items():
            held.deadlines.add(user, partition, time + self._wait_ms, now_ms + self._wait_ms + 1)
        for fate in Fate:
            if many := fates.count(fate):
                held.counts.note(fate, many)
                held.changed = True
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
        named = slates.named(items).tolist()
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
        deadlines = held.deadlines
        due = deadlines.due(now_ms)
        for user in due:
            self._join(user, memory)
        decided, records = list[Pending](), list[Record]()
        for user, join in self._open.items():
            # what is kept of a user is read only where something may be decided
            if user in due or join.ripe or deadlines.passed(user, now_ms, join.newest):
                found, rest = join.decided(Ends(deadlines, join.newest, self._wait_ms, now_ms))
                decided += found
                records += [_record(join.user_key, one) for one in found]
                if user in due:
                    self._wait(held, user, rest)
            if join.settle():
                memory.put(feedback_entry(user), users_state.encode(join.kept))
        self._open.clear()
        if decided:
            _count(held.counts, decided)
            held.changed = True
        if held.changed:
            memory.put(FEEDBACK_ENTRY, held.counts.to_state())
            held.changed, held.untold = False, True
        return records

    def leave(self, bucket: int, memory: Memory, user: str, now_ms: int) -> list[Record]:
        """Decide what waits of a user as it is, and keep nothing of the user."""
        held, join = self._held(bucket, memory, now_ms), self._join(user, memory)
        decided = [users_state.decode_pending(one) for one in join.kept.pending]
        if decided:
            _count(held.counts, decided)
            held.changed = True
        del self._open[user]
        if memory.get(feedback_entry(user)) is not None:
            memory.remove(feedback_entry(user))
        return [_record(join.user_key, one) for one in decided]

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
            self._open[user] = Join(self._params, user, kept)
        return self._open[user]

    def _wait(self, held: _Bucket, user: str, pending: Sequence[Pending]) -> None:
        """Look at a user again when the first of some impressions is over, by partition."""
        for partition in {one.partition for one in pending}:
            mine = [one for one in pending if one.partition == partition]
            over = min([one.shown_at for one in mine]) + self._wait_ms
            since = max(min([one.received_at for one in mine]), held.deadlines.started)
            held.deadlines.add(user, partition, over, since + self._wait_ms + 1)


def _follow(
    deadlines: Deadlines, taken: Taken, partitions: NDArray[np.int64], now_ms: int
) -> list[dict[int, int]]:
    """Note how far the input is; return the newest event time of each user by partition."""
    events = taken.events
    # no clock is ahead of when the record arrived: of old input nobody is in the present
    arrived = np.where(events.published < 0, events.time, events.published)
    times = np.minimum(events.time, arrived)
    newest: list[dict[int, int]] = [{} for _ in taken.users]
    for partition in np.unique(partitions).tolist():
        mine = partitions == partition
        of_users = np.full(len(taken.users), -1, np.int64)
        np.maximum.at(of_users, events.user[mine], times[mine])
        deadlines.follow(taken.users, partition, of_users, now_ms)
        for u, time in enumerate(of_users.tolist()):
            if time >= 0:
                newest[u][partition] = time
    return newest


def _count(counts: FeedbackCounts, decided: list[Pending]) -> None:
    """Count outcomes; most are without an action, and many of these alike."""
    ignored = Counter(
        [(one.arm, one.position, one.reason, one.model) for one in decided if one.action is None]
    )
    for (arm, position, reason, model), many in ignored.items():
        counts.ignore(arm, position, REASONS[reason], model, many)
    for one in decided:
        if one.action is not None:
            why, done = REASONS[one.reason], one.action
            counts.decide(one.arm, one.position, why, one.model, done, one.reward, one.value)


def _record(user: int, pending: Pending) -> Record:
    """Return key and value of the record that tells of an outcome."""
    return topic.encode(
        topic.Feedback(
            rec_id=id_of(user, pending.key),
            item_id=pending.item_id,
            position=pending.position,
            reason=REASONS[pending.reason],
            model_version=pending.model,
            arm=pending.arm,
            propensity=pending.propensity,
            shown_at=pending.shown_at,
            action=pending.action,
            reward=pending.reward,
            delay_ms=pending.delay_ms,
        )
    )


def waiting(value: bytes) -> bool:
    """Return whether a user has impressions that wait, by what is kept of the user."""
    return bool(users_state.decode(value).pending)


def _values(amounts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return values of actions; -1 for none, and for what no sum can hold."""
    found: NDArray[np.float64] = np.where(np.isfinite(amounts), amounts, -1)
    return np.clip(found, -1, _GREATEST)
