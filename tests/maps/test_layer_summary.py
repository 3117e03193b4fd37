"""The walk through all layers: its numbers by plain loops over recorded activations, in little memory."""

import csv
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import featuremaps as fm
import featuremaps.maps.layer_summary
from featuremaps.errors import ModelError
from featuremaps.maps.layer_summary import KEPT, THUMBNAIL
from featuremaps.models.studied_model import StudiedModel
from map_samples import PNG, Twice, chelsea, pictures, real_scope, tiny_vit
from method_samples import Little, noise
from nets import Reused
from snapshots import snapshot


def measured(maps: Tensor) -> tuple[float, float, float, float, float]:
    """Zeros, silent channels, mean, smallest and largest of (channel, height, width), value by value."""
    values = [[float(value) for value in channel.flatten()] for channel in maps]
    flat = [value for channel in values for value in channel]
    zeros = sum(value == 0 for value in flat) / len(flat)
    silent = sum(all(value == 0 for value in channel) for channel in values) / len(values)
    return zeros, silent, sum(flat) / len(flat), min(flat), max(flat)


class Dying(nn.Module):
    """A ReLU behind which half of the channels are silent."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(3, 6, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)
        self.fc = nn.Linear(6, 2)
        with torch.no_grad():
            self.conv.bias[:3] = -99.0

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.relu(self.conv(x)).mean((2, 3)))


@pytest.mark.parametrize("make", [Dying, Little, Reused, Twice, tiny_vit])
def test_numbers_of_every_layer(make) -> None:
    model, inputs = make().eval(), noise(2, (32, 32) if make is tiny_vit else (16, 16))
    scope = fm.Scope(model)
    walk = scope.maps(inputs, "all")
    names = scope._studied.walk(inputs[:1]).resolve("all")
    assert [row.layer for row in walk.rows] == names
    for row in walk.rows:
        activations = scope.record(inputs, row.layer, gradients=False).activations[row.layer]
        one, other = measured(activations[0]), measured(activations[1])
        expected = [(a + b) / 2 for a, b in zip(one[:3], other[:3], strict=True)]
        found = [row.zeros, row.silent, row.mean, row.min, row.max]
        assert found == pytest.approx([*expected, min(one[3], other[3]), max(one[4], other[4])], rel=1e-4, abs=1e-5)
        assert (row.channels, row.size) == (activations.shape[1], tuple(activations.shape[2:]))
        best = scope.maps(inputs, row.layer).top(KEPT)
        assert tuple(tuple(one.unit for one in top) for top in row.tops) == best.units


def test_silent_channels() -> None:
    walk = fm.Scope(Dying()).maps(noise(1), "all")
    assert walk["conv"].silent == 0
    assert walk["conv"].min < -90
    assert walk["relu"].silent == 0.5
    assert walk["relu"].zeros > 0.5
    assert walk.silent == (0.0, 0.5)
    assert walk.zeros == (walk["conv"].zeros, walk["relu"].zeros)
    with pytest.raises(KeyError, match="the walk has no layer 'fc'"):
        walk["fc"]


def test_batch_is_one_by_one_and_sizes_may_differ() -> None:
    scope, mixed = fm.Scope(Little()), pictures((16, 16), (24, 16), (16, 16))
    together = scope.maps(mixed, "all", batch_size=2)
    alone = [scope.maps(picture, "all") for picture in mixed]
    for i, row in enumerate(together.rows):
        assert row.zeros == pytest.approx(sum(walk.rows[i].zeros for walk in alone) / 3)
        assert row.max == pytest.approx(max(walk.rows[i].max for walk in alone))
        for k in range(3):
            assert [one.unit for one in row.tops[k]] == [one.unit for one in alone[k].rows[i].tops[0]]
            torch.testing.assert_close(row.tops[k][0].map, alone[k].rows[i].tops[0][0].map)


def test_no_layer_is_kept_whole() -> None:
    """What is held after a walk over large pictures is thumbnails, however large the layers are."""
    model = nn.Sequential(*[nn.Conv2d(3, 3, 3, padding=1) for _ in range(4)])
    model[0] = nn.Conv2d(3, 12, 3, padding=1)
    model[1] = nn.Conv2d(12, 3, 3, padding=1)
    walk = fm.Scope(model).maps(noise(1, (300, 200)), "all")
    kept = [one.map for row in walk.rows for one in row.tops[0]]
    assert {tuple(map.shape) for map in kept} == {(THUMBNAIL, 64)}
    assert all(map.untyped_storage().nbytes() <= KEPT * THUMBNAIL * 64 * 4 for map in kept)
    assert [row.size for row in walk.rows] == [(300, 200)] * 4


def test_one_pass_and_the_model_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    model, inputs = Little().train(), noise(2)
    scope = fm.Scope(model)
    before, runs = snapshot(model, inputs), []
    forward = Little.forward
    monkeypatch.setattr(Little, "forward", lambda self, x: (runs.append(len(x)), forward(self, x))[1])
    known = scope._studied.walk(inputs[:1])
    runs.clear()
    featuremaps.maps.layer_summary.walk_through(StudiedModel(model), known, scope.see(inputs).seen)
    assert runs == [2]
    assert snapshot(model, inputs).differences(before) == []


def test_the_first_layer_that_is_not_finite_is_named() -> None:
    model = Little().train()
    with torch.no_grad():
        model.features.conv2.bias[3] = torch.inf
    inputs = noise(1)
    before = snapshot(model, inputs)
    with pytest.raises(ModelError, match="'features.conv2' is the first whose values are not finite.*conv2.bias"):
        fm.Scope(model).maps(inputs, "all")
    assert snapshot(model, inputs).differences(before) == []


def test_table_and_files(tmp_path: Path) -> None:
    walk = fm.Scope(Dying(), name="dying").maps(pictures((16, 16), (24, 16)), "all")
    lines = str(walk).splitlines()
    assert lines[0].split()[:6] == ["layer", "type", "channels", "size", "zeros", "silent"]
    assert lines[2].split()[:5] == ["relu", "ReLU", "6", "16×16", f"{walk['relu'].zeros:.0%}"]
    assert lines[-1] == "Dying: 2 layers over 2 pictures"
    assert repr(walk) == "<LayerWalk: Dying, 2 layers, 2 pictures>"
    written = walk.save(tmp_path)
    assert [path.name for path in written] == ["picture 0__walk.png", "picture 1__walk.png", "walk.csv"]
    assert written[0].read_bytes().startswith(PNG)
    with written[2].open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["layer"] for row in rows] == ["conv", "relu"]
    assert float(rows[1]["zeros"]) == walk["relu"].zeros
    assert walk._repr_png_().startswith(PNG)


def test_deep_layers_of_a_real_model_are_sparse(shared: Path) -> None:
    scope = real_scope(shared)
    walk = scope.maps(chelsea(), "all")
    deep = scope.record(chelsea(), "features.12", gradients=False).activations["features.12"]
    assert walk["features.12"].zeros == pytest.approx(float((deep == 0).float().mean()), abs=1e-6)
    assert walk["features.12"].zeros > 0.8 > 0.6 > walk["features.1"].zeros
