"""Small requests together: who shares a batch, what each gets back, and who must not suffer for others."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
import pytest
from rpc_fakes import FakeScorer, mixed_scorer, numeric_scorer

from automl_ad.errors import RowsError
from automl_ad.rpc.batching import Batcher
from automl_ad.rpc.telemetry.metrics import Metrics


class Counted(Metrics):
    """Keeps what it is told of batches and of the queue."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[tuple[int, int]] = []
        self.waiting = [0, 0]

    def batch(self, n_requests: int, n_rows: int, seconds: float) -> None:
        self.batches.append((n_requests, n_rows))

    def queue(self, n_requests: int, n_rows: int) -> None:
        self.waiting[0] += n_requests
        self.waiting[1] += n_rows


@pytest.fixture
def metrics() -> Counted:
    return Counted()


@pytest.fixture
def run(metrics: Counted):
    """Scores requests that arrive together; what each gets, be it an error."""

    def together(scorer: FakeScorer, requests: list, max_rows: int = 100) -> list:
        async def ask() -> list:
            with ThreadPoolExecutor(1, thread_name_prefix="scoring") as threads:
                batcher = Batcher(threads, max_rows, metrics)
                asked = (batcher.score(scorer, rows) for rows in requests)
                return await asyncio.gather(*asked, return_exceptions=True)

        return asyncio.run(ask())

    return together


def rows(*firsts: float, dtype: type = np.float64) -> np.ndarray:
    return np.array([[first, 0, 0] for first in firsts], dtype=dtype)


def test_what_arrives_together_is_scored_together_and_each_gets_its_own(run, metrics):
    one, two = run(numeric_scorer(), [rows(1), rows(2, 3)])
    assert metrics.batches == [(2, 3)]
    assert (one.anomaly_score.tolist(), two.anomaly_score.tolist()) == ([1], [2, 3])
    assert two.is_anomaly.tolist() == [False, True]
    assert two.percentile.tolist() == [20, 30]
    assert metrics.waiting == [0, 0]


def test_a_batch_has_no_more_rows_than_allowed_unless_one_request_has(run, metrics):
    run(numeric_scorer(), [rows(1, 2), rows(3, 4), rows(5), rows(6, 7, 8, 9)], max_rows=3)
    assert metrics.batches == [(2, 3), (1, 2), (1, 4)]


def test_numbers_of_two_precisions_are_not_joined(run, metrics):
    run(numeric_scorer(), [rows(1), rows(2, dtype=np.float32), rows(3)])
    assert metrics.batches == [(2, 2), (1, 1)]


def test_tables_are_joined_where_their_columns_have_the_same_types(run, metrics):
    table = pa.table({"amount": [1.0, 2.0]})
    first, second, other = run(
        mixed_scorer(), [table, table.slice(1), pa.table({"amount": pa.array([7], pa.int64())})]
    )
    assert metrics.batches == [(2, 3), (1, 1)]
    assert (first.anomaly_score.tolist(), second.anomaly_score.tolist()) == ([1, 2], [2])
    assert other.anomaly_score.tolist() == [7]


def test_a_request_that_is_refused_is_refused_alone(run):
    good, bad, fine = run(numeric_scorer(), [rows(1), rows(np.inf), rows(2)])
    assert isinstance(bad, RowsError)
    assert (good.anomaly_score.tolist(), fine.anomaly_score.tolist()) == ([1], [2])


def test_a_bug_reaches_everybody_it_concerns(run):
    scorer = numeric_scorer()
    scorer.explode = True
    assert [type(outcome) for outcome in run(scorer, [rows(1), rows(2)])] == [ZeroDivisionError] * 2


def test_a_bug_that_shows_when_requests_are_scored_alone_holds_up_nobody(run):
    class Fussy(FakeScorer):
        def score(self, rows):
            if len(rows) > 1:
                raise RowsError("one of them")
            if rows[0, 0] == 2:
                raise MemoryError
            return super().score(rows)

    scorer = Fussy("fussy", *numeric_scorer().schema.features)
    good, bug, fine = run(scorer, [rows(1), rows(2), rows(3)])
    assert isinstance(bug, MemoryError)
    assert (good.anomaly_score.tolist(), fine.anomaly_score.tolist()) == ([1], [3])


def test_few_rows_stay_on_the_loop_and_many_go_to_a_thread(run):
    scorer = numeric_scorer()
    run(scorer, [rows(1), rows(2)])
    assert not any(name.startswith("scoring") for name in scorer.threads)
    scorer.threads.clear()
    run(scorer, [rows(*range(10)), rows(*range(10))])
    assert all(name.startswith("scoring") for name in scorer.threads)


def test_a_request_that_is_alone_is_scored_at_once_and_counted(metrics):
    async def ask() -> None:
        with ThreadPoolExecutor(1) as threads:
            scoring = Batcher(threads, 100, metrics).score(numeric_scorer(), rows(3), is_alone=True)
            with pytest.raises(StopIteration) as done:  # finished without giving the event loop a turn
                scoring.send(None)
            assert done.value.value.anomaly_score.tolist() == [3]

    asyncio.run(ask())
    assert metrics.batches == [(1, 1)]
    assert metrics.waiting == [0, 0]


def test_a_request_that_was_cancelled_is_not_scored(metrics):
    async def ask() -> FakeScorer:
        scorer = numeric_scorer()
        with ThreadPoolExecutor(1) as threads:
            batcher = Batcher(threads, 100, metrics)
            left = asyncio.create_task(batcher.score(scorer, rows(1)))
            stays = asyncio.create_task(batcher.score(scorer, rows(2)))
            asyncio.get_running_loop().call_soon(left.cancel)
            await asyncio.gather(left, stays, return_exceptions=True)
            assert left.cancelled()
            assert stays.result().anomaly_score.tolist() == [2]
        return scorer

    asyncio.run(ask())
    assert metrics.waiting == [0, 0]


def test_own_thresholds_are_split_like_scores(run):
    class Grouped(FakeScorer):
        def score(self, rows):
            scores = super().score(rows)
            return scores.__class__(
                **{name: getattr(scores, name) for name in scores.__slots__ if name != "row_threshold"},
                row_threshold=scores.anomaly_score + 10,
            )

    scorer = Grouped("grouped", *numeric_scorer().schema.features)
    one, two = run(scorer, [rows(1), rows(2, 3)])
    assert (one.row_threshold.tolist(), two.row_threshold.tolist()) == ([11], [12, 13])
