"""A configuration as it would be written in YAML; secrets are masked."""

from typing import Any

import yaml
from pydantic.fields import FieldInfo

from conf.client.secrets import MASK, Secret
from conf.section import Section
from conf.sections.repeats import Repeats
from conf.units import DURATIONS, Day, Duration, Size, render
from conf.units import SIZES as SIZE_UNITS


def plain(value: Any, field: FieldInfo) -> Any:
    """Return a field's value as YAML would hold it: "15m" rather than 900000."""
    for annotation in field.metadata:
        match annotation:
            case Duration():
                return render(value, DURATIONS)
            case Size():
                return render(value, SIZE_UNITS)
            case Day() | Repeats():
                return annotation.render(value)
    if isinstance(value, Section):
        return as_mapping(value)
    if isinstance(value, dict):
        return {k: _masked(v) for k, v in value.items()}
    return list(value) if isinstance(value, tuple) else _masked(value)


def _masked(value: Any) -> Any:
    return MASK if isinstance(value, Secret) else value


def as_mapping(section: Section) -> dict[str, Any]:
    """Return a section as nested plain values, secrets masked."""
    fields = type(section).model_fields
    return {name: plain(getattr(section, name), field) for name, field in fields.items()}


def as_yaml(config: Section) -> str:
    """Return the effective configuration as YAML, secrets masked."""
    return str(yaml.safe_dump(as_mapping(config), sort_keys=False, allow_unicode=True))


def written(config: Section, key: str) -> str:
    """Return the value of a dotted key as it would be written in YAML."""
    value: Any = as_mapping(config)
    for part in key.split("."):
        value = value[part]
    return repr(value)
