"""Requests as JSON files against a real server: each is answered, or refused with a status and a sentence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import json_format

from automl_ad.rpc.oip import open_inference_grpc_pb2 as oip
from automl_ad.rpc.v1 import scoring_pb2 as v1

FOLDER = Path(__file__).parent / "requests"
METHODS = {
    "score": ("/automl_ad.rpc.v1.ScoringService/Score", v1.ScoreRequest, v1.ScoreResponse),
    "infer": ("/inference.GRPCInferenceService/ModelInfer", oip.ModelInferRequest, oip.ModelInferResponse),
}


def cases(has_response: bool) -> list[Any]:
    return [
        pytest.param(file.stem, case, id=f"{file.stem}: {case['name']}")
        for file in sorted(FOLDER.glob("*.json"))
        for case in json.loads(file.read_text())
        if ("response" in case) == has_response
    ]


def call(channel: grpc.Channel, method: str, document: dict[str, Any]) -> dict[str, Any]:
    path, request_type, response_type = METHODS[method]
    stub = channel.unary_unary(
        path,
        request_serializer=request_type.SerializeToString,
        response_deserializer=response_type.FromString,
    )
    return json_format.MessageToDict(stub(json_format.ParseDict(document, request_type()), timeout=10))


@pytest.mark.parametrize(("method", "case"), cases(has_response=True))
def test_right_requests_are_answered(channel: grpc.Channel, method: str, case: dict[str, Any]):
    assert call(channel, method, case["request"]) == case["response"]


@pytest.mark.parametrize(("method", "case"), cases(has_response=False))
def test_wrong_requests_are_refused_with_the_reason(channel: grpc.Channel, method: str, case: dict[str, Any]):
    with pytest.raises(grpc.RpcError) as refused:
        call(channel, method, case["request"])
    assert (refused.value.code().name, refused.value.details()) == (case["code"], case["details"])
