"""A survey is opened with the model it was made of, and no other."""

from pathlib import Path

import pytest
import torch
from survey_samples import small_model, survey_of, write_pictures
from torchvision.transforms import v2

from featuremaps.errors import SurveyError
from featuremaps.models.studied_model import StudiedModel
from featuremaps.pictures.preprocessing import Preprocessing
from featuremaps.survey.survey import open_survey


def test_another_model_or_preprocessing_is_refused(tmp_path: Path) -> None:
    write_pictures(tmp_path / "pictures", {"a": 3})
    survey_of(tmp_path / "pictures", tmp_path / "out", predictions=False)
    assert open_survey(tmp_path / "out", studied=StudiedModel(small_model(), Preprocessing())).studied is not None
    trained = small_model()
    with torch.no_grad():
        next(trained.parameters())[0, 0, 0, 0] += 1e-6
    message = r"made with another model than the one given. Different: the model \(its structure or weights\)"
    with pytest.raises(SurveyError, match=message):
        open_survey(tmp_path / "out", studied=StudiedModel(trained, Preprocessing()))
    smaller = Preprocessing(v2.Compose([v2.Resize(8), v2.ToImage(), v2.ToDtype(torch.float32, True)]))
    with pytest.raises(SurveyError, match="Different: the preprocessing: it was .*Give the model that was surveyed"):
        open_survey(tmp_path / "out", studied=StudiedModel(small_model(), smaller))
