"""As much HTTP/2 (RFC 9113) as a client needs that keeps none of gRPC's manners."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable
from dataclasses import dataclass

DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
END_STREAM, ACK, END_HEADERS = 1, 1, 4
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
FRAME_BYTES = 16_384


@dataclass(frozen=True, kw_only=True, slots=True)
class Frame:
    kind: int
    flags: int
    stream: int
    payload: bytes


class Http2Client:
    """One connection. Nothing is checked and nothing is answered unless asked for."""

    def __init__(self, address: str, *, timeout: float = 10) -> None:
        host, _, port = address.rpartition(":")
        self._socket = socket.create_connection((host, int(port)), timeout=timeout)
        self._windows: dict[int, int] = {0: 65_535}
        self._initial_window = 65_535

    def __enter__(self) -> Http2Client:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def greet(self) -> None:
        """The preface, our settings, and the server's acknowledged."""
        self._socket.sendall(PREFACE)
        self.send(SETTINGS, 0, 0, b"")
        while self.read().kind != SETTINGS:
            pass

    def send(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        self._socket.sendall(
            struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload
        )

    def call(self, stream: int, path: str, headers: Iterable[tuple[str, str]] = ()) -> None:
        """The headers of a gRPC call, each as a literal without index (RFC 7541, 6.2.2)."""
        fields = [
            (":method", "POST"),
            (":scheme", "http"),
            (":path", path),
            (":authority", "localhost"),
            ("te", "trailers"),
            ("content-type", "application/grpc"),
            *headers,
        ]
        block = b"".join(b"\x00" + _text(name) + _text(value) for name, value in fields)
        self._windows[stream] = self._initial_window
        self.send(HEADERS, END_HEADERS, stream, block)

    def message(self, stream: int, message: bytes, *, is_compressed: bool = False) -> None:
        """One gRPC message, and the end of the request; waits for the server's windows."""
        content = struct.pack(">BI", is_compressed, len(message)) + message
        while content:
            size = min(len(content), FRAME_BYTES, self._windows[0], self._windows[stream])
            if size == 0:
                self.read()
                continue
            self._windows[0] -= size
            self._windows[stream] -= size
            piece, content = content[:size], content[size:]
            self.send(DATA, 0 if content else END_STREAM, stream, piece)

    def read(self) -> Frame:
        """The next frame. EOFError when the server has closed the connection."""
        head = self._exactly(9)
        size = int.from_bytes(head[:3], "big")
        kind, flags, stream = struct.unpack(">BBI", head[3:])
        frame = Frame(kind=kind, flags=flags, stream=stream, payload=self._exactly(size))
        if kind == WINDOW_UPDATE:
            self._windows[stream] = self._windows.get(stream, 0) + int.from_bytes(frame.payload, "big")
        if kind == SETTINGS and not flags & ACK:
            self._settings(frame.payload)
        return frame

    def reply(self, stream: int) -> Frame:
        """The frame that ends the stream: trailers, or a reset."""
        while True:
            frame = self.read()
            if frame.stream == stream and (frame.kind == RST_STREAM or frame.flags & END_STREAM):
                return frame

    def frames(self) -> list[Frame]:
        """Everything until the server closes."""
        seen: list[Frame] = []
        try:
            while True:
                seen.append(self.read())
        except (EOFError, ConnectionResetError):
            return seen

    def wait_for_close(self) -> None:
        """Read without a word until the server closes. TimeoutError when it does not."""
        while self._socket.recv(4096):
            pass

    def _settings(self, payload: bytes) -> None:
        for place in range(0, len(payload), 6):
            name, value = struct.unpack_from(">HI", payload, place)
            if name == 4:  # SETTINGS_INITIAL_WINDOW_SIZE
                self._initial_window = value
        self.send(SETTINGS, ACK, 0, b"")

    def _exactly(self, size: int) -> bytes:
        content = b""
        while len(content) < size:
            piece = self._socket.recv(size - len(content))
            if not piece:
                raise EOFError("the server closed the connection")
            content += piece
        return content


def _text(text: str) -> bytes:
    """A length in a prefix of 7 bits, then the letters (RFC 7541, 5.1 and 5.2)."""
    content, size = text.encode("ascii"), len(text)
    if size < 127:
        return bytes([size]) + content
    head, size = bytes([127]), size - 127
    while size >= 128:
        head, size = head + bytes([size % 128 + 128]), size // 128
    return head + bytes([size]) + content
