"""What a round is told: sizes, budget, seed; a plain JSON object in the round's folder."""

from dataclasses import dataclass, field, fields
from typing import Any

from models.deep.privacy import Privacy, Spend
from models.deep.shape import Shape


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One round of training."""

    shape: Shape = field(default_factory=Shape)
    round: int = 1
    seed: int = 1
    steps: int = 250
    batch: int = 64
    """Sequences a step."""
    new_share: float = 0.6
    """Share of sequences that end at events of this round; the others replay."""
    negatives: int = 512
    rate: float = 1e-3
    dropout: float = 0.2
    held_out: float = 0.05
    """Share of users that this round does not train on and is judged by."""
    threads: int = 1
    new_from: int = 0
    """Index of the first event that came since the last round."""
    memory_bytes: int = 0
    """Address space the trainer may use; 0: no limit."""
    scale: tuple[float, float] | None = None
    """Lowest and highest rating; None where no ratings are learnt."""
    privacy: Privacy | None = None
    """Settings of user-level differential privacy; None: without."""
    spent: tuple[Spend, ...] = ()
    """What earlier rounds spent of the budget."""

    @classmethod
    def of(cls, values: dict[str, Any]) -> "Plan":
        """Read a plan from JSON; unknown names are refused."""
        known = {one.name for one in fields(cls)}
        if unknown := values.keys() - known:
            raise ValueError(f"plan: expected some of {sorted(known)}, got {sorted(unknown)}")
        privacy, scale = values.get("privacy"), values.get("scale")
        read = {
            "shape": Shape(**values.get("shape", {})),
            "scale": (float(scale[0]), float(scale[1])) if scale else None,
            "privacy": Privacy(**privacy) if privacy else None,
            "spent": tuple((n, q, steps) for n, q, steps in values.get("spent", ())),
        }
        return cls(**{**values, **read})
