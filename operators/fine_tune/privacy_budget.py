"""The privacy budget: what private rounds have spent, in the state of fine-tune."""

from pathlib import Path
from typing import Any

from models.deep.privacy import Privacy, merged, most
from state.keyed.tuner_state import TunerState
from state.store import round_files
from state.store.model_store import Ledger


class PrivacyBudget:
    """Counts what trainers spend; a job without privacy has no limit.

    Parameters
    ----------
    privacy : Privacy or None
        None: without.
    state : TunerState
        Its fields `privacy`, `epsilon` and `exhausted` are kept here.
    """

    def __init__(self, privacy: Privacy | None, state: TunerState) -> None:
        self._privacy, self._state = privacy, state
        self._charged = False

    @property
    def exhausted(self) -> bool:
        """Return whether no step fits any more; other settings are tried anew."""
        return self._privacy is not None and self._state.exhausted == self._privacy.to_dict()

    @property
    def epsilon(self) -> float:
        """Of all rounds so far; 0 without privacy."""
        return self._state.epsilon if self._privacy else 0.0

    @property
    def ledger(self) -> Ledger:
        """Return what the store is told; nothing of a job without privacy."""
        if self._privacy is None:
            return Ledger()
        return Ledger(list(self._state.privacy), self._state.epsilon)

    def recall(self, ledger: Ledger) -> None:
        """Take over what the store knows was spent, where this state is older."""
        state = self._state
        if self._privacy is None:
            return
        state.privacy = most(state.privacy, ledger.privacy)
        state.epsilon = max(state.epsilon, ledger.epsilon)

    def begin(self) -> None:
        """Expect another trainer, which spends anew."""
        self._charged = False

    def charge(self, folder: Path) -> None:
        """Note what the trainer in a folder spends, once, whatever becomes of it.

        Raises
        ------
        StateError
            If it says so in no way that can be read.
        """
        if self._privacy is None or self._charged:
            return
        spent = round_files.spent(folder)
        if spent is None:
            return
        self._charged, state = True, self._state
        if spent.steps == 0:
            state.exhausted = self._privacy.to_dict()
        else:
            state.privacy = merged([*state.privacy, (spent.noise, spent.rate, spent.steps)])
            state.epsilon = spent.epsilon

    def reached(self) -> str:
        """Say how much of the budget is spent."""
        budget = self._privacy.epsilon if self._privacy else 0.0
        return f"privacy budget reached: epsilon {self._state.epsilon:.3g} of {budget:g}"

    def status(self) -> dict[str, Any]:
        """Return what the metrics say of it; nothing without privacy."""
        if self._privacy is None:
            return {}
        told = {
            "epsilon": self._state.epsilon,
            "budget": self._privacy.epsilon,
            "delta": self._privacy.delta,
            "steps": sum(steps for _, _, steps in self._state.privacy),
        }
        return {"privacy": told}
