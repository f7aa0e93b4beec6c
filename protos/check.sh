#!/usr/bin/env bash
# Holds the protos to their style, and to every API that was ever accepted. Ends with 75 (not known) without git's
# history, once all that can be known without it is right.
#
# baseline.binpb is the API as promised. The protos may not break it, nor any earlier baseline that git knows, and
# may not be ahead of it: what lands is promised. `accept.sh` renews it.
set -euo pipefail
source "$(dirname "$0")/tools.sh"
cd protos

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

say() { echo "$1" >&2; exit 1; }

earlier_baselines() { # writes one file for each commit that changed the baseline
    local commits commit
    commits=$(git log --diff-filter=AM --format=%h -- baseline.binpb) # alone: `for` would not see it fail
    for commit in $commits; do
        git show "$commit:./baseline.binpb" >"$scratch/$commit.binpb"
    done
}

hold_to_promises() {
    local promised
    for promised in "$scratch"/*.binpb; do
        buf breaking --against "$promised" ||
            say "clients of the API in $(basename "$promised" .binpb) would break: add fields, or a package v2"
    done
}

buf lint || say "the protos break the rules of protos/buf.yaml: see above"
cp baseline.binpb "$scratch/baseline.binpb"
hold_to_promises
buf build --exclude-source-info --output "$scratch/now"#format=binpb
cmp --quiet "$scratch/now" baseline.binpb || say "the protos say more than is promised: run protos/accept.sh"

if [ "$(git rev-parse --is-shallow-repository)" != false ]; then
    echo "what earlier commits promised is not known without their history: git fetch --unshallow" >&2
    exit 75
fi
earlier_baselines
hold_to_promises
n_earlier=$(($(find "$scratch" -name '*.binpb' | wc -l) - 1))
echo "protos: the rules are kept, baseline.binpb is current, and so is what $n_earlier commits promised"
