"""Which files a source stands for, and what is said when it stands for none."""

import gzip

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from automl_ad.config import DataConfig
from automl_ad.data import find_files, read_table
from automl_ad.data.guard import reading
from automl_ad.errors import DataError

ROWS = pa.table({"a": [float(i % 7) for i in range(30)], "b": [float(i % 5) for i in range(30)]})


def names(*sources):
    return [file.name.rsplit("/", 1)[1] for file in find_files(sources)]


def refusal(*sources, **options):
    with pytest.raises(DataError) as caught:
        read_table(DataConfig(sources=tuple(str(source) for source in sources), **options), seed=0)
    assert caught.value.hint
    return str(caught.value)


@pytest.fixture
def folder(tmp_path):
    for name in ("2026-02.parquet", "2026-01.parquet", "2025-12.parquet"):
        pq.write_table(ROWS, tmp_path / name)
    return tmp_path


def test_a_glob_is_sorted_and_stays_in_its_folder(folder):
    (folder / "deep").mkdir()
    pq.write_table(ROWS, folder / "deep" / "2026-09.parquet")
    assert names(f"{folder}/2026-*.parquet") == ["2026-01.parquet", "2026-02.parquet"]
    assert names(f"{folder}/**/2026-*.parquet") == ["2026-01.parquet", "2026-02.parquet", "2026-09.parquet"]


def test_a_folder_gives_its_data_files_and_skips_markers(folder):
    (folder / "_SUCCESS.parquet").write_bytes(b"")
    (folder / ".hidden.csv").write_text("x")
    (folder / "README.md").write_text("about")
    assert names(str(folder)) == ["2025-12.parquet", "2026-01.parquet", "2026-02.parquet"]


def test_a_file_name_with_wildcard_characters_is_taken_as_it_is(tmp_path):
    pq.write_table(ROWS, tmp_path / "run[1].parquet")
    assert names(f"{tmp_path}/run[1].parquet") == ["run[1].parquet"]


def test_file_uris_and_several_sources_are_read_in_the_order_given(folder):
    uri = f"file://{folder}/2026-01.parquet"
    table = read_table(DataConfig(sources=(uri, f"{folder}/2025-12.parquet")), seed=0)
    assert [source.rsplit("/", 1)[1] for source in table.sources] == ["2026-01.parquet", "2025-12.parquet"]
    assert table.n_source_rows == 60


def test_a_missing_file_gets_the_near_match(folder):
    assert "did you mean '2026-01.parquet'?" in refusal(folder / "2026-01.parqet")


def test_a_missing_folder_is_said_so(folder):
    assert "does not exist" in refusal(folder / "nowhere" / "a.parquet")


def test_a_glob_that_matches_nothing(folder):
    assert "matched nothing" in refusal(f"{folder}/1999*.parquet")


def test_a_folder_without_data(tmp_path):
    assert "found none" in refusal(tmp_path)


def test_an_unknown_extension(tmp_path):
    (tmp_path / "rows.xlsx").write_bytes(b"PK")
    message = refusal(tmp_path / "rows.xlsx")
    assert "'.xlsx'" in message
    assert ".parquet" in message


def test_an_unknown_scheme_is_no_traceback_of_pyarrow():
    assert "gopher://x/y.parquet must be readable" in refusal("gopher://x/y.parquet")


def test_an_empty_file(tmp_path):
    (tmp_path / "zero.parquet").write_bytes(b"")
    assert "0 bytes" in refusal(tmp_path / "zero.parquet")


def test_truncated_and_foreign_files_are_told_apart(folder, tmp_path):
    whole = (folder / "2026-01.parquet").read_bytes()
    (tmp_path / "cut.parquet").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.parquet").write_text("a,b\n1,2\n")
    assert "truncated" in refusal(tmp_path / "cut.parquet")
    assert "something else" in refusal(tmp_path / "text.parquet")


def test_damage_inside_a_file_names_the_file(tmp_path):
    path = tmp_path / "hurt.parquet"
    pq.write_table(ROWS, path, compression="gzip", use_dictionary=False)
    content = bytearray(path.read_bytes())
    content[20:120] = b"\xff" * 100
    path.write_bytes(bytes(content))
    assert "hurt.parquet must be readable" in refusal(path)


def test_permission_denied_is_said_with_the_file():
    with (
        pytest.raises(DataError, match=r"a\.parquet must be readable, got: permission denied"),
        reading("a.parquet"),
    ):
        raise PermissionError(13, "Permission denied")


def test_duplicate_column_names(tmp_path):
    (tmp_path / "twice.csv").write_text("a,b,a\n1,2,3\n")
    twice = pa.Table.from_arrays([pa.array([1.0]), pa.array([2.0])], names=["x", "x"])
    pq.write_table(twice, tmp_path / "twice.parquet")
    assert "got a more than once" in refusal(tmp_path / "twice.csv")
    assert "got x more than once" in refusal(tmp_path / "twice.parquet")


def test_mixed_schemas_name_file_and_column(folder, tmp_path):
    pq.write_table(ROWS.set_column(1, "b", pa.array(["x"] * 30)), folder / "2027.parquet")
    message = refusal(folder)
    assert "2027.parquet" in message
    assert "'b' is string" in message
    pq.write_table(ROWS.drop_columns("a"), folder / "2027.parquet")
    assert "2027.parquet has no column 'a'" in refusal(folder)
    pq.write_table(ROWS.append_column("c", ROWS["a"]), folder / "2027.parquet")
    assert "2027.parquet has a column 'c'" in refusal(folder)


def test_a_column_without_values_fits_every_type(folder):
    pq.write_table(ROWS.set_column(1, "b", pa.nulls(30)), folder / "2025-01.parquet")
    table = read_table(DataConfig(sources=(str(folder),)), seed=0)
    assert table.columns.schema.field("b").type == pa.float64()
    assert table.columns["b"].null_count == 30


def test_hive_partitions_become_columns(tmp_path):
    for year, site in ((2025, "a%20b"), (2026, "__HIVE_DEFAULT_PARTITION__")):
        path = tmp_path / f"year={year}" / f"site={site}"
        path.mkdir(parents=True)
        pq.write_table(ROWS, path / "part.parquet")
    table = read_table(DataConfig(sources=(str(tmp_path),)), seed=0)
    assert table.columns["year"].to_pylist() == [2025] * 30 + [2026] * 30
    assert table.columns["site"].to_pylist() == ["a b"] * 30 + [None] * 30
    only = read_table(DataConfig(sources=(str(tmp_path),), drop=("a", "b", "site")), seed=0)
    assert only.columns.num_rows == 60


def test_gzipped_csv(tmp_path):
    with gzip.open(tmp_path / "rows.csv.gz", "wt") as file:
        file.write("a,b\n" + "1,2\n" * 25)
    assert len(read_table(DataConfig(sources=(f"{tmp_path}/rows.csv.gz",)), seed=0)) == 25
