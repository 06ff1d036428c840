"""fine-tune without Flink: the training events, when a round begins, and what becomes of it."""

import logging
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.columns.events import OFFSET_BITS
from operators.background import Background, Done
from operators.fine_tune import store_calls
from operators.fine_tune.blocks import Blocks, Memory, of_share
from operators.fine_tune.champion import Champion, Record
from operators.fine_tune.commands import Commands
from operators.fine_tune.judge import Judge
from operators.fine_tune.params import FineTuneParams
from operators.fine_tune.privacy_budget import PrivacyBudget
from operators.fine_tune.scratch import Scratch
from operators.fine_tune.status import record_of, status_of
from operators.fine_tune.store_calls import Found
from operators.fine_tune.training import Training
from operators.fine_tune.triggers import Triggers
from state import examples
from state.codec.sealed import StateError
from state.examples import Examples
from state.keyed import tuner_state
from state.keyed.ring import Block
from state.keyed.tuner_state import TunerState
from state.store.model_store import Ledger
from state.topics import control
from state.users.names import Names

_LOG = logging.getLogger(__name__)
STATUS_ENTRY = "status"
_STORE_SECONDS = 20.0
"""Waited for the store."""
_UPLOAD_SECONDS = 600.0
"""Waited for a model to be judged and stored."""
_LOOK_AGAIN_MS = 30_000
"""Time after which a store that could not be read is looked into again."""


