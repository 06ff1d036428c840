"""The plan of a round: sizes, budget, seed; a plain JSON object in the round's folder."""

from dataclasses import dataclass, field, fields
from typing import Any

from models.deep.privacy import Privacy, Spend
from models.deep.shape import SEQUENCES, Shape

FEW_STEPS, MANY_STEPS = 250, 1_000
"""Usual steps at most: of a round that goes on, and of one that learns all events anew."""
_FAST, _SLOW = 6e-3, 1e-3
"""Usual rates, of a cycle and of constant ones."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One round of training."""

    shape: Shape = field(default_factory=Shape)
    round: int = 1
    seed: int = 1
    steps: int | None = None
    """At most; None: the usual."""
    batch: int = 64
    """Rows of a step, `shape.length` pairs each."""
    new_share: float | None = None
    """Share of sequences that end at events of this round; the others replay. None: the usual."""
    negatives: int = 1024
    rate: float | None = None
    """Of AdamW; None: the usual."""
    dropout: float | None = None
    """None: by the number of events."""
    dropped: float | None = None
    """Share of the items that are left out of the input; None: by the length of histories."""
    held_out: float = 0.05
    """Share of users that this round does not train on and is judged by."""
    threads: int = 1
    new_from: int = 0
    """Index of the first event that came since the last round."""
    memory_bytes: int = 0
    """Address space the trainer may use; 0: no limit."""
    scale: tuple[float, float] | None = None
    """Lowest and highest rating; None where no ratings are learnt."""
    weights: tuple[float, ...] = ()
    """Of the deep score beside the online one: of each is told what it should bring."""
    privacy: Privacy | None = None
    """Settings of user-level differential privacy; None: without."""
    spent: tuple[Spend, ...] = ()
    """What earlier rounds spent of the budget."""

    @property
    def anew(self) -> bool:
        """Whether all is learnt anew: from counts, by rows of sequences and one cycle of rates."""
        return self.shape.network in SEQUENCES and self.privacy is None

    @property
    def most_steps(self) -> int:
        """Steps of the round, at most."""
        return self.steps or (MANY_STEPS if self.anew else FEW_STEPS)

    @property
    def rates(self) -> tuple[float, float]:
        """Highest rates of the network and of embeddings."""
        if not self.anew:
            return (self.rate or _SLOW,) * 2
        rate = self.rate or _FAST
        return rate, rate / 3

    @property
    def share_of_new(self) -> float:
        """Share of sequences that end at events of this round."""
        if self.new_share is not None:
            return self.new_share
        return 0.3 if self.anew else 0.6

    @classmethod
    def of(cls, values: dict[str, Any]) -> "Plan":
        """Read a plan from JSON; unknown names are refused."""
        known = {one.name for one in fields(cls)}
        if unknown := values.keys() - known:
            raise ValueError(f"plan: expected some of {sorted(known)}, got {sorted(unknown)}")
        privacy, scale = values.get("privacy"), values.get("scale")
        read = {
            "shape": Shape(**values.get("shape", {})),
            "weights": tuple(float(one) for one in values.get("weights", ())),
            "scale": (float(scale[0]), float(scale[1])) if scale else None,
            "privacy": Privacy(**privacy) if privacy else None,
            "spent": tuple((n, q, steps) for n, q, steps in values.get("spent", ())),
        }
        return cls(**{**values, **read})
