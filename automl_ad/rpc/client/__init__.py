"""The service's clients, for threads and for asyncio: rows in, anomaly scores out.

They import neither torch nor the Open Inference stubs, so that a process with tritonclient may use them.
"""

from automl_ad.rpc.client.async_client import AsyncScoringClient as AsyncScoringClient
from automl_ad.rpc.client.model_info import ModelDetails as ModelDetails
from automl_ad.rpc.client.model_info import ModelInfo as ModelInfo
from automl_ad.rpc.client.scoring_client import ScoringClient as ScoringClient
