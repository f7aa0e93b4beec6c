"""The host: what it binds, what it hides, how long it waits, and how it stops."""

from __future__ import annotations

import logging
import re
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from rpc_fakes import FakeScorer, numeric_scorer

from automl_ad.errors import ConfigError
from automl_ad.rpc.host import SERVICES
from automl_ad.rpc.models import FixedModels
from automl_ad.rpc.options import HostOptions, Limits
from automl_ad.rpc.v1 import scoring_pb2 as pb
from automl_ad.rpc.v1 import scoring_pb2_grpc

MANY = [1.0, 2.0, 3.0] * 1_000


def request_of(values: list[float], model: str = "numeric") -> pb.ScoreRequest:
    return pb.ScoreRequest(model=model, double_matrix=pb.DoubleMatrix(n_features=3, values=values))


def score(channel: grpc.Channel, values: list[float], timeout: float = 10) -> pb.ScoreResponse:
    return scoring_pb2_grpc.ScoringServiceStub(channel).Score(request_of(values), timeout=timeout)


@pytest.fixture
def scorer() -> FakeScorer:
    return numeric_scorer()


@pytest.fixture
def host(scorer, serve_in_thread):
    with serve_in_thread([scorer], HostOptions(port=0, drain_s=5)) as host:
        yield host


@pytest.fixture
def lane(host):
    with grpc.insecure_channel(host.address) as channel:
        yield channel


def test_the_only_model_needs_no_name(lane):
    request = pb.ScoreRequest(float_matrix=pb.FloatMatrix(n_features=3, values=[3, 2, 1]))
    response = scoring_pb2_grpc.ScoringServiceStub(lane).Score(request, timeout=10)
    assert response.model == "numeric"


def test_an_unexpected_error_reaches_the_client_as_an_id_and_the_log_in_full(lane, scorer, caplog):
    scorer.explode = True
    with caplog.at_level(logging.ERROR), pytest.raises(grpc.RpcError) as refused:
        score(lane, [1, 2, 3])
    assert refused.value.code() is grpc.StatusCode.INTERNAL
    incident = re.fullmatch(
        r"internal error, incident ([0-9a-f]{12}): see the server's log", refused.value.details()
    )
    assert incident is not None
    assert incident[1] in caplog.text
    assert "secret-path" in caplog.text
    assert "secret" not in str(refused.value.trailing_metadata())


def test_what_was_sent_is_never_logged(channel, caplog):
    with caplog.at_level(logging.DEBUG), pytest.raises(grpc.RpcError):
        score(channel, [987654321.0, 2])
    assert "987654321" not in caplog.text


def test_a_message_over_the_limit_is_refused_before_it_is_read(channel):
    with pytest.raises(grpc.RpcError) as refused:
        score(channel, MANY)
    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "larger than max" in refused.value.details()


def test_too_many_rows_are_refused_with_the_limit(channel):
    with pytest.raises(grpc.RpcError) as refused:
        score(channel, [1.0, 2.0, 3.0] * 51)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "at most 50 rows, got 51" in refused.value.details()


def test_large_requests_run_on_threads_and_small_ones_do_not(lane, scorer):
    score(lane, [1, 2, 3])
    assert not any(name.startswith("scoring") for name in scorer.threads)
    scorer.threads.clear()
    score(lane, MANY)
    assert all(name.startswith("scoring") for name in scorer.threads)


def test_few_bytes_of_many_rows_run_on_threads_too(scorer, serve_in_thread):
    options = HostOptions(port=0, limits=Limits(max_batch_rows=2), drain_s=1)
    with serve_in_thread([scorer], options) as host, grpc.insecure_channel(host.address) as channel:
        assert list(score(channel, [1, 0, 0, 2, 0, 0, 3, 0, 0]).anomaly_score) == [1, 2, 3]
    assert all(name.startswith("scoring") for name in scorer.threads)


def test_the_loop_answers_while_scoring_takes_long_and_the_deadline_ends_the_wait(lane, scorer):
    scorer.may_finish.clear()
    try:
        started = time.monotonic()
        slow = scoring_pb2_grpc.ScoringServiceStub(lane).Score.future(request_of(MANY), timeout=1)
        assert check(lane, "") == health_pb2.HealthCheckResponse.SERVING
        with pytest.raises(grpc.RpcError) as refused:
            slow.result()
        assert refused.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert time.monotonic() - started < 5
    finally:
        scorer.may_finish.set()


