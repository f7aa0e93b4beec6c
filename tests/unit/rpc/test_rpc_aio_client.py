"""The client for asyncio: the answers and errors of the other one, and streams that are left early."""

from __future__ import annotations

import asyncio
import itertools
from contextlib import aclosing

import grpc
import numpy as np
import pyarrow as pa
import pytest
from client_fakes import Refusal, listening, rich

from automl_ad.errors import RowsError
from automl_ad.rpc.client.async_client import AsyncScoringClient
from automl_ad.rpc.errors import Overloaded, RefusedRows, ServerError, Unauthenticated, UnknownModel

ROWS = np.array([[0.5, 1.0], [3.5, np.nan]])


@pytest.fixture
def fake():
    with listening() as running:
        yield running


@pytest.fixture
def run(fake):
    """(coroutine function of a client) -> what it returns."""

    async def with_client(use, settings):
        async with AsyncScoringClient(fake.address, **{"timeout_s": 20, **settings}) as client:
            return await use(client)

    return lambda use, **settings: asyncio.run(with_client(use, settings))


def test_calls_answer_plain_records(run):
    async def use(client):
        return await asyncio.gather(
            client.score(ROWS),
            client.explain(ROWS),
            client.list_models(),
            client.get_model(),
            client.is_serving(),
        )

    scores, explained, (model,), details, is_serving = run(use)
    np.testing.assert_array_equal(scores.anomaly_score, [0.5, 3.5])
    assert explained.contributions.shape == (2, 2)
    assert details.model == model
    assert is_serving


def test_many_calls_share_one_client(run):
    async def use(client):
        return await asyncio.gather(*(client.score([[float(n)]]) for n in range(50)))

    assert [scores.anomaly_score[0] for scores in run(use)] == list(range(50))


def test_refusals_come_back_as_our_errors(run, fake):
    fake.service.refusals = [
        rich(grpc.StatusCode.NOT_FOUND, "no such model", "MODEL_UNKNOWN"),
        Refusal(code=grpc.StatusCode.RESOURCE_EXHAUSTED, trailing=(("grpc-retry-pushback-ms", "250"),)),
    ]

    async def use(client):
        with pytest.raises(UnknownModel, match="no such model") as refused:
            await client.score(ROWS)
        assert (refused.value.reason, refused.value.request_id) == ("MODEL_UNKNOWN", "from-the-server")
        with pytest.raises(Overloaded) as busy:
            await client.score(ROWS)
        assert busy.value.retry_after_s == 0.25

    run(use, retries=False)


def test_the_deadline_ends_a_call(run, fake):
    fake.service.may_answer.clear()

    async def use(client):
        with pytest.raises(ServerError) as refused:
            await client.score(ROWS)
        assert refused.value.code == "DEADLINE_EXCEEDED"

    run(use, timeout_s=0.05)


def test_a_table_comes_back_as_one_record(run):
    table = pa.table({"a": np.arange(10.0)})
    scores = run(lambda client: client.score_table(table, chunk_rows=4))
    np.testing.assert_array_equal(scores.anomaly_score, np.arange(10.0))


def test_chunks_may_be_awaited(run):
    async def chunks():
        for number in range(3):
            await asyncio.sleep(0)
            yield [[float(number)]]

    async def use(client):
        return [scores.anomaly_score.tolist() async for scores in client.score_stream(chunks())]

    assert run(use) == [[0.0], [1.0], [2.0]]


def test_leaving_early_cancels_the_call(run, fake):
    async def use(client):
        async with aclosing(client.score_stream(itertools.repeat(ROWS))) as stream:
            async for _ in stream:
                break
        return await asyncio.to_thread(fake.service.was_cancelled.wait, 20)

    assert run(use)


def test_one_chunk_is_made_while_another_is_on_its_way(run, fake):
    fake.service.may_answer.clear()
    made = []

    async def endless():
        for number in itertools.count():
            await asyncio.sleep(0)
            made.append(number)
            yield [[float(number)]]

    async def use(client):
        async with aclosing(client.score_stream(endless())) as stream:
            reader = asyncio.create_task(anext(stream))
            await asyncio.to_thread(fake.service.has_chunk.wait, 20)
            assert made == [0, 1]
            fake.service.may_answer.set()
            await reader

    run(use)


def test_a_token_that_is_refused_is_named_however_large_the_chunk(run, fake):
    fake.service.always = rich(grpc.StatusCode.UNAUTHENTICATED, "the token is not known", "TOKEN_REFUSED")
    chunk = np.zeros((100_000, 8))

    async def use(client):
        for _ in range(5):
            with pytest.raises(Unauthenticated, match="the token is not known"):
                await anext(client.score_stream([chunk]))

    run(use)


def test_the_servers_refusal_of_a_chunk_follows_the_answers_before(run, fake):
    fake.service.refused_chunk = 2

    async def use(client):
        stream = client.score_stream(itertools.repeat(ROWS, 5))
        assert [(await anext(stream)).anomaly_score[1] for _ in range(2)] == [3.5, 3.5]
        with pytest.raises(RefusedRows, match="chunk 2: a row must have 3 features"):
            await anext(stream)

    run(use)


def test_an_error_of_the_chunks_follows_the_answers_before(run):
    async def chunks():
        yield ROWS
        yield [["text"]]

    async def use(client):
        stream = client.score_stream(chunks())
        assert len((await anext(stream)).anomaly_score) == 2
        with pytest.raises(RowsError, match="chunk 1: rows must be a matrix"):
            await anext(stream)

    run(use)


def test_an_answer_that_does_not_come_ends_the_stream(run, fake):
    fake.service.may_answer.clear()

    async def use(client):
        with pytest.raises(ServerError, match=r"must answer a chunk within 0\.05 s"):
            await anext(client.score_stream([ROWS]))

    run(use, timeout_s=0.05)


def test_a_cancelled_call_is_cancelled_at_the_server(run, fake):
    fake.service.may_answer.clear()

    async def use(client):
        reader = asyncio.create_task(anext(client.score_stream([ROWS])))
        while not fake.service.requests:
            await asyncio.sleep(0.01)
        reader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reader
        return await asyncio.to_thread(fake.service.was_cancelled.wait, 20)

    assert run(use)
