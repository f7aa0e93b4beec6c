"""RDAE: rows are split into X = L + S, of which an autoencoder learns L and a sparse S takes what is gross.

Zhou & Paffenroth 2017, "Anomaly Detection with Robust Deep Autoencoders"; METHODS M14. In the code the
paper's matrix S is `sparse_part` and L = X - S is `cleaned`, for S counts members here.
Shapes: S members, N rows, B rows of a block, D features.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from automl_ad.detectors.codes import Codes
from automl_ad.detectors.deep import BLOCK_ROWS
from automl_ad.detectors.deep_settings import Published
from automl_ad.detectors.params import read_choice, read_float, read_int
from automl_ad.detectors.phases import Batch, Phase
from automl_ad.detectors.plain_autoencoding import PlainAutoencoding
from automl_ad.errors import TrialFailed
from automl_ad.nn.proximal import prox_l1, prox_l21, tail_threshold
from automl_ad.results import Value

MAX_SPARSE_BYTES = 10**9
"""What the sparse part of all members may take."""


class Rdae(PlainAutoencoding):
    """Rounds of `inner` epochs on the cleaned rows, each followed by a new sparse part."""

    # NOTE[DIFF] every row is scored with S = 0, as new data are (METHODS 4.1): the published detection
    # S_i != 0 exists for training rows only, and the residual of L is tau for all of those.
    name = "rdae"
    # NOTE[DIFF] tanh, a sigmoid up to scale, for the published sigmoid; untied weights, linear output.
    latent_activation = "tanh"
    # NOTE[DIFF] the published 20 rounds, but of 5 epochs, not 50: our networks go on from round to
    # round where the published ones begin anew. Batches of 128 where the code has 133.
    published = Published(n_epochs=100, batch_size=128, learning_rate=1e-3, activation="tanh")
    sparse_part: Tensor

    def __init__(self, params: Mapping[str, Value], n_features: int, n_members: int, seed: int) -> None:
        super().__init__(params, n_features, n_members, seed)
        # The autoencoder sees nothing of the data once S has it all: never more than half (METHODS M14).
        self.outlier_share = read_float(params, "outlier_share", 0.05, up_to=0.5)
        self.is_by_row = read_choice(params, "sparsity", ("l21", "l1")) == "l21"
        # Five rounds at least, or S would never be taken.
        self.inner = min(read_int(params, "inner", 5), max(1, self.optimization.n_epochs // 5))
        self.register_buffer("sparse_part", torch.zeros(n_members, 0, n_features), persistent=False)

    def phases(self, n_rows: int) -> Sequence[Phase]:
        """One phase of many rounds. Raises TrialFailed when the sparse part does not fit into memory."""
        size_bytes = 4 * self.n_members * n_rows * self.n_features
        if size_bytes > MAX_SPARSE_BYTES:
            raise TrialFailed(
                f"members x rows x features of rdae must take at most {MAX_SPARSE_BYTES:,} bytes, "
                f"got {size_bytes:,}"
            )
        return super().phases(n_rows)

    def start(self, x_ND: Tensor) -> None:
        """Begin with nothing in the sparse part."""
        super().start(x_ND)
        self.sparse_part = x_ND.new_zeros(self.n_members, *x_ND.shape)

    def batch_loss(self, batch: Batch) -> Tensor:
        """[S], step (a): the autoencoder on L."""
        cleaned_SBD = batch.x_BD - self.sparse_part[:, batch.row_ids]
        return self._codes_of_cleaned(cleaned_SBD).mean_square_SB.mean(1)

    def _codes_of_cleaned(self, cleaned_SBD: Tensor) -> Codes:
        return Codes(self.encoder, self.decoder, cleaned_SBD)

    def after_epoch(self, x_ND: Tensor, n_done: int) -> None:
        """End a round."""
        if n_done % self.inner == 0:
            self._separate(x_ND)

    def _separate(self, x_ND: Tensor) -> None:
        """Step (b), S = prox(X - rec(L)), in place and block by block."""
        x_blocks = torch.split(x_ND, BLOCK_ROWS)
        sparse_blocks = torch.split(self.sparse_part, BLOCK_ROWS, dim=1)
        for x_BD, sparse_SBD in zip(x_blocks, sparse_blocks, strict=True):
            sparse_SBD.copy_(x_BD - self._codes_of_cleaned(x_BD - sparse_SBD).restored_SBD)
        tau_S = torch.stack([self._threshold(residual_ND) for residual_ND in self.sparse_part])
        prox = prox_l21 if self.is_by_row else prox_l1
        for sparse_SBD in sparse_blocks:
            sparse_SBD.copy_(prox(sparse_SBD, tau_S))

    def _threshold(self, residual_ND: Tensor) -> Tensor:
        """Tau of one member: `outlier_share` of the rows, or of the entries, are larger."""
        # NOTE[DIFF] a quantile for the published constant: it follows the residuals and fits any data.
        if self.is_by_row:
            return tail_threshold(torch.linalg.vector_norm(residual_ND, dim=1), self.outlier_share)
        return tail_threshold(residual_ND.abs().flatten(), self.outlier_share)
