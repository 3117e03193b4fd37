"""Surveys that count boxes and regions: every number against one picture at a time, planted channels, what is refused."""

import itertools
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
import torchvision
from PIL import Image
from region_samples import (
    CLASSES,
    BoxedDetector,
    Segmenter,
    maps_alone,
    plants,
    scope_of,
    shares_in,
    shares_of,
    tensor_of,
    values_in,
    write_scenes,
)
from survey_samples import contents, survey_of, write_pictures
from torch import Tensor, nn

import featuremaps as fm
from featuremaps.errors import FeatureMapsWarning, OptionError, SurveyError
from featuremaps.pictures.preprocessing import Preprocessing
from featuremaps.session import preserved
from featuremaps.survey.analysis.seen_pictures import best_picture
from featuremaps.survey.engine.compute_shard import compute_shard
from featuremaps.survey.engine.loader import stream
from featuremaps.survey.engine.plan import Job
from featuremaps.survey.engine.ray import write_all
from featuremaps.survey.storage.shard_files import BestSoFar
from featuremaps.survey.storage.shard_result import ShardResult
from featuremaps.survey.survey import open_survey
from planted_detector import CAT, DOG, NAMES, SIDE, Form, PlantedDetector, scene

STEPS = {"stem": 4, "fine": 8, "coarse": 16}
PLAIN = Preprocessing(fm.preprocess())
HALF = {"rtol": 2e-3, "atol": 2e-4}


@pytest.mark.parametrize("form", ["listed", "queries", "rows"])
def test_every_number_of_a_box_is_the_models(tmp_path: Path, form: Form) -> None:
    """One picture at a time: a box's places, and those outside of all boxes."""
    paths, model = write_scenes(tmp_path / "pictures", 6), BoxedDetector(form)
    survey = scope_of(model).survey(tmp_path / "pictures", list(STEPS), tmp_path / "out", batch_size=4, workers=0)
    assert survey.classes == ("cat", "dog", "elsewhere")
    expected: dict[str, list[Tensor]] = {f"{layer} {by}": [] for layer in STEPS for by in ("mean", "max")}
    labels, names = [], []
    for number, path in enumerate(paths):
        maps, _ = maps_alone(model, list(STEPS), tensor_of(path))
        own = np.flatnonzero(survey.pictures.numbers == number)
        order = [survey.classes[label] for label in survey.pictures.labels[own]]
        found = sorted(plants(number), key=lambda plant: order.index(plant.label))
        outside = torch.ones(SIDE, SIDE)
        for plant in found:
            left, top, right, bottom = map(int, plant.box)
            outside[top:bottom, left:right] = 0
        for layer, step in STEPS.items():
            regions = [shares_in(maps[layer], (step, step), plant.box) for plant in found]
            for region in [*regions, shares_of(maps[layer], step, outside)]:
                mean, most = values_in(maps[layer], region)
                expected[f"{layer} mean"].append(mean)
                expected[f"{layer} max"].append(most)
        np.testing.assert_allclose(
            survey.regions.boxes[own], [*(plant.box for plant in found), (0, 0, SIDE, SIDE)], atol=1e-4
        )
        labels += [plant.label for plant in found] + ["elsewhere"]
        names += [f"{path.name}, box {index}" for index in range(len(found))] + [f"{path.name}, elsewhere"]
    assert [survey.classes[label] for label in survey.pictures.labels] == labels
    assert list(survey.pictures.names) == names
    for layer, by in itertools.product(STEPS, ("mean", "max")):
        np.testing.assert_allclose(survey.vectors(layer, by), torch.stack(expected[f"{layer} {by}"]), **HALF)
    best = survey.top("fine:0", 3)
    assert [one.value for one in best] == pytest.approx(
        np.sort(survey.vectors("fine", "max", [0])[:, 0])[::-1][:3], rel=1e-3
    )
    for one in best:
        maps, _ = maps_alone(model, ["fine"], tensor_of(paths[survey.pictures.numbers[one.row]]))
        assert float(maps["fine"][0, one.y, one.x]) == pytest.approx(one.value, rel=1e-4)


