"""Mixer autoencoder: what error is usual depends on the kind of row, which a classifier tells from the code.

Rotondi & Lavalle 2023, "Unsupervised anomaly detection in industrial image data with autoencoders", section
3.4; METHODS M07. Shapes: S members, N rows, B rows of a block, Z latent size, K groups.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from automl_ad.detectors.autoencoding import Autoencoding
from automl_ad.detectors.base import ScoreType
from automl_ad.detectors.codes import Codes
from automl_ad.detectors.deep import BLOCK_ROWS
from automl_ad.detectors.deep_settings import Published
from automl_ad.detectors.params import read_float, read_int
from automl_ad.detectors.phases import Batch, Phase, Step
from automl_ad.nn.classifier import MemberClassifier
from automl_ad.nn.clusters import kmeans_clusters
from automl_ad.nn.group_moments import GroupMoments
from automl_ad.results import Arrays, Value

DROPOUT = 0.2
"""Of the classifier, as published."""
FEWEST_ROWS = 10
"""A standard deviation of fewer rows is off by a quarter and more."""
FEWEST_SHARE = 0.5
"""Of an even share, for clusters: a smaller one may hold the anomalies, and would call them usual."""
MARGIN_FLOOR = 0.1
"""Times the group's mean error: with beta < 0 a long tail would put the threshold at or below zero."""


