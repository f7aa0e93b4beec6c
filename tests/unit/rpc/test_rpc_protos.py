"""The stubs: Open Inference has the field numbers of KServe. `protos/check.sh` holds ours to their rules."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import google.protobuf
import pytest

from automl_ad.rpc.oip import open_inference_grpc_pb2 as oip
from automl_ad.rpc.v1 import scoring_pb2 as v1

PROTOS = Path(__file__).parents[3] / "protos"
FILES = sorted(PROTOS.rglob("*.proto"))


def fields_of(messages: Any) -> dict[str, dict[str, list[Any]]]:
    """Message -> field -> number, type, whether repeated, message type, oneof."""
    found: dict[str, dict[str, list[Any]]] = {}
    for message in messages:
        if message.GetOptions().map_entry:
            continue
        found[message.full_name] = {
            field.name: [
                field.number,
                field.type,
                field.is_repeated,
                field.message_type.full_name if field.message_type else "",
                field.containing_oneof.name if field.containing_oneof else "",
            ]
            for field in message.fields
        }
        found |= fields_of(message.nested_types)
    return found


def test_open_inference_has_the_fields_that_tritonclient_sends():
    """open_inference_fields.json was written from the descriptor of tritonclient 2.73.0."""
    expected = json.loads((Path(__file__).parent / "open_inference_fields.json").read_text())
    assert fields_of(oip.DESCRIPTOR.message_types_by_name.values()) == expected


def test_open_inference_has_the_methods_of_the_protocol():
    service = oip.DESCRIPTOR.services_by_name["GRPCInferenceService"]
    assert service.full_name == "inference.GRPCInferenceService"
    assert [method.name for method in service.methods] == [
        "ServerLive", "ServerReady", "ModelReady", "ServerMetadata", "ModelMetadata", "ModelInfer",
    ]  # fmt: skip


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_the_header_names_the_pinned_generators(file: Path):
    pins = dict(re.findall(r"^([\w-]+)==([\d.]+)$", (PROTOS / "requirements.txt").read_text(), re.MULTILINE))
    header = file.read_text().split("syntax =")[0]
    assert all(f"{name} {pins[name]}" in header for name in ("grpcio-tools", "mypy-protobuf"))


def test_stubs_are_older_than_the_oldest_protobuf_we_allow():
    """pyproject.toml allows protobuf 6.33; stubs of 6.31 run from there to 7.x."""
    text = Path(v1.__file__).read_text()
    assert "Protobuf Python Version: 6.31.0" in text
    assert tuple(map(int, google.protobuf.__version__.split(".")[:2])) >= (6, 33)


def test_the_client_imports_neither_torch_nor_open_inference():
    """A process that has tritonclient holds the symbols of package `inference` already."""
    code = (
        "import sys, automl_ad.rpc.client\n"
        "print([m for m in sys.modules if m.startswith(('torch', 'sklearn', 'automl_ad.rpc.oip', 'ray'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
