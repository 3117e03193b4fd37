"""Signals, volumes and videos through every verb: what is planted in them is found, and what does not work says so."""

import math
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import featuremaps as fm
from featuremaps.errors import FeatureMapsError, FeatureMapsWarning, ImageError, ModelError, OptionError
from featuremaps.plotting.rendering import enlarged
from method_samples import unchecked
from planted import KINDS, Planted, ecg, ecg_net, scope_of, videos, volume_net, volumes

EVERYWHERE = ("grad_cam", "layer_cam", "ablation_cam", "score_cam")
COPIES: dict[str, dict[str, int]] = {
    "occlusion": {},
    "rise": {"masks": 600},
    "lime": {},
    "kernel_shap": {"samples": 300},
}
"""Methods that run many copies of each input, which are tried on eight of them, and their options."""
METHODS = {
    "ecg": (*EVERYWHERE, "integrated_gradients", "lrp", "input_x_gradient", "occlusion", "rise", "lime", "kernel_shap"),
    "volumes": (*EVERYWHERE, "integrated_gradients", "lrp", "full_grad", "occlusion", "guided_grad_cam"),
    "videos": (*EVERYWHERE, "hires_cam"),
}


@cache
def scope(kind: str) -> fm.Scope:
    return scope_of(kind)


@cache
def held_out(kind: str) -> Planted:
    """Items that have a plant, none of which was trained on."""
    items = KINDS[kind][1](60, 1)
    rows = items.masks.flatten(1).any(1)
    return Planted(items.inputs[rows], items.labels[rows], items.masks[rows])


@pytest.mark.parametrize("kind", KINDS)
def test_maps_point_at_the_plant(kind: str) -> None:
    items = held_out(kind)
    for method in METHODS[kind]:
        few = 8 if method in COPIES else None
        inputs, labels, masks = items.inputs[:few], items.labels[:few].tolist(), items.masks[:few]
        explained = scope(kind).explain(inputs, method, target=labels, **COPIES.get(method, {}))
        heat = explained if isinstance(explained, fm.Heatmaps) else explained.map()
        maps = heat.upsample().tensor
        assert maps.shape == masks.shape
        hits = masks.flatten(1).gather(1, maps.flatten(1).argmax(1)[:, None])
        assert hits.float().mean() >= 0.95, f"{method}: {hits.float().mean():.2f}"


@pytest.mark.parametrize("method", ["lime", "kernel_shap"])
def test_the_strongest_supervoxel_lies_in_the_ball(method: str) -> None:
    items = held_out("volumes")
    inputs, labels, masks = items.inputs[:12], items.labels[:12].tolist(), items.masks[:12].flatten(1)
    maps = scope("volumes").explain(inputs, method, target=labels, samples=300).tensor.flatten(1)
    strongest = maps == maps.amax(1, keepdim=True)
    inside = (strongest & masks).sum(1) / strongest.sum(1)
    assert float((inside > 0).double().mean()) >= 0.95
    assert float(inside.mean()) >= 0.75, "the ball takes up a twentieth of the volume"


