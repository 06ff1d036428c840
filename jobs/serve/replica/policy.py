"""The job's rules for events that have no record key yet."""

from dataclasses import replace

from models.params.events import EventPolicy


def unkeyed(policy: EventPolicy) -> EventPolicy:
    """Return a policy that compares neither keys nor buckets: the key is made from the event."""
    return replace(policy, keyed=False, buckets=1)
