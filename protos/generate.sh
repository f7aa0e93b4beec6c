#!/usr/bin/env bash
# Writes the stubs of automl_ad/rpc from the protos. `--check` writes nothing and fails when they are not current.
set -euo pipefail
source "$(dirname "$0")/tools.sh"

generate() { # output folder
    "$venv/bin/python" -m grpc_tools.protoc -I protos \
        --python_out="$1" --pyi_out="$1" --grpc_python_out="$1" --mypy_grpc_out=quiet:"$1" \
        automl_ad/rpc/v1/scoring.proto automl_ad/rpc/oip/open_inference_grpc.proto
}

if [ "${1:-}" = --check ]; then
    fresh=$(mktemp -d)
    trap 'rm -rf "$fresh"' EXIT
    generate "$fresh"
    for package in v1 oip; do
        diff --recursive --unified --exclude=__init__.py --exclude=__pycache__ \
            "automl_ad/rpc/$package" "$fresh/automl_ad/rpc/$package" ||
            { echo "stubs are not current: run protos/generate.sh" >&2; exit 1; }
    done
else
    generate .
fi
