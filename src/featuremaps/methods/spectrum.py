"""The leading eigenvector of symmetric matrices, without decomposing them whole where that can be avoided."""

import torch
from jaxtyping import Float
from torch import Tensor

WIDTH, DEPTH = 4, 8
ROUNDS, STEPS = 4, 3
SMALL = 128
TOLERANCE = 1e-9


def leading_eigenpair(
    matrices: Float[Tensor, "batch size size"],
) -> tuple[Float[Tensor, " batch"], Float[Tensor, "batch size"]]:
    """The largest eigenvalue of each symmetric matrix and its eigenvector of length 1, whose sign is left open.

    A block Krylov space (Musco & Musco 2015, algorithm 2) bounds the eigenvalue from above, and inverse iteration
    from that bound sharpens the vector. The Cholesky factor needed for it exists only if no eigenvalue was missed;
    without one, or where the vector's error, residual over spectral gap, stays above 1e-9, the matrix is decomposed
    whole.
    """
    if matrices.shape[-1] <= SMALL:
        return _decomposed(matrices)
    values, vectors, errors = _refined(matrices)
    unsure = ~(errors <= TOLERANCE)
    if bool(unsure.any()):
        values[unsure], vectors[unsure] = _decomposed(matrices[unsure])
    return values, vectors


def _decomposed(matrices: Tensor) -> tuple[Tensor, Tensor]:
    values, vectors = torch.linalg.eigh(matrices)
    return values[..., -1], vectors[..., -1]


def _refined(matrices: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Eigenpairs by inverse iteration, and a bound on each vector's error; infinite without a Cholesky factor."""
    identity = torch.eye(matrices.shape[-1]).to(matrices)
    values, block, residual = _best_in(matrices, _krylov_space(matrices))
    missed = torch.zeros_like(residual, dtype=torch.bool)
    for _ in range(ROUNDS):
        above = values[:, -1] + 2 * residual + 1e-14 * values.abs().amax(1)
        factor, failed = torch.linalg.cholesky_ex(above[:, None, None] * identity - matrices)
        for _ in range(STEPS):
            solved = torch.where(failed[:, None, None] > 0, block, torch.cholesky_solve(block, factor))
            block = torch.linalg.qr(solved).Q
        values, block, residual = _best_in(matrices, block)
        missed |= failed > 0
        errors = (residual / (values[:, -1] - values[:, -2])).masked_fill(missed, torch.inf)
        if bool((errors <= TOLERANCE).all()):
            break
    return values[:, -1], block[..., -1], errors


def _krylov_space(matrices: Tensor) -> Tensor:
    """An orthonormal basis of M·S, M²·S, …, as columns."""
    size = matrices.shape[-1]
    # a start without any symmetry: one orthogonal to the eigenvector would not find it
    start = torch.arange(size * WIDTH, dtype=matrices.dtype, device=matrices.device).square().sin()
    block, blocks = start.reshape(1, size, WIDTH), []
    for _ in range(DEPTH):
        block = torch.linalg.qr(matrices @ block).Q
        blocks.append(block)
    basis: Tensor = torch.linalg.qr(torch.cat(blocks, -1)).Q
    return basis


def _best_in(matrices: Tensor, basis: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The largest eigenvalues within a space, ascending, their vectors as columns, and the last one's residual."""
    image = matrices @ basis
    values, rotation = torch.linalg.eigh(basis.mT @ image)
    values, rotation = values[:, -WIDTH:], rotation[..., -WIDTH:]
    vectors = basis @ rotation
    residual = (image @ rotation[..., -1:] - values[:, -1:, None] * vectors[..., -1:]).norm(dim=(1, 2))
    return values, vectors, residual
