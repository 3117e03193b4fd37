"""What stands inside a model as sections of a report: numbers and maps of the model itself."""

from pathlib import Path

import pytest
import torch
import torchvision
from torch import nn

import featuremaps as fm
from featuremaps import demo
from featuremaps.errors import FeatureMapsError
from featuremaps.models.studied_model import StudiedModel
from featuremaps.report.channels import ChannelsSection
from featuremaps.report.filters import FiltersSection
from featuremaps.report.layer_walk import LayerWalkSection
from featuremaps.report.model_sections import MOST_PICTURES, first_filters
from method_samples import Little, noise


def test_a_convolutional_network_has_all_three() -> None:
    model, pictures = Little(), noise(2)
    walk, channels, filters = fm.Scope(model).inside(pictures)
    assert isinstance(walk, LayerWalkSection)
    assert isinstance(channels, ChannelsSection)
    assert isinstance(filters, FiltersSection)
    recorded = fm.Scope(model).record(pictures, "features", gradients=False).activations["features"]
    rows = {layer.layer: layer for layer in walk.pictures[1].layers}
    assert rows["features"].zeros == pytest.approx(float((recorded[1] == 0).float().mean()))
    assert rows["features"].shape == (8, 4, 4)
    best = rows["features"].top[0]
    assert best.channel == int(recorded[1].mean((1, 2)).argmax())
    assert best.value == pytest.approx(float(recorded[1].mean((1, 2)).max()), rel=1e-5)
    browsed = {layer.layer: layer.maps for layer in channels.pictures[1].layers}
    assert browsed["features"] is not None
    torch.testing.assert_close(browsed["features"], recorded[1])
    assert filters.layer == "features.conv1"
    assert [tile.number for tile in filters.tiles] == list(range(6))
    assert filters.tiles[2].norm == pytest.approx(float(model.features.conv1.weight[2].detach().norm()), rel=1e-5)
    assert filters.tiles[2].picture is not None
    assert filters.tiles[2].picture.size == (3, 3)


def test_the_demo_report_stays_small(tmp_path: Path) -> None:
    path = fm.load("demo").report(demo.images(), tmp_path / "r.html", methods="grad_cam")
    assert path.stat().st_size < 10e6
    alone = fm.load("demo").report(demo.images(), tmp_path / "a.html", methods="grad_cam", anatomy=False)
    assert alone.stat().st_size < path.stat().st_size


def test_only_the_first_pictures_are_walked_through() -> None:
    walk, *_ = fm.Scope(Little()).inside(noise(MOST_PICTURES + 2))
    assert isinstance(walk, LayerWalkSection)
    assert len(walk.pictures) == MOST_PICTURES


def test_a_model_without_maps_has_nothing_to_show(tmp_path: Path) -> None:
    scope = fm.Scope(nn.Sequential(nn.Flatten(), nn.Linear(48, 2)).eval())
    assert scope.inside(noise(1, (4, 4))) == ()
    assert scope.report(noise(1, (4, 4)), tmp_path / "r.html", methods="saliency").is_file()


def test_a_vision_transformer_shows_its_tokens_as_maps() -> None:
    model = torchvision.models.VisionTransformer(16, 4, 2, 2, 8, 16, num_classes=3).eval()
    found = fm.Scope(model).inside(noise(1))
    assert [section.kind for section in found] == ["layer_walk", "channels", "attention", "filters"]
    assert isinstance(found[0], LayerWalkSection)
    assert (8, 4, 4) in {layer.shape for layer in found[0].pictures[0].layers}


def test_a_part_that_cannot_be_made_says_why_in_its_place() -> None:
    model = Little()
    with torch.no_grad():
        model.features.conv2.weight[0] = torch.nan
    found = fm.Scope(model).inside(noise(1))
    assert [section.kind for section in found] == ["failure", "failure", "filters"]
    assert "features.conv2.weight" in str(found[0].to_json()["message"])


def test_no_convolution_is_said() -> None:
    model = nn.Sequential(nn.ReLU(), nn.MaxPool2d(2))
    studied = StudiedModel(model)
    with pytest.raises(FeatureMapsError, match="no layer of Sequential is a convolution"):
        first_filters(studied, studied.walk(noise(1)))
