"""Keys: who may call, what a file of keys may say, and what happens when it changes."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import logging
import os
from pathlib import Path

import pytest

from automl_ad.errors import ConfigError
from automl_ad.rpc.errors import Unauthenticated
from automl_ad.rpc.security.keys import ANYONE, Caller, Keys

FIRST, SECOND = "1" * 64, "2" * 64


def hash_of(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def entry(name: str, token: str, more: str = "") -> str:
    return f'[keys.{name}]\nsha256 = "{hash_of(token)}"\n{more}\n'


class Clock:
    """Seconds that pass when the test says so."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "keys.toml"
    path.write_text(entry("team-a", FIRST, 'models = ["payments"]'))
    path.chmod(0o600)
    return path


def is_known(keys: Keys, token: str) -> bool:
    try:
        keys.caller_of(f"Bearer {token}")
    except Unauthenticated:
        return False
    return True


def test_a_token_is_its_owner_with_the_models_of_the_file(path):
    caller = Keys(path).caller_of(f"Bearer {FIRST}")
    assert caller == Caller(name="team-a", models=frozenset({"payments"}))
    assert caller.may_use("payments")
    assert not caller.may_use("fraud")


def test_models_left_out_are_all_and_an_empty_list_is_none(path):
    path.write_text(entry("all", FIRST) + entry("none", SECOND, "models = []"))
    keys = Keys(path)
    assert keys.caller_of(f"Bearer {FIRST}").may_use("payments")
    assert not keys.caller_of(f"Bearer {SECOND}").may_use("payments")
    assert ANYONE.may_use("payments")


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_scheme_is_read_in_any_case(path, scheme):
    assert Keys(path).caller_of(f"{scheme} {FIRST}").name == "team-a"


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        FIRST,
        "Bearer",
        "Bearer ",
        f"Basic {FIRST}",
        f"Bearer {FIRST[:-1]}",
        f"Bearer {FIRST}1",
        f"Bearer {SECOND}",
        f"Bearer {hash_of(FIRST)}",
        "Bearer \udcff",
        "Bearer " + "1" * 1_000_000,
    ],
)
def test_anything_else_is_refused_with_one_and_the_same_sentence(path, authorization):
    with pytest.raises(Unauthenticated) as refused:
        Keys(path).caller_of(authorization)
    assert refused.value.message == "a token that this server knows must be sent with every call"
    assert refused.value.hint == "send the metadata `authorization: Bearer TOKEN`"


def test_every_key_is_compared_whatever_is_presented(path, monkeypatch):
    path.write_text(entry("a", FIRST) + entry("b", SECOND) + entry("c", "3" * 64))
    keys = Keys(path)
    compared: list[bytes] = []
    in_constant_time = hmac.compare_digest

    def compare(one: bytes, other: bytes) -> bool:
        compared.append(one)
        return in_constant_time(one, other)

    monkeypatch.setattr(hmac, "compare_digest", compare)
    counts = []
    for authorization in (
        f"Bearer {FIRST}",
        f"Bearer {SECOND}",
        "Bearer nobody",
        None,
        "Bearer " + "x" * 10**6,
    ):
        compared.clear()
        with contextlib.suppress(Unauthenticated):
            keys.caller_of(authorization)
        counts.append(len(compared))
    assert counts == [3] * 5


def test_a_megabyte_is_never_hashed(path, monkeypatch):
    keys = Keys(path)
    sizes: list[int] = []
    sha256 = hashlib.sha256

    def counted(content: bytes) -> object:
        sizes.append(len(content))
        return sha256(content)

    monkeypatch.setattr(hashlib, "sha256", counted)
    with pytest.raises(Unauthenticated):
        keys.caller_of("Bearer " + "1" * 1_000_000)
    assert sizes == [0]


def test_two_tokens_of_one_key_work_while_one_replaces_the_other(path):
    path.write_text(f'[keys.team-a]\nsha256 = ["{hash_of(FIRST)}", "{hash_of(SECOND)}"]')
    keys = Keys(path)
    assert keys.caller_of(f"Bearer {FIRST}") == keys.caller_of(f"Bearer {SECOND}")


def test_a_key_ends_when_it_expires(path, caplog):
    path.write_text(
        entry("old", FIRST, "expires = 2001-01-01T00:00:00Z")
        + entry("new", SECOND, "expires = 9999-01-01T00:00:00Z")
    )
    keys = Keys(path)
    assert not is_known(keys, FIRST)
    assert is_known(keys, SECOND)
    assert "expired, and refused: old" in caplog.text


