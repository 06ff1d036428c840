"""Recommend: who is answered by a list, and the records of these lists."""

from collections.abc import Callable, Sequence
from itertools import compress

import numpy as np
from numpy.typing import NDArray

from models.columns.events import Events
from models.columns.users import Users
from operators.learn_users.feedback.stage import FeedbackStage
from operators.learn_users.stages.learn import Learn
from operators.learn_users.stages.records import (
    Recommendations,
    Triggers,
    last_events,
    trigger_keys,
)
from operators.learn_users.stages.slate import Slate
from operators.learn_users.stages.standing import Standing
from operators.memory import Memory
from state.events.fields import Event, scope_of
from state.events.identity import Identity
from state.keyed.descriptors import entry_of
from state.users.state import UserState

Record = tuple[bytes, bytes | None]


class Recommend:
    """Answers users of one worker.

    Parameters
    ----------
    learn : Learn
    slate : Slate
    feedback : FeedbackStage, optional
        Remembers lists, so that what was shown can be joined with what users do.
    model : str
        Version of the online model.
    identity : Identity
        What an event is known by.
    outside : function
        Says what a user is called in recommendations.
    k : int
        Items of a list.
    """

    def __init__(
        self,
        learn: Learn,
        slate: Slate,
        feedback: FeedbackStage | None,
        model: str,
        identity: Identity,
        outside: Callable[[str, Memory], str | None],
        k: int,
    ) -> None:
        self._learn, self._slate, self._feedback = learn, slate, feedback
        self._online, self._identity, self._outside = model, identity, outside
        self._records = Recommendations(model, identity)
        self.standing = Standing(k)

    def serve(self, model: str) -> None:
        """Name the deep model that recommendations are made with; "" for none."""
        self._records.model_version = self._online + model

    def triggers(
        self,
        events: Events,
        event_ids: list[str],
        sources: Sequence[Event],
        code: NDArray[np.intp],
        users: int,
    ) -> Triggers:
        """Return what is answered by a list: that one was shown is no reason for another one.

        Parameters
        ----------
        event_ids, sources, code
            (n,) of the events: ids, what was read, and numbers of their types in the policy.
        users : int
            Distinct users of the events.
        """
        if self._feedback is not None:
            shown = self._feedback.is_impression(code)
            if shown.any():
                events, event_ids = events.take(~shown), list(compress(event_ids, ~shown))
                sources = list(compress(sources, ~shown))
        triggers = last_events(events, event_ids, users)
        if self._slate.scoped:
            triggers.scopes = [scope_of(sources[n]) for n in triggers.at.tolist()]
        return triggers

    def anew(self, bucket: int, state: UserState, memory: Memory, now_ms: int) -> list[Record]:
        """Return lists in place of those that hold what may not be listed any more."""
        items = self._learn.items
        if items.gone:
            self.standing.look(items.gone)
            items.gone.clear()
        if not self.standing.waits(bucket):
            return []
        names, triggers = self.standing.take(bucket, items)
        stored = [memory.get(entry_of(name)) for name in names]
        kept = [
            value is not None and self._outside(name, memory) is not None
            for name, value in zip(names, stored, strict=True)
        ]
        names = list(compress(names, kept))  # nobody who was forgotten meanwhile
        if not names:
            return []
        triggers = triggers.take(np.array(kept, np.bool_))
        triggers.users = np.arange(len(names), dtype=np.int32)
        users = state.decode(list(compress(stored, kept)), names)
        return self(names, users, triggers, memory, bucket, now_ms)

    def __call__(
        self,
        names: Sequence[str],
        users: Users,
        triggers: Triggers,
        memory: Memory,
        bucket: int,
        now_ms: int,
        *,
        keep: bool = True,
    ) -> list[Record]:
        """Return key and value of a record for every trigger.

        Parameters
        ----------
        names, users
            (U,) what the triggers point into.
        keep : bool
            Whether the lists may be remembered with their users.
        """
        everyone = len(triggers.users) == len(users)
        chosen = users if everyone else users.take(triggers.users)
        mine = [names[u] for u in triggers.users.tolist()]
        keys = trigger_keys(triggers, self._identity)
        feedback = self._feedback if keep else None
        ignored: list[dict[int, float]] = [{} for _ in mine]
        if feedback is not None:
            ignored = feedback.ignored(memory, mine, chosen.session_last.tolist())
        slates = self._slate(self._learn, chosen, mine, keys, ignored, triggers.scopes)
        items = self._learn.items
        if keep:
            self.standing.note(bucket, mine, triggers, keys, slates.named(items))
        if feedback is not None:
            feedback.serve(memory, mine, keys, slates, items, self._records.model_version)
        called = [self._outside(name, memory) or "" for name in mine]
        return self._records(mine, called, chosen, triggers, slates, items, now_ms)