class Mixer(Autoencoding):
    """An autoencoder, a classifier of the group on its code, and the usual error of every group.

    Groups are those of the rows (`groups_N`), or else k-means clusters of each member's codes.
    """

    # NOTE[DIFF] no corruption and no contraction, which the paper adds to its best model: they are detectors
    # of their own here.
    name = "mixer"
    score_types = (
        ScoreType(name="group_z", meaning="(rec_mse - m_c) / s_c of the group c that the classifier tells"),
        ScoreType(
            name="group_margin", meaning="rec_mse over the threshold T_c (eq. 6); Algorithm 1 flags above 1"
        ),
        ScoreType(name="rec_mse", meaning="squared reconstruction error, mean over features"),
    )
    # NOTE[DIFF] leaky ReLU of slope 0.01 where the paper has 0.2, dense layers for convolutions.
    # NOTE[DIFF] a fixed number of epochs at one learning rate: the paper stops, and lowers the rate,
    # by the F1 score of labelled rows.
    published = Published(n_epochs=100, batch_size=128, learning_rate=1e-3, weight_decay=1e-6, norm="batch")
    groups_SN: Tensor
    error_scale: Tensor
    group_mean: Tensor
    group_std: Tensor
    group_threshold: Tensor

    def __init__(self, params: Mapping[str, Value], n_features: int, n_members: int, seed: int) -> None:
        super().__init__(params, n_features, n_members, seed)
        self.n_groups = read_int(params, "n_groups", 5)
        self.ce_weight = read_float(params, "ce_weight", 3.0)
        self.alpha = read_float(params, "alpha", 0.65, up_to=1.0)
        self.beta = read_float(params, "beta", 0.3, above=-10.0)
        self.warmup_share = read_float(params, "warmup_share", 0.2, up_to=0.9)
        *_, n_hidden, latent_size = self.network.sizes
        self.classifier = MemberClassifier(
            latent_size,
            n_hidden,
            self.n_groups,
            n_members=n_members,
            generator=torch.Generator().manual_seed(seed + 1),
        )
        for name in ("group_mean", "group_std", "group_threshold"):
            self.register_buffer(name, torch.ones(n_members, self.n_groups))
        self.register_buffer("error_scale", torch.ones(n_members), persistent=False)
        groups_SN = torch.zeros(n_members, 0, dtype=torch.int64)
        self.register_buffer("groups_SN", groups_SN, persistent=False)

    def phases(self, n_rows: int) -> Sequence[Phase]:
        """Both losses; before them, where groups are not known, reconstruction alone to find clusters in."""
        del n_rows
        total = self.optimization.n_epochs
        n_warmup = 0
        if self.groups_N is None:
            n_warmup = min(max(1, round(self.warmup_share * total)), total - 1)
        joint = Phase(
            name="joint",
            n_epochs=total - n_warmup,
            steps=[self._step(self._joint_loss, [*self.network_parameters(), *self.classifier.parameters()])],
            batch_size=self.optimization.batch_size,
            drop_last=self.network.norm == "batch",
            before=self._begin,
            after_epoch=self._update_thresholds,
        )
        warmup = replace(
            joint,
            name="warm-up",
            n_epochs=n_warmup,
            steps=[self._step(self._reconstruction_loss, self.network_parameters())],
            is_preparation=True,
            before=None,
            after_epoch=None,
        )
        return [warmup, joint] if n_warmup else [joint]

    def _step(self, loss: Callable[[Batch], Tensor], parameters: Sequence[nn.Parameter]) -> Step:
        return Step(name="weights", loss=loss, parameters=parameters, optimizer=self.adam(eps=1e-6))

    def start(self, x_ND: Tensor) -> None:
        """Take the groups that are known, and the scale of the error."""
        super().start(x_ND)
        groups_N = self.groups_N
        if groups_N is None:
            self._resize(read_int(self.params, "n_groups", 5))
            groups_N = torch.zeros(len(x_ND), dtype=torch.int64, device=x_ND.device)  # until `_begin`
        else:
            self._resize(int(groups_N.max()) + 1)
        self.groups_SN = groups_N.repeat(self.n_members, 1)
        self.error_scale.copy_(self.mean_error(x_ND))

    def _begin(self, x_ND: Tensor) -> None:
        self.note_latent_variance(x_ND)
        if self.groups_N is None:
            z_SNZ = torch.cat([codes.z_SBZ for codes in self.blocks(x_ND)], dim=1)
            self.groups_SN = kmeans_clusters(z_SNZ, self.n_groups, seed=self.seed)

    def _reconstruction_loss(self, batch: Batch) -> Tensor:
        return self.codes(batch.x_BD).mean_square_SB.mean(1)

    def _joint_loss(self, batch: Batch) -> Tensor:
        codes = self.codes(batch.x_BD)
        # NOTE[DIFF] no ReLU on the logits: the authors' code has one, which silences every group below zero.
        logits_SBK = self.classifier(codes.z_SBZ, dropout=DROPOUT, generator=batch.generator)
        groups_SB = self.groups_SN[:, batch.row_ids]
        entropy_SB = F.cross_entropy(logits_SBK.transpose(1, 2), groups_SB, reduction="none")
        # NOTE[DIFF] the published weight holds for an error that begins at 1, as in standardised rows; so one
        # range of weights fits all scales.
        return codes.mean_square_SB.mean(1) + self.ce_weight * self.error_scale * entropy_SB.mean(1)

    def _update_thresholds(self, x_ND: Tensor, n_done: int) -> None:
        """T_c <- (1 - alpha) T_c + alpha (m_c + beta s_c), eq. 6 for every group."""
        mean_SK, std_SK = self._group_moments(x_ND)
        target_SK = mean_SK + self.beta * std_SK
        # NOTE[DIFF] the first epoch sets the threshold: the authors' code starts at 0.5, whatever the errors.
        self.group_threshold.lerp_(target_SK, self.alpha if n_done > 1 else 1.0)

    def _group_moments(self, x_ND: Tensor) -> tuple[Tensor, Tensor]:
        """m_c and s_c, each [S, K], of the rows that belong to a group."""
        # NOTE[DIFF] one pass in eval mode over all rows, as they are scored later; the paper averages
        # those of training batches, NaN where a batch has one row of a group.
        moments = GroupMoments(self.n_groups)
        groups = torch.split(self.groups_SN, BLOCK_ROWS, dim=1)
        for codes, groups_SB in zip(self.blocks(x_ND), groups, strict=True):
            moments.add(codes.mean_square_SB, groups_SB)
        even_share = len(x_ND) / self.n_groups if self.groups_N is None else 0
        return moments.mean_and_std(least_rows=max(FEWEST_ROWS, FEWEST_SHARE * even_share))

    def finalize(self, x_ND: Tensor) -> None:
        """Take the moments of the error of every group as the weights now give it."""
        super().finalize(x_ND)
        mean_SK, std_SK = self._group_moments(x_ND)
        self.group_mean.copy_(mean_SK)
        self.group_std.copy_(std_SK)

    def readings(self) -> Mapping[str, Callable[[Codes], Tensor]]:
        """Score type -> how to read it, [S, B]."""
        return {
            "group_z": self._group_z,
            "group_margin": self._group_margin,
            "rec_mse": lambda codes: codes.mean_square_SB,
        }

    def _group_z(self, codes: Codes) -> Tensor:
        groups_SB = self.told_groups(codes)
        mean_SB = self.group_mean.gather(1, groups_SB)
        return (codes.mean_square_SB - mean_SB) / self.group_std.gather(1, groups_SB)

    def _group_margin(self, codes: Codes) -> Tensor:
        threshold_SK = torch.maximum(self.group_threshold, MARGIN_FLOOR * self.group_mean)
        return codes.mean_square_SB / threshold_SK.gather(1, self.told_groups(codes))

    def told_groups(self, codes: Codes) -> Tensor:
        """[S, B], the most likely group by the classifier: scoring does not ask for the true one."""
        groups_SB: Tensor = self.classifier(codes.z_SBZ).argmax(-1)
        return groups_SB

    def adopt_sizes(self, arrays: Arrays) -> None:
        """As many groups as the arrays have."""
        means = arrays.get("group_mean")
        if means is not None and means.ndim == 2 and means.shape[1] > 0:
            self._resize(means.shape[1])

    def _resize(self, n_groups: int) -> None:
        if n_groups == self.n_groups:
            return
        self.n_groups = n_groups
        self.classifier.set_n_groups(n_groups, torch.Generator().manual_seed(self.seed + 1))
        for buffer in (self.group_mean, self.group_std, self.group_threshold):
            buffer.data = buffer.new_ones(self.n_members, n_groups)
