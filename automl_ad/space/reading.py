"""From the text of a TOML file to its typed model; whatever does not fit becomes one SpaceError."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel, ValidationError

from automl_ad.errors import SpaceError, did_you_mean
from automl_ad.space.file_format import (
    BaselineEntry,
    CategoricalEntry,
    CategoricalOverride,
    FileModel,
    FloatEntry,
    FloatOverride,
    IntEntry,
    IntOverride,
)

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

FileT = TypeVar("FileT", bound=FileModel)

ENTRIES: dict[str, tuple[type[BaseModel], type[BaseModel]]] = {
    "float": (FloatEntry, FloatOverride),
    "int": (IntEntry, IntOverride),
    "categorical": (CategoricalEntry, CategoricalOverride),
}
"""Parameter type -> the model of its table and of its per-data-kind tables."""

UNIONS = {
    "choices": "must be a list of texts, numbers or booleans",
    "default": "must be a text, a number or a boolean",
    "params": "must give every parameter a text, a number or a boolean",
    "when": "must give every parameter a value or a list of values",
}
"""Rules for keys that allow several types, where pydantic would name only one of them."""


def parse_file(model: type[FileT], text: str, *, file: str) -> FileT:
    """The typed content of a file. SpaceError names `file`, the key, the rule and what was found."""
    try:
        return model.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise SpaceError(f"{file} must be valid TOML, got: {error}") from error
    except ValidationError as error:
        raise _explain(error.errors(include_url=False)[0], model, file) from error


def _explain(error: ErrorDetails, model: type[BaseModel], file: str) -> SpaceError:
    """One sentence for the first thing pydantic found."""
    place = list(error["loc"])
    table, owner, key = _locate(place, model)
    where = f"for '{owner}' in {file}" if owner else f"in {file}"
    match error["type"]:
        case "extra_forbidden":
            message = f"every key must be known {where}, got '{key}'"
            hint = did_you_mean(key, table.model_fields)
        case "missing":
            message, hint = f"{key} must be given {where}, got nothing", ""
        case "union_tag_not_found":
            message, hint = f"type must be given for '{key}' in {file}, got nothing", ""
        case "union_tag_invalid":
            tag = str(error["ctx"]["tag"])
            message = f"type must be one of {', '.join(ENTRIES)} for '{key}' in {file}, got '{tag}'"
            hint = did_you_mean(tag, ENTRIES)
        case _:
            is_union = key in UNIONS and place[-1] != key
            broken = UNIONS[key] if is_union else _rule(error)
            message, hint = f"{key} {broken} {where}, got {error['input']!r}", ""
    return SpaceError(message, hint)


def _locate(place: list[int | str], model: type[BaseModel]) -> tuple[type[BaseModel], str, str]:
    """Where the fault is: the model of its table, the parameter or baseline it belongs to, its key.

    Deeper places (an item of a list, a branch of a union) say less to a person than the key above them.
    """
    match [str(name) for name in place if isinstance(name, str)]:
        case ["parameters", name, kind, ("tabular" | "image") as data_kind, key, *_]:
            return ENTRIES[kind][1], f"{name}.{data_kind}", key
        case ["parameters", name, kind, key, *_]:  # pydantic names the branch of the union: the type
            return ENTRIES[kind][0], name, key
        case ["baselines", name, key, *_]:
            return BaselineEntry, name, key
        case ["parameters" | "baselines", key]:
            return model, "", key
        case names:
            return model, "", ".".join(names)


def _rule(error: ErrorDetails) -> str:
    if error["type"] in ("model_type", "model_attributes_type", "dict_type"):
        return "must be a table"
    return error["msg"].replace("Input should be", "must be")
