"""The rating objective by a diagonal Kalman filter: equations in `models.rating.kalman`.

A user's ratings are learnt whole by the worker that owns the user. Others count them, and are told
of the items they moved as differences, see `models.items.differences`.
"""

import numpy as np
from numpy.typing import NDArray

from models.arrays.deep import DeepArrays
from models.arrays.events import BatchArrays, EventArrays, LearntArrays
from models.arrays.items import SKIPPED
from models.arrays.lesson import Lesson
from models.arrays.users import UserArrays
from models.arrays.work import Scratch
from models.columns.accepted import AcceptedBatch
from models.columns.learnt import Learnt
from models.columns.lists import Recommended
from models.columns.users import Users
from models.items import differences
from models.items.table import Items, Start
from models.lists import Lists, blocks, fill_empty
from models.numeric.initial import initial_factors
from models.params.rating import KalmanParams
from models.params.users import UserParams
from models.rating import kalman_arrays
from models.rating.filtered import Work, count_events, learn_events
from models.rating.kalman import locate_users
from models.rating.kalman_arrays import Kalman, KalmanItems, KalmanUsers, first_variance
from models.rating.shared import Scale, constant_predictions, list_block, second_block

MOOD, MOOD_VARIANCE, RATED_TIME = range(3)
"""Places in `models.columns.users.Users.mood`."""


