"""Judge: what ranked events say of the model that serves."""

import numpy as np
from numpy.typing import NDArray

from models.arrays.weights import LOSSES
from models.deep import watch
from models.weights.blend import COUNT, LOSS
from operators.fine_tune.champion import Champion
from operators.fine_tune.drift import KEPT, DriftAlarm
from state.examples import Examples
from state.keyed.tuner_state import TunerState

_LOSSES_OF = 50
"""Ranked events whose mean loss the drift alarm receives."""


class Judge:
    """Learns the blend from ranked events, and watches the model that serves.

    Parameters
    ----------
    state : TunerState
        Its fields of the blend, `wealth` and `losses` are kept here.
    champion : Champion
    drift : bool
        Whether a rise of the loss asks for a round.
    """

    def __init__(self, state: TunerState, champion: Champion, *, drift: bool) -> None:
        self._state, self._champion, self._drift = state, champion, drift
        self._sums = np.zeros(LOSSES)

    @property
    def harmful(self) -> bool:
        """Return whether the blend has surely been worse than the online model alone."""
        return self._state.wealth >= watch.LIMIT

    def learn(self, one: Examples) -> bool:
        """Learn from the ranked events of a micro-batch; return whether the loss has risen."""
        state = self._state
        if one.model != state.champion or not one.model:
            return False
        kept = state.deep, state.judged, state.gains, state.squares, state.proof
        blend = self._champion.weighing.of(*kept)
        blend.learn(one.loss)
        state.deep, state.judged = blend.deep, blend.events
        state.gains, state.squares, state.proof = blend.gains, blend.squares, blend.proof
        state.wealth = watch.wealth_after(state.wealth, one.rank, one.online_rank)
        return self._has_risen(one.loss)

    def _has_risen(self, sums: NDArray[np.float64]) -> bool:
        self._sums += sums
        if self._sums[COUNT] < _LOSSES_OF or not self._drift:
            return False
        loss = round(float(self._sums[LOSS] / self._sums[COUNT]), 4)
        self._sums = np.zeros(LOSSES)
        self._state.losses = [*self._state.losses, loss][-KEPT:]
        if not self._champion.alarm.tell(loss):
            return False
        self._state.losses = []
        self._champion.alarm = DriftAlarm()
        return True
