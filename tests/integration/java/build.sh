#!/usr/bin/env bash
# Compiles ScoreClient.java with stubs from our proto into the folder $1. Debian brings all it needs:
#   xargs apt-get install --yes --no-install-recommends <packages.txt
# Run it with: java @"$1/arguments" HOST:PORT MODEL [CA-FILE TOKEN-FILE]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
out=$(realpath -m "$1")
jars=(
    grpc-api grpc-context grpc-core grpc-netty grpc-protobuf grpc-protobuf-lite grpc-stub perfmark-api perfmark-impl
    protobuf guava geronimo-annotation-1.3-spec netty-buffer netty-codec netty-codec-http netty-codec-http2
    netty-common netty-handler netty-resolver netty-tcnative netty-transport
)
classpath=$out$(printf ':/usr/share/java/%s.jar' "${jars[@]}")

mkdir -p "$out/sources"
protoc -I "$here/../../../protos" --plugin=protoc-gen-grpc-java="$(command -v grpc_java_plugin)" \
    --java_out="$out/sources" --grpc-java_out="$out/sources" automl_ad/rpc/v1/scoring.proto
find "$out/sources" -name '*.java' >"$out/sources.txt"
javac -nowarn -proc:none -J-XX:TieredStopAtLevel=1 -d "$out" -cp "$classpath" @"$out/sources.txt" "$here/ScoreClient.java"

# Debian's netty knows TLS with ALPN only through OpenSSL, and looks for that library under another name than Debian's.
mkdir -p "$out/native"
cp /usr/lib/*/jni/libnetty-tcnative.so "$out/native/libnetty_tcnative.so"
echo "-Djava.library.path=$out/native -cp $classpath ScoreClient" >"$out/arguments"
