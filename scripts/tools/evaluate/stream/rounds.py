"""Rounds of fine-tuning as figures, and their table."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Round:
    """One round of fine-tuning."""

    number: int
    events: int
    steps: int
    seconds: float
    loss: float | None
    before: float | None
    after: float | None
    weight: float
    """Weight of the deep score when the round began."""
    verdict: str

    def as_cells(self) -> list[str]:
        """Return the round as a row of a table."""
        figures = (self.loss, self.before, self.after)
        return [
            str(self.number),
            f"{self.events:,}",
            str(self.steps),
            f"{self.seconds:.1f}",
            *("" if value is None else f"{value:.4f}" for value in figures),
            f"{self.weight:.3f}",
            self.verdict,
        ]

    def as_mapping(self) -> dict[str, Any]:
        """Return the round for JSON."""
        return asdict(self)


def show(out: Console, rounds: Sequence[Round]) -> None:
    """Show the rounds of fine-tuning, if there were some."""
    if not rounds:
        return
    table = Table("round", "events", "steps", "seconds", "loss", "HR@10 before", "after",
                  "weight", "verdict", title="fine-tuning", title_justify="left")  # fmt: skip
    for one in rounds:
        table.add_row(*one.as_cells())
    out.print(table)