def test_a_volume_is_enlarged_slice_by_slice() -> None:
    """Nothing of one slice comes into the next but by the line between their middles: the plain way, place by place."""
    heat = scope("volumes").explain(volumes(2, 3).inputs, layer="features.2")
    coarse, fine = heat.maps[1], heat.upsample().maps[1]
    assert coarse.shape == (4, 8, 8)
    assert fine.shape == (8, 16, 16)

    def neighbours(place: int, length: int) -> list[tuple[int, float]]:
        at = min(max((place + 0.5) / 2 - 0.5, 0.0), length - 1)
        low = math.floor(at)
        return [(low, 1 - at + low), (min(low + 1, length - 1), at - low)]

    for place in [(0, 0, 0), (3, 15, 7), (4, 0, 9), (7, 8, 15), (2, 5, 11)]:
        parts = [neighbours(axis, length) for axis, length in zip(place, coarse.shape, strict=True)]
        expected = sum(
            float(coarse[d, y, x]) * a * b * c for d, a in parts[0] for y, b in parts[1] for x, c in parts[2]
        )
        assert float(fine[place]) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    "method", ["grad_cam", "refine_cam", "kpca_cam", "full_grad", "lrp", "deep_lift", "smooth_grad"]
)
def test_a_signal_is_explained_as_a_picture_one_pixel_high(method: str) -> None:
    net = ecg_net().eval()
    flat = ecg_net().eval()
    for index, layer in enumerate(flat.features):
        if isinstance(layer, nn.Conv1d):
            (kernel,), (stride,), (padding,) = layer.kernel_size, layer.stride, layer.padding
            flat.features[index] = nn.Conv2d(
                layer.in_channels, layer.out_channels, (1, kernel), (1, stride), (0, int(padding))
            )
            flat.features[index].weight.data, flat.features[index].bias.data = layer.weight[:, :, None], layer.bias
    inputs = ecg(3, 5).inputs
    of_signal = fm.Scope(net).explain(inputs, method, layer="features.1", target=1).tensor
    of_picture = fm.Scope(flat).explain(inputs[:, :, None], method, layer="features.1", target=1).tensor
    assert of_signal.ndim == of_picture.ndim - 1
    torch.testing.assert_close(of_signal, of_picture.squeeze(-2), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_every_verb_works_or_says_why_not(kind: str, tmp_path: Path) -> None:
    studied, items = scope(kind), KINDS[kind][1](6, 2)
    inputs, unit = items.inputs, "features.1:1"
    dataset = [(item, int(label)) for item, label in zip(inputs, items.labels, strict=True)]
    assert studied.layers(inputs).last == "features"
    assert len(studied.predict(inputs)) == 6
    maps = studied.maps(inputs[:2])
    assert maps.tensor.shape[2:] == studied.layers(inputs)["features"].size
    assert maps.top(3).figure()
    assert len(maps.save(tmp_path / "maps")) == 4
    assert maps.rgb().images()[0].size == maps.pictures[0].image.size
    walk = studied.maps(inputs[:1], "all")
    assert walk["features"].size == maps.tensor.shape[2:]
    assert len(walk.save(tmp_path / "walk")) == 2
    assert studied.compare(inputs[:1], ["grad_cam", "saliency"]).figure()
    assert studied.factorize(inputs, "features", concepts=2).figure()
    assert len(studied.project(inputs, unit, most=2).save(tmp_path / "projections")) == 6
    survey = studied.survey(dataset, "features.1", tmp_path / "survey", workers=0)
    top = survey.top_pictures(unit, 2, maps=True)
    assert top.figure()
    assert top[0].map is not None
    assert float(top[0].map.max()) == pytest.approx(top[0].value, rel=1e-3)
    assert studied.report(inputs[:1], tmp_path / "report.html", methods=["grad_cam", "saliency"]).stat().st_size > 10**5
    (walked, browsed, _) = studied.inside(inputs[:1])
    assert [layer["shape"][1:] for layer in walked.to_json()["pictures"][0]["layers"]][-1] == list(
        maps.tensor.shape[2:]
    )
    layer = browsed.to_json()["pictures"][0]["layers"][-1]
    assert layer["size"] == list(maps.tensor.shape[2:])
    assert layer["means"] == pytest.approx(maps.values()[0].tolist(), rel=1e-4, abs=1e-6)
    for ask in (
        lambda: studied.draw(unit),
        lambda: studied.draw(layer="features.1"),
        lambda: studied.invert(inputs[:1], "features"),
        lambda: studied.stylize(inputs[:1], inputs[1:2]),
        lambda: studied.dream(inputs[:1], "features"),
    ):
        with pytest.raises(
            OptionError, match=r"what is drawn are pictures, and Net takes .*strongest examples: survey"
        ):
            ask()
    for method in ("kernel_shap", "guided_grad_cam"):
        options = {"samples": 120} if method == "kernel_shap" else {}
        assert studied.explain(inputs[1:2], method, **options).map().tensor.shape[1:] == inputs.shape[2:]
    assert studied.explain(inputs[1:2], "integrated_gradients", baseline="blur", steps=4).tensor.isfinite().all()


def test_refine_cam_lays_the_maps_of_a_volumes_layers_over_each_other_in_space() -> None:
    studied, inputs = scope("volumes"), volumes(2, 3).inputs
    layers = studied.layers(inputs)
    finer, *_, coarser = layers.stages
    assert layers[finer].size > layers[coarser].size
    record = studied.record(inputs, [finer, coarser], target=1)
    expected = torch.ones(2, *record.grid(finer))
    for layer in (layer for layer in layers.stages if layer in (finer, coarser)):
        for number in range(2):
            maps = record.spatial(layer)[number]
            gradients = record.gradients[layer][number].reshape(maps.shape)
            own = torch.zeros(maps.shape[1:])
            for values, slopes in zip(maps, gradients, strict=True):
                alpha = torch.where(slopes > 0, 1 / (2 + float(values.sum()) * slopes), 0.0)
                own += float((alpha * slopes.relu()).sum()) * values
            enlarged = torch.nn.functional.interpolate(
                own.clamp_min(0)[None, None], expected.shape[1:], mode="trilinear", align_corners=False
            )[0, 0]
            expected[number] *= enlarged / enlarged.max() if enlarged.max() > 0 else 0.0
    found = studied.explain(inputs, "refine_cam", layer=finer, target=1).tensor
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_shapes_are_those_of_the_input(kind: str) -> None:
    inputs = KINDS[kind][1](2, 0).inputs
    for method in ("saliency", "integrated_gradients", "lrp"):
        assert scope(kind).explain(inputs, method, layer="features").tensor.shape == inputs.shape
    assert scope(kind).explain(inputs, "full_grad").tensor.shape == (2, 1, *inputs.shape[2:])


class Windows(torch.utils.data.Dataset):
    def __len__(self) -> int:
        return 2

    def __getitem__(self, number: int) -> tuple[Tensor, int]:
        return ecg(2, 0).inputs[number], number


@pytest.mark.parametrize(
    "given",
    [
        ecg(2, 0).inputs,
        ecg(2, 0).inputs.numpy().astype(np.float64),
        list(ecg(2, 0).inputs),
        [(item, "up") for item in ecg(2, 0).inputs],
        [{"image": item, "label": 1} for item in ecg(2, 0).inputs],
        Windows(),
    ],
    ids=["tensor", "array", "list", "pairs", "dicts", "dataset"],
)
def test_signals_in_any_form(given: Any) -> None:
    seen = fm.Scope(ecg_net().eval()).see(given).seen
    assert torch.equal(torch.stack([one.input for one in seen]), ecg(2, 0).inputs)


def test_spatial_is_one_two_or_three() -> None:
    with (
        pytest.raises(OptionError, match="spatial=4 is not known; choose 1, 2 or 3"),
        unchecked(),
    ):
        fm.Scope(ecg_net(), spatial=4)  # type: ignore[arg-type]


class Recurrent(nn.Module):
    """Its first layer does not tell what it takes: signals (channel, time)."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embed, self.mix, self.head = nn.Linear(2, 16), nn.TransformerEncoderLayer(16, 2, 32), nn.Linear(16, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.mix(self.embed(x.transpose(1, 2)).transpose(0, 1)).mean(0))


def test_spatial_says_what_the_first_layer_does_not(tmp_path: Path) -> None:
    signals, model = torch.rand(2, 2, 40), Recurrent().eval()
    with pytest.raises(FeatureMapsError):  # taken for a picture of 2 × 40
        fm.Scope(model).explain(signals, layer="embed")
    studied = fm.Scope(model, spatial=1)
    assert studied.explain(signals, layer="embed").tensor.shape == (2, 40)
    assert "signals (channel, time), as they are given" in repr(studied)
    (tmp_path / "own.py").write_text("from torch import nn\ndef made():\n    return nn.Linear(2, 3)\n")
    assert fm.load(f"{tmp_path}/own.py:made", spatial=3).preprocessing.form.axes == 4


@pytest.mark.parametrize(
    ("ask", "error", "message"),
    [
        (lambda s: s.explain(torch.rand(3, 4, 5, 6)), ImageError, r"takes signals \(channel, time\).*\(3, 4, 5, 6\)"),
        (lambda s: s.explain(torch.rand(40)), ImageError, r"tensor of shape \(40,\).*Scope\(model, spatial=…\)"),
        (
            lambda s: s.explain("ecg.png"),
            ImageError,
            "takes signals .* and the name of a file, 'ecg.png', was given, which you read first",
        ),
        (lambda s: s.explain(torch.full((2, 40), math.nan)), ImageError, "NaN or infinite"),
        (lambda s: s.explain(torch.rand(40, 2)), ModelError, "another number of channels"),
        (lambda s: fm.Scope(s.model, lambda image: image), OptionError, "transform= makes .* this model takes signals"),
        (lambda s: fm.Scope(nn.GRU(2, 3)).explain(torch.rand(2, 2, 9)), ModelError, "it takes other axes: .*spatial=1"),
        (lambda s: s.explain(torch.rand(1, 2, 40)).overlay(on="original"), OptionError, "on='seen'"),
        (lambda s: s.explain(torch.rand(1, 2, 40)).figure(on="original"), OptionError, "is for pictures"),
        (lambda s: s.explain(torch.rand(1, 2, 40)).animate("a.gif"), OptionError, "animate moves through one volume"),
    ],
)
def test_what_does_not_fit_says_so(ask: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        ask(fm.Scope(ecg_net().eval()))


def test_maps_with_other_axes_than_the_signal_are_not_drawn_over_it(tmp_path: Path) -> None:
    heat = fm.Scope(ecg_net().eval()).explain(ecg(1, 0).inputs, layout=lambda out: out.reshape(len(out), 16, 6, 8))
    assert heat.tensor.shape == (1, 6, 8)
    for ask in (heat.figure, heat.overlay, heat.upsample, lambda: heat.save(tmp_path)):
        with pytest.raises(OptionError, match="a map of 6×8 places has other axes than the model's input"):
            ask()
    row = fm.Scope(ecg_net().eval()).explain(ecg(1, 0).inputs, layout=lambda out: out[:, :, None])
    torch.testing.assert_close(row.tensor, fm.Scope(ecg_net().eval()).explain(ecg(1, 0).inputs).tensor)


def test_a_signals_figure_has_its_lines_its_band_and_its_bar() -> None:
    items = ecg(2, 4)
    figure = scope("ecg").explain(items.inputs, target=items.labels.tolist()).figure()
    lines, band, bar, *_ = figure.axes
    assert len(figure.axes) == 5
    assert [line.get_ydata().shape for line in lines.lines] == [(192,), (192,)]
    assert lines.get_xlim() == band.get_xlim() == (-0.5, 191.5)
    assert band.get_xlabel() == "sample"
    assert [label.get_text() for label in lines.get_yticklabels()] == ["1", "0"]
    drawn, heat = band.images[0].get_array(), scope("ecg").explain(items.inputs[:1], target=0)
    expected = enlarged(heat.tensor.relu(), (192,))[0]
    np.testing.assert_allclose(np.asarray(drawn)[0], (expected / expected.max()).numpy(), atol=1e-5)
    assert "speaks for the target" in bar.get_ylabel()
    bands = scope("ecg").explain(items.inputs[:1], "integrated_gradients").figure().axes[1].images[0].get_array()
    assert np.asarray(bands).shape == (2, 192)


def test_a_long_signal_keeps_its_peak() -> None:
    signal = torch.zeros(1, 1, 50_001)
    signal[0, 0, 31_234] = 1.0
    net = nn.Sequential(nn.Conv1d(1, 4, 9, 8, 4), nn.ReLU(), nn.AdaptiveAvgPool1d(1), nn.Flatten()).eval()
    heat = fm.Scope(net).explain(signal, target=0)
    (line,) = heat.figure().axes[0].lines
    assert line.get_ydata().max() == 1.0
    assert line.get_xdata()[line.get_ydata().argmax()] == pytest.approx(31_234, abs=30)
    bright = np.asarray(heat.pictures[0].image.convert("L"))[:20].max(0) > 100
    assert bright.any()
    assert np.flatnonzero(bright).mean() == pytest.approx(31_234 / 50_001 * 640, abs=2)
    sharp = replace(heat, maps=(-signal[0, 0],), scaling="signed")
    band = np.asarray(sharp.figure().axes[1].images[0].get_array())[0]
    assert (band.min(), band.argmin()) == (-1.0, 31_234 * len(band) // 50_001)
    laid = heat.pictures[0].looked_at(-signal[0, 0], "signed")[0]
    assert (float(laid.min()), int(laid.argmin())) == (-1.0, 31_234 * 640 // 50_001)


def test_a_volumes_figure_has_its_strongest_slices() -> None:
    items = volumes(4, 6)
    heat = scope("volumes").explain(items.inputs[1:2], target=1)
    texts = [text.get_text() for text in heat.figure().axes[0].texts]
    strengths = heat.upsample().tensor[0].flatten(1).amax(1)
    strongest = sorted(strengths.topk(3).indices.tolist())
    assert [text for text in texts if text.startswith("slice ")] == [f"slice {number} of 0–7" for number in strongest]
    assert [text for text in texts if text.isdigit()] == [str(number) for number in range(8)]
    deep = fm.Scope(volume_net().eval()).explain(torch.rand(1, 1, 40, 8, 8))
    shown = [int(text.get_text()) for text in deep.figure().axes[0].texts if text.get_text().isdigit()]
    assert len(shown) == 12
    assert {0, 39} <= {*shown} | {0, 39} & {*deep.upsample().tensor[0].flatten(1).amax(1).topk(3).indices.tolist()}


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_a_volume_moves(suffix: str, tmp_path: Path) -> None:
    heat = scope("videos").explain(videos(2, 0).inputs)
    (written,) = heat[0].save(tmp_path / f"clip{suffix}")
    with Image.open(written) as moving:
        assert moving.n_frames == 5
        assert min(moving.size) >= 256
    assert heat[0].animate(tmp_path / "new" / f"again{suffix}", fps=2).stat().st_size > 1000
    with pytest.raises(OptionError, match="animate moves through one volume, and this is 2 maps"):
        heat.animate(tmp_path / "all.gif")
    with pytest.raises(OptionError, match=r"its name ends in '\.png'"):
        heat[0].animate(tmp_path / "still.png")
    with pytest.raises(OptionError, match="fps is how many slices"):
        heat[0].animate(tmp_path / "still.gif", fps=0)


@pytest.mark.parametrize("kind", ["volumes", "videos"])
def test_a_sheet_has_each_slice_where_its_map_lies(kind: str) -> None:
    """What is bright in one slice only is bright in one cell of the sheet, and so is the map that says so."""
    channels, *space = KINDS[kind][1](1, 0).inputs.shape[1:]
    inputs = torch.zeros(1, channels, *space)
    inputs[0, :, 3] = 1.0
    (seen,) = scope(kind).see(inputs).seen
    height, width = seen.sheet.slice_size
    row, column = divmod(3, seen.size[1] // width)
    cell = np.zeros(seen.size, bool)
    cell[row * height + 2 : (row + 1) * height - 2, column * width + 2 : (column + 1) * width - 2] = True
    image = np.asarray(seen.image.convert("L"))
    assert image[cell].min() == 255
    map = torch.zeros(1, *space)
    map[0, 3] = 1.0
    laid = seen.sheet.lay(map)[0].numpy()
    assert laid[cell].min() == pytest.approx(1.0)
    assert laid.sum() == pytest.approx(height * width)
    small = seen.sheet.small(map, 64)[0]
    assert small.sum() / small.numel() == pytest.approx(laid.mean(), rel=0.02)
    assert max(small.shape) <= 64


def test_inputs_that_do_not_fit_are_told_how_they_are_given(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"cannot run on signals of \d+: .*batch\.movedim\(-1, 1\) puts them first"):
        scope("ecg").explain(ecg(2, 0).inputs.movedim(1, -1))
    with pytest.raises(
        ModelError, match=r"cannot run on volumes of 8×16×16: .*, 1, and 3 stand second.*batch\[:, None\] makes one"
    ):
        scope("volumes").explain(volumes(3, 0).inputs[:, 0])
    with pytest.raises(
        ImageError, match=r"the name of a file, '.*ecg\.npy', was given, which you read first \(numpy\.load"
    ):
        scope("ecg").explain(str(tmp_path / "ecg.npy"))


class Turned(nn.Module):
    """A network of (batch, time, channel), or with `turn` of none of batches (batch, time)."""

    def __init__(self, turn: Any) -> None:
        super().__init__()
        self.net, self.turn = ecg_net(), turn

    def forward(self, x: Tensor) -> Tensor:
        return self.net(self.turn(x))


class FixedLength(nn.Module):
    """It takes signals of 200 values."""

    def __init__(self) -> None:
        super().__init__()
        self.features, self.head = nn.Conv1d(1, 4, 7, stride=4, padding=3), nn.Linear(4 * 50, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x).flatten(1))


SIGNAL, VOLUME = torch.rand(2, 2, 40), torch.rand(2, 1, 4, 6, 6)
MISTAKEN = {
    "mono": (ecg_net, SIGNAL[:, :1], r"batch\.expand\(-1, 2, -1\)"),
    "channels last": (ecg_net, SIGNAL.transpose(1, 2), r"stand last, it seems: batch\.movedim\(-1, 1\)"),
    "frames first": (
        lambda: nn.Conv3d(3, 4, 3),
        torch.rand(2, 6, 3, 8, 8),
        r"as in frames of a video, it seems: batch\.transpose\(1, 2\)",
    ),
    "colours": (volume_net, VOLUME.expand(-1, 3, -1, -1, -1), r"or their mean, batch\.mean\(1, keepdim=True\)"),
    "model with channels last": (lambda: Turned(lambda x: x.transpose(1, 2)), SIGNAL, r"whose forward turns x"),
    "model without channels": (lambda: Turned(lambda x: x[:, None]), SIGNAL, r"whose forward gives it x\[:, 0\]"),
    "length": (FixedLength, torch.rand(2, 1, 300), r"a dense layer .* it runs on a length of 200\."),
}


@pytest.mark.parametrize("mistake", MISTAKEN)
def test_axes_and_lengths_that_do_not_fit_say_what_does(mistake: str) -> None:
    make, inputs, words = MISTAKEN[mistake]
    with pytest.raises(ModelError, match=words):
        fm.Scope(make().eval()).explain(inputs, target=0)


def test_one_without_its_channel_is_told_how_to_give_it_one() -> None:
    with pytest.raises(ImageError, match=r"of shape \(4, 6, 6\) was given\. With one channel that is tensor\[None\]"):
        scope("volumes").explain(VOLUME[0, 0])


def test_complex_numbers_are_refused_and_not_halved() -> None:
    with pytest.raises(
        ImageError, match=r"signals \(channel, time\), and a complex tensor was given: torch\.view_as_real"
    ):
        fm.Scope(nn.Sequential(nn.Conv1d(2, 3, 3), nn.ReLU())).see(torch.fft.fft(torch.rand(2, 16)))


def test_whole_numbers_go_in_as_they_are_and_that_is_said() -> None:
    whole = (ecg(2, 0).inputs * 100).round()
    with pytest.warns(FeatureMapsWarning, match="signals of int16 go into the model as they are"):
        seen = scope("ecg").see(whole.short()).seen
    torch.testing.assert_close(torch.stack([each.input for each in seen]), whole)


def test_a_batch_of_signals_has_its_labels() -> None:
    items = ecg(3, 0)
    pictures = scope("ecg").see((items.inputs, items.labels)).seen
    assert [seen.picture.label for seen in pictures] == items.labels.tolist()
