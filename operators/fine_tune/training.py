"""Training: the round at hand, from its number to what becomes of its model."""

import logging
import shutil
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

from operators.background import Done
from operators.fine_tune import rounds, store_calls
from operators.fine_tune.blocks import Blocks
from operators.fine_tune.champion import Champion, Record
from operators.fine_tune.judge import Judge
from operators.fine_tune.params import FineTuneParams
from operators.fine_tune.privacy_budget import PrivacyBudget
from operators.fine_tune.rounds import Conclusion
from operators.fine_tune.scratch import Scratch
from operators.fine_tune.trainer import Ended, Trainer
from state.codec.sealed import CorruptError, StateError
from state.keyed.tuner_state import RoundState, TunerState
from state.store.model_store import MissingError

_LOG = logging.getLogger(__name__)
_FAILURES = 3
"""Trainers that may fail before their round is given up."""
_WRITING_SECONDS = 0.05
"""Of a tick, for the files of a round that is to begin."""


class Training:
    """The round at hand: its files, its trainer, and its end.

    Parameters
    ----------
    params : FineTuneParams
    state : TunerState
        Its fields `round`, `version`, `verdict` and counts of rounds are kept here.
    blocks : Blocks
    budget : PrivacyBudget
    champion : Champion
    judge : Judge
    scratch : Scratch
    """

    def __init__(
        self,
        params: FineTuneParams,
        state: TunerState,
        blocks: Blocks,
        budget: PrivacyBudget,
        champion: Champion,
        judge: Judge,
        scratch: Scratch,
    ) -> None:
        self._params, self._state, self._blocks = params, state, blocks
        self._budget, self._champion, self._judge = budget, champion, judge
        self._scratch = scratch
        self.trainer: Trainer | None = None
        self._folder: Path | None = None
        """From the first file of the round to its last."""
        self.ended: Ended | None = None
        """How the trainer ended, while its model is judged and stored."""
        self.left_versions = False
        """Whether versions may be in the store that nobody needs any more."""
        self.doubts_champion = False
        """Whether the champion's files were damaged or gone when they were fetched."""

    def begin(self, now: int) -> None:
        """Give a round its number, and the reason that asked for it."""
        state = self._state
        state.version += 1
        state.round = RoundState(state.version, state.trigger, now, self._blocks.events)
        state.trigger = ""
        _LOG.info("round %d begins: %s, %d events", state.version, state.round.reason,
                  state.round.events)  # fmt: skip

    def prepare(self) -> Callable[[], int] | None:
        """Write events, by and by; return the call for the parent's files once all are there."""
        current = self._state.round
        if current is None:
            return None
        try:
            scratch = self._scratch.folder()
            if not self._blocks.write(scratch / "blocks", _WRITING_SECONDS):
                return None
        except OSError as error:
            self._fail(f"expected to write the events, got: {error}")
            return None
        self._folder = scratch / f"round-{current.version}-{current.failures}"
        return partial(
            store_calls.fetch, self._params.store, self._folder, current.version,
            self._state.champion,
        )  # fmt: skip

    def fetched(self, current: RoundState, champion: int, done: Done[int]) -> Iterator[Record]:
        """Start the trainer, or note why it cannot."""
        folder = self._folder
        if done.value is None or folder is None:
            self._fail(f"expected to begin, got: {done.error}")
            self.doubts_champion = isinstance(done.error, CorruptError | MissingError)
        else:
            current.version = done.value
            self._state.version = max(self._state.version, current.version)
            current.parent = champion
            self._start(current, folder)
        return iter(())

    def _start(self, current: RoundState, folder: Path) -> None:
        current.events, current.new_events = self._blocks.events, self._state.new_events
        current.offsets = {p: list(ends) for p, ends in self._state.offsets.items()}
        try:
            rounds.write_plan(
                folder,
                self._params.round,
                number=current.version,
                new_from=max(0, current.events - current.new_events),
                spent=self._state.privacy,
            )
            self._blocks.lay_out(folder)
            self.trainer = Trainer(self._params.trainer, folder)
            self._budget.begin()
        except (StateError, OSError) as error:
            self._fail(f"expected to begin, got: {error}")

    def follow(self) -> None:
        """Look after the trainer, and charge what it spends."""
        if self.trainer is None:
            return
        ended = self.trainer.poll()
        wrong = ""
        try:
            self._budget.charge(self.trainer.folder)
        except StateError as error:
            wrong = str(error)
        if ended is None:
            return
        self.trainer = None
        if self._budget.exhausted:
            self._stop()
        elif ended.ok and not wrong:
            self.ended = ended
        else:
            self._fail(wrong or ended.reason)

    def conclude(self) -> Callable[[], Conclusion] | None:
        """Return the call that judges and stores a trained model; None where there is none."""
        if self.ended is None or self._folder is None:
            return None
        current = self._state.round or RoundState(0, "", 0, 0)
        return partial(
            store_calls.conclude,
            self._params.store,
            self._folder,
            self._params.round,
            version=current.version,
            champion=current.parent,
            offsets=current.offsets,
            ledger=self._budget.ledger,
        )

    def concluded(self, done: Done[Conclusion]) -> Iterator[Record]:
        """Let the model serve where the gate accepted it and nothing else was decided since."""
        state, current, ended = self._state, self._state.round, self.ended
        self.ended = None
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
        self.left_versions = manifest is not None
        if manifest is None:
            state.rejected += 1
        elif current.parent != state.champion or state.waiting or self._judge.harmful:
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
        state, current = self._state, self._state.round
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

    def _stop(self) -> None:
        self._leave_folder()
        self._state.round, self._state.trigger = None, ""
        self._state.verdict = self._budget.reached()
        _LOG.warning("%s", self._state.verdict)


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
