"""fine-tune without Flink: the training events, when a round begins, what serves, and why."""

import contextlib
import logging
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.arrays import LOSSES
from models.blend import COUNT, LOSS, Blend
from models.columns import OFFSET_BITS
from models.deep import watch
from models.rating.stacking import Stacking
from operators import rounds
from operators.blocks import Blocks, Memory, of_share
from operators.drift import KEPT, DriftAlarm
from operators.privacy_budget import PrivacyBudget
from operators.rounds import RoundParams
from operators.trainer import Ended, Trainer, TrainerParams
from state import examples, tuner_state
from state.codec import StateError
from state.examples import Examples
from state.model_store import WEIGHTS, Manifest, ModelStore
from state.ring import Block
from state.topics import control, model_pointer
from state.topics.model_pointer import ModelPointer
from state.tuner_state import RoundState, TunerState

_LOG = logging.getLogger(__name__)
STATUS_ENTRY = "status"
_FAILURES = 3
"""Trainers that may fail before their round is given up."""
_LOSSES_OF = 50
"""Ranked events whose mean loss the drift alarm is told."""
_COMMANDS = 256
"""Command ids remembered."""
_POINTER_MS = 2_000
"""Least time between two pointers that differ in the blend alone."""

Record = tuple[str, bytes, bytes]
"""Topic (as the job calls it), key and value of a record to write."""


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


