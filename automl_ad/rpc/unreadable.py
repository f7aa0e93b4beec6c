"""Messages that are no protobuf: refused as the client's mistake, where gRPC itself would say UNKNOWN.

gRPC decodes before a handler is called, and answers what its decoder raises with UNKNOWN and the name of a
Python class. Here a decoder makes an `Unreadable` of it instead, and whoever takes it raises RowsError.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import DecodeError

from automl_ad.errors import RowsError


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Bytes in place of a message, `n_bytes` of them."""

    n_bytes: int


def decoder(decode: Callable[[bytes], Any] | None) -> Callable[[bytes], Any] | None:
    """The decoder, which never raises DecodeError; None stays None."""
    if decode is None:
        return None

    def read(content: bytes) -> Any:
        try:
            return decode(content)
        except DecodeError:
            return Unreadable(len(content))

    return read


def require_readable(message: Any) -> Any:
    """The message. Raises RowsError when it is none."""
    if isinstance(message, Unreadable):
        raise RowsError(
            f"a message must be protobuf of the method's type, got {message.n_bytes} other bytes",
            "make client and server from the same .proto, and strings of UTF-8",
        )
    return message


async def readable(messages: AsyncIterator[Any]) -> AsyncIterator[Any]:
    """The messages of a stream. Raises RowsError at the first that is none."""
    async for message in messages:
        yield require_readable(message)
