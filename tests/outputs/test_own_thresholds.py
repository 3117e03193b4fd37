"""Detectors ask for a score themselves: where nothing has it, what is less sure is looked at."""

from functools import cache

import pytest
import torch
import torchvision
from torch import Tensor, nn

import featuremaps as fm
from featuremaps.outputs.detections import DetectedBox
from featuremaps.outputs.own_thresholds import gives_less_sure, own_threshold
from featuremaps.session import preserved
from planted_detector import CAT, DOG, NAMES, PlantedDetector, scene

LABELS = ("__background__", "cat", "dog", "cup")


@cache
def detector() -> nn.Module:
    """With random weights it gives each label about a quarter."""
    torch.manual_seed(0)
    settings = {"weights": None, "weights_backbone": None, "num_classes": 4, "score_thresh": 0.3}
    return torchvision.models.get_model("ssdlite320_mobilenet_v3_large", **settings).eval()


class Asking(PlantedDetector):
    """One that keeps the score it asks for under the name it has in YOLO, and gives (row, 6) for each picture."""

    def __init__(self, name: str = "conf_thres", asked: float = 0.6) -> None:
        super().__init__(least=0.0)
        self.name = name
        setattr(self, name, asked)

    def given(self, logits: Tensor) -> list[Tensor]:
        """Left, top, right, bottom, score and label of what is sure enough."""
        self.least = getattr(self, self.name)
        rows = [[each["boxes"], each["scores"][:, None], each["labels"][:, None]] for each in super().given(logits)]
        return [torch.cat([part.float() for part in each], 1) for each in rows]


def test_the_surest_is_shown_and_said_where_the_detector_itself_leaves_out_all() -> None:
    model, picture = detector(), torch.rand(1, 3, 64, 80, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert len(model(picture)[0]["boxes"]) == 0
    scope = fm.Scope(model, classes=LABELS)
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
        found = [given(1)]
        assert not gives_less_sure(session, found)
        nothing = [*found, given(0)]
        asked = []
        while gives_less_sure(session, nothing):
            asked.append(model.score_thresh)
        assert asked == [pytest.approx(0.03), pytest.approx(0.003), 0.0]
        assert own_threshold(session) == 0.3
    assert model.score_thresh == 0.3


def given(boxes: int, score: float = 0.9) -> dict[str, Tensor]:
    """So many boxes as a detector lists them."""
    return {
        "boxes": torch.zeros(boxes, 4),
        "labels": torch.ones(boxes, dtype=torch.long),
        "scores": torch.full((boxes,), score),
    }


@pytest.mark.parametrize("name", ["conf_thres", "score_threshold", "score_thr", "conf"])
def test_other_detectors_are_asked_for_more_by_the_name_of_their_score(name: str) -> None:
    model = Asking(name)
    faint = 0.65 * scene(CAT) * (scene(CAT) > 0.5)  # a score of 0.56
    with torch.no_grad():
        assert [len(each) for each in model(torch.stack([scene(CAT, DOG), faint]))] == [2, 0]
    heat = fm.Scope(model, classes=NAMES).explain(torch.stack([scene(CAT, DOG), faint]), threshold=0.1)
    assert [(box.label, box.unsure) for box in heat.boxes if box] == [("dog", False), ("cat", False), ("cat", True)]
    assert heat.picture_numbers == (0, 0, 1)
    assert "Nothing was found with a score of 0.6 or more: this is the surest detection" in heat.warnings[2][0]
    assert getattr(model, name) == 0.6


def test_a_number_that_is_no_score_that_is_asked_for_stays_as_it_is() -> None:
    for named in ({"conf": 2.0}, {"conf": True}, {"iou_thres": 0.5}, {"conf": 0.95}):
        model = nn.Identity()
        for name, value in named.items():
            setattr(model, name, value)
        with preserved(model) as session:
            assert not gives_less_sure(session, [given(1), given(0)])  # it lists one with 0.9
            assert vars(model).items() >= named.items()
            assert own_threshold(session) == 0
