"""What the score of a box rests on: evidence planted outside the boxes, against plain loops, and counted passes."""

import pytest
import torch
import torchvision
from torch import Tensor

import featuremaps as fm
from featuremaps.errors import MethodError, OptionError, TargetError
from featuremaps.evidence.detected_picture import inside
from featuremaps.running import counting
from method_samples import unchecked
from planted_detector import CAT, DOG, FORMS, SIDE, Form, Plant, PlantedDetector, scene, scope_of

Corners = tuple[float, float, float, float]


@pytest.mark.parametrize("form", FORMS)
def test_a_box_whose_evidence_lies_outside_loses_its_score_without_the_outside(form: Form) -> None:
    pictures = torch.stack([scene(CAT, DOG), scene(DOG, seed=1)])
    both, one = scope_of(form).boxes(pictures)
    assert [box.label for box in both.boxes] == ["dog", "cat"]
    for told in (both, one):
        assert float(told.evidence.whole.min()) > 0.9
        assert float(told.evidence.alone.max()) < 0.05
        torch.testing.assert_close(told.evidence.lost_inside, torch.zeros(1, len(told)), rtol=0, atol=0.01)
        assert [heat.boxes[0] for heat in told.heatmaps] == [*told.boxes]
    assert "0.00 without what lies outside the box" in both.sentences()[0]
    assert repr(one) == f"<DetectedPicture: picture 1, 0: dog {one.boxes[0].share}>"


def overlap(one: Corners, other: Corners) -> float:
    """Intersection over union."""
    both = [max(0.0, min(one[i + 2], other[i + 2]) - max(one[i], other[i])) for i in (0, 1)]
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return both[0] * both[1] / (sum(areas) - both[0] * both[1])


def score_of(model: PlantedDetector, picture: Tensor, plant: Plant, label: int) -> float:
    """The score of what fits best: the very box, or the largest overlap times score."""
    (found,) = model(picture[None])
    best = 0.0
    for box, number, score in zip(*(found[name].tolist() for name in ("boxes", "labels", "scores")), strict=True):
        if number == label:
            best = max(best, score * overlap(tuple(box), plant.box))
    return best


def test_every_number_by_loops() -> None:
    model, picture = PlantedDetector(least=0.001).eval(), scene(CAT, DOG)
    scope = fm.Scope(model, classes=("cat", "dog", "cup"))
    (told,) = scope.boxes(picture[None], None, fill="mean")
    mean = picture.mean((1, 2))
    plants = ((DOG, 1), (CAT, 0))

    def taken_out(plant: Plant, within: bool) -> Tensor:
        copy = picture.clone()
        left, top, right, bottom = plant.box
        for row in range(SIDE):
            for column in range(SIDE):
                if (left <= column < right and top <= row < bottom) == within:
                    copy[:, row, column] = mean
        return copy

    with torch.no_grad():
        for row, (plant, label) in enumerate(plants):
            assert float(told.evidence.whole[0, row]) == pytest.approx(score_of(model, picture, plant, label), abs=1e-5)
            alone = score_of(model, taken_out(plant, within=False), plant, label)
            assert float(told.evidence.alone[0, row]) == pytest.approx(alone, abs=1e-5)
            for column, (other, _) in enumerate(plants):
                left = score_of(model, taken_out(other, within=True), plant, label)
                assert float(told.evidence.without[0, row, column]) == pytest.approx(left, abs=1e-5)


def test_the_pixels_of_a_box() -> None:
    assert inside((1.4, 0.6, 3.5, 2.4), (4, 5)).nonzero().tolist() == [[1, 1], [1, 2], [1, 3]]
    assert inside((-3.0, -2.0, 1.0, 99.0), (3, 3)).nonzero().tolist() == [[0, 0], [1, 0], [2, 0]]
    assert inside((1.1, 1.1, 1.2, 1.2), (3, 3)).nonzero().tolist() == [[1, 1]]
    assert not inside((-9.0, 1.0, -5.0, 2.0), (3, 3)).any()
    assert not inside((1.0, 1.0, float("nan"), 2.0), (3, 3)).any()
    assert inside((float("-inf"), 1.0, float("inf"), 2.0), (3, 3)).nonzero().tolist() == [[1, 0], [1, 1], [1, 2]]


