"""k-means clusters of codes, each member's by itself.

Shapes: S members, N rows, Z latent size.
"""

from __future__ import annotations

import numpy as np
import torch
from sklearn.cluster import KMeans
from torch import Tensor

N_STARTS = 3


def kmeans_clusters(z_SNZ: Tensor, n_clusters: int, *, seed: int) -> Tensor:
    """[S, N] int64, the cluster of every row; the same for the same codes, whatever the other members'.

    Fewer clusters where codes coincide; all 0 for a member whose codes are not finite.

    >>> kmeans_clusters(torch.tensor([[[0.0], [9.0], [0.1]], [[5.0], [5.0], [5.0]]]), 2, seed=0)
    tensor([[1, 0, 1],
            [0, 0, 0]])
    """
    clusters = torch.stack([_clusters_of(z_NZ, n_clusters, seed) for z_NZ in z_SNZ.cpu().double()])
    return clusters.to(z_SNZ.device)


def _clusters_of(z_NZ: Tensor, n_clusters: int, seed: int) -> Tensor:
    if not bool(z_NZ.isfinite().all()):
        return torch.zeros(len(z_NZ), dtype=torch.int64)
    # k-means warns about clusters it cannot tell apart.
    n_distinct = len(np.unique(z_NZ.numpy().round(6), axis=0))
    k_means = KMeans(min(n_clusters, n_distinct), n_init=N_STARTS, random_state=seed)
    return torch.tensor(k_means.fit_predict(z_NZ.numpy()), dtype=torch.int64)
