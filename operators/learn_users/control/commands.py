"""Commands about users: each has a handler, is carried out once and answered once."""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any
from zlib import crc32

import xxhash

from models.keys import bucket_of, key_of
from operators.learn_users.control.done import Done
from operators.learn_users.control.merging import Merging
from operators.learn_users.micro_batch import Command
from operators.learn_users.people import People
from operators.memory import Memory
from state.codec.sealed import StateError
from state.keyed import gates as codec
from state.keyed.descriptors import GATES_ENTRY, entry_of, feedback_entry
from state.keyed.gates import Gates
from state.topics import control
from state.topics.control import Answer
from state.topics.switches import BLOCKED, PAUSED, SETTING, Switch
from state.users import feedback as feedback_codec

_NEVER = -1
_REMEMBERED, _TAKEN = 256, 4_096
"""Command ids that a bucket remembers, and names of what guests have left."""
_Handler = Callable[[list[str], Memory, Gates, int, Done], dict[str, Any]]
"""Takes what a user is called, now and before, and when the command was written, ms."""
_KEPT_ELSEWHERE = (
    "user_behavior, dead_letter, feedback, model_updates and earlier values of recommendations hold"
    " the user until their retention is over or they are compacted, so does control, which holds"
    " this command and what merged guests left; checkpoints and savepoints of before until they are"
    " deleted; models that were trained before hold no record of a user"
)


