"""Ray Serve 2.60 declares its pydantic fields in a way that pydantic deprecated: imported once, with that silent."""

import warnings

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", message="Using extra keyword arguments on `Field`")
    import ray.serve  # noqa: F401
