"""Records: what a micro-batch tells the outside, as bytes and numbers ready for their topics."""

from dataclasses import dataclass, field
from hashlib import sha256
from itertools import compress
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from models.columns.events import OFFSET_BITS, Events
from models.columns.lists import (
    BY_DEEP,
    BY_EXPLORED,
    BY_FACTORS,
    BY_NEIGHBOURS,
    BY_NEW,
    BY_POPULAR,
    BY_TRANSITION,
    BY_TRENDING,
)
from models.columns.users import Users
from models.items.table import Items
from models.keys import key_of
from operators.learn_users.micro_batch import MicroBatch
from operators.learn_users.stages.decode import Rejected
from operators.learn_users.stages.slate import Slates
from state import record_sizes
from state.events.identity import Identity
from state.examples import Examples
from state.topics import dead_letter, sealed_letter
from state.topics.recommendation import Item, Recommendation, Session, Trigger, encode
from state.topics.sealed_letter import Place, Seal
from state.topics.window import Sums

_HEADER_BYTES = 1_024
"""Longest header of a dead letter; messages are far shorter."""

REASONS = {
    BY_TRANSITION: "transition",
    BY_FACTORS: "factors",
    BY_TRENDING: "trending",
    BY_POPULAR: "popular",
    BY_NEW: "new",
    BY_DEEP: "deep",
    BY_NEIGHBOURS: "neighbours",
    BY_EXPLORED: "explored",
}
"""Words of the reasons; state holds the numbers, so none is ever given another meaning."""


@dataclass(slots=True)
class Triggers:
    """The last accepted event of every recommended user, all arrays of length m."""

    users: NDArray[np.int32]
    """Index into the micro-batch's distinct users."""
    event_ids: list[str]
    identity: NDArray[np.uint64]
    """See `Events.identity`."""
    time: NDArray[np.int64]
    published: NDArray[np.int64]
    at: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    """Which of the events each is."""
    scopes: list[str] = field(default_factory=list)
    """Scopes that the events name; [] where nobody asks."""
    keys: list[int] = field(default_factory=list)
    """What they are known by where their events do not say; [] where these do."""
    again: list[int] = field(default_factory=list)
    """How often their lists were made anew; [] for never."""

    def take(self, kept: NDArray[np.bool_]) -> "Triggers":
        """Return some of them."""
        return Triggers(
            self.users[kept],
            list(compress(self.event_ids, kept)),
            self.identity[kept],
            self.time[kept],
            self.published[kept],
            self.at[kept],
            list(compress(self.scopes, kept)),
            list(compress(self.keys, kept)),
            list(compress(self.again, kept)),
        )


def last_events(events: Events, event_ids: list[str], users: int) -> Triggers:
    """Return every user's last event; users without any are left out."""
    last = np.full(users, -1, np.int64)
    last[events.user] = np.arange(len(events))
    chosen = np.flatnonzero(last >= 0)
    at = last[chosen]
    return Triggers(
        users=chosen.astype(np.int32),
        event_ids=[event_ids[n] for n in at.tolist()],
        identity=events.identity[at],
        time=events.time[at],
        published=events.published[at],
        at=at,
    )


class Recommendations:
    """Writes the value of the `recommendations` topic."""

    def __init__(self, model_version: str, identity: Identity = "event_id") -> None:
        self.model_version = model_version
        self._identity = identity

    def __call__(
        self,
        ids: list[str],
        called: list[str],
        users: Users,
        triggers: Triggers,
        slates: Slates,
        items: Items,
        now_ms: int,
    ) -> list[tuple[bytes, bytes | None]]:
        """Return key and value of one record for every trigger; all arguments share their rows.

        Parameters
        ----------
        ids, called
            What the job calls users, and what it calls them in recommendations.
        """
        recommended = slates.lists
        lists = zip(
            ids,
            called,
            triggers.event_ids,
            trigger_keys(triggers, self._identity),
            triggers.time.tolist(),
            triggers.published.tolist(),
            users.session_start.tolist(),
            users.session_events.tolist(),
            recommended.rows.tolist(),
            np.round(recommended.scores.astype(np.float64), 4).tolist(),
            recommended.reasons.tolist(),
            recommended.sources.tolist(),
            slates.propensities.astype(np.float64).tolist(),
            slates.arms,
            strict=True,
        )
        named = items.ids
        records: list[tuple[bytes, bytes | None]] = []
        for (
            user, name, event_id, key, time, published, start, count, rows, scores, reasons,
            sources, propensities, arm,
        ) in lists:  # fmt: skip
            best = [
                Item(
                    named[row] or "",
                    score,
                    REASONS[reason],
                    named[source] if source >= 0 else None,
                    propensity if propensity < 1 else None,
                )
                for row, score, reason, source, propensity in zip(
                    rows, scores, reasons, sources, propensities, strict=True
                )
                if row >= 0
            ]
            record = Recommendation(
                recommendation_id(user, key),
                name,
                now_ms,
                Trigger(event_id, time, published),
                self.model_version,
                Session(start, count),
                best,
                arm,
            )
            records.append(encode(record))
        return records


