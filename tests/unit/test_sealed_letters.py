"""Encrypted dead letters: who has the key reads them byte for byte, and nobody else anything."""

import base64
import hmac
import pickle
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conf.client import letter_key
from conf.loader import ConfigError, load
from conf.parameters import letter_key as key_of_config
from conf.written import as_yaml
from jobs.parameters import learn_users
from models.columns.events import OFFSET_BITS
from operators.learn_users.micro_batch import MicroBatch
from operators.learn_users.stages.decode import Rejected
from operators.learn_users.stages.records import DeadLetters
from scripts.tools.cluster.paths import LOCAL_CONFIG
from scripts.tools.commands.letters.opening import Opener, key_of
from scripts.tools.console import ToolError
from scripts.tools.kafka.letters import Letter
from scripts.tools.kafka.resending import LOCKED, Outcome, Verdict
from state import record_sizes
from state.topics.sealed_letter import OVERHEAD, Place, Seal, SealError
from tests.builders import NOW
from tests.unit.test_bounds import java_size

KEY, OTHER = bytes(range(32)), bytes(range(1, 33))
LIMIT = 64 << 10
REFUSED = Rejected(0, "key_mismatch", "user_id", "expected the record key, got another")
PLACE = Place(b"behaviour", 3, 5)


def written(key, value, secret=KEY, *, partition=3, offset=5, max_bytes=LIMIT):
    """Return what the job writes for a refused record."""
    letters = DeadLetters("behaviour", "1", max_bytes, LIMIT, Seal(secret) if secret else None)
    coordinate = partition << OFFSET_BITS | offset
    ((found_key, found_value, headers),) = letters(
        [REFUSED], MicroBatch(0, [key], [value], [coordinate], [NOW])
    )
    return Letter(0, offset, NOW, found_key, found_value, tuple(headers.items()))


def changed(letter, **headers):
    named = {name.replace("_", "."): value for name, value in headers.items()}
    kept = {**dict(letter.headers), **named}
    return Letter(0, 0, NOW, letter.key, letter.value, tuple(kept.items()))


anything = st.none() | st.binary(max_size=200)


@given(key=anything, value=anything)
def test_who_has_the_key_gets_every_byte_back(key, value):
    letter = written(key, value)
    opened = Opener([OTHER, KEY])(letter)
    assert (opened.key, opened.value, opened.locked) == (key, value, "")
    assert (letter.value is None) == (value is None)
    assert Opener([OTHER])(letter).locked
    if value is not None:
        assert len(letter.value) == len(value) + OVERHEAD


def test_a_letter_says_how_and_with_which_key_it_is_encrypted():
    headers = dict(written(b"anna", b"{}").headers)
    assert headers["enc"] == b"A256GCM"
    assert headers["enc.key"] == sha256(KEY).hexdigest()[:8].encode()
    assert headers["err.code"] == b"key_mismatch"
    assert not any(name.startswith("enc") for name, _ in written(b"anna", b"{}", None).headers)


def test_the_same_record_never_looks_the_same_but_for_two_bytes_of_its_key():
    first, second = written(b"anna", b"{}"), written(b"anna", b"{}", offset=6)
    assert first.value != second.value
    assert dict(first.headers)["enc.src.key"] != dict(second.headers)["enc.src.key"]
    assert first.key == second.key
    assert len(first.key) == 2
    assert written(None, b"{}").key is None
    assert len({written(b"user-%d" % n, b"").key for n in range(50)}) > 40
    assert written(b"anna", b"", OTHER).key != first.key


@given(at=st.integers(0, 10_000), bit=st.integers(0, 7), part=st.sampled_from(["key", "value"]))
def test_a_changed_bit_is_found(at, bit, part):
    letter = written(b"anna", b'{"user_id": "anna"}')
    whole = bytearray(letter.value if part == "value" else dict(letter.headers)["enc.src.key"])
    whole[at % len(whole)] ^= 1 << bit
    if part == "value":
        bad = Letter(0, 5, NOW, letter.key, bytes(whole), letter.headers)
    else:
        bad = changed(letter, enc_src_key=bytes(whole))
    opened = Opener([KEY])(bad)
    assert (opened.key, opened.value) == (None, None)
    assert "damaged" in opened.locked


