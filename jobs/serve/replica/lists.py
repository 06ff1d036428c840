"""The newest list of every user, as the topic holds it."""

from state.codec.sealed import StateError
from state.topics import recommendation
from state.topics.recommendation import Recommendation


class Lists:
    """Lists by user: the bytes of the topic, decoded when somebody asks."""

    def __init__(self) -> None:
        self._values: dict[bytes, bytes] = {}

    def __len__(self) -> int:
        """Return how many users have one."""
        return len(self._values)

    def take(self, user: bytes, value: bytes | None) -> None:
        """Take a record; None withdraws the user's list."""
        if value is None:
            self._values.pop(user, None)
        else:
            self._values[user] = value

    def get(self, user: str) -> Recommendation | None:
        """Return a user's newest list; None where there is none that can be read."""
        value = self._values.get(user.encode())
        if value is None:
            return None
        try:
            return recommendation.decode(value)
        except StateError:
            return None
