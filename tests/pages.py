"""The pages of the repository: their links, headings and fenced blocks, as GitHub reads them."""

import argparse
import contextlib
import importlib
import io
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from textwrap import dedent
from unittest.mock import patch

from scripts.tools.cluster.paths import ROOT
from scripts.tools.commands.example import EXAMPLES

NUMBERS = {"E", "N", "R", "S", "SECONDS", "SEED", "SIGMA"}
"""Placeholders that stand for a number; other words in capitals stand for a text."""
_FENCE = re.compile(r"^(?P<indent> *)```(?P<language>\w*)\s*$")
_COMMENT = re.compile(r"^ *<!-- (?P<word>run|not run): (?P<rest>.+) -->$")
_LINK = re.compile(r"!?\[[^\]]*\]\((?P<target>[^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6} (?P<text>.+?)\s*$")


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Parameters
    ----------
    page
        Its page, relative to the repository.
    line
        Number of its first line, the fence.
    language
        What follows the fence; may be empty.
    text
        Its content, without the indentation of the fence.
    run, not_run
        What the comment on the line before says: where it is run; why it is not.
    """

    page: Path
    line: int
    language: str
    text: str
    run: str | None = None
    not_run: str | None = None

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"

    def commands(self) -> list[str]:
        """Return the commands of a shell block: lines that end with a backslash are joined."""
        return [one for one in self.text.replace("\\\n", " ").splitlines() if one.strip()]


def pages() -> list[Path]:
    """Return all pages that are in the repository, or are to be, relative to it."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", "*.md"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if listed.returncode != 0:  # an unpacked archive
        found = (path.relative_to(ROOT) for path in ROOT.rglob("*.md"))
        return sorted(path for path in found if not path.parts[0].startswith("."))
    return sorted(Path(name) for name in listed.stdout.split("\n") if (ROOT / name).is_file())


@cache
def read(page: Path) -> str:
    """Return the text of a page."""
    return (ROOT / page).read_text(encoding="utf-8")


@cache
def blocks(page: Path) -> list[Block]:
    """Return the fenced blocks of a page."""
    found, lines = [], read(page).split("\n")
    number = 0
    while number < len(lines):
        fence = _FENCE.match(lines[number])
        if fence is None:
            number += 1
            continue
        end = next(
            (at for at in range(number + 1, len(lines)) if lines[at].strip() == "```"), len(lines)
        )
        comment = _COMMENT.match(lines[number - 1]) if number else None
        said = {comment["word"].replace(" ", "_"): comment["rest"]} if comment else {}
        text = dedent("\n".join(lines[number + 1 : end]) + "\n")
        found.append(Block(page, number + 1, fence["language"], text, **said))
        number = end + 1
    return found


def all_blocks(*languages: str) -> list[Block]:
    """Return the blocks of all pages, those of some languages where any are named."""
    every = [block for page in pages() for block in blocks(page)]
    return [block for block in every if not languages or block.language in languages]


def links(page: Path) -> list[str]:
    """Return the targets of the links and pictures of a page."""
    return [match["target"] for match in _LINK.finditer(re.sub(r"`[^`\n]*`", "`", _prose(page)))]


def spans(page: Path) -> list[str]:
    """Return what a page has in backquotes within its text."""
    return re.findall(r"`([^`]+)`", _prose(page))


@cache
def anchors(page: Path) -> frozenset[str]:
    """Return the anchors that GitHub gives the headings of a page."""
    found: set[str] = set()
    for line in _prose(page).split("\n"):
        heading = _HEADING.match(line)
        if heading is None:
            continue
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading["text"]).lower()
        name = anchor = re.sub(r"[^\w\- ]", "", text).replace(" ", "-")
        number = 0
        while anchor in found:
            number += 1
            anchor = f"{name}-{number}"
        found.add(anchor)
    return frozenset(found)


