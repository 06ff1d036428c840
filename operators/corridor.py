"""The corridor of learn-users: one micro-batch walks through all stages.

No Flink in here, so that a file can be replayed through the very same code.
"""

from collections.abc import Callable, Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from models import evaluation
from models.columns import ACCEPTED, NOT_SCORED, Events, Users
from models.items import Items
from models.keys import key_of
from operators.events.codes import Code
from operators.inbox import Handler
from operators.params import LearnUsersParams
from operators.stages.decode import Decode, Decoded
from operators.stages.deduplicate import deduplicate
from operators.stages.fates import Fates
from operators.stages.learn import Learn, Taught
from operators.stages.rank import Rank
from operators.stages.records import (
    DeadLetters,
    Metrics,
    Outcome,
    Recommendations,
    Triggers,
    last_events,
)
from operators.stages.sessionize import sessionize
from state import accepted as accepted_codec
from state import bounds, chunks
from state.accounting import Accounting
from state.codec import IncompatibleError
from state.descriptors import ACCOUNTING_ENTRY, entry_of
from state.examples import Examples
from state.model_store import ModelStore
from state.topics import lease, model_pointer, trending, worker
from state.topics.lease import TakenOverError
from state.user_state import UserState

_SHARES = 1 << 32
_BUCKET_KEY = 4
"""Bytes of the key of accepted events."""


class Memory(Protocol):
    """What is remembered of the bucket's users: id -> bytes."""

    def get(self, key: str) -> bytes | None:
        """Return the bytes under a key."""

    def put(self, key: str, value: bytes) -> None:
        """Replace the bytes under a key."""


