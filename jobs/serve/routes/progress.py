"""Route of the job's progress in its input."""

from typing import TypeAlias

from litestar import Controller, get
from litestar.di import NamedDependency
from litestar.exceptions import HTTPException

from jobs.serve.progress import Follower, Progress, UnknownError

FollowerPart: TypeAlias = NamedDependency[Follower]


class ProgressRoutes(Controller):
    """Route of progress."""

    path = "/v1/progress"
    tags = ("service",)

    @get()
    async def progress(self, follower: FollowerPart) -> Progress:
        """Return the job's lag by partition, and how old its newest checkpoint is.

        Both by the offsets that it commits at checkpoints.
        """
        try:
            return await follower.now()
        except UnknownError as error:
            detail = f"kafka: expected the offsets of the job's input, got: {error}"
            raise HTTPException(status_code=503, detail=detail) from None