class Corners(nn.Module):
    """Rows of boxes by their corners: all over a bright picture, one small box in a dark one, as could be middles."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 2, 8, 8)
        starts = torch.cartesian_prod(torch.arange(5.0), torch.arange(5.0)) * 12
        self.register_buffer("spread", torch.cat([starts, starts + 10], 1))
        self.register_buffer("small", torch.tensor([[40.0, 30, 50, 35]]).expand(25, 4))

    def forward(self, x: Tensor) -> Tensor:
        bright = x.mean((1, 2, 3))[:, None, None] > 0.5
        shares = torch.tensor([0.9, 0.1]).expand(len(x), 25, 2)
        return torch.cat([torch.where(bright, self.spread, self.small), shares + 0 * self.stem(x).mean()], 2)


def test_the_form_of_boxes_is_that_of_the_first_picture_whatever_the_batch(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    for number, light in enumerate((220, 20)):
        Image.new("RGB", (64, 64), (light,) * 3).save(tmp_path / "pictures" / f"{number}.png")
    scope = fm.Scope(Corners(), fm.preprocess(), classes=["cat", "dog"])
    found = [
        scope.survey(tmp_path / "pictures", "stem", tmp_path / f"by {size}", each="box", batch_size=size, workers=0)
        for size in (1, 2)
    ]
    for survey in found:
        dark = survey.regions.boxes[survey.pictures.numbers == 1]
        np.testing.assert_allclose(dark[0], (40, 30, 50, 35))
    np.testing.assert_array_equal(found[0].regions.boxes, found[1].regions.boxes)
    (tmp_path / "pictures" / "0.png").unlink()
    with pytest.warns(FeatureMapsWarning, match="The box is read as x, y, width and height"):
        scope.survey(tmp_path / "pictures", "stem", tmp_path / "dark alone", each="box", workers=0)


def test_every_number_of_a_segmenters_region_is_the_models(tmp_path: Path) -> None:
    paths, model = write_scenes(tmp_path / "pictures", 5), Segmenter()
    survey = scope_of(model, CLASSES).survey(tmp_path / "pictures", "stem", tmp_path / "out", batch_size=3, workers=0)
    assert survey.manifest.each == "region"
    assert survey.classes == CLASSES
    row = 0
    for number, path in enumerate(paths):
        maps, outputs = maps_alone(model, ["stem"], tensor_of(path))
        winners = outputs.argmax(1)[0]
        for label in winners.unique().tolist():
            mean, most = values_in(maps["stem"], shares_of(maps["stem"], 4, winners == label))
            assert (survey.pictures.numbers[row], survey.pictures.labels[row]) == (number, label)
            assert survey.pictures.names[row] == f"{path.name}, {CLASSES[label]}"
            assert survey.regions.shares[row] == pytest.approx(float((winners == label).double().mean()))
            np.testing.assert_allclose(survey.vectors("stem")[row], mean, **HALF)
            np.testing.assert_allclose(survey.vectors("stem", "max")[row], most, **HALF)
            row += 1
    assert row == len(survey.pictures)
    assert [survey.separation().best(name, 1)[0].channel for name in CLASSES[1:]] == [0, 1]


def test_the_channel_by_which_a_class_is_found_is_its_specialist(tmp_path: Path) -> None:
    write_scenes(tmp_path / "pictures", 24)
    survey = scope_of(BoxedDetector()).survey(tmp_path / "pictures", ["fine", "coarse"], tmp_path / "out", workers=0)
    assert survey.found_counts == {"cat": 12, "dog": 12}
    for layer in ("fine", "coarse"):
        found = survey.specialists(layer, per_image=1, per_class=1, unique=False)
        assert (found["cat"].channels, found["dog"].channels) == ((0,), (1,))
        assert (found["cat"].counts, found["dog"].counts) == ((12,), (12,))
        separation = survey.separation(layer)
        for name, channel in (("cat", 0), ("dog", 1)):
            best = separation.best(name, 1)[0]
            assert (best.channel, best.area) == (channel, 1.0)
            assert best.p_value < 0.05
    assert survey.sums({"cat": [0]}, "fine").areas[0].value == 1.0


def test_evidence_beside_its_box_is_found_elsewhere(tmp_path: Path) -> None:
    """Of a detector that finds things by what lies outside of their boxes, which the boxes' numbers do not hide."""
    pictures = [scene(*((CAT,), (DOG,), ())[number % 3], seed=number) for number in range(12)]
    survey = scope_of(PlantedDetector()).survey(pictures, "fine", tmp_path / "out", workers=0)
    values, labels = survey.vectors("fine", "max", [0])[:, 0], survey.pictures.labels
    cats = values[labels == survey.classes.index("cat")]
    assert cats.max() < 0.2
    assert values[labels == survey.classes.index("elsewhere")].max() == pytest.approx(0.8, abs=0.01)
    assert survey.separation("fine", by="max").areas[survey.classes.index("cat"), 0] < 0.6


