"""A broker with a listener for each way to log in, certificates, an endpoint that gives tokens."""

import base64
import json
import socket
import subprocess
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from confluent_kafka.admin import (
    AdminClient,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from scripts.tools.cluster.broker import Broker
from scripts.tools.cluster.paths import jars_dir
from tests.kafka.warm import WarmCluster, WarmLocal

SECRET = "it's;a=secret"
PORTS = {"LOGIN": 9093, "MTLS": 9094, "OIDC": 9095, "UNSIGNED": 9096}
"""Listeners, and the ports that conf/kafka/README.md gives them."""
_SECURITY = "org.apache.kafka.common.security"
_OAUTH = f"{_SECURITY}.oauthbearer"


def free_ports(count: int) -> list[int]:
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


@dataclass(frozen=True, kw_only=True)
class SecureBroker(Broker):
    """A broker whose plain listener is for its set-up only."""

    ports: dict[str, int]
    keys_url: str

    def _write_properties(self) -> Path:
        path = super()._write_properties()
        text = path.read_text()
        for name, port in self.ports.items():
            address = f",{name}://127.0.0.1:{port}"
            text = text.replace("\nlisteners=", f"\nlisteners={address[1:]},")
            text = text.replace("\nadvertised.listeners=", f"\nadvertised.listeners={address[1:]},")
        text = text.replace("CONTROLLER:PLAINTEXT", f"CONTROLLER:PLAINTEXT,{_PROTOCOLS}")
        path.write_text(text + "".join(f"{k}={v}\n" for k, v in self._own().items()))
        return path

    def _own(self) -> dict[str, str]:
        plain, oauth = "plain.sasl.jaas.config", "oauthbearer.sasl.jaas.config"
        login = {
            "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-512",
            plain: f'{_SECURITY}.plain.PlainLoginModule required user_ann="{SECRET}";',
            "scram-sha-512.sasl.jaas.config": f"{_SECURITY}.scram.ScramLoginModule required;",
        }
        module = f"{_OAUTH}.OAuthBearerLoginModule required"
        unsigned = {
            "sasl.enabled.mechanisms": "OAUTHBEARER",
            oauth: f'{module} unsecuredLoginStringClaim_sub="broker";',
        }
        oidc = {
            "sasl.enabled.mechanisms": "OAUTHBEARER",
            oauth: f"{module};",
            "oauthbearer.sasl.server.callback.handler.class": (
                f"{_OAUTH}.OAuthBearerValidatorCallbackHandler"
            ),
            "sasl.oauthbearer.jwks.endpoint.url": self.keys_url,
            "sasl.oauthbearer.expected.audience": "kafka",
        }
        own = {"login": login, "unsigned": unsigned, "oidc": oidc}
        own["mtls"] = {"ssl.client.auth": "required"}
        stores = {
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(self.run_dir / "certs" / "broker.pem"),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(self.run_dir / "certs" / "ca.pem"),
        }
        return {
            f"listener.name.{listener}.{name}": value
            for listener, settings in own.items()
            for name, value in {**stores, **settings}.items()
        }


_PROTOCOLS = "LOGIN:SASL_SSL,MTLS:SSL,OIDC:SASL_SSL,UNSIGNED:SASL_SSL"


class ClusterForTokens(WarmCluster):
    """A cluster with the jars that logging in by tokens needs."""

    def _link_jars(self) -> None:
        super()._link_jars()
        for name in ("jose4j", "jackson-annotations", "jackson-core", "jackson-databind"):
            (jar,) = jars_dir().glob(f"{name}-[0-9]*.jar")
            (self._lib / jar.name).symlink_to(jar)


@dataclass(frozen=True, kw_only=True)
class SecureLocal(WarmLocal):
    """A cluster beside such a broker."""

    secure: dict[str, int]
    keys_url: str

    @property
    def broker(self) -> Broker:
        ports = self.ports
        return SecureBroker(
            run_dir=self.run_dir,
            port=ports.kafka,
            controller_port=ports.controller,
            ports=self.secure,
            keys_url=self.keys_url,
        )

    @property
    def flink(self) -> WarmCluster:
        return ClusterForTokens(**vars(super().flink))


def add_scram_user(address: str) -> None:
    credential = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
    change = UserScramCredentialUpsertion("ben", credential, SECRET.encode())
    admin = AdminClient({"bootstrap.servers": address})
    admin.alter_user_scram_credentials([change])["ben"].result(30)


def make_certificates(folder: Path) -> None:
    """Make an authority, and key and certificate of a broker and of a client in one file each."""
    folder.mkdir(parents=True)
    (folder / "san").write_text("subjectAltName=IP:127.0.0.1\n")
    new = ("req", "-newkey", "rsa:2048", "-nodes")
    _openssl(folder, *new, "-x509", "-subj", "/CN=ca", "-keyout", "ca.key", "-out", "ca.pem")
    for name in ("broker", "client"):
        _openssl(folder, *new, "-subj", f"/CN={name}", "-keyout", "key", "-out", "csr")
        signer = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "san")
        _openssl(folder, "x509", "-req", "-in", "csr", *signer, "-out", "crt")
        both = (folder / "key").read_text() + (folder / "crt").read_text()
        (folder / f"{name}.pem").write_text(both)


class TokenEndpoint:
    """Gives tokens to whoever knows the secret, and tells the key that they are signed with."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        _openssl(folder, "genrsa", "-out", "jwt.key", "2048")
        self.asked: list[str] = []
        self.url = ""

    def __enter__(self) -> "TokenEndpoint":
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer(200, endpoint.keys())

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                given = base64.b64decode(self.headers["Authorization"].split()[1]).decode()
                endpoint.asked.append(body)
                good = given == "streamrec:secret" and "client_credentials" in body
                self._answer(200 if good else 401, endpoint.token() if good else {})

            def _answer(self, status: int, content: dict[str, object]) -> None:
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write(json.dumps(content).encode())

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def keys(self) -> dict[str, object]:
        shown = _openssl(self._folder, "rsa", "-in", "jwt.key", "-noout", "-modulus").decode()
        modulus = bytes.fromhex(shown.strip().split("=")[1])
        key = {"kty": "RSA", "kid": "1", "alg": "RS256", "use": "sig", "e": "AQAB"}
        return {"keys": [{**key, "n": _base64(modulus)}]}

    def token(self) -> dict[str, object]:
        now = int(time.time())
        head = {"alg": "RS256", "kid": "1", "typ": "JWT"}
        claims = {"sub": "streamrec", "aud": "kafka", "scope": "kafka", "iat": now}
        claims["exp"] = now + 3600
        text = ".".join(_base64(json.dumps(part).encode()) for part in (head, claims))
        signature = _openssl(self._folder, "dgst", "-sha256", "-sign", "jwt.key", data=text)
        token = f"{text}.{_base64(signature)}"
        return {"access_token": token, "token_type": "Bearer", "expires_in": 3600}


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _openssl(folder: Path, *arguments: str, data: str = "") -> bytes:
    return subprocess.run(
        ["openssl", *arguments], cwd=folder, input=data.encode(), capture_output=True, check=True
    ).stdout