class Control:
    """Carries out commands about the users of one worker's buckets.

    Parameters
    ----------
    buckets : int
        User buckets of the job.
    alone : bool
        Whether nobody else answers commands: then those of a deep model are refused here.
    recommend : bool
        Whether there are recommendations to take back.
    origin : int
        Of what others are told, see `models.keys.origin_of`.
    check : function
        Refuses to set a key to a value by a ValueError.
    people : People
    merging : Merging
    """

    def __init__(
        self,
        *,
        buckets: int,
        alone: bool,
        recommend: bool,
        origin: int,
        check: Callable[[str, Any], None],
        people: People,
        merging: Merging,
    ) -> None:
        self._people = people
        self._origin, self._check, self._merging = origin, check, merging
        self._buckets, self._alone, self._recommend = buckets, alone, recommend
        self._gates: dict[int, Gates] = {}
        self._handlers: dict[str, _Handler] = {
            "forget_user": self._forget,
            "readmit_user": self._readmit,
            "block_user": self._block,
            "unblock_user": self._unblock,
        }

    def gates(self, bucket: int, memory: Memory) -> Gates:
        """Return which users of a bucket are forgotten or blocked."""
        if bucket not in self._gates:
            kept, names = memory.get(GATES_ENTRY), self._people.names
            found = codec.decode(kept)
            if kept is not None and not names.knows(found.made_by):
                message = (
                    "gates of a user bucket: expected users who are called by"
                    " privacy.pseudonym_key or privacy.former_pseudonym_key, got others: nobody"
                    " would know who is forgotten; set the former key"
                )
                raise StateError(message)
            self._gates[bucket] = found
            if found.made_by != names.made_by:
                found.made_by = names.made_by
                if kept is not None:
                    memory.put(GATES_ENTRY, codec.encode(found))
        return self._gates[bucket]

    def evict(self, bucket: int, memory: Memory, names: Iterable[str]) -> None:
        """Keep no longer whom users have taken over who are evicted."""
        gates = self.gates(bucket, memory)
        if any([gates.merged.pop(key_of(name), None) for name in names]):  # noqa: C419
            memory.put(GATES_ENTRY, codec.encode(gates))

    def carry_out(
        self,
        bucket: int,
        memory: Memory,
        commands: list[Command],
        now_ms: int,
    ) -> Done:
        """Carry out commands in their order, and answer each.

        Parameters
        ----------
        commands
            Records of `control`; their keys are the ids.
        """
        gates, done = self.gates(bucket, memory), Done()
        for command in commands:
            self._take(bucket, memory, gates, command, now_ms, done)
        memory.put(GATES_ENTRY, codec.encode(gates))
        return done

    def rejoin(
        self, bucket: int, memory: Memory, users: Iterable[str], names: Iterable[str]
    ) -> Done:
        """Give users, by what they are called now, what is kept by what they were before."""
        gates, done = self.gates(bucket, memory), Done()
        moved = [
            self._call(user, name, memory, gates, done)
            for user, name in zip(users, names, strict=True)
        ]
        if any(moved):
            memory.put(GATES_ENTRY, codec.encode(gates))
        return done

    def _call(self, user: str, name: str, memory: Memory, gates: Gates, done: Done) -> bool:
        """Call a user by the name of now; return whether something was kept by one of before."""
        count = len(done.left)
        moved = self._merging.rejoin(user, name, memory, gates, done)
        formers = done.left[count:]
        if not formers:
            return moved
        outside = self._people.outside(name, memory)
        for former in formers if self._recommend else ():
            called = self._people.every_outside(former, memory)
            done.nobody += [one for one in called if one != outside]
        self._people.enter(name, memory, new=True)
        return moved

    def hand_over(self, bucket: int, memory: Memory, now_ms: int) -> Done:
        """Take from a bucket the guests who have waited long enough to be merged."""
        gates = self.gates(bucket, memory)
        done = self._merging.hand_over(memory, gates, now_ms)
        if done is None:
            return Done()
        memory.put(GATES_ENTRY, codec.encode(gates))
        return done

    def _take(  # a command and where it goes
        self,
        bucket: int,
        memory: Memory,
        gates: Gates,
        record: Command,
        now_ms: int,
        done: Done,
    ) -> None:
        key, value = record.key, record.value
        name, kind = control.id_of(key), control.kind_of(value)
        if kind == control.FORGET_KEYS:
            return
        if kind == control.HAND_OVER and self._merging.is_foreign(value):
            return
        mine = kind in self._handlers or control.is_of_learn_users(value)
        if not mine and not self._alone:
            return  # fine-tune's, which answers what nobody knows as well
        known, said = xxhash.xxh3_64_intdigest(key or b""), crc32(value or b"")
        before = dict(gates.commands).get(known) if key else None
        if before == said or known in gates.taken:
            return  # what a guest leaves may be made again, out of what is read again
        details: dict[str, Any] = {}
        try:
            if before is not None:
                raise StateError(f"control: expected an id of its own, got {name} a second time")
            details = self._carry_out(kind, bucket, memory, gates, record, now_ms, done)
            ok, told = True, _TOLD[kind]
        except (ValueError, RecursionError) as error:  # StateError is one of the former
            ok, told = False, str(error)[:1000]
        if mine:
            _note(gates, kind, key, known, said)
        if ok and (kind == control.MERGE or "sent_on" in details):
            return  # answered once it is done
        if ok and kind == control.HAND_OVER:
            name, kind = details.pop("id"), control.MERGE
        # what is no command may be as long as a record: the answer must fit into one
        known_kind = kind if mine else ""
        answer = Answer(name, known_kind, ok, told, now_ms, details=details)
        done.answers.append(control.encode(answer))

    def _carry_out(  # a command and where it goes
        self,
        kind: str,
        bucket: int,
        memory: Memory,
        gates: Gates,
        record: Command,
        now_ms: int,
        done: Done,
    ) -> dict[str, Any]:
        """Carry out a command; return the details of its answer."""
        if kind in control.JOB_COMMANDS:
            name, wanted = self._switch(kind, record.value)
            # a clock that is fast must not keep out whatever is switched after it
            at, order = min(record.published, now_ms), -record.coordinate
            done.switches.append(Switch(self._origin, name, wanted, at, order))
            return {}
        if kind == control.MERGE:
            merge = control.decode_merge(record.value)
            (guest,) = self._people.called([merge.guest])
            self._call(merge.guest, guest, memory, gates, done)
            self._merging.wait(bucket, gates, record, merge, now_ms)
            return {}
        if kind == control.HAND_OVER:
            return self._merging.take_over(bucket, memory, gates, record, done)
        command = control.decode_user(record.value)
        if bucket_of(command.user, self._buckets) != bucket:
            message = "control: expected one user, got a record that names two"
            raise StateError(f"{message}; send it again with one")
        (name,) = self._people.called([command.user])
        if kind != "forget_user":  # which is carried out whatever state the record is in
            self._call(command.user, name, memory, gates, done)
        names = self._people.names.every(command.user)
        details = self._handlers[kind](names, memory, gates, record.published, done)
        if kind == "forget_user":
            self._merging.forget(gates, names, now_ms, done)
        return details

    @property
    def merging(self) -> Merging:
        """Return what merges guests and users."""
        return self._merging

    def _switch(self, kind: str, value: bytes | None) -> tuple[str, Any]:
        """Return name and value of the switch that a command means."""
        if kind in control.ITEM_COMMANDS:
            return BLOCKED + control.decode_item(value).item, kind == "block_item"
        command = control.decode_job(value)
        if kind != "set":
            return PAUSED, kind == "pause_learning"
        self._check(command.key, command.value)
        return SETTING + command.key, command.value

    def _forget(
        self, names: list[str], memory: Memory, gates: Gates, at: int, done: Done
    ) -> dict[str, Any]:
        removed = Counter[str]()
        for name in names:
            found = self._remove(name, memory, done)
            removed.update(found)
            if self._recommend and (name == names[0] or found["profile"]):
                done.taken_back.append(name)
        guests, keys = list[int](), [key_of(name) for name in names]
        for key in keys:
            since, readmitted = gates.lifted.get(key, (_NEVER, _NEVER))
            if at <= readmitted:  # written before, and read after
                gates.lifted[key] = max(at, since), readmitted
            else:
                gates.forgotten[key] = max(at, gates.forgotten.get(key, at))
            guests += gates.merged.pop(key, [])
        done.forgotten += [*keys, *guests]
        done.orders += self._merging.told_to_forget(b"%016x/%d" % (keys[0], at), guests)
        before = any(key in gates.left for key in keys)
        return {
            "removed": dict(removed),
            **({"merged_before": True} if before else {}),
            "told": "all workers and learn-items: sequences; fine-tune: events it trains from",
            "leaves_checkpoints": "with the next checkpoint; savepoints are yours to delete",
            "kept_elsewhere": _KEPT_ELSEWHERE,
        }

    def _remove(self, name: str, memory: Memory, done: Done) -> dict[str, int]:
        """Remove what is kept of a user by a name; return the bytes of it."""
        waiting = len(feedback_codec.decode(memory.get(feedback_entry(name))).pending)
        done.waiting += waiting
        done.left.append(name)
        return {
            "profile": _remove(memory, entry_of(name)),
            "feedback": _remove(memory, feedback_entry(name)),
            "waiting_impressions": waiting,
        }

    def _readmit(
        self, names: list[str], _: Memory, gates: Gates, at: int, __: Done
    ) -> dict[str, Any]:
        changed = [_lift(gates, key_of(name), at) for name in names]
        return {"changed": any(changed)}

    def _block(
        self, names: list[str], _: Memory, gates: Gates, at: int, __: Done
    ) -> dict[str, Any]:
        keys = {key_of(name) for name in names}
        changed = gates.blocked.keys().isdisjoint(keys)
        gates.blocked.setdefault(key_of(names[0]), at)
        return {"changed": changed}

    def _unblock(
        self, names: list[str], _: Memory, gates: Gates, __: int, ___: Done
    ) -> dict[str, Any]:
        found = [gates.blocked.pop(key_of(name), None) for name in names]
        return {"changed": any(one is not None for one in found)}