@pytest.mark.filterwarnings("ignore:.*pictures were left out")
def test_batches_workers_and_where_it_was_stopped_change_nothing(tmp_path: Path) -> None:
    paths, scope = write_scenes(tmp_path / "pictures", 10), scope_of(BoxedDetector())
    paths[3].write_bytes(b"not a picture")
    kinds = {"dataset": tmp_path / "pictures", "layers": ["fine"], "model": scope.model, "classes": NAMES}
    kinds |= {"preprocessing": scope.preprocessing}
    one = survey_of(out=tmp_path / "one", **kinds)
    survey_of(out=tmp_path / "threads", workers=2, **kinds)
    assert contents(tmp_path / "one") == contents(tmp_path / "threads")
    single = survey_of(out=tmp_path / "single", batch_size=1, **kinds)  # sums in another order
    np.testing.assert_allclose(single.vectors("fine"), one.vectors("fine"), rtol=1e-5, atol=1e-7)
    assert [found.row for found in single.top("fine:0", 5)] == [found.row for found in one.top("fine:0", 5)]
    assert single.pictures.names == one.pictures.names
    calls = itertools.count()

    def stop(*_: object) -> None:
        if next(calls) == 4:
            raise KeyboardInterrupt

    handle = scope.model.heads[0].register_forward_hook(stop)
    with pytest.raises(KeyboardInterrupt):
        survey_of(out=tmp_path / "stopped", **kinds)
    handle.remove()
    with pytest.raises(SurveyError, match="is not finished"):
        open_survey(tmp_path / "stopped")
    survey_of(out=tmp_path / "stopped", **kinds)
    assert contents(tmp_path / "one") == contents(tmp_path / "stopped")
    assert [bad.name for bad in one.pictures.bad] == ["03.png"]
    assert one.verify() == len(one.manifest.files)
    assert repr(one).startswith("<Survey of BoxedDetector: 10 boxes in 9 pictures and 1 bad, 2 classes; fine")


def test_shards_computed_elsewhere_in_any_order_give_the_same_tables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Ray's actors do it: results travel as bytes, and come as they are ready."""

    def scattered(job: Job) -> BestSoFar:
        def computed(number: int) -> ShardResult:
            plan = pickle.loads(pickle.dumps(job.plan))
            pictures = stream(job.examples, job.preprocessing, job.store.manifest.numbers(number), 0)
            result: ShardResult = pickle.loads(pickle.dumps(compute_shard(session, plan, number, pictures)))
            return result

        with preserved(job.model) as session:
            return write_all(job.store, map(computed, [2, 0, 3, 1]), lambda picture: None)

    write_scenes(tmp_path / "pictures", 14)
    kinds = {"layers": ["fine"], "model": BoxedDetector().eval(), "classes": NAMES, "preprocessing": PLAIN}
    one = survey_of(tmp_path / "pictures", tmp_path / "local", **kinds)
    monkeypatch.setattr("featuremaps.survey.run.run_here", scattered)
    survey_of(tmp_path / "pictures", tmp_path / "scattered", **kinds)
    here, there = (contents(tmp_path / name) for name in ("local", "scattered"))
    assert {name for name in here if here[name] != there[name]} <= {"manifest.json"} | {
        name for name in here if name.startswith("partial/top/")
    }
    assert len(one.pictures) == 14 + sum(one.found_counts.values())


