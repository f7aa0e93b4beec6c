"""OCGAN: a denoising autoencoder of which every code of a bounded box must decode to a normal row.

Perera, Nallapati & Xiang 2019, "OCGAN: One-Class Novelty Detection Using GANs with Constrained Latent
Representations"; METHODS M19. Dense networks here.
Shapes: S members, N rows, B rows of a batch, D features, Z latent size.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from automl_ad.detectors.autoencoding import Autoencoding
from automl_ad.detectors.base import ScoreType
from automl_ad.detectors.codes import Codes
from automl_ad.detectors.deep_settings import Published
from automl_ad.detectors.params import read_choice, read_float
from automl_ad.detectors.phases import Batch, Phase, Step
from automl_ad.nn import mlp
from automl_ad.nn.adversarial import draw_prior, judged_fake, judged_real, moments_at_rest
from automl_ad.results import Value

LATENT_WEIGHT = 10.0
"""Of the latent discriminator; the visual one has 1, as in the authors' code."""
REAL_LABEL = 0.9
"""One-sided label smoothing (METHODS M19)."""
# NOTE[DIFF] no halving of a winning discriminator's rate (loss below 0.1): with these labels and the factor
# 1/2 the loss cannot fall below 0.16.
MINING_RATE = 2.0
N_EPOCHS, N_EPOCHS_BEFORE_MINING = 201, 150
"""As published; the share before negatives are mined holds for any number of epochs."""


