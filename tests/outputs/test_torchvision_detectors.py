"""Torchvision's detectors ask for a score themselves: where nothing has it, what is less sure is looked at."""

from functools import cache

import pytest
import torch
import torchvision
from torch import nn

import featuremaps as fm
from featuremaps.outputs.detections import DetectedBox
from featuremaps.outputs.torchvision_detectors import gives_less_sure, own_threshold
from featuremaps.session import preserved

NAMES = ("__background__", "cat", "dog", "cup")


@cache
def detector() -> nn.Module:
    """With random weights it gives each label about a quarter."""
    torch.manual_seed(0)
    settings = {"weights": None, "weights_backbone": None, "num_classes": 4, "score_thresh": 0.3}
    return torchvision.models.get_model("ssdlite320_mobilenet_v3_large", **settings).eval()


def test_the_surest_is_shown_and_said_where_the_detector_itself_leaves_out_all() -> None:
    model, picture = detector(), torch.rand(1, 3, 64, 80, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert len(model(picture)[0]["boxes"]) == 0
    scope = fm.Scope(model, classes=NAMES)
    ((box,),) = scope.predict(picture, threshold=0.1)
    assert isinstance(box, DetectedBox)
    assert "Nothing was found with a score of 0.3 or more: this is the surest detection" in box.note
    (explained,) = scope.explain(picture, "lrp").boxes  # it runs the model under its rule first
    assert explained is not None
    assert explained.box == box.box
    (told,) = scope.boxes(picture, method=None)
    assert (told.boxes[0].box, told.note) == (box.box, told.boxes[0].note)
    assert "this is the surest detection" in told.note
    assert model.score_thresh == 0.3


def test_what_is_sure_enough_stays_what_it_is_beside_a_picture_without_anything() -> None:
    """A lower threshold of this scope shows no more than the detector itself does where it finds something."""
    model = detector()
    with preserved(model) as session:
        assert own_threshold(session) == 0.3
        found = [{"boxes": torch.zeros(1, 4)}]
        assert not gives_less_sure(session, found)
        nothing = [*found, {"boxes": torch.zeros(0, 4)}]
        asked = []
        while gives_less_sure(session, nothing):
            asked.append(model.score_thresh)
        assert asked == [pytest.approx(0.03), 0.0]
        assert own_threshold(session) == 0.3
    assert model.score_thresh == 0.3
    with preserved(nn.Sequential(model)) as session:  # how it is asked for a score is not known
        assert not gives_less_sure(session, nothing)
        assert own_threshold(session) == 0
