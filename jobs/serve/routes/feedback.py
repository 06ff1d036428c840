"""Route of feedback: click-through by arm, position, reason and model version."""

from collections.abc import Mapping

from litestar import Controller, get

from jobs.serve.answers import ClickThrough, Feedback, FeedbackWindow
from jobs.serve.routes.parts import ReplicaPart
from jobs.serve.routes.wishes import Number
from state.keyed.feedback_counts import Cell


class FeedbackRoutes(Controller):
    """Route of feedback."""

    path = "/v1/feedback"
    tags = ("service",)

    @get(sync_to_thread=False)
    def feedback(self, replica: ReplicaPart, n: Number = 60) -> Feedback:
        """Return outcomes of impressions since the job began, and its newest windows by arm."""
        sums = replica.reports.feedback
        return Feedback(
            fates=sums.impressions(),
            total=_rate(sums.total()),
            arms=_rates(sums.by("arms")),
            positions=_rates(sums.by("positions")),
            reasons=_rates(sums.by("reasons")),
            models=_rates(sums.by("models")),
            windows=[FeedbackWindow(start, _rates(arms)) for start, arms in sums.windows(n)],
        )


def _rates(cells: Mapping[str, Cell]) -> dict[str, ClickThrough]:
    return {name: _rate(cell) for name, cell in cells.items()}


def _rate(cell: Cell) -> ClickThrough:
    rate = cell.acted / cell.decided if cell.decided else None
    return ClickThrough(cell.decided, cell.acted, rate, cell.reward)
