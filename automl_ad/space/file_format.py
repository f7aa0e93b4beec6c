"""What the TOML files of a search space may contain, as typed models and as JSON Schema.

One file per detector, one per preset, and one for the baselines. The models know keys and types;
`rules` knows how the values of one file must fit together.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from automl_ad.results import Value

DataKind = Literal["tabular", "image"]
When = dict[str, Value | list[Value]]


class FileModel(BaseModel):
    """Unknown keys, infinities and silent conversions are refused."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class FloatOverride(FileModel):
    """What differs for one kind of data; keys not given stay."""

    low: float | None = None
    high: float | None = None
    default: float | None = None


class IntOverride(FileModel):
    """What differs for one kind of data; keys not given stay."""

    low: int | None = None
    high: int | None = None
    default: int | None = None


class CategoricalOverride(FileModel):
    """What differs for one kind of data; keys not given stay."""

    choices: list[Value] | None = None
    default: Value | None = None


class ParameterEntry(FileModel):
    """The keys that every parameter has."""

    default_rule: str = Field(
        default="", description="How the detector derives the value from the data; then there is no default."
    )
    when: When = Field(
        default={},
        description="Earlier parameter -> value or list of values for which this one exists; all must hold.",
    )


class FloatEntry(ParameterEntry):
    """A real number between low and high, both included."""

    type: Literal["float"]
    low: float
    high: float
    log: bool = Field(default=False, description="Drawn uniformly on the log scale.")
    step: float | None = Field(default=None, description="Only low, low + step, ... up to high.")
    default: float | None = Field(default=None, description="The published value.")
    tabular: FloatOverride | None = None
    image: FloatOverride | None = None


class IntEntry(ParameterEntry):
    """A whole number between low and high, both included."""

    type: Literal["int"]
    low: int
    high: int
    log: bool = Field(default=False, description="Drawn uniformly on the log scale.")
    step: int | None = Field(default=None, description="Only low, low + step, ... up to high.")
    default: int | None = Field(default=None, description="The published value.")
    tabular: IntOverride | None = None
    image: IntOverride | None = None


class CategoricalEntry(ParameterEntry):
    """One of a few values of the same type."""

    type: Literal["categorical"]
    choices: list[Value]
    default: Value | None = Field(default=None, description="The published value.")
    tabular: CategoricalOverride | None = None
    image: CategoricalOverride | None = None


Entry = Annotated[FloatEntry | IntEntry | CategoricalEntry, Field(discriminator="type")]


class DetectorFile(FileModel):
    """<detector>.toml: every parameter of one detector, in order."""

    detector: str
    data_kinds: list[DataKind] = Field(
        default=["tabular", "image"], description="What the detector can read; a preset skips it for others."
    )
    parameters: dict[str, Entry]


class PresetFile(FileModel):
    """preset_<name>.toml: which detectors are searched, and how much one trial may cost."""

    name: str
    description: str
    detectors: list[str]
    n_members: int = Field(ge=1, description="Networks that a deep trial trains at once.")
    caps: dict[str, Annotated[int, Field(ge=1)]] = Field(
        default={},
        description="Int parameter -> the highest value in this preset; defaults are lowered to it.",
    )


class BaselineEntry(FileModel):
    """One fixed config; parameters not given take the published default."""

    detector: str
    params: dict[str, Value] = {}


class BaselinesFile(FileModel):
    """baselines.toml: the configs that run before every search and stay in every table."""

    baselines: dict[str, BaselineEntry]


def json_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of the three kinds of files, for editors."""
    files: TypeAdapter[Any] = TypeAdapter(DetectorFile | PresetFile | BaselinesFile)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "automl-ad search space",
        **files.json_schema(),
    }