def test_the_tables_say_region_and_what_it_is(tmp_path: Path) -> None:
    write_scenes(tmp_path / "pictures", 3)
    survey = scope_of(BoxedDetector()).survey(tmp_path / "pictures", "fine", tmp_path / "out", workers=0)
    regions = pq.read_table(tmp_path / "out" / "regions.parquet")
    names = regions["label_name"].to_pylist()
    assert names[:4] == ["cat", "elsewhere", "dog", "elsewhere"]
    assert {*names[4:]} == {"cat", "dog", "elsewhere"}
    assert regions["region"].to_pylist() == [0, 1, 1024, 1025, 2048, 2049, 2050]
    assert pq.read_table(tmp_path / "out" / "top.parquet").column_names[6] == "region"
    vectors = pq.read_table(next((tmp_path / "out").glob("vectors/fine/mean/*.parquet")))
    assert vectors["region"].to_pylist() == regions["region"].to_pylist()
    classes = pq.read_table(tmp_path / "out" / "classes.parquet")
    assert classes["count"].to_pylist() == [2, 2, 3] * 4
    for place, label in enumerate((0, 1, 2)):
        own = survey.vectors("fine")[survey.pictures.labels == label].astype(np.float64)
        np.testing.assert_allclose(classes["sum"].to_pylist()[place::3], own.sum(0), rtol=1e-6)


@pytest.mark.slow
def test_torchvisions_boxes_lie_where_they_are_in_padded_pictures_of_several_sizes(tmp_path: Path) -> None:
    """FCOS pads its pictures to multiples of 32 behind: a place is a stride wide, whatever stands there."""
    torch.manual_seed(0)
    model = torchvision.models.detection.fcos_resnet50_fpn(
        weights=None, weights_backbone=None, num_classes=4, min_size=64, max_size=128, score_thresh=0.0,
        detections_per_img=4,
    ).eval()  # fmt: skip
    (tmp_path / "pictures").mkdir()
    noise, sizes = np.random.default_rng(0), [(90, 64), (64, 80), (90, 64)]
    paths = [tmp_path / "pictures" / f"{number}.png" for number in range(3)]
    for path, (width, height) in zip(paths, sizes, strict=True):
        Image.fromarray(noise.integers(0, 255, (height, width, 3)).astype(np.uint8)).save(path)
    layers = {"backbone.fpn.layer_blocks.0": 8, "backbone.fpn.layer_blocks.1": 16}
    scope = fm.Scope(model, classes=["none", "a", "b", "c"])
    survey = scope.survey(tmp_path / "pictures", "last", tmp_path / "last", threshold=0.0, workers=0)
    assert list(survey.layers) == ["backbone.fpn.layer_blocks.0"]  # the finest of what the heads read
    survey = scope.survey(tmp_path / "pictures", list(layers), tmp_path / "out", threshold=0.0, workers=0)
    for number, path in enumerate(paths):
        maps, outputs = maps_alone(model, list(layers), tensor_of(path))
        own = np.flatnonzero((survey.pictures.numbers == number) & (survey.regions.scores > 0))
        boxes = [box for box in outputs[0]["boxes"].tolist() if box[2] > box[0] and box[3] > box[1]]
        assert len(own) == len(boxes) > 0
        assert inside(model, sizes[number]) == sizes[number]  # which it pads, and does not enlarge
        np.testing.assert_allclose(survey.regions.boxes[own], boxes, atol=1e-2)
        for layer, stride in layers.items():
            values = [values_in(maps[layer], shares_in(maps[layer], (stride, stride), box)) for box in boxes]
            np.testing.assert_allclose(survey.vectors(layer)[own], torch.stack([mean for mean, _ in values]), **HALF)


def inside(model: Any, size: tuple[int, int]) -> tuple[int, int]:
    """How large a picture (width, height) is inside the model, without what it adds behind."""
    images, _ = model.transform([torch.zeros(3, size[1], size[0])])
    height, width = images.image_sizes[0]
    return width, height