@pytest.mark.parametrize("length", [0, 1, 7, 8, 12, 27])
def test_bytes_that_are_too_short_are_damaged(length):
    with pytest.raises(SealError):
        Seal(KEY).decrypt(bytes(length), PLACE, b"value")


@pytest.mark.parametrize(
    "headers",
    [
        {"src_topic": b"elsewhere"},
        {"src_partition": b"4"},
        {"src_offset": b"6"},
        {"src_offset": None},
        {"src_partition": b"-3"},
        {"src_partition": b"\xff"},
        {"src_offset": b"\xd9\xa5"},
        {"enc_src_key": None},
        {"enc_src_key": b""},
    ],
)
def test_a_letter_of_other_coordinates_or_without_its_key_is_not_opened(headers):
    assert Opener([KEY])(changed(written(b"anna", b"{}"), **headers)).locked


def test_parts_of_letters_cannot_be_exchanged():
    one, other = written(b"anna", b"{}"), written(b"ben", b"[]", offset=6)
    opened = Opener([KEY])
    assert opened(Letter(0, 5, NOW, one.key, other.value, one.headers)).locked
    assert opened(changed(one, enc_src_key=dict(other.headers)["enc.src.key"])).locked
    assert opened(changed(one, enc_src_key=one.value)).locked
    sealed_key = dict(one.headers)["enc.src.key"]
    assert opened(Letter(0, 5, NOW, one.key, sealed_key, one.headers)).locked


def test_what_is_not_at_hand_or_not_known_is_told_by_letter():
    letter = written(b"anna", b"{}")
    name = sha256(KEY).hexdigest()[:8]
    assert Opener()(letter).locked == f"encrypted with key {name}, which is not at hand"
    pretended = changed(letter, enc_key=Seal(OTHER).id.encode())
    assert "damaged: not encrypted with key" in Opener([OTHER])(pretended).locked
    assert "does not know" in Opener([KEY])(changed(letter, enc=b"rot13")).locked
    assert Opener([KEY])(changed(letter, enc_key=None)).locked
    assert Opener([KEY])(changed(letter, enc_key=b"\x1b[2J" * 99)).locked.isprintable()


def test_plain_letters_and_letters_of_several_keys_lie_beside_each_other():
    mixed = [written(b"anna", b"{}", secret) for secret in (None, KEY, OTHER)]
    assert [(one.key, one.value) for one in map(Opener([OTHER, KEY]), mixed)] == [
        (b"anna", b"{}")
    ] * 3
    assert [bool(one.locked) for one in map(Opener([KEY]), mixed)] == [False, False, True]
    assert Opener([KEY])(mixed[0]) is mixed[0]


@settings(deadline=None)
@given(
    key=st.none() | st.integers(0, 3 * LIMIT) | st.integers(LIMIT - 1_000, LIMIT),
    value=st.none() | st.integers(0, 3 * LIMIT) | st.integers(LIMIT - 1_000, LIMIT),
    max_bytes=st.sampled_from([256, LIMIT, 1 << 20]),
)
def test_an_encrypted_letter_fits_and_says_what_was_left_out(key, value, max_bytes):
    key, value = (None if n is None else bytes([n % 256]) * n for n in (key, value))
    letter = written(key, value, max_bytes=max_bytes)
    headers = dict(letter.headers)
    size = record_sizes.record(letter.key, letter.value, headers)
    assert java_size(letter.key, letter.value, headers) <= size <= LIMIT
    opened = Opener([KEY])(letter)
    assert not opened.locked
    for found, sent, name in ((opened.key, key, "src.key"), (opened.value, value, "src")):
        assert f"{name}.sha256" not in headers
        if found == sent:
            assert f"{name}.size" not in headers
        else:
            assert found is None
            assert headers[f"{name}.size"] == b"%d" % len(sent)
            assert headers[f"{name}.hmac"] == hmac.new(KEY, sent, "sha256").hexdigest().encode()
    if record_sizes.record(key, value) < LIMIT - 2_048 and len(value or b"") <= max_bytes:
        assert (opened.key, opened.value) == (key, value)


