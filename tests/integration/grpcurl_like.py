"""A client that knows only the address: like grpcurl, it asks the server's reflection what there is.

    python tests/integration/grpcurl_like.py HOST:PORT list
    python tests/integration/grpcurl_like.py HOST:PORT describe automl_ad.rpc.v1.ScoreRequest
    python tests/integration/grpcurl_like.py HOST:PORT automl_ad.rpc.v1.ScoringService/Score '{"model": "m"}'

with `--ca FILE` for TLS and `--token-file FILE` for a bearer token. A method that takes a stream takes
several JSON arguments. No stub of the project is imported: whatever is printed came over the wire.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import json_format
from google.protobuf.descriptor_pb2 import DescriptorProto, EnumDescriptorProto, ServiceDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

TIMEOUT_S = 30.0


def main() -> int:
    given = arguments()
    with open_channel(given.target, given.ca, given.token_file) as channel:
        try:
            for line in answer(channel, given.what, given.arguments):
                print(line)  # noqa: T201
        except grpc.RpcError as error:
            print(f"{error.code().name}: {error.details()}", file=sys.stderr)  # noqa: T201
            return 1
    return 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Call a gRPC server by what its reflection says.")
    parser.add_argument("target", help="HOST:PORT")
    parser.add_argument("what", help="`list`, `describe`, or SERVICE/METHOD")
    parser.add_argument("arguments", nargs="*", help="what to describe, or the requests as JSON")
    parser.add_argument("--ca", type=Path, help="PEM file of the authority: use TLS")
    parser.add_argument("--token-file", type=Path, help="file of a bearer token; needs TLS")
    return parser.parse_args()


def open_channel(target: str, ca: Path | None, token_file: Path | None) -> grpc.Channel:
    """The token goes with every call, those to the reflection too."""
    if ca is None:
        return grpc.insecure_channel(target)
    credentials = grpc.ssl_channel_credentials(ca.read_bytes())
    if token_file is not None:
        token = grpc.access_token_call_credentials(token_file.read_text().strip())
        credentials = grpc.composite_channel_credentials(credentials, token)
    return grpc.secure_channel(target, credentials)


def answer(channel: grpc.Channel, what: str, arguments: list[str]) -> Iterable[str]:
    database = ProtoReflectionDescriptorDatabase(channel)
    pool = DescriptorPool(database)
    if what == "list":
        return sorted(database.get_services())
    if what == "describe":
        return (describe(pool, name) for name in arguments)
    return call(channel, pool, what, arguments)


def describe(pool: DescriptorPool, name: str) -> str:
    for find, proto in (
        (pool.FindServiceByName, ServiceDescriptorProto()),
        (pool.FindMessageTypeByName, DescriptorProto()),
        (pool.FindEnumTypeByName, EnumDescriptorProto()),
    ):
        try:
            find(name).CopyToProto(proto)
        except KeyError:
            continue
        return str(proto)
    raise SystemExit(f"the server knows no {name}")


def call(channel: grpc.Channel, pool: DescriptorPool, path: str, requests: list[str]) -> Iterator[str]:
    """Every answer as JSON, whichever side streams."""
    service, method_name = path.split("/")
    method = pool.FindServiceByName(service).FindMethodByName(method_name)
    request_class, answer_class = GetMessageClass(method.input_type), GetMessageClass(method.output_type)
    send = channel.stream_stream(
        f"/{path}",
        request_serializer=request_class.SerializeToString,
        response_deserializer=answer_class.FromString,
    )
    messages: list[Any] = [
        json_format.Parse(text, request_class(), descriptor_pool=pool) for text in requests or ["{}"]
    ]
    for message in send(iter(messages), timeout=TIMEOUT_S):
        yield json_format.MessageToJson(
            message, always_print_fields_with_no_presence=True, descriptor_pool=pool
        )


if __name__ == "__main__":
    sys.exit(main())
