"""Dead letters back into the input topic: which ones are taken now, and how they are sent."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from models.params.events import EventPolicy
from scripts.tools.kafka.client import KafkaAddress
from scripts.tools.kafka.letters import Letter, shown
from state.events.check import Check
from state.events.codes import Code

REMEMBERED = frozenset({Code.LATE.value, Code.ID_CONFLICT.value, Code.AMBIGUOUS_USER.value})
"""Codes that no configuration explains: what the job remembers of the user decides, or the text
that Flink's SQL found in the record."""
_DEFAULT_BYTES = 1_000_000
_ROOM = 1 << 10
"""Bytes of a record besides key and value."""
_SECONDS = 60
SENT, REFUSED, IGNORED = "sent", "refused", "ignored"
HELD_BACK, FOREIGN = "held_back", "foreign"
WITHOUT_VALUE, WITHOUT_KEY, FAILED = "without_value", "without_key", "failed"
LOCKED = "locked"
_REASONS, _OTHERS = 100, "others"
"""Most reasons that are told apart: ids of keys are what anybody may have written."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to become of a letter."""

    kind: str
    """`sent`, or why it is not."""
    code: str = ""
    """Of the check that it fails by the configuration of now, or failed then; why it is locked."""


class Judge:
    """Says which letters the job takes by the configuration of now.

    Parameters
    ----------
    policy : EventPolicy
        Of that configuration.
    topic : str
        The job's input topic.
    named : collection of str
        Codes that were asked for by name.
    everything : bool
        Whether letters are sent that would be refused again.
    """

    def __init__(
        self,
        policy: EventPolicy,
        topic: str,
        named: Collection[str] = (),
        *,
        everything: bool = False,
    ) -> None:
        # the bucket of a record without a key is found by Flink's SQL, which is not here
        self._check = Check(replace(policy, buckets=1), {})
        self._users = Check(replace(policy, buckets=1, keyed=False), {})
        self._keyed = policy.keyed
        self._topic = topic
        self._held_back = REMEMBERED - set(named)
        self._everything = everything

    def __call__(
        self, letters: Sequence[Letter], now_ms: int, *, repaired: bool = False
    ) -> list[Verdict]:
        """Return the verdict on each letter.

        Parameters
        ----------
        now_ms
            Event times may be as far ahead of it as of the job's clock.
        repaired
            Whether the values are not those that were refused.
        """
        checked = self._checked(letters, now_ms)
        return [
            self._of(letter, verdict, repaired=repaired)
            for letter, verdict in zip(letters, checked, strict=True)
        ]

    def keyed_by_user(self, letter: Letter, now_ms: int) -> Letter:
        """Return a repaired letter with its user's id for the key where that was the fault.

        A record without a key stays one. The key stays as well where it was not compared, and
        where the value still names no user.
        """
        if letter.locked:  # what its key was is not known
            return letter
        was_left_out = letter.has("src.key.size")
        if not was_left_out and (letter.key is None or letter.field != "user_id"):
            return letter
        if not was_left_out and not self._keyed:
            return letter
        users = self._users([letter.value], [None], 0, now_ms).columns.user_ids
        if not users:
            return letter
        key = msgspec.json.encode(users[0]) if self._keyed == "json" else users[0].encode()
        kept = tuple(one for one in letter.headers if not one[0].startswith("src.key."))
        return replace(letter, key=key, headers=kept)

    def _checked(self, letters: Sequence[Letter], now_ms: int) -> list[Verdict]:
        found = self._check(
            [letter.value for letter in letters], [letter.key for letter in letters], 0, now_ms
        )
        verdicts = [Verdict(SENT)] * len(letters)
        for rejected in found.rejected:
            verdicts[rejected.position] = Verdict(REFUSED, rejected.code)
        for ignored in found.ignored:
            verdicts[ignored.position] = Verdict(IGNORED)
        return verdicts

    def _of(self, letter: Letter, checked: Verdict, *, repaired: bool) -> Verdict:
        incomplete = _incomplete(letter)
        if incomplete is not None:
            return incomplete
        if self._everything:
            return Verdict(SENT)
        if not letter.code or letter.header("src.topic") != shown(self._topic):
            return Verdict(FOREIGN)
        if letter.code in self._held_back and not repaired:
            return Verdict(HELD_BACK, letter.code)
        return checked


