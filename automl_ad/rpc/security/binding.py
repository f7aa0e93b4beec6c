"""Who could reach the service where it is told to listen, and whether that needs TLS."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from ipaddress import IPv6Address, ip_address

from automl_ad.errors import ConfigError
from automl_ad.rpc.options import HostOptions


def check_binding(options: HostOptions) -> None:
    """Raise ConfigError where other machines could read or change what is sent.

    Beyond loopback that is any connection without TLS; with tokens it is worse, since whoever reads one can
    use it. `is_insecure` overrides both, for a TLS terminator in front, and `binding_risks` then says so.
    """
    if options.tls is not None or options.is_insecure or is_loopback(options.host):
        return
    what = "tokens must not be sent" if options.keys else "a service must not listen"
    raise ConfigError(
        f"{what} beyond loopback without TLS, got host {options.host!r}",
        "give --tls-cert and --tls-key, or listen on 127.0.0.1 behind a TLS terminator; where the network "
        "itself is safe, --insecure listens all the same",
    )


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach what listens there. Of a name, every address must be loopback.

    >>> is_loopback("127.0.0.53"), is_loopback("::1"), is_loopback("0.0.0.0"), is_loopback("::")
    (True, True, False, False)
    """
    addresses = _addresses(host)
    return bool(addresses) and all(map(_is_loopback_address, addresses))


def wants_reflection(options: HostOptions) -> bool:
    """Whether clients may ask the server for its protos; where nothing was said, on loopback only."""
    if options.has_reflection is None:
        return is_loopback(options.host)
    return options.has_reflection


def binding_risks(options: HostOptions) -> tuple[str, ...]:
    """What is allowed and still worth a warning when the service starts, one sentence each."""
    return () if is_loopback(options.host) else tuple(_risks(options))


def _risks(options: HostOptions) -> Iterator[str]:
    where = f"{options.host}:{options.port}"
    if options.tls is None:
        sent = "rows, scores and tokens" if options.keys else "rows and scores"
        yield f"{sent} travel unencrypted to {where}: whoever is on the network can read and change them"
    if options.keys is None and (options.tls is None or options.tls.client_ca is None):
        yield f"whoever reaches {where} may call: neither tokens nor certificates are asked for"
    if options.metrics_port is not None:
        yield "the metrics page is plain HTTP and asks for nothing: keep its port closed to others"
    if options.has_reflection:
        yield f"whoever reaches {where} may list its services: reflection is on"


def _addresses(host: str) -> list[str]:
    """The addresses a host stands for; none when nobody knows the name."""
    try:
        return [str(entry[4][0]) for entry in socket.getaddrinfo(host or "::", None, type=socket.SOCK_STREAM)]
    except (OSError, UnicodeError):
        return []


def _is_loopback_address(text: str) -> bool:
    address = ip_address(text)
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        return address.ipv4_mapped.is_loopback
    return address.is_loopback
