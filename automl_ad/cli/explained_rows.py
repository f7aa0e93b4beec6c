"""What `automl-ad client explain` prints: for every row what each feature contributes to its score."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

    from automl_ad.results import Explanations
    from automl_ad.rpc.client import ScoringClient


def explained_rows(
    client: ScoringClient, data: list[str], *, model: str, version: str, id_column: str | None
) -> Iterator[dict[str, Any]]:
    """One record for JSON a row, in the order of the data, all by one version of the model.

    Raises what the client raises, DataError, and RowsError with the position of the row over all data.
    """
    from automl_ad.data import iter_batches
    from automl_ad.data.scores_file import rows_counted_from

    info = client.get_model(model, version).model
    columns = [feature.name for feature in info.features]
    n_done = 0
    for batch in iter_batches(data, columns, id_column=id_column, batch_rows=max(1, info.max_explained_rows)):
        with rows_counted_from(n_done):
            explained = client.explain(batch.select(columns), model=info.name, version=info.version)
        for row, row_id in enumerate(_row_ids(batch, n_done, id_column)):
            yield _record(explained, row, row_id)
        n_done += batch.num_rows


def _row_ids(batch: pa.RecordBatch, n_done: int, id_column: str | None) -> list[Any]:
    if id_column is None:
        return list(range(n_done, n_done + batch.num_rows))
    ids: list[Any] = batch.column(id_column).to_pylist()
    return ids


def _record(explained: Explanations, row: int, row_id: object) -> dict[str, Any]:
    """What is printed of one row: the strongest contributions first."""
    strongest = sorted(
        zip(explained.features, explained.contributions[row].tolist(), strict=True),
        key=lambda pair: -abs(pair[1]),
    )
    errors = dict(zip(explained.features, explained.standard_errors[row].tolist(), strict=True))
    return {
        "row_id": row_id,
        "anomaly_score": float(explained.anomaly_score[row]),
        "reference_score": explained.reference_score,
        "contributions": dict(strongest),
        "standard_errors": {name: errors[name] for name, _ in strongest},
        "model": explained.model,
        "version": explained.version,
    }
