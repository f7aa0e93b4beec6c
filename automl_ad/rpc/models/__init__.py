"""What a service serves: loaded once from artifacts, or followed in a registry."""

from automl_ad.rpc.models.fixed_models import FixedModels as FixedModels
from automl_ad.rpc.models.fixed_models import Models as Models
from automl_ad.rpc.models.fixed_models import ServedModel as ServedModel
from automl_ad.rpc.models.fixed_models import the_name as the_name
