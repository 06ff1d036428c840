"""The report that a trainer writes of its round."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Report:
    """The outcome of a round."""

    steps: int = 0
    seconds: float = 0.0
    items: int = 0
    users: int = 0
    events: int = 0
    loss: list[float] = field(default_factory=list)
    """Mean training loss of each tenth of the steps."""
    champion: dict[str, float] = field(default_factory=dict)
    """Figures of the weights the round started from, on the held-out users; empty in round 1."""
    challenger: dict[str, float] = field(default_factory=dict)
    expected: dict[str, list[float]] = field(default_factory=dict)
    """See `models.deep.training.expected`; empty where nothing is expected."""


Progress = Callable[[dict[str, Any]], None]
"""Told step, steps, loss, left_s."""
