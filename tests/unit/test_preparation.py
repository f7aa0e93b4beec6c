"""What trials see: the panel, the split of clean data, the probes."""

import dataclasses

import numpy as np
import pyarrow as pa
import pytest

from automl_ad.config import SearchConfig
from automl_ad.data import Table, fingerprint
from automl_ad.data.png import encode_png
from automl_ad.preparation import HELD_OUT_SHARE, prepare

N_ROWS = 200


@pytest.fixture(scope="module")
def table(blob_columns) -> Table:
    columns = blob_columns(n_rows=N_ROWS, n_columns=3, seed=1)
    columns = columns.append_column("row", pa.array(np.random.default_rng(0).permutation(N_ROWS) + 0.5))
    return Table(
        columns=columns,
        row_ids=None,
        row_positions=10 * np.arange(N_ROWS),
        n_source_rows=N_ROWS,
        fingerprint=fingerprint(columns),
        sources=(),
    )


def rows_of(table: Table, encoded_ND: np.ndarray) -> set[float]:
    """Rows named by the last column, which is unique."""
    del table
    return set(encoded_ND[:, -1])


def test_unknown_training_data_fit_every_row_and_sample_the_panel(table: Table):
    prepared = prepare(table, SearchConfig(panel_rows=50))
    assert len(prepared.data.rows_ND) == N_ROWS
    assert len(prepared.data.panel_ND) == 50
    assert rows_of(table, prepared.data.panel_ND) <= rows_of(table, prepared.data.rows_ND)
    assert len(prepared.data.probes) == 8
    assert {len(rows_PD) for rows_PD in prepared.data.probes.values()} == {512}
    assert prepared.data.objective == "anchor_agreement"


def test_clean_training_data_hold_out_a_fifth(table: Table):
    prepared = prepare(table, SearchConfig(training_data="clean"))
    fitted, panel = rows_of(table, prepared.data.rows_ND), rows_of(table, prepared.data.panel_ND)
    assert len(panel) == HELD_OUT_SHARE * N_ROWS
    assert not fitted & panel
    assert len(fitted | panel) == N_ROWS


def test_clean_preprocessing_never_sees_held_out_rows(table: Table):
    config = SearchConfig(training_data="clean")
    panel_rows = prepare(table, config).panel_positions // 10
    spoilt = table.columns.column("x0").to_numpy().copy()
    spoilt[panel_rows] = 1e6
    other = table.columns.set_column(0, "x0", pa.array(spoilt))
    spoilt_table = Table(
        columns=other,
        row_ids=None,
        row_positions=table.row_positions,
        n_source_rows=N_ROWS,
        fingerprint="",
        sources=(),
    )
    first, second = prepare(table, config), prepare(spoilt_table, config)
    np.testing.assert_array_equal(first.data.rows_ND, second.data.rows_ND)
    scaled = [p.data.scalers["zscore"](p.data.rows_ND) for p in (first, second)]
    np.testing.assert_array_equal(*scaled)


def test_probes_come_in_encoded_units(table: Table):
    prepared = prepare(table, SearchConfig(training_data="clean"))
    assert len(prepared.data.probes) == 8
    center_D = prepared.data.panel_ND.mean(axis=0)
    spread_D = prepared.data.panel_ND.std(axis=0)
    for rows_PD in prepared.data.probes.values():
        assert np.all(np.abs(rows_PD.mean(axis=0) - center_D) < 10 * spread_D)


def test_the_panel_follows_from_the_seed(table: Table):
    panels = [prepare(table, SearchConfig(panel_rows=50, seed=seed)).panel_positions for seed in (1, 1, 2)]
    np.testing.assert_array_equal(panels[0], panels[1])
    assert not np.array_equal(panels[0], panels[2])


def test_the_panel_names_its_rows_by_source_position(table: Table):
    prepared = prepare(table, SearchConfig(panel_rows=50))
    assert np.all(prepared.panel_positions % 10 == 0)
    assert np.all(np.diff(prepared.panel_positions) > 0)


def test_a_null_in_a_held_out_row_is_a_missing_value(table: Table):
    config = SearchConfig(training_data="clean")
    held_out = int(prepare(table, config).panel_positions[0] // 10)
    values = table.columns.column("x0").to_pylist()
    values[held_out] = None
    with_null = Table(
        columns=table.columns.set_column(0, "x0", pa.array(values)),
        row_ids=None,
        row_positions=table.row_positions,
        n_source_rows=N_ROWS,
        fingerprint="",
        sources=(),
    )
    assert np.isfinite(prepare(with_null, config).data.panel_ND).all()


def test_groups_are_those_of_the_fitted_rows(table: Table):
    groups = np.random.default_rng(2).integers(3, size=N_ROWS)
    groups[int(prepare(table, SearchConfig(training_data="clean")).panel_positions[0] // 10)] = 3
    grouped = dataclasses.replace(table, groups_N=2 * groups)
    named = {row: 2 * group for row, group in zip(table.columns["row"].to_pylist(), groups, strict=True)}
    for training_data, n_groups in (("unknown", 4), ("clean", 3)):  # the fourth has one row, held out
        data = prepare(grouped, SearchConfig(training_data=training_data)).data
        expected = [named[row] // 2 for row in data.rows_ND[:, -1]]
        assert data.groups_N.tolist() == expected
        assert data.groups_N.max() == n_groups - 1
    assert prepare(table, SearchConfig()).data.groups_N is None


@pytest.mark.parametrize(("shape", "is_square"), [((1, 6, 6), True), ((3, 4, 6), False)])
def test_probes_of_images_are_images(shape, is_square):
    images = np.random.default_rng(3).integers(0, 256, size=(100, *shape), dtype=np.uint8)
    columns = pa.table({"image": pa.array([encode_png(image) for image in images], pa.binary())})
    table = Table(
        columns=columns,
        row_ids=None,
        row_positions=np.arange(100),
        n_source_rows=100,
        fingerprint="",
        sources=(),
    )
    data = prepare(table, SearchConfig(training_data="clean", panel_rows=20)).data
    assert ("rotate_90" in data.probes) == is_square
    assert len(data.probes) == 6 + is_square
    assert all(rows.min() >= 0 and rows.max() <= 1 for rows in data.probes.values())
    upside_down = data.panel_ND.reshape(-1, *shape)[:, :, ::-1, ::-1].reshape(len(data.panel_ND), -1)
    assert data.probes["rotate_180"].shape == (512, images[0].size)
    assert {row.tobytes() for row in data.probes["rotate_180"]} == {row.tobytes() for row in upside_down}
