"""`list`: how many letters there are by code and field, and the newest."""

import argparse
import heapq
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from scripts.tools.commands.demo_view import console
from scripts.tools.commands.letters.common import selected
from scripts.tools.commands.letters.words import (
    KEY_SHOWN,
    NAME_SHOWN,
    VALUE_SHOWN,
    as_mapping,
    summary,
)
from scripts.tools.console import answer
from scripts.tools.kafka.letters import Letter, instant, shown
from scripts.tools.kafka.target import Target

GROUPS = 1_000
"""Codes and fields that are told apart; the job has far fewer."""
_OTHERS = "(others)"


@dataclass
class Group:
    """Letters of one code and field."""

    letters: int
    first: int
    last: int
    """Timestamps of the letters, ms."""


@dataclass
class Listing:
    """What a topic holds, as letters pass by.

    Parameters
    ----------
    most
        Examples that are kept: the newest.
    """

    most: int
    letters: int = 0
    groups: dict[tuple[str, str], Group] = field(default_factory=dict)
    _newest: list[tuple[int, int, int, Letter]] = field(default_factory=list)

    def take(self, letter: Letter) -> None:
        """Count one."""
        self.letters += 1
        name = (shown(letter.code, NAME_SHOWN), shown(letter.field, NAME_SHOWN))
        if name not in self.groups and len(self.groups) >= GROUPS:
            name = (_OTHERS, "")
        group = self.groups.setdefault(name, Group(0, letter.at, letter.at))
        group.letters += 1
        group.first, group.last = min(group.first, letter.at), max(group.last, letter.at)
        if self.most:
            entry = (letter.at, letter.partition, letter.offset, letter)
            push = heapq.heappush if len(self._newest) < self.most else heapq.heappushpop
            push(self._newest, entry)

    @property
    def examples(self) -> list[Letter]:
        """The newest letters, newest first."""
        return [letter for *_, letter in sorted(self._newest, key=lambda one: one[:3])][::-1]

    def sorted(self) -> list[tuple[str, str, Group]]:
        """Return code, field and letters of each group, most letters first."""
        found = [(code, name, group) for (code, name), group in self.groups.items()]
        return sorted(found, key=lambda one: (-one[2].letters, one[:2]))

    def as_mapping(self) -> dict[str, Any]:
        """Return everything, for JSON."""
        groups = [
            {
                "code": code,
                "field": name,
                "letters": group.letters,
                "first": instant(group.first),
                "last": instant(group.last),
            }
            for code, name, group in self.sorted()
        ]
        examples = [as_mapping(one, KEY_SHOWN, VALUE_SHOWN) for one in self.examples]
        return {"letters": self.letters, "groups": groups, "examples": examples}


def listed(job: Target, options: argparse.Namespace) -> int:
    """Print what there is, and return the exit status: 1 without letters."""
    topic = job.config.kafka.topics.dead_letter
    found = Listing(options.examples)
    for some in selected(job, options):
        for letter in some:
            found.take(letter)
    if options.json:
        answer({"topic": topic, **found.as_mapping()}, as_json=True)
    elif not found.letters:
        print(f"{topic}: no such letters")
    else:
        _print_listing(console(), topic, found)
    return 0 if found.letters else 1


def _print_listing(out: Console, topic: str, found: Listing) -> None:
    table = Table("code", "field", "letters", "first (UTC)", "last (UTC)", title_justify="left",
                  title=f"{topic}: {found.letters:,} letters")  # fmt: skip
    for code, name, group in found.sorted():
        cells = (code or "(none)", name, f"{group.letters:,}", instant(group.first),
                 instant(group.last))  # fmt: skip
        table.add_row(*map(Text, cells))
    out.print(table)
    for letter in found.examples:
        code, message = letter.code or "no code", letter.header("err.msg")
        print(f"{letter.name}  {instant(letter.at)}  {shown(code, NAME_SHOWN)}"
              f" {shown(letter.field, NAME_SHOWN)}: {shown(message, VALUE_SHOWN)}")  # fmt: skip
        print(f"  key    {letter.locked or summary(letter.key, KEY_SHOWN)}")
        print(f"  value  {letter.locked or summary(letter.value, VALUE_SHOWN)}")