class Ocgan(Autoencoding):
    """Codes fill the box (-1, 1)^Z, and the whole box decodes to normal rows: others are restored badly."""

    name = "ocgan"
    score_types = (
        ScoreType(
            name="rec_mse", meaning="squared reconstruction error of the clean row, mean over features"
        ),
    )
    max_members_on_cpu = 1
    # NOTE[DIFF] the paper's; the authors' code leaves tanh off by default, though its draws are in (-1, 1).
    latent_activation = "tanh"
    # NOTE[DIFF] a little weight decay where the authors' code has none: the bound of the search.
    published = Published(n_epochs=N_EPOCHS, batch_size=512, learning_rate=2e-4)
    error_start: Tensor

    def __init__(self, params: Mapping[str, Value], n_features: int, n_members: int, seed: int) -> None:
        super().__init__(params, n_features, n_members, seed)
        self.reconstruction_weight = read_float(params, "reconstruction_weight", 500.0)
        self.noise = read_float(params, "noise", 0.2)
        self.is_mining = read_choice(params, "mining", ("on", "off")) == "on"
        generator = torch.Generator().manual_seed(seed + 1)
        hidden = self.network.sizes[1:-1]
        self.latent_discriminator = self._make_judge(self.network.sizes[-1], hidden[::-1], generator)
        self.visual_discriminator = self._make_judge(n_features, hidden, generator)
        self.classifier = self._make_judge(n_features, hidden, generator)
        self.register_buffer("error_start", torch.ones(n_members), persistent=False)

    def _make_judge(self, n_in: int, hidden: Sequence[int], generator: torch.Generator) -> nn.Module:
        """A network of one logit, > 0 for real. Without a norm: every row is judged by itself."""
        # NOTE[DIFF] torch's initial weights for all networks: N(0, 0.02) is made for batch-normalized
        # convolutions and starves a small dense network.
        sizes = [n_in, *hidden, 1]
        return mlp(sizes, n_members=self.n_members, generator=generator, activation=self.network.activation)

    def kept_tensors(self) -> dict[str, Tensor]:
        """Encoder and decoder: the others only train them."""
        kept = super().kept_tensors()
        return {name: tensor for name, tensor in kept.items() if name.startswith(("encoder.", "decoder."))}

    def start(self, x_ND: Tensor) -> None:
        """Take the error of the untrained network, the unit of the reconstruction loss."""
        super().start(x_ND)
        self.error_start.copy_(self.mean_error(x_ND).clamp(min=torch.finfo(torch.float32).tiny))

    def phases(self, n_rows: int) -> Sequence[Phase]:
        """One phase of two steps: the autoencoder, then its three opponents."""
        # NOTE[DIFF] the opponents move after the autoencoder, not before: only the first batch can tell, and
        # the curve that is reported is then the autoencoder's.
        del n_rows
        judges = (self.latent_discriminator, self.visual_discriminator, self.classifier)
        autoencoder = self._step("autoencoder", self._autoencoder_loss, self.network_parameters())
        # The three share no weights, so one step is three steps of Adam.
        opponents = self._step(
            "judges", self._judges_loss, [p for judge in judges for p in judge.parameters()]
        )
        return [
            Phase(
                name="adversarial",
                n_epochs=self.optimization.n_epochs,
                steps=[autoencoder, opponents],
                batch_size=self.optimization.batch_size,
                drop_last=self.network.norm == "batch",
            )
        ]

    def _step(self, name: str, loss: Callable[[Batch], Tensor], parameters: Sequence[nn.Parameter]) -> Step:
        return Step(name=name, loss=loss, parameters=parameters, optimizer=self.adam(betas=(0.5, 0.999)))

    def _autoencoder_loss(self, batch: Batch) -> Tensor:
        """[S], error + (10 * latent + visual) / lambda.

        Published as 10 * latent + visual + lambda * error; divided by lambda it is the same to Adam, and
        clipped gradients stay rare. The error is in units of its start, so that one lambda fits all data.
        """
        codes = self._noisy_codes(batch)
        error_S = (codes.restored_SBD - batch.x_BD).square().mean((1, 2)) / self.error_start
        latent_S = judged_real(self.latent_discriminator(codes.z_SBZ))
        u_SBZ = self._draw(batch)
        if self.is_mining and batch.epoch * N_EPOCHS >= N_EPOCHS_BEFORE_MINING * self.optimization.n_epochs:
            u_SBZ = self.mine(u_SBZ)
        visual_S = judged_real(self.visual_discriminator(self._generate(u_SBZ)))
        return error_S + (LATENT_WEIGHT * latent_S + visual_S) / self.reconstruction_weight

    def _judges_loss(self, batch: Batch) -> Tensor:
        """[S], cross-entropy of every judge, half for its real rows and half for its fake ones."""
        u_SBZ = self._draw(batch)
        with torch.no_grad():
            generated_SBD = self._generate(u_SBZ)
            with moments_at_rest(self.encoder, self.decoder):
                codes = self._noisy_codes(batch)
                z_SBZ, restored_SBD = codes.z_SBZ, codes.restored_SBD
        latent_S = _discrimination(self.latent_discriminator, real=u_SBZ, fake=z_SBZ)
        visual_S = _discrimination(self.visual_discriminator, real=batch.x_BD, fake=generated_SBD)
        classifier_S = _discrimination(self.classifier, real=restored_SBD, fake=generated_SBD)
        return latent_S + visual_S + classifier_S

    def mine(self, u_SBZ: Tensor) -> Tensor:
        """[S, B, Z], the draws moved to where the classifier sees fakes: informative negatives.

        Every row takes its own step down its own loss, and tanh brings it back into the box.
        """
        with torch.enable_grad():
            u_SBZ = u_SBZ.detach().requires_grad_()
            n_rows = u_SBZ.shape[1]
            fake_S = judged_fake(self.classifier(self._generate(u_SBZ)))
            (slope_SBZ,) = torch.autograd.grad(n_rows * fake_S.sum(), u_SBZ)
        return torch.tanh(u_SBZ.detach() - MINING_RATE * slope_SBZ)

    def _noisy_codes(self, batch: Batch) -> Codes:
        # NOTE[DIFF] noise in training only: the authors' code adds it when scoring too, where it would make
        # scores random.
        noise_BD = torch.randn(batch.x_BD.shape, generator=batch.generator, device=batch.x_BD.device)
        return self.codes(batch.x_BD + self.noise * noise_BD)

    def _draw(self, batch: Batch) -> Tensor:
        """[S, B, Z], u ~ U(-1, 1)."""
        u_BZ = draw_prior("uniform", len(batch.x_BD), self.network.sizes[-1], batch.generator)
        return u_BZ.expand(self.n_members, -1, -1)

    def _generate(self, u_SBZ: Tensor) -> Tensor:
        """[S, B, D], what the decoder, as it will score, makes of codes."""
        with moments_at_rest(self.decoder):
            generated_SBD: Tensor = self.decoder(u_SBZ)
        return generated_SBD

    def readings(self) -> Mapping[str, Callable[[Codes], Tensor]]:
        """Score type -> how to read it, [S, B]."""
        return {"rec_mse": lambda codes: codes.mean_square_SB}


def _discrimination(judge: nn.Module, *, real: Tensor, fake: Tensor) -> Tensor:
    """[S]."""
    return (judged_real(judge(real), REAL_LABEL) + judged_fake(judge(fake))) / 2
