"""A user without a name and a home, as containers have, may submit the job."""

import getpass
import os
import pwd
import sys
from pathlib import Path
from typing import NoReturn

import pytest

from conf.loader import load
from conf.problems import ConfigError
from jobs import parameters, recommend
from jobs.user import name_user
from scripts.tools.cluster.paths import ROOT
from scripts.tools.commands import models
from scripts.tools.console import ToolError

NAMES = ("LOGNAME", "USER", "LNAME", "USERNAME")
HOMES = ("HOME", "XDG_DATA_HOME")


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(user: int) -> NoReturn:
        raise KeyError(f"getpwuid(): uid not found: {user}")

    monkeypatch.setattr(pwd, "getpwuid", refuse)
    for name in (*NAMES, *HOMES):
        monkeypatch.setenv(name, "x")  # whatever is set later is taken back
        monkeypatch.delenv(name)


def test_who_has_no_name_is_given_one() -> None:
    with pytest.raises(KeyError):
        getpass.getuser()
    name_user()
    assert getpass.getuser() == f"user-{os.getuid()}"


def test_who_has_a_name_keeps_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USER", "ann")
    name_user()
    assert getpass.getuser() == "ann"


def test_a_job_that_trains_needs_a_place_for_its_models(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert recommend.main(["--config", str(ROOT / "conf" / "local.yaml")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("fine_tune.store: expected a folder for the models, got none")
    assert "set fine_tune.store, HOME or XDG_DATA_HOME" in line
    monkeypatch.setattr(sys, "argv", ["models", "list", "--config", str(ROOT / "conf/local.yaml")])
    with pytest.raises(ToolError, match=r"^fine_tune.store: expected a folder"):
        models.main()


@pytest.mark.parametrize("setting", ["fine_tune.store=/models", "deep.enabled=false"])
def test_a_job_with_a_store_or_without_a_model_needs_no_home(setting: str) -> None:
    parameters.check_store(load(ROOT / "conf" / "local.yaml", [setting]))


def test_where_there_is_a_home_the_store_is_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigError):
        parameters.default_store("job")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert parameters.default_store("job") == f"{tmp_path}/.local/share/streamrec/models/job"
