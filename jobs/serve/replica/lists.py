"""The newest list of every user, as the topic holds it."""

from state.codec.sealed import StateError
from state.topics import recommendation
from state.topics.recommendation import Recommendation
from state.users.names import Names


class Lists:
    """Lists by user: the bytes of the topic, decoded when somebody asks.

    Parameters
    ----------
    names : Names
    """

    def __init__(self, names: Names) -> None:
        self._names = names
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

    def called(self, user: str) -> list[str]:
        """Return what lists may call a user."""
        names = self._names
        return [names.of(user), *names.formers(user)] if names.outside else [user]

    def get(self, user: str) -> Recommendation | None:
        """Return a user's newest list; None where there is none that can be read."""
        called = map(str.encode, self.called(user))
        value = next((self._values[name] for name in called if name in self._values), None)
        if value is None:
            return None
        try:
            return recommendation.decode(value)
        except StateError:
            return None
