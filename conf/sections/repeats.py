"""`recommend.repeats`: whether an item is recommended again, for all event types or by type.

`exclude`, `allow` or `{after: 30d}`; or a mapping of event types to one of these, in which a type
that is not named excludes. Held as milliseconds by event type, `""` for all others.
"""

from collections.abc import Mapping
from typing import Any

from pydantic_core import core_schema

from conf.section import refusal
from conf.units import DURATIONS, duration, parse, render
from models.users.past import ALWAYS

_LEAST, _MOST = duration("1m"), duration("3650d")
EXPECTED = (
    "`exclude`, `allow`, `{after: 30d}` (1m to 3650d), or one of these by event type"
    " (`{view: allow, purchase: {after: 30d}}`)"
)


def hidden_for(repeats: Mapping[str, int], event_type: str) -> int:
    """Return how long an item is hidden after an event of a type, ms."""
    return repeats.get(event_type, repeats[""])


class Repeats:
    """A pydantic annotation: the forms above, to milliseconds by event type."""

    def validate(self, value: object) -> dict[str, int]:
        """Return the milliseconds by event type.

        Raises
        ------
        PydanticCustomError
            For anything that is none of the forms.
        """
        alone = _one(value)
        if alone is not None:
            return {"": alone}
        if not isinstance(value, dict) or not value:
            raise refusal(EXPECTED)
        found = {"": ALWAYS}
        for name, policy in value.items():
            one = _one(policy)
            if one is None or not isinstance(name, str) or not name:
                raise refusal(EXPECTED)
            found[name] = one
        return found

    def render(self, repeats: Mapping[str, int]) -> Any:
        """Return what YAML would hold."""
        if len(repeats) == 1:
            return _written(repeats[""])
        return {name: _written(ms) for name, ms in repeats.items() if name}

    def __get_pydantic_core_schema__(self, _source: Any, _handler: Any) -> core_schema.CoreSchema:
        """Let pydantic use `validate` for the annotated field."""
        return core_schema.no_info_plain_validator_function(self.validate)


def _one(policy: object) -> int | None:
    """Return the milliseconds of one policy, None if it is none."""
    if policy == "exclude":
        return ALWAYS
    if policy == "allow":
        return 0
    if isinstance(policy, dict) and policy.keys() == {"after"}:
        ms = parse(policy["after"], DURATIONS)
        return ms if ms is not None and _LEAST <= ms <= _MOST else None
    return None


def _written(ms: int) -> Any:
    if ms == 0:
        return "allow"
    return "exclude" if ms == ALWAYS else {"after": render(ms, DURATIONS)}
