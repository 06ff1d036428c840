"""What is installed is pinned by hash, from wherever the user's own index is."""

import re
from configparser import ConfigParser
from pathlib import Path

import pytest

from scripts.tools.cluster.paths import ROOT

FOLDER = ROOT / "conf" / "requirements"
LOCKS = sorted(FOLDER.glob("*.lock"))


def requirements(lock: Path) -> dict[str, str]:
    """Return each requirement of a lock file, lines joined, by its name."""
    lines = (line for line in lock.read_text().replace("\\\n", " ").splitlines())
    entries = [line for line in lines if line.strip() and not line.startswith("#")]
    return {re.split(r"[=\s]", entry, maxsplit=1)[0]: entry for entry in entries}


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_every_requirement_is_an_exact_version_with_hashes(lock: Path) -> None:
    entries = requirements(lock)
    assert entries
    for entry in entries.values():
        assert re.match(r"[a-z0-9-]+==[^\s]+ .*--hash=sha256:[0-9a-f]{64}", entry), entry


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_a_lock_names_no_index(lock: Path) -> None:
    text = lock.read_text()
    assert "://" not in text
    assert "--index" not in text
    assert "--extra-index" not in text
    assert "--find-links" not in text


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_every_lock_pins_what_its_input_names(lock: Path) -> None:
    wanted = lock.with_suffix(".in").read_text().splitlines()
    names = {re.split(r"[=<>~;\s]", line, maxsplit=1)[0] for line in wanted if line[:1].isalpha()}
    assert names <= requirements(lock).keys()


def named(path: Path) -> set[str]:
    """Return the requirements that an input file names."""
    return {line for line in path.read_text().splitlines() if line[:1].isalpha()}


def test_the_package_needs_what_the_inputs_name() -> None:
    settings = ConfigParser()
    settings.read(ROOT / "setup.cfg")
    base = settings["options"]["install_requires"].split("\n")
    train = settings["options.extras_require"]["train"].split("\n")
    assert {line for line in base if line} == named(FOLDER / "requirements.in")
    assert {line for line in train if line} == named(FOLDER / "requirements-train.in")


def test_tests_run_with_the_versions_that_users_get() -> None:
    base = requirements(FOLDER / "requirements.lock")
    development = requirements(FOLDER / "requirements-dev.lock")
    assert base.items() <= development.items()


def test_only_the_trainer_gets_torch() -> None:
    assert [lock.name for lock in LOCKS if "torch" in requirements(lock)] == [
        "requirements-train.lock"
    ]


def test_setup_resolves_every_input() -> None:
    setup = (ROOT / "scripts" / "setup").read_text()
    (named,) = re.findall(r"for name in (requirements .*); do", setup)
    assert set(named.split()) == {path.stem for path in FOLDER.glob("*.in")}


def test_every_jar_has_one_checksum_and_the_versions_of_the_maven_file() -> None:
    lines = (ROOT / "conf" / "jars.sha256").read_text().splitlines()
    assert all(re.fullmatch(r"[0-9a-f]{64}  [\w.+-]+\.jar", line) for line in lines)
    names = [line.split()[1] for line in lines]
    assert len(names) == len(set(names))
    maven = (ROOT / "conf" / "jars.xml").read_text()
    wanted = re.findall(
        r"<artifactId>(.+)</artifactId>\s*<version>(.+)</version>\s*</dependency>", maven
    )
    assert wanted
    assert {f"{artifact}-{version}.jar" for artifact, version in wanted} <= set(names)