class Corridor:
    """decode → deduplicate → sessionize → learn → rank → records."""

    def __init__(self, params: LearnUsersParams, *, clock_ms: Callable[[], int]) -> None:
        self._params = params
        self._clock_ms = clock_ms
        self._decode = Decode(params.policy)
        self._user_state = UserState(
            params.learning.users, params.learning.factors, params.learning.seed
        )
        self._learn = Learn(params.learning)
        self._rank = Rank(k=params.k)
        self._online = f"online-{params.learning.objective}-1"
        self._recommendations = Recommendations(self._online)
        self._pointer = 0
        self._newest = 0
        self._dead_letters = DeadLetters(
            params.source_topic,
            params.job_version,
            params.policy.max_bytes,
            params.max_record_bytes,
        )
        self._sampled_below = int(params.evaluation_share * _SHARES)

    def process(
        self,
        bucket: int,
        keys: list[bytes | None],
        values: list[bytes | None],
        coordinates: list[int],
        published: list[int],
        memory: Memory,
    ) -> Outcome:
        """Take one micro-batch of raw records of a user bucket, in the order of consumption."""
        now_ms = self._clock_ms()
        decoded = self._decode(keys, values, coordinates, published, bucket=bucket, now_ms=now_ms)
        stored = [memory.get(entry_of(user)) for user in decoded.users]
        users = self._user_state.decode(stored, decoded.users, most_of_one(decoded.events.user))
        fate = deduplicate(users, decoded.events, self._params.learning.users, now_ms)
        fates = Fates.of(decoded, fate, len(values))
        letters = sorted([*decoded.rejected, *fates.letters], key=lambda one: one.position)
        outcome = Outcome(
            dead_letters=self._dead_letters(letters, keys, values, coordinates, published),
        )
        if (fate == ACCEPTED).any():
            self._accept(bucket, decoded, users, fate == ACCEPTED, outcome, now_ms)
            for user, value in zip(decoded.users, self._user_state.encode(users), strict=True):
                memory.put(entry_of(user), value)
        self._account(bucket, decoded, fates, np.asarray(coordinates, np.int64), memory, outcome)
        outcome.metrics.age = max(0, self._clock_ms() - min(published, default=now_ms))
        return outcome

    @property
    def items(self) -> Items:
        """The replica of everything known about items."""
        return self._learn.items

    def handlers(self) -> dict[str, dict[bytes, Handler]]:
        """Return what takes each kind of loop record, by topic and key."""
        return {
            "accepted_events": {b"": lambda _, value: self._hear_accepted(value)},
            "model_updates": {
                b"items": self._hear_chunk,
                trending.KEY: lambda _, value: self._hear_trending(value),
                lease.KEY: lambda _, value: self._hear_lease(value),
                model_pointer.KEY: lambda _, value: self.hear_model(value),
            },
        }

    def hear_model(self, value: bytes) -> None:
        """Serve the model that a pointer means; one that cannot be read leaves the old one."""
        pointer = model_pointer.decode(value)
        deep = self._learn.deep
        if pointer.sequence <= self._pointer or not self._params.deep:
            return
        if pointer.model == 0:
            deep.swap(None)
        elif pointer.model != deep.version:
            store = ModelStore(pointer.store)
            deep.swap(store.load(pointer, self._params.learning.deep))
        deep.blend.online, deep.blend.deep = pointer.online, pointer.deep
        self._pointer = pointer.sequence
        network = f"+{self._params.learning.deep.network}-{pointer.model}" if pointer.model else ""
        self._recommendations.model_version = self._online + network

    def _hear_accepted(self, value: bytes) -> None:
        message = accepted_codec.decode(value)
        self._check_factors(message.factors)
        self._learn.apply(message)
        self._newest = max(self._newest, message.time)

    def _hear_chunk(self, name: bytes, value: bytes) -> None:
        rows, about = chunks.decode_all(value)
        self._check_factors(rows.factors)
        self._learn.hear(name, rows, about)

    def _hear_trending(self, value: bytes) -> None:
        """Take a list unless it is of another job, or of a time long past."""
        listed = trending.decode(value)
        mine = listed.origin in ("", f"{self._params.learning.origin:016x}")
        if mine and listed.window_end + self._params.trending_window_ms >= self._newest:
            self.items.trending = listed.keys()

    def _hear_lease(self, value: bytes) -> None:
        """End this job where another one has taken over its output topics."""
        mine, heard = self._params.lease, lease.decode(value)
        if mine is not None and mine.yields_to(heard):
            raise TakenOverError(
                f"lease: expected job {mine.job} (run {mine.run}) to be the only writer of its"
                f" topics, got job {heard.job} (run {heard.run}), which was submitted later; cancel"
                " one of the two, or give each topics of its own"
            )

    def _check_factors(self, factors: NDArray[np.float32]) -> None:
        """Refuse records of another model: two jobs may share the loop for a while."""
        expected, got = self._params.learning.factors, factors.shape[1]
        if got != expected:
            raise IncompatibleError(
                f"loop: expected {expected} factors, got {got}; give the other job its own topics"
            )

    def idle(self, ids: list[str], values: list[bytes], before_ms: int) -> list[str]:
        """Return the users that were last updated before a processing time."""
        seen = self._user_state.seen(values, ids)
        return [ids[u] for u in np.flatnonzero(seen < before_ms).tolist()]

    def gauges(self, subtask: int, skipped: Mapping[str, int]) -> tuple[bytes, bytes]:
        """Return a record of `recommendation_metrics` about this worker's items and loop."""
        items, complete = self.items, self._learn.complete
        return worker.encode(
            worker.Worker(
                subtask=subtask,
                generated_at=self._clock_ms(),
                items=items.size,
                refused=items.refused,
                evicted=items.evicted,
                skipped=items.skipped,
                complete=complete,
                loop_skipped=dict(skipped),
            )
        )

    def _accept(
        self,
        bucket: int,
        decoded: Decoded,
        users: Users,
        accepted: NDArray[np.bool_],
        outcome: Outcome,
        now_ms: int,
    ) -> None:
        params = self._params
        events = decoded.events.take(accepted)
        chosen = np.flatnonzero(accepted).tolist()
        item_ids = [decoded.item_ids[n] for n in chosen]
        event_ids = [decoded.event_ids[n] for n in chosen]
        triggers = last_events(events, event_ids, len(decoded.users))
        # a clock that is fast must not move what everybody sees into the future
        events.time = np.minimum(events.time, now_ms)
        sessionize(users, events, params.learning.users.session_gap_ms)
        users.seen[events.user] = now_ms
        taught = self._learn(bucket, users, events, item_ids, self._scored(decoded.users, events))
        outcome.event_time = int(events.time.max())
        self._newest = max(self._newest, outcome.event_time)
        if taught.message is not None:
            ranking = params.learning.objective == "ranking"
            outcome.accepted = accepted_codec.encode_within(
                taught.message,
                params.max_record_bytes - bounds.OVERHEAD - _BUCKET_KEY,
                params.learning.transitions.window if ranking else 0,
            )
        self._evaluate(taught, outcome.metrics)
        if params.deep:
            outcome.examples = self._examples(users, events, taught)
        outcome.trending = self._sample(events, item_ids)
        if params.recommend:
            outcome.recommendations = self._recommend(decoded, users, triggers)

    def _recommend(
        self, decoded: Decoded, users: Users, triggers: Triggers
    ) -> list[tuple[bytes, bytes | None]]:
        chosen = users.take(triggers.users)
        return self._recommendations(
            [decoded.users[u] for u in triggers.users.tolist()],
            chosen,
            triggers,
            self._rank(self._learn.items, self._learn.objective, chosen, self._learn.deep),
            self._learn.items,
            self._clock_ms(),
        )

    def _examples(self, users: Users, events: Events, taught: Taught) -> Examples:
        positive = np.flatnonzero((events.weight > 0) & events.counts)
        learnt = taught.learnt
        judged = np.flatnonzero(learnt.deep_rank != NOT_SCORED)
        return Examples(
            model=self._learn.deep.version,
            loss=learnt.loss,
            user=users.key[events.user[positive]],
            item=events.item[positive],
            time=events.time[positive],
            coordinate=events.coordinate[positive],
            rank=learnt.rank[judged],
            online_rank=learnt.online_rank[judged],
        )

    def _scored(self, ids: list[str], events: Events) -> NDArray[np.bool_]:
        below = self._sampled_below
        users = np.fromiter((key_of(user) % _SHARES < below for user in ids), np.bool_, len(ids))
        return users[events.user]

    def _sample(self, events: Events, item_ids: list[str]) -> list[str]:
        positive = np.flatnonzero((events.weight > 0) & events.counts)
        step = max(1, -(-len(positive) // max(1, self._params.trending_sample)))
        return [item_ids[n] for n in positive[::step].tolist()]

    def _evaluate(self, taught: Taught, metrics: Metrics) -> None:
        learnt, k = taught.learnt, self._params.evaluation_k
        model = evaluation.ranking_sums(learnt.rank, k)
        popularity = evaluation.ranking_sums(learnt.popularity_rank, k)
        metrics.scored, metrics.hits = model.scored, model.hits
        metrics.ndcg, metrics.mrr = model.ndcg, model.reciprocal_rank
        metrics.popularity_hits, metrics.popularity_ndcg = float(popularity.hits), popularity.ndcg
        deep = evaluation.ranking_sums(learnt.deep_rank, k)
        metrics.deep_scored, metrics.deep_hits = deep.scored, deep.hits
        metrics.online_hits = evaluation.ranking_sums(learnt.online_rank, k).hits
        errors = evaluation.error_sums(learnt.error)
        metrics.errors = errors.scored
        metrics.squared_error, metrics.absolute_error = errors.squared, errors.absolute

    def _account(
        self,
        bucket: int,
        decoded: Decoded,
        fates: Fates,
        coordinates: NDArray[np.int64],
        memory: Memory,
        outcome: Outcome,
    ) -> None:
        stored = memory.get(ACCOUNTING_ENTRY)
        accounting = (
            Accounting.from_state(stored) if stored is not None else Accounting.start(bucket)
        )
        accepted, duplicate, late = (
            coordinates[records] for records in (fates.accepted, fates.duplicate, fates.late)
        )
        codes = [record.code for record in decoded.rejected] + [Code.ID_CONFLICT] * fates.conflicts
        accounting.count(coordinates, accepted, duplicate, late, codes)
        accounting.generated_at = self._clock_ms()
        outcome.accounting = accounting.records()
        memory.put(ACCOUNTING_ENTRY, accounting.to_state())
        metrics = outcome.metrics
        metrics.consumed = len(coordinates)
        metrics.accepted, metrics.duplicates, metrics.late = (
            len(accepted),
            len(duplicate),
            len(late),
        )
        metrics.rejected = len(codes)
        metrics.recommended = len(outcome.recommendations)


def most_of_one(user: NDArray[np.int32]) -> int:
    """Return how many events the busiest user of a micro-batch has."""
    return int(np.bincount(user).max()) if len(user) else 0
