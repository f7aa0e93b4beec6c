"""Where a service may listen, and what it warns of."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from automl_ad.errors import ConfigError
from automl_ad.rpc.options import HostOptions, TLSFiles
from automl_ad.rpc.security.binding import binding_risks, check_binding, is_loopback, wants_reflection

TLS = TLSFiles(certificate=Path("server.pem"), key=Path("server.key"))
MUTUAL = TLSFiles(certificate=Path("server.pem"), key=Path("server.key"), client_ca=Path("ca.pem"))
KEYS = Path("keys.toml")
LOOPBACK = ["127.0.0.1", "127.8.9.10", "::1", "localhost", "::ffff:127.0.0.1"]
BEYOND = ["0.0.0.0", "::", "", "10.0.0.1", "192.0.2.7", "2001:db8::1", "::ffff:10.0.0.1", "fe80::1%lo"]


@pytest.mark.parametrize("host", LOOPBACK)
def test_loopback_needs_nothing(host):
    check_binding(HostOptions(host=host))
    check_binding(HostOptions(host=host, keys=KEYS))
    assert binding_risks(HostOptions(host=host, keys=KEYS, metrics_port=1)) == ()


@pytest.mark.parametrize("host", BEYOND)
def test_beyond_loopback_tls_is_asked_for(host):
    with pytest.raises(ConfigError, match="a service must not listen beyond loopback without TLS") as refused:
        check_binding(HostOptions(host=host))
    assert f"got host {host!r}" in refused.value.message
    assert "--tls-cert" in refused.value.hint
    check_binding(HostOptions(host=host, tls=TLS))


def test_tokens_beyond_loopback_need_tls():
    with pytest.raises(ConfigError, match="tokens must not be sent beyond loopback without TLS"):
        check_binding(HostOptions(host="0.0.0.0", keys=KEYS))
    check_binding(HostOptions(host="0.0.0.0", keys=KEYS, tls=TLS))


def names(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    """Let every name stand for these addresses."""

    def resolved(host: str, port: None, **options: int) -> list[tuple]:
        if not addresses:
            raise socket.gaierror("Name or service not known")
        return [(None, None, None, "", (address, 0)) for address in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", resolved)


@pytest.mark.parametrize(
    ("addresses", "is_local"),
    [
        (["127.0.0.1"], True),
        (["127.0.0.1", "::1"], True),
        (["127.0.0.1", "10.0.0.1"], False),
        (["10.0.0.1"], False),
        ([], False),
    ],
)
def test_a_name_is_loopback_when_all_its_addresses_are(monkeypatch, addresses, is_local):
    names(monkeypatch, *addresses)
    assert is_loopback("scoring.example") is is_local


def test_a_name_nobody_could_write_is_not_loopback():
    assert not is_loopback("x" * 300)
    assert not is_loopback("\u2000..")


def test_reflection_is_on_for_loopback_unless_told_otherwise():
    assert wants_reflection(HostOptions())
    assert not wants_reflection(HostOptions(host="0.0.0.0", tls=TLS))
    assert wants_reflection(HostOptions(host="0.0.0.0", tls=TLS, has_reflection=True))
    assert not wants_reflection(HostOptions(has_reflection=False))


def test_the_override_is_allowed_and_said():
    options = HostOptions(host="0.0.0.0", is_insecure=True, keys=KEYS)
    check_binding(options)
    (risk,) = binding_risks(options)
    assert risk == (
        "rows, scores and tokens travel unencrypted to 0.0.0.0:9000: "
        "whoever is on the network can read and change them"
    )


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (HostOptions(host="0.0.0.0", tls=TLS), ["neither tokens nor certificates"]),
        (HostOptions(host="0.0.0.0", tls=TLS, keys=KEYS), []),
        (HostOptions(host="0.0.0.0", tls=MUTUAL), []),
        (HostOptions(host="0.0.0.0", tls=MUTUAL, metrics_port=9100), ["metrics page"]),
        (HostOptions(host="0.0.0.0", tls=MUTUAL, has_reflection=True), ["reflection is on"]),
        (HostOptions(host="0.0.0.0", is_insecure=True), ["unencrypted", "neither tokens nor certificates"]),
    ],
)
def test_what_is_risky_is_said(options, words):
    risks = binding_risks(options)
    assert len(risks) == len(words)
    for risk, word in zip(risks, words, strict=True):
        assert word in risk
