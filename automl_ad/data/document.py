"""The JSON half of a preprocessor, checked against its types before anything is built from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field, TypeAdapter, ValidationError

from automl_ad.data.categories import CategoryEncoder, CategoryPlan
from automl_ad.data.images import ImageEncoder, PixelPlan
from automl_ad.data.numeric import NumberEncoder, NumberPlan
from automl_ad.data.planning import Encoder
from automl_ad.data.scaling import PREPS, Scaler
from automl_ad.data.schema import Feature, Schema
from automl_ad.data.times import TimeEncoder, TimePlan
from automl_ad.errors import ArtifactError

Plan = Annotated[NumberPlan | CategoryPlan | TimePlan | PixelPlan, Field(discriminator="encoding")]
Arrays = Mapping[str, npt.NDArray[np.generic]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Document:
    """What is written; `plans` has one entry per feature of the schema."""

    schema: Schema
    plans: tuple[Plan, ...]
    encoded_names: tuple[str, ...]
    version: Literal[1] = 1

    def to_json(self) -> dict[str, Any]:
        """Plain dicts, lists, strings, numbers."""
        written: dict[str, Any] = _ADAPTER.dump_python(self, mode="json")
        return written


_ADAPTER = TypeAdapter(Document)


def read_document(
    document: Mapping[str, Any], arrays: Arrays
) -> tuple[Schema, tuple[Encoder, ...], dict[str, Scaler]]:
    """Schema, encoders and scalers. Raises ArtifactError naming the field or array that breaks a rule."""
    try:
        read = _ADAPTER.validate_python(dict(document))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ArtifactError(f"the preprocessor's '{place}' is wrong: {first['msg']}") from error
    if len(read.plans) != len(read.schema.features) or not read.plans:
        raise ArtifactError(
            f"the preprocessor must have one plan per feature, "
            f"got {len(read.plans)} for {len(read.schema.features)} features"
        )
    encoders = tuple(
        _encoder(feature, plan, arrays, f"feature/{place}")
        for place, (feature, plan) in enumerate(zip(read.schema.features, read.plans, strict=True))
    )
    names = tuple(name for encoder in encoders for name in encoder.names)
    if names != read.encoded_names:
        raise ArtifactError("the preprocessor's encoded names must follow from its features, got others")
    scalers = {
        prep: Scaler.from_arrays(arrays, f"scaler/{prep}", len(names)) for prep in PREPS[read.schema.kind]
    }
    return read.schema, encoders, scalers


def _encoder(feature: Feature, plan: Plan, arrays: Arrays, name: str) -> Encoder:
    """The encoder of one feature. Raises ArtifactError when kind and plan do not fit."""
    if isinstance(plan, NumberPlan) and feature.kind in ("numeric", "boolean"):
        return NumberEncoder.from_arrays(feature, plan, arrays, name)
    if isinstance(plan, CategoryPlan) and feature.kind == "categorical":
        return CategoryEncoder.from_arrays(feature, plan, arrays, name)
    if isinstance(plan, TimePlan) and feature.kind == "timestamp":
        return TimeEncoder.from_arrays(feature, plan, arrays, name)
    if isinstance(plan, PixelPlan) and feature.kind == "image":
        return ImageEncoder.from_arrays(feature, plan, arrays, name)
    raise ArtifactError(f"the plan of '{feature.name}' must fit its kind {feature.kind}, got {plan.encoding}")
