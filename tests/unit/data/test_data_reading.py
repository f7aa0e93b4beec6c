"""From sources to a Table: what is kept, what is never loaded, and the sample."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from automl_ad.config import DataConfig
from automl_ad.data import files, iter_batches, read_column_at, read_table
from automl_ad.errors import ConfigError, DataError

N_ROWS = 500


@pytest.fixture
def source(tmp_path):
    rng = np.random.default_rng(0)
    table = pa.table(
        {
            "name": [f"row {i}" for i in range(N_ROWS)],
            "f0": rng.normal(size=N_ROWS),
            "label": pa.array(np.arange(N_ROWS) % 2, pa.int8()),
            "f1": rng.normal(size=N_ROWS),
        }
    )
    pq.write_table(table, tmp_path / "rows.parquet", row_group_size=70)
    return str(tmp_path / "rows.parquet")


def read(source, seed=0, **options):
    return read_table(DataConfig(sources=(source,), **options), seed=seed)


def test_label_id_and_dropped_columns_are_no_features(source):
    table = read(source, label_column="label", id_column="name")
    assert table.columns.column_names == ["f0", "f1"]
    assert table.row_ids.to_pylist()[:2] == ["row 0", "row 1"]
    assert read(source, drop=("f0", "name")).columns.column_names == ["label", "f1"]


def test_the_label_column_is_not_even_read(tmp_path):
    """Its pages are overwritten: whoever decodes them fails."""
    path = tmp_path / "rows.parquet"
    table = pa.table({"f0": np.arange(100.0) % 7, "label": np.random.default_rng(0).normal(size=100)})
    pq.write_table(table, path, compression="gzip", use_dictionary=False)
    chunk = pq.ParquetFile(path).metadata.row_group(0).column(1)
    content = bytearray(path.read_bytes())
    start = chunk.data_page_offset
    content[start : start + chunk.total_compressed_size] = b"\xff" * chunk.total_compressed_size
    path.write_bytes(bytes(content))
    with pytest.raises(DataError):
        read(str(path))
    assert len(read(str(path), label_column="label")) == 100


@pytest.mark.parametrize(
    ("options", "role"),
    [
        ({"label_column": "lable"}, "--label-column"),
        ({"id_column": "lable"}, "--id-column"),
        ({"drop": ("lable",)}, "--drop"),
    ],
)
def test_a_missing_column_gets_the_near_match_and_the_list(source, options, role):
    with pytest.raises(DataError) as caught:
        read(source, **options)
    assert caught.value.message == f"{role} must be in the data, got 'lable'"
    assert caught.value.hint == "did you mean 'label'?"


def test_the_label_cannot_be_the_id(source):
    with pytest.raises(ConfigError, match="must not be the label"):
        read(source, label_column="label", id_column="label")


def test_nothing_left_after_dropping(source):
    with pytest.raises(DataError, match="at least one feature column"):
        read(source, drop=("name", "f0", "label", "f1"))


def test_a_sample_is_uniform_ascending_and_reproducible(source):
    whole = read(source, label_column="label")
    sample = read(source, label_column="label", id_column="name", max_rows=100)
    assert len(sample) == 100
    assert sample.n_source_rows == N_ROWS
    assert (np.diff(sample.row_positions) > 0).all()
    assert sample.row_ids.to_pylist() == [f"row {i}" for i in sample.row_positions]
    expected = whole.columns.take(sample.row_positions).select(["f0", "f1"])
    assert sample.columns.equals(expected.combine_chunks())
    assert (
        read(source, label_column="label", max_rows=100).fingerprint
        == read(source, label_column="label", max_rows=100).fingerprint
    )
    other = read(source, label_column="label", max_rows=100, seed=1)
    assert (other.row_positions != sample.row_positions).any()
    hits = sum(
        np.isin(np.arange(N_ROWS), read(source, max_rows=100, seed=s).row_positions) for s in range(60)
    )
    assert abs(hits[: N_ROWS // 2].mean() - hits[N_ROWS // 2 :].mean()) < 1
    assert hits.max() < 30


def test_a_sample_does_not_depend_on_row_groups(source, tmp_path):
    pq.write_table(pq.read_table(source), tmp_path / "other.parquet", row_group_size=33)
    other = read(str(tmp_path / "other.parquet"), max_rows=100)
    assert other.fingerprint == read(source, max_rows=100).fingerprint


@pytest.mark.parametrize(("n_rows", "found"), [(0, "no rows"), (19, "19 rows")])
def test_too_few_rows(tmp_path, n_rows, found):
    pq.write_table(pa.table({"a": np.arange(float(n_rows))}), tmp_path / "few.parquet")
    with pytest.raises(DataError, match=f"at least 20 rows, got {found}"):
        read(f"{tmp_path}/few.parquet")


def test_a_csv_header_without_rows(tmp_path):
    (tmp_path / "head.csv").write_text("a,b\n")
    with pytest.raises(DataError, match="got no rows"):
        read(f"{tmp_path}/head.csv")


def test_csv_types_survive_what_comes_after_the_first_block(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "CSV_BLOCK_BYTES", 200)
    lines = [f"{i},{i % 3},,x{i % 2}" for i in range(60)] + [f"{i},{i / 8},2.5,x" for i in range(60, 90)]
    (tmp_path / "rows.csv").write_text("key,a,b,c\n" + "\n".join(lines))
    table = read(f"{tmp_path}/rows.csv", id_column="key")
    assert [str(kind) for kind in table.columns.schema.types] == ["double", "double", "string"]
    assert table.columns["b"].null_count == 60
    assert table.row_ids.to_pylist() == list(range(90))
    assert table.columns["a"][89].as_py() == 89 / 8


def test_csv_values_of_another_type_name_the_file(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "CSV_BLOCK_BYTES", 200)
    (tmp_path / "rows.csv").write_text("a\n" + "1\n" * 200 + "oops\n")
    with pytest.raises(DataError, match=r"rows\.csv must be readable.*oops"):
        read(f"{tmp_path}/rows.csv")


def test_ragged_csv_names_file_and_row(tmp_path):
    (tmp_path / "rows.csv").write_text("a,b\n" + "1,2\n" * 30 + "1,2,3\n")
    with pytest.raises(DataError, match=r"rows\.csv must be readable.*Expected 2 columns, got 3"):
        read(f"{tmp_path}/rows.csv")


def test_quoted_line_breaks_and_empty_cells(tmp_path):
    (tmp_path / "rows.csv").write_text('a,b\n"x\ny",1\n,2\n' * 15 + "z,\n" * 5)
    with pytest.raises(DataError):  # the header comes again and again: column b is text then number
        read(f"{tmp_path}/rows.csv", drop=("a", "c"))
    (tmp_path / "rows.csv").write_text("a,b\n" + '"x\ny",1\n,2\n' * 15)
    table = read(f"{tmp_path}/rows.csv")
    assert table.columns["a"].to_pylist()[:2] == ["x\ny", None]


def test_batches_for_scoring(source):
    batches = list(iter_batches([source], ["f1", "f0"], batch_rows=64, id_column="name"))
    assert all(len(batch) <= 64 for batch in batches)
    whole = pa.Table.from_batches(batches)
    assert whole.column_names == ["f1", "f0", "name"]
    assert whole.equals(pq.read_table(source, columns=["f1", "f0", "name"]))


def test_batches_name_the_missing_column(source):
    with pytest.raises(DataError, match="got 'f9'"):
        next(iter_batches([source], ["f9"]))


def test_a_column_is_read_at_positions_of_the_whole_source(source):
    sample = read(source, label_column="label", max_rows=50)
    labels = read_column_at([source], "label", sample.row_positions)
    assert labels.to_pylist() == [int(i % 2) for i in sample.row_positions]
    with pytest.raises(DataError, match="got 'lable'"):
        read_column_at([source], "lable", sample.row_positions)


def test_text_views_can_be_sampled(tmp_path):
    texts = pa.array([f"a text that is long enough {i % 3}" for i in range(90)], pa.string_view())
    pq.write_table(pa.table({"a": texts}), tmp_path / "views.parquet")
    sample = read(f"{tmp_path}/views.parquet", max_rows=30)
    assert sample.columns["a"].to_pylist() == [texts[i].as_py() for i in sample.row_positions]


def test_taken_rows_keep_ids_and_positions_together(source):
    table = read(source, id_column="name")
    part = table.take([3, 400, 7])
    assert part.row_ids.to_pylist() == ["row 3", "row 400", "row 7"]
    assert part.row_positions.tolist() == [3, 400, 7]
    assert part.fingerprint != table.fingerprint
    assert table.take(np.arange(N_ROWS)).fingerprint == table.fingerprint
