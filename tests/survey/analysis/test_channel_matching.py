"""Channels are matched by their correlation over the pictures, as np.corrcoef says, a few columns at a time."""

import numpy as np
import pytest
from tiny_surveys import made_up, survey_of_demo

from featuremaps.survey.analysis import channel_matching
from featuremaps.survey.analysis.channel_matching import matched
from featuremaps.survey.survey import Survey
from map_samples import PNG, texts


def pair(seed: int = 0, pictures: int = 40):
    """The second has the first's channels 3, 0 and 1, disturbed, some noise, and one channel that never changes."""
    random = np.random.default_rng(seed)
    first = random.random((pictures, 5))
    second = np.stack(
        [first[:, 3], first[:, 0], 3 * first[:, 1] + 1, np.full(pictures, 0.5), random.random(pictures)], 1
    )
    second[:, :3] += random.random((pictures, 3)) * 0.1
    order = random.permutation(pictures)
    labels = [i % 2 for i in range(pictures)]
    return made_up(first, labels), made_up(second[order], np.array(labels)[order].tolist()), np.argsort(order)


@pytest.mark.parametrize("columns", [2, 3, 256])
def test_the_best_match_each_way_is_that_of_the_correlation_matrix(
    monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.setattr(channel_matching, "COLUMNS", columns)
    first, second, back = pair()
    asked: list[int] = []
    plain = Survey.vectors

    def vectors(self: Survey, layer: str, pool: str = "mean", channels: list[int] | None = None) -> np.ndarray:
        asked.append(self.layers[layer].channels if channels is None else len(channels))
        return plain(self, layer, pool, channels)

    rows = (np.arange(40), back)
    with monkeypatch.context() as patched:
        patched.setattr(Survey, "vectors", vectors)
        found = matched(("a", "b"), (first, second), ("conv", "conv"), rows)
    with np.errstate(invalid="ignore"):
        table = np.corrcoef(first.vectors("conv").T, second.vectors("conv")[back].T)[:5, 5:]
    assert found.forward.tolist() == np.nanargmax(table, 1).tolist()
    np.testing.assert_allclose(found.forward_values, np.nanmax(table, 1), atol=1e-6)
    alive = [0, 1, 2, 4]
    assert found.backward[alive].tolist() == np.nanargmax(table[:, alive], 0).tolist()
    assert found.backward[3] == -1
    assert np.isnan(found.backward_values[3])
    assert max(asked) <= columns
    assert {pair[:2] for pair in found.mutual} >= {(3, 0), (0, 1), (1, 2)}
    values = [value for _, _, value in found.mutual]
    assert values == sorted(values, reverse=True)


def test_a_model_matches_itself() -> None:
    survey = survey_of_demo("demo-fixed", "photograph")
    rows = np.arange(120)
    found = matched(("a", "a"), (survey, survey), ("layer4", "layer4"), (rows, rows))
    alive = survey.vectors("layer4").std(0) > 0
    np.testing.assert_allclose(found.forward_values[alive], 1.0, atol=1e-6)
    assert len(found.mutual) >= 0.9 * alive.sum()


def test_words_table_and_chart() -> None:
    first, second, back = pair()
    found = matched(("first", "second"), (first, second), ("conv", "conv"), (np.arange(40), back))
    assert "mutual of 5 and 5 channels" in repr(found)
    assert found.table()[3] == {
        "channel": 3,
        "match": 0,
        "correlation": pytest.approx(found.forward_values[3]),
        "mutual": True,
    }
    said = texts(found.figure())
    assert "first: best match in second" in said
    assert "4 channels, best matched first" in said  # the one that never changes is not drawn
    assert found._repr_png_().startswith(PNG)
