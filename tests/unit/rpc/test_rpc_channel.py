"""How clients connect: retries within a budget, TLS, tokens that never travel in clear, traces."""

from __future__ import annotations

import asyncio

import grpc
import numpy as np
import pytest
import trustme
from client_fakes import Refusal, listening
from opentelemetry.sdk.trace import TracerProvider

from automl_ad.errors import ConfigError
from automl_ad.rpc.client import ScoringClient
from automl_ad.rpc.client.async_client import AsyncScoringClient
from automl_ad.rpc.client.connection import Connection, is_this_machine
from automl_ad.rpc.errors import Overloaded, ServerError, ServiceError

SOON = (("grpc-retry-pushback-ms", "1"),)
"""Spares the tests the backoff."""
AWAY = Refusal(code=grpc.StatusCode.UNAVAILABLE, trailing=SOON)
BUSY = Refusal(code=grpc.StatusCode.RESOURCE_EXHAUSTED, trailing=SOON)


@pytest.fixture
def fake():
    with listening() as running:
        yield running


def score(running, rows=((1.0,),), **settings) -> None:
    with ScoringClient(running.address, timeout_s=20, **settings) as client:
        client.score(rows)


async def score_async(running, **settings) -> None:
    async with AsyncScoringClient(running.address, timeout_s=20, **settings) as client:
        await client.score([[1.0]])


class TestRetries:
    def test_a_server_that_refuses_twice_is_asked_three_times(self, fake):
        fake.service.refusals = [AWAY, BUSY]
        score(fake)
        assert len(fake.service.requests) == 3
        assert len({metadata["x-request-id"] for metadata in fake.service.metadata}) == 1

    def test_asyncio_retries_alike(self, fake):
        fake.service.refusals = [AWAY, BUSY]
        asyncio.run(score_async(fake))
        assert len(fake.service.requests) == 3

    def test_without_pushback_gRPC_backs_off_and_retries(self, fake):
        fake.service.refusals = [Refusal(code=grpc.StatusCode.UNAVAILABLE)]
        score(fake)
        assert len(fake.service.requests) == 2

    def test_a_large_request_is_retried_too(self, fake):
        fake.service.refusals = [BUSY, BUSY]
        score(fake, np.zeros((60_000, 8)))  # 2 to 4 MiB: more than gRPC keeps by default
        assert len(fake.service.requests) == 3

    def test_a_server_that_says_do_not_retry_is_obeyed(self, fake):
        fake.service.always = Refusal(
            code=grpc.StatusCode.RESOURCE_EXHAUSTED, trailing=(("grpc-retry-pushback-ms", "-1"),)
        )
        with pytest.raises(Overloaded) as refused:
            score(fake)
        assert len(fake.service.requests) == 1
        assert refused.value.retry_after_s is None

    def test_a_mistake_is_not_retried(self, fake):
        fake.service.always = Refusal(code=grpc.StatusCode.INTERNAL, trailing=SOON)
        with pytest.raises(ServerError):
            score(fake)
        assert len(fake.service.requests) == 1

    def test_the_budget_ends_the_retries_of_a_server_in_trouble(self, fake):
        fake.service.always = AWAY
        n_calls = 20
        with ScoringClient(fake.address, timeout_s=20) as client:
            for _ in range(n_calls):
                with pytest.raises(ServerError):
                    client.score([[1.0]])
        assert n_calls < len(fake.service.requests) <= n_calls + 5

    def test_a_busy_server_is_asked_four_times_and_within_a_budget(self, fake):
        fake.service.always = BUSY
        with ScoringClient(fake.address, timeout_s=20) as client:
            for n_requests in (4, 4 + 1, 4 + 1 + 1):
                with pytest.raises(Overloaded):
                    client.score([[1.0]])
                assert len(fake.service.requests) == n_requests

    def test_a_busy_server_that_wants_more_time_than_there_is_is_not_waited_for(self, fake):
        late = (("grpc-retry-pushback-ms", "30000"),)
        fake.service.always = Refusal(code=grpc.StatusCode.RESOURCE_EXHAUSTED, trailing=late)
        with pytest.raises(Overloaded, match="try again in 30 s"):
            score(fake)
        assert len(fake.service.requests) == 1

    def test_retries_can_be_switched_off(self, fake):
        for n_calls, refusal in enumerate((AWAY, BUSY), 1):
            fake.service.always = refusal
            with pytest.raises(ServiceError):
                score(fake, retries=False)
            assert len(fake.service.requests) == n_calls

    def test_the_deadline_covers_all_attempts(self, fake):
        late = (("grpc-retry-pushback-ms", "60000"),)
        fake.service.always = Refusal(code=grpc.StatusCode.UNAVAILABLE, trailing=late)
        with ScoringClient(fake.address, timeout_s=1.0) as client, pytest.raises(ServerError):
            client.score([[1.0]])
        assert len(fake.service.requests) == 1


