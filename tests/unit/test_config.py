"""Configuration: everything wrong is told at once, and nothing wrong gets through."""

from dataclasses import fields, replace
from pathlib import Path

import pytest
import yaml

from conf.loader import ConfigError, load, written
from conf.parameters import (
    deep_shape,
    event_policy,
    neighbour_params,
    ranking_params,
    rating_params,
    transition_params,
    user_params,
    wants_deep,
)
from conf.renamed import RENAMED
from conf.schema import JobConfig
from conf.sections.ranking import NeighbourRules, RankingRules
from conf.units import DURATIONS, SIZES, duration, parse, render, size
from conf.written import as_yaml
from models.deep.shape import Shape
from models.params.events import EventPolicy
from models.params.neighbours import NeighbourParams
from models.params.ranking import MODELS, RankingParams
from models.params.rating import KalmanParams, RatingParams
from models.params.transitions import TransitionParams
from models.params.users import UserParams
from models.users.past import ALWAYS

ROOT = Path(__file__).parents[2]


def problems(tmp_path, text, overrides=()):
    file = tmp_path / "job.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load(file, overrides)
    return [line.replace(str(file), "FILE") for line in caught.value.lines]


OTHER = {
    "items.tell_interval": "5m",
    "items.tell_bytes_per_second": "64KiB",
    "learning.ranking.neighbours": "0.25",
    "learning.neighbours.neighbours": "30",
    "learning.neighbours.places": "30",
    "fine_tune.events": "4000",
    "fine_tune.keep": "7",
    "fine_tune.every": "5m",
    "fine_tune.privacy": "{enabled: true, noise: 2.0}",
}
"""A value of each renamed key that is not its default."""


def loaded(tmp_path, text, overrides=()):
    file = tmp_path / "job.yaml"
    file.write_text(text, encoding="utf-8")
    return load(file, overrides)


def test_an_empty_file_is_all_defaults(tmp_path):
    assert loaded(tmp_path, "") == JobConfig()


def test_an_empty_section_is_all_defaults(tmp_path):
    assert loaded(tmp_path, "users:\nkafka:\n") == JobConfig()


def test_the_files_that_ship_are_valid(monkeypatch, tmp_path):
    load(ROOT / "conf" / "local.yaml")
    secret = tmp_path / "jaas"
    scram = "org.apache.kafka.common.security.scram.ScramLoginModule"
    secret.write_text(f'{scram} required username="u" password="p";')
    cluster = (ROOT / "conf" / "cluster.yaml").read_text()
    assert "/run/secrets/kafka-jaas" in cluster
    loaded(tmp_path, cluster.replace("/run/secrets/kafka-jaas", str(secret)))


def test_all_problems_are_told_at_once(tmp_path):
    lines = problems(
        tmp_path,
        """
kafka: {start: comitted, bootstrap_server: "x:1"}
users: {buckets: 63, ttl: 30}
events: {max_bytes: 64KB, weights: {"a\\x07": 1}}
recommend: 5
flink: {parallelism: 1.5}
evaluation: {share: .inf}
""",
    )
    assert lines == [
        "FILE: kafka.start: expected 'earliest', 'latest' or 'committed', got 'comitted'; "
        "did you mean 'committed'?",
        "FILE: kafka.bootstrap_server: expected a key of kafka, got an unknown one; "
        "did you mean 'bootstrap_servers'?",
        "FILE: events.weights.a\x07: expected text that matches ^[^\\x00-\\x1f\\x7f]{1,100}$, "
        "got 'a\\x07'",
        "FILE: events.max_bytes: expected a size such as \"64KiB\" from 256B to 1MiB, got '64KB'",
        "FILE: users.buckets: expected a power of two, got 63",
        'FILE: users.ttl: expected a duration such as "15m" from 1m to 3650d, got 30',
        "FILE: recommend: expected a mapping of keys, got 5",
        "FILE: evaluation.share: expected a finite number, got inf",
        "FILE: flink.parallelism: expected a whole number, got 1.5",
    ]


