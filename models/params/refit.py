"""Parameters of the factorisation that is refitted to all kept ratings."""

from dataclasses import dataclass

from models.params.checks import require


@dataclass(frozen=True, kw_only=True, slots=True)
class RefitParams:
    """Biased MF that is fitted to the whole past now and then, see `models.refit.refit`."""

    factors: int = 32
    rate: float = 0.04
    """Of the one step that a rating takes when it comes, as the three that follow."""
    bias_rate: float = 0.05
    decay: float = 0.02
    bias_decay: float = 0.02
    epochs: int = 10
    """Passes over the past at every refit."""
    refit_rate: float = 0.01
    """Of the steps of a refit, of biases and factors alike, as the two that follow."""
    refit_decay: float = 0.08
    refit_bias_decay: float = 0.02
    user_rate: float = 0.15
    """Of the step that a user's factors take where the items' stay, see `models.refit.fold`."""
    deviation: float = 0.05
    """Standard deviation that factors start with."""
    lowest: float = 0.5
    highest: float = 5.0
    radius: float = 4.0
    """Largest norm of a factor vector, and largest bias: no input can spoil the state."""
    seed: int = 1

    def __post_init__(self) -> None:
        """Refuse what leaves nothing to learn."""
        names = ("factors", "epochs")
        require(self, [(name, ">= 1", getattr(self, name) >= 1) for name in names])
        require(self, [("lowest", "< highest", self.lowest < self.highest)])
