"""The leading eigenvector beside LAPACK's full decomposition, on spectra that are easy, flat, repeated and indefinite."""

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from featuremaps.methods import eigenpairs
from featuremaps.methods.eigenpairs import leading_eigenpair

SIZE = 160


def with_spectrum(values: Sequence[float] | Tensor, seed: int = 0) -> tuple[Tensor, Tensor]:
    """A symmetric matrix with these eigenvalues, and its eigenvectors as columns."""
    rotation = torch.linalg.qr(
        torch.randn(SIZE, SIZE, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    ).Q
    return rotation @ torch.diag(torch.as_tensor(values, dtype=torch.float64)) @ rotation.T, rotation


SPECTRA = {
    "steep": torch.logspace(0, -12, SIZE).flip(0),
    "flat": torch.linspace(0.9, 1.0, SIZE),
    "close": torch.cat([torch.linspace(0, 0.5, SIZE - 2), torch.tensor([1 - 1e-5, 1.0])]),
    "rank one": torch.cat([torch.zeros(SIZE - 1), torch.ones(1)]),
    "indefinite": torch.linspace(-3, 1, SIZE),
    "negative": torch.linspace(-5, -1, SIZE),
    "huge": torch.linspace(0, 1, SIZE) * 1e20,
}


@pytest.mark.parametrize("name", SPECTRA)
def test_finds_the_eigenvector_of_the_largest_eigenvalue(name: str) -> None:
    matrix, vectors = with_spectrum(SPECTRA[name].double())
    value, vector = leading_eigenpair(matrix[None])
    assert value[0].item() == pytest.approx(SPECTRA[name][-1].item(), rel=1e-6)
    assert (vector[0] @ vectors[:, -1]).abs().item() == pytest.approx(1, abs=1e-8)


def test_each_matrix_of_a_batch_gets_its_own() -> None:
    made = [with_spectrum(SPECTRA[name].double(), seed) for seed, name in enumerate(["steep", "flat", "indefinite"])]
    _, found = leading_eigenpair(torch.stack([matrix for matrix, _ in made]))
    for vector, (_, vectors) in zip(found, made, strict=True):
        assert (vector @ vectors[:, -1]).abs().item() == pytest.approx(1, abs=1e-8)


@pytest.mark.parametrize("matrix", [torch.eye(SIZE).double(), torch.zeros(SIZE, SIZE).double()])
def test_any_vector_of_a_repeated_eigenvalue_will_do(matrix: Tensor) -> None:
    value, vector = leading_eigenpair(matrix[None])
    torch.testing.assert_close(matrix @ vector[0], value[0] * vector[0])
    torch.testing.assert_close(vector[0].norm().item(), 1.0)


def test_a_start_that_misses_the_vector_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The iterations begin at another eigenvector; the answer is right all the same."""
    matrix, vectors = with_spectrum(SPECTRA["flat"].double())
    monkeypatch.setattr(eigenpairs, "_start", lambda size: vectors[:, 40].numpy())
    _, vector = leading_eigenpair(matrix[None])
    assert (vector[0] @ vectors[:, -1]).abs().item() == pytest.approx(1, abs=1e-8)


def test_small_and_large_matrices_take_the_two_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []
    whole = eigenpairs._decomposed
    monkeypatch.setattr(eigenpairs, "_decomposed", lambda matrices: sizes.append(matrices.shape[-1]) or whole(matrices))
    leading_eigenpair(torch.eye(20).double()[None])
    leading_eigenpair(with_spectrum(SPECTRA["indefinite"].double())[0][None])
    assert sizes == [20]
