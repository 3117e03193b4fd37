"""From vectors of pictures with a concept and pictures without it to a direction: three ways, as pure formulas."""

from typing import Literal

import numpy as np
from jaxtyping import Bool, Float

from featuremaps.survey.measures.ridge import Ridge

How = Literal["pattern", "ridge", "mean_difference"]
PENALTY = 0.1
"""Of the ridge: so many times the variance of all channels together, so that no unit of measurement matters."""


class Fit:
    """Directions in the same pictures' vectors, for any number of ways to say which of them have a concept.

    `features` (picture, channel) are a layer's activations, averaged over places. All directions lead from the
    pictures without the concept to those with it.
    """

    def __init__(self, features: Float[np.ndarray, "picture channel"]) -> None:
        self._centred = features.astype(np.float64) - features.astype(np.float64).mean(0)
        total = float(self._centred.var(0).sum())
        self._ridge = Ridge(self._centred, PENALTY * total if total > 0 else 1.0)

    def vectors(self, has: Bool[np.ndarray, "picture labelling"], how: How) -> Float[np.ndarray, "labelling channel"]:
        """A vector of length 1 for each labelling; 0 where pictures with and without it do not differ."""
        made = {"pattern": self._patterns, "ridge": self._filters, "mean_difference": self.differences}[how](has)
        lengths = np.linalg.norm(made, axis=1, keepdims=True)
        return made / np.where(lengths > 0, lengths, 1)

    def differences(self, has: Bool[np.ndarray, "picture labelling"]) -> Float[np.ndarray, "labelling channel"]:
        """The mean vector of the pictures with it less that of those without."""
        weights = has / has.sum(0) - ~has / (~has).sum(0)
        return weights.T @ self._centred

    def _filters(self, has: Bool[np.ndarray, "picture labelling"]) -> Float[np.ndarray, "labelling channel"]:
        """What tells them apart best: a concept activation vector (Kim et al. 2018), with ridge in the place of SGD."""
        return self._ridge.weights(self._centred, has - has.mean(0)).T

    def _patterns(self, has: Bool[np.ndarray, "picture labelling"]) -> Float[np.ndarray, "labelling channel"]:
        """How the channels go with what the filter tells: cov(x, s) / var(s), s = x · filter (Haufe et al. 2014)."""
        told = self._centred @ self._filters(has).T
        squares = (told**2).sum(0)
        return (told / np.where(squares > 0, squares, 1)).T @ self._centred
