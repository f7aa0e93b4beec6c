#!/usr/bin/env bash
# Writes the stubs of automl_ad/rpc from the protos. `--check` writes nothing and fails when they are not current.
# The generators live in an environment of their own, PROTOC_VENV or build/protoc, made on first use.
set -euo pipefail
cd "$(dirname "$0")/.."

venv=${PROTOC_VENV:-build/protoc}
if [ ! -x "$venv/bin/protoc-gen-mypy_grpc" ]; then
    "${PYTHON:-python3}" -m venv "$venv"
    "$venv/bin/python" -m pip install --quiet --requirement protos/requirements.txt
fi

generate() { # output folder
    PATH="$PWD/$venv/bin:$venv/bin:$PATH" "$venv/bin/python" -m grpc_tools.protoc -I protos \
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