class FilteredRating:
    """Biased matrix factorisation with a variance for every number.

    An event is a rating where its value lies in the rating range: only ratings are learnt and
    counted. Positive events without one are remembered in the history all the same.

    Parameters
    ----------
    params : KalmanParams
    users : UserParams

    Examples
    --------
    >>> from models.example import Example
    >>> example = Example(KalmanParams(support=1))
    >>> example.learn([
    ...     ("ann", "tea", 5.0, 0), ("ann", "cup", 4.0, 10), ("ann", "pot", 2.0, 20),
    ...     ("ben", "tea", 5.0, 30), ("ben", "cup", 4.0, 40), ("cat", "cup", 3.0, 50),
    ...     ("cat", "pot", 4.5, 60), ("dan", "mug", 2.0, 70), ("dan", "tea", 4.0, 80),
    ... ])
    >>> example.recommend("dan")
    [('pot', 3.05, 'factors'), ('cup', 3.02, 'factors')]
    >>> example.predict("ben", "pot")
    3.55
    """

    def __init__(self, params: KalmanParams, *, users: UserParams) -> None:
        self._params = params
        self._scratch = Scratch.of_size(0, params.factors, 0)
        self._filter = kalman_arrays.Knobs.of(params)
        self._point = np.zeros(params.factors, np.float32)
        self._first_variance = first_variance(params, "user")
        self._scale = Scale.of(params, users)

    def learn(self, items: Items, users: Users, lesson: Lesson) -> Learnt:
        """Learn accepted events in order; users are updated in place.

        There are no gradients, no negatives,
        no context and no ranks. `error` is against the prediction clipped to the range: that of the
        filter, or what the refitted model (`deep`) and it say together where that knows the item.
        The filter learns from its own errors.
        """
        self._start(users)
        out = LearntArrays.empty(len(lesson))
        out.user[:] = lesson.events.user
        work = Work(
            users=UserArrays.of(users),
            items=items.arrays,
            scale=self._scale,
            model=self._model(items, users),
            rated=users.rated,
            deep=lesson.deep,
        )
        until = items.until(lesson.bucket, lesson.events.coordinate)
        columns = EventArrays.of(lesson.events, lesson.gap)
        learn_events(columns, lesson.rows, lesson.fresh, lesson.scored, work, until, out)
        _keep(users, work.model.users)
        return Learnt(
            context=np.empty(0, np.int32),
            context_start=np.zeros(len(users) + 1, np.int32),
            factors=users.factors[:, :0],
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
        count_events(BatchArrays.of(batch, rows, owned, until), fresh, items.arrays, self._scale)
        if len(batch.moved) and fresh.any():
            radius = self._params.radius
            differences.add_batch(items.arrays, batch, rows, owned, until, radius)

    def recommend(
        self,
        items: Items,
        users: Users,
        k: int,
        deep: DeepArrays,
    ) -> Recommended:
        """Return the k items of highest predicted rating; as `Ranking.recommend`.

        Items with fewer than `support` ratings come last. The score is the rating predicted for the
        time of the user's newest event, by the filter and the refitted model together.
        """
        out = Recommended.empty(len(users), k)
        a, own, scratch = items.arrays, UserArrays.of(users), self._scratch_for(items)
        points, levels = np.empty_like(users.factors), np.empty(len(users), np.float32)
        locate_users(self._model(items, users), users.session_last, points, levels)
        lists = Lists.of(out, constant_predictions(a, self._scale))
        for begin, products in blocks(points, a.factors[: items.size]):
            second = second_block(begin, len(products), deep, items.size)
            list_block(begin, products, second, deep, levels, own, a, scratch, self._scale, lists)
        fill_empty(own, a, scratch, lists, items.trending_rows(), alone=items.private)
        return out

    def _start(self, users: Users) -> None:
        """Give users that are learnt for the first time what they start with."""
        params, new = self._params, np.flatnonzero(users.variance[:, -1] == 0)
        users.variance[new] = self._first_variance
        users.mood[new] = (0, self._filter.session_variance, kalman_arrays.NEVER)
        users.factors[new] = initial_factors(
            users.key[new], params.seed, params.factors, params.deviation
        )

    def _scratch_for(self, items: Items) -> Scratch:
        if len(self._scratch.mark) < len(items.arrays.keys):
            self._scratch = Scratch.of_size(len(items.arrays.keys), self._params.factors, 0)
        return self._scratch

    def _model(self, items: Items, users: Users) -> Kalman:
        """Return the filter over the users and items themselves; rings as rows of items."""
        a, rated = items.arrays, users.rated
        return Kalman(
            users=KalmanUsers(
                bias=users.bias,
                session=users.mood[:, MOOD].astype(np.float32),
                session_variance=users.mood[:, MOOD_VARIANCE].astype(np.float32),
                time=users.mood[:, RATED_TIME].astype(np.int64),
                factors=users.factors,
                variance=users.variance,
                past_item=items.rows(rated.reshape(-1), register=False).reshape(rated.shape),
                past_residual=users.rated_residual,
                past_count=users.rated_length.astype(np.int64),
            ),
            items=KalmanItems(bias=a.bias, factors=a.factors, variance=a.variance, taste=a.context),
            mean=np.zeros(1),
            events=np.zeros(1, np.int64),
            skipped=a.counters[SKIPPED : SKIPPED + 1],
            point=self._point,
            knobs=self._filter,
        )


def start_of(params: KalmanParams) -> Start:
    """Return what a new item starts with: factors as context are what it says of a user, Y."""
    return Start(
        deviation=params.deviation,
        context_deviation=params.history_deviation,
        variance=tuple(first_variance(params, "item").tolist()),
    )


def _keep(users: Users, learnt: KalmanUsers) -> None:
    """Write back what the filter held in other columns, rings with the oldest rating first."""
    users.mood[:, MOOD] = learnt.session
    users.mood[:, MOOD_VARIANCE] = learnt.session_variance
    users.mood[:, RATED_TIME] = learnt.time
    size = users.rated.shape[1]
    users.rated_length[:] = np.minimum(learnt.past_count, size)
    turned = np.flatnonzero(learnt.past_count > size)
    if size and len(turned):
        order = (learnt.past_count[turned, None] + np.arange(size)) % size
        for columns in (users.rated, users.rated_residual):
            columns[turned] = np.take_along_axis(columns[turned], order, axis=1)
