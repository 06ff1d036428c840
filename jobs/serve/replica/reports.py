"""What the job reports: windows of quality and fates, feedback, fine-tuning, dead letters."""

from collections import Counter, OrderedDict, deque
from typing import Any

import msgspec

from jobs.serve.replica.feedback import FeedbackSums
from state.keyed import feedback_counts
from state.topics import dead_letter
from state.topics.control import Answer

_WINDOWS, _LETTERS, _SHOWN, _ANSWERS = 360, 500, 2_000, 1_000
"""Windows and dead letters kept; bytes shown of a letter's value; answers to commands kept."""
_FEEDBACK = feedback_counts.KEY + b"/"


class Reports:
    """The newest of each."""

    def __init__(self) -> None:
        self._windows: dict[int, dict[str, Any]] = {}
        self.fine_tune: dict[str, Any] | None = None
        self.feedback = FeedbackSums()
        self._answers: OrderedDict[str, Answer] = OrderedDict()
        self._letters: deque[dict[str, Any]] = deque(maxlen=_LETTERS)
        self.by_code: Counter[str] = Counter()
        """Dead letters by code, since the service has been up."""

    def take_metrics(self, key: bytes, value: bytes | None) -> None:
        """Take a record of `recommendation_metrics`."""
        if value is None:
            return
        if key.startswith(_FEEDBACK):
            self.feedback.take(value)
            return
        try:
            found = msgspec.json.decode(value)
        except (msgspec.MsgspecError, ValueError):
            return
        if not isinstance(found, dict):
            return
        if key == b"fine_tune":
            self.fine_tune = found
        elif key.startswith(b"window/") and isinstance(found.get("window_start"), int):
            freshness = found.pop("freshness_ms", None)
            if isinstance(freshness, dict):
                found |= {f"{name}_ms": value for name, value in freshness.items()}
            self._windows[found["window_start"]] = found
            if len(self._windows) > _WINDOWS:
                del self._windows[min(self._windows)]

    def take_letter(
        self, key: bytes | None, value: bytes | None, headers: dict[str, bytes], time: int
    ) -> None:
        """Take a record of `dead_letter`."""
        code = _text(headers.get("err.code"))
        locked = dead_letter.ENCRYPTION in headers
        self.by_code[code] += 1
        self._letters.appendleft(
            {
                "code": code,
                "field": _text(headers.get("err.field")),
                "message": _text(headers.get("err.msg")),
                "timestamp": time,
                "user": None if locked else _text(key),
                "value": None if locked else _text(value),
                "encrypted": _text(headers.get(dead_letter.KEY_ID)) if locked else None,
                "partition": _text(headers.get("src.partition")),
                "offset": _text(headers.get("src.offset")),
            }
        )

    def take_answer(self, key: bytes, value: bytes | None) -> None:
        """Take a record of `control_results`."""
        try:
            found = msgspec.json.decode(value or b"", type=Answer)
        except (msgspec.MsgspecError, ValueError):
            return
        self._answers[_text(key)] = found
        while len(self._answers) > _ANSWERS:
            self._answers.popitem(last=False)

    def answer(self, command: str) -> Answer | None:
        """Return what the job answered to a command, by its id; None where it has not yet."""
        return self._answers.get(command)

    def windows(self, n: int) -> list[dict[str, Any]]:
        """Return the newest windows, in the order of time."""
        starts = sorted(self._windows)[-n:]
        return [self._windows[start] for start in starts]

    def letters(self, n: int) -> list[dict[str, Any]]:
        """Return the newest dead letters, newest first."""
        return list(self._letters)[:n]


def _text(data: bytes | None) -> str:
    return "" if data is None else data[:_SHOWN].decode("utf-8", "backslashreplace")
