"""A preprocessor survives JSON and arrays exactly, and damage is named."""

import copy
import datetime
import json
import pickle

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from automl_ad.data import PREPS, Preprocessor
from automl_ad.errors import ArtifactError, DataError

N = 40
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
COLUMN = st.one_of(
    st.lists(st.one_of(st.none(), FLOATS), min_size=N, max_size=N).map(lambda v: pa.array(v, pa.float64())),
    st.lists(st.one_of(st.none(), st.booleans()), min_size=N, max_size=N).map(
        lambda v: pa.array(v, pa.bool_())
    ),
    st.lists(
        st.one_of(st.none(), st.sampled_from(["a", "b", "", "ä"]) | st.text(max_size=3)),
        min_size=N,
        max_size=N,
    ).map(lambda v: pa.array(v, pa.string())),
    st.lists(
        st.datetimes(datetime.datetime(1900, 1, 1), datetime.datetime(2200, 1, 1)), min_size=N, max_size=N
    ).map(lambda v: pa.array(v, pa.timestamp("us"))),
)


@settings(
    suppress_health_check=[HealthCheck.data_too_large, HealthCheck.too_slow], deadline=None, max_examples=60
)
@given(st.lists(COLUMN, min_size=1, max_size=4))
def test_the_round_trip_is_exact(columns):
    table = pa.table({f"c{i}": column for i, column in enumerate(columns)})
    try:
        fitted = Preprocessor.fit(table)
    except DataError:
        return
    document = json.loads(json.dumps(fitted.to_json()))
    restored = Preprocessor.from_parts(document, fitted.arrays())
    assert restored.schema == fitted.schema
    assert restored.encoded_names == fitted.encoded_names
    assert restored.to_json() == fitted.to_json()
    assert restored.arrays().keys() == fitted.arrays().keys()
    for name, array in fitted.arrays().items():
        np.testing.assert_array_equal(restored.arrays()[name], array)
    encoded_ND = fitted.encode(table)
    np.testing.assert_array_equal(restored.encode(table), encoded_ND)
    for prep in PREPS["tabular"]:
        scaled_ND = fitted.scale(encoded_ND, prep)
        assert np.isfinite(scaled_ND).all()
        np.testing.assert_array_equal(restored.scale(encoded_ND, prep), scaled_ND)
    drawn = fitted.sample_marginals(16, seed=0)
    assert drawn.equals(restored.sample_marginals(16, seed=0))
    assert np.isfinite(fitted.encode(drawn)).all()


@pytest.fixture
def parts():
    table = pa.table(
        {
            "x": pa.array([None, *np.random.default_rng(0).normal(size=N - 1)]),
            "color": ["red", "blue"] * (N // 2),
            "when": [datetime.date(2026, 1, 1 + i % 9) for i in range(N)],
        }
    )
    fitted = Preprocessor.fit(table)
    return fitted.to_json(), dict(fitted.arrays())


def test_every_array_is_needed_and_named(parts):
    document, arrays = parts
    for name in arrays:
        with pytest.raises(ArtifactError, match=f"'{name}'.*found none"):
            Preprocessor.from_parts(document, {key: array for key, array in arrays.items() if key != name})
        wrong = {**arrays, name: np.zeros((len(arrays[name]) + 1,))}
        with pytest.raises(ArtifactError, match=f"'{name}' must be float64 of shape"):
            Preprocessor.from_parts(document, wrong)
        with pytest.raises(ArtifactError, match=f"'{name}' must be finite"):
            Preprocessor.from_parts(document, {**arrays, name: np.full(arrays[name].shape, np.nan)})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("feature/0/quantiles", np.linspace(1, 0, 21)),
        ("feature/0/missing_share", np.array([1.5])),
        ("feature/1/counts", np.array([-1.0, 5, 0])),
        ("scaler/zscore/spread", np.full(9, -1.0)),
    ],
)
def test_values_out_of_range_are_named(parts, name, value):
    document, arrays = parts
    with pytest.raises(ArtifactError, match=f"'{name}'"):
        Preprocessor.from_parts(document, {**arrays, name: np.resize(value, arrays[name].shape)})


def edited(document, *path_and_value):
    *path, key, value = path_and_value
    changed = copy.deepcopy(document)
    place = changed
    for step in path:
        place = place[step]
    place[key] = value
    return changed


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("version", 2), "version"),
        (("plans", []), "one plan per feature"),
        (("plans", 0, "encoding", "pickle"), "plans.0"),
        (("plans", 0, {"encoding": "pixels", "shape": [1, 2, 2]}), "must fit its kind numeric"),
        (("plans", 0, "is_whole", "maybe"), "is_whole"),
        (("schema", "kind", "video"), "schema.kind"),
        (("schema", "features", 0, "kind", "image"), "must fit its kind image"),
        (("encoded_names", ["x"]), "encoded names"),
    ],
)
def test_a_damaged_document_is_named(parts, change, message):
    document, arrays = parts
    with pytest.raises(ArtifactError, match=message):
        Preprocessor.from_parts(edited(document, *change), arrays)


def test_it_travels_between_processes(parts):
    restored = Preprocessor.from_parts(*parts)
    rows = restored.sample_marginals(5, seed=0)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(restored)).encode(rows), restored.encode(rows))
