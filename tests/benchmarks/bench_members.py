"""How much faster S members train at once than one after the other, on one core.

    python tests/benchmarks/bench_members.py [--members 8] [--repeats 5]

Three ways to train the same S autoencoders on the same rows, Adam fused everywhere:

- fused: our loop, S members at once;
- ours x S: our loop, one member, S times (DESIGN section 6 asks for at least 4 at 32-[32,16]);
- plain x S: a bare torch loop over `nn.Sequential`, without clipping, checks or hooks, S times.

Then one training step of the layer alone, written in four ways. Times are CPU time of the fastest of the
repeats, which are interleaved: on a shared machine the slower ones measure the neighbours.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from automl_ad.detectors.autoencoder import Autoencoder
from automl_ad.nn import default_latent_size
from automl_ad.training import fit

SHAPES = [(8, "32-16"), (32, "32-16"), (64, "32-16"), (32, "64"), (64, "128-64")]
N_ROWS, BATCH_SIZE, N_EPOCHS = 2_048, 128, 3
N_STEPS = N_EPOCHS * N_ROWS // BATCH_SIZE


def train_ours(n_features: int, hidden: str, n_members: int) -> None:
    rows = torch.randn(N_ROWS, n_features).numpy()
    detector = Autoencoder.build(
        {"hidden": hidden, "n_epochs": N_EPOCHS, "batch_size": BATCH_SIZE},
        n_features=n_features,
        n_members=n_members,
        seed=0,
    )
    fit(detector, rows, seed=0, checkpoints=(), on_checkpoint=lambda _: False)


def train_plain(n_features: int, hidden: str) -> None:
    x_ND = torch.randn(N_ROWS, n_features)
    encoder = [n_features, *map(int, hidden.split("-")), default_latent_size(n_features)]
    network = nn.Sequential(*make_half(encoder), *make_half(encoder[::-1]))
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3, weight_decay=1e-7, fused=True)
    for _ in range(N_EPOCHS):
        shuffled_ND = x_ND[torch.randperm(N_ROWS)]
        for x_BD in torch.split(shuffled_ND, BATCH_SIZE):
            loss = (network(x_BD) - x_BD).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()


def make_half(sizes: list[int]) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise(sizes):
        layers += [nn.Linear(n_in, n_out), nn.LeakyReLU(0.01)]
    return layers[:-1]


def time_fastest(runs: dict[str, Callable[[], None]], repeats: int) -> dict[str, float]:
    """Name -> CPU seconds of the fastest repeat, after one round to warm up."""
    fastest = dict.fromkeys(runs, float("inf"))
    for repeat in range(repeats + 1):
        for name, run in runs.items():
            start = time.process_time()
            run()
            if repeat > 0:
                fastest[name] = min(fastest[name], time.process_time() - start)
    return fastest


def compare_trainings(n_members: int, repeats: int) -> None:
    print(f"microseconds per step of all {n_members} members; ratio to fused")
    print(f"{'shape':>14} {'fused':>8} {'ours x S':>16} {'plain x S':>16}")
    for n_features, hidden in SHAPES:
        seconds = time_fastest(
            {
                "fused": lambda d=n_features, h=hidden: train_ours(d, h, n_members),
                "one": lambda d=n_features, h=hidden: train_ours(d, h, 1),
                "plain": lambda d=n_features, h=hidden: train_plain(d, h),
            },
            repeats,
        )
        step = {name: 1e6 * value / N_STEPS for name, value in seconds.items()}
        one, plain = n_members * step["one"], n_members * step["plain"]
        print(
            f"{f'{n_features}-[{hidden}]':>14} {step['fused']:8.0f} "
            f"{one:8.0f} ({one / step['fused']:4.2f}x) {plain:8.0f} ({plain / step['fused']:4.2f}x)"
        )


def baddbmm(x_BD: Tensor, weight_SIO: Tensor, bias_SO: Tensor) -> Tensor:
    return torch.baddbmm(bias_SO.unsqueeze(1), x_BD.expand(len(weight_SIO), -1, -1), weight_SIO)


def einsum(x_BD: Tensor, weight_SIO: Tensor, bias_SO: Tensor) -> Tensor:
    return torch.einsum("bi,sio->sbo", x_BD, weight_SIO) + bias_SO.unsqueeze(1)


def folded(x_BD: Tensor, weight_SIO: Tensor, bias_SO: Tensor) -> Tensor:
    """One matrix product over [I, S*O], possible only where the members share their input."""
    n_members, n_in, n_out = weight_SIO.shape
    product = torch.addmm(bias_SO.view(-1), x_BD, weight_SIO.transpose(0, 1).reshape(n_in, -1))
    return product.view(-1, n_members, n_out).transpose(0, 1)


def torch_layout(x_BD: Tensor, weight_SIO: Tensor, bias_SO: Tensor) -> Tensor:
    """Folded too, on weights kept as [S, O, I], so that folding copies nothing."""
    n_members, n_out, n_in = weight_SIO.shape
    product = F.linear(x_BD, weight_SIO.reshape(-1, n_in), bias_SO.view(-1))
    return product.view(-1, n_members, n_out).transpose(0, 1)


def compare_layers(n_members: int, repeats: int) -> None:
    ways = [baddbmm, einsum, folded, torch_layout]
    print(f"\nmicroseconds of one layer, {n_members} members, forward, activation and backward")
    print(f"{'shape':>14} " + " ".join(f"{way.__name__:>12}" for way in ways))
    for n_in, n_out in ((8, 32), (32, 32), (64, 128)):
        runs = {way.__name__: layer_run(way, n_members, n_in, n_out) for way in ways}
        seconds = time_fastest(runs, repeats)
        print(f"{f'{n_in}-{n_out}':>14} " + " ".join(f"{1e6 * seconds[name] / 100:12.0f}" for name in runs))


def layer_run(way: Callable[..., Tensor], n_members: int, n_in: int, n_out: int) -> Callable[[], None]:
    x_BD = torch.randn(BATCH_SIZE, n_in)
    shape = (n_members, n_out, n_in) if way is torch_layout else (n_members, n_in, n_out)
    weight = torch.randn(shape, requires_grad=True)
    bias = torch.randn(n_members, n_out, requires_grad=True)

    def run() -> None:
        for _ in range(100):
            F.leaky_relu(way(x_BD, weight, bias), 0.01).square().mean((1, 2)).sum().backward()
            weight.grad = bias.grad = None

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--members", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=8)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    compare_trainings(arguments.members, arguments.repeats)
    compare_layers(arguments.members, arguments.repeats)


if __name__ == "__main__":
    main()
