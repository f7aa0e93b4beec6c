"""`automl-ad serve`: flags become options, an open address is warned of. The contracts start a real one."""

from __future__ import annotations

from pathlib import Path

import pytest
from rpc_fakes import FakeScorer, numeric_scorer
from typer import Typer
from typer.testing import CliRunner

import automl_ad.artifact
from automl_ad.cli.serve import serve
from automl_ad.errors import ConfigError
from automl_ad.rpc import host
from automl_ad.rpc.host import HostOptions
from automl_ad.rpc.models import Limits


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch):
    """(flags) -> what the host was given, and what was printed."""
    monkeypatch.setenv("GRPC_VERBOSITY", "NONE")

    class Loader:
        @staticmethod
        def load(path: Path) -> FakeScorer:
            return numeric_scorer(path.name)

    given: dict[str, object] = {}

    def listen(scorers, options, on_listening):
        given.update(names=[scorer.name for scorer in scorers], options=options)
        on_listening("127.0.0.1:1234")

    monkeypatch.setattr(automl_ad.artifact, "Scorer", Loader)
    monkeypatch.setattr(host, "serve", listen)
    app = Typer()
    app.command()(serve)

    def invoke(*flags: str):
        result = CliRunner().invoke(app, [*flags])
        if result.exception is not None:
            raise result.exception
        return given, result

    return invoke


def test_defaults_are_loopback_port_9000_and_64_mib(run):
    given, result = run("models/payments")
    assert given == {"names": ["payments"], "options": HostOptions()}
    assert result.stdout.splitlines()[-1] == "listening on 127.0.0.1:1234"
    assert "model payments, version v1" in result.stderr
    assert "WARNING" not in result.stderr


def test_flags_become_options(run):
    given, _ = run(
        "a", "b", "--port", "0", "--max-message-mb", "2", "--max-rows", "10", "--no-reflection"
    )  # fmt: skip
    limits = Limits(max_message_bytes=2 * 1024 * 1024, max_rows=10)
    assert given == {"names": ["a", "b"], "options": HostOptions(port=0, limits=limits, has_reflection=False)}


@pytest.mark.parametrize("address", ["0.0.0.0", "192.168.1.5", "example.org"])
def test_an_address_of_the_network_is_warned_of(run, address):
    _, result = run("a", "--host", address)
    assert f"WARNING: listening on {address}: whoever reaches this machine" in result.stderr


@pytest.mark.parametrize("flags", [("--max-message-mb", "0"), ("--max-rows", "0")])
def test_limits_must_be_positive(run, flags):
    with pytest.raises(ConfigError, match="must be at least 1"):
        run("a", *flags)
