"""From a table to what every trial of a study sees: the split, fitted preprocessing, the panel, the probes.

Everything here follows from the table and the seed, so that a resumed study sees the same rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from automl_ad.config import SearchConfig
from automl_ad.criteria import make_image_probes, make_probes
from automl_ad.data import Preprocessor, Table, columns_with_missing
from automl_ad.trial import TrialData

HELD_OUT_SHARE = 0.2
"""SELECTION 2: a held-out fifth, fixed per study."""
N_PROBE_ROWS = 512
"""Of each generator, however small the panel is: what an AUC then leaves open is the panel's."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Prepared:
    """The fitted preprocessing, the data of every trial, and where the panel's rows stand in the source."""

    preprocessor: Preprocessor
    data: TrialData
    panel_positions: npt.NDArray[np.int64]
    panel_groups: tuple[str | None, ...] | None = None
    """[N], what the group of each panel row is called; None without a group column."""


def prepare(
    table: Table, config: SearchConfig, *, hindsight: Table | None = None, keeps_members: bool = False
) -> Prepared:
    """Fit preprocessing once, draw the panel, and make pseudo-anomalies of it.

    Training data `unknown`: every row is fitted, the panel is a random sample of them. `clean`: a fifth
    is held out, preprocessing and detectors see the rest only, panel and probes come from the held-out
    part only (fitted and held-out rows never share a panel). `hindsight` rows are encoded, no more.
    """
    rng = np.random.default_rng(config.seed)
    fit_rows, panel_rows = _split(table.columns.num_rows, config, rng)
    fitted_part = table.columns.take(fit_rows)
    preprocessor = Preprocessor.fit(
        fitted_part,
        row_positions=table.row_positions[fit_rows],
        # A null that only a held-out row has is no reason to refuse that row.
        nullable=columns_with_missing(table.columns),
    )
    panel_ND = preprocessor.encode(table.columns.take(panel_rows))
    data = TrialData(
        rows_ND=preprocessor.encode(fitted_part),
        panel_ND=panel_ND,
        scalers=preprocessor.scalers,
        probes=_probes(preprocessor, panel_ND, config),
        objective="probe_auc" if config.training_data == "clean" else "anchor_agreement",
        groups_N=None if table.groups_N is None else _numbered(table.groups_N[fit_rows]),
        early_stopping=config.early_stopping,
        hindsight_HD=None if hindsight is None else preprocessor.encode(hindsight.columns),
        keeps_members=keeps_members,
    )
    return Prepared(
        preprocessor=preprocessor,
        data=data,
        panel_positions=table.row_positions[panel_rows],
        panel_groups=_group_names(table, panel_rows),
    )


def _split(
    n_rows: int, config: SearchConfig, rng: np.random.Generator
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """(fitted rows, panel rows), both ascending."""
    if config.training_data == "clean":
        order = rng.permutation(n_rows)
        n_held_out = round(n_rows * HELD_OUT_SHARE)
        held_out, fitted = order[:n_held_out], order[n_held_out:]
        return np.sort(fitted), np.sort(held_out[: config.panel_rows])
    panel = rng.permutation(n_rows)[: config.panel_rows]
    return np.arange(n_rows), np.sort(panel)


def _numbered(groups_N: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The groups of these rows as 0 to K - 1: some may be held out altogether."""
    numbered_N: npt.NDArray[np.int64] = np.unique(groups_N, return_inverse=True)[1]
    return numbered_N


def _group_names(table: Table, rows: npt.NDArray[np.int64]) -> tuple[str | None, ...] | None:
    if table.groups_N is None or table.group_names is None:
        return None
    return tuple(table.group_names[group] for group in table.groups_N[rows])


def _probes(
    preprocessor: Preprocessor, panel_ND: npt.NDArray[np.float64], config: SearchConfig
) -> Mapping[str, npt.NDArray[np.float64]]:
    """Pseudo-anomalies in encoded units: of images as they are, of tables by way of z-scored columns."""
    shape = preprocessor.image_shape
    if shape is not None:
        return make_image_probes(panel_ND, shape, n_rows=N_PROBE_ROWS, seed=config.seed)
    z_ND = preprocessor.scale(panel_ND, "zscore").astype(np.float64)
    probes = make_probes(z_ND, n_rows=N_PROBE_ROWS, seed=config.seed)
    return {name: preprocessor.unscale(z_PD, "zscore") for name, z_PD in probes.items()}
