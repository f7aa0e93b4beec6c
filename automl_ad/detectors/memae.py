"""MemAE: the decoder sees a mixture of memory rows instead of the code, so only the typical is reproduced.

Gong et al. 2019, "Memorizing Normality to Detect Anomaly"; METHODS M16.
Shapes: S members, N rows, B rows of a block, D features, Z latent size, M memory rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import cast, get_args

import torch
from torch import Tensor, nn

from automl_ad.detectors.base import ScoreType
from automl_ad.detectors.codes import Codes
from automl_ad.detectors.deep import BLOCK_ROWS
from automl_ad.detectors.deep_settings import Published
from automl_ad.detectors.params import read_choice, read_float, read_int
from automl_ad.detectors.phases import Batch
from automl_ad.detectors.plain_autoencoding import PlainAutoencoding
from automl_ad.nn.memory import Addressing, MemberMemory, entropy
from automl_ad.results import Value

RESEED_EVERY = 5
"""Epochs between two looks for dead memory rows (METHODS M16: every few)."""


class RecalledCodes(Codes):
    """A block of rows whose decoder is given what the memory answers to the code."""

    def __init__(self, encoder: nn.Module, memory: MemberMemory, decoder: nn.Module, x_BD: Tensor) -> None:
        super().__init__(encoder, decoder, x_BD)
        self._memory = memory

    @cached_property
    def weights_SBM(self) -> Tensor:
        """How much of each memory row answers."""
        return self._memory.weights(self.z_SBZ)

    @cached_property
    def restored_SBD(self) -> Tensor:
        """The reconstructions."""
        restored_SBD: Tensor = self._decoder(self._memory.read(self.weights_SBM))
        return restored_SBD


class Memae(PlainAutoencoding):
    """An autoencoder with a memory between encoder and decoder, addressed sparsely."""

    name = "memae"
    score_types = (
        *PlainAutoencoding.score_types,
        ScoreType(name="rec_plus_entropy", meaning="the loss of the row: rec_mse + alpha * entropy"),
    )
    # The paper's network for tables: tanh, no normalization.
    published = Published(n_epochs=100, batch_size=128, learning_rate=1e-4, activation="tanh")
    entropy_weight: Tensor

    def __init__(self, params: Mapping[str, Value], n_features: int, n_members: int, seed: int) -> None:
        super().__init__(params, n_features, n_members, seed)
        self.alpha = read_float(params, "alpha", 2e-4)
        self.memory = self._make_memory(params)
        self.register_buffer("entropy_weight", torch.full((n_members,), self.alpha))

    def _make_memory(self, params: Mapping[str, Value]) -> MemberMemory:
        n_memory = read_int(params, "n_memory", 50, low=2)
        return MemberMemory(
            n_memory,
            self.network.sizes[-1],
            n_members=self.n_members,
            generator=torch.Generator().manual_seed(self.seed + 1),
            # NOTE[DIFF] cosine as in the paper; the authors' code takes the dot product.
            addressing=cast(Addressing, read_choice(params, "addressing", get_args(Addressing))),
            temperature=read_float(params, "temperature", 1.0),
            threshold=read_float(params, "shrink", 1.0) / n_memory,
        )

    def codes(self, x_BD: Tensor) -> RecalledCodes:
        """The rows as this detector's networks see them."""
        return RecalledCodes(self.encoder, self.memory, self.decoder, x_BD)

    def network_parameters(self) -> list[nn.Parameter]:
        """Encoder, decoder and memory."""
        return [*super().network_parameters(), *self.memory.parameters()]

    def start(self, x_ND: Tensor) -> None:
        """Set the weight of the entropy."""
        super().start(x_ND)
        # NOTE[DIFF] alpha times the error before training: entropy has no unit, the error has that of x^2.
        self.entropy_weight.copy_(self.alpha * self.mean_error(x_ND))

    def batch_loss(self, batch: Batch) -> Tensor:
        """[S], mean of what rows are scored by with the entropy."""
        return self._rec_plus_entropy(self.codes(batch.x_BD)).mean(1)

    def _rec_plus_entropy(self, codes: Codes) -> Tensor:
        assert isinstance(codes, RecalledCodes)
        return codes.mean_square_SB + self.entropy_weight.unsqueeze(1) * entropy(codes.weights_SBM)

    def readings(self) -> Mapping[str, Callable[[Codes], Tensor]]:
        """Score type -> how to read it, [S, B]."""
        return {**super().readings(), "rec_plus_entropy": self._rec_plus_entropy}

    def after_epoch(self, x_ND: Tensor, n_done: int) -> None:
        """Revive dead memory rows now and then."""
        # Only in the first half: a row that is set last may be the code of an anomaly, and stays so.
        if n_done % RESEED_EVERY == 0 and 2 * n_done <= self.optimization.n_epochs:
            self._reseed_dead_rows(x_ND, seed=self.seed + n_done)

    def _reseed_dead_rows(self, x_ND: Tensor, seed: int) -> None:
        """Set every memory row that answers to nobody to the code of a random row of the data."""
        generator = torch.Generator().manual_seed(seed)
        n_memory = self.memory.rows.shape[1]
        chosen_M = torch.randint(len(x_ND), (n_memory,), generator=generator).to(x_ND.device)
        is_dead_SM1 = ~self._is_used(x_ND).unsqueeze(-1)
        self.memory.rows.copy_(torch.where(is_dead_SM1, self.codes(x_ND[chosen_M]).z_SBZ, self.memory.rows))

    def _is_used(self, x_ND: Tensor) -> Tensor:
        """[S, M] bool, the memory rows with a weight in the answer to any row of the data."""
        blocks = torch.split(x_ND, BLOCK_ROWS)
        return torch.stack([(self.codes(x_BD).weights_SBM > 0).any(1) for x_BD in blocks]).any(0)
