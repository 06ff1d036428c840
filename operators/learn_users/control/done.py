"""What came of commands: answers, and what others are told."""

from dataclasses import dataclass, field

from state.topics.switches import Switch


@dataclass(slots=True)
class Done:
    """What came of the commands of a micro-batch."""

    answers: list[tuple[bytes, bytes]] = field(default_factory=list)
    """Key and value for `control_results`."""
    recommendations: list[tuple[bytes, bytes | None]] = field(default_factory=list)
    forgotten: list[int] = field(default_factory=list)
    """Keys of users whom other workers must forget, too."""
    waiting: int = 0
    """Impressions that waited and are gone with their users."""
    switches: list[Switch] = field(default_factory=list)
    """What all workers must be told."""
    orders: list[tuple[bytes, bytes]] = field(default_factory=list)
    """Key and value of commands of the job itself, for `control`."""
    left: list[str] = field(default_factory=list)
    """Guests who are merged: what waits for their actions is decided now."""
