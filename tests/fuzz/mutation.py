"""Seeded damage: to bytes, to JSON documents, and values that parsers have stumbled over."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable
from typing import Any

EVIL_NUMBERS = (0, -1, 1, 2**31 - 1, 2**31, 2**32, 2**53 + 1, 2**63 - 1, 2**64, -(2**63), 10**30, 0.1, -1e308)
EVIL_TEXTS = (
    "",
    ".",
    "..",
    "/",
    "../../outside/canary",
    "/etc/passwd",
    "a/../../b",
    "..\\..\\b",
    "a\0b",
    "a\nb",
    "%2e%2e%2f",
    "x" * 300,
    "x" * 100_000,
    "\u202eabc",
    "\u0000",
    "\U0001f600",
    "$(id)",
    "{}",
    "NaN",
    "-1",
    "1e999",
    "__class__",
    "file:///etc/passwd",
    "s3://bucket/key",
    "py/object",
)
EVIL_JSON = (None, True, False, [], {}, [[]], [None], *EVIL_NUMBERS, *EVIL_TEXTS)
_DEEP = 3_000


def mutated_bytes(content: bytes, rng: random.Random) -> bytes:
    """The content with one to four damages."""
    data = bytearray(content)
    for _ in range(rng.randint(1, 4)):
        rng.choice(_DAMAGES)(data, rng)
    return bytes(data)


def mutated_json(document: Any, rng: random.Random) -> Any:
    """A copy of a JSON document with one to three nodes replaced, removed, doubled or renamed."""
    document = copy.deepcopy(document)
    for _ in range(rng.randint(1, 3)):
        containers = [node for node in _nodes(document) if node]
        if not containers:
            return rng.choice(EVIL_JSON)
        _damage_node(rng.choice(containers), rng)
    return document


def json_bytes(document: Any, rng: random.Random) -> bytes:
    """The document as text; now and then with a doubled key, a deep nest, NaN, or a byte order mark."""
    text = json.dumps(document)
    match rng.randrange(20):
        case 0:
            return b"\xef\xbb\xbf" + text.encode()
        case 1:
            return (text[:-1] + ', "name": 1, "name": {}}').encode()
        case 2:
            return (text[:-1] + ', "deep": ' + "[" * _DEEP + "]" * _DEEP + "}").encode()
        case 3:
            return text.replace("0", "NaN", 1).encode()
        case 4:
            return mutated_bytes(text.encode(), rng)
    return text.encode()


def _nodes(document: Any) -> list[Any]:
    if isinstance(document, dict):
        return [document, *(node for value in document.values() for node in _nodes(value))]
    if isinstance(document, list):
        return [document, *(node for value in document[:50] for node in _nodes(value))]
    return []


def _damage_node(node: Any, rng: random.Random) -> None:
    key = rng.choice(list(node)) if isinstance(node, dict) else rng.randrange(len(node))
    match rng.randrange(6):
        case 0:
            del node[key]
        case 1 if isinstance(node, dict):
            node[rng.choice(EVIL_TEXTS)] = node.pop(key)
        case 1:
            node.extend(node * rng.randint(1, 3))
        case 2 if isinstance(node[key], int | float) and not isinstance(node[key], bool):
            node[key] = node[key] * rng.choice((-1, 0, 2, 1000, 0.5)) + rng.choice((0, 1, -1))
        case _:
            node[key] = rng.choice(EVIL_JSON)


def _flip(data: bytearray, rng: random.Random) -> None:
    if data:
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def _set(data: bytearray, rng: random.Random) -> None:
    if data:
        data[rng.randrange(len(data))] = rng.choice((0, 1, 0x7F, 0x80, 0xFF))


def _cut(data: bytearray, rng: random.Random) -> None:
    del data[rng.randrange(len(data) + 1) :]


def _insert(data: bytearray, rng: random.Random) -> None:
    place = rng.randrange(len(data) + 1)
    data[place:place] = rng.randbytes(rng.choice((1, 4, 64)))


def _repeat(data: bytearray, rng: random.Random) -> None:
    start = rng.randrange(len(data) + 1)
    data[start:start] = data[start : start + rng.choice((1, 8, 200))] * rng.choice((1, 10))


def _remove(data: bytearray, rng: random.Random) -> None:
    start = rng.randrange(len(data) + 1)
    del data[start : start + rng.choice((1, 4, 64))]


def _widen(data: bytearray, rng: random.Random) -> None:
    """Write an extreme integer over 4 or 8 bytes."""
    width = rng.choice((4, 8))
    if len(data) >= width:
        start = rng.randrange(len(data) - width + 1)
        value = (
            rng.choice((0, 1, 2**31 - 1, 2**32 - 1))
            if width == 4
            else rng.choice((0, 2**40, 2**63, 2**64 - 1))
        )
        data[start : start + width] = value.to_bytes(width, "little")


_DAMAGES: tuple[Callable[[bytearray, random.Random], None], ...] = (
    _flip,
    _flip,
    _set,
    _cut,
    _insert,
    _repeat,
    _remove,
    _widen,
    _widen,
)
