"""Channels of two models that rise and fall together over the same pictures."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray

from featuremaps.plotting.figure_types import Figure
from featuremaps.results.shown import Shown
from featuremaps.survey.figures.model_comparison import matches_figure
from featuremaps.survey.storage.reader import StoredSurvey

COLUMNS = 256


@dataclass(frozen=True, eq=False, repr=False)
class ChannelMatches(Shown):
    """For every channel of two layers the channel of the other that correlates with it most, over the pictures.

    `forward[i]` is the second's channel for channel i of the first, with correlation `forward_values[i]`; `backward`
    is the other way. A channel that never changes has no match: −1 and NaN.
    """

    first: str
    second: str
    layers: tuple[str, str]
    forward: Int[np.ndarray, " first"]
    forward_values: Float[np.ndarray, " first"]
    backward: Int[np.ndarray, " second"]
    backward_values: Float[np.ndarray, " second"]

    @property
    def mutual(self) -> tuple[tuple[int, int, float], ...]:
        """Pairs (channel of the first, channel of the second, correlation) that are each other's best, best first."""
        pairs = np.flatnonzero(self.forward >= 0)
        pairs = pairs[self.backward[self.forward[pairs]] == pairs]
        pairs = pairs[np.argsort(-self.forward_values[pairs], kind="stable")]
        return tuple((int(i), int(self.forward[i]), float(self.forward_values[i])) for i in pairs)

    def table(self) -> list[dict[str, Any]]:
        """A row for each channel of the first: its best match, the correlation, and whether that is mutual."""
        mutual = {pair[0] for pair in self.mutual}
        return [
            {"channel": i, "match": int(match), "correlation": float(value), "mutual": i in mutual}
            for i, (match, value) in enumerate(zip(self.forward, self.forward_values, strict=True))
        ]

    def figure(self) -> Figure:
        """Every channel's best correlation in falling order, for both models; mutual matches are filled."""
        return matches_figure((self.first, self.second), (self.forward_values, self.backward_values), self.mutual)

    def __repr__(self) -> str:
        shown = ", ".join(f"{i} ≈ {j} ({value:.2f})" for i, j, value in self.mutual[:6])
        known = self.forward_values[self.forward >= 0]
        middle = f"median best correlation {np.median(known):.2f}" if len(known) else "no channel ever changes"
        return (
            f"<ChannelMatches: {self.first} {self.layers[0]} and {self.second} {self.layers[1]}: {len(self.mutual)} "
            f"mutual of {len(self.forward)} and {len(self.backward)} channels, {middle}; {shown}>"
        )


def matched(
    names: tuple[str, str],
    surveys: tuple[StoredSurvey, StoredSurvey],
    layers: tuple[str, str],
    rows: tuple[Int[np.ndarray, " picture"], Int[np.ndarray, " picture"]],
    pooling: str = "mean",
) -> ChannelMatches:
    """The best match each way by the Pearson correlation of pooled activations; `rows` puts both in one order.

    Some columns of each are in memory at a time, and never the whole table of correlations.
    """
    counts = [survey.layers[layer].channels for survey, layer in zip(surveys, layers, strict=True)]
    best = [np.full(count, -np.inf) for count in counts]
    index = [np.full(count, -1, np.int64) for count in counts]
    for start in range(0, counts[0], COLUMNS):
        first = _standardised(surveys[0], layers[0], start, counts[0], rows[0], pooling)
        for other in range(0, counts[1], COLUMNS):
            values = first.T @ _standardised(surveys[1], layers[1], other, counts[1], rows[1], pooling)
            values[np.isnan(values)] = -np.inf
            _keep_best(best[0][start : start + COLUMNS], index[0][start : start + COLUMNS], values, other)
            _keep_best(best[1][other : other + COLUMNS], index[1][other : other + COLUMNS], values.T, start)
    known = [np.where(match < 0, np.nan, value) for match, value in zip(index, best, strict=True)]
    return ChannelMatches(*names, layers, index[0], known[0], index[1], known[1])


def _keep_best(best: NDArray[np.float64], index: NDArray[np.int64], values: NDArray[np.float64], start: int) -> None:
    """Take over, in place, where one of these columns correlates more than those seen before."""
    columns = values.argmax(1)
    highest = values.max(1)
    better = highest > best
    best[better], index[better] = highest[better], columns[better] + start


def _standardised(
    survey: StoredSurvey, layer: str, start: int, count: int, rows: NDArray[np.int64], pooling: str
) -> NDArray[np.float64]:
    """Columns with mean 0 and length 1, so that their products are correlations; NaN where a channel never changes."""
    columns = list(range(start, min(start + COLUMNS, count)))
    values = survey.vectors(layer, pooling, columns)[rows].astype(np.float64)
    values -= values.mean(0)
    length = np.sqrt((values**2).sum(0))
    return np.asarray(values / np.where(length > 1e-9, length, np.nan))
