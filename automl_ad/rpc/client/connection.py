"""Where the service is and how to speak to it: address, encryption, token. What is unsafe is refused."""

from __future__ import annotations

import ipaddress
import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypedDict

from automl_ad.errors import ConfigError
from automl_ad.rpc.options import Limits

Token = str | Path | Callable[[], str]
"""The text of a token; a file, read at every call so that a new token is picked up; or what returns one."""

PUBLIC_AUTHORITIES = "public"
"""In place of a file: the certificate authorities that gRPC itself trusts."""


class ConnectionSettings(TypedDict, total=False):
    """The settings of a `Connection`, for the signatures of the clients."""

    timeout_s: float
    token: Token | None
    tls_ca: Path | str | None
    tls_certificate: Path | None
    tls_key: Path | None
    tls_server_name: str | None
    retries: bool
    keepalive_s: float
    max_message_bytes: int
    sends_token_in_clear: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Connection:
    """Where the service is, and how to speak to it. Raises ConfigError for what is unsafe or contradicts."""

    target: str
    """HOST:PORT; `dns:///NAME:PORT` and `ipv4:A:PORT,B:PORT` spread the calls over all addresses."""
    timeout_s: float = 30.0
    """Deadline of a call, all its attempts included; of a stream: the longest wait for one answer."""
    token: Token | None = field(default=None, repr=False)
    tls_ca: Path | str | None = None
    """PEM file of the authority that signed the server's certificate, or "public"; None: no encryption."""
    tls_certificate: Path | None = None
    """PEM file of the client's own certificate, for servers that ask for one (mTLS)."""
    tls_key: Path | None = None
    tls_server_name: str | None = None
    """The name in the server's certificate, where the target is an address."""
    retries: bool = True
    keepalive_s: float = 300.0
    """How often a silent connection with open calls is probed; many servers hang up on those who ask more."""
    max_message_bytes: int = Limits().max_message_bytes
    sends_token_in_clear: bool = False
    """The override: send the token without encryption to another machine."""

    def __post_init__(self) -> None:
        if not 0 < self.timeout_s < math.inf:
            raise ConfigError(f"timeout_s must be positive and finite, got {self.timeout_s:g}")
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ConfigError("a client's certificate and its key must be given together, got one of them")
        if self.tls_certificate is not None and self.tls_ca is None:
            raise ConfigError("a client's certificate needs TLS, got no tls_ca", 'name the file, or "public"')
        if self.token is not None and not self._keeps_secrets():
            raise ConfigError(
                f"a token must not travel without encryption, got one for {self.target} and no tls_ca",
                'name the file of the authority, or "public"',
            )

    def _keeps_secrets(self) -> bool:
        return self.tls_ca is not None or self.sends_token_in_clear or is_this_machine(self.target)


def read_token(token: Token) -> str:
    """The token as it is now. Raises ConfigError where it is empty, or its file cannot be read."""
    if isinstance(token, Path):
        text, origin = read_file(token).decode("ascii", errors="replace").strip(), str(token)
    else:
        text, origin = (token if isinstance(token, str) else token()), "the token"
    if re.fullmatch(r"[!-~]+", text) is None:
        raise ConfigError(
            f"a token must be one word of visible ASCII letters, got something else in {origin}"
        )
    return text


def is_this_machine(target: str) -> bool:
    """Whether every address of the target is on loopback, or a socket file.

    >>> [is_this_machine(target) for target in ("localhost:9000", "[::1]:9000", "dns:///10.0.0.1:9000")]
    [True, True, False]
    """
    if target.startswith(("unix:", "unix-abstract:")):
        return True
    addresses = re.sub(r"^(dns:(///)?|ipv4:|ipv6:)", "", target)
    return all(_is_loopback(address) for address in addresses.split(","))


def _is_loopback(address: str) -> bool:
    bracketed = re.fullmatch(r"\[(.+)\](:\d+)?", address)
    host = bracketed[1] if bracketed else re.sub(r":\d+$", "", address)
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def read_file(file: Path) -> bytes:
    """The content. Raises ConfigError where there is none."""
    try:
        return file.read_bytes()
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror}") from None