def _incomplete(letter: Letter) -> Verdict | None:
    """Return why a letter cannot be sent, whatever is asked for; None where it can."""
    if letter.locked:
        return Verdict(LOCKED, letter.locked)
    if letter.value is None:  # a null would be another record than the one that was refused
        return Verdict(WITHOUT_VALUE)
    return Verdict(WITHOUT_KEY) if letter.has("src.key.size") else None


@dataclass
class Outcome:
    """What became of the letters of a replay: each is counted once."""

    letters: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    """By the code of now."""
    held_back: Counter[str] = field(default_factory=Counter)
    """By the letter's code."""
    locked: Counter[str] = field(default_factory=Counter)
    """By what keeps an encrypted letter from being read."""
    failures: Counter[str] = field(default_factory=Counter)
    """By what the broker said."""

    def note(self, verdict: Verdict) -> None:
        """Count a letter that is not sent, or one of a dry run."""
        self.letters += 1
        self.kinds[verdict.kind] += 1
        if verdict.kind == REFUSED:
            self.refused[verdict.code] += 1
        if verdict.kind == HELD_BACK:
            self.held_back[verdict.code] += 1
        if verdict.kind == LOCKED:
            known = verdict.code in self.locked or len(self.locked) < _REASONS
            self.locked[verdict.code if known else _OTHERS] += 1

    def failed(self, reason: str, count: int = 1) -> None:
        """Count letters that no broker has taken."""
        self.letters += count
        self.kinds[FAILED] += count
        self.failures[reason] += count

    @property
    def complete(self) -> bool:
        """Whether there were letters, and all of them are sent."""
        return 0 < self.letters == self.kinds[SENT]

    def figures(self) -> dict[str, Any]:
        """Return the counts by name."""
        return {
            "letters": self.letters,
            SENT: self.kinds[SENT],
            REFUSED: self.kinds[REFUSED],
            "refused_by_code": dict(sorted(self.refused.items())),
            HELD_BACK: self.kinds[HELD_BACK],
            "held_back_by_code": dict(sorted(self.held_back.items())),
            **{kind: self.kinds[kind] for kind in (IGNORED, FOREIGN, WITHOUT_VALUE, WITHOUT_KEY)},
            LOCKED: self.kinds[LOCKED],
            "locked_by_reason": dict(sorted(self.locked.items())),
            FAILED: self.kinds[FAILED],
            "failures": dict(sorted(self.failures.items())),
        }


class Sender:
    """Sends letters to the input topic and notes what the broker has taken.

    Parameters
    ----------
    topic : str
        Where to.
    largest : int
        Bytes of the largest letter there can be.
    """

    def __init__(self, address: KafkaAddress, topic: str, largest: int, outcome: Outcome) -> None:
        self._topic, self._outcome = topic, outcome
        settings = {
            "enable.idempotence": True,
            "partitioner": "murmur2_random",  # where the Java client would put the key
            "linger.ms": 10,
            "compression.type": "lz4",
            "message.max.bytes": max(largest + _ROOM, _DEFAULT_BYTES),
            "message.timeout.ms": 1000 * _SECONDS,
        }
        self._producer = Producer(address.client(settings))

    def send(self, letter: Letter) -> None:
        """Hand one over; the outcome is noted once the broker has answered."""
        headers: list[tuple[str, str | bytes | None]] = [
            ("replayed.partition", b"%d" % letter.partition),
            ("replayed.offset", b"%d" % letter.offset),
        ]
        while True:
            try:
                self._producer.produce(
                    self._topic,
                    value=letter.value,
                    key=letter.key,
                    headers=headers,
                    on_delivery=self._note,
                )
                break
            except BufferError:  # as many wait as may
                self._producer.poll(0.05)
            except KafkaException as error:
                self._outcome.failed(_reason(error.args[0]))
                break
        self._producer.poll(0)

    def close(self) -> None:
        """Wait until the broker has answered for every letter."""
        left = self._producer.flush(_SECONDS + 10)
        if left:
            self._outcome.failed("no answer", left)

    def _note(self, error: KafkaError | None, _message: Message) -> None:
        if error is None:
            self._outcome.note(Verdict(SENT))
        else:
            self._outcome.failed(_reason(error))


def _reason(error: Any) -> str:
    return str(error.str() if hasattr(error, "str") else error)