def objection(link: str, page: Path) -> str | None:
    """Return why a link of a page leads nowhere, None where it leads somewhere."""
    if re.match(r"[a-z]+:", link):
        return None
    name, _, anchor = link.partition("#")
    target = (ROOT / page.parent / name).resolve() if name else ROOT / page
    if not target.exists() or not target.is_relative_to(ROOT):
        return f"{page}: expected a file or folder of the repository, got {link}"
    if anchor and anchor not in anchors(target.relative_to(ROOT)):
        return f"{page}: expected a heading of {name or page}, got #{anchor}"
    return None


def refusal(words: Sequence[str]) -> str | None:
    """Return what a tool objects to in its command line, None where it takes it.

    Parameters
    ----------
    words
        The command, as in `["scripts/status", "--json"]`; placeholders in capitals count as values.
    """
    name, *arguments = ("1" if word in NUMBERS else word for word in words)
    script = ROOT / name
    if not script.is_file() or script.parent != ROOT / "scripts":
        return f"expected a script, got {name}"
    if script.name == "setup":
        unknown = [word for word in arguments if word not in _help_of_setup().split()]
        return f"setup: unknown {unknown}" if unknown else None
    try:
        _parse(script.name, arguments)
    except SystemExit as refused:
        return f"{' '.join(words)}: {refused}"
    return None


def options(name: str) -> set[str]:
    """Return all options of a script, those of its commands included."""
    if name == "setup":
        return set(re.findall(r"--\w+", _help_of_setup()))
    found = set(_options(_parse(name, None)))
    if name == "example":
        found.update(*(_options(_parse(name, [one])) for one in EXAMPLES))
    return found


def _prose(page: Path) -> str:
    """Return a page without its fenced blocks."""
    return re.sub(r"(?ms)^ *```.*?^ *```\s*?$", "", read(page))


@cache
def _help_of_setup() -> str:
    done = subprocess.run(
        [ROOT / "scripts" / "setup", "--help"], capture_output=True, text=True, check=True
    )
    return re.sub(r"[\[\]]", " ", done.stdout)


class _ParsedError(Exception):
    """The parser of a tool, as soon as it has taken a command line."""


def _parse(name: str, arguments: Sequence[str] | None) -> argparse.ArgumentParser:
    """Let a tool parse its arguments and do no more; None = look at its parser only."""
    text = (ROOT / "scripts" / name).read_text(encoding="utf-8")
    module = importlib.import_module(_module_of(name, text))
    taken = argparse.ArgumentParser.parse_args

    def parse(
        self: argparse.ArgumentParser, words: Sequence[str] | None = None, _: object = None
    ) -> argparse.Namespace:
        found = None if arguments is None else taken(self, words)
        if hasattr(found, "rest"):  # what is left has a parser of its own
            return found
        raise _ParsedError(self)

    said = io.StringIO()
    with (
        patch.object(argparse.ArgumentParser, "parse_args", parse),
        patch.object(sys, "argv", [f"scripts/{name}", *(arguments or ())]),
        contextlib.redirect_stderr(said),
    ):
        try:
            module.main()
        except _ParsedError as found:
            parser: argparse.ArgumentParser = found.args[0]
            return parser
        except SystemExit:
            raise SystemExit(said.getvalue().strip().split("\n")[-1]) from None
    raise AssertionError(f"scripts/{name}: expected that it parses its arguments")


def _module_of(name: str, text: str) -> str:
    """Return the module that a script runs."""
    if program := re.search(r'/python" -m ([\w.]+) "\$@"', text):
        return f"{program[1]}.__main__"
    tool = re.search(r'/with-venv" (?:--dev )?(\w+) "\$@"', text)
    assert tool, f"scripts/{name}: expected a call of with-venv"
    (path,) = (ROOT / "scripts" / "tools").glob(f"*/{tool[1]}.py")
    return f"scripts.tools.{path.parent.name}.{path.stem}"


def _options(parser: argparse.ArgumentParser) -> Iterator[str]:
    for action in parser._actions:
        yield from action.option_strings
        if isinstance(action, argparse._SubParsersAction):
            for one in action.choices.values():
                yield from _options(one)
