"""learn-users: the Flink shell around the pipeline."""

import logging
import time
from collections.abc import Iterator
from struct import pack
from typing import Any

from pyflink.common import Row
from pyflink.datastream import RuntimeContext
from pyflink.datastream.functions import KeyedBroadcastProcessFunction

from models.keys import MIXER
from operators.learn_users.feedback.stage import waiting
from operators.learn_users.inbox import Inbox, LoopRecord
from operators.learn_users.kept import KeptItems
from operators.learn_users.micro_batch import MicroBatch
from operators.learn_users.pipeline import Pipeline
from operators.learn_users.receiver import Receiver
from operators.learn_users.rehearsal import rehearse
from operators.learn_users.stages.records import Outcome
from operators.learn_users.unsampled import leave_out_sampler
from operators.params import LearnUsersParams
from state import examples
from state.codec.sealed import StateError
from state.keyed import descriptors, lineage
from state.keyed.accounting import Accounting
from state.keyed.descriptors import user_of
from state.topics import availability, model_pointer, switches

_LOG = logging.getLogger(__name__)
_SWEEPS_PER_TTL = 10
_GAUGE_SECONDS = 10.0
_DESCRIBED = 10
"""Descriptions kept for an item that there is room for: a catalogue has many that nobody meets."""
_DECISIONS_MS = 1_000
"""Time between two looks at what waits, where nothing else happens."""


