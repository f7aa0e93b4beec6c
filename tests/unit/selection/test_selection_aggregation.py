"""How several orders become one: what every aggregator keeps, and what sets them apart."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from automl_ad.selection.aggregation import AGGREGATORS, borda, kemeny, kendall_distance, robust_borda

NAN = np.nan
RNG = np.random.default_rng(0)
some_figures = st.one_of(st.integers(0, 5).map(float), st.just(NAN))
all_figures = st.integers(0, 5).map(float)


def votes(elements, *, up_to):
    return arrays(np.float64, st.tuples(st.integers(1, 4), st.integers(1, up_to)), elements=elements)


@pytest.mark.parametrize("aggregate", AGGREGATORS.values(), ids=AGGREGATORS)
class TestEveryAggregator:
    @given(votes_CK=votes(some_figures, up_to=11), random=st.randoms())
    def test_it_follows_a_permutation_of_the_candidates(self, aggregate, votes_CK, random):
        order = list(range(votes_CK.shape[1]))
        random.shuffle(order)
        np.testing.assert_array_equal(
            aggregate(list(votes_CK[:, order]), None), aggregate(list(votes_CK), None)[order]
        )

    @given(votes_CK=votes(some_figures, up_to=11))
    def test_it_reads_ranks_only_and_stays_within_zero_and_one(self, aggregate, votes_CK):
        total_K = aggregate(list(votes_CK), None)
        assert ((total_K >= 0) & (total_K <= 1)).all()
        assert (total_K[np.isnan(votes_CK).all(axis=0)] == 0).all()
        np.testing.assert_array_equal(aggregate(list(np.exp(votes_CK)), None), total_K)

    @given(votes_CK=votes(all_figures, up_to=11), data=st.data())
    def test_who_is_first_in_every_vote_is_first(self, aggregate, votes_CK, data):
        winner = data.draw(st.integers(0, votes_CK.shape[1] - 1))
        votes_CK[:, winner] = 6.0
        assert aggregate(list(votes_CK), None)[winner] == 1.0
        assert (np.delete(aggregate(list(votes_CK), None), winner) < 1.0).all()

    @given(votes_CK=votes(all_figures, up_to=8))
    def test_who_is_above_another_in_every_vote_ends_above(self, aggregate, votes_CK):
        total_K = aggregate(list(votes_CK), None)
        is_above_KK = (votes_CK[:, :, None] > votes_CK[:, None, :]).all(axis=0)
        assert (total_K[:, None] > total_K)[is_above_KK].all()

    def test_orderings_are_not_ranks(self, aggregate):
        """A public implementation sums the orderings themselves: 3, 3, 3, 5 here."""
        first_to_last = ([3, 0, 1, 2], [0, 3, 1, 2])
        total_K = aggregate([-np.argsort(ordering).astype(float) for ordering in first_to_last], None)
        assert total_K.tolist() == [0.875, 0.5, 0.25, 0.875]

    def test_weights_count_relative_to_each_other(self, aggregate):
        up, down = np.array([1.0, 2.0, 3.0]), np.array([3.0, 2.0, 1.0])
        np.testing.assert_array_equal(aggregate([up, down], [0.6, 0.2]), aggregate([up, down], [3, 1]))
        assert aggregate([up, down], [3, 1]).argmax() == 2
        assert aggregate([up, down], [1, 3]).argmax() == 0

    def test_one_vote_is_its_own_aggregate(self, aggregate):
        assert aggregate([np.array([5.0, NAN, 7.0, 6.0])], None).argsort().tolist() == [1, 0, 3, 2]

    @pytest.mark.parametrize("n_votes", [2, 3, 8])
    def test_a_full_pool_takes_moments(self, aggregate, n_votes):
        truth = RNG.normal(size=1280)
        noisy = [truth + 0.3 * RNG.normal(size=1280) for _ in range(n_votes)]
        assert kendall_distance(aggregate(noisy, None), truth) < 0.1


@pytest.mark.parametrize("aggregate", [borda, kemeny])
@given(votes_CK=votes(all_figures, up_to=8), data=st.data())
def test_one_more_vote_for_the_winner_does_not_lower_it(aggregate, votes_CK, data):
    total_K = aggregate(list(votes_CK))
    winner = int(total_K.argmax())
    vote_for_it = total_K if data.draw(st.booleans()) else np.eye(votes_CK.shape[1])[winner]
    assert aggregate([*votes_CK, vote_for_it])[winner] >= total_K[winner]


class TestBorda:
    def test_absent_figures_are_left_out(self):
        assert borda([np.array([1.0, NAN, 2.0]), np.array([1.0, 2.0, 3.0])]).tolist() == pytest.approx(
            [(1 / 2 + 1 / 3) / 2, 2 / 3, 1.0]
        )
        assert borda([np.array([1.0, NAN])]).tolist() == [1.0, 0.0]

    def test_a_weight_of_two_is_a_vote_cast_twice(self):
        one, other = RNG.random((2, 9))
        np.testing.assert_allclose(borda([one, other], [2, 1]), borda([one, one, other]))


class TestRobustBorda:
    @given(st.permutations(range(12)), st.integers(0, 3), st.integers(0, 99))
    def test_one_adversary_is_ignored(self, truth, place, seed):
        rng = np.random.default_rng(seed)
        honest = [np.array(truth) + rng.uniform(-0.8, 0.8, size=12) for _ in range(3)]
        heard = [*honest[:place], -np.array(truth, dtype=float), *honest[place:]]
        np.testing.assert_array_equal(robust_borda(heard), borda(honest))

    def test_the_adversary_does_move_the_plain_count(self):
        up = np.arange(4.0)
        assert borda([up, up, -up]).tolist() != robust_borda([up, up, -up]).tolist() == borda([up]).tolist()

    def test_a_vote_on_few_candidates_is_no_more_agreeable_for_it(self):
        up, few = np.arange(6.0), np.array([1.0, 0.0, NAN, NAN, NAN, NAN])
        np.testing.assert_array_equal(robust_borda([few, up, up]), borda([up, up]))

    def test_who_is_known_to_the_odd_one_only_comes_last(self):
        up, odd = np.array([0.0, 1.0, 2.0, NAN]), np.array([2.0, 1.0, 0.0, 3.0])
        assert robust_borda([up, up, odd])[3] == 0

    def test_silence_is_no_vote_to_leave_out(self):
        silence, (one, other) = np.full(7, NAN), RNG.random((2, 7))
        np.testing.assert_array_equal(robust_borda([silence, one, other]), borda([one, other]))

    def test_of_two_nobody_is_the_odd_one_out(self):
        one, other = RNG.random((2, 7))
        np.testing.assert_array_equal(robust_borda([one, other]), borda([one, other]))


class TestKemeny:
    def test_the_majority_decides_against_the_borda_count(self):
        """Two votes of 1 outweigh one of 1.5 that puts 0 last, but by far: the count puts 1 ahead."""
        heard = [-np.argsort(order).astype(float) for order in ([0, 1, 2, 3], [0, 1, 2, 3], [1, 2, 3, 0])]
        assert borda(heard, [1, 1, 1.5])[1] > borda(heard, [1, 1, 1.5])[0]
        assert kemeny(heard, [1, 1, 1.5]).argmax() == 0

    def test_the_count_decides_where_votes_are_split(self):
        one, other = RNG.random((2, 200))
        assert (np.argsort(kemeny([one, other])) == np.lexsort([one, borda([one, other])])).all()

    def test_the_first_vote_decides_a_circle(self):
        circle = [-np.argsort(order).astype(float) for order in ([0, 1, 2], [1, 2, 0], [2, 0, 1])]
        assert kemeny(circle).argsort().tolist() == [2, 1, 0]
        assert kemeny(circle[1:] + circle[:1]).argsort().tolist() == [0, 2, 1]

    def test_twins_share_their_place_in_a_large_pool(self):
        heard = RNG.random((3, 60))
        heard[:, 40] = heard[:, 7]
        total_K = kemeny(list(heard))
        assert total_K[40] == total_K[7]
        assert len(np.unique(total_K)) == 59
