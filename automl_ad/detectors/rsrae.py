"""RSRAE and RSRAE+: an autoencoder whose code layer projects onto a robustly recovered subspace.

Lai et al. 2020, "Robust Subspace Recovery Layer for Unsupervised Anomaly Detection"; METHODS M17.
Shapes: S members, N rows, B rows of a block, D features, C backbone output, Z subspace dimension.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from automl_ad.detectors.autoencoding import Autoencoding
from automl_ad.detectors.base import ScoreType
from automl_ad.detectors.codes import Codes
from automl_ad.detectors.deep import BLOCK_ROWS
from automl_ad.detectors.deep_settings import NetworkSettings, Published
from automl_ad.detectors.params import read_choice, read_float
from automl_ad.detectors.phases import Batch, OptimizerSpec, Phase, Step
from automl_ad.nn import Moments, default_latent_size
from automl_ad.nn.similarity import direction_distance, short_length
from automl_ad.nn.subspace import SubspaceEncoder, distance_to_subspace, orthogonality_loss
from automl_ad.results import Value

PUBLISHED_SIZE = 10


class Rsrae(Autoencoding):
    """Reconstruction from a subspace that a few outliers do not pull; scored by the angle to the row."""

    name = "rsrae"
    score_types = (
        ScoreType(name="cosine_distance", meaning="1 - cosine of row and reconstruction"),
        ScoreType(name="rec_norm", meaning="length of the residual: the reconstruction loss of the row"),
    )
    published = Published(n_epochs=200, batch_size=128, learning_rate=2.5e-4, activation="tanh", norm="batch")
    encoder: SubspaceEncoder
    norm_floor: Tensor
    loss_scales: Tensor

    def __init__(self, params: Mapping[str, Value], n_features: int, n_members: int, seed: int) -> None:
        # NOTE[DIFF] a subspace of 10 as published, but smaller where that would be no bottleneck.
        with_default = {"latent_size": min(PUBLISHED_SIZE, default_latent_size(n_features)), **params}
        *_, n_backbone, wanted = NetworkSettings.read(with_default, n_features, self.published).sizes
        # At most half of what the backbone puts out: A cannot have more orthonormal columns than rows, and a
        # square one leaves nothing outside of the subspace.
        subspace_size = min(wanted, max(1, n_backbone // 2))
        super().__init__({**params, "latent_size": subspace_size}, n_features, n_members, seed)
        self.mode = read_choice(params, "mode", ("alternate", "sum"))
        self.subspace_lr_factor = read_float(params, "subspace_lr_factor", 10.0)
        self.projection_weight = read_float(params, "projection_weight", 0.1)
        self.orthogonality_weight = read_float(params, "orthogonality_weight", 0.1)
        self.register_buffer("norm_floor", torch.ones(n_members))
        self.register_buffer("loss_scales", torch.ones(n_members, 2), persistent=False)

    def make_networks(self, n_members: int, generator: torch.Generator) -> tuple[nn.Module, nn.Module]:
        """The subspace layer stands where other autoencoders have a dense code layer."""
        sizes = self.network.sizes
        backbone = self.make_stack(sizes[:-1], n_members, generator, output=self.network.activation)
        bound = sizes[-2] ** -0.5
        basis_SCZ = torch.empty(n_members, *sizes[-2:]).uniform_(-bound, bound, generator=generator)
        is_normalised = read_choice(self.params, "normalise_z", ("yes", "no")) == "yes"
        encoder = SubspaceEncoder(backbone, basis_SCZ, is_normalised=is_normalised)
        return encoder, self.make_stack(sizes[::-1], n_members, generator)

    def start(self, x_ND: Tensor) -> None:
        """Measure what is a short row, and the untrained losses: the units of their sum."""
        super().start(x_ND)
        self.norm_floor.fill_(short_length(x_ND))
        terms = Moments()
        for x_BD in torch.split(x_ND, BLOCK_ROWS):
            terms.add(self._row_terms(x_BD))
        self.loss_scales.copy_(terms.mean_SF.clamp(min=1e-12))

    def phases(self, n_rows: int) -> Sequence[Phase]:
        """One phase; RSRAE takes a step for each loss, RSRAE+ one for their sum."""
        del n_rows
        return [
            Phase(
                name="recovery",
                n_epochs=self.optimization.n_epochs,
                steps=self._alternating_steps() if self.mode == "alternate" else [self._sum_step()],
                batch_size=self.optimization.batch_size,
                drop_last=self.network.norm == "batch",
            )
        ]

    def _alternating_steps(self) -> list[Step]:
        """Three optimizers, each over all parameters, in the order of the authors' code."""
        subspace_adam = OptimizerSpec(lr=self.subspace_lr_factor * self.optimization.learning_rate)
        plan = (
            ("reconstruction", self._reconstruction_loss, self.adam()),
            ("orthogonality", self._orthogonality_loss, subspace_adam),
            ("projection", self._projection_loss, subspace_adam),
        )
        everything = self.network_parameters()
        return [
            Step(name=name, loss=loss, parameters=everything, optimizer=optimizer)
            for name, loss, optimizer in plan
        ]

    def _sum_step(self) -> Step:
        return Step(
            name="sum", loss=self._sum_loss, parameters=self.network_parameters(), optimizer=self.adam()
        )

    def _reconstruction_loss(self, batch: Batch) -> Tensor:
        return _residual_length(self.codes(batch.x_BD)).mean(1)

    def _orthogonality_loss(self, batch: Batch) -> Tensor:
        del batch
        return orthogonality_loss(self.encoder.basis)

    def _projection_loss(self, batch: Batch) -> Tensor:
        return distance_to_subspace(self.encoder.backbone(batch.x_BD), self.encoder.basis).mean(1)

    def _sum_loss(self, batch: Batch) -> Tensor:
        """RSRAE+."""
        # NOTE[DIFF] both terms relative to their untrained values: the paper's rows have length 1 and its
        # codes 128 coordinates, for which the published weights are.
        reconstruction_S, projection_S = (self._row_terms(batch.x_BD).mean(1) / self.loss_scales).unbind(1)
        return (
            reconstruction_S
            + self.projection_weight * projection_S
            + self.orthogonality_weight * orthogonality_loss(self.encoder.basis)
        )

    def _row_terms(self, x_BD: Tensor) -> Tensor:
        """[S, B, 2], length of the residual and distance of the backbone's output to the subspace."""
        y_SBC = self.encoder.backbone(x_BD)
        residual_SBD = self.decoder(self.encoder.project(y_SBC)) - x_BD
        distance_SB = distance_to_subspace(y_SBC, self.encoder.basis)
        return torch.stack([torch.linalg.vector_norm(residual_SBD, dim=-1), distance_SB], dim=-1)

    def readings(self) -> Mapping[str, Callable[[Codes], Tensor]]:
        """Score type -> how to read it, [S, B]."""
        return {"cosine_distance": self._cosine_distance, "rec_norm": _residual_length}

    def _cosine_distance(self, codes: Codes) -> Tensor:
        # NOTE[DIFF] the official code scales every row to length 1 first; here a row shorter than a tenth of
        # the median is not: it has no direction to miss. In float64: well reconstructed rows differ by
        # less than float32 resolves.
        return direction_distance(codes.x_BD.double(), codes.restored_SBD.double(), self.norm_floor.double())


def _residual_length(codes: Codes) -> Tensor:
    length_SB: Tensor = torch.linalg.vector_norm(codes.residual_SBD, dim=-1)
    return length_SB
