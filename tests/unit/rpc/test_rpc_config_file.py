"""ServiceOptions files: what they become, what wins over them, and the sentence for every mistake."""

from __future__ import annotations

import traceback
from pathlib import Path

import pytest

from automl_ad.errors import ConfigError
from automl_ad.rpc.config_file import read_service
from automl_ad.rpc.options import MIB, HostOptions, Limits, ModelSource, TLSFiles
from automl_ad.rpc.service_options import LogOptions, RayOptions, ServiceOptions

EXAMPLE = Path(__file__).parents[3] / "deploy" / "service.toml"


@pytest.fixture
def written(tmp_path: Path):
    """(text) -> a service file."""

    def write(text: str) -> Path:
        path = tmp_path / "service.toml"
        path.write_text(text)
        return path

    return write


def test_the_example_holds_every_key_and_is_a_service():
    folder = EXAMPLE.parent
    assert read_service(EXAMPLE, {}) == ServiceOptions(
        models=ModelSource(registry="s3://models/registry"),
        host=HostOptions(
            host="0.0.0.0",
            has_reflection=False,
            tls=TLSFiles(
                certificate=folder / "tls/server.pem",
                key=folder / "tls/server.key",
                client_ca=folder / "tls/clients.pem",
            ),
            keys=folder / "keys.toml",
            metrics_port=9100,
        ),
        logs=LogOptions(format="json", trace="otlp"),
        ray=RayOptions(address="auto", n_replicas=2, max_replicas=8, max_per_node=4),
    )


def test_artifacts_and_defaults_are_enough(written, tmp_path):
    file = written('[models]\nartifacts = ["a", "/srv/b"]\n')
    models = ModelSource(artifacts=(tmp_path / "a", Path("/srv/b")))
    assert read_service(file, {}) == ServiceOptions(models=models)


def test_a_registry_is_a_folder_beside_the_file_unless_it_is_a_uri(written, tmp_path):
    assert read_service(written('[models]\nregistry = "r"\n'), {}).models.registry == str(tmp_path / "r")


def test_flags_win_and_paths_of_flags_are_left_alone(written):
    file = written('[models]\nartifacts = ["a"]\n[listen]\nport = 1\ndrain_s = 2\n[limits]\nmax_rows = 7\n')
    flags = {"listen": {"port": 2, "host": None}, "limits": {"max_message_mb": 3}, "ray": {"door": None}}
    service = read_service(file, flags)
    assert service.host == HostOptions(
        port=2, drain_s=2, limits=Limits(max_rows=7, max_message_bytes=3 * MIB)
    )
    assert service.ray is None


