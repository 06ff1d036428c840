"""The rating objective by SGD: predicts what users would rate and recommends the highest."""

import numpy as np
from numpy.typing import NDArray

from models.arrays.deep import DeepArrays
from models.arrays.events import BatchArrays, EventArrays, LearntArrays
from models.arrays.lesson import Lesson
from models.arrays.users import UserArrays
from models.arrays.work import Scratch
from models.columns.accepted import AcceptedBatch
from models.columns.learnt import Learnt
from models.columns.lists import Recommended
from models.columns.users import Users
from models.items.table import Items
from models.lists import Lists, blocks, fill_empty
from models.params.rating import RatingParams
from models.params.users import UserParams
from models.rating.biased import Knobs, Work, apply_events, learn_events
from models.rating.shared import Scale, constant_predictions, list_block


class Rating:
    """Biased matrix factorisation; equations in `models.rating.biased`.

    An event is a rating where its value lies in the rating range: only ratings are learnt and
    counted. Positive events without one are remembered in the history all the same.

    Parameters
    ----------
    params : RatingParams
    users : UserParams

    Examples
    --------
    >>> from models.example import Example
    >>> example = Example(RatingParams(support=1))
    >>> example.learn([
    ...     ("ann", "tea", 5.0, 0), ("ann", "cup", 4.0, 10), ("ann", "pot", 2.0, 20),
    ...     ("ben", "tea", 5.0, 30), ("ben", "cup", 4.0, 40), ("cat", "cup", 3.0, 50),
    ...     ("cat", "pot", 4.5, 60), ("dan", "mug", 2.0, 70), ("dan", "tea", 4.0, 80),
    ... ])
    >>> example.recommend("dan")
    [('pot', 3.53, 'factors'), ('cup', 3.53, 'factors')]
    >>> example.predict("ben", "pot")
    3.69
    """

    def __init__(self, params: RatingParams, *, users: UserParams) -> None:
        self._params = params
        self._scratch = Scratch.of_size(0, params.factors, 0)
        self._knobs = Knobs(
            rate=params.rate,
            bias_rate=params.bias_rate,
            decay=params.decay,
            bias_decay=params.bias_decay,
            radius=params.radius,
        )
        self._scale = Scale.of(params, users)

    def learn(self, items: Items, users: Users, lesson: Lesson) -> Learnt:
        """Learn accepted events in order; users are updated in place.

        The gradients (n, 1) are the errors e of the equations, and the factors are those of the
        user before each rating: with both, others take the very same steps. There are no negatives,
        no context and no ranks. `error` is against the prediction clipped to the range.
        """
        factors = np.zeros((len(lesson), users.factors.shape[1]), np.float32)
        out = LearntArrays.empty(len(lesson), gradients=1)
        columns = EventArrays.of(lesson.events, lesson.gap)
        until = items.until(lesson.bucket, lesson.events.coordinate)
        work = self._work(items, users)
        marks = lesson.fresh, lesson.scored
        learnt = learn_events(columns, lesson.rows, *marks, work, until, out, factors)
        rows = max(learnt, 1)  # an event that is no rating refers to the first
        return Learnt(
            context=np.empty(0, np.int32),
            context_start=np.zeros(rows + 1, np.int32),
            factors=factors[:rows],
            **out._asdict(),
        )

    def apply(
        self,
        items: Items,
        batch: AcceptedBatch,
        rows: NDArray[np.int32],
        *,
        fresh: NDArray[np.bool_],
        owned: NDArray[np.bool_] | None = None,
    ) -> None:
        """Learn the item side of other workers' events; as `models.ranking.model.Ranking.apply`."""
        until = items.until(batch.bucket, batch.coordinate)
        columns = BatchArrays.of(batch, rows, owned, until)
        apply_events(columns, fresh, items.arrays, self._knobs, self._scale)

    def recommend(
        self,
        items: Items,
        users: Users,
        k: int,
        deep: DeepArrays,  # noqa: ARG002
    ) -> Recommended:
        """Return the k items of highest predicted rating; as `Ranking.recommend`.

        Items with fewer than `support` ratings come last. The score is the predicted rating.
        """
        out = Recommended.empty(len(users), k)
        work = self._work(items, users)
        lists = Lists.of(out, constant_predictions(items.arrays, self._scale))
        for begin, products in blocks(users.factors, items.arrays.factors[: items.size]):
            levels, own, none = users.bias, work.users, DeepArrays.none()
            list_block(
                begin, products, none.y, none, levels, own, work.items, work.scratch,
                self._scale, lists,
            )  # fmt: skip
        fill_empty(
            work.users, work.items, work.scratch, lists, items.trending_rows(), alone=items.private
        )
        return out

    def _work(self, items: Items, users: Users) -> Work:
        if len(self._scratch.mark) < len(items.arrays.keys):
            self._scratch = Scratch.of_size(len(items.arrays.keys), self._params.factors, 0)
        return Work(
            users=UserArrays.of(users),
            items=items.arrays,
            scratch=self._scratch,
            knobs=self._knobs,
            scale=self._scale,
        )
