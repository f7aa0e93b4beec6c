#!/usr/bin/env bash
# Promises the protos as they are now: writes baseline.binpb, unless that breaks what was promised before.
# The last step of a change in protos/; once landed there is no way back but a package of the next version.
set -euo pipefail
source "$(dirname "$0")/tools.sh"
cd protos

buf lint
buf breaking --against baseline.binpb ||
    { echo "refused: clients would break. Add fields, or a package v2, and leave the rest as it is" >&2; exit 1; }
buf build --exclude-source-info --output baseline.binpb
