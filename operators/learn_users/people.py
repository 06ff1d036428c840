"""People behind names: what the world calls a user whom the job calls by a pseudonym."""

from models.params.names import NameParams
from operators.memory import Memory
from state.keyed.descriptors import name_entry
from state.users.name_seal import NameSeal
from state.users.names import Names, is_pseudonym


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
        self._seal, self._former = (
            None if key is None else NameSeal(key) for key in (params.key, params.former_key)
        )
        self._keeps = self.names.hides and not self.names.outside
        self._ids: dict[str, str] = {}

    def called(self, users: list[str]) -> list[str]:
        """Return what users are called; their ids are known until `forget_ids`."""
        if not self.names.hides:
            return users
        found = list(map(self.names.of, users))
        self._ids.update(zip(found, users, strict=True))
        return found

    def forget_ids(self) -> None:
        """Forget the ids of users whose events are processed."""
        self._ids.clear()

    def outside(self, name: str, memory: Memory) -> str | None:
        """Return what recommendations call a user now; None where nobody can tell any more."""
        return self._id(name, memory) if self._keeps else name

    def every_outside(self, name: str, memory: Memory) -> list[str]:
        """Return what recommendations may call a user, now and since before."""
        if not self.names.hides or not is_pseudonym(name):
            return [name]
        kept, user = memory.get(name_entry(name)), self._id(name, memory)
        of_id = [] if user is None else [user]
        if self._keeps:  # there were no ids where none was kept
            return of_id if of_id and kept is not None else [*of_id, name]
        return [name, *of_id] if kept is not None else [name]

    def enter(self, name: str, memory: Memory, *, new: bool) -> list[str]:
        """Keep the id of a user of whom something else is kept.

        Parameters
        ----------
        new : bool
            Whether nothing was kept before.

        Returns
        -------
        list of str
            What recommendations called the user before, and no longer do.
        """
        if self._seal is None:
            return []
        entry = name_entry(name)
        kept = memory.get(entry)
        if not self._keeps:
            if kept is None:
                return []
            memory.remove(entry)
            user = self._open(name, kept)
            return [] if user is None else [user]
        if name not in self._ids or (kept is not None and self._open(name, kept) is not None):
            return []
        memory.put(entry, self._seal.encrypt(name, self._ids[name]))
        return [] if new or kept is not None else [name]

    def leave(self, name: str, memory: Memory) -> None:
        """Keep the id of a user no longer."""
        if memory.get(name_entry(name)) is not None:
            memory.remove(name_entry(name))

    def _id(self, name: str, memory: Memory) -> str | None:
        """Return the id of a user who is called by a pseudonym; None where nobody can tell."""
        if name not in self._ids:
            kept = memory.get(name_entry(name))
            found = None if kept is None else self._open(name, kept)
            if found is None:
                return None
            self._ids[name] = found
        return self._ids[name]

    def _open(self, name: str, kept: bytes) -> str | None:
        seals = (self._seal, self._former)
        opened = (seal.decrypt(name, kept) for seal in seals if seal is not None)
        return next((user for user in opened if user is not None), None)
