"""What came of commands: answers, and what others are told."""

from dataclasses import dataclass, field

from state.topics.switches import Switch


@dataclass(slots=True)
class Done:
    """What came of the commands of a micro-batch."""

    answers: list[tuple[bytes, bytes]] = field(default_factory=list)
    """Key and value for `control_results`."""
    taken_back: list[str] = field(default_factory=list)
    """Users whose recommendations are."""
    nobody: list[str] = field(default_factory=list)
    """What recommendations call nobody any more."""
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