class Tuner:
    """Owner of the training events and of which model serves.

    Everything it decides by lies in `memory`; a process or a folder of its own can be lost at any
    time, and the same round begins again.

    Parameters
    ----------
    params : FineTuneParams
    memory : Memory
    folder : Path
        For the trainer's files; its content is a copy of the state.
    clock_ms : function
    """

    def __init__(
        self, params: FineTuneParams, memory: Memory, folder: Path, clock_ms: Callable[[], int]
    ) -> None:
        self._params, self._memory, self._folder = params, memory, folder
        self._clock_ms = clock_ms
        stored = memory.get(STATUS_ENTRY)
        self.state = tuner_state.decode(stored) if stored else TunerState()
        rated = params.round.scale is not None
        self._blocks = Blocks(
            self.state, memory, folder / "blocks", params.ring_events, values=rated
        )
        self._weighing: type[Blend | Stacking] = Stacking if rated else Blend
        self._trainer: Trainer | None = None
        self._budget = PrivacyBudget(params.round.privacy, self.state)
        self._served: Manifest | None = None
        self._sent: bytes | None = None
        self._sent_ms = 0
        self._told: bytes = b""
        self._judged = np.zeros(LOSSES)
        self._alarm = DriftAlarm(self.state.losses)
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
        """Carry out a command and answer it; a repeated one is answered by nothing."""
        name = (key or b"").decode(errors="replace")[:200]
        if name and name in self.state.commands:
            return
        kind, ok = "", False
        try:
            command = control.decode(value)
            kind = command.command
            message = self._carry_out(command)
            ok = True
        except StateError as error:
            message = str(error)
        self.state.commands = [*self.state.commands, name][-_COMMANDS:]
        answer = control.Answer(name, kind, ok, message[:1000], self._clock_ms())
        yield ("control_results", *control.encode(answer))

    def tick(self) -> Iterator[Record]:
        """Look after the trainer, begin a round that is due, and say what changed."""
        now = self._clock_ms()
        if self._params.every_ms and now - self.state.last_round_ms >= self._params.every_ms:
            if self.state.since_round >= self._params.least_events:
                self._trigger("time")
            else:
                self.state.last_round_ms = now
        if self.state.round is not None:
            self._follow_round()
        elif self.state.trigger and self._blocks.events:
            self._begin(now)
        if self.state.wealth >= watch.LIMIT:
            self._give_way()
        yield from self._pointer(now)
        yield from self._status()

    def save(self) -> None:
        """Write what is not in its own entry."""
        self._memory.put(STATUS_ENTRY, tuner_state.encode(self.state))

    def close(self) -> None:
        """End the trainer and remove the folder."""
        if self._trainer is not None:
            self._trainer.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

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
        blend = self._weighing.of(*kept)
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
        if self._alarm.tell(loss):
            self.state.losses = []
            self._alarm = DriftAlarm()
            self._trigger("drift")

    # ---- rounds ----
    def _trigger(self, reason: str) -> None:
        """Ask for a round; while one runs, the first asker is remembered."""
        if not self.state.trigger and not self._budget.exhausted:
            self.state.trigger = reason
        self.state.since_round = self.state.since_share = 0
        self.state.last_round_ms = self._clock_ms()

    def _begin(self, now: int) -> None:
        state = self.state
        if state.version == 0:  # a new job over a store that has models: they stay
            with contextlib.suppress(StateError):
                state.version = max(ModelStore(self._params.store).versions(), default=0)
        state.version += 1
        state.round = RoundState(state.version, state.trigger, now, self._blocks.events)
        state.trigger = ""
        _LOG.info("round %d begins: %s, %d events", state.version, state.round.reason,
                  state.round.events)  # fmt: skip
        self._start()

    def _start(self) -> None:
        """Start the trainer of the round at hand, anew after a restart or a failure."""
        current = self.state.round
        if current is None:
            return
        current.parent, current.events = self.state.champion, self._blocks.events
        current.new_events = self.state.new_events
        current.offsets = {p: list(ends) for p, ends in self.state.offsets.items()}
        folder = self._folder / f"round-{current.version}-{current.failures}"
        shutil.rmtree(folder, ignore_errors=True)
        try:
            store = ModelStore(self._params.store)
            rounds.prepare(
                folder,
                self._params.round,
                number=current.version,
                new_from=max(0, self._blocks.events - self.state.new_events),
                store=store,
                parent=current.parent,
                spent=self.state.privacy,
            )
            self._blocks.lay_out(folder)
            self._trainer = Trainer(self._params.trainer, folder)
            self._budget.begin()
        except (StateError, OSError) as error:
            self._fail(f"expected to begin, got: {error}")

    def _follow_round(self) -> None:
        if self._trainer is None:
            self._start()
            return
        ended = self._trainer.poll()
        wrong = ""
        try:
            self._budget.charge(self._trainer.folder)
        except StateError as error:
            wrong = str(error)
        if ended is None:
            return
        folder, self._trainer = self._trainer.folder, None
        if self._budget.exhausted:
            self._stop_rounds()
        elif ended.ok and not wrong:
            self._conclude(folder, ended)
        else:
            self._fail(wrong or ended.reason)
        shutil.rmtree(folder, ignore_errors=True)

    def _conclude(self, folder: Path, ended: Ended) -> None:
        state, current = self.state, self.state.round
        if current is None:
            return
        try:
            store = ModelStore(self._params.store)
            parent = store.manifest(current.parent) if current.parent else None
            done = rounds.conclude(
                folder,
                self._params.round,
                store,
                version=current.version,
                parent=parent,
                offsets=current.offsets,
                epsilon=self._budget.epsilon,
            )
        except StateError as error:
            self._fail(str(error))
            return
        state.round = None
        state.verdict = f"round {current.version}: {done.verdict.reason} ({ended.seconds:.0f} s)"
        _LOG.info("%s", state.verdict)
        if done.manifest is None:
            state.rejected += 1
            return
        # what came while it was trained is new for the next round
        state.new_events = max(0, state.new_events - current.new_events)
        state.offsets = _beyond(state.offsets, current.offsets)
        self._serve(done.manifest)
        store.keep(self._params.keep, also=state.champion)

    def _fail(self, reason: str) -> None:
        state, current = self.state, self.state.round
        if current is None:
            return
        state.failed += 1
        current.failures += 1
        state.verdict = f"round {current.version}: trainer failed: {reason}"
        _LOG.warning("%s", state.verdict)
        if current.failures >= _FAILURES:
            state.round = None

    def _stop_rounds(self) -> None:
        self.state.round, self.state.trigger = None, ""
        self.state.verdict = self._budget.reached()
        _LOG.warning("%s", self.state.verdict)

    # ---- models ----
    def _serve(self, manifest: Manifest) -> None:
        state = self.state
        if state.champion:
            state.previous = [*state.previous, state.champion][-16:]
        if manifest.root != state.root:
            self._forget_blend()
        state.champion, state.root, state.wealth = manifest.version, manifest.root, 1.0
        state.losses, self._alarm = [], DriftAlarm()
        self._sent = None

    def _give_way(self) -> None:
        """Roll back a model that makes lists worse, even where the store cannot be read."""
        there: list[int] = []  # then none is served, which needs no store
        with contextlib.suppress(StateError):
            there = ModelStore(self._params.store).versions()
        self._roll_back("the blend was worse than the online model alone", there)

    def _roll_back(self, why: str, there: Sequence[int]) -> str:
        """Serve the champion before of those that are there, or none."""
        state = self.state
        left, before = state.champion, 0
        while state.previous and not before:
            before = state.previous.pop()
            before = before if before in there else 0
        state.champion, state.wealth = before, 1.0
        self._forget_blend()
        state.rollbacks += 1
        self._sent = None
        message = f"model {left} rolled back to {before or 'none'}: {why}"
        state.verdict = message
        _LOG.warning("%s", message)
        return message

    def _forget_blend(self) -> None:
        """Let what serves next show anew whether it helps."""
        state, blend = self.state, self._weighing()
        state.deep, state.judged = blend.deep, blend.events
        state.gains, state.squares, state.proof = blend.gains, blend.squares, blend.proof

    def _carry_out(self, command: control.Command) -> str:
        if command.command == "fine_tune_now":
            if self._budget.exhausted:
                message = f"control: expected room for a round, got {self._budget.reached()}"
                raise StateError(f"{message}; raise fine_tune.privacy.epsilon, knowing what it is")
            self._trigger("command")
            return "a round follows" if self.state.round else "a round begins"
        if command.command == "rollback_model":
            if not self.state.champion:
                message = "control: expected a model that serves, got none; nothing to do"
                raise StateError(message)
            return self._roll_back("by command", ModelStore(self._params.store).versions())
        store = ModelStore(self._params.store)
        manifest = store.manifest(command.model or 0)
        if WEIGHTS not in manifest.files:
            raise StateError(f"control: expected model {command.model} with weights, got none")
        if manifest.shape != self._params.round.shape.to_dict():
            raise StateError(f"control: expected model {command.model} of the configured shape")
        if manifest.version != self.state.champion:
            self._serve(manifest)
        # a store that others filled may hold newer ones: the next round must not overwrite them
        self.state.version = max(self.state.version, *store.versions())
        return f"model {manifest.version} serves"

    def _pointer(self, now: int) -> Iterator[Record]:
        """Say which model serves, when that or the blend has changed."""
        state = self.state
        sha256, root, shape = "", 0, self._params.round.shape.to_dict()
        if state.champion:
            manifest = self._served
            if manifest is None or manifest.version != state.champion:
                try:
                    manifest = ModelStore(self._params.store).manifest(state.champion)
                except StateError as error:
                    state.verdict = str(error)
                    return
                self._served = manifest  # the store may be far away: not asked every second
            sha256, root = manifest.files[WEIGHTS].sha256, manifest.root
        elif state.sequence == 0:
            return
        content = ModelPointer(
            sequence=0,
            model=state.champion,
            root=root,
            store=self._params.store,
            sha256=sha256,
            shape=shape,
            deep=round(state.deep, 3),
        )
        told = model_pointer.encode(content)
        if told == self._sent or (self._sent is not None and now - self._sent_ms < _POINTER_MS):
            return
        self._sent, self._sent_ms = told, now
        state.sequence += 1
        pointer = msgspec.structs.replace(content, sequence=state.sequence)
        yield ("model_updates", model_pointer.KEY, model_pointer.encode(pointer))

    def _status(self) -> Iterator[Record]:
        """Say where fine-tuning stands, when that has changed."""
        state = self.state
        progress: dict[str, Any] = self._trainer.progress() if self._trainer else {}
        status = {
            "kind": "fine_tune",
            "status": "training" if state.round else "idle",
            "round": state.round.version if state.round else state.version,
            "trigger": state.round.reason if state.round else state.trigger,
            **progress,
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
