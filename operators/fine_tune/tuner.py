"""fine-tune without Flink: the training events, when a round begins, and what becomes of it."""

import logging
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.arrays.weights import LOSSES
from models.columns.events import OFFSET_BITS
from models.deep import watch
from models.weights.blend import COUNT, LOSS
from operators.background import Background, Done
from operators.fine_tune import rounds, store_calls
from operators.fine_tune.blocks import Blocks, Memory, of_share
from operators.fine_tune.champion import Champion, Record
from operators.fine_tune.drift import KEPT, DriftAlarm
from operators.fine_tune.privacy_budget import PrivacyBudget
from operators.fine_tune.rounds import Conclusion, RoundParams
from operators.fine_tune.scratch import Scratch
from operators.fine_tune.store_calls import Found
from operators.fine_tune.trainer import Ended, Trainer, TrainerParams
from state import examples
from state.codec.sealed import CorruptError, StateError
from state.examples import Examples
from state.keyed import tuner_state
from state.keyed.lineage import Lineage
from state.keyed.ring import Block
from state.keyed.tuner_state import RoundState, TunerState, Waiting
from state.store.model_store import Ledger, MissingError
from state.topics import control

_LOG = logging.getLogger(__name__)
STATUS_ENTRY = "status"
_FAILURES = 3
"""Trainers that may fail before their round is given up."""
_LOSSES_OF = 50
"""Ranked events whose mean loss the drift alarm is told."""
_COMMANDS = 256
"""Command ids remembered."""
_WAITING = 16
"""Commands that may wait for the store."""
_WRITING_SECONDS = 0.05
"""Of a tick, for the files of a round that is to begin."""
_STORE_SECONDS = 20.0
"""Waited for the store."""
_UPLOAD_SECONDS = 600.0
"""Waited for a model to be judged and stored."""
_LOOK_AGAIN_MS = 30_000
"""Time after which a store that could not be read is looked into again."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FineTuneParams:
    """Parameters of fine-tune."""

    round: RoundParams
    trainer: TrainerParams
    store: str
    keep: int
    """Versions kept in the store."""
    every_events: int
    """Events between two rounds; 0: only the other triggers."""
    every_ms: int
    """Time between two rounds; 0: only the other triggers."""
    least_events: int
    """Events below which no round begins by time."""
    ring_events: int
    """Events kept for training."""
    drift: bool = True
    """Whether a round begins when the loss of what is served rises."""
    job: str = ""
    run: str = ""
    """Name and submission of the job, see `state.topics.lease`."""
    lineage: Lineage | None = None
    """What the job's state belongs to; None where nobody compares."""


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
        self._trainer: Trainer | None = None
        self._folder: Path | None = None
        """Of the round at hand, from its first file to its last."""
        self._ended: Ended | None = None
        """How the trainer of the round at hand ended, while its model is judged and stored."""
        self._store: Background[Any] = Background(f"model store {params.store}", _STORE_SECONDS)
        self._asked: Callable[[Done[Any]], Iterator[Record]] | None = None
        self._looked = False
        self._look_at = 0
        self._tidy = False
        """Whether versions may be in the store that nobody needs any more."""
        self._budget = PrivacyBudget(params.round.privacy, self.state)
        self._noted = self._budget.ledger
        """What the store was told of privacy."""
        self._told: bytes = b""
        self._judged = np.zeros(LOSSES)
        if self.state.last_round_ms == 0:
            self.state.last_round_ms = clock_ms()

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
            self._judge(one)
        if self._params.every_events and self.state.since_round >= self._params.every_events:
            self._trigger("events")
        if self.state.since_share > self._params.ring_events // 2:
            self.state.share /= 2  # more comes than is trained on: half the users are enough
            self.state.since_share = 0

    def command(self, key: bytes | None, value: bytes | None) -> Iterator[Record]:
        """Take a command: answer it, or keep it until the store has been asked.

        A repeated one is answered by nothing.
        """
        name = (key or b"").decode(errors="replace")[:200]
        if name and name in self.state.commands:
            return
        self.state.commands = [*self.state.commands, name][-_COMMANDS:]
        kind = ""
        try:
            command = control.decode(value)
            kind = command.command
            if kind == "fine_tune_now":
                yield self._answer(name, kind, self._round_by_command())
            elif len(self.state.waiting) < _WAITING:
                self.state.waiting.append(Waiting(name, kind, command.model or 0))
            else:
                message = f"control: expected at most {_WAITING} commands at a time, got more"
                raise StateError(f"{message}; send it again when those before are answered")
        except ValueError as error:  # StateError is one
            yield self._answer(name, kind, error)

    def tick(self) -> Iterator[Record]:
        """Look after store and trainer, begin what is due, and say what changed."""
        now = self._clock_ms()
        # a clock that was set back must not hold anything up until it is there again
        self.state.last_round_ms = min(self.state.last_round_ms, now)
        self._look_at = min(self._look_at, now + _LOOK_AGAIN_MS)
        if self._params.every_ms and now - self.state.last_round_ms >= self._params.every_ms:
            if self.state.since_round >= self._params.least_events:
                self._trigger("time")
            else:
                self.state.last_round_ms = now
        if self.state.wealth >= watch.LIMIT and self.state.deep:
            self._champion.mute()  # at once, whatever the store does
        yield from self._follow_store()
        self._follow_trainer()
        if not self._store.busy:
            self._go_on(now)
        yield from self._champion.pointer()
        yield from self._status()

    def save(self) -> None:
        """Write what is not in its own entry."""
        self._memory.put(STATUS_ENTRY, tuner_state.encode(self.state))

    def close(self) -> None:
        """End the trainer and remove the folder."""
        if self._trainer is not None:
            self._trainer.kill()
        self._scratch.close()

    # ---- events ----
    def _kept(self, one: Examples) -> Block:
        block = Block(one.user, one.item, one.time, one.value)
        if self.state.share >= 1:
            return block
        return block.take(of_share(block, self.state.share))

    def _note_offsets(self, coordinates: NDArray[np.int64]) -> None:
        for partition in np.unique(coordinates >> OFFSET_BITS).tolist():
            mine = coordinates[coordinates >> OFFSET_BITS == partition] & (1 << OFFSET_BITS) - 1
            low, high = int(mine.min()), int(mine.max())
            known = self.state.offsets.get(str(partition), [low, high])
            self.state.offsets[str(partition)] = [min(known[0], low), max(known[1], high)]

    def _judge(self, one: Examples) -> None:
        """Learn the blend from events that were ranked, and watch the model that serves."""
        if one.model != self.state.champion or not one.model:
            return
        state = self.state
        kept = state.deep, state.judged, state.gains, state.squares, state.proof
        blend = self._champion.weighing.of(*kept)
        blend.learn(one.loss)
        state.deep, state.judged = blend.deep, blend.events
        state.gains, state.squares, state.proof = blend.gains, blend.squares, blend.proof
        state.wealth = watch.wealth_after(state.wealth, one.rank, one.online_rank)
        self._watch_loss(one.loss)

    def _watch_loss(self, sums: NDArray[np.float64]) -> None:
        """Ask for a round when the loss of what is served has risen."""
        self._judged += sums
        if self._judged[COUNT] < _LOSSES_OF or not self._params.drift:
            return
        loss = round(float(self._judged[LOSS] / self._judged[COUNT]), 4)
        self._judged = np.zeros(LOSSES)
        self.state.losses = [*self.state.losses, loss][-KEPT:]
        if self._champion.alarm.tell(loss):
            self.state.losses = []
            self._champion.alarm = DriftAlarm()
            self._trigger("drift")

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
        state = self.state
        if not self._looked and now >= self._look_at:
            wanted = state.champion
            self._ask(self._look(wanted, *state.previous, whole=wanted), self._looked_into)
        elif state.waiting:
            waiting = state.waiting[0]
            wanted = waiting.model
            look = self._look(wanted, *state.previous, whole=wanted)
            self._ask(look, partial(self._carry_out, waiting))
        elif state.wealth >= watch.LIMIT:
            self._ask(self._look(*state.previous), self._give_way)
        elif self._tidy:
            self._tidy = False
            needed = {state.champion, *state.previous[-1:]}
            call = partial(store_calls.tidy, self._params.store, self._params.keep, needed)
            self._ask(call, lambda _: iter(()))
        elif self._unsaid and now >= self._look_at:
            ledger = self._budget.ledger
            call = partial(store_calls.note_spent, self._params.store, ledger)
            self._ask(call, partial(self._spend_noted, ledger))
        elif self._ended is not None and self._folder is not None:
            self._ask(self._conclude(self._folder), self._concluded, _UPLOAD_SECONDS)
        elif state.round is not None and self._trainer is None and self._may_begin:
            self._prepare()
        elif state.round is None and state.trigger and self._blocks.events and self._may_begin:
            self._begin(now)

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
            self._noted = done.value.ledger
            self.state.version = max(self.state.version, *done.value.versions, 0)
            why = self._champion.confirm(done.value)
        self._looked = not why
        if why:
            self.state.verdict = why
            _LOG.warning("%s", why)
        return iter(())

    @property
    def _unsaid(self) -> bool:
        """Whether privacy was spent that the store does not know of."""
        return self._params.round.privacy is not None and self._budget.ledger != self._noted

    def _spend_noted(self, ledger: Ledger, done: Done[None]) -> Iterator[Record]:
        if done.error is None:
            self._noted = ledger
        else:  # it is tried again, and no model is stored without it
            self._look_at = self._clock_ms() + _LOOK_AGAIN_MS
        return iter(())

    @property
    def _may_begin(self) -> bool:
        """Whether enough is known for a round.

        A private one must know what is spent, and none is judged as the first model while a
        champion that the store has not shown yet may only be out of reach.
        """
        return self._looked or not (self.state.champion or self._params.round.privacy)

    # ---- commands ----
    def _answer(self, name: str, kind: str, said: str | Exception) -> Record:
        ok = not isinstance(said, Exception)
        answer = control.Answer(name, kind, ok, str(said)[:1000], self._clock_ms())
        return ("control_results", *control.encode(answer))

    def _round_by_command(self) -> str:
        if self._budget.exhausted:
            message = f"control: expected room for a round, got {self._budget.reached()}"
            raise StateError(f"{message}; raise fine_tune.privacy.epsilon, knowing what it is")
        self._trigger("command")
        return "a round follows" if self.state.round else "a round begins"

    def _carry_out(self, waiting: Waiting, done: Done[Found]) -> Iterator[Record]:
        self.state.waiting = self.state.waiting[1:]
        said: str | Exception
        try:
            if waiting.command == "rollback_model":
                said = self._roll_back(done)
            elif done.value is not None:
                said = self._promote(waiting.model, done.value)
            else:  # whatever the store's libraries raised: the command is over
                said = done.error or StateError("control: expected an answer of the store")
        except ValueError as error:
            said = error
        yield self._answer(waiting.id, waiting.command, said)

    def _roll_back(self, done: Done[Found]) -> str:
        if not self.state.champion:
            message = "control: expected a model that serves, got none; nothing to do"
            raise StateError(message)
        if done.value is None:  # to none, which needs no store
            return self._champion.roll_back(f"by command, while {done.error}", {})
        return self._champion.roll_back("by command", done.value.usable)

    def _promote(self, version: int, found: Found) -> str:
        manifest = found.usable.get(version)
        if manifest is None:
            why = found.refused.get(version, f"expected the version of a model, got {version}")
            raise StateError(f"control: {why}")
        if version != self.state.champion:
            self._champion.serve(manifest)
        # a store that others filled may hold newer ones: the next round must not overwrite them
        self.state.version = max(self.state.version, *found.versions)
        return f"model {version} serves"

    def _give_way(self, done: Done[Found]) -> Iterator[Record]:
        """Roll back a model that makes lists worse, to none where the store cannot be read."""
        usable = done.value.usable if done.value is not None else {}
        self._champion.roll_back("the blend was worse than the online model alone", usable)
        return iter(())

    # ---- rounds ----
    def _trigger(self, reason: str) -> None:
        """Ask for a round; while one runs, the first asker is remembered."""
        if not self.state.trigger and not self._budget.exhausted:
            self.state.trigger = reason
        if self.state.share < 1 and 8 * self.state.since_share < self._params.ring_events:
            self.state.share *= 2  # the flood is over
        self.state.since_round = self.state.since_share = 0
        self.state.last_round_ms = self._clock_ms()

    def _begin(self, now: int) -> None:
        state = self.state
        state.version += 1
        state.round = RoundState(state.version, state.trigger, now, self._blocks.events)
        state.trigger = ""
        _LOG.info("round %d begins: %s, %d events", state.version, state.round.reason,
                  state.round.events)  # fmt: skip
        self._prepare()

    def _prepare(self) -> None:
        """Bring files to the round at hand: the events, by and by, then the parent's."""
        current = self.state.round
        if current is None:
            return
        try:
            scratch = self._scratch.folder()
            if not self._blocks.write(scratch / "blocks", _WRITING_SECONDS):
                return
        except OSError as error:
            self._fail(f"expected to write the events, got: {error}")
            return
        self._folder = scratch / f"round-{current.version}-{current.failures}"
        champion = self.state.champion
        self._ask(
            partial(store_calls.fetch, self._params.store, self._folder, current.version, champion),
            partial(self._fetched, current, champion),
            _UPLOAD_SECONDS,
        )

    def _fetched(self, current: RoundState, champion: int, done: Done[int]) -> Iterator[Record]:
        folder = self._folder
        if done.value is None or folder is None:
            self._fail(f"expected to begin, got: {done.error}")
            if isinstance(done.error, CorruptError | MissingError):
                self._looked = False  # is the champion whole?
        else:
            current.version = done.value
            self.state.version = max(self.state.version, current.version)
            current.parent = champion
            self._start(current, folder)
        return iter(())

    def _start(self, current: RoundState, folder: Path) -> None:
        """Start the trainer of the round at hand."""
        current.events, current.new_events = self._blocks.events, self.state.new_events
        current.offsets = {p: list(ends) for p, ends in self.state.offsets.items()}
        try:
            rounds.write_plan(
                folder,
                self._params.round,
                number=current.version,
                new_from=max(0, current.events - current.new_events),
                spent=self.state.privacy,
            )
            self._blocks.lay_out(folder)
            self._trainer = Trainer(self._params.trainer, folder)
            self._budget.begin()
        except (StateError, OSError) as error:
            self._fail(f"expected to begin, got: {error}")

    def _follow_trainer(self) -> None:
        if self._trainer is None:
            return
        ended = self._trainer.poll()
        wrong = ""
        try:
            self._budget.charge(self._trainer.folder)
        except StateError as error:
            wrong = str(error)
        if ended is None:
            return
        self._trainer = None
        if self._budget.exhausted:
            self._stop_rounds()
        elif ended.ok and not wrong:
            self._ended = ended
            return
        else:
            self._fail(wrong or ended.reason)

    def _conclude(self, folder: Path) -> Callable[[], Conclusion]:
        current = self.state.round or RoundState(0, "", 0, 0)
        return partial(
            store_calls.conclude,
            self._params.store,
            folder,
            self._params.round,
            version=current.version,
            champion=current.parent,
            offsets=current.offsets,
            ledger=self._budget.ledger,
        )

    def _concluded(self, done: Done[Conclusion]) -> Iterator[Record]:
        state, current, ended = self.state, self.state.round, self._ended
        self._ended = None
        if current is None or ended is None:
            return iter(())
        if done.value is None:
            self._fail(str(done.error))
            # the call may still be writing: its version is nobody else's
            state.version += 1
            current.version = state.version
            return iter(())
        self._leave_folder()
        state.round = None
        manifest, verdict = done.value.manifest, done.value.verdict
        state.verdict = f"round {current.version}: {verdict.reason} ({ended.seconds:.0f} s)"
        _LOG.info("%s", state.verdict)
        self._tidy = manifest is not None
        if manifest is None:
            state.rejected += 1
        elif current.parent != state.champion or state.waiting or state.wealth >= watch.LIMIT:
            # it was judged against another one: what was decided since is not undone by it
            state.verdict += (
                f"; it is stored and not served, as model {state.champion or 'none'} was set or"
                f" judged meanwhile: scripts/models promote {manifest.version} serves it"
            )
        else:
            # what came while it was trained is new for the next round
            state.new_events = max(0, state.new_events - current.new_events)
            state.offsets = _beyond(state.offsets, current.offsets)
            self._champion.serve(manifest, done.value.report.expected)
        return iter(())

    def _fail(self, reason: str) -> None:
        state, current = self.state, self.state.round
        self._leave_folder()
        if current is None:
            return
        state.failed += 1
        current.failures += 1
        state.verdict = f"round {current.version}: trainer failed: {reason}"
        _LOG.warning("%s", state.verdict)
        if current.failures >= _FAILURES:
            state.round = None

    def _leave_folder(self) -> None:
        folder, self._folder = self._folder, None
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)

    def _stop_rounds(self) -> None:
        self._leave_folder()
        self.state.round, self.state.trigger = None, ""
        self.state.verdict = self._budget.reached()
        _LOG.warning("%s", self.state.verdict)

    # ---- what it says ----
    def _status(self) -> Iterator[Record]:
        """Say where fine-tuning stands, when that has changed."""
        state, trainer = self.state, self._trainer
        progress: dict[str, Any] = trainer.progress().told() if trainer else {}
        trouble = trainer.trouble() if trainer else ""
        status = {
            "kind": "fine_tune",
            "status": "training" if state.round else "idle",
            "round": state.round.version if state.round else state.version,
            "trigger": state.round.reason if state.round else state.trigger,
            **progress,
            **({"trainer": trouble} if trouble else {}),
            "model": state.champion,
            "events": state.events,
            "ring": self._blocks.events,
            "since_round": state.since_round,
            "blend": {"deep": round(state.deep, 3)},
            "judged": round(state.judged),
            "verdict": state.verdict,
            "rejected": state.rejected,
            "failed": state.failed,
            "rollbacks": state.rollbacks,
            **self._budget.status(),
        }
        told = msgspec.json.encode(status)
        if told != self._told:
            self._told = told
            status["generated_at"] = self._clock_ms()
            yield ("recommendation_metrics", b"fine_tune", msgspec.json.encode(status))


def _beyond(
    offsets: Mapping[str, list[int]], trained: Mapping[str, list[int]]
) -> dict[str, list[int]]:
    """Return what of each partition's first and last offset comes after what was trained on."""
    ends = {partition: trained.get(partition, [0, -1])[1] for partition in offsets}
    return {
        partition: [max(first, ends[partition] + 1), last]
        for partition, (first, last) in offsets.items()
        if last > ends[partition]
    }
