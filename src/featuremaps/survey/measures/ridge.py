"""Ridge regression of many targets on the same features."""

import numpy as np
from jaxtyping import Float


class Ridge:
    """Weights (XᵀX + penalty · 1)⁻¹ Xᵀ t of rows X and targets t (Hoerl & Kennard 1970); nothing is centred here.

    What is solved is as large as there are rows or columns, whichever are fewer. The rows are not kept.
    """

    def __init__(self, rows: Float[np.ndarray, "row column"], penalty: float) -> None:
        from scipy.linalg import cho_factor

        self._by_rows = len(rows) < rows.shape[1]
        products = rows @ rows.T if self._by_rows else rows.T @ rows
        self._factor = cho_factor(products + penalty * np.eye(len(products)))

    def weights(
        self, rows: Float[np.ndarray, "row column"], targets: Float[np.ndarray, "row target"]
    ) -> Float[np.ndarray, "column target"]:
        """The weights of every target, from the same rows again."""
        from scipy.linalg import cho_solve

        return rows.T @ cho_solve(self._factor, targets) if self._by_rows else cho_solve(self._factor, rows.T @ targets)
