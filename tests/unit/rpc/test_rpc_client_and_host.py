"""The client and the host: every form of rows arrives as it was, in one call and in a stream."""

from __future__ import annotations

import asyncio
import datetime as dt

import numpy as np
import pyarrow as pa
import pytest

from automl_ad.errors import RowsError
from automl_ad.rpc.client import ScoringClient
from automl_ad.rpc.client.async_client import AsyncScoringClient
from automl_ad.rpc.errors import UnknownModel


@pytest.fixture
def client(address):
    with ScoringClient(address) as client:
        yield client


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_matrix_arrives_bit_equal(client, scorers, dtype):
    rows_MF = np.array([[0.1, np.nan, 1e-30], [3.7, -2.0, 5.0]], dtype=dtype)
    scores = client.score(rows_MF, model="numeric")
    np.testing.assert_array_equal(scorers["numeric"].rows, rows_MF)
    assert scorers["numeric"].rows.dtype == dtype
    np.testing.assert_array_equal(scores.anomaly_score, rows_MF[:, 0].astype(float))
    np.testing.assert_array_equal(scores.is_anomaly, [False, True])
    assert (scores.model, scores.version, scores.threshold) == ("numeric", "v1", 2.5)


def test_an_arrow_table_arrives_with_its_nulls(client, scorers):
    moment = dt.datetime(2026, 11, 22, 16, 0, 0, 123456, tzinfo=dt.UTC)
    table = pa.table(
        {
            "amount": pa.array([1.5, None], pa.float32()),
            "is_vip": pa.array([True, None]),
            "country": pa.array(["SE", None]).dictionary_encode(),
            "seen_at": pa.array([None, moment], pa.timestamp("ns", tz="Europe/Stockholm")),
        }
    )
    client.score(table, model="mixed")
    assert scorers["mixed"].rows.to_pydict() == {
        "amount": [1.5, None],
        "is_vip": [True, None],
        "country": ["SE", None],
        "seen_at": [None, moment],
    }


def test_a_mapping_of_columns_arrives_in_schema_order(client, scorers):
    client.score({"c": [1, 2], "b": [3, 4], "a": [5, 6]}, model="numeric")
    assert scorers["numeric"].rows.to_pydict() == {"a": [5.0, 6.0], "b": [3.0, 4.0], "c": [1.0, 2.0]}


def test_models_are_listed_with_their_features(client):
    mixed, numeric = client.list_models()
    assert [feature.name for feature in numeric.features] == ["a", "b", "c"]
    assert [(feature.name, feature.kind, feature.is_nullable) for feature in mixed.features] == [
        ("amount", "numeric", True),
        ("is_vip", "boolean", False),
        ("country", "categorical", True),
        ("seen_at", "timestamp", True),
    ]
    assert (numeric.version, numeric.max_rows) == ("v1", 50)


def test_a_column_the_wire_has_no_form_for_is_refused(client):
    with pytest.raises(RowsError, match="column 'a' of type list<item: int64> cannot be sent"):
        client.score(pa.table({"a": [[1], [2]]}), model="numeric")


def test_refusals_come_back_as_our_errors(client):
    with pytest.raises(RowsError, match="a row must have 3 features, got 2"):
        client.score([[1.0, 2.0]], model="numeric")
    with pytest.raises(UnknownModel, match="did you mean 'numeric'"):
        client.score([[1.0, 2.0, 3.0]], model="numerc")


def test_a_stream_is_scored_chunk_by_chunk(client, scorers):
    rows_MF = np.arange(360, dtype=np.float32).reshape(120, 3)
    scores = client.score_table(rows_MF, model="numeric", chunk_rows=50)
    np.testing.assert_array_equal(scores.anomaly_score, rows_MF[:, 0])


def test_a_stream_is_refused_with_the_position_of_the_chunk(client):
    stream = client.score_stream([np.zeros((2, 3)), np.zeros((2, 2))], model="numeric")
    assert len(next(stream).anomaly_score) == 2
    with pytest.raises(RowsError, match="chunk 1: a row must have 3 features, got 2"):
        next(stream)


def test_asyncio_gets_the_same_answers_and_refusals(address):
    async def use():
        async with AsyncScoringClient(address, timeout_s=20) as client:
            chunks = [np.ones((2, 3)), np.ones((2, 2))]
            stream = client.score_stream(chunks, model="numeric")
            first = await anext(stream)
            with pytest.raises(RowsError, match="chunk 1: a row must have 3 features, got 2"):
                await anext(stream)
            return first

    np.testing.assert_array_equal(asyncio.run(use()).anomaly_score, [1.0, 1.0])


def test_a_refusal_has_the_reason_and_the_id_of_the_request(client):
    with pytest.raises(UnknownModel) as refused:
        client.score([[1.0, 2.0, 3.0]], model="numerc")
    assert (refused.value.code, refused.value.reason) == ("NOT_FOUND", "MODEL_UNKNOWN")
    assert len(refused.value.request_id) == 32