def test_ray_is_asked_for_by_the_file_a_flag_of_its_own_or_by_name(written):
    models = "[models]\nartifacts = ['a']\n"
    assert read_service(written(models + "[ray]"), {}).ray == RayOptions()
    assert read_service(written(models), {"ray": {"replicas": 2}}).ray == RayOptions(n_replicas=2)
    assert read_service(written(models), {"ray": {"replicas": None}}, on_ray=True).ray == RayOptions()
    assert read_service(written(models + "[ray]\nreplicas = 2"), {}, on_ray=True).ray.n_replicas == 2


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ({"artifacts": [Path("b")]}, ModelSource(artifacts=(Path("b"),), max_loaded=3)),
        ({"registry": "r"}, ModelSource(registry="r", max_loaded=3)),
        ({"registry": "r", "names": ["n"]}, ModelSource(registry="r", names=("n",), max_loaded=3)),
    ],
)
def test_models_of_a_flag_take_the_place_of_the_files(written, flags, expected):
    file = written('[models]\nregistry = "other"\nnames = ["old"]\nmax_loaded = 3\n')
    assert read_service(file, {"models": flags}).models == expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[limit]\nmax_rows = 1", r"every section must be known in .*service\.toml, got \[limit\]"),
        ("[limit]\nmax_rows = 1", r"did you mean 'limits'\?"),
        ("[limits]\nmax_row = 1", r"every key of \[limits\] must be known in .*service\.toml, got 'max_row'"),
        ("[limits]\nmax_row = 1", r"did you mean 'max_rows'\?"),
        ("[limits]\nmax_rows = '1'", r"max_rows of \[limits\] must be a valid integer in .*, got '1'"),
        ("[listen]\nport = true", r"port of \[listen\] must be a valid integer in .*, got True"),
        ("[logs]\nformat = 'xml'", r"format of \[logs\] must be 'text' or 'json' in .*, got 'xml'"),
        ("[models]\nartifacts = [1]", r"artifacts of \[models\] .*path.* in .*, got 1"),
        ("[tls]\nkey = 'k'", r"certificate must be given in \[tls\] of .*service\.toml, got nothing"),
        ("models = 1", r"\[models\] must be a table in .*service\.toml, got a value of type int"),
        ("logs = 1", r"\[logs\] must be a table in .*service\.toml, got 1"),
        ("[models", r"service\.toml must be valid TOML, got: "),
        (
            "[models]\nartifacts = ['a']\n[limits]\nmax_rows = 0",
            "max_rows must be at least 1, got 0 in .*toml",
        ),
        ("[models]\nartifacts = ['a']\n[listen]\nport = 70000", "port must be in .*, got 70000 in .*toml"),
        ("[models]\nmax_loaded = 1", "a service needs artifacts or a registry, got neither in .*toml"),
        ("[models]\nartifacts = ['a']\nregistry = 'r'", "a service needs artifacts or a registry, got both"),
        (
            "[models]\nartifacts = ['a']\nnames = ['n']",
            "names of models need a registry .*, got n with artifacts",
        ),
        ("[models]\nregistry = 'r'\npoll_s = nan", "poll_s must be positive and finite, got nan in .*toml"),
        ("[models]\nregistry = 'r'\npoll_s = inf", "poll_s must be positive and finite, got inf in .*toml"),
        ("[models]\nartifacts = ['a']\n[listen]\ndrain_s = -1", "drain_s must be .* at least 0, got -1"),
        ("[models]\nartifacts = ['a']\n[listen]\ndrain_s = nan", "drain_s must be .* at least 0, got nan"),
        (
            "[models]\nartifacts = ['a']\n[limits]\nmax_message_mb = 2048",
            "max_message_bytes must be at most 2147483647.*, got 2147483648 in (.|\n)*--max-message-mb 2047",
        ),
        ("[models]\nartifacts = ['a']\n[ray]\nreplicas = 0", "replicas must be at least 1 .* got replicas=0"),
        ("[models]\nartifacts = ['a']\n[ray]\nreplicas = 3\nmax_replicas = 2", "at most max_replicas"),
        (
            "[models]\nartifacts = ['a']\n[ray]\ntarget_calls = 0",
            "target_calls must be positive .*, got 0 in",
        ),
        ("[models]\nartifacts = ['a']\n[ray]\ntarget_calls = nan", "target_calls must be .*, got nan in"),
        ("[models]\nartifacts = ['a']\n[ray]\ncpus_per_replica = 0", "cpus_per_replica must be .*, got 0 in"),
        (
            "[models]\nartifacts = ['a']\n[ray]\ngpus_per_replica = nan",
            "gpus_per_replica must be .*, got nan in",
        ),
        ("[models]\nartifacts = ['a']\n[ray]\ngpus_per_replica = -1", "at least 0 and finite, got -1"),
    ],
)
def test_a_mistake_is_named_with_file_section_and_key(written, text, said):
    with pytest.raises(ConfigError, match=said):
        read_service(written(text), {})


@pytest.mark.parametrize(
    "text",
    [
        "[models]\nartifacts = ['a']\nregistry = 's3://KEY:SECRET@b/p'",
        "[models]\nregistry = ['s3://KEY:SECRET@b/p']",
        "models = 's3://KEY:SECRET@b/p'",
        "registry = 's3://KEY:SECRET@b/p'",
        "[models]\nregistri = 's3://KEY:SECRET@b/p'",
        "[models]\nregistry = 's3://KEY:SECRET@b/p'\npoll_s = 0",
    ],
)
def test_no_mistake_prints_the_secret_of_a_registry(written, text):
    with pytest.raises(ConfigError) as refused:
        read_service(written(text), {})
    assert "SECRET" not in "".join(traceback.format_exception(refused.value))


def test_records_do_not_show_the_secret_of_a_registry():
    service = ServiceOptions(models=ModelSource(registry="s3://KEY:SECRET@b/p"))
    assert "SECRET" not in repr(service)


def test_a_mistake_of_the_flags_is_not_put_on_a_file():
    with pytest.raises(ConfigError, match="max_rows must be at least 1, got 0 in the flags"):
        read_service(None, {"models": {"artifacts": [Path("a")]}, "limits": {"max_rows": 0}})


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"cannot be read, got No such file or directory for .*gone\.toml"):
        read_service(tmp_path / "gone.toml", {})
