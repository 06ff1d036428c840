"""The configuration table of conf/README.md is what the schema says."""

from pathlib import Path

import pytest

from conf.schema import JobConfig
from conf.section import Section
from conf.table import END, START, markdown, replaced

README = Path(__file__).parents[2] / "conf" / "README.md"


def sections(section, prefix=""):
    for name, field in section.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            yield from sections(field.annotation, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", field


def test_every_key_is_described():
    assert [key for key, field in sections(JobConfig) if not field.description] == []


def test_the_table_has_a_row_for_every_key():
    table = markdown()
    assert [key for key, _ in sections(JobConfig) if f"| `{key}` |" not in table] == []


def test_defaults_are_shown_with_their_units():
    rows = markdown().splitlines()
    ttl = next(row for row in rows if row.startswith("| `users.ttl` |"))
    assert ttl.startswith("| `users.ttl` | `30d` | 1m … 3650d |")


def test_the_table_is_put_between_its_markers():
    page = replaced(f"head\n{START}\nold\n{END}\ntail\n")
    assert page == f"head\n{START}\n{markdown()}\n{END}\ntail\n"
    with pytest.raises(ValueError, match="markers"):
        replaced("no markers")


def test_the_readme_shows_the_table_of_the_schema():
    page = README.read_text(encoding="utf-8")
    assert page == replaced(page), "run scripts/with-venv configuration_table"
