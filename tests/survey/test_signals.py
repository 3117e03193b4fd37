"""Surveys of signals and volumes: the channels' pooled values by hand, and a word where there is no picture."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import featuremaps as fm
from featuremaps.errors import ImageError, SurveyError


class Small(nn.Module):
    def __init__(self, convolution: Any, channels: int) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.features, self.head = nn.Sequential(convolution(channels, 8, 3, 2, 1), nn.ReLU()), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x).flatten(2).mean(2))


KINDS = {"signals": (nn.Conv1d, torch.rand(6, 2, 40)), "volumes": (nn.Conv3d, torch.rand(6, 2, 6, 8, 10))}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", ["pairs", "dicts", "a tensor"])
def test_a_survey_of_what_is_no_picture(kind: str, form: str, tmp_path: Path) -> None:
    convolution, inputs = KINDS[kind]
    model = Small(convolution, 2).eval()
    labelled = {"pairs": [(one, i % 2) for i, one in enumerate(inputs)], "a tensor": inputs}
    labelled["dicts"] = [{"image": one, "label": i % 2} for i, one in enumerate(inputs)]
    dataset = labelled[form]
    survey = fm.Scope(model).survey(dataset, "features", tmp_path / "s", workers=0)
    expected = model.features(inputs).flatten(2).mean(2).detach()
    torch.testing.assert_close(torch.from_numpy(survey.vectors("features")).float(), expected, rtol=2e-3, atol=2e-3)
    assert survey.pictures.labels.tolist() == ([-1] * 6 if form == "a tensor" else [0, 1] * 3)
    again = fm.Scope(model).open_survey(tmp_path / "s", dataset)
    seen = fm.Scope(model).see(inputs).seen
    assert again.picture(3).tobytes() == seen[3].image.tobytes()
    best = again.top_pictures("features:2", 1, maps=True)[0]
    assert best.map is not None
    assert best.map.shape == model.features(inputs).shape[2:]
    row, column = best.place or (0, 0)
    assert float(best.map.reshape(-1, best.map.shape[-1])[row, column]) == pytest.approx(best.value, rel=1e-3)
    with pytest.raises(ImageError, match="no picture to show without the model"):
        fm.open_survey(tmp_path / "s", dataset).picture(0)
    if form != "a tensor":
        assert survey.detector(1, [0]).detect(inputs).shape == (6,)


def test_what_does_not_fit_a_model_of_signals(tmp_path: Path) -> None:
    scope = fm.Scope(Small(nn.Conv1d, 2).eval())
    (tmp_path / "one").mkdir()
    with pytest.raises(
        SurveyError, match=r"takes signals \(channel, time\), and this dataset is made of picture files"
    ):
        scope.survey([str(tmp_path / "a.png")], "features", tmp_path / "s")
    with pytest.raises(SurveyError, match=r"the item holds 3 of the model's signals"):
        scope.survey([torch.rand(3, 2, 40)], "features", tmp_path / "s", workers=0)