_TOLD = {
    "merge_user": "the user has what was kept of the guest",
    "hand_over": "the user has what was kept of the guest",
    "forget_user": "the user is forgotten; later events are not taken until readmit_user",
    "readmit_user": "events of the user are taken from now on",
    "block_user": "the user is served, and teaches nobody",
    "unblock_user": "the user teaches from now on",
    "block_item": "all workers are told: the item leaves all new lists",
    "unblock_item": "all workers are told: the item may be recommended",
    "pause_learning": "all workers are told: events are taken and answered, and teach nobody",
    "resume": "all workers are told: events teach from now on",
    "set": "all workers are told; it holds until it is set to null, also after restarts",
}


def _note(gates: Gates, kind: str, key: bytes | None, known: int, said: int) -> None:
    """Remember a command by hashes of its id and its content."""
    if kind == control.HAND_OVER:
        gates.taken = [*gates.taken, known][-_TAKEN:]
    elif key and known not in dict(gates.commands):
        gates.commands = [*gates.commands, (known, said)][-_REMEMBERED:]


def _lift(gates: Gates, key: int, at: int) -> bool:
    """Take events by a key again; return whether they were not taken."""
    since, _ = gates.lifted.get(key, (_NEVER, _NEVER))
    forgotten = gates.forgotten.get(key)
    if forgotten is not None and at < forgotten:  # written before, and read after
        return False
    gates.forgotten.pop(key, None)
    gates.lifted[key] = max(since, forgotten or _NEVER), at
    return forgotten is not None


def _remove(memory: Memory, entry: str) -> int:
    """Remove an entry; return how many bytes it had."""
    value = memory.get(entry)
    if value is None:
        return 0
    memory.remove(entry)
    return len(value)
