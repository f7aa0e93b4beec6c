"""Scoring over gRPC: two services over `artifact.Scorer`, the host that runs them, and a client.

The host's modules import the Open Inference stubs; `client` does not, so that a process which has
tritonclient may use it.
"""