def check(channel: grpc.Channel, service: str) -> int:
    stub = health_pb2_grpc.HealthStub(channel)
    return stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=10).status


@pytest.mark.parametrize("service", ["", *SERVICES])
def test_health_is_serving(channel, service):
    assert check(channel, service) == health_pb2.HealthCheckResponse.SERVING


def test_health_of_an_unknown_service_is_not_found(channel):
    with pytest.raises(grpc.RpcError) as refused:
        check(channel, "nobody")
    assert refused.value.code() is grpc.StatusCode.NOT_FOUND


def listed_services(channel: grpc.Channel) -> set[str]:
    stub = reflection_pb2_grpc.ServerReflectionStub(channel)
    asked = reflection_pb2.ServerReflectionRequest(list_services="")
    (answer,) = stub.ServerReflectionInfo(iter([asked]), timeout=10)
    return {service.name for service in answer.list_services_response.service}


def test_reflection_lists_the_services(channel):
    assert listed_services(channel) >= {*SERVICES, "grpc.health.v1.Health"}


def test_reflection_can_be_off(scorer, serve_in_thread):
    with serve_in_thread([scorer], HostOptions(port=0, has_reflection=False)) as host:  # noqa: SIM117
        with grpc.insecure_channel(host.address) as channel, pytest.raises(grpc.RpcError) as refused:
            listed_services(channel)
    assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_a_port_in_use_is_an_error_with_the_way_out(host, scorer, serve_in_thread):
    port = int(host.address.rpartition(":")[2])
    with pytest.raises(ConfigError, match=f"127.0.0.1:{port} cannot be bound") as refused:
        serve_in_thread([scorer], HostOptions(port=port)).__enter__()
    assert "--port 0" in refused.value.hint


def test_a_port_out_of_range_is_an_error():
    with pytest.raises(ConfigError, match=r"port must be in \[0, 65535\], got 70000"):
        HostOptions(port=70_000)


def test_only_loopback_is_bound_by_default(host):
    port = int(host.address.rpartition(":")[2])
    assert host.address == f"127.0.0.1:{port}"
    with socket.socket() as other:  # the same port of another loopback address is still free
        other.bind(("127.0.0.2", port))


def test_two_hosts_can_share_a_port(serve_in_thread):
    first, second = numeric_scorer(), numeric_scorer()
    with serve_in_thread([first], HostOptions(port=0, shares_port=True)) as one:
        port = int(one.address.rpartition(":")[2])
        with serve_in_thread([second], HostOptions(port=port, shares_port=True)) as two:
            assert one.address == two.address


def test_stopping_lets_a_running_call_finish_and_refuses_new_ones(lane, host, scorer):
    scorer.may_finish.clear()
    running = scoring_pb2_grpc.ScoringServiceStub(lane).Score.future(request_of(MANY), timeout=20)
    wait_until(lambda: scorer.rows is not None)
    with ThreadPoolExecutor(1) as pool:
        stopping = pool.submit(lambda: host.wait(host.stop()))
        wait_until(lambda: is_refused(host.address))
        threading.Timer(0.2, scorer.may_finish.set).start()
        assert len(running.result().anomaly_score) == 1_000
        stopping.result(10)


def is_refused(address: str) -> bool:
    with grpc.insecure_channel(address) as channel:
        try:
            score(channel, [1, 2, 3], timeout=2)
        except grpc.RpcError as error:
            return error.code() is grpc.StatusCode.UNAVAILABLE
    return False


def wait_until(holds) -> None:
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_server_needs_models_of_different_names(scorer):
    with pytest.raises(ConfigError, match="at least one model"):
        FixedModels([])
    with pytest.raises(ConfigError, match="different names, got 'numeric' twice"):
        FixedModels([scorer, numeric_scorer()])


def test_a_limit_must_be_positive():
    with pytest.raises(ConfigError, match="max_rows must be at least 1, got 0"):
        Limits(max_rows=0)
