"""Shapley values of a game: what each of K players adds, averaged over the orders in which they may join.

Exact over all subsets for few players. Else orders are drawn, each together with its reverse (Castro et al.
2009, "Polynomial calculation of the Shapley value based on sampling"; reversed pairs: Mitchell et al. 2022,
"Sampling permutations for Shapley value estimation"). Either way the values sum to the gain of all.
Shapes: K players, C coalitions, P orders, Q = 2 P orders with their reverses.
"""

from __future__ import annotations

from collections.abc import Callable
from math import comb

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float64]
Game = Callable[[npt.NDArray[np.bool_]], Vector]
"""[C, K] who takes part in each coalition -> [C] its value."""

MAX_EXACT = 10
"""Players of which all 1,024 subsets are valued."""
MAX_COALITIONS = 1 << MAX_EXACT
"""Coalitions that sampling values, except that one order and its reverse always are: 2 K then."""


def shapley_values(game: Game, n_players: int, *, seed: int) -> tuple[Vector, Vector]:
    """([K] values, [K] standard errors, 0 where the values are exact)."""
    if n_players <= MAX_EXACT:
        return _exact(game, n_players), np.zeros(n_players)
    return _sampled(game, n_players, np.random.default_rng(seed))


def _exact(game: Game, n_players: int) -> Vector:
    """Every subset without a player, weighted by the share of orders in which it comes just before him."""
    subsets_C = np.arange(2**n_players)
    members_CK = (subsets_C[:, None] >> np.arange(n_players)) % 2 == 1
    values_C = game(members_CK)
    sizes_C = members_CK.sum(axis=1)
    weight_of = np.array([1 / (n_players * comb(n_players - 1, size)) for size in range(n_players)])
    values_K = np.empty(n_players)
    for player in range(n_players):
        without = subsets_C[~members_CK[:, player]]
        gains = values_C[without | (1 << player)] - values_C[without]
        values_K[player] = weight_of[sizes_C[without]] @ gains
    return values_K


def _sampled(game: Game, n_players: int, rng: np.random.Generator) -> tuple[Vector, Vector]:
    """The mean gain over P pairs of orders, and how much it still depends on which were drawn."""
    n_pairs = max(1, MAX_COALITIONS // (2 * (n_players + 1)))
    orders_PK = rng.permuted(np.tile(np.arange(n_players), (n_pairs, 1)), axis=1)
    gains_QK = np.concatenate([_gains(game, orders_PK), _gains(game, orders_PK[:, ::-1])])
    pairs_PK = (gains_QK[:n_pairs] + gains_QK[n_pairs:]) / 2
    independent = pairs_PK if n_pairs > 1 else gains_QK
    errors_K = independent.std(axis=0, ddof=1) / np.sqrt(len(independent))
    return pairs_PK.mean(axis=0), errors_K


def _gains(game: Game, orders_PK: npt.NDArray[np.int64]) -> Vector:
    """[P, K] what each player adds when he joins in that order."""
    n_orders, n_players = orders_PK.shape
    ranks_PK = np.argsort(orders_PK, axis=1)
    members_PCK = ranks_PK[:, None, :] < np.arange(n_players + 1)[:, None]
    values_PC = game(members_PCK.reshape(-1, n_players)).reshape(n_orders, n_players + 1)
    return np.take_along_axis(np.diff(values_PC, axis=1), ranks_PK, axis=1)
