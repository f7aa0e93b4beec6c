"""Ray Serve 2.60 declares pydantic fields in a deprecated way: imported once, with that warning off."""

import warnings

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", message="Using extra keyword arguments on `Field`")
    import ray.serve  # noqa: F401
