"""The leading eigenvector of symmetric matrices, without decomposing them whole where that can be avoided."""

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

SMALL = 128


def leading_eigenpair(
    matrices: Float[Tensor, "batch size size"],
) -> tuple[Float[Tensor, " batch"], Float[Tensor, "batch size"]]:
    """The largest eigenvalue of each symmetric matrix and its eigenvector of length 1, whose sign is left open.

    Lanczos iterations; a matrix on which they fail, or miss an eigenvalue, is decomposed whole, and so are small ones.
    """
    size = matrices.shape[-1]
    if size <= SMALL:
        return _decomposed(matrices)
    pairs = [lanczos(matrix) for matrix in matrices]
    values, vectors = torch.stack([value for value, _ in pairs]), torch.stack([vector for _, vector in pairs])
    above = values + 1e-12 * matrices.norm(dim=(1, 2))
    # A Cholesky factor exists only if no eigenvalue is larger.
    missed = (
        torch.linalg.cholesky_ex(
            above[:, None, None] * torch.eye(size, device=matrices.device, dtype=matrices.dtype) - matrices
        ).info
        > 0
    )
    if bool(missed.any()):
        values[missed], vectors[missed] = _decomposed(matrices[missed])
    return values, vectors


def lanczos(matrix: Float[Tensor, "size size"]) -> tuple[Float[Tensor, ""], Float[Tensor, " size"]]:
    """The largest eigenvalue and its eigenvector by ARPACK, on the CPU; decomposed whole where that fails."""
    from scipy.sparse.linalg import ArpackError, eigsh

    try:
        values, vectors = eigsh(matrix.cpu().numpy(), 1, which="LA", v0=_start(len(matrix)))
    except ArpackError:
        return _decomposed(matrix)
    return torch.from_numpy(values).to(matrix)[0], torch.from_numpy(vectors).to(matrix)[:, 0]


def _start(size: int) -> NDArray[np.float64]:
    """A vector without any symmetry: one orthogonal to the eigenvector would not find it."""
    return torch.arange(1, size + 1, dtype=torch.float64, device="cpu").square().sin().numpy()


def _decomposed(matrices: Tensor) -> tuple[Tensor, Tensor]:
    values, vectors = torch.linalg.eigh(matrices)
    return values[..., -1], vectors[..., -1]
