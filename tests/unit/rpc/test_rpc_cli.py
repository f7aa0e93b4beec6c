"""`automl-ad serve`: flags become options, an open address is refused. Contracts start a real one."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from typer import Typer
from typer.testing import CliRunner

from automl_ad.cli.serve import serve
from automl_ad.errors import ConfigError
from automl_ad.rpc import host
from automl_ad.rpc.models import model_source
from automl_ad.rpc.options import HostOptions, Limits, ModelSource, TLSFiles
from automl_ad.rpc.telemetry import logs


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch):
    """(flags) -> what the host was given, and what was printed."""
    monkeypatch.setenv("GRPC_VERBOSITY", "NONE")
    given: dict[str, object] = {}

    def listen(models, options, metrics, on_listening):
        given.update(models=models, options=options)
        on_listening(SimpleNamespace(address="127.0.0.1:1234", metrics_address="127.0.0.1:9"))

    monkeypatch.setattr(logs, "configure_logs", lambda format: given.update(log_format=format))
    monkeypatch.setattr(model_source, "open_models", lambda source, _metrics: source)
    monkeypatch.setattr(host, "serve", listen)
    app = Typer()
    app.command()(serve)

    def invoke(*flags: str):
        result = CliRunner().invoke(app, [*flags])
        if result.exception is not None:
            raise result.exception
        return given, result

    return invoke


def test_an_artifact_is_enough_and_the_address_is_all_of_stdout(run):
    given, result = run("models/payments")
    assert given == {
        "models": ModelSource(artifacts=(Path("models/payments"),)),
        "options": HostOptions(),
        "log_format": "text",
    }
    assert result.stdout == "listening on 127.0.0.1:1234\n"
    assert result.stderr == "metrics on http://127.0.0.1:9/metrics\n"


def test_flags_become_options(run):
    given, _ = run(
        *("--registry", "models", "--model", "a", "--model", "b", "--max-models", "3", "--poll", "2m"),
        *("--device", "cuda", "--host", "::1", "--port", "0", "--keys", "keys.toml"),
        *("--tls-cert", "c.pem", "--tls-key", "k.pem", "--tls-client-ca", "ca.pem", "--reflection"),
        *("--max-message-mb", "2", "--max-rows", "10", "--metrics-port", "0", "--log-format", "json"),
    )
    tls = TLSFiles(certificate=Path("c.pem"), key=Path("k.pem"), client_ca=Path("ca.pem"))
    assert given == {
        "models": ModelSource(registry="models", names=("a", "b"), max_loaded=3, poll_s=120.0, device="cuda"),
        "options": HostOptions(
            host="::1",
            port=0,
            keys=Path("keys.toml"),
            tls=tls,
            has_reflection=True,
            limits=Limits(max_message_bytes=2 * 1024 * 1024, max_rows=10),
            metrics_port=0,
        ),
        "log_format": "json",
    }


def test_a_flag_wins_over_the_file(run, tmp_path):
    file = tmp_path / "service.toml"
    file.write_text('[models]\nartifacts = ["a"]\n[listen]\nport = 1\ndrain_s = 3.0\n')
    given, _ = run("--config", str(file), "--port", "2")
    assert given["options"] == HostOptions(port=2, drain_s=3.0)
    assert given["models"] == ModelSource(artifacts=(tmp_path / "a",))


@pytest.mark.parametrize("address", ["0.0.0.0", "192.168.1.5"])
def test_an_address_of_the_network_is_refused_without_tls(run, address):
    with pytest.raises(ConfigError, match="must not listen beyond loopback without TLS"):
        run("a", "--host", address)


def test_the_override_is_warned_of(run):
    _, result = run("a", "--host", "0.0.0.0", "--insecure")
    assert "WARNING: rows and scores travel unencrypted to 0.0.0.0:9000" in result.stderr
    assert "WARNING: whoever reaches 0.0.0.0:9000 may call" in result.stderr


@pytest.mark.parametrize("flags", [("--max-message-mb", "0"), ("--max-rows", "0")])
def test_limits_must_be_positive(run, flags):
    with pytest.raises(ConfigError, match="must be at least 1, got 0 in the flags"):
        run("a", *flags)


def test_half_of_a_certificate_is_refused(run):
    with pytest.raises(ConfigError, match=r"key must be given in \[tls\] of the flags, got nothing"):
        run("a", "--tls-cert", "c.pem")


def test_nothing_to_serve_is_said_with_the_way_out(run):
    with pytest.raises(ConfigError, match="automl-ad serve ARTIFACT"):
        run()
