"""The base of every section of the configuration."""

from collections.abc import Iterable
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict
from pydantic_core import PydanticCustomError


class Section(BaseModel):
    """Typed, frozen, and closed: a key that is not declared is an error, never ignored.

    Types are strict, so that `"5"` is not 5 and `yes` is not a number.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


@dataclass(frozen=True)
class Problem:
    """One thing wrong with a configuration."""

    key: str
    """Dotted path from the root."""
    expected: str
    got: str | None = None
    hint: str | None = None

    def text(self, origin: str) -> str:
        """Return the line a person reads; `origin` is where the key was set."""
        got = "" if self.got is None else f", got {self.got}"
        hint = "" if self.hint is None else f"; {self.hint}"
        return f"{origin}: {self.key}: expected {self.expected}{got}{hint}"


def refusal(expected: str) -> PydanticCustomError:
    """Return the error of one value, told in words that go on after "expected"."""
    kind = "expected"
    return PydanticCustomError(kind, "{words}", {"words": expected})


def refuse(problems: Iterable[Problem]) -> None:
    """Raise the problems found by one validator, their keys relative to its field, all at once.

    Raises
    ------
    PydanticCustomError
        When there is a problem; the loader unfolds it.
    """
    found = list(problems)
    if found:
        kind = "problems"
        raise PydanticCustomError(kind, "several problems", {"problems": found})
