"""The gate: what is over the limit is told when to come back, and streams wait for their turn."""

from __future__ import annotations

import asyncio

import pytest

from automl_ad.rpc.errors import Overloaded
from automl_ad.rpc.gate import Gate


def test_work_over_the_limit_is_refused_with_a_hint():
    async def run() -> None:
        gate = Gate(1)
        with gate.entered():
            with pytest.raises(Overloaded, match="the server works on 1 requests already") as refused:
                gate.entered().__enter__()
            assert 0.05 <= refused.value.retry_after_s <= 5
        with gate.entered():
            assert gate.in_progress == 1
        assert gate.in_progress == 0

    asyncio.run(run())


def test_a_refusal_or_a_failure_inside_leaves_no_trace():
    async def run() -> None:
        gate = Gate(1)
        with pytest.raises(ZeroDivisionError), gate.entered():
            raise ZeroDivisionError
        assert gate.in_progress == 0

    asyncio.run(run())


def test_who_waits_enters_when_another_leaves_and_one_that_gave_up_takes_no_turn():
    async def run() -> None:
        gate, entered = Gate(1), []

        async def enter(name: str) -> None:
            async with gate.waited():
                entered.append(name)

        with gate.entered():
            gave_up = asyncio.create_task(enter("gave up"))
            patient = [asyncio.create_task(enter(name)) for name in ("first", "second")]
            await asyncio.sleep(0)
            gave_up.cancel()
            await asyncio.sleep(0)
            assert entered == []
        await asyncio.wait_for(asyncio.gather(*patient), 5)
        assert entered == ["first", "second"]
        assert gate.in_progress == 0

    asyncio.run(run())


def test_one_that_gives_up_in_the_moment_of_its_turn_passes_it_on():
    async def run() -> None:
        gate = Gate(1)

        async def enter() -> None:
            async with gate.waited():
                pass

        with gate.entered():
            first, second = asyncio.create_task(enter()), asyncio.create_task(enter())
            await asyncio.sleep(0)
        first.cancel()  # it was woken when the block ended
        await asyncio.wait_for(asyncio.gather(first, second, return_exceptions=True), 5)
        assert gate.in_progress == 0

    asyncio.run(run())


def test_the_hint_grows_with_the_work_in_progress():
    async def run() -> None:
        gate = Gate(100)
        for _ in range(40):
            with gate.entered():
                await asyncio.sleep(0.02)
        calm = gate.wait_s
        entries = [gate.entered() for _ in range(100)]
        for entry in entries:
            entry.__enter__()
        assert calm < gate.wait_s <= 5
        for entry in entries:
            entry.__exit__(None, None, None)

    asyncio.run(run())