class Tuner:
    """Owner of the training events and of the rounds that are made of them.

    Everything it decides by lies in `memory`; a process or a folder of its own can be lost at any
    time, and the same round begins again. Nothing here waits: the store is asked in the background,
    one call at a time, and a call's end is found by `tick`.

    Parameters
    ----------
    params : FineTuneParams
    memory : Memory
    scratch : Scratch
        For the trainer's files; their content is a copy of the state.
    clock_ms : function
    """

    def __init__(
        self,
        params: FineTuneParams,
        memory: Memory,
        scratch: Scratch,
        clock_ms: Callable[[], int],
    ) -> None:
        self._params, self._memory, self._scratch = params, memory, scratch
        self._clock_ms = clock_ms
        self._names = Names(params.names)
        stored = memory.get(STATUS_ENTRY)
        self.state = tuner_state.decode(stored) if stored else TunerState()
        rated = params.round.scale is not None
        self._blocks = Blocks(self.state, memory, params.ring_events, values=rated)
        self._champion = Champion(
            self.state,
            shape=params.round.shape,
            store=params.store,
            job=params.job,
            run=params.run,
            rated=rated,
            clock_ms=clock_ms,
        )
        self._budget = PrivacyBudget(params.round.privacy, self.state)
        self._triggers = Triggers(params, self.state, self._budget, clock_ms)
        self._judge = Judge(self.state, self._champion, drift=params.drift)
        self._commands = Commands(self.state, self._champion, self._triggers.by_command, clock_ms)
        self.training = Training(
            params, self.state, self._blocks, self._budget, self._champion, self._judge, scratch
        )
        self._store: Background[Any] = Background(f"model store {params.store}", _STORE_SECONDS)
        self._asked: Callable[[Done[Any]], Iterator[Record]] | None = None
        self._looked = False
        self._look_at = 0
        self._stored = self._budget.ledger
        """What the store knows of spent privacy."""
        self._published = b""

    # ---- what comes in ----
    def take(self, messages: Sequence[bytes]) -> None:
        """Take the examples of one window."""
        found: list[Examples] = []
        for message in messages:
            try:
                found.append(examples.decode(message))
            except StateError as error:
                _LOG.warning("examples skipped: %s", error)
        kept = [self._kept(one) for one in found]
        if any(len(block) for block in kept):
            block = Block.joined(*kept)
            self._blocks.append(block)
            self.state.since_round += len(block)
            self.state.since_share += len(block)
            self.state.new_events += len(block)
        for one in found:
            self.state.events += len(one)
            self._note_offsets(one.coordinate)
            if self._judge.learn(one):
                self._triggers.ask("drift")
        self._triggers.by_events()

    def command(self, key: bytes | None, value: bytes | None) -> Iterator[Record]:
        """Take a command; those that are no fine-tune's are answered by learn-users."""
        kind = control.kind_of(value)
        if control.is_of_learn_users(value):
            return
        if kind not in (*control.USER_COMMANDS, control.FORGET_KEYS):
            yield from self._commands.receive(key, value)
        elif self._commands.is_new(key):
            self._obey(value)

    def _obey(self, value: bytes | None) -> None:
        """Forget a user, and what of them is still on its way; or take them again."""
        if user := control.user_of(value, "readmit_user"):
            keys = self._names.keys(user)
            self.state.forgotten = [k for k in self.state.forgotten if k not in keys]
        user = control.user_of(value, "forget_user")
        for key in self._names.keys(user) if user else control.keys_of(value):
            known = [k for k in self.state.forgotten if k != key]
            self.state.forgotten = [*known, key]
            gone = self._blocks.forget(key)
            _LOG.info("a user is forgotten: %d events that rounds are trained from", gone)

    def tick(self) -> Iterator[Record]:
        """Look after store and trainer, begin what is due, and publish what changed."""
        now = self._clock_ms()
        self._triggers.by_time(now)
        # a clock that was set back must not hold anything up until it is there again
        self._look_at = min(self._look_at, now + _LOOK_AGAIN_MS)
        if self._judge.harmful and self.state.deep:
            self._champion.mute()  # at once, whatever the store does
        yield from self._follow_store()
        self.training.follow()
        if not self._store.busy:
            self._go_on(now)
        yield from self._champion.pointer()
        yield from self._status()

    def save(self) -> None:
        """Write what is not in its own entry."""
        self._memory.put(STATUS_ENTRY, tuner_state.encode(self.state))

    def close(self) -> None:
        """End the trainer and remove the folder."""
        if self.training.trainer is not None:
            self.training.trainer.kill()
        self._scratch.close()

    # ---- events ----
    def _kept(self, one: Examples) -> Block:
        block = Block(one.user, one.item, one.time, one.value)
        if self.state.forgotten:
            forgotten = np.array(self.state.forgotten, np.uint64)
            block = block.take(~np.isin(block.user, forgotten))
        if self.state.share >= 1:
            return block
        return block.take(of_share(block, self.state.share))

    def _note_offsets(self, coordinates: NDArray[np.int64]) -> None:
        for partition in np.unique(coordinates >> OFFSET_BITS).tolist():
            mine = coordinates[coordinates >> OFFSET_BITS == partition] & (1 << OFFSET_BITS) - 1
            low, high = int(mine.min()), int(mine.max())
            known = self.state.offsets.get(str(partition), [low, high])
            self.state.offsets[str(partition)] = [min(known[0], low), max(known[1], high)]

    # ---- the store: one call at a time ----
    def _ask(
        self,
        call: Callable[[], Any],
        answered: Callable[[Done[Any]], Iterator[Record]],
        seconds: float = _STORE_SECONDS,
    ) -> None:
        self._asked = answered
        self._store.start(call, seconds)

    def _follow_store(self) -> Iterator[Record]:
        done = self._store.poll()
        if done is not None and self._asked is not None:
            answered, self._asked = self._asked, None
            yield from answered(done)

    def _go_on(self, now: int) -> None:
        """Ask the store for what is due next, or bring the round at hand one step further."""
        state, training = self.state, self.training
        if training.doubts_champion:
            training.doubts_champion = self._looked = False  # is the champion whole?
        if not self._looked and now >= self._look_at:
            wanted = state.champion
            self._ask(self._look(wanted, *state.previous, whole=wanted), self._looked_into)
        elif state.waiting:
            waiting = state.waiting[0]
            wanted = waiting.model
            look = self._look(wanted, *state.previous, whole=wanted)
            self._ask(look, partial(self._commands.carry_out, waiting))
        elif self._judge.harmful:
            self._ask(self._look(*state.previous), self._give_way)
        elif training.left_versions:
            training.left_versions = False
            needed = {state.champion, *state.previous[-1:]}
            call = partial(store_calls.tidy, self._params.store, self._params.keep, needed)
            self._ask(call, lambda _: iter(()))
        elif self._owes_ledger and now >= self._look_at:
            ledger = self._budget.ledger
            spent = partial(store_calls.note_spent, self._params.store, ledger)
            self._ask(spent, partial(self._ledger_stored, ledger))
        elif (conclude := training.conclude()) is not None:
            self._ask(conclude, training.concluded, _UPLOAD_SECONDS)
        elif training.trainer is None and self._may_begin:
            self._train(now)

    def _train(self, now: int) -> None:
        """Bring files to the round at hand; begin one where that is due."""
        if self.state.round is None and self.state.trigger and self._blocks.events:
            self.training.begin(now)
        fetch = self.training.prepare()
        if fetch is not None and self.state.round is not None:
            fetched = partial(self.training.fetched, self.state.round, self.state.champion)
            self._ask(fetch, fetched, _UPLOAD_SECONDS)

    def _look(self, *versions: int, whole: int = 0) -> Callable[[], Found]:
        asked = [version for version in versions if version]
        store, shape = self._params.store, self._params.round.shape
        return partial(store_calls.look, store, shape, asked, whole=whole)

    def _looked_into(self, done: Done[Found]) -> Iterator[Record]:
        """Go on from what the store has: a job's state may be older than its models."""
        self._look_at = self._clock_ms() + _LOOK_AGAIN_MS
        why = str(done.error)
        if done.value is not None:
            self._budget.recall(done.value.ledger)
            self._stored = done.value.ledger
            self.state.version = max(self.state.version, *done.value.versions, 0)
            why = self._champion.confirm(done.value)
        self._looked = not why
        if why:
            self.state.verdict = why
            _LOG.warning("%s", why)
        return iter(())

    @property
    def _owes_ledger(self) -> bool:
        """Return whether privacy was spent that the store does not know of."""
        return self._params.round.privacy is not None and self._budget.ledger != self._stored

    def _ledger_stored(self, ledger: Ledger, done: Done[None]) -> Iterator[Record]:
        if done.error is None:
            self._stored = ledger
        else:  # it is tried again, and no model is stored without it
            self._look_at = self._clock_ms() + _LOOK_AGAIN_MS
        return iter(())

    @property
    def _may_begin(self) -> bool:
        """Return whether enough is known for a round.

        A private one must know what is spent, and none is judged as the first model while a
        champion that the store has not shown yet may only be out of reach.
        """
        return self._looked or not (self.state.champion or self._params.round.privacy)

    def _give_way(self, done: Done[Found]) -> Iterator[Record]:
        """Roll back a model that makes lists worse, to none where the store cannot be read."""
        usable = done.value.usable if done.value is not None else {}
        self._champion.roll_back("the blend was worse than the online model alone", usable)
        return iter(())

    # ---- what it publishes ----
    def _status(self) -> Iterator[Record]:
        """Publish where fine-tuning stands, when that has changed."""
        status = status_of(self.state, self._blocks, self._budget, self.training.trainer)
        content = msgspec.json.encode(status)
        if content != self._published:
            self._published = content
            yield record_of(status, self._clock_ms())
