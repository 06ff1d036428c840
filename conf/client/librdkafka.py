"""The Java client's properties in the words of librdkafka: clients log in as the job does."""

from collections.abc import Iterator, Mapping

from conf.client import jaas
from conf.client.classes import OAUTH, PLAIN, SCRAM, UNSECURED, known


class LoginError(ValueError):
    """A login that librdkafka has no words for."""


_SAME = (
    "client.id",
    "sasl.mechanism",
    "security.protocol",
    "ssl.key.password",
)
_PEM_TEXTS = {
    "ssl.keystore.certificate.chain": "ssl.certificate.pem",
    "ssl.keystore.key": "ssl.key.pem",
    "ssl.truststore.certificates": "ssl.ca.pem",
}
_MECHANISMS = {
    "PLAIN": PLAIN,
    "SCRAM-SHA-256": SCRAM,
    "SCRAM-SHA-512": SCRAM,
    "OAUTHBEARER": OAUTH,
}
_CONVERT = "convert it (keytool, openssl) and name the new file"
_AWAY = "give the tools a listener that they can use, with --config and --brokers"


def librdkafka(properties: Mapping[str, str]) -> dict[str, str]:
    """Return what the Java client's properties are called in librdkafka.

    What is no part of a login (fetch sizes and the like) is left out.

    Raises
    ------
    LoginError
        If they say something about the login that librdkafka has no word for.
    """
    settings = {name: properties[name] for name in _SAME if name in properties}
    protocol = properties.get("security.protocol", "PLAINTEXT").upper()
    if protocol.endswith("SSL"):
        settings |= dict(_tls(properties))
    if protocol.startswith("SASL"):
        settings |= _sasl(properties)
    return settings


def _tls(properties: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for java, own in _PEM_TEXTS.items():
        if java in properties:
            yield own, properties[java]
    if "ssl.truststore.location" in properties:
        _expect_type(properties, "truststore", ("PEM",))
        yield "ssl.ca.location", properties["ssl.truststore.location"]
    if "ssl.keystore.location" in properties:
        location = properties["ssl.keystore.location"]
        if _expect_type(properties, "keystore", ("PEM", "PKCS12")) == "PEM":
            yield "ssl.certificate.location", location
            yield "ssl.key.location", location
        else:
            yield "ssl.keystore.location", location
            yield "ssl.keystore.password", properties.get("ssl.keystore.password", "")
    if properties.get("ssl.endpoint.identification.algorithm", "https") == "":
        yield "ssl.endpoint.identification.algorithm", "none"


def _expect_type(properties: Mapping[str, str], store: str, taken: tuple[str, ...]) -> str:
    name = f"ssl.{store}.type"
    kind = properties.get(name, "JKS").upper()  # JKS is the Java client's own default
    if kind not in taken:
        wanted = " or ".join(taken)
        raise _refused(wanted, kind, _CONVERT, of=name)
    return kind


def _sasl(properties: Mapping[str, str]) -> dict[str, str]:
    mechanism = properties.get("sasl.mechanism", "GSSAPI")  # the Java client's own default
    if mechanism not in _MECHANISMS:
        raise _refused(", ".join(_MECHANISMS), mechanism, _AWAY, of="sasl.mechanism")
    login = jaas.parse(properties.get("sasl.jaas.config", ""))
    module = known(login.module) if login else "none"
    if login is None or module != _MECHANISMS[mechanism]:
        expected = f"{_MECHANISMS[mechanism]} (sasl.mechanism is {mechanism})"
        raise _refused(expected, module, "mend the line", of="sasl.jaas.config")
    if mechanism == "OAUTHBEARER":
        return _oauth(properties, login.options)
    if missing := {"username", "password"} - login.options.keys():
        expected, got = "username and password", f"none of {', '.join(sorted(missing))}"
        raise _refused(expected, got, "mend the line", of="sasl.jaas.config")
    own = {f"sasl.{name}": login.options[name] for name in ("username", "password")}
    return {"sasl.mechanism": mechanism, **own}


def _oauth(properties: Mapping[str, str], options: Mapping[str, str]) -> dict[str, str]:
    url = properties.get("sasl.oauthbearer.token.endpoint.url")
    handler = known(properties.get("sasl.login.callback.handler.class", UNSECURED))
    if url is None and handler == UNSECURED:
        return _unsecured(options)
    if url is None or not url.startswith(("http://", "https://")):
        name, wanted = "sasl.oauthbearer.token.endpoint.url", "an http or https address"
        raise _refused(wanted, url or f"none ({handler})", _AWAY, of=name)
    client = "sasl.oauthbearer.client.credentials.client"
    given = {
        "id": options.get("clientId", properties.get(f"{client}.id")),
        "secret": options.get("clientSecret", properties.get(f"{client}.secret")),
    }
    absent = [name for name, value in given.items() if value is None]
    if absent:
        expected = "clientId and clientSecret"
        raise _refused(
            expected, f"no client {' and no '.join(absent)}", _AWAY, of="sasl.jaas.config"
        )
    settings = {
        "sasl.oauthbearer.method": "oidc",
        "sasl.oauthbearer.token.endpoint.url": url,
        **{f"sasl.oauthbearer.client.{name}": value for name, value in given.items() if value},
    }
    scope = options.get("scope", properties.get("sasl.oauthbearer.scope"))
    return settings | ({"sasl.oauthbearer.scope": scope} if scope else {})


def _unsecured(options: Mapping[str, str]) -> dict[str, str]:
    """Return the login by a token that nobody signed: for tests of a broker."""
    claim = options.get("unsecuredLoginPrincipalClaimName", "sub")
    principal = options.get(f"unsecuredLoginStringClaim_{claim}")
    if principal is None:
        expected = f'unsecuredLoginStringClaim_{claim}="NAME"'
        raise _refused(expected, "no such option", "name who logs in", of="sasl.jaas.config")
    return {
        "enable.sasl.oauthbearer.unsecure.jwt": "true",
        "sasl.oauthbearer.config": f"principalClaimName={claim} principal={principal}",
    }


def _refused(expected: str, got: str, what_to_do: str, *, of: str) -> LoginError:
    return LoginError(
        f"kafka.properties.{of}: expected, of the tools' client, {expected}; got {got};"
        f" {what_to_do}"
    )
