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
from operators.memory import Memory
from state.events.fields import Event, scope_of
from state.events.identity import Identity

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
    """

    def __init__(
        self,
        learn: Learn,
        slate: Slate,
        feedback: FeedbackStage | None,
        model: str,
        identity: Identity,
        outside: Callable[[str, Memory], str | None],
    ) -> None:
        self._learn, self._slate, self._feedback = learn, slate, feedback
        self._online, self._identity, self._outside = model, identity, outside
        self._records = Recommendations(model, identity)

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

    def __call__(
        self,
        names: Sequence[str],
        users: Users,
        triggers: Triggers,
        memory: Memory,
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
        if feedback is not None:
            feedback.serve(memory, mine, keys, slates, items, self._records.model_version)
        called = [self._outside(name, memory) or "" for name in mine]
        return self._records(mine, called, chosen, triggers, slates, items, now_ms)
