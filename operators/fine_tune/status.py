"""Status: what fine-tune publishes about itself in `recommendation_metrics`."""

from typing import Any

import msgspec

from operators.fine_tune.blocks import Blocks
from operators.fine_tune.champion import Record
from operators.fine_tune.privacy_budget import PrivacyBudget
from operators.fine_tune.trainer import Trainer
from state.keyed.tuner_state import TunerState


def status_of(
    state: TunerState, blocks: Blocks, budget: PrivacyBudget, trainer: Trainer | None
) -> dict[str, Any]:
    """Return where fine-tuning stands."""
    progress: dict[str, Any] = trainer.progress().told() if trainer else {}
    trouble = trainer.trouble() if trainer else ""
    return {
        "kind": "fine_tune",
        "status": "training" if state.round else "idle",
        "round": state.round.version if state.round else state.version,
        "trigger": state.round.reason if state.round else state.trigger,
        **progress,
        **({"trainer": trouble} if trouble else {}),
        "model": state.champion,
        "events": state.events,
        "ring": blocks.events,
        "since_round": state.since_round,
        "blend": {"deep": round(state.deep, 3)},
        "judged": round(state.judged),
        "verdict": state.verdict,
        "rejected": state.rejected,
        "failed": state.failed,
        "rollbacks": state.rollbacks,
        **budget.status(),
    }


def record_of(status: dict[str, Any], now_ms: int) -> Record:
    """Return the record of a status."""
    content = msgspec.json.encode({**status, "generated_at": now_ms})
    return ("recommendation_metrics", b"fine_tune", content)
