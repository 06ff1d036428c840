"""Parameters of the ranking objective, and its models by name."""

from collections.abc import Mapping
from dataclasses import dataclass

from models.params.checks import require


@dataclass(frozen=True, kw_only=True, slots=True)
class RankingParams:
    """Transitions + factors, see `models.ranking.model`."""

    factors: int = 32
    negatives: int = 2
    context: int = 0
    """Last items that are context of the factors; 0: pairwise steps without context."""
    context_decay: float = 0.6
    """Weight of each step further back."""
    rate: float = 0.02
    """AdaGrad rate of the factors."""
    bias_rate: float = 0.05
    decay: float = 0.0
    """L2 decay of the factors per update."""
    smoothing: float = 1e-4
    """Added to the transition share before its logarithm."""
    source_decay: float = 0.8
    """Weight of each step further back among the user's last items, where items are scored from
    them; what is learnt has `TransitionParams.decay`."""
    source_norm: float = 0.3
    """Exponent of their popularity there; what is learnt has `TransitionParams.norm`."""
    factors_weight: float = 1.0
    """Weight of factors in scores; 1 at most, or lists could not do without a look at every item,
    see `models.index.ceilings`."""
    neighbour_weight: float = 0.0
    """Weight of session neighbours; 0: none are kept."""
    popularity: bool = True
    """Whether popularity is a component, weighed by what it brings."""
    radius: float = 4.0
    """Largest norm of a factor vector, and largest bias: no input can spoil the state."""
    adaptive: bool = True
    """Whether `source_decay`, `source_norm`, `factors_weight` and `neighbour_weight` follow what
    ranked events say, see `models.weights.knobs`."""
    seed: int = 1

    def __post_init__(self) -> None:
        """Refuse what scores cannot be made with."""
        require(
            self,
            [
                ("source_decay", "in 0 .. 1", 0 < self.source_decay <= 1),
                ("source_norm", "in 0 .. 1", 0 <= self.source_norm <= 1),
                ("factors_weight", "in 0 .. 1", 0 < self.factors_weight <= 1),
            ],
        )


MODELS: Mapping[str, RankingParams] = {
    "light": RankingParams(),
    "full": RankingParams(
        factors=64,
        negatives=64,
        context=6,
        rate=0.1,
        bias_rate=0.02,
        smoothing=1e-5,
        source_norm=0.6,
        factors_weight=0.6,
        neighbour_weight=0.5,
        radius=8.0,
    ),
}
"""The ranking model by name; `full` is a compromise of ml-1m, ml-100k and DIGINETICA."""
