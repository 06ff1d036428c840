"""The configuration as a markdown table: what README shows is what the schema says."""

from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from conf.schema import JobConfig
from conf.units import Day, Quantity
from conf.written import plain

HEAD = "| key | default | range | meaning |\n|---|---|---|---|"
START, END = "<!-- configuration -->", "<!-- /configuration -->"


def markdown() -> str:
    """Return one row for every key: dotted name, default, range, description."""
    return "\n".join([HEAD, *_rows(JobConfig, "")])


def replaced(page: str) -> str:
    """Return a markdown page with the table between its markers brought up to date.

    Raises
    ------
    ValueError
        When the page has no markers.
    """
    head, start, rest = page.partition(START)
    _, end, tail = rest.partition(END)
    if not start or not end:
        msg = f"page: expected the markers {START} and {END}, got none; add both"
        raise ValueError(msg)
    return f"{head}{START}\n{markdown()}\n{END}{tail}"


def _rows(section: type[BaseModel], prefix: str) -> Iterator[str]:
    for name, field in section.model_fields.items():
        annotation = field.annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            yield from _rows(annotation, f"{prefix}{name}.")
        else:
            cells = (f"`{prefix}{name}`", _default(field), _range(field), field.description or "")
            yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _default(field: FieldInfo) -> str:
    value: Any = plain(field.get_default(call_default_factory=True), field)
    if isinstance(value, dict):
        return ", ".join(f"`{name}` {amount:g}" for name, amount in value.items()) or "none"
    if isinstance(value, list):
        return ", ".join(f"`{text}`" for text in value)
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _range(field: FieldInfo) -> str:
    if get_origin(field.annotation) is Literal:
        return ", ".join(f"`{choice}`" for choice in get_args(field.annotation))
    bounds: dict[str, Any] = {}
    for rule in field.metadata:
        if isinstance(rule, Quantity):
            return f"{rule.least} … {rule.most or ''}".strip()
        if isinstance(rule, Day):
            return "a day"
        for sign, name in (("≥", "ge"), (">", "gt"), ("≤", "le"), ("<", "lt")):
            if hasattr(rule, name):
                bounds[sign] = getattr(rule, name)
    if {"≥", "≤"} <= bounds.keys():
        return f"{bounds['≥']} … {bounds['≤']}"
    return ", ".join(f"{sign} {bound}" for sign, bound in bounds.items())
