# Sourced: goes to the root of the repository and puts the pinned generators and buf first in PATH.
# They live in an environment of their own, PROTOC_VENV or build/protoc, renewed when requirements.txt changes.
cd "$(dirname "${BASH_SOURCE[0]}")/.."

venv=$(realpath -m "${PROTOC_VENV:-build/protoc}")
if ! cmp --quiet protos/requirements.txt "$venv/requirements.txt"; then
    [ -x "$venv/bin/python" ] || "${PYTHON:-python3}" -m venv "$venv"
    "$venv/bin/python" -m pip install --quiet --requirement protos/requirements.txt
    cp protos/requirements.txt "$venv/requirements.txt"
fi
PATH="$venv/bin:$PATH"