def test_a_key_in_the_wrong_section_is_pointed_to_the_right_one(tmp_path):
    assert problems(tmp_path, "kafka: {micro_batch: 1s}") == [
        "FILE: kafka.micro_batch: expected a key of kafka, got an unknown one; "
        "did you mean 'flink.micro_batch'?"
    ]


@pytest.mark.parametrize(
    ("text", "blamed"),
    [
        ("kafka: {transaction_timeout: 10s}\nflink: {checkpoint_interval: 5s}", "kafka.transact"),
        ("kafka: {transaction_timeout: 9m}", "kafka.transaction_timeout"),
        ("flink: {checkpoint_timeout: 10m}", "kafka.transaction_timeout"),
        ("flink: {checkpoint_interval: 1m}", "kafka.transaction_timeout"),
        ("kafka: {topics: {dead_letter: user_behavior}}", "kafka.topics"),
        ("events: {rating_min: 5, rating_max: 5}", "events.rating_min"),
        ("events: {weights: {rating: null}}", "events.weights"),
        ("learning: {objective: rating}\nevents: {weights: {rating: 0}}", "events.weights"),
        ("users: {ttl: 5m}", "users.session_gap"),
        ("users: {buckets: 2}\nitems: {buckets: 4}", "items.buckets"),
        ("kafka: {max_record_bytes: 64KiB}\nitems: {successors: 10000}", "items.successors"),
        ("kafka: {max_record_bytes: 64KiB}\nrecommend: {k: 100}", "recommend.k"),
        ("items: {window: 1m}", "items.publish_interval"),
        ("users: {history: 4}", "learning.transitions.window"),
        ("learning: {rating: {lowest: 7}}", "learning.rating.lowest"),
        ("trending: {hop: 7h}", "trending.hop"),
        ("deep: {network: sasrec, length: 65}", "deep.length"),
        ("deep: {network: sasrec, dim: 7}", "deep.dim"),
        ("deep: {network: ncf, layers: 2}", "deep.layers"),
        (
            "deep: {network: ncf}\nfine_tune: {differential_privacy: {enabled: true}}",
            "deep.network",
        ),
        (
            "learning: {objective: rating}\nfine_tune: {differential_privacy: {enabled: true}}",
            "learning.objective",
        ),
        ("fine_tune: {processes: 2, differential_privacy: {enabled: true}}", "fine_tune.processes"),
        ("trending: {top: 5}", "trending.top"),
        ("flink: {parallelism: 65}", "flink.parallelism"),
        ("flink: {micro_batch: 6s}", "flink.micro_batch"),
        ("flink: {bundle_time: 6s}", "flink.bundle_time"),
    ],
)
def test_a_rule_between_keys_names_the_key_to_blame(tmp_path, text, blamed):
    lines = problems(tmp_path, text)
    assert len(lines) == 1
    assert lines[0].startswith(f"FILE: {blamed}")


def test_a_timeout_that_is_too_short_can_be_mended_from_both_sides(tmp_path):
    (line,) = problems(tmp_path, "flink: {checkpoint_timeout: 10m}")
    assert "raise it" in line
    assert "or lower flink.checkpoint_timeout" in line


def test_rules_are_told_together_with_bad_values_but_not_about_them(tmp_path):
    lines = problems(tmp_path, "trending: {hop: 7h, top: many}\nusers: {buckets: 3}")
    assert [line.split(": ")[1] for line in lines] == [
        "users.buckets",
        "trending.top",
        "trending.hop",
    ]
    assert lines[2].endswith("got '7h'; trending.window is '6h'")


def test_an_override_wins_and_is_named_when_it_is_wrong(tmp_path):
    assert loaded(tmp_path, "recommend: {k: 5}", ["recommend.k=20"]).recommend.k == 20
    lines = problems(tmp_path, "", ["recommend.k=0", "recommend.kk=1", "nonsense"])
    assert lines == [
        "nonsense: expected section.key=value with a YAML value",
        "recommend.k=0: recommend.k: expected a number of at least 1, got 0",
        "recommend.kk=1: recommend.kk: expected a key of recommend, got an unknown one; "
        "did you mean 'k'?",
    ]