def test_reasons_are_bounded():
    outcome = Outcome()
    for n in range(500):
        outcome.note(Verdict(LOCKED, f"encrypted with key {n}, which is not at hand"))
    figures = outcome.figures()
    assert (figures["locked"], len(figures["locked_by_reason"])) == (500, 101)
    assert sum(figures["locked_by_reason"].values()) == 500


def test_a_seal_shows_and_gives_away_nothing():
    seal = Seal(KEY)
    assert repr(seal) == f"Seal({seal.id})"
    with pytest.raises(TypeError):
        pickle.dumps(seal)
    with pytest.raises(ValueError, match="expected 32 bytes, got 31"):
        Seal(KEY[1:])


# ---- configuration -------------------------------------------------------------------------------

TEXT = base64.b64encode(KEY).decode()


@pytest.mark.parametrize(
    "text",
    [TEXT, TEXT.rstrip("="), base64.urlsafe_b64encode(KEY).decode(), KEY.hex(), KEY.hex().upper()],
)
def test_a_key_is_read_in_base64_and_hexadecimal(tmp_path, text):
    file = tmp_path / "key"
    file.write_text(f"{text}\n")
    config = load(LOCAL_CONFIG, [f"privacy.dead_letter_key=${{file:{file}}}"])
    assert key_of_config(config) == key_of(file) == KEY


@pytest.mark.parametrize("keyed", ["file", "env"])
def test_the_key_is_in_nothing_that_is_shown(tmp_path, monkeypatch, keyed):
    file = tmp_path / "key"
    file.write_text(TEXT)
    monkeypatch.setenv("LETTERS", TEXT)
    reference = {"file": f"${{file:{file}}}", "env": "${env:LETTERS}"}[keyed]
    config = load(LOCAL_CONFIG, [f"privacy.dead_letter_key={reference}"])
    params = learn_users(config)
    assert params.letter_key == KEY
    assert "dead_letter_key: '********'" in as_yaml(config)
    for shown in (repr(config), str(config), as_yaml(config), repr(params), str(params)):
        assert TEXT not in shown
        assert repr(KEY) not in shown
    assert pickle.loads(pickle.dumps(params)).letter_key == KEY  # so it reaches the workers


def test_without_a_key_nothing_is_encrypted():
    assert learn_users(load(LOCAL_CONFIG)).letter_key is None


@pytest.mark.parametrize(
    "text", ["hunter2hunter2", "x" * 44, TEXT[1:], TEXT + "A", KEY.hex()[1:], KEY.hex() + "0", ""]
)
def test_a_reference_to_no_key_is_an_error_without_what_is_there(tmp_path, monkeypatch, text):
    monkeypatch.setenv("LETTERS", text)
    with pytest.raises(ConfigError) as caught:
        load(LOCAL_CONFIG, ["privacy.dead_letter_key=${env:LETTERS}"])
    (line,) = caught.value.lines
    assert "privacy.dead_letter_key: expected a 256-bit key in base64" in line
    assert line.endswith(f"got text of {len(text)} characters; make one by openssl rand -base64 32")
    assert not text or text not in line
    file = tmp_path / "key"
    file.write_text(text)
    with pytest.raises(ToolError, match="expected a 256-bit key in base64") as told:
        key_of(file)
    assert not text or text not in str(told.value)
    with pytest.raises(ToolError, match="No such file"):
        key_of(tmp_path / "none")


