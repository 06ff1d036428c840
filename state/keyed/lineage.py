"""Lineage of a job's state: its name, its topics, its buckets (JSON, format 1).

State holds offsets of topics. Where a topic was made anew, or lies in another cluster, the same
offset is another record, and new events would be taken for old ones. So each operator whose state
holds offsets keeps the ids that Kafka gave the topics, and a restored job compares them first.
"""

import msgspec

from state.codec import json_codec
from state.codec.json_codec import Count
from state.codec.sealed import IncompatibleError, UnknownVersionError

VERSION = 1
ABSENT = "absent"
"""In place of the id of a topic of which the broker says that there is none; never kept."""
_REMEDY = (
    "restore on the cluster, topics and configuration that the state belongs to, or start without"
    " state"
)


class Topic(msgspec.Struct, frozen=True):
    """A topic and which one of that name it is."""

    name: str
    id: str = ""
    """As Kafka writes it; empty where it is not known, or `ABSENT`."""


class Lineage(msgspec.Struct, frozen=True, kw_only=True):
    """A job without state and all jobs that were restored from it."""

    format: int = VERSION
    id: str
    """Run of the first submission, see `state.topics.lease`."""
    since: Count
    """When that was, ms since 1970."""
    job: str
    """The job's name."""
    buckets: Count
    """User buckets."""
    topics: dict[str, Topic]
    """By what `kafka.topics` calls them; those whose offsets the state holds."""

    def following(self, held: "Lineage | None") -> "Lineage":
        """Return what is kept of a job that is submitted now and of the lineage in its state.

        Raises
        ------
        IncompatibleError
            If the state is of other topics, another job or other buckets. A topic of the same name
            whose id is not known, then or now, is taken for the same; one that is not there is
            not the one whose id is known.
        """
        if held is None:
            topics = {role: _as_kept(topic) for role, topic in self.topics.items()}
            return msgspec.structs.replace(self, topics=topics)
        if others := self._differences(held):
            raise IncompatibleError(f"state: {'; '.join(others)}; {_REMEDY}")
        topics = {
            role: kept if kept.id else held.topics.get(role, kept)
            for role, kept in ((role, _as_kept(topic)) for role, topic in self.topics.items())
        }
        return msgspec.structs.replace(held, topics=topics)

    def _differences(self, held: "Lineage") -> list[str]:
        """Return what the state says, and what was found, of all that is not the same."""
        found = []
        if self.job != held.job:
            found.append(f"job.name: expected {held.job}, got {self.job}")
        if self.buckets != held.buckets:
            found.append(f"users.buckets: expected {held.buckets}, got {self.buckets}")
        for role, topic in self.topics.items():
            known = held.topics.get(role, Topic(""))
            if topic.id and known.id and topic.id != known.id:
                it = "no topic" if topic.id == ABSENT else f"one with the id {topic.id}"
                found.append(
                    f"kafka.topics.{role}: expected topic {known.name} with the id {known.id}, got"
                    f" {it} of the name {topic.name}"
                )
            elif known.name and topic.name != known.name:
                found.append(f"kafka.topics.{role}: expected {known.name}, got {topic.name}")
        return found


def _as_kept(topic: Topic) -> Topic:
    return Topic(topic.name) if topic.id == ABSENT else topic


def encode(lineage: Lineage) -> bytes:
    """Return the value kept in state."""
    return msgspec.json.encode(lineage)


def decode(value: bytes) -> Lineage:
    """Read what `encode` wrote.

    Raises
    ------
    StateError
        If it is no lineage, or one of another format.
    """
    lineage = json_codec.decode(value, Lineage, "lineage")
    if lineage.format != VERSION:
        raise UnknownVersionError(
            f"lineage: expected format {VERSION}, got {lineage.format}; run the release that wrote"
            " it, or a newer one"
        )
    return lineage


def to_keep(now: Lineage | None, held: bytes | None) -> bytes | None:
    """Return what is to be kept in place of what is held; None where nothing changes.

    Raises
    ------
    StateError
        See `Lineage.following` and `decode`.
    """
    if now is None:
        return None
    value = encode(now.following(None if held is None else decode(held)))
    return None if value == held else value