def test_a_key_written_twice_is_told_with_its_lines(tmp_path):
    lines = problems(tmp_path, "users: {ttl: 1d}\nflink:\n  parallelism: 1\nusers: {ttl: 2d}\n")
    assert lines == ["FILE: users: expected a key once, got it in lines 1 and 4"]


@pytest.mark.parametrize("text", ["- a\n- b\n", "hello", "42", "a: [1", "a: !!python/none x"])
def test_a_file_that_is_no_mapping_is_refused_in_one_line(tmp_path, text):
    lines = problems(tmp_path, text)
    assert len(lines) == 1
    assert lines[0].startswith("FILE: expected ")


def test_a_missing_file_and_one_in_another_encoding_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="expected a readable file"):
        load(tmp_path / "none.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"job: {name: caf\xe9}")
    with pytest.raises(ConfigError, match="expected UTF-8"):
        load(tmp_path / "latin.yaml")


def test_strict_types_refuse_text_for_numbers_and_words_for_switches(tmp_path):
    lines = problems(tmp_path, 'recommend: {k: "5", enabled: 1}')
    assert lines == [
        "FILE: recommend.enabled: expected true or false, got 1",
        "FILE: recommend.k: expected a whole number, got '5'",
    ]


def test_secrets_come_by_reference_and_are_masked(tmp_path, monkeypatch):
    (tmp_path / "password").write_text("hunter2\n")
    scram = "org.apache.kafka.common.security.scram.ScramLoginModule"
    monkeypatch.setenv("JAAS", f'{scram} required password="hunter3";')
    config = loaded(
        tmp_path,
        f"""
kafka:
  properties:
    sasl.jaas.config: ${{env:JAAS}}
    ssl.keystore.password: ${{file:{tmp_path}/password}}
    fetch.min.bytes: "1"
""",
    )
    assert config.kafka.properties["ssl.keystore.password"] == "hunter2"
    assert "hunter3" in str(config.kafka.properties["sasl.jaas.config"])
    shown = as_yaml(config) + repr(config)
    assert "hunter" not in shown
    assert "fetch.min.bytes: '1'" in shown


def test_a_secret_in_the_file_is_refused_without_repeating_it(tmp_path):
    lines = problems(tmp_path, "kafka: {properties: {ssl.key.password: hunter2}}")
    assert len(lines) == 1
    assert "reference" in lines[0]
    assert "hunter2" not in lines[0]


def test_missing_references_are_told_with_everything_else(tmp_path, monkeypatch):
    monkeypatch.delenv("NO_SUCH_NAME", raising=False)
    lines = problems(
        tmp_path, "kafka: {properties: {client.id: '${env:NO_SUCH_NAME}'}}\nusers: {ttl: 1}"
    )
    assert lines[0] == (
        "FILE: kafka.properties.client.id: expected the environment variable NO_SUCH_NAME to be set"
    )
    assert len(lines) == 2


@pytest.mark.parametrize(
    "entry",
    [
        "bootstrap.servers: 'x:1'",
        "group.id: other",
        "ssl.engine.factory.class: evil.Factory",
        "security.providers.classes: evil.Provider",
        "security.providers: evil.Provider",
        "sasl.kerberos.kinit.cmd: /tmp/evil",
        "sasl.login.class: evil.Login",
        "sasl.login.callback.handler.class: evil.Handler",
        "sasl.oauthbearer.jwt.retriever.class: evil.Retriever",
        "sasl.jaas.config: evil.Module required;",
        "sasl.jaas.config: no module at all",
        "sasl.oauthbearer.client.credentials.client.secret: hunter2",
        "sasl.oauthbearer.assertion.private.key.passphrase: hunter2",
        "client.id: 5",
    ],
)
def test_only_harmless_text_properties_are_accepted(tmp_path, entry):
    assert len(problems(tmp_path, f"kafka: {{properties: {{{entry}}}}}")) == 1


def test_a_login_module_that_loads_code_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("JAAS", "com.sun.security.auth.module.JndiLoginModule required;")
    lines = problems(tmp_path, "kafka: {properties: {sasl.jaas.config: '${env:JAAS}'}}")
    assert "kafka.properties.sasl.jaas.config: expected a class that is known" in lines[0]
    assert "got com.sun.security.auth.module.JndiLoginModule" in lines[0]


def test_what_is_about_a_secret_and_a_login_without_one_may_be_written_down(tmp_path):
    config = loaded(
        tmp_path,
        """
kafka:
  properties:
    sasl.jaas.config: software.amazon.msk.auth.iam.IAMLoginModule required;
    sasl.client.callback.handler.class: software.amazon.msk.auth.iam.IAMClientCallbackHandler
    sasl.oauthbearer.token.endpoint.url: https://login.example.com/token
    sasl.oauthbearer.client.credentials.client.id: streamrec
    sasl.oauthbearer.assertion.private.key.file: /run/secrets/key.pem
""",
    )
    assert len(config.kafka.properties) == 5


@pytest.mark.parametrize("end", ['";', "';", '"', " password=x;"])
def test_a_line_of_jaas_that_cannot_be_read_is_refused_without_repeating_it(tmp_path, end):
    line = f"org.apache.kafka.common.security.plain.PlainLoginModule required hunter2={end}"
    (tmp_path / "jaas").write_text(line)
    reference = f"kafka: {{properties: {{sasl.jaas.config: '${{file:{tmp_path}/jaas}}'}}}}"
    lines = problems(tmp_path, reference)
    assert len(lines) == 1
    assert "expected one login module" in lines[0]
    assert "hunter2" not in lines[0]


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("kafka-1:9092, kafka-2:9092 ,kafka-3:9092", "kafka-1:9092,kafka-2:9092,kafka-3:9092"),
        (" [::1]:9092", "[::1]:9092"),
        ("[fe80::1%eth0]:9092,127.0.0.1:9092", "[fe80::1%eth0]:9092,127.0.0.1:9092"),
    ],
)
def test_brokers_are_listed_with_blanks_and_by_ipv6_addresses(tmp_path, written, read):
    config = loaded(tmp_path, f"kafka: {{bootstrap_servers: '{written}'}}")
    assert config.kafka.bootstrap_servers == read


