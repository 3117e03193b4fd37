"""Whether a class can still be told where the shortcut is not: what repair has to work with."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from featuremaps.survey.measures.auc import Area, auc

REPAIRABLE = 0.8
"""The area that a probe must reach for a class to count as told."""


@dataclass(frozen=True)
class Decodable:
    """How well a linear probe of a layer tells a class from the rest in pictures without the shortcut, held out."""

    layer: str
    area: Area


def decodable(
    layers: Mapping[str, Float[np.ndarray, "picture _feature"]],
    own: Bool[np.ndarray, " picture"],
    present: Bool[np.ndarray, " picture"],
    folds: Int[np.ndarray, " picture"],
) -> tuple[Decodable, ...]:
    """For each layer the area under the ROC curve of a probe that is trained with every group counting alike.

    Every picture is told by a probe of the other folds; only pictures without the shortcut are counted. Empty where one
    side has fewer than four of them.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    lacking = ~present
    if min((own & lacking).sum(), (~own & lacking).sum()) < 4:
        return ()
    groups = 2 * own.astype(int) + present
    weights = (1 / np.bincount(groups, minlength=4).clip(1))[groups]
    found = []
    for layer, features in layers.items():
        said = np.empty(len(own), np.float64)
        for fold in np.unique(folds):
            rest = folds != fold
            probe = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=500))
            probe.fit(features[rest], own[rest], logisticregression__sample_weight=weights[rest] / weights[rest].mean())
            said[~rest] = probe.decision_function(features[~rest])
        found.append(Decodable(layer, auc(said[lacking].astype(np.float32), own[lacking])))
    return tuple(found)
