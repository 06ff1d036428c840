"""Triggers: when a round of fine-tuning is due, and of which users events are kept."""

from collections.abc import Callable

from operators.fine_tune.params import FineTuneParams
from operators.fine_tune.privacy_budget import PrivacyBudget
from state.codec.sealed import StateError
from state.keyed.tuner_state import TunerState


class Triggers:
    """Asks for rounds: by events, by time, by command, or when the loss rises.

    Parameters
    ----------
    params : FineTuneParams
    state : TunerState
        Its fields `trigger`, `since_round`, `since_share`, `share` and `last_round_ms` are kept
        here.
    budget : PrivacyBudget
        Once it is exhausted, no round is asked for.
    clock_ms : function
    """

    def __init__(
        self,
        params: FineTuneParams,
        state: TunerState,
        budget: PrivacyBudget,
        clock_ms: Callable[[], int],
    ) -> None:
        self._params, self._state, self._budget, self._clock_ms = params, state, budget, clock_ms
        if state.last_round_ms == 0:
            state.last_round_ms = clock_ms()

    def ask(self, reason: str) -> None:
        """Ask for a round; while one runs, the first reason is remembered."""
        state = self._state
        if not state.trigger and not self._budget.exhausted:
            state.trigger = reason
        if state.share < 1 and 8 * state.since_share < self._params.ring_events:
            state.share *= 2  # the flood is over
        state.since_round = state.since_share = 0
        state.last_round_ms = self._clock_ms()

    def by_command(self) -> str:
        """Ask for a round by command; return what follows.

        Raises
        ------
        StateError
            If nothing of the privacy budget is left.
        """
        if self._budget.exhausted:
            message = f"control: expected room for a round, got {self._budget.reached()}"
            raise StateError(
                f"{message}; raise fine_tune.differential_privacy.epsilon, knowing what it is"
            )
        self.ask("command")
        return "a round follows" if self._state.round else "a round begins"

    def by_events(self) -> None:
        """Ask for a round where enough events have come; of a flood keep fewer users."""
        state, params = self._state, self._params
        if params.every_events and state.since_round >= params.every_events:
            self.ask("events")
        if state.since_share > params.ring_events // 2:
            state.share /= 2  # more comes than is trained on: half the users are enough
            state.since_share = 0

    def by_time(self, now: int) -> None:
        """Ask for a round where the last one was long ago and enough events have come."""
        state, params = self._state, self._params
        # a clock that was set back must not hold anything up until it is there again
        state.last_round_ms = min(state.last_round_ms, now)
        if params.every_ms and now - state.last_round_ms >= params.every_ms:
            if state.since_round >= params.least_events:
                self.ask("time")
            else:
                state.last_round_ms = now
