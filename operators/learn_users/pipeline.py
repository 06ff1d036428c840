"""The pipeline of learn-users: one micro-batch walks through all stages.

No Flink in here, so that a file can be replayed through the very same code.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from itertools import compress

import numpy as np
from numpy.typing import NDArray

from models.catalogue.catalogue import Facts
from models.columns.events import ACCEPTED, Events
from models.columns.lists import Recommended
from models.columns.users import Users
from models.items.table import Items
from models.keys import key_of
from operators.learn_users.control.commands import Control
from operators.learn_users.control.done import Done
from operators.learn_users.control.gate import (
    NO_CONSENT,
    answered_only,
    left_out,
    mute,
    without,
)
from operators.learn_users.control.merging import Merging
from operators.learn_users.control.switches import Switches
from operators.learn_users.feedback.stage import FeedbackStage, Taken
from operators.learn_users.micro_batch import Command, MicroBatch
from operators.learn_users.people import People
from operators.learn_users.stages.account import account, accounting_of
from operators.learn_users.stages.decode import Decode, Decoded
from operators.learn_users.stages.deduplicate import deduplicate
from operators.learn_users.stages.evaluate import evaluate
from operators.learn_users.stages.examples import examples_of
from operators.learn_users.stages.fates import Fates
from operators.learn_users.stages.learn import Learn, LearnedBatch
from operators.learn_users.stages.recommend import Recommend, Record
from operators.learn_users.stages.records import DeadLetters, Outcome
from operators.learn_users.stages.sessionize import sessionize
from operators.learn_users.stages.sightings import Sightings
from operators.learn_users.stages.slate import Slate
from operators.memory import Memory
from operators.params import LearnUsersParams
from state import record_sizes
from state.keyed import knobs, popularity
from state.keyed.descriptors import KNOBS_ENTRY, POPULARITY_ENTRY, entry_of, feedback_entry
from state.topics import accepted as accepted_codec
from state.topics import forgotten, switches, worker
from state.topics.availability import Described
from state.topics.sealed_letter import Seal
from state.topics.switches import Switch
from state.topics.window import Sums
from state.users.state import UserState

_SHARES = 1 << 32
_FIRST_SHARE = 5
"""Times the share of users whose events are ranked while a bucket is new."""
_BUCKET_KEY = 4
"""Bytes of the key of accepted events."""


class Pipeline:
    """Decode, deduplicate, sessionize, learn, publish, evaluate, rank, account: one micro-batch."""

    def __init__(self, params: LearnUsersParams, *, clock_ms: Callable[[], int]) -> None:
        self._params = params
        self._clock_ms = clock_ms
        self._decode = Decode(params.policy)
        self._people = People(params.names)
        self._user_state = UserState(
            params.learning.users,
            params.learning.factors,
            params.learning.seed,
            variances=params.learning.variances,
            rated=params.learning.rated,
        )
        self._learn = Learn(params.learning)
        self._learn.items.private = params.counted_items is not None
        self._stars = params.learning.stars
        self.newest = 0
        self.lineage = params.lineage  # the one that accounting is told for
        self._dead_letters = DeadLetters(
            params.source_topic,
            params.job_version,
            params.policy.max_bytes,
            params.max_record_bytes,
            Seal(params.letter_key) if params.letter_key else None,
        )
        self._room = params.max_record_bytes - record_sizes.OVERHEAD - _BUCKET_KEY
        self._first = params.evaluation_first / params.policy.buckets
        self._sampled_below = 0
        self._blocked: Collection[int] = ()
        learning = params.learning
        self._feedback = self._feedback_of(params)
        self._slate = Slate(params.slate, params.k, self._learn.items, self._stars)
        self._recommend = Recommend(
            self._learn,
            self._slate,
            self._feedback,
            f"online-{learning.objective}-1",
            params.policy.identity,
            self._people.outside,
            params.k,
        )
        self._switches = Switches(self._slate, self._learn.items, params.slate_of)
        self._control = Control(
            buckets=params.policy.buckets,
            alone=not params.deep,
            recommend=params.recommend,
            origin=learning.origin,
            check=self._switches.check,
            people=self._people,
            merging=Merging(
                self._user_state,
                self._people.names,
                buckets=params.policy.buckets,
                alone=not params.deep,
                recommend=params.recommend,
                origin=learning.origin,
                session_gap_ms=learning.users.session_gap_ms,
                recompute=learning.deep.network != "mf",
            ),
        )
        self._sightings = Sightings(params)
        self._adaptive = learning.objective == "ranking" and learning.ranking.adaptive

    def process(self, batch: MicroBatch, memory: Memory) -> Outcome:
        """Take one micro-batch; `memory` is that of its user bucket."""
        bucket, now_ms = batch.bucket, self._clock_ms()
        accounting = accounting_of(bucket, memory, self.lineage)
        self._sample(accounting.accepted)
        outcome = Outcome()
        commands, batch = batch.split()
        if commands:
            self._obey(bucket, memory, commands, outcome)
        gates = self._control.gates(bucket, memory)
        decoded = self._decode(batch, now_ms)
        decoded.users = self._called(bucket, memory, decoded.users, outcome)
        if gates.forgotten or gates.lifted:
            keys = self._people.names.keys
            decoded = without(decoded, batch, gates, self._params.policy, keys)
        decoded, unheard = self._with_consent(decoded, batch)
        self._blocked = gates.blocked
        stored = [memory.get(entry_of(user)) for user in decoded.users]
        if self._stars is not None:
            decoded.events.value = self._stars.of(decoded.events.value)
        users = self._user_state.decode(stored, decoded.users, most_of_one(decoded.events.user))
        self._sightings.look(users)
        fate = deduplicate(users, decoded.events, self._params.learning.users, now_ms)
        fates = Fates.of(decoded, fate, len(batch))
        letters = sorted([*decoded.rejected, *fates.letters], key=lambda one: one.position)
        outcome.dead_letters = self._dead_letters(letters, batch)
        if gates.blocked or self._switches.paused:
            mute(decoded.events, decoded.users, gates.blocked, all_of_them=self._switches.paused)
        if (fate == ACCEPTED).any():
            self._recall_weights(bucket, memory)
            self._accept(bucket, decoded, users, fate == ACCEPTED, outcome, now_ms, memory)
            self._keep_weights(bucket, memory)
            values = self._user_state.encode(users)
            for user, value, old in zip(decoded.users, values, stored, strict=True):
                memory.put(entry_of(user), value)
                formers = self._people.enter(user, memory, new=old is None)
                outcome.recommendations += [(name.encode(), None) for name in formers]
        outcome.accounting = account(
            accounting,
            decoded,
            fates,
            np.asarray(batch.coordinates, np.int64),
            memory,
            self._clock_ms(),
            outcome.metrics,
            self.lineage,
            self._params.lease.epoch if self._params.lease else 0,
        )
        if unheard is not None and self._params.recommend:
            self._answer(bucket, unheard, memory, outcome, now_ms)
        self._control.merging.note(gates, batch.published, now_ms)
        self.decide(bucket, memory, outcome)
        outcome.metrics.recommended = sum(value is not None for _, value in outcome.recommendations)
        outcome.metrics.age = max(0, self._clock_ms() - min(batch.published, default=now_ms))
        return outcome

    def _called(self, bucket: int, memory: Memory, users: list[str], outcome: Outcome) -> list[str]:
        """Return what users are called; what they have by a former name is theirs."""
        called = self._people.called(users)
        if self._people.names.rotates:
            done = self._control.rejoin(bucket, memory, users, called)
            self._part(bucket, memory, done, outcome, 0)
        return called

    def _with_consent(self, decoded: Decoded, batch: MicroBatch) -> tuple[Decoded, Decoded | None]:
        """Return what may be learnt and kept, and what is answered only; None for nothing."""
        consent = self._params.consent
        refused = set() if consent is None else set(consent.refused(batch.values))
        if not refused:
            return decoded, None
        unheard = answered_only(decoded, refused)
        return left_out(decoded, refused, NO_CONSENT), unheard if len(unheard.events) else None

    def _answer(
        self, bucket: int, unheard: Decoded, memory: Memory, outcome: Outcome, now_ms: int
    ) -> None:
        """Recommend to users of whose events nothing is kept: as to whoever they were before."""
        events, names = unheard.events, unheard.users
        events.time = np.minimum(events.time, now_ms)
        users = self._user_state.decode([memory.get(entry_of(user)) for user in names], names)
        sessionize(users, events, self._params.learning.users.session_gap_ms)
        triggers = self._recommend.triggers(
            events, unheard.event_ids, unheard.sources, unheard.code, len(names)
        )
        told = {key for key, _ in outcome.recommendations}
        outside = (self._people.outside(names[u], memory) for u in triggers.users.tolist())
        fresh = [(name or "").encode() not in told for name in outside]
        triggers = triggers.take(np.array(fresh, np.bool_))
        outcome.recommendations += self._recommend(
            names, users, triggers, memory, bucket, now_ms, keep=False
        )

    def _obey(
        self,
        bucket: int,
        memory: Memory,
        commands: list[Command],
        outcome: Outcome,
    ) -> None:
        """Carry out commands about users, and tell other workers whom to forget."""
        done = self._control.carry_out(bucket, memory, commands, self._clock_ms())
        self._part(bucket, memory, done, outcome, commands[0].coordinate)

    def _tell(
        self, bucket: int, memory: Memory, done: Done, outcome: Outcome, coordinate: int
    ) -> None:
        """Add what came of commands, the first of which had a coordinate."""
        outcome.answers += done.answers
        outcome.orders += done.orders
        outcome.recommendations += self.taken_back(done.taken_back, memory)
        outcome.recommendations += [(name.encode(), None) for name in done.nobody]
        if done.forgotten:
            # by the place of the command: it is the same whenever it is read
            origin, most = self._params.learning.origin, forgotten.most_users(self._room)
            for at in range(0, len(done.forgotten), most):
                name = key_of(f"{bucket}/{coordinate}/{at}")
                told = forgotten.Forgotten(origin, name, done.forgotten[at : at + most])
                outcome.accepted.append(forgotten.encode(told))
                self._learn.forget(told)
        outcome.accepted += map(switches.encode, done.switches)
        if self._feedback is not None:
            self._feedback.note_forgotten(bucket, memory, done.waiting, self._clock_ms())

    def decide(self, bucket: int, memory: Memory, outcome: Outcome) -> None:
        """Add what is due now: guests who are merged, outcomes of impressions, their counts."""
        now_ms = self._clock_ms()
        done = self._control.hand_over(bucket, memory, now_ms)
        self._part(bucket, memory, done, outcome, 0)
        if self._params.recommend:
            outcome.recommendations += self._recommend.anew(
                bucket, self._user_state, memory, now_ms
            )
        if self._feedback is not None:
            outcome.feedback += self._feedback.close(bucket, memory, now_ms)
            outcome.accounting += self._feedback.told(bucket, now_ms, self.lineage)
        self._people.forget_ids()

    def _part(
        self, bucket: int, memory: Memory, done: Done, outcome: Outcome, coordinate: int
    ) -> None:
        """Add what came of commands, and keep nothing by names that are used no more."""
        self._tell(bucket, memory, done, outcome, coordinate)
        for name in done.left:
            self._leave(bucket, memory, name, outcome)
            self._people.leave(name, memory)
            self._recommend.standing.leave(name)

    def taken_back(self, names: Iterable[str], memory: Memory) -> list[Record]:
        """Return the records that take back what users were recommended."""
        found = [one for name in names for one in self._people.every_outside(name, memory)]
        return [(user.encode(), None) for user in dict.fromkeys(found)]

    def evict(self, bucket: int, names: Collection[str], memory: Memory, outcome: Outcome) -> None:
        """Keep nothing of users who are idle for too long, and take back their lists."""
        self._control.evict(bucket, memory, names)
        if self._params.recommend:
            # a compacted topic forgets a key by its null
            outcome.recommendations += self.taken_back(names, memory)
        for name in names:
            self._people.leave(name, memory)
            self._recommend.standing.leave(name)
        self._people.forget_ids()

    def waits(self, bucket: int, memory: Memory) -> bool:
        """Return whether something of a bucket is due some time after its events."""
        gates = self._control.gates(bucket, memory)
        if gates.merging or gates.left or self._recommend.standing.waits(bucket):
            return True
        return self._feedback is not None and self._feedback.waits(bucket)

    def _leave(self, bucket: int, memory: Memory, guest: str, outcome: Outcome) -> None:
        """Keep nothing for feedback of a guest who is merged: what waits is decided as it is."""
        if self._feedback is not None:
            outcome.feedback += self._feedback.leave(bucket, memory, guest, self._clock_ms())
        elif memory.get(feedback_entry(guest)) is not None:
            memory.remove(feedback_entry(guest))

    @property
    def feedback(self) -> FeedbackStage | None:
        """What joins impressions with actions; None where they are not joined."""
        return self._feedback

    @property
    def items(self) -> Items:
        """The replica of everything known about items."""
        return self._learn.items

    @property
    def learn(self) -> Learn:
        """The online model, and the deep one beside it."""
        return self._learn

    def note_time(self, time: int) -> None:
        """Note that somebody accepted an event of a time, ms."""
        self.newest = max(self.newest, time)

    def describe(self, said: Described) -> None:
        """Take what the catalogue says of an item."""
        self._slate.describe(said.item, said.facts, available=said.available)

    def beyond(self, said: Described) -> Described:
        """Return what is obeyed of a description that there is no room for.

        What might be hidden is: it must not be shown to those whom rules keep it from.
        """
        hidden = bool(said.facts.scope) or self._slate.hides
        return said._replace(available=said.available and not hidden, facts=Facts())

    def switch(self, switch: Switch) -> bool:
        """Obey what an operator has switched; return whether it is news."""
        return self._switches.take(switch)

    def serve(self, model: str) -> None:
        """Name the deep model that recommendations are made with; "" for none."""
        self._recommend.serve(model)

    def scored(self, ids: list[str], events: Events) -> NDArray[np.bool_]:
        """Return which events are ranked before they are learnt: those of sampled users."""
        if self._switches.paused:
            return np.zeros(len(events), np.bool_)
        below = self._sampled_below
        users = np.fromiter((key_of(user) % _SHARES < below for user in ids), np.bool_, len(ids))
        if self._blocked:  # what is learnt of ranks is everybody's
            users &= np.array([key_of(user) not in self._blocked for user in ids], np.bool_)
        return users[events.user]

    def _sample(self, accepted: int) -> None:
        """Say whose events are ranked, by the events that a bucket has accepted until now.

        What is learnt of scores comes from ranked events: at first from those of more users, who
        stay among them.
        """
        share = self._params.evaluation_share
        if accepted < self._first:
            share = min(1.0, _FIRST_SHARE * share)
        self._sampled_below = int(share * _SHARES)

    def evaluate(self, learned: LearnedBatch, metrics: Sums) -> None:
        """Add what the ranks say to the metrics."""
        unit = self._stars.unit if self._stars else 1.0
        evaluate(learned.learnt, self._params.evaluation_k, metrics, unit)

    def idle(self, ids: list[str], values: list[bytes], before_ms: int) -> list[str]:
        """Return the users that were last updated before a processing time."""
        seen = self._user_state.seen(values, ids)
        return [ids[u] for u in np.flatnonzero(seen < before_ms).tolist()]

    def best(self, users: Users) -> Recommended:
        """Return the k best items of every user, over the whole catalogue."""
        items, deep = self._learn.items, self._learn.deep
        return self._learn.objective.recommend(
            items, users, self._params.k, deep.score(items, users)
        )

    def gauges(
        self, subtask: int, skipped: Mapping[str, int], deep: worker.Serving
    ) -> tuple[bytes, bytes]:
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
                deep=deep,
                knobs=self._learn.knobs.values() if self._adaptive else {},
                lists=self._slate.diversity(),
                paused=self._switches.paused,
                settings=self._switches.settings,
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
        memory: Memory,
    ) -> None:
        params = self._params
        events, item_ids, event_ids = decoded.events, decoded.item_ids, decoded.event_ids
        sources = decoded.sources
        if not accepted.all():
            chosen = np.flatnonzero(accepted).tolist()
            events = events.take(accepted)
            item_ids = [item_ids[n] for n in chosen]
            event_ids = [event_ids[n] for n in chosen]
            sources = [sources[n] for n in chosen]
        triggers = None
        if params.recommend:
            code = decoded.code[accepted]
            triggers = self._recommend.triggers(
                events, event_ids, sources, code, len(decoded.users)
            )
        # a clock that is fast must not move what everybody sees into the future
        events.time = np.minimum(events.time, now_ms)
        sessionize(users, events, params.learning.users.session_gap_ms)
        users.seen[events.user] = now_ms
        newest = int(events.time.max())
        outcome.event_time = self._sightings.time(newest, now_ms)
        self.note_time(newest)
        if self._feedback is not None:
            taken = Taken(
                decoded.users, events, item_ids, decoded.code[accepted], decoded.amount[accepted],
                sources,
            )  # fmt: skip
            shown = self._feedback.take(bucket, memory, taken, now_ms)
            if shown.any():  # they teach nothing, and are most of what comes
                events, item_ids = events.take(~shown), list(compress(item_ids, ~shown))
        if len(events):
            self._learn_events(bucket, users, events, item_ids, decoded.users, outcome)
        if triggers is not None:
            made_at = self._clock_ms()
            outcome.recommendations += self._recommend(
                decoded.users, users, triggers, memory, bucket, made_at
            )

    def _learn_events(
        self,
        bucket: int,
        users: Users,
        events: Events,
        item_ids: list[str],
        names: list[str],
        outcome: Outcome,
    ) -> None:
        """Learn events, and add what others are told of them."""
        params = self._params
        scored = self.scored(names, events)
        learned = self._learn(bucket, users, events, item_ids, scored)
        if learned.message is not None:
            ranking = params.learning.objective == "ranking"
            outcome.accepted += accepted_codec.encode_within(
                learned.message,
                self._room,
                params.learning.transitions.window if ranking else 0,
            )
        if scored.any():
            self.evaluate(learned, outcome.metrics)
        if params.deep:
            model, scale = self._learn.deep.version, params.learning.scale
            outcome.examples = examples_of(users, events, learned.learnt, model, scale)
        outcome.trending = self._sightings(events, item_ids, outcome.event_time)

    def _recall_weights(self, bucket: int, memory: Memory) -> None:
        """Take what the bucket has seen of the worth of popularity and of knobs, once.

        A bucket that was there before this worker says that others have items to publish.
        """
        weights = self._learn.popularity
        if not weights.knows(bucket):
            if accounting_of(bucket, memory).accepted:
                self._learn.restored()
            weights.restore(bucket, popularity.decode(memory.get(POPULARITY_ENTRY)))
        if self._adaptive and not self._learn.knobs.knows(bucket):
            start = self._learn.knobs.start
            self._learn.knobs.restore(bucket, knobs.decode(memory.get(KNOBS_ENTRY), start))

    def _keep_weights(self, bucket: int, memory: Memory) -> None:
        """Keep what popularity and knobs were worth, where that was learnt."""
        sums = self._learn.popularity.changed(bucket)
        if sums is not None:
            memory.put(POPULARITY_ENTRY, popularity.encode(sums))
        found = self._learn.knobs.changed(bucket) if self._adaptive else None
        if found is not None:
            memory.put(KNOBS_ENTRY, knobs.encode(self._learn.knobs.start, found))

    def _feedback_of(self, params: LearnUsersParams) -> FeedbackStage | None:
        if params.feedback is None:
            return None
        epoch = params.lease.epoch if params.lease else 0
        return FeedbackStage(params.feedback, params.policy, epoch)


def most_of_one(user: NDArray[np.int32]) -> int:
    """Return how many events the busiest user of a micro-batch has."""
    return int(np.bincount(user).max()) if len(user) else 0
