"""The deep model inside a worker: what it says of events and users, and the states of users."""

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from models.arrays.deep import DeepArrays
from models.columns.events import Events
from models.columns.users import Users
from models.deep.batches import Batch, last_before, previous_of
from models.deep.mf import Mf
from models.deep.ncf import Ncf
from models.deep.placed import Model, Placed
from models.deep.recurrent import Recurrent
from models.deep.sasrec import SasRec
from models.deep.shape import Shape
from models.items.table import Items
from models.params.refit import RefitParams
from models.refit import fold
from models.users.history import as_counted
from models.weights.blend import Blend


class Deep:
    """Serves whatever model it was given last; without one it says nothing.

    Parameters
    ----------
    shape : Shape
        What the users' states are made for; a model of another shape is refused before it comes
        here.
    refit : RefitParams
        How users learn beside a model of ratings.
    """

    def __init__(self, shape: Shape, refit: RefitParams | None = None) -> None:
        self._shape = shape
        self._steps = fold.Steps.of(refit or RefitParams())
        self.blend = Blend()
        self._placed: Placed | None = None

    @property
    def model(self) -> Model | None:
        """The model served."""
        return self._placed.model if self._placed else None

    @property
    def version(self) -> int:
        """The model served, 0 for none."""
        return self.model.version if self.model else 0

    def rehearse(self) -> None:
        """Compile what the first model would wait for."""
        if self._shape.network == "mf":
            nobody, none = np.empty(0, np.int32), np.empty(0, np.float32)
            state = np.empty((0, self._shape.state), np.float32)
            fold.learn_events(nobody, nobody, none, state, state, none, self._steps, state, nobody)

    def placing(self, items: Items) -> Callable[[Model], Placed]:
        """Return what gives the items of now their embeddings, in any thread, for `swap`."""
        keys, room = items.keys.copy(), len(items.arrays.keys)
        return partial(Placed.of, keys=keys, room=room, generation=items.generation)

    def swap(self, model: Model | Placed | None) -> Placed | None:
        """Serve another model from the next micro-batch on; return the one before."""
        if isinstance(model, Model):
            model = Placed.of(model, np.empty(0, np.uint64))
        before, self._placed = self._placed, model
        return before

    def learn(
        self,
        items: Items,
        users: Users,
        events: Events,
        rows: NDArray[np.int32],
        gap: NDArray[np.uint8],
        scored: NDArray[np.bool_],
    ) -> DeepArrays:
        """Advance the users' states by the positive events that count, in order.

        Parameters
        ----------
        items, users, events
            `users.deep` and `users.deep_version` are updated in place; call it before the history
            is.
        rows : int32[n]
            `items.rows(events.item)`.
        gap : uint8[n]
            See `models.users.history.gaps_of`.
        scored : bool[n]
            Events before which the model is asked.

        Returns
        -------
        DeepArrays
        """
        if self._placed is None:
            if users.deep.shape[1] and self._shape.network == "recurrent":
                # what comes now the state does not see: it is computed anew once a model serves
                users.deep_version[events.user[(events.weight > 0) & events.counts]] = 0
            return DeepArrays.none()
        placed = self._follow(self._placed, items)
        model = placed.model
        if isinstance(model.network, Mf):
            return self._learn_ratings(model, model.network, users, events, rows)
        # it is trained on what counts: other events are ranked, and are no input
        positive = np.flatnonzero((events.weight > 0) & (events.counts | scored))
        batch = Batch(events, rows, gap, positive, np.flatnonzero(scored[positive]))
        if isinstance(model.network, Ncf):
            return self._read_pairs(model.network, users, batch)
        if isinstance(model.network, SasRec):
            return self._read_windows(model.network, items, users, batch)
        self._refresh(model.network, model.root, items, users)
        return self._advance(model, model.network, items, users, batch)

    def _read_pairs(self, network: Ncf, users: Users, batch: Batch) -> DeepArrays:
        keys = users.key[batch.events.user[batch.positive[batch.asked]]]
        row = np.full(len(batch.events), -1, np.int32)
        known = network.known(keys)
        row[batch.positive[batch.asked]] = np.where(known, np.arange(len(batch.asked)), -1)
        return self._arrays(network.read(keys), row)

    def _read_windows(
        self, network: SasRec, items: Items, users: Users, batch: Batch
    ) -> DeepArrays:
        events, positive = batch.events, batch.positive
        index = self._indices(batch.rows[positive], events.item[positive])
        known = np.where(events.counts[positive], index, np.int32(-1))
        windows = self._windows(items, users, events.user[positive], known, batch.asked)
        return self._arrays(network.read(windows), batch.numbered())

    def _advance(
        self, model: Model, network: Recurrent, items: Items, users: Users, batch: Batch
    ) -> DeepArrays:
        """Advance the states by the events that count; return what the network says before."""
        events, positive, asked = batch.events, batch.positive, batch.asked
        user, index = (
            events.user[positive],
            self._indices(batch.rows[positive], events.item[positive]),
        )
        # of an item it does not know the network has never seen the gap alone: that is no input
        advancing = events.counts[positive] & (index >= 0)
        before = previous_of(user, advancing, len(users))
        first, later = asked[before[asked] < 0], asked[before[asked] >= 0]
        y, row = np.zeros((len(asked), self._shape.dim), np.float32), batch.numbered()
        if len(first):
            y[row[positive[first]]] = self._outputs(model, items, users, user[first])
        taken = np.flatnonzero(advancing)
        wanted, which = np.unique(before[later], return_inverse=True)
        inputs = positive[taken]
        after: NDArray[np.intp] = np.searchsorted(taken, wanted).reshape(-1)
        found = network.advance(
            users.deep, events.user[inputs], index[taken], batch.gap[inputs], after
        )
        if len(later):
            y[row[positive[later]]] = found[which]
        users.deep_version[user] = model.root
        return self._arrays(y, row)

    def score(self, items: Items, users: Users) -> DeepArrays:
        """Say what is to be said of every user now."""
        if self._placed is None or not len(users):
            return DeepArrays.none()
        model = self._follow(self._placed, items).model
        everyone = np.arange(len(users), dtype=np.int32)
        return self._arrays(self._outputs(model, items, users, everyone), everyone)

    def _learn_ratings(
        self,
        model: Model,
        network: Mf,
        users: Users,
        events: Events,
        rows: NDArray[np.int32],
    ) -> DeepArrays:
        """Advance the users' states by the ratings; of each that can be predicted, see before."""
        users.deep[:] = _started(model, network, users)
        users.deep_version[:] = model.version
        rating = np.where(events.counts, events.value, np.float32(np.nan))
        before = np.empty((len(rows), self._shape.state), np.float32)
        place = np.empty(len(rows), np.int32)
        fold.learn_events(
            events.user,
            rows,
            rating,
            users.deep,
            self._now.targets,
            self._now.bias,
            self._steps,
            before,
            place,
        )
        return self._arrays(before, place)

    def _arrays(self, y: NDArray[np.float32], row: NDArray[np.int32]) -> DeepArrays:
        return DeepArrays(
            np.ascontiguousarray(y),
            row,
            self._now.targets,
            self._now.bias,
            float(self.blend.deep),
            self._now.model.output,
        )

    def _outputs(
        self, model: Model, items: Items, users: Users, chosen: NDArray[np.int32]
    ) -> NDArray[np.float32]:
        """Return y of users as they are; one that scores nothing where nothing is known of them."""
        if isinstance(model.network, Mf):
            return _started(model, model.network, users)[chosen]
        if isinstance(model.network, Ncf):
            return model.network.read(users.key[chosen])
        if isinstance(model.network, SasRec):
            mine = users.take(chosen)
            everyone = np.arange(len(mine), dtype=np.int32)
            nothing = np.full(len(mine), -1, np.int32)
            windows = self._windows(items, mine, everyone, nothing, everyone.astype(np.intp))
            y = model.network.read(windows)
            y[mine.history_length == 0] = 0
            return y
        history, gap = as_counted(users)
        newest, index = self._newest_known(items, history[chosen], users.history_length[chosen])
        y = model.network.outputs(users.deep[chosen], index, gap[chosen, newest])
        y[index < 0] = 0
        return y

    def _newest_known(
        self, items: Items, history: NDArray[np.uint64], length: NDArray[np.int32]
    ) -> tuple[NDArray[np.intp], NDArray[np.int32]]:
        """Return place and row of the embeddings of the newest known item of histories.

        The row is -1 where a history has none.

        Parameters
        ----------
        history : uint64[m, H]
        length : int32[m]
        """
        every = np.arange(len(history))
        newest = np.maximum(length.astype(np.intp) - 1, 0)
        index = np.where(length > 0, self._known(items, history[every, newest]), np.int32(-1))
        lacking = np.flatnonzero((index < 0) & (length > 1))
        if len(lacking):  # as a rule few: all of their items are looked up
            width = history.shape[1]
            found = self._known(items, history[lacking].reshape(-1)).reshape(-1, width)
            found[np.arange(width) >= length[lacking, None]] = -1
            last = width - 1 - (found >= 0)[:, ::-1].argmax(axis=1)
            newest[lacking], index[lacking] = last, found[np.arange(len(lacking)), last]
        return newest, index

    def _windows(
        self,
        items: Items,
        users: Users,
        user: NDArray[np.int32],
        item: NDArray[np.int32],
        asked: NDArray[np.intp],
    ) -> NDArray[np.int32]:
        """Return the last items before each asked event, as rows of the embeddings."""
        width = users.history.shape[1]
        keys = as_counted(users)[0].reshape(-1)
        known = self._known(items, keys).reshape(-1, width)
        return last_before(known, users.history_length, user, item, asked, self._shape.length)

    def _refresh(self, network: Recurrent, root: int, items: Items, users: Users) -> None:
        """Compute the states of users anew whom this line of models has not seen."""
        stale = (users.deep_version != root) & (users.history_length > 0)
        chosen = np.flatnonzero(stale)
        if not len(chosen):
            return
        length = np.minimum(users.history_length[chosen], self._shape.length)
        owner = np.repeat(np.arange(len(chosen), dtype=np.int32), length)
        begin = users.history_length[chosen] - length
        at = np.arange(len(owner)) - np.repeat(np.cumsum(length) - length, length)
        at += begin[owner]
        history, gaps = as_counted(users)
        index = self._known(items, history[chosen[owner], at])
        known = index >= 0
        owner, index, gap = owner[known], index[known], gaps[chosen[owner], at][known]
        state = np.zeros((len(chosen), users.deep.shape[1]), np.float32)
        nobody = np.empty(0, np.intp)
        network.advance(state, owner, index, gap, nobody)
        users.deep[chosen] = state
        users.deep_version[chosen] = root

    @property
    def _now(self) -> Placed:
        """Return what is served; asked for only where there is something."""
        if self._placed is None:
            message = "deep model: expected one that serves, got none"
            raise RuntimeError(message)
        return self._placed

    def _follow(self, placed: Placed, items: Items) -> Placed:
        """Give item rows that are new here their embeddings."""
        room, generation = len(items.arrays.keys), items.generation
        if placed.generation != generation or len(placed.targets) != room:
            placed = placed.among(items.keys, room, generation)
        elif len(placed.index) < items.size:
            placed = placed.with_rows(items.keys[len(placed.index) :])
        self._placed = placed
        return placed

    def _known(self, items: Items, keys: NDArray[np.uint64]) -> NDArray[np.int32]:
        """Return the row of the embeddings of every item, -1 for none."""
        return self._indices(items.rows(keys, register=False), keys)

    def _indices(self, rows: NDArray[np.int32], keys: NDArray[np.uint64]) -> NDArray[np.int32]:
        """Return the row of the embeddings of every item, by its row, or by its key without one.

        After a restart users come back at once and items one by one: what a state is made of must
        not depend on which of them are there.
        """
        placed = self._now
        found = np.full(rows.shape, -1, np.int32)
        there = rows >= 0
        found[there] = placed.index[rows[there]]
        absent = np.flatnonzero((rows < 0) & (keys != 0))  # 0 fills what a list does not hold
        if len(absent):
            found[absent] = placed.find(keys[absent])
        return found


def _started(model: Model, network: Mf, users: Users) -> NDArray[np.float32]:
    """Return (U, S) the users' states; where another model made them, as this one begins.

    A user whom the model does not know, or who has rated since it was fitted, keeps what was learnt
    beside a model of its line: what was rated while it was fitted is in there, and nowhere else.
    """
    state = users.deep.copy()
    stale = np.flatnonzero(users.deep_version != model.version)
    found, start = network.start(users.key[stale])
    version = users.deep_version[stale]
    if users.mood.shape[1]:
        newer = network.lacks(users.key[stale], users.mood[stale, -1])
        found &= ~(newer & (version >= model.root) & (version < model.version))
    fresh = found | (version < model.root)
    state[stale[fresh]] = start[fresh]
    return state