@pytest.mark.parametrize(
    "text",
    [
        f"privacy: {{dead_letter_key: '{TEXT}'}}",
        f"privacy: {{dead_letter_key: ['{TEXT}']}}",
        f"privacy: '{TEXT}'",
        f"privacy: {{dead_letter_kye: '{TEXT}'}}",
        "privacy: {dead_letter_key: 12345678901234567890}",
    ],
)
def test_a_key_that_is_written_down_is_refused_and_not_repeated(tmp_path, text):
    file = tmp_path / "job.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(file)
    assert TEXT not in str(caught.value)
    assert "12345678901234567890" not in str(caught.value)
    assert "privacy" in str(caught.value)


@pytest.mark.parametrize(
    "override",
    [
        f"privacy.dead_letter_key={TEXT}",
        f"privacy.dead_letter_kye={TEXT}",
        f"privacy={TEXT}",
        f"privacy.dead_letter_key [{TEXT}",
        f"privcy.dead_letter_key={TEXT}",
    ],
)
def test_an_override_with_the_key_itself_is_refused_and_not_repeated(override):
    with pytest.raises(ConfigError) as caught:
        load(LOCAL_CONFIG, [override])
    assert TEXT not in str(caught.value)


def test_who_need_not_have_the_key_may_do_without(monkeypatch):
    monkeypatch.delenv("LETTERS", raising=False)
    override = ["privacy.dead_letter_key=${env:LETTERS}"]
    with pytest.raises(ConfigError, match="expected the environment variable LETTERS to be set"):
        load(LOCAL_CONFIG, override)
    config = load(LOCAL_CONFIG, override, optional=letter_key.NAMES)
    assert config == load(LOCAL_CONFIG)
    monkeypatch.setenv("LETTERS", "no key")
    with pytest.raises(ConfigError, match="expected a 256-bit key"):
        load(LOCAL_CONFIG, override, optional=letter_key.NAMES)


NAME_KEY = "0" * 64
PSEUDONYMS = ("privacy.pseudonym_key=${env:NAMES}", "privacy.dead_letter_key=${env:LETTERS}")


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (PSEUDONYMS[:1], "privacy.pseudonym_key: expected null, or a privacy.dead_letter_key"),
        (
            [*PSEUDONYMS, "privacy.former_pseudonym_key=${env:NAMES}"],
            "privacy.former_pseudonym_key: expected null, or another key",
        ),
        (["privacy.former_pseudonym_key=${env:NAMES}"], "expected null, or another key"),
        (["privacy.recommendations_by=pseudonym"], "expected id, or a privacy.pseudonym_key"),
        ([*PSEUDONYMS, "privacy.recommendations_by=name"], "expected 'id' or 'pseudonym'"),
    ],
)
def test_pseudonyms_need_their_keys(monkeypatch, overrides, expected):
    monkeypatch.setenv("LETTERS", TEXT)
    monkeypatch.setenv("NAMES", NAME_KEY)
    with pytest.raises(ConfigError) as caught:
        load(LOCAL_CONFIG, overrides)
    (line,) = caught.value.lines
    assert expected in line
    assert NAME_KEY not in line


def test_who_need_not_have_the_key_of_pseudonyms_may_do_without(monkeypatch):
    monkeypatch.delenv("LETTERS", raising=False)
    monkeypatch.setenv("NAMES", NAME_KEY)
    overrides = [*PSEUDONYMS, "privacy.recommendations_by=pseudonym"]
    config = load(LOCAL_CONFIG, overrides, optional=letter_key.NAMES)
    assert config.privacy.pseudonym_key == NAME_KEY
    assert NAME_KEY not in as_yaml(config) + repr(config) + repr(learn_users(config))
    monkeypatch.delenv("NAMES")
    config = load(LOCAL_CONFIG, overrides, optional=letter_key.NAMES)
    assert config.privacy.pseudonym_key is None


def test_other_references_are_looked_up_all_the_same(monkeypatch):
    monkeypatch.delenv("LETTERS", raising=False)
    override = ["fine_tune.store=${env:LETTERS}", "privacy.dead_letter_key=${env:LETTERS}"]
    with pytest.raises(ConfigError) as caught:
        load(LOCAL_CONFIG, override, optional=letter_key.NAMES)
    (line,) = caught.value.lines
    assert "fine_tune.store: expected" in line
