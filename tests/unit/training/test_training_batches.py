from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from automl_ad.training.batches import part_of, shuffled_batches


def batch_sizes(n_rows: int, batch_size: int, *, drop_last: bool) -> list[int]:
    generator = torch.Generator().manual_seed(0)
    batches = shuffled_batches(torch.zeros(n_rows, 1), batch_size, drop_last=drop_last, generator=generator)
    return [len(x_BD) for x_BD, _ in batches]


@pytest.mark.parametrize(
    ("n_rows", "drop_last", "expected"),
    [(9, False, [4, 4, 1]), (9, True, [4, 4]), (8, True, [4, 4]), (4, True, [4]), (3, True, [3])],
)
def test_only_a_smaller_last_batch_is_dropped_and_never_the_only_one(
    n_rows: int, drop_last: bool, expected: list[int]
):
    assert batch_sizes(n_rows, 4, drop_last=drop_last) == expected


@given(n_rows=st.integers(1, 60), batch_size=st.integers(1, 30))
def test_every_row_comes_once_with_its_position(n_rows: int, batch_size: int):
    x_ND = torch.arange(n_rows, dtype=torch.float32)[:, None]
    generator = torch.Generator().manual_seed(3)
    seen = []
    for x_BD, row_ids in shuffled_batches(x_ND, batch_size, drop_last=False, generator=generator):
        assert torch.equal(x_BD, x_ND[row_ids])
        seen += row_ids.tolist()
    assert sorted(seen) == list(range(n_rows))


def test_epochs_differ_and_follow_the_generator():
    def orders() -> list[list[int]]:
        generator = torch.Generator().manual_seed(5)
        return [
            next(shuffled_batches(torch.zeros(50, 1), 50, drop_last=False, generator=generator))[1].tolist()
            for _ in range(2)
        ]

    first, second = orders()
    assert first != second
    assert orders() == [first, second]


@given(n_rows=st.integers(2, 1_000), percent=st.integers(50, 99))
def test_the_kappa_split_rounds_up_and_loses_no_row(n_rows: int, percent: int):
    kappa = percent / 100
    rows = list(range(n_rows))
    weights, center = rows[part_of(n_rows, (0.0, kappa))], rows[part_of(n_rows, (kappa, 1.0))]
    assert weights + center == rows
    assert len(center) >= 1
    exact = -(-percent * n_rows // 100)  # the ceiling in whole numbers
    assert len(weights) == min(exact, n_rows - 1)
