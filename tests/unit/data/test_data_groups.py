"""The group column: read beside the features, never one of them."""

import datetime

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from automl_ad.config import DataConfig
from automl_ad.data import read_table
from automl_ad.data.groups import group_ids, group_names
from automl_ad.errors import ConfigError, DataError

N_ROWS = 300
DAY = datetime.date(2026, 1, 1)
KINDS = np.array(["pump", "fan", "valve"])[np.random.default_rng(0).integers(3, size=N_ROWS)]


@pytest.fixture
def source(tmp_path):
    rng = np.random.default_rng(1)
    table = pa.table(
        {
            "f0": rng.normal(size=N_ROWS),
            "kind": KINDS,
            "f1": rng.normal(size=N_ROWS),
            "row": [f"r{i}" for i in range(N_ROWS)],
            "label": np.arange(N_ROWS) % 2,
            "one": np.ones(N_ROWS),
        }
    )
    pq.write_table(table, tmp_path / "rows.parquet", row_group_size=70)
    return str(tmp_path / "rows.parquet")


def read(source, **options):
    return read_table(DataConfig(sources=(source,), label_column="label", drop=("one",), **options), seed=0)


def test_groups_come_beside_the_features(source):
    table = read(source, group_column="kind", id_column="row")
    assert table.columns.column_names == ["f0", "f1"]
    order = dict.fromkeys(KINDS)
    assert [list(order)[group] for group in table.groups_N] == KINDS.tolist()
    assert table.groups_N.dtype == np.int64
    assert read(source, id_column="row").groups_N is None


def test_groups_follow_their_rows_into_a_sample_and_a_part(source):
    sample = read(source, group_column="kind", id_column="row", max_rows=90)
    names = np.array(list(dict.fromkeys(KINDS[sample.row_positions])))
    assert names[sample.groups_N].tolist() == KINDS[sample.row_positions].tolist()
    part = sample.take([40, 2, 7])
    assert part.groups_N.tolist() == sample.groups_N[[40, 2, 7]].tolist()


def test_the_fingerprint_knows_the_groups(source, tmp_path):
    options = {"group_column": "kind", "id_column": "row"}
    table = read(source, **options)
    plain = read_table(
        DataConfig(sources=(source,), label_column="label", id_column="row", drop=("one", "kind")), seed=0
    )
    assert plain.columns.column_names == table.columns.column_names
    assert plain.fingerprint != table.fingerprint
    moved = pq.read_table(source).set_column(1, "kind", pa.array(np.roll(KINDS, 1)))
    pq.write_table(moved, tmp_path / "moved.parquet")
    assert read(f"{tmp_path}/moved.parquet", **options).fingerprint != table.fingerprint
    assert table.take(np.arange(N_ROWS)).fingerprint == table.fingerprint


def test_a_missing_group_column_gets_the_near_match(source):
    with pytest.raises(DataError) as caught:
        read(source, group_column="kindd")
    assert caught.value.message == "--group-column must be in the data, got 'kindd'"
    assert caught.value.hint == "did you mean 'kind'?"


@pytest.mark.parametrize("column", ["label", "row"])
def test_labels_and_ids_are_no_groups(source, column):
    with pytest.raises(ConfigError, match=f"--group-column must not be the label or id .* '{column}'"):
        read(source, id_column="row", group_column=column)


def test_a_dropped_column_may_tell_the_groups(source):
    dropped = read_table(DataConfig(sources=(source,), drop=("kind",), group_column="kind"), seed=0)
    assert "kind" not in dropped.columns.column_names
    assert dropped.groups_N.max() == 2


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ([3.0] * 100, "2 to 50 different values in 100 rows, got 1 "),
        (np.arange(100.0), "got 100 "),
        (np.arange(4000) % 1001, "2 to 1,000 different values in 4,000 rows, got 1,001 "),
        ([[1]] * 100, "must hold numbers, booleans, text or times, got list"),
        ([b"x", b"y"] * 50, "got binary"),
        (pa.nulls(50), "got 1 "),
    ],
)
def test_values_that_are_no_groups(values, found):
    with pytest.raises(DataError, match=found):
        group_ids(pa.chunked_array([pa.array(values)]), "g")


@pytest.mark.parametrize(
    "values",
    [
        [None, "a", "b", "a", None, "b"],
        [float("nan"), 1.5, -2.0, 1.5, None, -2.0],
        [None, True, False, True, None, False],
        [None, DAY, datetime.date(2026, 1, 2), DAY, None, datetime.date(2026, 1, 2)],
    ],
)
def test_rows_without_a_value_are_a_group_of_their_own(values):
    column = pa.array(values)
    expected = [0, 1, 2, 1, 0, 2]
    for given in (
        column,
        column.dictionary_encode(),
        pa.chunked_array([column.slice(0, 2), column.slice(2)]),
    ):
        assert group_ids(given, "g").tolist() == expected


def test_groups_keep_their_names(source):
    table = read(source, group_column="kind", id_column="row")
    assert [table.group_names[group] for group in table.groups_N] == KINDS.tolist()
    part = table.take([5, 9])
    assert [part.group_names[group] for group in part.groups_N] == KINDS[[5, 9]].tolist()
    assert read(source, id_column="row").group_names is None


@pytest.mark.parametrize(
    ("values", "names"),
    [
        (["b", None, "a", "b"], ("b", None, "a")),
        ([2, 1, None, 2], ("2", "1", None)),
        ([2.0, float("nan"), 0.5, 2.0], ("2", None, "0.5")),
        ([True, False, True, False], ("true", "false")),
        ([DAY, None, DAY, DAY], ("1767225600", None)),
    ],
)
def test_the_name_of_a_group_is_its_value_as_text(values, names):
    column = pa.chunked_array([pa.array(values[:1]), pa.array(values[1:] + values)])
    assert group_names(column, "g", group_ids(column, "g")) == names
    encoded = column.dictionary_encode()
    assert group_names(encoded, "g", group_ids(encoded, "g")) == names
