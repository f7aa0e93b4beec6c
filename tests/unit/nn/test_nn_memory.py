from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from automl_ad.nn.memory import Addressing, MemberMemory, entropy, hard_shrink


def make_memory(
    addressing: Addressing = "cos",
    *,
    temperature: float = 1.0,
    threshold: float = 0.0,
    size: tuple[int, int] = (6, 3),
) -> MemberMemory:
    return MemberMemory(
        *size,
        n_members=2,
        generator=torch.Generator().manual_seed(0),
        addressing=addressing,
        temperature=temperature,
        threshold=threshold,
    )


def make_queries() -> torch.Tensor:
    return torch.randn(2, 9, 3, generator=torch.Generator().manual_seed(1))


@given(
    st.lists(st.floats(-5.0, 5.0, width=32), min_size=2, max_size=20),
    st.floats(0.0, 1.2),
)
def test_shrunk_weights_are_sparse_and_on_the_simplex(logits: list[float], threshold: float):
    weights = torch.tensor([[logits]]).softmax(-1)
    shrunk = hard_shrink(weights, threshold)
    assert (shrunk >= 0).all()
    assert shrunk.sum().item() == pytest.approx(1, abs=1e-5)
    above = weights > threshold
    if above.any():
        expected = torch.where(above, weights, 0.0)
        torch.testing.assert_close(shrunk, expected / expected.sum())
    else:
        assert sorted(shrunk.flatten().tolist())[:-1] == [0.0] * (len(logits) - 1)
        assert weights.flatten()[shrunk.argmax()] == weights.max()


def test_where_the_published_form_is_exact_the_gradient_is_its():
    logits = torch.tensor([[[0.0, 1.0, 2.0, -1.0]]], dtype=torch.float64, requires_grad=True)
    weights, threshold, mix = logits.softmax(-1), 0.15, torch.tensor([1.0, 2.0, 5.0, 3.0])
    smooth = weights * (weights - threshold).relu() / ((weights - threshold).abs() + 1e-12)
    published = (smooth / smooth.sum(-1, keepdim=True) * mix).sum()
    (expected,) = torch.autograd.grad(published, logits, retain_graph=True)
    (ours,) = torch.autograd.grad((hard_shrink(weights, threshold) * mix).sum(), logits)
    torch.testing.assert_close(ours, expected)
    assert expected.abs().max() > 0.1


def test_weights_are_a_softmax_of_the_addressing():
    queries = make_queries()
    q, m = queries.double().numpy(), make_memory("cos").rows.detach().double().numpy()
    dots = np.einsum("sbz,smz->sbm", q, m)
    cosines = dots / (np.linalg.norm(q, axis=2)[:, :, None] * np.linalg.norm(m, axis=2)[:, None, :])
    for memory, logits in (
        (make_memory("dot"), dots),
        (make_memory("dot", temperature=0.1), dots),  # of the cosines only
        (make_memory("cos"), cosines),
        (make_memory("cos", temperature=0.1), cosines / 0.1),
    ):
        expected = np.exp(logits) / np.exp(logits).sum(axis=2, keepdims=True)
        np.testing.assert_allclose(memory.weights(queries).detach(), expected, rtol=1e-4)


def test_cosines_do_not_see_the_length_of_a_query():
    queries = make_queries()
    cos, dot = make_memory("cos", threshold=0.1), make_memory("dot", threshold=0.1)
    torch.testing.assert_close(cos.weights(7 * queries), cos.weights(queries))
    assert not torch.allclose(dot.weights(7 * queries), dot.weights(queries), atol=0.01)


def test_an_answer_mixes_the_rows_of_its_member():
    memory = make_memory("cos", threshold=0.9)  # top-1
    weights_SBM = memory.weights(make_queries())
    nearest = memory.rows.detach()[torch.arange(2)[:, None], weights_SBM.argmax(-1)]
    torch.testing.assert_close(memory.read(weights_SBM).detach(), nearest)


def test_entropy_counts_the_rows_that_answer():
    weights_SBM = torch.tensor([[[1.0, 0.0, 0.0, 0.0], [0.5, 0.5, 0.0, 0.0], [0.25] * 4]])
    np.testing.assert_allclose(entropy(weights_SBM), np.log([[1, 2, 4]]), atol=1e-6)


def test_memory_rows_start_uniform():
    rows = make_memory(size=(400, 16)).rows
    assert 0.99 * 0.25 < rows.abs().max().item() <= 0.25
    assert rows.std().item() == pytest.approx(0.25 / 3**0.5, rel=0.02)
