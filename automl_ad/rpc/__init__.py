"""Scoring over gRPC: the way of a call, from the connection to the scorer and back.

host          grpc.aio server over everything below; Ray Serve's doors are in `serve/automl_ad_serve`
interceptor, edge, call, failures     where calls enter and leave, the same on every host
scoring_servicer, inference_servicer, backend     which model, decode, score, encode
engine, batching, gate           where and together with whom a request is scored
models/       what is served: fixed, or followed in a registry
wire/         requests into rows, scores into answers
security/     tokens, TLS, binding, limits of a connection
telemetry/    metrics, drift, traces, logs
client/       the other end: knows none of the above
options, service_options, config_file     what a service is told at start
errors, metadata     what both ends raise, and call by the same names
v1/, oip/     generated stubs
"""
