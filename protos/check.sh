#!/usr/bin/env bash
# Holds the protos to their style, and to every API that was ever accepted.
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
    local commit
    for commit in $(git log --diff-filter=AM --format=%h -- baseline.binpb 2>/dev/null); do
        git show "$commit:./baseline.binpb" >"$scratch/$commit.binpb"
    done
}

buf lint || say "the protos break the rules of protos/buf.yaml: see above"
cp baseline.binpb "$scratch/baseline.binpb"
earlier_baselines
for promised in "$scratch"/*.binpb; do
    buf breaking --against "$promised" ||
        say "clients of the API in $(basename "$promised" .binpb) would break: add fields, or a package v2"
done
n_earlier=$(($(find "$scratch" -name '*.binpb' | wc -l) - 1))

buf build --exclude-source-info --output "$scratch/now.binpb"
cmp --quiet "$scratch/now.binpb" baseline.binpb || say "the protos say more than is promised: run protos/accept.sh"
echo "protos: the rules are kept, baseline.binpb is current, and so is what $n_earlier commits promised"