class LearnUsersFunction(KeyedBroadcastProcessFunction):  # type: ignore[type-arg]
    """Learns users in place and recommends.

    Input
        Micro-batches of raw records, keyed by user bucket; broadcast: the loop's records.
    Output
        One row a micro-batch (`jobs.types.LEARNED`).
    State
        `users-v1`: user id -> user record, evicted when idle beyond the configured time; one
        entry holds the bucket's accounting. The item replica lives in worker memory and is
        rebuilt from the loop. Broadcast `loop-v1`: the model pointer, what the state belongs to,
        what the catalogue says of items, and what operators have switched.
    Time
        Processing time; an eviction timer a bucket, and one while its impressions wait.
    On failure
        A value that cannot be read fails the job with a StateError: restore an older savepoint
        or run the version that wrote it. State of other topics or of another job fails it, too,
        before anything is taken.
    """

    def __init__(self, params: LearnUsersParams) -> None:
        self._params = params

    def open(self, runtime_context: RuntimeContext) -> None:
        """Get the state handle and compile the model's loops."""
        self._users = runtime_context.get_map_state(descriptors.users())
        self._pipeline = Pipeline(self._params, clock_ms=lambda: time.time_ns() // 1_000_000)
        rehearse(self._params)
        _LOG.info("rehearsed")  # `scripts/benchmark startup` looks for it
        leave_out_sampler()
        self._warm: set[int] = set()
        self._buckets: dict[int, int] = {}
        self._receiver = Receiver(self._pipeline, self._params, lambda: time.monotonic())
        self._kept = KeptItems(_DESCRIBED * self._params.learning.item_limit)
        handlers = self._receiver.handlers()
        handlers["model_updates"][availability.KIND] = self._describe
        accepted = handlers["accepted_events"][b""]
        handlers["accepted_events"][b""] = lambda key, value: (
            self._switch(value) if switches.is_one(value) else accepted(key, value)
        )
        self._inbox = Inbox(handlers)
        self._restored = self._compared = self._recalled = False
        self._subtask = runtime_context.get_index_of_this_subtask()
        self._pipeline.learn.share.workers = runtime_context.get_number_of_parallel_subtasks()
        self._told_until = 0.0
        self._sweep_ms = max(1000, self._params.user_ttl_ms // _SWEEPS_PER_TTL)

    def process_element(self, value: Row, ctx: Any) -> Iterator[Row]:
        """Take one micro-batch."""
        if not self._restored:
            self._restore(ctx)
        self._receiver.follow_model()
        batch = MicroBatch(*value)
        self._buckets[ctx.get_current_key()] = batch.bucket
        if batch.bucket not in self._warm:
            self._warm_bucket(batch.bucket, ctx)
        outcome = self._pipeline.process(batch, self._users)
        if self._pipeline.waits(batch.bucket, self._users):
            self._schedule_decisions(ctx)
        if time.monotonic() >= self._told_until:
            self._told_until = time.monotonic() + _GAUGE_SECONDS
            gauges = self._pipeline.gauges(
                self._subtask, self._inbox.skipped, self._receiver.serving()
            )
            outcome.accounting.append(gauges)
        yield learned_row(outcome, pack("<I", batch.bucket))

    def process_broadcast_element(self, value: Row, ctx: Any) -> Iterator[Row]:
        """Take one record of the loop; the model pointer is kept for a restored job."""
        if not self._compared:
            self._keep_lineage(ctx)
        self._recall(ctx)
        topic, key, content = value
        topic = self._params.loop_topics.get(topic, topic)
        if not self._params.deep:
            self._forget_model(ctx)
        if topic == "model_updates" and key == model_pointer.KEY:
            kept, name = ctx.get_broadcast_state(descriptors.loop()), key.decode()
            if self._receiver.keeps(content or b"", kept.get(name)):
                kept.put(name, content)
        self._broadcast = ctx.get_broadcast_state(descriptors.loop())
        self._inbox.take(LoopRecord(topic, key or b"", content or b""))
        return iter(())

    def _describe(self, key: bytes, content: bytes) -> None:
        """Take what the catalogue says of an item, and keep it for a restored job."""
        said = availability.decode(key, content)
        try:
            self._kept.keep(self._broadcast, said)
        except StateError:
            obeyed = self._pipeline.beyond(said)
            self._kept.keep(self._broadcast, obeyed)
            self._pipeline.describe(obeyed)
            raise
        self._pipeline.describe(said)

    def _switch(self, content: bytes) -> None:
        """Obey what an operator has switched, and keep it for a restored job."""
        if switch := self._receiver.receive_switch(content):
            self._broadcast.put(descriptors.switch_entry(switch.name), content)

    def _recall(self, ctx: Any) -> None:
        """Recall what the catalogue and operators said before a restart, once."""
        if self._recalled:
            return
        self._recalled = True
        kept = ctx.get_broadcast_state(descriptors.loop())
        for said in self._kept.recall(kept):
            self._pipeline.describe(said)
        for entry, content in kept.items():
            if descriptors.is_switch(entry):
                self._pipeline.switch(switches.decode(content))

    def _forget_model(self, ctx: Any) -> None:
        """Leave no pointer for a job with a deep model again: fine-tune then knows of none."""
        kept, name = ctx.get_broadcast_state(descriptors.loop()), model_pointer.KEY.decode()
        if kept.contains(name):
            kept.remove(name)

    def _restore(self, ctx: Any) -> None:
        """Serve what was served before a restart; broadcast state cannot be read in `open`."""
        self._compare(ctx)
        self._recall(ctx)
        self._restored = True
        key = model_pointer.KEY
        pointer = ctx.get_broadcast_state(descriptors.loop()).get(key.decode())
        if pointer is not None and self._params.deep:
            self._receiver.restore_model(pointer)

    def _compare(self, ctx: Any) -> bytes | None:
        """Refuse state of other topics or another job; return what is to be kept in its place."""
        held = ctx.get_broadcast_state(descriptors.loop()).get(descriptors.LINEAGE_ENTRY)
        changed = lineage.to_keep(self._params.lineage, held)
        if found := changed or held:
            self._pipeline.lineage = lineage.decode(found)
        return changed

    def _keep_lineage(self, ctx: Any) -> None:
        """Keep what the state belongs to; broadcast state is written where the loop is received."""
        changed = self._compare(ctx)
        if changed is not None:
            ctx.get_broadcast_state(descriptors.loop()).put(descriptors.LINEAGE_ENTRY, changed)
        self._compared = True

    def on_timer(self, timestamp: int, ctx: Any) -> Iterator[Row]:
        """Evict idle users of the bucket; without it their records would stay for ever."""
        if not self._restored:
            self._restore(ctx)
        outcome = Outcome()
        self._decide(outcome, ctx)
        if self._is_sweep(timestamp, ctx):
            self._sweep(self._bucket(ctx), timestamp, outcome)
        self._schedule_sweep(ctx)  # also where users.ttl has changed, and with it the times
        if outcome.says_something:
            yield learned_row(outcome, b"")

    def _sweep(self, bucket: int | None, timestamp: int, outcome: Outcome) -> None:
        """Forget the users of a bucket that are idle."""
        held, others = dict[str, bytes](), dict[str, bytes]()
        for entry, value in self._users.items():
            (held if descriptors.is_user(entry) else others)[entry] = value
        idle = self._pipeline.idle(
            list(held), list(held.values()), timestamp - self._params.user_ttl_ms
        )
        for entry in list(idle):
            feedback = descriptors.feedback_entry(user_of(entry))
            if feedback in others:
                if self._pipeline.feedback is not None and waiting(others[feedback]):
                    idle.remove(entry)  # until its impressions are decided
                    continue
                self._users.remove(feedback)
            self._users.remove(entry)
        if idle and bucket is not None:
            names = [user_of(entry) for entry in idle]
            self._pipeline.evict(bucket, names, self._users, outcome)

    def _decide(self, outcome: Outcome, ctx: Any) -> None:
        """Decide what is due in a bucket in which nothing happens."""
        bucket = self._bucket(ctx)
        if bucket is None:
            return
        if bucket not in self._warm:
            self._warm_bucket(bucket, ctx)
        self._pipeline.decide(bucket, self._users, outcome)
        if self._pipeline.waits(bucket, self._users):
            self._schedule_decisions(ctx)

    def _bucket(self, ctx: Any) -> int | None:
        """Return the bucket of the current key; one that was restored says so in its accounting."""
        key = ctx.get_current_key()
        if key not in self._buckets:
            kept = self._users.get(descriptors.ACCOUNTING_ENTRY)
            if kept is None:
                return None
            self._buckets[key] = Accounting.from_state(kept).bucket
        return self._buckets[key]

    def _warm_bucket(self, bucket: int, ctx: Any) -> None:
        """Read the whole bucket in one call: single reads would cost a round trip each."""
        self._warm.add(bucket)
        entries = self._users.items()
        if self._pipeline.feedback is None:
            for _ in entries:
                pass
        else:
            now_ms = ctx.timer_service().current_processing_time()
            self._pipeline.feedback.warm(bucket, entries, now_ms)
        self._schedule_sweep(ctx)

    def _schedule_sweep(self, ctx: Any) -> None:
        self._schedule(self._sweep_ms, ctx)

    def _schedule_decisions(self, ctx: Any) -> None:
        self._schedule(_DECISIONS_MS, ctx)

    def _is_sweep(self, timestamp: int, ctx: Any) -> bool:
        return (timestamp - _phase(self._sweep_ms, ctx)) % self._sweep_ms == 0

    def _schedule(self, period: int, ctx: Any) -> None:
        """Ask for a timer, always at the same times: again after a restart changes nothing."""
        phase, timers = _phase(period, ctx), ctx.timer_service()
        timers.register_processing_time_timer(
            ((timers.current_processing_time() - phase) // period + 1) * period + phase
        )


def _phase(period: int, ctx: Any) -> int:
    """Return the bucket's own time in a period, or all would have their turn at one instant."""
    phase: int = ctx.get_current_key() * MIXER % (1 << 32) * period >> 32
    return phase


def learned_row(outcome: Outcome, accepted_key: bytes) -> Row:
    """Return what leaves for one micro-batch, as `jobs.types.LEARNED`."""
    return Row(
        outcome.event_time,
        [Row(*record) for record in outcome.recommendations],
        [Row(*letter) for letter in outcome.dead_letters],
        accepted_key,
        outcome.accepted,
        [Row(*record) for record in outcome.accounting],
        Row(*outcome.metrics.row()),
        outcome.trending,
        None if outcome.examples is None else examples.encode(outcome.examples),
        [Row(*record) for record in outcome.feedback],
        [Row(*record) for record in outcome.answers],
        [Row(*record) for record in outcome.orders],
    )