@pytest.mark.parametrize(
    "brokers", ["", "kafka", "::1:9092", "a:1,", "a:1 b:1", "a:1;b:1", "[x]:1"]
)
def test_what_is_no_list_of_brokers_is_refused(tmp_path, brokers):
    (line,) = problems(tmp_path, f"kafka: {{bootstrap_servers: '{brokers}'}}")
    told = 'expected brokers such as "one:9092, two:9092", an IPv6 address in brackets'
    assert line == f"FILE: kafka.bootstrap_servers: {told}, got '{brokers}'"


def test_weights_are_added_to_the_defaults_and_null_refuses_a_type(tmp_path):
    config = loaded(tmp_path, "events: {weights: {purchase: 9, play: 2, impression: null}}")
    weights = event_policy(config).weights
    assert weights["purchase"] == 9
    assert weights["play"] == 2
    assert weights["click"] == 1
    assert "impression" not in weights


def test_quantities_have_units():
    assert duration("200ms") == 200
    assert duration("15m") == 900_000
    assert size("64KiB") == 65_536
    assert parse("1.5h", DURATIONS) is None
    assert parse("10 parsecs", DURATIONS) is None
    assert parse(30, DURATIONS) is None
    assert [render(n, DURATIONS) for n in (0, 200, 90_000, 86_400_000)] == [
        "0d",
        "200ms",
        "90s",
        "1d",
    ]
    assert render(1 << 20, SIZES) == "1MiB"


def test_the_defaults_of_the_models_are_the_defaults_of_the_configuration():
    config = JobConfig()
    assert user_params(config) == UserParams()
    assert transition_params(config) == TransitionParams()
    assert ranking_params(config) == MODELS["full"]
    assert MODELS["light"] == RankingParams()
    assert rating_params(config) == KalmanParams()
    sgd = JobConfig.model_validate({"learning": {"rating": {"model": "sgd"}}})
    assert rating_params(sgd) == RatingParams()
    assert neighbour_params(config) == NeighbourParams()
    hidden = {name: ALWAYS for name, weight in EventPolicy().weights.items() if weight > 0}
    assert event_policy(config) == EventPolicy(hide=hidden)