def trigger_keys(triggers: Triggers, identity: Identity) -> list[int]:
    """Return what each triggering event is known by: its id, or its identity where ids repeat."""
    if triggers.keys:
        return triggers.keys
    if identity == "event_id":
        return list(map(key_of, triggers.event_ids))
    keys: list[int] = triggers.identity.tolist()
    return keys


def recommendation_id(user: str, key: int) -> str:
    """Return the id of the recommendation that an event of a user triggers: always the same.

    Parameters
    ----------
    user : str
    key : int
        One of `trigger_keys`.
    """
    return id_of(key_of(user), key)


def id_of(user: int, key: int) -> str:
    """Return the id of a recommendation by the key of its user, see `recommendation_id`."""
    return f"{user:016x}{key:016x}"


Letter: TypeAlias = tuple[bytes | None, bytes | None, dict[str, bytes]]
"""Key, value and headers of a dead letter."""


@dataclass(frozen=True, slots=True)
class DeadLetters:
    """Turns rejected records into dead letters: the same bytes, and headers that say why."""

    topic: str
    job_version: str
    max_bytes: int
    max_record_bytes: int
    seal: Seal | None = None
    """Encrypts key and value; None: they stay as they are."""

    def __call__(self, rejected: list[Rejected], batch: MicroBatch) -> list[Letter]:
        """Return key, value and headers.

        A value over `max_bytes` is left out; and so is the larger one of key and value while the
        record would be over `max_record_bytes`. Size and digest of what is left out are stated.
        """
        letters = []
        for record in rejected:
            at = record.position
            value, coordinate = batch.values[at], batch.coordinates[at]
            partition, offset = coordinate >> OFFSET_BITS, coordinate & (1 << OFFSET_BITS) - 1
            headers = {
                "err.code": record.code,
                "err.field": record.field,
                "err.msg": record.message,
                dead_letter.TOPIC: self.topic,
                dead_letter.PARTITION: partition,
                dead_letter.OFFSET: offset,
                "src.timestamp": batch.published[at],
                "job.version": self.job_version,
            }
            encoded = {name: str(text).encode()[:_HEADER_BYTES] for name, text in headers.items()}
            if record.lines:
                encoded["err.line"] = ",".join(map(str, record.lines)).encode()
            place = Place(encoded[dead_letter.TOPIC], partition, offset)
            letters.append(self._fitting(batch.keys[at], value, encoded, place))
        return letters

    def _fitting(
        self, key: bytes | None, value: bytes | None, headers: dict[str, bytes], place: Place
    ) -> Letter:
        if value is not None and len(value) > self.max_bytes:
            headers |= self._statement(dead_letter.VALUE, value)
            value = None
        letter = self._written(key, value, headers, place)
        while record_sizes.record(*letter) > self.max_record_bytes and (key or value):
            if len(key or b"") > len(value or b""):
                headers |= self._statement(dead_letter.KEY, key or b"")
                key = None
            else:
                headers |= self._statement(dead_letter.VALUE, value or b"")
                value = None
            letter = self._written(key, value, headers, place)
        return letter

    def _written(
        self, key: bytes | None, value: bytes | None, headers: dict[str, bytes], place: Place
    ) -> Letter:
        """Return a letter as it is written: encrypted where there is a key for that."""
        if self.seal is None:
            return key, value, headers
        return sealed_letter.sealed(self.seal, key, value, headers, place)

    def _statement(self, name: str, left_out: bytes) -> dict[str, bytes]:
        """Return the headers that stand for bytes which are left out."""
        found = {f"{name}.size": b"%d" % len(left_out)}
        if self.seal is None:
            return found | {f"{name}.sha256": sha256(left_out).hexdigest().encode()}
        return found | {f"{name}.hmac": self.seal.digest(left_out).hex().encode()}


@dataclass(slots=True)
class Outcome:
    """All that leaves the pipeline for one micro-batch."""

    event_time: int = 0
    """Newest accepted event time, ms; 0 without any."""
    recommendations: list[tuple[bytes, bytes | None]] = field(default_factory=list)
    """None takes back what was recommended: the user is forgotten."""
    dead_letters: list[Letter] = field(default_factory=list)
    accepted: list[bytes] = field(default_factory=list)
    """Sealed AcceptedBatches, each small enough for a record; none where nothing was learnt."""
    accounting: list[tuple[bytes, bytes]] = field(default_factory=list)
    metrics: Sums = field(default_factory=Sums)
    examples: Examples | None = None
    """What fine-tune learns from; None where no deep model is wanted or nothing was accepted."""
    trending: list[str] = field(default_factory=list)
    """Ids of a sample of the accepted positive events."""
    feedback: list[tuple[bytes, bytes]] = field(default_factory=list)
    """Key and value of the outcomes of impressions."""
    answers: list[tuple[bytes, bytes]] = field(default_factory=list)
    """Key and value of the answers to commands."""
    orders: list[tuple[bytes, bytes]] = field(default_factory=list)
    """Key and value of commands of the job to itself."""

    @property
    def says_something(self) -> bool:
        """Return whether there are records for a topic, besides those of events."""
        records = (self.recommendations, self.feedback, self.accounting, self.answers, self.orders)
        return any(records)