def test_passes_are_counted_and_the_surest_are_kept() -> None:
    scope, picture = scope_of(), scene(CAT, DOG)[None]
    scope.layers(picture)
    with counting() as count:
        (told,) = scope.boxes(picture)
    assert count.pictures == 1 + (2 * 2 + 1) + 1  # what is found, taken out, and the maps
    with counting() as count:
        (surest,) = scope.boxes(picture, None, most=1)
    assert count.pictures == 1 + (2 * 1 + 1)
    assert (surest.boxes, surest.more, surest.heatmaps) == (told.boxes[:1], 1, ())
    assert repr(surest).endswith("0: dog 97% and 1 more>")
    assert [len(part) for part in (told.only_inside, told.without_inside)] == [2, 2]
    assert told.only_inside[0].size == (SIDE, SIDE)
    titles = [axes.get_title().strip() for axes in told.figure().axes if axes.get_title()]
    assert titles[:4] == ["0: dog: 0.97", "HiResCAM", "inside only: 0.00", "outside only: 0.97"]
    assert len(titles) == 8
    assert len([axes for axes in surest.figure().axes if axes.get_title()]) == 3
    reds = [image.getextrema()[0][1] for image in (told.without_inside[0], told.only_inside[0])]
    assert reds[0] > 190 > reds[1]  # the cat's red is there without the dog's box, and gone where only that is left


class Pair(PlantedDetector):
    """A dog is found only where something blue lies in the box of the cat."""

    def forward(self, x: Tensor) -> object:
        blue = x[:, 2:, 36:52, 20:36].mean((2, 3), keepdim=True)
        return super().forward(torch.cat([x[:, :1], x[:, 1:2] * (blue > 0.2), x[:, 2:]], 1))


def test_a_box_that_needs_the_content_of_another_says_so() -> None:
    dog = Plant("dog", (48, 32, 64, 48), (44.0, 2.0, 64.0, 22.0), "coarse")
    picture = scene(CAT, dog)
    picture[2, 36:52, 20:36] = 0.8
    (told,) = fm.Scope(Pair(), classes=("cat", "dog", "cup")).boxes(picture[None], None)
    number = [box.label for box in told.boxes].index("dog")
    other = 1 - number
    assert told.needed(number) == other
    assert told.needed(other) is None
    assert f"It needs {other}: cat: 0.00 without it." in told.sentences()[number]


def test_nothing_sure_enough_is_the_surest_and_said() -> None:
    (unsure,) = scope_of("rows").boxes(scene()[None])
    assert len(unsure) == 1
    assert unsure.note.startswith("Nothing was found with a score of 0.5 or more")
    assert unsure.sentences()[-1] == unsure.note
    (nothing,) = scope_of().boxes(scene()[None])
    assert (len(nothing), nothing.sentences(), nothing.evidence.lost.shape) == (0, [], (1, 0, 0))
    assert nothing.figure().axes[0].get_title() == "nothing found"
    assert repr(nothing) == "<DetectedPicture: picture 0, nothing>"


def test_targets_and_methods() -> None:
    scope, picture = scope_of(), scene(CAT, DOG)[None]
    (all_found,) = scope.boxes(picture, None)
    for target in ("cat", fm.Detection(1), fm.Detection(0, "cat"), fm.Box(CAT.box, "cat")):
        (told,) = scope.boxes(picture, None, target=target)
        torch.testing.assert_close(told.evidence.whole[0], all_found.evidence.whole[0, 1:])
        torch.testing.assert_close(told.evidence.alone[0], all_found.evidence.alone[0, 1:])
    (told,) = scope.boxes(picture, "saliency", target=["cat", fm.Detection(1)])
    assert [len(told), len(told.heatmaps)] == [1, 1]
    with pytest.raises(MethodError, match="eigen_cam looks at no target"):
        scope.boxes(picture, "eigen_cam")
    with pytest.raises(OptionError, match="1 or more; got 0"):
        scope.boxes(picture, most=0)
    with pytest.raises(OptionError, match=r"fill.*'foo'"), unchecked():
        scope.boxes(picture, fill="foo")
    with pytest.raises(TargetError, match="mine: this is no box"):
        scope.boxes(picture, target=mine)
    with pytest.raises(TargetError, match="in which no detections were found"):
        fm.Scope(
            torch.nn.Sequential(torch.nn.Conv2d(3, 2, 3), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
        ).boxes(picture)


def mine(outputs: list[dict[str, Tensor]]) -> Tensor:
    return torch.stack([each["scores"].sum() for each in outputs])


def test_a_detector_of_torchvision_leaves_as_it_came() -> None:
    torch.manual_seed(0)
    model = torchvision.models.get_model(
        "ssdlite320_mobilenet_v3_large", weights=None, weights_backbone=None, score_thresh=0.0
    )
    model.train()
    scope = fm.Scope(model, classes=[f"label {i}" for i in range(91)])
    (told,) = scope.boxes(torch.rand(1, 3, 96, 128), None, most=2)
    assert len(told) == 1
    assert told.note
    assert float(told.evidence.whole[0, 0]) == pytest.approx(told.boxes[0].score, rel=1e-3)
    assert model.training