@pytest.mark.parametrize(
    ("section", "params"),
    [
        (RankingRules, RankingParams),
        (NeighbourRules, NeighbourParams),
    ],
)
def test_every_knob_of_a_model_can_be_configured(section, params):
    elsewhere = {"lowest", "highest"}  # `events.rating_min` and `.rating_max`
    configured = set(section.model_fields) - {"model"}  # which all others may differ from
    assert configured == {field.name for field in fields(params)} - elsewhere


@pytest.mark.parametrize(
    ("model", "section"), [("sgd", ()), ("ekf", ("filter",))], ids=["sgd", "ekf"]
)
def test_every_knob_of_a_rating_model_can_be_configured(model, section):
    start = rating_params(JobConfig.model_validate({"learning": {"rating": {"model": model}}}))
    rules = {}
    for field in fields(start):
        if field.name in ("lowest", "highest"):  # `events.rating_min` and `.rating_max`
            continue
        value = getattr(start, field.name)
        shared = field.name in ("factors", "radius", "support", "seed")
        place = rules if shared or not section else rules.setdefault("filter", {})
        if field.name == "session_gap_ms":
            place["session_gap"] = "20m"
        else:
            place[field.name] = value + 1 if isinstance(value, int) else value / 2 + 1e-4
    changed = JobConfig.model_validate({"learning": {"rating": {"model": model, **rules}}})
    found = rating_params(changed)
    for field in fields(start):
        same = getattr(found, field.name) == getattr(start, field.name)
        assert same == (field.name in ("lowest", "highest")), field.name


def test_items_follow_themselves_where_they_may_be_recommended_again(tmp_path):
    assert not transition_params(loaded(tmp_path, "job: {name: a}")).repeats
    assert transition_params(loaded(tmp_path, "recommend: {repeats: allow}")).repeats
    some = loaded(tmp_path, "recommend: {repeats: {click: allow}}")
    assert transition_params(some).repeats


def test_a_model_has_knobs_of_its_own_and_each_can_be_changed(tmp_path):
    full = loaded(tmp_path, "learning: {ranking: {model: full}}")
    assert ranking_params(full) == MODELS["full"]
    assert ranking_params(full).context > 0
    changed = loaded(tmp_path, "learning: {ranking: {model: full, negatives: 7}}")
    assert ranking_params(changed) == replace(MODELS["full"], negatives=7)


def test_what_is_printed_can_be_loaded_again(tmp_path):
    config = loaded(tmp_path, "users: {ttl: 90d}\nevents: {earliest: 2010-05-01}")
    assert loaded(tmp_path, as_yaml(config)) == config


@pytest.mark.parametrize(
    ("text", "hide"),
    [
        ("exclude", {}),
        ("allow", {"view": 0, "purchase": 0}),
        ("{after: 7d}", {"view": 7 * 86_400_000, "purchase": 7 * 86_400_000}),
        ("{view: allow, purchase: {after: 90m}}", {"view": 0, "purchase": 90 * 60_000}),
    ],
)
def test_repeats_are_written_for_all_types_or_by_type(tmp_path, text, hide):
    config = loaded(tmp_path, f"recommend: {{repeats: {text}}}")
    told = event_policy(config).hide
    assert {kind: told[kind] for kind in ("view", "purchase", "click")} == {
        "view": ALWAYS, "purchase": ALWAYS, "click": hide.get("view", ALWAYS) if "view:" not in text
        else ALWAYS, **hide,
    }  # fmt: skip
    assert yaml.safe_load(as_yaml(config))["recommend"]["repeats"] == yaml.safe_load(text)


def test_no_past_is_kept_where_everything_may_come_back(tmp_path):
    assert user_params(loaded(tmp_path, "recommend: {repeats: allow}")).past == 0
    assert not user_params(loaded(tmp_path, "")).timed
    assert user_params(loaded(tmp_path, "recommend: {repeats: {view: {after: 1d}}}")).timed


@pytest.mark.parametrize(
    "text", ["never", "{}", "{after: 5s}", "{after: 5}", "{view: {after: 1d, before: 2d}}", "[1]"]
)
def test_repeats_of_no_known_form_are_refused(tmp_path, text):
    (line,) = problems(tmp_path, f"recommend: {{repeats: {text}}}")
    assert "recommend.repeats: expected `exclude`, `allow`, `{after: 30d}`" in line


