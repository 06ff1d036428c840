"""A user without a name and a home, as containers have, may submit the job."""

import getpass
import os
import pwd
import shutil
import subprocess
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


@pytest.mark.skipif(
    os.getuid() != 0 or shutil.which("setpriv") is None, reason="needs root, to be somebody else"
)
def test_a_process_of_a_user_without_an_entry_is_given_one() -> None:
    rights = "+dac_override,+dac_read_search"  # the interpreter may lie in a home that is closed
    user = ["--reuid", "54321", "--regid", "54321", "--clear-groups"]
    command = ["setpriv", *user, "--inh-caps", rights, "--ambient-caps", rights, sys.executable]
    ask = "import getpass; from jobs.user import name_user; name_user(); print(getpass.getuser())"
    done = subprocess.run([*command, "-c", ask], cwd=ROOT, capture_output=True, text=True)
    if done.returncode != 0 and "setpriv" in done.stderr:
        pytest.skip(done.stderr.strip())  # a container that may not give rights away
    assert done.stdout == "user-54321\n", done.stderr


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
