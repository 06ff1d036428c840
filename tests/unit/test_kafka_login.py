"""Classes by the connector's names for the job, and the same login for the tools."""

import zipfile
from functools import partial

import pytest

from conf.client import jaas
from conf.client.classes import HANDLERS, MODULES, OIDC_BEFORE_4, for_job, known
from conf.client.librdkafka import LoginError, librdkafka
from conf.client.secrets import Secret
from conf.schema import JobConfig
from conf.sections.kafka import Kafka
from jobs import tables
from scripts.tools.cluster.paths import connector_jar

SECURITY = "org.apache.kafka.common.security"
PLAIN = f"{SECURITY}.plain.PlainLoginModule"
OAUTH = f"{SECURITY}.oauthbearer.OAuthBearerLoginModule"
SHADED = "org.apache.flink.kafka.shaded."


def named():
    """Each name that a configuration may use for Kafka's own classes, with its property."""
    listed = [*(("sasl.jaas.config", module) for module in MODULES)]
    listed += [(name, handler) for name, handlers in HANDLERS.items() for handler in handlers]
    return [(name, text) for name, text in listed if text.startswith("org.apache.kafka.")]


@pytest.mark.parametrize(("name", "written"), named())
def test_kafkas_classes_are_found_in_the_connector(name, written):
    value = f"{written} required;" if name == "sasl.jaas.config" else written
    for given in (value, SHADED + value):
        renamed = for_job({name: given})[name].split()[0]
        with zipfile.ZipFile(connector_jar()) as jar:
            jar.getinfo(renamed.replace(".", "/") + ".class")


def test_everything_but_kafkas_classes_stays():
    properties = {
        "client.id": "org.apache.kafka.",
        "sasl.jaas.config": "software.amazon.msk.auth.iam.IAMLoginModule required;",
        "sasl.client.callback.handler.class": HANDLERS["sasl.client.callback.handler.class"][1],
    }
    assert for_job(properties) == properties


def test_the_name_of_kafka_3_is_the_one_of_kafka_4():
    assert known(OIDC_BEFORE_4) == f"{SECURITY}.oauthbearer.OAuthBearerLoginCallbackHandler"


def test_every_table_of_the_job_logs_in_by_the_connectors_names():
    line = Secret(f"""{PLAIN} required username="ann" password="it's";""")
    config = JobConfig(kafka=Kafka(properties={"sasl.jaas.config": line}))
    told = f"""'properties.sasl.jaas.config' = '{SHADED}{line.replace("'", "''")}'"""
    made = [tables.events(config), tables.loop_records(config, 0), tables.commands(config)]
    made += [tables.loop_sink(config, "a", "b"), tables.output_sink(config, "a", "b")]
    assert all(told in sql for sql in made)


def test_every_source_looks_for_new_partitions():
    config = JobConfig(kafka=Kafka(partition_discovery="45s"))
    told = "'scan.topic-partition-discovery.interval' = '45000 ms'"
    sources = (tables.events, partial(tables.loop_records, since_ms=0), tables.commands)
    assert all(told in source(config) for source in sources)
    assert JobConfig().kafka.partition_discovery <= 60_000


def test_a_line_of_jaas_is_read_as_java_reads_it():
    line = jaas.parse('\n a.B  REQUIRED\n x=1 y = \'a;b\'\tz="q\\"\\\\"; ')
    assert line == jaas.Login("a.B", {"x": "1", "y": "a;b", "z": 'q"\\'})
    assert jaas.parse('a.B required x="1"; c.D required;') is None
    assert jaas.parse("a.B required") is None


def login(module, **options):
    return f"{module} required " + " ".join(f'{k}="{v}"' for k, v in options.items()) + ";"


def test_certificates_are_translated_for_librdkafka():
    store = {"ssl.keystore.location": "/me.pem", "ssl.key.password": "p"}
    assert librdkafka({
        "security.protocol": "SSL",
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": "/ca.pem",
        "ssl.keystore.type": "PEM",
        "ssl.endpoint.identification.algorithm": "",
        **store,
    }) == {
        "security.protocol": "SSL",
        "ssl.ca.location": "/ca.pem",
        "ssl.certificate.location": "/me.pem",
        "ssl.key.location": "/me.pem",
        "ssl.key.password": "p",
        "ssl.endpoint.identification.algorithm": "none",
    }  # fmt: skip
    inline = {"ssl.keystore.key": "k", "ssl.keystore.certificate.chain": "c"}
    inline["ssl.truststore.certificates"] = "t"
    found = librdkafka({"security.protocol": "SSL", **inline})
    own = ("ssl.key.pem", "ssl.certificate.pem", "ssl.ca.pem")
    assert [found[name] for name in own] == ["k", "c", "t"]
    other = {"ssl.keystore.type": "PKCS12", "ssl.keystore.location": "/p12"}
    found = librdkafka({"security.protocol": "SSL", **other, "ssl.keystore.password": "p"})
    assert (found["ssl.keystore.location"], found["ssl.keystore.password"]) == ("/p12", "p")


