"""The protos: Open Inference is KServe's to the last field number, and ours is documented field by field."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from itertools import pairwise
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
def test_every_element_has_a_comment(file: Path):
    lines = file.read_text().splitlines()
    element = re.compile(
        r"\s*(message|enum|service|rpc|oneof|repeated|map<|[\w.]+ \w+ = \d+;|[A-Z_]+ = \d+;)"
    )
    is_bare = [
        line.strip()
        for before, line in pairwise(lines)
        if element.match(line) and not before.strip().startswith("//")
    ]
    assert is_bare == []


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_the_header_names_the_pinned_generators(file: Path):
    pins = re.findall(r"^([\w-]+)==([\d.]+)$", (PROTOS / "requirements.txt").read_text(), re.MULTILINE)
    header = file.read_text().split("syntax =")[0]
    assert pins
    assert all(f"{name} {version}" in header for name, version in pins)


def test_enums_begin_with_unspecified_and_carry_their_prefix():
    for name, enum in v1.DESCRIPTOR.enum_types_by_name.items():
        prefix = re.sub(r"(?<!^)(?=[A-Z])", "_", name).upper()
        assert enum.values_by_number[0].name == f"{prefix}_UNSPECIFIED"
        assert all(value.name.startswith(prefix) for value in enum.values)


def test_the_package_is_versioned_and_matches_its_folder():
    assert v1.DESCRIPTOR.package == "automl_ad.rpc.v1"
    assert v1.DESCRIPTOR.name == "automl_ad/rpc/v1/scoring.proto"


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
