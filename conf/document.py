"""A YAML file, and overrides on top of it, as one tree of plain values."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from conf.client.secrets import MASK, may_hold_secret
from conf.problems import ConfigError
from conf.sections.kafka import Kafka

Tree = dict[str, Any]


_MASKED = f"--set {MASK}"
_QUOTED = re.compile(r"'[^']*'")
_OF_TYPES = ("events.weights.", "recommend.repeats.")
_PRIVATE = re.compile(r"privacy(\.[a-z_]{1,40})?")
_NAMED = ("kafka.properties.", *_OF_TYPES)
"""Keys whose last part is a name of anything."""
_BROKEN = (yaml.YAMLError, ValueError, RecursionError)
"""What PyYAML raises: the others for numbers and days that there are not, and for depth."""


class _KeyError(yaml.constructor.ConstructorError):
    """A key that is no text."""


class _Loader(yaml.SafeLoader):
    """YAML's safe loader, which also notes keys that are written twice."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.duplicates: list[str] = []

    def compose_mapping_node(self, anchor: dict[Any, yaml.Node]) -> yaml.MappingNode:
        """Return a mapping as it is written; the last of equal keys wins, as YAML has it."""
        node = super().compose_mapping_node(anchor)
        seen: dict[str, int] = {}
        for key, _ in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                words = "expected a key that is text, got another"
                raise _KeyError(None, None, words, key.start_mark)
            if key.value in seen:
                before = seen[key.value]
                self.duplicates.append(
                    f"{key.value}: expected a key once, got it in lines {before} and {line}"
                )
            seen[key.value] = line
        return node


# YAML 1.1 takes 1e-6 for text; people, and YAML 1.2, do not
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?\d+(\.\d*)?[eE][-+]?\d+$"), list("-+0123456789")
)


def read(path: Path) -> tuple[Tree, list[str]]:
    """Return a file's tree, and a line for each key that is written twice.

    Raises
    ------
    ConfigError
        When the file cannot be read, or is not a YAML mapping.
    """
    try:
        loader = _Loader(path.read_text(encoding="utf-8"))
        tree = loader.get_single_data()
    except OSError as error:
        raise ConfigError([f"{path}: expected a readable file, got: {error.strerror}"]) from None
    except UnicodeDecodeError as error:
        raise ConfigError([f"{path}: expected UTF-8 text, got: {error.reason}"]) from None
    except _BROKEN as error:
        raise ConfigError([f"{path}: expected YAML, got: {_told(error)}"]) from None
    tree = {} if tree is None else tree
    if not isinstance(tree, dict):
        kind = type(tree).__name__
        raise ConfigError([f"{path}: expected a mapping of sections, got a {kind}"])
    sections = {str(name): {} if part is None else part for name, part in tree.items()}
    return sections, [f"{path}: {duplicate}" for duplicate in loader.duplicates]


def _told(error: Exception) -> str:
    """Return what is wrong and where; not the line itself, which may hold a secret."""
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or type(error).__name__
    place = f" in line {mark.line + 1}, column {mark.column + 1}" if mark is not None else ""
    return f"{_QUOTED.sub('…', problem)}{place}"


def override(tree: Tree, overrides: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Put overrides `section.key=value` into the tree, in their order.

    Returns
    -------
    origins : dict[str, str]
        Which override set which key.
    lines : list[str]
        A line for each override that cannot be understood.
    """
    origins: dict[str, str] = {}
    lines: list[str] = []
    for text in overrides:
        # names of event types may hold the sign
        apart = text.rpartition if text.startswith(_OF_TYPES) else text.partition
        key, equals, value = apart("=")
        key = key.strip()
        try:
            put = bool(equals) and _put(tree, _path(key), _Loader(value).get_single_data())
        except _BROKEN:
            put = False
        shown = _shown(key, value) if equals else _alone(text)
        if put:
            origins[key] = shown
        else:
            lines.append(f"{shown}: expected section.key=value with a YAML value")
    return origins, lines


def _shown(key: str, value: str) -> str:
    """Return an override as it may be shown: a secret set by mistake must not be read again."""
    if key.startswith("privacy"):  # base64 ends with the sign: it may be in the name
        return f"{key if _PRIVATE.fullmatch(key) else 'privacy'}={MASK}"
    section, _, rest = key.partition(".")
    name = rest.partition(".")[0]
    may = section == "kafka" and (name == "properties" or name not in Kafka.model_fields)
    return f"{key}={MASK if may or may_hold_secret(f'{key} {value}') else value}"


def _alone(text: str) -> str:
    """Return an override without a value as it may be shown."""
    return _MASKED if text.startswith(("kafka", "privacy")) or may_hold_secret(text) else text


def _path(key: str) -> list[str]:
    """Return the parts of a dotted key; names of properties and of types have dots of their own."""
    parts = key.split(".")
    return [*parts[:2], ".".join(parts[2:])] if key.startswith(_NAMED) else parts


def _put(tree: Tree, path: list[str], value: object) -> bool:
    *parents, leaf = path
    for parent in parents:
        tree = tree.setdefault(parent, {})
        if not isinstance(tree, dict):
            return False
    tree[leaf] = value
    return all(path)
