"""Bytes that are no message: the client's mistake, whichever service and kind of call they are sent to."""

from __future__ import annotations

import grpc
import pytest

NO_PROTOBUF = b"\xff\xff\xff\xff"


def identity(content: bytes) -> bytes:
    return content


@pytest.mark.parametrize(
    "method",
    [
        "/automl_ad.rpc.v1.ScoringService/Score",
        "/automl_ad.rpc.v1.ScoringService/GetModel",
        "/inference.GRPCInferenceService/ModelInfer",
        "/grpc.health.v1.Health/Check",
    ],
)
def test_a_call_is_refused_as_invalid(channel, method):
    call = channel.unary_unary(method, identity, identity)
    with pytest.raises(grpc.RpcError) as refused:
        call(NO_PROTOBUF, timeout=5)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    said = refused.value.details()
    assert said.startswith("a message must be protobuf of the method's type, got 4 other bytes")


def test_a_chunk_of_a_stream_is_refused_as_invalid(channel):
    call = channel.stream_stream("/automl_ad.rpc.v1.ScoringService/ScoreStream", identity, identity)
    with pytest.raises(grpc.RpcError) as refused:
        list(call(iter([NO_PROTOBUF]), timeout=5))
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "DecodeError" not in refused.value.details()
