"""Every way to log in that conf/kafka/README.md describes, by the very words it says."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from conf.client.classes import SHADED
from scripts.tools.cluster import processes
from scripts.tools.cluster.instance import Ports
from scripts.tools.cluster.paths import ROOT
from tests.builders import NOW, event
from tests.kafka.running import RunningJob
from tests.kafka.secure import (
    PORTS,
    SECRET,
    SecureLocal,
    TokenEndpoint,
    add_scram_user,
    free_ports,
    make_certificates,
)

pytestmark = pytest.mark.kafka

PAGE = (ROOT / "conf" / "kafka" / "README.md").read_text()
EXAMPLES = dict(re.findall(r"^## ([^\n]+)\n(?:(?!^#).)*?```yaml\n(.*?)```", PAGE, re.S | re.M))
ALLOWED = "org.apache.kafka.sasl.oauthbearer.allowed.urls"


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TokenEndpoint]:
    with TokenEndpoint(tmp_path_factory.mktemp("tokens")) as endpoint:
        yield endpoint


@pytest.fixture(scope="module")
def secure(
    tmp_path_factory: pytest.TempPathFactory, tokens: TokenEndpoint
) -> Iterator[SecureLocal]:
    folder = tmp_path_factory.mktemp("secure")
    make_certificates(folder / "certs")
    (folder / "certs" / "password").write_text(f"{SECRET}\n")
    local = SecureLocal(
        run_dir=folder.resolve(),
        ports=Ports.from_base(0),
        slots=2,
        secure=dict(zip(PORTS, free_ports(len(PORTS)), strict=True)),
        keys_url=f"{tokens.url}/keys",
    )
    urls = f"{tokens.url}/keys,{tokens.url}/token"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KAFKA_PASSWORD", SECRET)
        patch.setenv("OAUTH_SECRET", "secret")
        patch.setenv("JAVA_TOOL_OPTIONS", f"-D{ALLOWED}={urls} -D{SHADED}{ALLOWED}={urls}")
        try:
            local.up()
            add_scram_user(local.brokers)
            with local.client():
                yield local
        finally:
            local.down()
    assert processes.find(local.run_dir) == []


def settings(example: str, local: SecureLocal, tokens: TokenEndpoint) -> list[str]:
    """The example's own settings, at the places of this machine."""
    certs = str(local.run_dir / "certs")
    text = example.replace("/run/secrets/kafka-password", f"{certs}/password")
    text = text.replace("/etc/streamrec", certs).replace("https://login.example.com", tokens.url)
    for name, port in PORTS.items():
        text = re.sub(rf"kafka-\d:{port}", f"127.0.0.1:{local.secure[name]}", text)
    kafka = yaml.safe_load(text)["kafka"]
    given = {f"kafka.properties.{name}": value for name, value in kafka["properties"].items()}
    given["kafka.bootstrap_servers"] = kafka["bootstrap_servers"]
    return [f"{name}={json.dumps(value)}" for name, value in given.items()]


def test_the_page_has_an_example_of_each() -> None:
    listed = ["PLAIN", "SCRAM", "mTLS", "OAUTHBEARER"]
    assert list(EXAMPLES) == listed


@pytest.mark.parametrize("name", EXAMPLES)
def test_tools_and_job_log_in(name: str, secure: SecureLocal, tokens: TokenEndpoint) -> None:
    words = re.sub(r"\W+", "-", name)
    job = RunningJob(secure, f"login-{words}")
    job.settings = tuple(settings(EXAMPLES[name], secure, tokens))
    try:
        job.start()
        job.send([event("anna", f"item-{n}", at=NOW + n) for n in range(20)])
        assert job.settle().accepted == 20
        assert job.failures() is None
        assert "max.message.bytes of the topics is not known" not in client_log(secure.run_dir)
    finally:
        if job.id:
            job.end()
    assert SECRET not in everything_logged(secure.run_dir)


def client_log(run_dir: Path) -> str:
    return max((run_dir / "logs").glob("submit-*.out")).read_text()


def everything_logged(run_dir: Path) -> str:
    return "".join(p.read_text(errors="replace") for p in (run_dir / "logs").iterdir())
