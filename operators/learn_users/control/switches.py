"""Switches: what operators have changed for all users and items, as one worker knows it."""

import logging
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from models.items.table import Items
from models.keys import key_of
from models.params.slate import SlateParams
from operators.learn_users.stages.slate import Slate
from state.topics.switches import BLOCKED, PAUSED, SETTING, Switch

_LOG = logging.getLogger(__name__)
_MOST_BYTES = 16 << 10
SlateOf = Callable[[Mapping[str, Any]], SlateParams]
"""Takes values by keys of the configuration, over those of the file; ValueError with what is wrong.
"""


class Switches:
    """Obeys switches.

    Parameters
    ----------
    slate : Slate
    items : Items
    slate_of : function, optional
        Without, nothing can be set.
    """

    def __init__(self, slate: Slate, items: Items, slate_of: SlateOf | None) -> None:
        self._slate, self._items, self._slate_of = slate, items, slate_of
        self._newest: dict[str, Switch] = {}

    @property
    def paused(self) -> bool:
        """Return whether nobody learns."""
        switch = self._newest.get(PAUSED)
        return switch is not None and switch.value is True

    @property
    def settings(self) -> dict[str, Any]:
        """Return what is set, by key of the configuration."""
        return {
            name.removeprefix(SETTING): switch.value
            for name, switch in self._newest.items()
            if name.startswith(SETTING) and switch.value is not None
        }

    def check(self, key: str, value: Any) -> None:
        """Refuse to set what cannot be set.

        Raises
        ------
        ValueError
            With what was expected.
        """
        if self._slate_of is None:
            message = f"control: expected a job with settings, got {key}"
            raise ValueError(message)
        settings = {**self.settings, key: value}
        size = len(msgspec.json.encode(settings))
        if (
            size > _MOST_BYTES and value is not None
        ):  # they travel in one record, and every worker tells them
            message = (
                f"set: expected settings of at most {_MOST_BYTES:,} bytes together, got {size:,}"
            )
            raise ValueError(message)
        self._slate_of(settings)

    def take(self, switch: Switch) -> bool:
        """Obey a switch; return whether it is newer than what was known."""
        if not switch.follows(self._newest.get(switch.name)):
            return False
        self._newest[switch.name] = switch
        if switch.name.startswith(BLOCKED):
            item = key_of(switch.name.removeprefix(BLOCKED))
            self._items.set_blocked(item, blocked=switch.value is True)
        elif switch.name.startswith(SETTING) and self._slate_of is not None:
            try:
                self._slate.renew(self._slate_of(self.settings))
            except ValueError as error:  # the file has changed since
                _LOG.warning("%s is set to what does not fit any more: %s", switch.name, error)
        return True