def test_repeats_of_a_type_without_a_weight_are_refused(tmp_path):
    (line,) = problems(tmp_path, "recommend: {repeats: {buy: allow}}")
    assert "recommend.repeats: expected event types that events.weights knows" in line


def test_a_job_of_ratings_has_the_model_of_ratings_beside_its_filter():
    rating = {"learning": {"objective": "rating"}}
    config = JobConfig.model_validate(rating)
    assert wants_deep(config)
    assert deep_shape(config) == Shape(network="mf", dim=32)
    assert user_params(config).deep_state == 33
    assert deep_shape(JobConfig.model_validate(rating | {"deep": {"dim": 8}})).dim == 8
    sgd = JobConfig.model_validate(
        {"learning": {"objective": "rating", "rating": {"model": "sgd"}}}
    )
    assert not wants_deep(sgd)
    assert user_params(sgd).deep_state == 0
    assert deep_shape(JobConfig()) == Shape()


@pytest.mark.parametrize(
    "entry",
    [
        "partition.assignment.strategy: com.example.Evil",
        "ssl.provider: Evil",
        "client.no.such.name: x",
        "interceptor.classes: com.example.Evil",
    ],
)
def test_properties_are_accepted_by_name(tmp_path, entry):
    (line,) = problems(tmp_path, f"kafka: {{properties: {{{entry}}}}}")
    assert "expected a property of Kafka's clients that is known not to load code" in line


def test_a_property_with_a_typo_is_told_the_nearest(tmp_path):
    (line,) = problems(tmp_path, "kafka: {properties: {fetch.min.byte: '1'}}")
    assert line.endswith("; did you mean 'fetch.min.bytes'?")


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_references_are_read_alike_and_in_every_text_key(tmp_path, monkeypatch, end):
    monkeypatch.setenv("PLACE", f"s3://models{end}")
    (tmp_path / "place").write_bytes(f"s3://models{end}".encode())
    for reference in ("${env:PLACE}", f"${{file:{tmp_path}/place}}"):
        config = loaded(
            tmp_path,
            f"fine_tune: {{store: '{reference}/shop'}}\n"
            f"kafka: {{properties: {{client.id: '{reference}'}}}}",
        )
        assert config.fine_tune.store == "s3://models/shop"
        assert config.kafka.properties["client.id"] == "s3://models"


def test_references_name_brokers_topics_jobs_and_lists(tmp_path, monkeypatch):
    monkeypatch.setenv("NAME", "shop")
    config = loaded(
        tmp_path,
        """
job: {name: "${env:NAME}"}
kafka: {bootstrap_servers: "${env:NAME}:9092", topics: {user_behavior: "${env:NAME}.clicks"}}
events: {ignore: ["${env:NAME}_*"]}
""",
    )
    assert config.job.name == "shop"
    assert config.kafka.bootstrap_servers == "shop:9092"
    assert config.kafka.topics.user_behavior == "shop.clicks"
    assert config.events.ignore == ("shop_*",)


@pytest.mark.parametrize("text", ["${STORE}", "${env:}", "$${vault:a}", "${env:A", "x ${ y"])
def test_what_looks_like_a_reference_is_never_taken_literally(tmp_path, text):
    (line,) = problems(tmp_path, f"fine_tune: {{store: '{text}'}}")
    assert line.startswith("FILE: fine_tune.store: expected only references ${env:NAME} and")


def test_a_reference_where_a_number_belongs_is_refused_without_repeating_it(tmp_path, monkeypatch):
    monkeypatch.setenv("PW", "hunter2")
    lines = problems(tmp_path, "recommend: {k: '${env:PW}'}\njob: {name: ' ${env:PW}'}")
    assert len(lines) == 2
    assert all("expected" in line and "hunter2" not in line for line in lines)


