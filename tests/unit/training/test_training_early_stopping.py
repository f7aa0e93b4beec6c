"""The two rules by which a training ends itself, on sequences made by hand."""

import math

import numpy as np
import pytest

from automl_ad.training.early_stopping import EntropyStop, StabilityStop, loss_entropy, patience_in_epochs


def entropy_stop_of_the_paper(entropies, k, r_down=0.01):
    """(epoch of the minimum, epoch of the stop or None): the published pseudo-code, word by word."""
    lowest, moved, patience, best = entropies[0], 0.0, 0, 0
    for j in range(1, len(entropies)):
        moved += abs(entropies[j] - entropies[j - 1])
        if entropies[j] < lowest and (lowest - entropies[j]) / moved > r_down:
            lowest, moved, patience, best = entropies[j], 0.0, 0, j
        else:
            patience += 1
        if patience == k:
            return best, j
    return best, None


def run(rule, values):
    """(index of the last best, index of the stop or None)."""
    best = None
    for j, value in enumerate(values):
        decision = rule.update(value)
        best = j if decision.is_best else best
        if decision.reason:
            return best, j
    return best, None


@pytest.mark.parametrize(
    ("entropies", "expected"),
    [
        ([5, 4, 3, 2, 1], (4, None)),
        ([5, 4, 4.1, 4.2, 4.3, 1], (1, 4)),  # the later, lower one is never seen
        ([5, 4, 4.1, 4.2, 3.9, 4, 4, 4], (4, 7)),
        ([5, 5, 5, 5], (0, 3)),  # nothing moves: no improvement, and no division by zero
        ([5, 9, 4.999, 9, 4.999], (0, 3)),  # lower by 0.001 after moving by 8: that is noise
    ],
)
def test_entropy_stop_on_sequences_made_by_hand(entropies, expected):
    assert run(EntropyStop(patience=3), entropies) == expected


@pytest.mark.parametrize("seed", range(20))
def test_entropy_stop_is_the_published_rule(seed):
    rng = np.random.default_rng(seed)
    entropies = (6 + np.abs(np.linspace(-1, 1, 200)) + rng.normal(scale=0.05, size=200)).tolist()
    patience = int(rng.integers(2, 60))
    assert run(EntropyStop(patience), entropies) == entropy_stop_of_the_paper(entropies, patience)


def test_an_entropy_that_is_not_finite_is_no_improvement_and_is_forgotten():
    assert run(EntropyStop(patience=3), [5, math.nan, 4, math.inf, math.nan, 4.5]) == (2, 5)
    assert run(EntropyStop(patience=2), [math.nan, math.nan]) == (None, 1)


@pytest.mark.parametrize(
    ("agreements", "stop"),
    [
        ([0.5, 0.995, 0.999], 2),
        ([0.995, 0.9, 0.995, 0.95, 0.999], None),
        ([0.99, 0.99, 0.99], None),  # .99 itself is not enough
        ([0.995, math.nan, 0.995], None),  # constant scores agree with nobody
    ],
)
def test_stability_stop_needs_two_agreements_in_a_row(agreements, stop):
    assert run(StabilityStop(), agreements)[1] == stop


def test_entropy_is_least_where_one_row_has_all_the_loss():
    even, skewed = np.full(100, 0.3), np.r_[np.full(99, 0.1), 50.0]
    assert loss_entropy(even) == pytest.approx(math.log(100))
    assert 0 < loss_entropy(skewed) < 2
    assert loss_entropy(7 * skewed) == pytest.approx(loss_entropy(skewed))


def test_entropy_of_negative_constant_and_broken_losses():
    log_densities = np.array([-3.0, -1.0, 5.0])
    assert loss_entropy(log_densities) == pytest.approx(loss_entropy(np.array([0.0, 2.0, 8.0])))
    assert loss_entropy(np.zeros(4)) == loss_entropy(np.full(4, -2.0)) == pytest.approx(math.log(4))
    assert math.isnan(loss_entropy(np.array([1.0, np.nan])))


def test_patience_is_a_hundred_steps_and_five_epochs_at_least():
    assert [patience_in_epochs(n) for n in (1, 3, 100, 1000)] == [100, 34, 5, 5]
