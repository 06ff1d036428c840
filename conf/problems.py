"""Problems of a configuration in words: one line each, all of them at once."""

import re
from collections.abc import Callable, Iterable, Iterator
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from conf.client.secrets import MASK, may_hold_secret
from conf.rules import RULES, broken_rules
from conf.schema import JobConfig
from conf.section import Problem

LONGEST_SHOWN = 60


class ConfigError(ValueError):
    """A configuration that cannot be used; `lines` has one line for each problem.

    Operator action: correct every line named, then start again. Nothing was started.
    """

    def __init__(self, lines: Iterable[str]) -> None:
        self.lines = list(lines)
        super().__init__("\n".join(self.lines))


def checked(tree: dict[str, Any]) -> JobConfig:
    """Return the configuration of a tree of sections.

    Raises
    ------
    ConfigError
        With every problem of its values and of the rules between keys.
    """
    found = problems_of(tree)
    if found:
        raise ConfigError([problem.text("configuration") for problem in found])
    return JobConfig.model_validate(tree)


def problems_of(tree: dict[str, Any]) -> list[Problem]:
    """Return all problems: of single values, then of rules between values that are good."""
    problems = _refusals(tree)
    bad = [problem.key for problem in problems]
    if bad:
        rest = _refusals(without(tree, bad))
        problems += [problem for problem in rest if not concerns(problem, bad)]
    return problems


def without(tree: dict[str, Any], keys: Iterable[str]) -> dict[str, Any]:
    """Return the tree less the given dotted keys (a key may itself have dots)."""
    keys = list(keys)
    return {
        name: without(part, inner) if isinstance(part, dict) else part
        for name, part in tree.items()
        if str(name) not in keys
        for inner in [[key[len(str(name)) + 1 :] for key in keys if key.startswith(f"{name}.")]]
    }


def _refusals(tree: dict[str, Any]) -> list[Problem]:
    try:
        config = JobConfig.model_validate(tree)
    except ValidationError as error:
        return [problem for details in error.errors() for problem in _unfolded(details)]
    return list(broken_rules(config))


def concerns(problem: Problem, bad: list[str]) -> bool:
    """Return whether a broken rule compares with a value that is not there, or was refused."""
    tied = {key for rule in RULES if rule.key == problem.key for key in (rule.key, rule.other)}
    return any(key == other or key.startswith(f"{other}.") for key in bad for other in tied)


def _unfolded(details: ErrorDetails) -> Iterator[Problem]:
    place = [str(part) for part in details["loc"] if part != "[key]"]
    if details["type"] == "problems":
        for inner in details["ctx"]["problems"]:
            key = ".".join(part for part in (*place, inner.key) if part)
            yield Problem(key, inner.expected, inner.got, inner.hint)
    elif details["type"] == "extra_forbidden":
        yield _unknown(place)
    else:
        words = _EXPECTED.get(details["type"])
        expected = words(details) if words else details["msg"]
        # a section that is none may hold anything, secrets too
        whole = details["type"] == "model_type" and place[0] in ("kafka", "privacy")
        got = f"a {type(details['input']).__name__}" if whole else _shown(details["input"])
        yield Problem(".".join(place), expected, got, _choice(details))


def _choice(details: ErrorDetails) -> str | None:
    """Return a hint to the nearest of the values that a key may take."""
    if details["type"] != "literal_error":
        return None
    return _nearest(str(details["input"]), re.findall(r"'([^']+)'", details["ctx"]["expected"]))


_NAME = re.compile("[a-z_]{1,40}")
_EXPECTED: dict[str, Callable[[ErrorDetails], str]] = {
    "literal_error": lambda details: str(details["ctx"]["expected"]),
    "string_pattern_mismatch": lambda details: f"text that matches {details['ctx']['pattern']}",
    "greater_than": lambda details: f"a number greater than {details['ctx']['gt']}",
    "greater_than_equal": lambda details: f"a number of at least {details['ctx']['ge']}",
    "less_than_equal": lambda details: f"a number of at most {details['ctx']['le']}",
    "int_type": lambda _: "a whole number",
    "int_from_float": lambda _: "a whole number",
    "float_type": lambda _: "a number",
    "finite_number": lambda _: "a finite number",
    "bool_type": lambda _: "true or false",
    "string_type": lambda _: 'text (quote it: "…")',
    "tuple_type": lambda _: "a list",
    "dict_type": lambda _: "a mapping",
    "model_type": lambda _: "a mapping of keys",
}


def _unknown(place: list[str]) -> Problem:
    *parents, name = place
    section: type[BaseModel] = JobConfig
    for parent in parents:
        section = _section_of(section, parent) or section
    where = ".".join(parents) or "the configuration"
    hint = _nearest(name, section.model_fields) or _elsewhere(name)
    if parents == ["privacy"] and not _NAME.fullmatch(name):
        place = [*parents, "(no name of a key)"]  # it may be a secret
    return Problem(".".join(place), f"a key of {where}", "an unknown one", hint)


def _section_of(section: type[BaseModel], name: str) -> type[BaseModel] | None:
    annotation = section.model_fields[name].annotation
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return None


def _keys(section: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for name in section.model_fields:
        inner = _section_of(section, name)
        yield prefix + name
        if inner is not None:
            yield from _keys(inner, f"{prefix}{name}.")


def _elsewhere(name: str) -> str | None:
    """Return a hint to a key of this very name in another section."""
    found = [key for key in _keys(JobConfig) if key.rpartition(".")[2] == name]
    return f"did you mean '{found[0]}'?" if found else None


def _nearest(name: str, choices: Iterable[str]) -> str | None:
    close = get_close_matches(name, choices, n=1, cutoff=0.5)
    return f"did you mean '{close[0]}'?" if close else None


def _shown(value: object) -> str:
    text = repr(value)
    if may_hold_secret(text):
        return MASK
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"
