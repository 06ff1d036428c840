"""Parameters of fine-tune."""

from dataclasses import dataclass, field

from models.params.names import NameParams
from operators.fine_tune.rounds import RoundParams
from operators.fine_tune.trainer import TrainerParams
from state.keyed.lineage import Lineage


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
    names: NameParams = field(default_factory=NameParams)
    """What users are called."""