def test_calls_are_spread_over_all_addresses():
    with listening() as one, listening() as other:
        port_of = [running.address.rpartition(":")[2] for running in (one, other)]
        target = "ipv4:" + ",".join(f"127.0.0.1:{port}" for port in port_of)
        with ScoringClient(target, timeout_s=20) as client:
            while not (one.service.requests and other.service.requests):
                client.score([[1.0]])
            before = len(one.service.requests), len(other.service.requests)
            for _ in range(10):
                client.score([[1.0]])
        after = len(one.service.requests), len(other.service.requests)
        assert [late - early for early, late in zip(before, after, strict=True)] == [5, 5]


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


class TestTLS:
    @pytest.fixture
    def ca_file(self, authority, tmp_path):
        file = tmp_path / "ca.pem"
        authority.cert_pem.write_to_path(file)
        return file

    @pytest.fixture
    def secure(self, authority):
        with listening(server_credentials(authority, "localhost", "127.0.0.1")) as running:
            yield running

    def test_a_token_travels_over_tls(self, secure, ca_file):
        score(secure, tls_ca=ca_file, token="s3cret")
        asyncio.run(score_async(secure, tls_ca=ca_file, token="s3cret"))
        assert [sent["authorization"] for sent in secure.service.metadata] == ["Bearer s3cret"] * 2

    def test_a_server_of_another_authority_is_not_trusted(self, secure, tmp_path):
        stranger = tmp_path / "stranger.pem"
        trustme.CA().cert_pem.write_to_path(stranger)
        with pytest.raises(ServerError) as refused:
            score(secure, tls_ca=stranger, retries=False)
        assert refused.value.code == "UNAVAILABLE"
        assert secure.service.requests == []

    def test_the_public_authorities_do_not_know_a_private_one(self, secure):
        with pytest.raises(ServerError):
            score(secure, tls_ca="public", retries=False)

    def test_the_name_in_the_certificate_can_be_given(self, authority, ca_file):
        with listening(server_credentials(authority, "models.example")) as running:
            with pytest.raises(ServerError):
                score(running, tls_ca=ca_file, retries=False)
            score(running, tls_ca=ca_file, tls_server_name="models.example")

    def test_a_client_shows_its_certificate(self, authority, ca_file, tmp_path):
        issued = authority.issue_cert("client.example")
        certificate, key = tmp_path / "client.pem", tmp_path / "client.key"
        issued.cert_chain_pems[0].write_to_path(certificate)
        issued.private_key_pem.write_to_path(key)
        with listening(server_credentials(authority, "127.0.0.1", asks_clients=True)) as running:
            score(running, tls_ca=ca_file, tls_certificate=certificate, tls_key=key)
            with pytest.raises(ServerError):
                score(running, tls_ca=ca_file, retries=False)
        assert len(running.service.requests) == 1

    def test_a_file_that_is_no_pem_is_named(self, tmp_path):
        (tmp_path / "ca.der").write_bytes(b"\x30\x82")
        with pytest.raises(ConfigError, match=r"ca\.der must be a PEM file"):
            ScoringClient("localhost:1", tls_ca=tmp_path / "ca.der")
        with pytest.raises(ConfigError, match=r"absent\.pem cannot be read: No such file"):
            ScoringClient("localhost:1", tls_ca=tmp_path / "absent.pem")


