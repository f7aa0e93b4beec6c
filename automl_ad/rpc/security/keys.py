"""Who may call, and which models: bearer tokens against a file of their SHA-256 hashes.

    [keys.team-a]
    sha256 = "<64 hex digits>"                 # or a list of them, while one token replaces another
    models = ["payments"]                      # left out: all models; an empty list: none
    expires = 2027-01-01T00:00:00Z             # may be left out

`openssl rand -hex 32` makes a token, `printf %s "$TOKEN" | sha256sum` its hash. The hash needs no salt and no
slow function because such a token cannot be guessed; a password chosen by a person can be.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import time
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from automl_ad.errors import ConfigError
from automl_ad.rpc.errors import Unauthenticated
from automl_ad.rpc.security.watched_files import WatchedFiles, read_small, warn_of_readers

log = logging.getLogger(__name__)

MAX_TOKEN = 1_024
"""Letters of a token: longer ones are unknown without being hashed, so that they cost nothing."""
MAX_HASHES = 1_000
"""Each call compares with all of them, which takes about 0.2 ms then."""
_NO_TOKEN = hashlib.sha256(b"").hexdigest()


@dataclass(frozen=True, kw_only=True, slots=True)
class Caller:
    """Who a call comes from."""

    name: str
    models: frozenset[str] | None = None
    """None: all of them."""

    def may_use(self, model: str) -> bool:
        """Whether the caller may use the model, be it there or not."""
        return self.models is None or model in self.models


ANYONE = Caller(name="anyone")
"""The caller where no keys are asked for."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Key:
    digest: bytes
    caller: Caller
    expires: datetime | None


class Keys:
    """The tokens of a file. A changed file counts within a second; a broken one changes nothing."""

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Raises ConfigError naming the file, the key and the rule it breaks."""
        self._file = WatchedFiles((path,), lambda: _read(path), clock=clock)

    def caller_of(self, authorization: str | None) -> Caller:
        """Who sent this `authorization` metadata. Raises Unauthenticated.

        Takes the same time for a right, a wrong and a nearly right token: every key is compared, to its end.
        For that reason nothing is remembered between calls either.
        """
        digest = _digest(authorization or "")
        found: _Key | None = None
        for key in self._file.current():
            if hmac.compare_digest(key.digest, digest):
                found = key
        if found is None or (found.expires is not None and found.expires <= datetime.now(UTC)):
            raise Unauthenticated(
                "a token that this server knows must be sent with every call",
                "send the metadata `authorization: Bearer TOKEN`",
            )
        return found.caller


def _digest(authorization: str) -> bytes:
    """SHA-256 of the token; of nothing, which is no key's, for what is no bearer token."""
    head = authorization[: MAX_TOKEN + 16]
    scheme, _, token = head.partition(" ")
    is_token = scheme.lower() == "bearer" and len(authorization) == len(head)
    return hashlib.sha256(token.strip().encode(errors="surrogatepass") if is_token else b"").digest()


class _Record(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
KeyName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]


class _Entry(_Record):
    sha256: Annotated[list[Hash], Field(min_length=1), BeforeValidator(_as_list)]
    models: list[str] | None = None
    expires: AwareDatetime | None = None

    def key(self, name: str, digest: str) -> _Key:
        models = None if self.models is None else frozenset(self.models)
        caller = Caller(name=name, models=models)
        return _Key(digest=bytes.fromhex(digest), caller=caller, expires=self.expires)


class _File(_Record):
    keys: Annotated[dict[KeyName, _Entry], Field(min_length=1)]


def _read(path: Path) -> tuple[_Key, ...]:
    text = read_small(path, "keys").decode(errors="replace")
    try:
        content = _File.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"keys {path} must be valid TOML, got: {error}") from error
    except ValidationError as error:
        raise _broken(error, path) from None  # pydantic's own text holds what was given, perhaps a token
    keys = tuple(entry.key(name, digest) for name, entry in content.keys.items() for digest in entry.sha256)
    _require_different(keys, path)
    _warn_of_expired(keys, path)
    warn_of_readers(path, "keys")
    return keys


def _broken(error: ValidationError, path: Path) -> ConfigError:
    """The first rule that the file breaks, without what was given instead: it may be a token."""
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(step) for step in first["loc"])
    return ConfigError(
        f"keys {path}: {place}: {first['msg']}",
        'a key is a table: [keys.NAME] with sha256 = "64 hex digits", and models and expires where needed; '
        '`printf %s "$TOKEN" | sha256sum` gives the digits',
    )


def _require_different(keys: tuple[_Key, ...], path: Path) -> None:
    if len(keys) > MAX_HASHES:
        raise ConfigError(f"keys {path} must have at most {MAX_HASHES} hashes, got {len(keys)}")
    owners: dict[str, str] = {_NO_TOKEN: "no token at all"}
    for key in keys:
        digest, name = key.digest.hex(), key.caller.name
        if digest in owners:
            raise ConfigError(
                f"keys {path}: every hash must be of one key's token, "
                f"got the hash of {owners[digest]} for {name!r}",
                "make a token for each key: `openssl rand -hex 32`",
            )
        owners[digest] = repr(name)


def _warn_of_expired(keys: tuple[_Key, ...], path: Path) -> None:
    now = datetime.now(UTC)
    names = {key.caller.name for key in keys if key.expires is not None and key.expires <= now}
    if names:
        log.warning("keys %s: expired, and refused: %s", path, ", ".join(sorted(names)))