def test_tokens_are_translated_for_librdkafka():
    common = {"security.protocol": "SASL_SSL", "sasl.mechanism": "OAUTHBEARER"}
    url = {"sasl.oauthbearer.token.endpoint.url": "https://x/token"}
    by_jaas = login(SHADED + OAUTH, clientId="a", clientSecret="b", scope="c")
    client = "sasl.oauthbearer.client.credentials.client"
    by_name = {f"{client}.id": "a", f"{client}.secret": "b", "sasl.oauthbearer.scope": "c"}
    expected = {
        **common,
        **url,
        "sasl.oauthbearer.method": "oidc",
        "sasl.oauthbearer.client.id": "a",
        "sasl.oauthbearer.client.secret": "b",
        "sasl.oauthbearer.scope": "c",
    }
    assert librdkafka({**common, **url, "sasl.jaas.config": by_jaas}) == expected
    assert librdkafka({**common, **url, **by_name, "sasl.jaas.config": login(OAUTH)}) == expected
    unsecured = login(OAUTH, unsecuredLoginStringClaim_sub="ann")
    assert librdkafka({**common, "sasl.jaas.config": unsecured}) == {
        **common,
        "enable.sasl.oauthbearer.unsecure.jwt": "true",
        "sasl.oauthbearer.config": "principalClaimName=sub principal=ann",
    }


TOKENS = {"security.protocol": "SASL_SSL", "sasl.mechanism": "OAUTHBEARER"}
TLS = {"security.protocol": "SSL"}


@pytest.mark.parametrize(
    ("properties", "told"),
    [
        (TLS | {"ssl.truststore.location": "/x.jks"}, "ssl.truststore.type: .*PEM; got JKS"),
        (TLS | {"ssl.keystore.location": "/x.jks"}, "ssl.keystore.type: .*PKCS12; got JKS"),
        ({"security.protocol": "SASL_SSL"}, "sasl.mechanism: .*; got GSSAPI"),
        (
            {"security.protocol": "SASL_SSL", "sasl.mechanism": "AWS_MSK_IAM"},
            "sasl.mechanism: .*; got AWS_MSK_IAM",
        ),
        (
            {"security.protocol": "SASL_SSL", "sasl.mechanism": "PLAIN"},
            "sasl.jaas.config: .*PlainLoginModule.*; got none",
        ),
        (
            {
                "security.protocol": "SASL_SSL",
                "sasl.mechanism": "SCRAM-SHA-256",
                "sasl.jaas.config": login(PLAIN, username="ann", password="p"),
            },
            "sasl.jaas.config: .*ScramLoginModule.*; got .*PlainLoginModule",
        ),
        (
            {
                "security.protocol": "SASL_SSL",
                "sasl.mechanism": "PLAIN",
                "sasl.jaas.config": login(PLAIN, username="ann"),
            },
            "sasl.jaas.config: .*; got none of password",
        ),
        (
            TOKENS
            | {
                "sasl.jaas.config": login(OAUTH),
                "sasl.oauthbearer.token.endpoint.url": "file:///token",
            },
            "token.endpoint.url: .*; got file:///token",
        ),
        (
            TOKENS
            | {
                "sasl.jaas.config": login(OAUTH),
                "sasl.login.callback.handler.class": "com.google.GcpLoginCallbackHandler",
            },
            "token.endpoint.url: .*; got none .*Gcp",
        ),
        (
            TOKENS
            | {
                "sasl.jaas.config": login(OAUTH),
                "sasl.oauthbearer.token.endpoint.url": "https://x",
            },
            "got no client id and no secret",
        ),
    ],
)
def test_what_the_tools_cannot_take_is_told_exactly(properties, told):
    with pytest.raises(LoginError, match=f"kafka.properties.*{told}"):
        librdkafka(properties)
