"""A guest becomes a user: the guest's bucket hands over what it holds, the user's takes it.

Between the two it travels in the topic `control`, exactly once, as a command of the job itself. A
guest waits until what was written before the command is learnt: `control` is read in no order with
events, and far ahead of them where a job catches up.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from models.keys import bucket_of, id_in, key_of
from models.users.merge import merge
from operators.learn_users.control.done import Done
from operators.learn_users.micro_batch import Command
from operators.memory import Memory
from state.codec.sealed import StateError
from state.keyed import gates as gates_codec
from state.keyed.descriptors import entry_of
from state.keyed.gates import Gates, Left, Waiting
from state.topics import control
from state.topics.control import Answer, ForgetKeys, HandOver, MergeCommand
from state.users.names import Names, is_pseudonym
from state.users.state import UserState

_QUIET_MS, _LONGEST_MS = 2_000, 1_800_000
"""Processing time without events from before a command, after which a guest is merged; and after
which it is merged whatever comes: a producer whose clock is slow must not hold it up for ever."""
_LEFT_MS = _LONGEST_MS + 600_000
"""Processing time for which a guest's bucket knows with whom the guest was merged: longer than what
was to be merged with the guest before may wait."""
_MOST_WAITING = 1_000
"""Guests of a bucket that wait."""


@dataclass(slots=True)
class _Wait:
    """How long a guest has waited in this worker, processing time, ms."""

    began: int
    last: int
    """When the last event came that was written before the command."""

    def is_over(self, now_ms: int) -> bool:
        return now_ms - self.last >= _QUIET_MS or now_ms - self.began >= _LONGEST_MS


class Merging:
    """Merges guests and users of one worker's buckets.

    Parameters
    ----------
    state : UserState
    names : Names
    buckets : int
        User buckets of the job.
    alone : bool
        Whether there is no fine-tune.
    recommend : bool
        Whether there are recommendations to take back.
    origin : int
        Of what is handed over, see `models.keys.origin_of`.
    session_gap_ms, recompute
        See `models.users.merge.merge`.
    """

    def __init__(
        self,
        state: UserState,
        names: Names,
        *,
        buckets: int,
        alone: bool,
        recommend: bool,
        origin: int,
        session_gap_ms: int,
        recompute: bool,
    ) -> None:
        self._state, self._names, self._buckets = state, names, buckets
        self._alone, self._recommend, self._origin = alone, recommend, origin
        self._session_gap_ms, self._recompute = session_gap_ms, recompute
        self._waits: dict[tuple[bytes, str], _Wait] = {}

    def wait(
        self, bucket: int, gates: Gates, record: Command, command: MergeCommand, now_ms: int
    ) -> None:
        """Let a guest wait for what was written before the command.

        Raises
        ------
        StateError
            For a command that cannot be carried out.
        """
        problem = self._problem(command, bucket, gates)
        if not record.key:  # by which what is handed over is known
            problem = "a key, which is the id of the command, got none; send it again with one"
        if problem:
            message = f"control: expected {problem}"
            raise StateError(message)
        names, route = self._names, ""
        guest = names.of(command.guest)
        if any((one.id, one.guest) == (record.key, guest) for one in gates.merging):
            return
        if names.hides:
            route = id_in(bucket_of(command.user, self._buckets), self._buckets)
        waiting = Waiting(
            record.key or b"",
            guest,
            names.of(command.user),
            min(record.published, now_ms),  # a clock that is fast must not hold it up
            -record.coordinate,
            route,
            names.keys(command.user)[1:],
        )
        gates.merging = [*gates.merging, waiting]
        self._wait_of(waiting, now_ms)

    def note(self, gates: Gates, published: Sequence[int], now_ms: int) -> None:
        """Note when events of a bucket that are learnt now were written."""
        if gates.merging and published:
            oldest = min(published)
            for one in gates.merging:
                if oldest <= one.at:
                    self._wait_of(one, now_ms).last = now_ms

    def hand_over(self, memory: Memory, gates: Gates, now_ms: int) -> Done | None:
        """Take from a bucket the guests who have waited long enough; None while none has."""
        waited = [one for one in gates.merging if self._wait_of(one, now_ms).is_over(now_ms)]
        old = [key for key, one in gates.left.items() if now_ms - one.since >= _LEFT_MS]
        for key in old:
            del gates.left[key]
        if not waited:
            return Done() if old else None
        gates.merging = [one for one in gates.merging if one not in waited]
        done = Done()
        for one in waited:
            self._waits.pop((one.id, one.guest), None)
            self._hand_over(memory, gates, one, now_ms, done)
        return done

    def forget(self, gates: Gates, names: Collection[str], now_ms: int, done: Done) -> None:
        """Merge a guest no more who is forgotten, and answer those who wait for that."""
        dropped = [one for one in gates.merging if one.guest in names]
        gates.merging = [one for one in gates.merging if one.guest not in names]
        for one in dropped:
            self._waits.pop((one.id, one.guest), None)
            told = "the guest was forgotten before it could be merged"
            answer = Answer(control.id_of(one.id), control.MERGE, False, told, now_ms)
            done.answers.append(control.encode(answer))

    def _wait_of(self, one: Waiting, now_ms: int) -> _Wait:
        """Return how long a guest has waited; one of before a restart begins anew."""
        return self._waits.setdefault((one.id, one.guest), _Wait(now_ms, now_ms))

    def is_foreign(self, value: bytes | None) -> bool:
        """Return whether a guest left something to a user of another job."""
        try:
            return control.decode_hand_over(value).origin != self._origin
        except StateError:
            return False

    def take_over(
        self, bucket: int, memory: Memory, gates: Gates, record: Command, done: Done
    ) -> dict[str, Any]:
        """Give a user what a guest has left; return what was done.

        Raises
        ------
        StateError
            If it cannot be read, or is of another model.
        """
        handed, never = control.decode_hand_over(record.value), (-1, -1)
        if bucket_of(handed.route or handed.user, self._buckets) != bucket:
            message = "control: expected what a guest left to a user of the bucket"
            raise StateError(message)
        name, guests = handed.user, [*handed.merged, key_of(handed.guest)]
        keys = [key_of(name), *handed.formers]
        if self._names.hides and not is_pseudonym(name):  # from before users had pseudonyms
            keys, name = [*keys, *self._names.keys(name)], self._names.of(name)
        for left in [gates.left[one] for one in keys if one in gates.left]:
            if (handed.at, handed.order) < (left.at, left.order):  # to a guest who is one no more
                done.orders.append(self._sent_on(handed, left))
                return {"id": handed.id, "sent_on": True}
        guests = [one for one in guests if one not in keys]
        forgotten = any(one in gates.forgotten for one in keys)
        until = max(gates.lifted.get(one, never)[0] for one in keys)
        if forgotten or record.published <= until:
            done.forgotten += guests
            done.orders += self.told_to_forget(handed.id.encode(), guests)
            return {"id": handed.id, "changed": False, "forgotten": True}
        if handed.profile is not None:
            entry = entry_of(name)
            memory.put(entry, self._merged(name, memory.get(entry), handed.profile))
        gates_codec.adopt(gates, key_of(name), guests)
        return {"id": handed.id, "changed": True}

    def rejoin(self, user: str, name: str, memory: Memory, gates: Gates, done: Done) -> bool:
        """Give a user what is kept by former names; return whether there was anything."""
        moved = [
            self._rename(former, name, memory, gates, done) for former in self._names.formers(user)
        ]
        return any(moved)

    def _rename(self, former: str, name: str, memory: Memory, gates: Gates, done: Done) -> bool:
        profile = memory.get(entry_of(former))
        moved = gates_codec.rename(gates, former, name)
        if profile is None:
            return moved
        entry = entry_of(name)
        memory.put(entry, self._merged(name, memory.get(entry), profile))
        memory.remove(entry_of(former))
        gates_codec.adopt(gates, key_of(name), [key_of(former)])
        done.left.append(former)
        return True

    def told_to_forget(self, name: bytes, keys: list[int]) -> list[tuple[bytes, bytes]]:
        """Return the command by which fine-tune forgets guests, where there is a fine-tune."""
        if self._alone or not keys:
            return []
        which = key_of("/".join(map(str, keys)))
        return [control.encode_own(b"%s/forget_keys/%016x" % (name, which), ForgetKeys(keys))]

    def _problem(self, command: MergeCommand, bucket: int, gates: Gates) -> str:
        """Return what is wrong with a command; "" for nothing."""
        if command.guest == command.user:
            return "two users, got one; nothing to merge"
        if bucket_of(command.guest, self._buckets) != bucket:
            return "from and to only, got a user as well; send it again without"
        if not gates.forgotten.keys().isdisjoint(self._names.keys(command.guest)):
            return "a guest who is not forgotten; readmit_user takes events of the guest again"
        if len(gates.merging) >= _MOST_WAITING:
            return f"at most {_MOST_WAITING} guests of a bucket at a time; send it again later"
        return ""

    def _hand_over(
        self, memory: Memory, gates: Gates, one: Waiting, now_ms: int, done: Done
    ) -> None:
        """Hand over what is kept of a guest, and keep nothing."""
        name, key = control.id_of(one.id), key_of(one.guest)
        left = Left(one.user, one.at, one.order, one.route, one.formers, now_ms)
        gates_codec.leave(gates, key, left)
        profile, merged = memory.get(entry_of(one.guest)), gates.merged.pop(key, [])
        if profile is None and not merged:
            told = "nothing is known of the guest"
            answer = Answer(name, control.MERGE, True, told, now_ms, details={"changed": False})
            done.answers.append(control.encode(answer))
            return
        handed = HandOver(
            one.user,
            one.guest,
            name,
            profile,
            merged,
            self._origin,
            one.at,
            one.order,
            one.route,
            one.formers,
        )
        done.orders.append(self._order(one.id, handed))
        done.left.append(one.guest)
        if profile is not None:
            memory.remove(entry_of(one.guest))
        if self._recommend:
            done.taken_back.append(one.guest)

    def _sent_on(self, handed: HandOver, left: Left) -> tuple[bytes, bytes]:
        """Return what a guest has left, for the user whom the one it is for was merged with."""
        moved = msgspec.structs.replace(
            handed,
            user=left.user,
            at=left.at,
            order=left.order,
            route=left.route,
            formers=left.formers,
        )
        return self._order(handed.id.encode(), moved)

    def _order(self, name: bytes, handed: HandOver) -> tuple[bytes, bytes]:
        # an id may be used twice: what a guest leaves is never taken for what another one left
        pair = key_of(f"{handed.guest}\n{handed.user}\n{handed.order}")
        key = b"%s/hand_over/%016x/%016x" % (name, self._origin, pair)
        return control.encode_own(key, handed)

    def _merged(self, user: str, mine: bytes | None, guest: bytes) -> bytes:
        """Return the record of a user who takes that of a guest."""
        if mine is None:
            self._state.decode([guest], [user])  # it may be of another model
            return guest
        pair = self._state.decode([mine, guest], [user, user])
        (value,) = self._state.encode(
            merge(pair, session_gap_ms=self._session_gap_ms, recompute=self._recompute)
        )
        return value
