"""What docstrings show is what happens."""

import doctest
from importlib import import_module

import pytest

from scripts.tools.cluster.paths import ROOT

FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
"""As in setup.cfg."""
PACKAGES = ("conf", "jobs", "models", "operators", "scripts", "state")
TRAINING = "models.deep.training"
"""It needs torch, which another interpreter has."""


def modules() -> list[str]:
    """Names of all modules with examples; new ones are among them."""
    files = (file for package in PACKAGES for file in sorted((ROOT / package).rglob("*.py")))
    shown = (file.relative_to(ROOT).with_suffix("") for file in files if ">>> " in file.read_text())
    names = (".".join(file.parts).removesuffix(".__init__") for file in shown)
    return [name for name in names if not name.startswith(TRAINING)]


def examples(name: str) -> list[doctest.DocTest]:
    found = doctest.DocTestFinder(exclude_empty=True).find(import_module(name))
    return [test for test in found if test.examples]


SHOWN = [name for name in modules() if examples(name)]


@pytest.mark.parametrize("name", SHOWN)
def test_docstrings_show_what_happens(name: str) -> None:
    for test in examples(name):
        told: list[str] = []
        doctest.DocTestRunner(optionflags=FLAGS).run(test, out=told.append)
        assert not told, "".join(told)


def test_every_objective_and_every_component_shows_an_example() -> None:
    objectives = ("ranking.model", "rating.model", "rating.ekf")
    components = ("factors", "neighbours", "popularity", "deep")
    wanted = [*objectives, "transitions.share", *(f"{name}.part" for name in components)]
    assert {f"models.{name}" for name in wanted} <= set(SHOWN)


def test_an_example_that_lies_is_found() -> None:
    test = doctest.DocTestParser().get_doctest(">>> 1 + 1\n3\n", {}, "lie", None, None)
    assert doctest.DocTestRunner(optionflags=FLAGS).run(test, out=lambda _: None).failed == 1
