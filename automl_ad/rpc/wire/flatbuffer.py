"""A reader of FlatBuffers tables that trusts nothing: each read stays within the bytes, or raises Malformed.

Layout: https://flatbuffers.dev/internals. Only what Arrow's messages use: scalars, strings, tables, vectors.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

_U16, _I32, _U32 = struct.Struct("<H"), struct.Struct("<i"), struct.Struct("<I")
_SCALARS = {"?": struct.Struct("<?"), "B": struct.Struct("<B"), "h": struct.Struct("<h")}
_SCALARS["q"] = struct.Struct("<q")


class Malformed(ValueError):
    """The bytes are no such FlatBuffers document."""


@dataclass(frozen=True, slots=True)
class FlatTable:
    """One table; fields are known by their place in the schema of the format."""

    content: bytes
    position: int

    @classmethod
    def root(cls, content: bytes) -> Self:
        """The table that the document consists of."""
        return cls(content, _read(_U32, content, 0))

    def scalar(self, place: int, kind: str, default: int = 0) -> int:
        """A number: `?` bool, `B` uint8, `h` int16 or `q` int64."""
        position = self._field(place)
        return default if position is None else _read(_SCALARS[kind], self.content, position)

    def has(self, place: int) -> bool:
        """Whether the field is there."""
        return self._field(place) is not None

    def table(self, place: int) -> FlatTable | None:
        """A table, None where the field is absent."""
        position = self._target(place)
        return None if position is None else FlatTable(self.content, position)

    def tables(self, place: int) -> Sequence[FlatTable]:
        """A vector of tables, empty where the field is absent."""
        start, length = self._vector(place, item_size=4)
        return _Tables(self.content, start, length)

    def text(self, place: int) -> bytes:
        """A string as its bytes, empty where the field is absent."""
        start, length = self._vector(place, item_size=1)
        return self.content[start : start + length]

    def size(self, place: int) -> int:
        """Bytes of a string."""
        return self._vector(place, item_size=1)[1]

    def pairs(self, place: int) -> npt.NDArray[np.int64]:
        """[N, 2], a vector of structs of two int64."""
        start, length = self._vector(place, item_size=16)
        values = np.frombuffer(self.content, "<i8", 2 * length, start) if length else np.empty(0, np.int64)
        return values.reshape(length, 2)

    def _field(self, place: int) -> int | None:
        vtable = self.position - _read(_I32, self.content, self.position)
        slot = 4 + 2 * place
        if slot + 2 > _read(_U16, self.content, vtable):
            return None
        offset = _read(_U16, self.content, vtable + slot)
        return self.position + offset if offset else None

    def _target(self, place: int) -> int | None:
        position = self._field(place)
        return None if position is None else position + _read(_U32, self.content, position)

    def _vector(self, place: int, item_size: int) -> tuple[int, int]:
        """(where the items start, how many there are), all of them within the bytes."""
        position = self._target(place)
        if position is None:
            return 0, 0
        length = _read(_U32, self.content, position)
        if position + 4 + length * item_size > len(self.content):
            raise Malformed(f"a vector of {length} items ends behind the document")
        return position + 4, length


@dataclass(frozen=True, slots=True)
class _Tables(Sequence[FlatTable]):
    content: bytes
    start: int
    length: int

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: Any) -> Any:
        if not 0 <= index < self.length:
            raise IndexError(index)
        position = self.start + 4 * index
        return FlatTable(self.content, position + _read(_U32, self.content, position))


def _read(kind: struct.Struct, content: bytes, position: int) -> int:
    if not 0 <= position <= len(content) - kind.size:
        raise Malformed(f"a number at byte {position} lies outside of {len(content)} bytes")
    value: int = kind.unpack_from(content, position)[0]
    return value
