"""Networks whose layers carry a leading member axis: S trainings of one configuration in one computation."""

from automl_ad.nn.linear import MemberLinear
from automl_ad.nn.mlp import Activation, Norm, default_latent_size, hidden_sizes, mlp
from automl_ad.nn.moments import Moments
from automl_ad.nn.normalization import MemberBatchNorm, MemberLayerNorm
from automl_ad.nn.shares import rows_of_share

__all__ = [
    "Activation",
    "MemberBatchNorm",
    "MemberLayerNorm",
    "MemberLinear",
    "Moments",
    "Norm",
    "default_latent_size",
    "hidden_sizes",
    "mlp",
    "rows_of_share",
]
