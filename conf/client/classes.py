"""Classes that a configuration may name to log in to Kafka, and what the job calls them.

Flink's connector carries Kafka's client under names of its own. A class name in a property would
otherwise be looked up under Kafka's names, and not be found.
"""

import re
from collections.abc import Mapping

SHADED = "org.apache.flink.kafka.shaded."
"""What the connector puts before the names of Kafka's classes, and of its system properties."""

_SECURITY = "org.apache.kafka.common.security"
_OAUTH = f"{_SECURITY}.oauthbearer"
PLAIN = f"{_SECURITY}.plain.PlainLoginModule"
SCRAM = f"{_SECURITY}.scram.ScramLoginModule"
OAUTH = f"{_OAUTH}.OAuthBearerLoginModule"
UNSECURED = f"{_OAUTH}.internals.unsecured.OAuthBearerUnsecuredLoginCallbackHandler"
OIDC = f"{_OAUTH}.OAuthBearerLoginCallbackHandler"
OIDC_BEFORE_4 = f"{_OAUTH}.secured.OAuthBearerLoginCallbackHandler"
"""What it was called up to Kafka 3; the connector knows the new name only."""

MODULES = (
    PLAIN,
    SCRAM,
    OAUTH,
    "com.sun.security.auth.module.Krb5LoginModule",
    "software.amazon.msk.auth.iam.IAMLoginModule",
)
"""Login modules that `sasl.jaas.config` may name."""

HANDLERS = {
    "sasl.login.callback.handler.class": (
        UNSECURED,
        OIDC,
        OIDC_BEFORE_4,
        "software.amazon.msk.auth.iam.IAMOAuthBearerLoginCallbackHandler",
        "com.google.cloud.hosted.kafka.auth.GcpLoginCallbackHandler",
    ),
    "sasl.client.callback.handler.class": (
        f"{_OAUTH}.internals.OAuthBearerSaslClientCallbackHandler",
        "software.amazon.msk.auth.iam.IAMClientCallbackHandler",
    ),
    "sasl.oauthbearer.jwt.retriever.class": (
        f"{_OAUTH}.DefaultJwtRetriever",
        f"{_OAUTH}.ClientCredentialsJwtRetriever",
        f"{_OAUTH}.JwtBearerJwtRetriever",
        f"{_OAUTH}.FileJwtRetriever",
    ),
    "sasl.oauthbearer.jwt.validator.class": (
        f"{_OAUTH}.DefaultJwtValidator",
        f"{_OAUTH}.ClientJwtValidator",
    ),
}
"""Properties that name a class, and the classes that each may name."""

_WITH_CLASSES = ("sasl.jaas.config", *HANDLERS)
_KAFKAS = re.compile(r"^(\s*)org\.apache\.kafka\.")


def known(name: str) -> str:
    """Return a class by the name Kafka gives it.

    >>> known(SHADED + PLAIN)
    'org.apache.kafka.common.security.plain.PlainLoginModule'
    """
    name = name.strip().removeprefix(SHADED)
    return OIDC if name == OIDC_BEFORE_4 else name


def for_job(properties: Mapping[str, str]) -> dict[str, str]:
    """Return properties in which every class has the name that it has in the connector."""
    return {
        name: _renamed(name, value) if name in _WITH_CLASSES else value
        for name, value in properties.items()
    }


def _renamed(name: str, value: str) -> str:
    text = value if name == "sasl.jaas.config" else known(value)
    return _KAFKAS.sub(rf"\g<1>{SHADED}org.apache.kafka.", text)
