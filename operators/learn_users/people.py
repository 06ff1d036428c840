"""People behind names: what the world calls a user whom the job calls by a pseudonym."""

from models.params.names import NameParams
from operators.memory import Memory
from state.keyed.descriptors import name_entry
from state.users.name_seal import NameSeal
from state.users.names import Names


class People:
    """Knows the ids of users while their events are processed, and keeps them encrypted.

    Recommendations are taken back from users long after their last event, by their ids. Where
    recommendations name pseudonyms, or users have none, nothing is kept.

    Parameters
    ----------
    params : NameParams
    """

    def __init__(self, params: NameParams) -> None:
        self.names = Names(params)
        self._seal = None if params.key is None else NameSeal(params.key)
        self._keeps = self.names.hides and not self.names.outside
        self._ids: dict[str, str] = {}

    def called(self, users: list[str]) -> list[str]:
        """Return what users are called; their ids are known until `forget_ids`."""
        if not self.names.hides:
            return users
        found = list(map(self.names.of, users))
        if self._keeps:
            self._ids.update(zip(found, users, strict=True))
        return found

    def forget_ids(self) -> None:
        """Forget the ids of users whose events are processed."""
        self._ids.clear()

    def outside(self, name: str, memory: Memory) -> str | None:
        """Return what recommendations call a user; None where nobody can tell any more."""
        if not self._keeps:
            return name
        if name in self._ids:
            return self._ids[name]
        kept = memory.get(name_entry(name))
        found = None if kept is None else self._open(name, kept)
        if found is not None:
            self._ids[name] = found
        return found

    def enter(self, name: str, memory: Memory) -> str | None:
        """Keep the id of a user of whom something else is kept.

        Returns
        -------
        str or None
            An id that recommendations named before, and no longer do.
        """
        if self._seal is None:
            return None
        entry = name_entry(name)
        kept = memory.get(entry)
        if not self._keeps:
            if kept is None:
                return None
            memory.remove(entry)
            return self._open(name, kept)
        if name in self._ids and (kept is None or self._open(name, kept) is None):
            memory.put(entry, self._seal.encrypt(name, self._ids[name]))
        return None

    def leave(self, name: str, memory: Memory) -> None:
        """Keep the id of a user no longer."""
        if memory.get(name_entry(name)) is not None:
            memory.remove(name_entry(name))

    def _open(self, name: str, kept: bytes) -> str | None:
        return None if self._seal is None else self._seal.decrypt(name, kept)