def server_credentials(authority, *names, asks_clients=False) -> grpc.ServerCredentials:
    issued = authority.issue_cert(*names)
    pair = (issued.private_key_pem.bytes(), b"".join(pem.bytes() for pem in issued.cert_chain_pems))
    return grpc.ssl_server_credentials(
        [pair], authority.cert_pem.bytes() if asks_clients else None, require_client_auth=asks_clients
    )


class TestTokens:
    @pytest.mark.parametrize(
        "target", ["models.example:9000", "10.0.0.1:9000", "dns://8.8.8.8/localhost:9000"]
    )
    def test_none_travels_in_clear(self, target):
        with pytest.raises(ConfigError, match="a token must not travel without encryption"):
            ScoringClient(target, token="s3cret")

    def test_the_override_is_explicit(self):
        ScoringClient("10.0.0.1:9000", token="s3cret", sends_token_in_clear=True).close()

    def test_a_file_is_read_at_every_call(self, fake, tmp_path):
        file = tmp_path / "token"
        with ScoringClient(fake.address, token=file, timeout_s=20) as client:
            for token in ("first", "second"):
                file.write_text(f"{token}\n")
                client.score([[1.0]])
        assert [sent["authorization"] for sent in fake.service.metadata] == ["Bearer first", "Bearer second"]

    def test_a_function_is_asked_at_every_call(self, fake):
        tokens = iter(["first", "second"])
        with ScoringClient(fake.address, token=lambda: next(tokens), timeout_s=20) as client:
            client.score([[1.0]])
            client.score([[1.0]])
        assert [sent["authorization"] for sent in fake.service.metadata] == ["Bearer first", "Bearer second"]

    @pytest.mark.parametrize("token", ["", "two words", "line\nbreak", "ümlaut"])
    def test_one_that_no_header_can_hold_is_refused_without_showing_it(self, fake, token):
        with pytest.raises(ConfigError, match="a token must be one word") as refused:
            score(fake, token=token)
        assert not token or token not in str(refused.value)

    def test_it_is_not_in_the_text_of_a_connection(self):
        assert "s3cret" not in repr(Connection(target="localhost:1", token="s3cret"))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"timeout_s": 0}, "timeout_s must be positive"),
        ({"tls_certificate": "c.pem", "tls_ca": "public"}, "must be given together"),
        ({"tls_certificate": "c.pem", "tls_key": "c.key"}, "certificate needs TLS"),
    ],
)
def test_settings_that_contradict_are_refused(settings, said):
    with pytest.raises(ConfigError, match=said):
        ScoringClient("localhost:9000", **settings)


@pytest.mark.parametrize(
    ("target", "is_here"),
    [
        ("127.0.0.2:9000", True),
        ("[::1]:9000", True),
        ("dns:///localhost:9000", True),
        ("ipv4:127.0.0.1:1,127.0.0.1:2", True),
        ("ipv4:127.0.0.1:1,10.0.0.1:2", False),
        ("unix:/run/automl-ad.sock", True),
        ("localhost.example:9000", False),
        ("0.0.0.0:9000", False),
    ],
)
def test_what_stays_on_this_machine(target, is_here):
    assert is_this_machine(target) == is_here


def test_the_active_trace_goes_along(fake):
    with TracerProvider().get_tracer("test").start_as_current_span("caller") as span:
        score(fake)
    score(fake)
    with_trace, without = fake.service.metadata
    assert with_trace["traceparent"].split("-")[1] == format(span.get_span_context().trace_id, "032x")
    assert "traceparent" not in without


def test_a_proxy_of_the_environment_does_not_see_this_machine(fake, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "")
    score(fake)
    assert len(fake.service.requests) == 1