@pytest.mark.parametrize(
    "override",
    [
        'kafka.properties.sasl.jaas.config=a password="hunter2" b',
        'kafka.properties.sasl.jaas.config=[a password="hunter2"',
        "kafka.properties.ssl.key.password=hunter2",
        'sasl.jaas.config=x password="hunter2"',
        "kafka.propertis.ssl.key.password=hunter2",
        'job.name=a password="hunter2"',
        "password: hunter2",
    ],
)
def test_an_override_that_is_refused_does_not_repeat_a_secret(tmp_path, override):
    (tmp_path / "c.yaml").write_text("job: {}\n")
    with pytest.raises(ConfigError) as caught:
        load(tmp_path / "c.yaml", [override])
    assert "hunter2" not in str(caught.value)


def test_yaml_that_cannot_be_read_is_told_by_place_and_not_repeated(tmp_path):
    (line,) = problems(tmp_path, 'kafka: {properties: {ssl.key.password: "hunter2}}\n')
    assert "expected YAML, got:" in line
    assert "line" in line
    assert "hunter2" not in line


@pytest.mark.parametrize("text", ["? [a]\n: 1\n", "job: {? {a: b} : 1}\n"])
def test_a_key_that_is_no_text_is_one_line(tmp_path, text):
    (line,) = problems(tmp_path, text)
    assert "expected a key that is text, got another in line 1" in line


@pytest.mark.parametrize(("text", "value"), [("1e-6", 1e-6), ("2E+1", 20.0), ("1.5e-1", 0.15)])
def test_numbers_may_have_an_exponent(tmp_path, text, value):
    assert (
        loaded(tmp_path, f"events: {{weights: {{view: {text}}}}}").events.weights["view"] == value
    )
    path = tmp_path / "c.yaml"
    path.write_text("job: {}")
    assert load(path, [f"events.weights.click={text}"]).events.weights["click"] == value


@pytest.mark.parametrize("weight", ["1.0e+300", ".inf", "-1.0e+7", ".nan"])
def test_a_weight_that_no_single_float_holds_is_refused(tmp_path, weight):
    (line,) = problems(tmp_path, f"events: {{weights: {{view: {weight}}}}}")
    assert "events.weights.view: expected a" in line


@pytest.mark.parametrize(
    "text",
    [
        "kafka: {properties: {ssl.key.password: 12345678}}",
        "kafka: {properties: 'ssl.key.passwd=12345678'}",
        "kafka: {properties: [12345678]}",
        "kafka: {properties: {'ssl.keystore.passwrd=12345678': x}}",
        "kafka: {properties: {ssl.key.password: !12345678}}",
        "kafka: {properties: {ssl.key.password: *12345678}}",
        "kafka: {properties: {sasl.jaas.config: '12345678 required;'}}",
        "kafka: {properties: {sasl.login.callback.handler.class: '12345678'}}",
    ],
)
def test_what_may_be_a_secret_in_the_wrong_form_is_not_repeated(tmp_path, text):
    lines = problems(tmp_path, text)
    assert lines
    assert all("12345678" not in line for line in lines)


@pytest.mark.parametrize(
    "override",
    [
        "kafka={properties: {ssl.keystore.key: hunter2}",
        "kafka.properties ssl.keystore.key hunter2",
        "kafka=[hunter2]",
        "kafka.props.ssl.keystore.key=hunter2",
        "kafka.properties.ssl.keystore.passwrd=hunter2",
    ],
)
def test_overrides_of_kafkas_section_are_not_repeated(tmp_path, override):
    (tmp_path / "c.yaml").write_text("job: {}\n")
    with pytest.raises(ConfigError) as caught:
        load(tmp_path / "c.yaml", [override])
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "events: {default_type: '${env:PW}'}",
        "job: {name: 'a ${env:PW}'}",
        "events: {weights: {view: '${env:PW}'}}",
        "events: {plan: '${env:PW}'}",
        "recommend: {repeats: '${env:PW}'}",
        "kafka: {topics: {user_behavior: '${env:PW}', recommendations: '${env:PW}'}}",
    ],
)
def test_what_a_reference_led_to_is_in_no_message(tmp_path, monkeypatch, text):
    monkeypatch.setenv("PW", "hunter2")
    lines = problems(tmp_path, text)
    assert lines
    assert all("hunter2" not in line for line in lines)


