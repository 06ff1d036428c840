"""The champion: the deep model that serves; promoted, rolled back and published here."""

import logging
from collections.abc import Callable, Iterator, Mapping
from uuid import uuid4

import msgspec

from models.deep.shape import Shape
from models.rating.stacking import Stacking
from models.weights.blend import Blend
from operators.fine_tune.drift import DriftAlarm
from operators.fine_tune.store_calls import Found
from state.keyed.tuner_state import TunerState
from state.store.model_store import WEIGHTS, Manifest
from state.store.round_files import Expected
from state.topics import model_pointer
from state.topics.model_pointer import ModelPointer

_LOG = logging.getLogger(__name__)
_BLEND_MS = 2_000
"""Least time between two pointers that differ in the blend alone."""
_STORE_BITS = 32
_AGAIN_MS = 15_000
"""Time after which a pointer is published again, for whoever missed it."""

Record = tuple[str, bytes, bytes]
"""Topic (as the job calls it), key and value of a record to write."""


class Champion:
    """The model that serves, in the state of fine-tune.

    Parameters
    ----------
    state : TunerState
    shape : Shape
        Of the network that is configured.
    store : str
    job, run : str
        Whose pointers these are, see `ModelPointer`.
    rated : bool
        Whether the model predicts ratings.
    clock_ms : function
    """

    def __init__(
        self,
        state: TunerState,
        *,
        shape: Shape,
        store: str,
        job: str,
        run: str,
        rated: bool,
        clock_ms: Callable[[], int],
    ) -> None:
        self._state, self._shape, self._store = state, shape, store
        self._job, self._run, self._start = job, run, uuid4().hex[:12]
        self._clock_ms = clock_ms
        self.weighing: type[Blend | Stacking] = Stacking if rated else Blend
        self.alarm = DriftAlarm(state.losses)
        self._urgent = True
        self._sent: bytes | None = None
        self._sent_ms = 0

    def serve(self, manifest: Manifest, expected: Expected | None = None) -> None:
        """Let another version serve, and remember the one before.

        Parameters
        ----------
        expected : Expected, optional
            What its trainer expects it to bring; listened to while no model has ever served, later
            on ranked events know better.
        """
        state = self._state
        first = not (state.champion or state.previous or state.rollbacks)
        if state.champion:
            state.previous = [*state.previous, state.champion][-16:]
        if state.champion not in (0, manifest.parent) and manifest.root != state.root:
            self._forget_blend()
        state.champion, state.root, state.wealth = manifest.version, manifest.root, 1.0
        state.champion_sha256, state.store = _sha256(manifest), self._store
        state.losses, self.alarm = [], DriftAlarm()
        if first and expected is not None:
            self._expect(expected)
        self._urgent = True

    def _expect(self, expected: Expected) -> None:
        blend = self.weighing()
        if isinstance(blend, Blend):
            blend.expect(expected.events, expected.gains, expected.squares, expected.variances)
            self._note(blend)

    def roll_back(self, why: str, usable: Mapping[int, Manifest]) -> str:
        """Serve the newest champion before that is usable, or none; return what was done."""
        state, left = self._state, self._state.champion
        before: Manifest | None = None
        while state.previous and before is None:
            before = usable.get(state.previous.pop())
        state.champion, state.wealth = (before.version if before else 0), 1.0
        state.champion_sha256 = _sha256(before) if before else ""
        state.root = before.root if before else state.root
        self._forget_blend()
        state.rollbacks += 1
        self._urgent = True
        message = f"model {left} rolled back to {state.champion or 'none'}: {why}"
        state.verdict = message
        _LOG.warning("%s", message)
        return message

    def mute(self) -> None:
        """Let the model weigh nothing until it has shown anew that it helps."""
        self._forget_blend()
        self._urgent = True

    def confirm(self, found: Found) -> str:
        """Go on with a champion that is in the store as it was; give up another one.

        A savepoint may be older than the store, the store another one, or the network another.

        Returns
        -------
        str
            Why that cannot be told now; empty where it was.
        """
        state = self._state
        manifest = found.usable.get(state.champion)
        same = manifest is not None and state.champion_sha256 in ("", _sha256(manifest))
        if moved := bool(state.store) and state.store != self._store and not same:
            state.stores += 1
            state.previous = []  # numbers of versions of the other store
        state.store = self._store
        if not state.champion:
            return ""
        if not found.versions and not moved:
            # a file system that is not mounted looks like this, too
            return f"model store {self._store}: expected model {state.champion}, got an empty store"
        if manifest is None:
            self.roll_back(found.refused.get(state.champion, "it is gone"), found.usable)
        elif not same:
            usable = {v: m for v, m in found.usable.items() if v != state.champion}
            why = f"the store has another model {state.champion} than the one that served"
            self.roll_back(why, usable)
        elif not state.champion_sha256:
            state.champion_sha256, state.root = _sha256(manifest), manifest.root
        return ""

    def pointer(self) -> Iterator[Record]:
        """Publish which model serves, when that or the blend has changed, and now and then."""
        state, now = self._state, self._clock_ms()
        if state.champion and not state.champion_sha256:
            return  # nobody knows yet which one that is
        if not state.champion and state.sequence == 0:
            return  # there was never one
        content = ModelPointer(
            job=self._job,
            run=self._run,
            start=self._start,
            round=state.version,
            sequence=0,
            model=state.champion,
            root=self._root() if state.champion else 0,
            store=self._store,
            sha256=state.champion_sha256,
            shape=self._shape.to_dict(),
            deep=round(state.deep, 3),
        )
        told = model_pointer.encode(msgspec.structs.replace(content, round=0))
        pause = _AGAIN_MS if told == self._sent else _BLEND_MS
        if not self._urgent and 0 <= now - self._sent_ms < pause:  # below 0: the clock was set
            return
        self._urgent, self._sent, self._sent_ms = False, told, now
        state.sequence += 1
        pointer = msgspec.structs.replace(content, sequence=state.sequence)
        yield ("model_updates", model_pointer.KEY, model_pointer.encode(pointer))

    def _root(self) -> int:
        """Return the root of what serves: one of another store is another line of states."""
        if self._shape.network == "mf":  # whose states go by versions
            return self._state.root
        return self._state.root + (self._state.stores << _STORE_BITS)

    def _forget_blend(self) -> None:
        """Let what serves next show anew whether it helps."""
        self._note(self.weighing())

    def _note(self, blend: Blend | Stacking) -> None:
        state = self._state
        state.deep, state.judged = blend.deep, blend.events
        state.gains, state.squares, state.proof = blend.gains, blend.squares, blend.proof


def _sha256(manifest: Manifest) -> str:
    return manifest.files[WEIGHTS].sha256
