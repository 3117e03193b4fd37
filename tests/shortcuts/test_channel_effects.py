"""Every channel taken out by the tail is every channel taken out by running the whole model without it."""

from pathlib import Path

import numpy as np
import pytest
import torch
from tests.shortcuts_samples import LABELS, Marked, MarkReader
from tests.snapshots import snapshot

import featuremaps as fm
from featuremaps.errors import OptionError
from featuremaps.survey.survey import Survey


@pytest.fixture(scope="module")
def marked(tmp_path_factory: pytest.TempPathFactory) -> tuple[fm.Scope, Survey, Marked]:
    """Pictures in mixed order, and a model that rests on a mark and on each class's own channel."""
    data = Marked(count=12, mixed=True)
    scope = fm.Scope(MarkReader(4.0).eval(), classes=LABELS, outputs="logits")
    return scope, scope.survey(data, "relu2", tmp_path_factory.mktemp("marked") / "survey", workers=0), data


@pytest.mark.parametrize(("layer", "batch_size"), [("relu2", 8), ("relu", 5)])
def test_it_is_the_whole_model_without_each_channel(
    marked: tuple[fm.Scope, Survey, Marked], layer: str, batch_size: int
) -> None:
    scope, survey, data = marked
    before = snapshot(scope.model, data.inputs)
    found = scope.channel_effects(survey, layer, batch_size=batch_size)
    assert before.differences(snapshot(scope.model, data.inputs)) == []
    assert found.pictures.tolist() == [12, 12, 12]
    for channel in range(found.changes.shape[1]):
        other = scope.without(f"{layer}:{channel}", pictures=data.inputs[:1])
        with torch.no_grad():
            change = (other.model(data.inputs).softmax(1) - scope.model(data.inputs).softmax(1)).double().numpy()
        for label in range(3):
            expected = change[data.labels == label].mean(0)
            np.testing.assert_allclose(found.changes[label, channel], expected, atol=1e-6)
        np.testing.assert_allclose(found.overall[channel], change.mean(0), atol=1e-6)


def test_the_channel_that_a_class_rests_on_comes_first(marked: tuple[fm.Scope, Survey, Marked]) -> None:
    scope, survey, _ = marked
    found = scope.channel_effects(survey, "relu2")
    assert found.units("square", 1) == ("relu2:1",)
    assert found.units("round", 2)[0] in ("relu2:0", "relu2:3")
    assert found.table().column_names == ["unit", *LABELS]
    assert "square: most by relu2:1" in repr(found)
    with pytest.raises(OptionError, match="none of the classes"):
        found.own("oval")


def test_fewer_pictures_of_a_class_can_be_taken(marked: tuple[fm.Scope, Survey, Marked], tmp_path: Path) -> None:
    scope, survey, _ = marked
    assert scope.channel_effects(survey, "relu2", per_class=10).pictures.tolist() == [10, 10, 10]
