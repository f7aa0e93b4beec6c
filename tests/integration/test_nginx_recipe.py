"""The recipe in deploy/nginx: a real nginx in front of a real host, with TLS, tokens and certificates."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from string import Template
from types import SimpleNamespace

import grpc
import numpy as np
import pytest
import trustme
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from automl_ad.data import Feature, Schema
from automl_ad.results import AnomalyScores
from automl_ad.rpc.client import ScoringClient
from automl_ad.rpc.errors import Overloaded, ServiceError
from automl_ad.rpc.host import Host
from automl_ad.rpc.models import FixedModels
from automl_ad.rpc.options import HostOptions
from automl_ad.rpc.telemetry.metrics import Metrics
from automl_ad.rpc.v1 import scoring_pb2 as pb
from automl_ad.rpc.v1 import scoring_pb2_grpc

NGINX = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")
TEMPLATE = Path(__file__).parents[2] / "deploy" / "nginx" / "automl-ad.conf.template"
TOKEN = "f" * 64
CONFIG = """
daemon off;
pid $prefix/nginx.pid;
error_log stderr;
events {}
http {
    access_log off;
    client_body_temp_path $prefix/body;
    proxy_temp_path $prefix/proxy;
    fastcgi_temp_path $prefix/fastcgi;
    uwsgi_temp_path $prefix/uwsgi;
    scgi_temp_path $prefix/scgi;
    include $prefix/automl-ad.conf;
}
"""

pytestmark = pytest.mark.skipif(NGINX is None, reason="needs nginx: apt-get install nginx")


class FirstValue:
    """A model whose score is the first value of a row."""

    name, version, threshold = "payments", "0" * 16, 2.5
    n_encoded = 3
    manifest = SimpleNamespace(threshold=SimpleNamespace(per_group=None))
    schema = Schema(
        kind="tabular",
        features=tuple(
            Feature(name=name, kind="numeric", arrow_type="double", is_nullable=True, policy="")
            for name in "abc"
        ),
    )

    def score(self, rows: np.ndarray) -> AnomalyScores:
        scores = np.asarray(rows, dtype=np.float64)[:, 0]
        return AnomalyScores(
            anomaly_score=scores,
            percentile=np.zeros(len(scores)),
            is_anomaly=scores > self.threshold,
            threshold=self.threshold,
            model=self.name,
            version=self.version,
        )


@pytest.fixture(scope="module")
def backend(tmp_path_factory) -> Iterator[str]:
    """The address of a host on loopback that asks for tokens, with reflection on."""
    keys = tmp_path_factory.mktemp("keys") / "keys.toml"
    keys.write_text(f'[keys.team]\nsha256 = "{hashlib.sha256(TOKEN.encode()).hexdigest()}"\n')
    keys.chmod(0o600)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def started() -> Host:
        options = HostOptions(port=0, keys=keys, has_reflection=True, drain_s=1)
        host = Host(FixedModels([FirstValue()]), options, Metrics())
        await host.start()
        return host

    host = asyncio.run_coroutine_threadsafe(started(), loop).result(30)
    yield host.address
    asyncio.run_coroutine_threadsafe(host.stop(), loop).result(30)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@pytest.fixture(scope="module")
def ca() -> trustme.CA:
    return trustme.CA()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def nginx(prefix: Path, ca: trustme.CA, backend: str, *, is_mutual: bool) -> Iterator[int]:
    """The port of an nginx with the recipe, ended at the end."""
    port = free_port()
    certificate = ca.issue_cert("localhost")
    (prefix / "tls.crt").write_bytes(b"".join(pem.bytes() for pem in certificate.cert_chain_pems))
    certificate.private_key_pem.write_to_path(prefix / "tls.key")
    ca.cert_pem.write_to_path(prefix / "ca.crt")
    recipe = TEMPLATE.read_text().replace("#mtls ", "") if is_mutual else TEMPLATE.read_text()
    names = {"SERVER_NAME": "localhost", "PORT": f"127.0.0.1:{port}", "BACKEND": backend, "MAX_BODY": "1m"}
    (prefix / "automl-ad.conf").write_text(Template(recipe).safe_substitute(names, TLS_DIR=prefix))
    (prefix / "nginx.conf").write_text(Template(CONFIG).substitute(prefix=prefix))
    command = [NGINX, "-e", "stderr", "-p", prefix, "-c", prefix / "nginx.conf"]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        try:
            wait_for(port, process)
            yield port
        finally:
            process.terminate()


def wait_for(port: int, process: subprocess.Popen) -> None:
    deadline = time.monotonic() + 20
    while True:
        assert process.poll() is None, process.stderr.read().decode()
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except ConnectionRefusedError:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        else:
            return


@pytest.fixture(scope="module")
def port(tmp_path_factory, ca, backend) -> Iterator[int]:
    yield from nginx(tmp_path_factory.mktemp("nginx"), ca, backend, is_mutual=False)


@pytest.fixture(scope="module")
def mutual_port(tmp_path_factory, ca, backend) -> Iterator[int]:
    yield from nginx(tmp_path_factory.mktemp("mutual"), ca, backend, is_mutual=True)


def connect(port: int, ca: trustme.CA, client: trustme.LeafCert | None = None) -> grpc.Channel:
    key = None if client is None else client.private_key_pem.bytes()
    chain = None if client is None else client.cert_chain_pems[0].bytes()
    credentials = grpc.ssl_channel_credentials(ca.cert_pem.bytes(), key, chain)
    return grpc.secure_channel(f"localhost:{port}", credentials)


@pytest.fixture
def channel(port, ca) -> Iterator[grpc.Channel]:
    with connect(port, ca) as channel:
        yield channel


WITH_TOKEN = (("authorization", f"Bearer {TOKEN}"),)


def request(n_rows: int = 1) -> pb.ScoreRequest:
    return pb.ScoreRequest(float_matrix=pb.FloatMatrix(n_features=3, values=[7, 8, 9] * n_rows))


def score(channel: grpc.Channel, n_rows: int = 1, metadata: tuple = WITH_TOKEN) -> pb.ScoreResponse:
    stub = scoring_pb2_grpc.ScoringServiceStub(channel)
    return stub.Score(request(n_rows), metadata=metadata, timeout=20)


def code_of(call) -> grpc.StatusCode:
    with pytest.raises(grpc.RpcError) as refused:
        call()
    return refused.value.code()


def test_rows_are_scored(channel):
    assert list(score(channel).anomaly_score) == [7]


def test_a_stream_is_answered_chunk_by_chunk(channel):
    may_send = threading.Semaphore(1)

    def chunks() -> Iterator[pb.ScoreStreamRequest]:
        for number in range(3):
            may_send.acquire(timeout=10)
            yield pb.ScoreStreamRequest(chunk=request(number + 1))

    stub = scoring_pb2_grpc.ScoringServiceStub(channel)
    sizes = []
    for answer in stub.ScoreStream(chunks(), metadata=WITH_TOKEN, timeout=30):
        sizes.append(len(answer.scores.anomaly_score))
        may_send.release()  # the next chunk is sent only after this answer came through
    assert sizes == [1, 2, 3]


def test_the_token_reaches_the_service(channel):
    assert code_of(lambda: score(channel, metadata=())) is grpc.StatusCode.UNAUTHENTICATED
    wrong = (("authorization", "Bearer wrong"),)
    assert code_of(lambda: score(channel, metadata=wrong)) is grpc.StatusCode.UNAUTHENTICATED


def test_health_needs_no_token(channel):
    stub = health_pb2_grpc.HealthStub(channel)
    answer = stub.Check(health_pb2.HealthCheckRequest(), timeout=10)
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


def test_nothing_else_is_passed_on(channel):
    stub = reflection_pb2_grpc.ServerReflectionStub(channel)
    asked = reflection_pb2.ServerReflectionRequest(list_services="")
    assert code_of(lambda: list(stub.ServerReflectionInfo(iter([asked]), timeout=10))) is (
        grpc.StatusCode.UNIMPLEMENTED
    )
    serve_api = channel.unary_unary("/ray.serve.RayServeAPIService/ListApplications")
    assert code_of(lambda: serve_api(b"", timeout=10)) is grpc.StatusCode.UNIMPLEMENTED


def test_a_request_over_the_limit_is_refused(channel):
    with pytest.raises(grpc.RpcError) as refused:
        score(channel, n_rows=100_000)
    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert refused.value.details() == "the request is larger than max (1m)"
    assert list(score(channel).anomaly_score) == [7]


def test_our_client_takes_a_request_over_the_limit_for_no_busy_service(port, ca, tmp_path):
    ca.cert_pem.write_to_path(tmp_path / "ca.crt")
    (tmp_path / "token").write_text(TOKEN)
    rows = np.zeros((100_000, 3), np.float32)
    files = {"tls_ca": tmp_path / "ca.crt", "token": tmp_path / "token"}
    with ScoringClient(f"localhost:{port}", **files) as client, pytest.raises(ServiceError) as refused:
        client.score(rows)
    assert not isinstance(refused.value, Overloaded)
    assert "larger than max (1m)" in refused.value.message


def test_without_tls_nothing_is_answered(port):
    with grpc.insecure_channel(f"localhost:{port}") as channel:
        assert code_of(lambda: score(channel)) is grpc.StatusCode.UNAVAILABLE


def test_with_mtls_only_clients_of_the_ca_are_answered(mutual_port, ca):
    with connect(mutual_port, ca, ca.issue_cert("client")) as channel:
        assert list(score(channel).anomaly_score) == [7]
    for stranger in (None, trustme.CA().issue_cert("client")):
        with connect(mutual_port, ca, stranger) as channel:
            assert code_of(lambda channel=channel: score(channel)) is not grpc.StatusCode.OK
