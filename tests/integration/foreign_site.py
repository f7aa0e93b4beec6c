"""A service as foreign clients meet it: `automl-ad serve` with a registry, a certificate and keys."""

from __future__ import annotations

import hashlib
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import trustme

HERE = Path(__file__).parent
AUTOML_AD = str(Path(sys.executable).with_name("automl-ad"))
MODEL = "demo"
START_S = 60.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Site:
    """Where the service is, and what its clients need."""

    folder: Path
    target: str

    @property
    def ca(self) -> str:
        return str(self.folder / "ca.pem")

    @property
    def token_file(self) -> str:
        return str(self.folder / "token")


def make_registry(folder: Path, artifact: Path | None) -> None:
    registry = ["--registry", str(folder / "registry")]
    if artifact is not None:
        command = [AUTOML_AD, "registry", "add", MODEL, str(artifact), *registry]
    else:
        study = ["--time-budget", "30s", "--output", str(folder / "study")]
        command = [AUTOML_AD, "search", "--demo", *study, "--register", MODEL, *registry]
    subprocess.run(command, check=True)


def make_secrets(folder: Path) -> None:
    """An authority, a certificate of this machine with its key, a token, and the file that knows its hash."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    certificate = authority.issue_cert("localhost", "127.0.0.1")
    certificate.cert_chain_pems[0].write_to_path(folder / "server.pem")
    token = secrets.token_hex(32)
    keys = f'[keys.foreign]\nsha256 = "{hashlib.sha256(token.encode()).hexdigest()}"\nmodels = ["{MODEL}"]\n'
    write_private(folder / "server.key", certificate.private_key_pem.bytes().decode())
    write_private(folder / "token", token)
    write_private(folder / "keys.toml", keys)


def write_private(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text)


@contextmanager
def serving(folder: Path) -> Iterator[Site]:
    """A running service, stopped at the end; its log is serve.log."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    tls = ["--tls-cert", str(folder / "server.pem"), "--tls-key", str(folder / "server.key")]
    where = ["--registry", str(folder / "registry"), "--port", str(port), "--reflection"]
    command = [AUTOML_AD, "serve", *where, *tls, "--keys", str(folder / "keys.toml")]
    with (folder / "serve.log").open("w") as log:
        server = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        try:
            site = Site(folder=folder, target=f"localhost:{port}")
            wait_until_serving(site, server)
            yield site
        finally:
            server.terminate()
            server.wait(30)


def wait_until_serving(site: Site, server: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + START_S
    probe = [sys.executable, str(HERE / "health_probe.py"), site.target, "--ca", site.ca]
    while subprocess.run(probe, capture_output=True).returncode != 0:
        if server.poll() is not None or time.monotonic() > end:
            raise SystemExit((site.folder / "serve.log").read_text())