BROKEN = {
    "nothing": ("", "keys: Field required"),
    "no keys": ("[keys]", "keys: Dictionary should have at least 1 item"),
    "no hash": ("[keys.a]", "keys.a.sha256: Field required"),
    "a token": (f'[keys.a]\nsha256 = "{"s3cret" * 10}"', "keys.a.sha256.0: String should match"),
    "no hashes": ("[keys.a]\nsha256 = []", "keys.a.sha256: List should have at least 1 item"),
    "number": ("[keys.a]\nsha256 = 7", "keys.a.sha256: Input should be a valid list"),
    "unknown setting": (entry("a", FIRST, 'model = "x"'), "keys.a.model: Extra inputs"),
    "models no list": (entry("a", FIRST, 'models = "x"'), "keys.a.models: Input should be a valid list"),
    "time without zone": (
        entry("a", FIRST, "expires = 2027-01-01T00:00:00"),
        "keys.a.expires: Input should have",
    ),
    "time as text": (
        entry("a", FIRST, 'expires = "soon"'),
        "keys.a.expires: Input should be a valid datetime",
    ),
    "bad name": (f'[keys."a b"]\nsha256 = "{hash_of(FIRST)}"', "String should match"),
    "the same token twice": (entry("a", FIRST) + entry("b", FIRST), "got the hash of 'a' for 'b'"),
    "an empty token": (entry("a", ""), "got the hash of no token at all for 'a'"),
    "no TOML": ("[keys", "must be valid TOML"),
    "binary": ("\x00", "must be valid TOML"),
    "too large": ("#" * 1_048_577, "must have at most 1048576 bytes"),
    "too many": ("".join(entry(f"k{i}", str(i)) for i in range(1_001)), "at most 1000 hashes, got 1001"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_file_is_refused_with_the_place_and_without_what_it_holds(path, case):
    content, rule = BROKEN[case]
    path.write_text(content)
    with pytest.raises(ConfigError) as refused:
        Keys(path)
    assert str(path) in refused.value.message
    assert rule in refused.value.message
    assert "s3cret" not in str(refused.value)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"keys .*none\.toml must be a readable file, got: No such file"):
        Keys(tmp_path / "none.toml")


def replace(path: Path, content: str) -> None:
    """As an editor or a deployment does: a new file takes the place by a rename."""
    new = path.with_suffix(".new")
    new.write_text(content)
    new.chmod(0o600)
    new.rename(path)


def test_a_replaced_file_counts_a_second_later(path, clock):
    keys = Keys(path, clock=clock)
    replace(path, entry("team-b", SECOND))
    clock.now = 0.9
    assert is_known(keys, FIRST)
    clock.now = 1.0
    assert not is_known(keys, FIRST)
    assert is_known(keys, SECOND)


def test_a_file_written_in_place_counts(path, clock):
    keys = Keys(path, clock=clock)
    path.write_text(entry("team-b", SECOND))
    clock.now = 1
    assert is_known(keys, SECOND)


def test_the_file_is_looked_at_once_a_second_however_many_calls_come(path, clock, monkeypatch):
    keys = Keys(path, clock=clock)
    looks: list[Path] = []
    stat = Path.stat

    def counted(self: Path, **options: bool) -> os.stat_result:
        looks.append(self)
        return stat(self, **options)

    monkeypatch.setattr(Path, "stat", counted)
    for tenth in range(30):
        clock.now = tenth / 10
        is_known(keys, FIRST)
    assert looks == [path, path]


def test_a_broken_new_file_keeps_the_old_keys_and_says_so_once(path, clock, caplog):
    keys = Keys(path, clock=clock)
    replace(path, "[keys")
    for second in range(1, 5):
        clock.now = second
        assert is_known(keys, FIRST)
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    assert "must be valid TOML" in caplog.text
    assert "what was read before stays in use" in caplog.text
    replace(path, entry("team-b", SECOND))
    clock.now = 6
    assert is_known(keys, SECOND)


def test_a_file_that_vanishes_keeps_the_old_keys_and_says_so_once(path, clock, caplog):
    keys = Keys(path, clock=clock)
    content = path.read_text()
    path.unlink()
    for second in range(1, 5):
        clock.now = second
        assert is_known(keys, FIRST)
    assert caplog.text.count("must be a readable file, got: No such file") == 1
    path.write_text(content + entry("team-b", SECOND))
    clock.now = 6
    assert is_known(keys, SECOND)


def test_a_secret_of_kubernetes_is_followed_through_its_links(tmp_path, clock):
    """keys.toml -> ..data/keys.toml, ..data -> ..2026_01; an update turns ..data by a rename."""
    for folder, token in (("..2026_01", FIRST), ("..2026_02", SECOND)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "keys.toml").write_text(entry("team", token))
    (tmp_path / "..data").symlink_to("..2026_01")
    (tmp_path / "keys.toml").symlink_to("..data/keys.toml")
    keys = Keys(tmp_path / "keys.toml", clock=clock)
    assert is_known(keys, FIRST)
    (tmp_path / "..data_tmp").symlink_to("..2026_02")
    (tmp_path / "..data_tmp").rename(tmp_path / "..data")
    clock.now = 1
    assert is_known(keys, SECOND)
    assert not is_known(keys, FIRST)


@pytest.mark.parametrize(
    ("mode", "is_warned"), [(0o600, False), (0o440, False), (0o644, True), (0o660, True)]
)
def test_a_file_that_is_open_to_others_is_warned_of(path, caplog, mode, is_warned):
    path.chmod(mode)
    Keys(path)
    assert ("should be closed to others" in caplog.text) is is_warned