def test_a_plan_may_be_a_reference(tmp_path, monkeypatch):
    monkeypatch.setenv("PLAN", "ga4")
    assert loaded(tmp_path, "events: {plan: '${env:PLAN}'}").events.time == "us"


@pytest.mark.parametrize(
    "text",
    [
        "job: {name: 2024-13-45}",
        f"recommend: {{k: {'9' * 5000}}}",
        f"job: {'[' * 2000}",
        "events: &a {weights: *a}",
        "fine_tune: {store: '${file:a\\0b}'}",
    ],
)
def test_yaml_that_python_cannot_hold_is_one_line(tmp_path, text):
    lines = problems(tmp_path, text)
    assert lines
    assert all(len(line) < 400 for line in lines)
    if ": " in text and "&" not in text and "fine" not in text:
        key, _, value = text.partition(": ")
        (tmp_path / "d.yaml").write_text("job: {}")
        with pytest.raises(ConfigError):
            load(tmp_path / "d.yaml", [f"{key}={value}"])


def test_a_mapping_that_is_merged_twice_has_no_key_twice(tmp_path):
    text = "users: &a {<<: &b {history: 32}, past: 64}\nevents: {}\nitems: {}\n"
    config = loaded(tmp_path, f"{text}learning: {{neighbours: {{}}}}\n")
    assert (config.users.history, config.users.past) == (32, 64)
    lines = problems(tmp_path, "items: {q: &a {<<: &b {k: 1}, k: 2}}\nrecommend: {<<: *a}")
    assert not any("expected a key once" in line for line in lines)


@pytest.mark.parametrize(("name", "value"), [("shop.view", 1.0), ("a=b", 2.0), ("x y", 0.5)])
def test_event_types_of_any_name_have_weights(tmp_path, name, value):
    (tmp_path / "c.yaml").write_text("job: {}\n")
    config = load(tmp_path / "c.yaml", [f"events.weights.{name}={value}"])
    assert config.events.weights[name] == value


@pytest.mark.parametrize(("old", "new"), RENAMED.items())
def test_a_key_that_was_renamed_is_read_by_its_old_name_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, old: str, new: str
) -> None:
    value = OTHER[old]
    *path, name = old.split(".")
    text = "".join(f"{'  ' * n}{part}:\n" for n, part in enumerate(path))
    text += f"{'  ' * len(path)}{name}: {value}\n"
    expected = loaded(tmp_path, "", [f"{new}={value}"])
    assert expected != JobConfig()
    assert not caplog.text
    assert loaded(tmp_path, text) == expected
    assert f"{old} is called {new} now" in caplog.text
    for override in (f"{old}={value}", f"{old} ={value}", f"{'.'.join(path)}={{{name}: {value}}}"):
        caplog.clear()
        assert loaded(tmp_path, "", [override]) == expected
        assert f"{old} is called {new} now" in caplog.text
    assert loaded(tmp_path, text, [f"{new}={value}"]) == expected


def test_a_key_under_both_of_its_names_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"expected one name of .*kept_versions, got both"):
        loaded(tmp_path, "fine_tune: {keep: 3, kept_versions: 4}\n")


def test_parts_of_a_renamed_section_are_read_under_either_name(tmp_path: Path) -> None:
    text = "fine_tune: {privacy: {enabled: true}, differential_privacy: {epsilon: 3.0}}\n"
    found = loaded(tmp_path, text, ["fine_tune.privacy.noise=2.0"]).fine_tune.differential_privacy
    assert (found.enabled, found.epsilon, found.noise) == (True, 3.0, 2.0)
    with pytest.raises(ConfigError, match=r"differential_privacy\.nose: expected a key of"):
        loaded(tmp_path, "", ["fine_tune.privacy.nose=2.0"])


def test_what_is_written_of_a_file_with_old_names_has_the_new_ones_once(tmp_path: Path) -> None:
    path = tmp_path / "job.yaml"
    path.write_text("fine_tune: {keep: 3}\n")
    assert written(path, ["fine_tune.kept_versions=4"]) == {"fine_tune": {"kept_versions": 4}}
    assert written(path, ["fine_tune.keep=4"]) == {"fine_tune": {"kept_versions": 4}}
