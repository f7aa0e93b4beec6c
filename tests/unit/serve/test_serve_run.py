"""What is refused before Ray is started, and what replicas are handed."""

from __future__ import annotations

import socket
from dataclasses import replace
from pathlib import Path

import pytest
from automl_ad_serve.deployment import deployment_of
from automl_ad_serve.paths import with_absolute_paths
from automl_ad_serve.run import check, exposed

from automl_ad.errors import ConfigError
from automl_ad.rpc.options import HostOptions, Limits, ModelSource, TLSFiles
from automl_ad.rpc.service_options import RayOptions, ServiceOptions

TLS = TLSFiles(certificate=Path("c.pem"), key=Path("k.pem"))


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def service(host: HostOptions, **ray) -> ServiceOptions:
    return ServiceOptions(models=ModelSource(artifacts=(Path("a"),)), host=host, ray=RayOptions(**ray))


def test_a_port_that_replicas_cannot_share_is_refused():
    with pytest.raises(ConfigError, match="--ray needs a port that all replicas share, got 0"):
        check(service(HostOptions(port=0)))


def test_the_ingress_door_needs_the_override_whatever_address_is_asked_for(port):
    with pytest.raises(ConfigError, match="the ingress door listens on all interfaces without TLS"):
        check(service(HostOptions(port=port), door="ingress"))
    insecure = service(HostOptions(port=port, is_insecure=True), door="ingress")
    assert check(insecure) == insecure.ray
    assert exposed(insecure).host == "0.0.0.0"


def test_the_ingress_door_takes_no_certificate(port):
    with pytest.raises(ConfigError, match="the ingress door has no TLS"):
        check(service(HostOptions(port=port, tls=TLS, is_insecure=True), door="ingress"))


def test_the_direct_door_listens_where_it_is_told(port):
    asked = service(HostOptions(port=port))
    assert check(asked) == asked.ray
    assert exposed(asked) is asked.host


def test_a_port_in_use_is_named_at_once(port):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        with pytest.raises(ConfigError, match=f"127.0.0.1:{port} cannot be bound: Address already in use"):
            check(service(HostOptions(port=port)))


def test_replicas_get_absolute_paths(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    asked = service(HostOptions(keys=Path("keys.toml"), tls=replace(TLS, client_ca=Path("ca.pem"))))
    handed = with_absolute_paths(asked)
    assert handed.models.artifacts == (tmp_path / "a",)
    assert handed.host.keys == tmp_path / "keys.toml"
    assert handed.host.tls == TLSFiles(
        certificate=tmp_path / "c.pem", key=tmp_path / "k.pem", client_ca=tmp_path / "ca.pem"
    )


@pytest.mark.parametrize(("given", "handed"), [("r", "{folder}/r"), ("s3://b/r", "s3://b/r")])
def test_a_registry_is_a_folder_or_a_uri(monkeypatch, tmp_path, given, handed):
    monkeypatch.chdir(tmp_path)
    asked = ServiceOptions(models=ModelSource(registry=given))
    assert with_absolute_paths(asked).models.registry == handed.format(folder=tmp_path)


def test_a_deployment_has_the_replicas_share_and_queue_that_were_asked_for():
    host = HostOptions(drain_s=3, limits=Limits(max_in_progress=10))
    deployment = deployment_of(
        service(host, n_replicas=2, gpus_per_replica=0.5, max_per_node=1)
    )._bound_deployment
    assert deployment.num_replicas == 2
    assert deployment.max_ongoing_requests == 40
    assert deployment.max_queued_requests == 10
    assert deployment.ray_actor_options["num_gpus"] == 0.5
    assert deployment.ray_actor_options["num_cpus"] == 1.0


@pytest.mark.parametrize(("most", "is_scaled"), [(None, False), (2, False), (5, True)])
def test_replicas_are_scaled_only_up_to_a_larger_number(most, is_scaled):
    deployment = deployment_of(service(HostOptions(), n_replicas=2, max_replicas=most))._bound_deployment
    config = deployment._deployment_config.autoscaling_config
    assert (config is not None) == is_scaled
    if is_scaled:
        assert (config.min_replicas, config.max_replicas) == (2, 5)
