"""Which rows a benchmark fits, tests and injects, and that no label is among what a search may read."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from automl_ad.errors import DataError
from automl_ad.evaluation.bench.tables import Case, CaseTable, is_written, make_table, write_case

WriteTable = Callable[..., Path]


@pytest.fixture
def write_table(tmp_path) -> WriteTable:
    """A file with normal rows and anomalies, mixed; `number` names each row and says of which kind it is."""

    def write(n_normals: int, n_anomalies: int, *, name: str = "some.parquet", **columns: Sequence) -> Path:
        numbers = np.concatenate([np.arange(n_normals), -1 - np.arange(n_anomalies)]).astype(float)
        numbers = np.random.default_rng(1).permutation(numbers)
        table = pa.table({"number": numbers, **columns, "label": (numbers < 0).astype(int)})
        pq.write_table(table, tmp_path / name)
        return tmp_path / name

    return write


def made(path: Path, regime: str, *, seed: int = 0, share: float | None = None, max_rows: int = 2000):
    case = Case(path=path, regime=regime, seed=seed, contamination=share)
    return make_table(case, label_column="label", max_rows=max_rows)


def numbers(rows: pa.Table | None) -> list[float]:
    assert rows is not None
    return rows["number"].to_pylist()


def assert_labels_are_of_their_rows(table: CaseTable) -> None:
    judged = table.fit if table.test is None else table.test
    assert table.judged_labels.tolist() == [number < 0 for number in numbers(judged)]
    assert table.fit_labels.tolist() == [number < 0 for number in numbers(table.fit)]


class TestClean:
    def test_sixty_percent_of_the_normals_are_fitted_and_all_else_is_tested(self, write_table):
        table = made(write_table(100, 13), "clean")
        fitted, tested = numbers(table.fit), numbers(table.test)
        assert len(fitted) == 60
        assert min(fitted) >= 0
        assert len(tested) == 40 + 13
        assert sorted([*fitted, *tested]) == [*range(-13, 0), *range(100)]
        assert_labels_are_of_their_rows(table)

    def test_another_seed_fits_other_rows(self, write_table):
        path = write_table(100, 13)
        one, same, other = (made(path, "clean", seed=seed) for seed in (0, 0, 1))
        assert (numbers(one.fit), numbers(one.test)) == (numbers(same.fit), numbers(same.test))
        assert set(numbers(one.fit)) != set(numbers(other.fit))

    def test_the_fitted_rows_are_no_block_of_the_file(self, write_table):
        path = write_table(200, 5)
        kept = [number for number in pq.read_table(path)["number"].to_pylist() if number >= 0]
        fitted = set(numbers(made(path, "clean").fit))
        assert 30 < len(fitted & set(kept[:100])) < 90

    @pytest.mark.parametrize(("n_normals", "n_anomalies"), [(30, 10), (36, 1)])
    def test_too_few_rows_to_fit_or_to_test_name_file_and_regime(self, write_table, n_normals, n_anomalies):
        with pytest.raises(DataError, match=r"some\.parquet must leave .* regime clean, got 1\d rows"):
            made(write_table(n_normals, n_anomalies), "clean")


class TestNatural:
    def test_every_row_is_fitted_in_the_order_of_the_file_and_judged(self, write_table):
        path = write_table(50, 7)
        table = made(path, "natural")
        assert numbers(table.fit) == pq.read_table(path)["number"].to_pylist()
        assert table.test is None
        assert_labels_are_of_their_rows(table)

    def test_a_large_file_is_sampled_with_its_labels(self, write_table):
        path = write_table(200, 100)
        one, same, other = (made(path, "natural", seed=seed, max_rows=60) for seed in (0, 0, 1))
        assert len(numbers(one.fit)) == len(set(numbers(one.fit))) == 60
        assert numbers(one.fit) == numbers(same.fit) != numbers(other.fit)
        assert_labels_are_of_their_rows(one)

    def test_missing_values_text_and_constants_pass_as_they_are(self, write_table):
        odd = {"gap": [None, 1.5] * 20, "text": ["red", None] * 20, "same": [1] * 40}
        table = made(write_table(35, 5, **odd), "natural")
        assert {name: table.fit[name].to_pylist() for name in odd} == odd


class TestInjected:
    @pytest.mark.parametrize("share", [0.01, 0.05, 0.1, 0.25, 0.5])
    @pytest.mark.parametrize(("n_normals", "n_anomalies"), [(400, 20), (100, 300), (200, 200)])
    def test_the_share_is_met_and_the_scarce_kind_is_used_up(
        self, write_table, share, n_normals, n_anomalies
    ):
        table = made(write_table(n_normals, n_anomalies), "injected", share=share)
        n_strange, n_rows = int(table.fit_labels.sum()), len(table.fit_labels)
        assert abs(n_strange - share * n_rows) <= 1
        assert n_strange == n_anomalies or n_rows - n_strange >= n_normals - 1 / share
        assert len(set(numbers(table.fit))) == n_rows == table.fit.num_rows
        assert_labels_are_of_their_rows(table)

    def test_another_seed_leaves_other_anomalies_out(self, write_table):
        path = write_table(100, 100)
        one, same, other = (made(path, "injected", seed=seed, share=0.1) for seed in (0, 0, 1))
        assert numbers(one.fit) == numbers(same.fit)
        assert set(numbers(one.fit)) != set(numbers(other.fit))

    def test_no_anomaly_at_a_small_share_names_file_and_regime(self, write_table):
        with pytest.raises(DataError, match=r"some\.parquet must leave .* regime injected-1, got 0 rows"):
            made(write_table(40, 10), "injected", share=0.01)

    def test_too_few_rows_around_one_anomaly_name_file_and_regime(self, write_table):
        with pytest.raises(DataError, match=r"some\.parquet must leave .* regime injected-25, got 4 rows"):
            made(write_table(400, 1), "injected", share=0.25)


class TestRefusedLabels:
    @pytest.mark.parametrize(
        ("labels", "found"),
        [
            (["yes", "no"], "'no', 'yes'|'yes', 'no'"),
            ([0, 0], "only 0"),
            ([1, 1], "only 1"),
            ([0, None], "None"),
            ([0, 2], "2"),
        ],
    )
    def test_labels_that_are_none(self, tmp_path, labels, found):
        path = tmp_path / "odd.parquet"
        pq.write_table(pa.table({"x": np.arange(40.0), "label": labels * 20}), path)
        with pytest.raises(DataError, match=found):
            made(path, "natural")

    def test_a_file_without_the_label_column(self, tmp_path):
        path = tmp_path / "bare.parquet"
        pq.write_table(pa.table({"x": np.arange(40.0), "y": np.arange(40.0)}), path)
        with pytest.raises(DataError, match="label"):
            made(path, "natural")


class TestWritten:
    @pytest.mark.parametrize("regime", ["clean", "natural"])
    def test_no_label_is_in_what_a_search_reads(self, write_table, tmp_path, regime):
        table = made(write_table(100, 13), regime)
        write_case(tmp_path / "case", table)
        files = sorted((tmp_path / "case").iterdir())
        names = ["fit.parquet", "test.parquet"] if regime == "clean" else ["fit.parquet"]
        assert [file.name for file in files] == names
        assert {name for file in files for name in pq.read_schema(file).names} == {"number"}

    def test_the_folder_holds_these_rows_and_no_others(self, write_table, tmp_path):
        path = write_table(100, 13, gap=[np.nan, 1.0, None] * 37 + [0.0, 0.0])
        clean, other = (made(path, "clean", seed=seed) for seed in (0, 1))
        folder = tmp_path / "case"
        assert not is_written(folder, clean)
        write_case(folder, clean)
        assert is_written(folder, clean)
        assert not is_written(folder, other)
        assert not is_written(folder, replace(clean, test=other.test))
        assert not is_written(folder, replace(clean, test=None, test_labels=None))

    def test_shuffled_labels_leave_the_natural_rows_as_they_are(self, write_table, tmp_path):
        path = write_table(60, 20)
        write_case(tmp_path / "before", made(path, "natural"))
        shuffle_labels(path)
        shuffled = made(path, "natural")
        write_case(tmp_path / "after", shuffled)
        before, after = (tmp_path / name / "fit.parquet" for name in ("before", "after"))
        assert before.read_bytes() == after.read_bytes()
        assert shuffled.judged_labels.tolist() == pq.read_table(path)["label"].to_pylist()


def shuffle_labels(path: Path) -> None:
    table = pq.read_table(path)
    labels = np.random.default_rng(2).permutation(table["label"].to_numpy())
    assert (labels != table["label"].to_numpy()).any()
    pq.write_table(table.set_column(table.num_columns - 1, "label", pa.array(labels)), path)