def test_what_counts_is_what_the_model_gives_and_may_be_said(tmp_path: Path) -> None:
    write_scenes(tmp_path / "pictures" / "a", 4)
    write_scenes(tmp_path / "pictures" / "b", 4)
    scope = scope_of(BoxedDetector())
    with pytest.warns(FeatureMapsWarning, match="pictures have labels, and what is counted are the boxes"):
        boxes = scope.survey(tmp_path / "pictures", "fine", tmp_path / "boxes", workers=0)
    assert boxes.classes == ("cat", "dog", "elsewhere")
    scope.survey(tmp_path / "pictures", "fine", tmp_path / "boxes", workers=0)  # goes on as it is, without a word
    said = scope.survey(tmp_path / "pictures", "fine", tmp_path / "said", workers=0, each="box")
    assert said.found_counts == boxes.found_counts
    whole = scope.survey(tmp_path / "pictures", "fine", tmp_path / "whole", workers=0, each="picture")
    assert (whole.classes, whole.regions, len(whole.pictures)) == (("a", "b"), None, 8)
    with pytest.raises(SurveyError, match=r"the settings: .* there, .*each box, threshold 0.5 now"):
        scope.survey(tmp_path / "pictures", "fine", tmp_path / "whole", workers=0, each="box")
    unnamed = scope_of(Segmenter(), None).survey(tmp_path / "pictures", "stem", tmp_path / "unnamed", workers=0)
    assert unnamed.regions is None  # maps of numbers without names may be anything
    regions = scope_of(Segmenter(), None).survey(
        tmp_path / "pictures", "stem", tmp_path / "regions", workers=0, each="region"
    )
    assert regions.classes == ("class 0", "class 1", "class 2")
    assert scope_of(Segmenter(), CLASSES).open_survey(tmp_path / "regions").classes == CLASSES


def test_a_threshold_says_which_boxes_count(tmp_path: Path) -> None:
    write_scenes(tmp_path / "pictures", 3)
    scope = scope_of(BoxedDetector())
    with pytest.warns(FeatureMapsWarning, match="nothing was found in any picture with a score of 1 or more"):
        none = scope.survey(tmp_path / "pictures", "fine", tmp_path / "none", threshold=1.0, workers=0)
    assert (none.classes, none.found_counts) == (("elsewhere",), {})
    with pytest.raises(SurveyError, match="only 'elsewhere' has"):
        none.separation()
    with pytest.raises(OptionError, match="threshold is a score from 0 to 1"):
        scope.survey(tmp_path / "pictures", "fine", tmp_path / "wrong", threshold=2.0)


REFUSED = "is about whole pictures, and survey 'out' counts boxes.*each='picture'"


def test_what_needs_whole_pictures_is_refused(tmp_path: Path) -> None:
    write_scenes(tmp_path / "pictures", 8)
    scope = scope_of(BoxedDetector())
    survey = scope.survey(tmp_path / "pictures", "fine", tmp_path / "out", workers=0)
    for ask in (
        survey.confusion,
        survey.mistakes,
        lambda: survey.detector("cat"),
        lambda: scope.find_shortcuts(survey),
        lambda: scope.without("fine:0", survey=survey, pictures=scene(CAT)[None]),
        lambda: best_picture(survey, scope.preprocessing, "fine", 0),
        lambda: fm.compare_models({"a": survey, "b": survey}),
    ):
        with pytest.raises(SurveyError, match=REFUSED):
            ask()


def test_what_a_model_does_not_give_is_refused(tmp_path: Path) -> None:
    write_pictures(tmp_path / "pictures", {"a": 2})
    for each, reason in (("box", "gives no boxes"), ("region", "gives no class scores of places")):
        with pytest.raises(OptionError, match=rf"each='{each}' .*{reason}.*each='picture'"):
            survey_of(tmp_path / "pictures", tmp_path / "out", each=each)
    write_scenes(tmp_path / "scenes", 2)
    scope = scope_of(BoxedDetector())
    with pytest.raises(OptionError, match="predictions=True keeps one answer.*counts boxes"):
        scope.survey(tmp_path / "scenes", "fine", tmp_path / "out", predictions=True)


def test_a_layer_of_one_place_tells_no_boxes_apart(tmp_path: Path) -> None:
    write_scenes(tmp_path / "scenes", 2)
    model = BoxedDetector()
    model.add_module("glance", nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.ReLU()))
    model.stem.register_forward_hook(lambda module, given, output: (model.glance(output), output)[1])
    with pytest.raises(OptionError, match=r"'glance.0' has one place .* Leave it out: layers=\['stem.0'\]"):
        scope_of(model).survey(tmp_path / "scenes", ["stem.0", "glance.0"], tmp_path / "out", workers=0)
