"""Chunks for streams that may break: each is given again until it is answered, in order, and none twice."""

from __future__ import annotations

import itertools

import pyarrow as pa
import pytest

from automl_ad.rpc.client.kept_chunks import KeptChunks

FOR_EVER = float("inf")


def numbered(n_chunks: int):
    return (pa.record_batch({"n": [number]}) for number in range(n_chunks))


def numbers(chunks) -> list[int]:
    return [chunk["n"][0].as_py() for chunk in chunks]


def test_what_is_not_answered_comes_again():
    kept = KeptChunks(numbered(5))
    assert numbers(itertools.islice(kept.for_stream(FOR_EVER), 3)) == [0, 1, 2]
    kept.answered()
    assert numbers(kept.for_stream(FOR_EVER)) == [1, 2, 3, 4]


def test_a_stream_that_is_over_may_still_take_a_chunk():
    kept = KeptChunks(numbered(4))
    broken, whole = kept.for_stream(FOR_EVER), kept.for_stream(FOR_EVER)
    assert numbers([next(broken), next(whole), next(broken), next(whole)]) == [0, 0, 1, 1]
    for _ in range(2):
        kept.answered()
    assert numbers([next(broken)]) == [2]
    assert numbers(whole) == [2, 3]


def test_after_the_moment_a_stream_gets_one_chunk():
    kept = KeptChunks(numbered(2))
    assert numbers(kept.for_stream(0.0)) == [0]
    kept.answered()
    assert kept.has_more()
    assert numbers(kept.for_stream(0.0)) == [1]
    kept.answered()
    assert not kept.has_more()


def test_an_error_of_the_source_is_no_end_for_the_next_stream():
    def chunks():
        yield from numbered(1)
        raise OSError("the disk is gone")

    kept = KeptChunks(chunks())
    for _ in range(2):
        stream = kept.for_stream(FOR_EVER)
        assert numbers([next(stream)]) == [0]
        with pytest.raises(OSError, match="the disk is gone"):
            next(stream)
