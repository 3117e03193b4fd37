"""Filters: which convolution is meant, and what its weights say, by plain loops."""

import cmath
import math
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import spectral_norm as old_spectral_norm
from torch.nn.utils import weight_norm as old_weight_norm
from torch.nn.utils.parametrizations import spectral_norm, weight_norm
from torch.nn.utils.prune import l1_unstructured

import featuremaps as fm
from featuremaps.errors import LayerNotFoundError, LayoutError, ModelError, OptionError
from filter_samples import of, seeded
from map_samples import PNG, real_scope
from method_samples import Little, unchecked
from nets import TinyUNet
from snapshots import snapshot


def test_tensor_is_the_weight() -> None:
    model = Little()
    found = fm.Scope(model).filters("features.conv1")
    torch.testing.assert_close(found.tensor, model.features.conv1.weight.detach())
    assert (len(found), found.inputs, found.groups, found.kernel, found.first) == (6, 3, 1, (3, 3), True)
    assert not fm.Scope(model).filters("features.conv2").first


def test_a_layer_that_wraps_one_convolution() -> None:
    block = nn.Sequential(nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)), nn.ReLU())
    assert of(block).layer == "it.0.0"
    assert of(weight_norm(nn.Conv2d(3, 4, 3))).tensor.shape == (4, 3, 3, 3)


def test_filters_of_a_transposed_convolution_stand_by_output_channel() -> None:
    module = seeded(nn.ConvTranspose2d, 6, 4, 3, groups=2, bias=False)
    found = of(module)
    assert found.transposed
    assert found.tensor.shape == (4, 3, 3, 3)
    assert found.inputs == 6
    for output in range(4):
        for channel in range(3):
            spike = torch.zeros(1, 6, 1, 1)
            spike[0, output // 2 * 3 + channel] = 1
            torch.testing.assert_close(module(spike)[0, output].detach(), found.tensor[output, channel])


def test_dilated_filters_are_spread_where_they_act() -> None:
    module = seeded(nn.Conv2d, 2, 3, (3, 2), dilation=(2, 3), bias=False)
    found = of(module)
    spread = found.spread()
    assert spread.shape == (3, 2, 5, 4)
    assert int(spread.isnan().sum()) == 3 * 2 * (20 - 6)
    picture = torch.randn(1, 2, 9, 9)
    torch.testing.assert_close(F.conv2d(picture, spread.nan_to_num(0.0)), module(picture).detach())
    plain = of(nn.Conv1d(2, 3, 3))
    assert torch.equal(plain.spread(), plain.tensor)


def test_norms_and_dead_filters() -> None:
    module = seeded(nn.Conv2d, 3, 6, 3)
    with torch.no_grad():
        module.weight[1] = 0
        module.weight[4] *= 1e-6
    found = of(module)
    for i in range(6):
        values = [float(value) for value in module.weight[i].detach().flatten()]
        assert float(found.norms[i]) == pytest.approx(math.sqrt(sum(value * value for value in values)))
    assert found.dead == (1, 4)
    with torch.no_grad():
        module.weight.zero_()
    assert of(module).dead == tuple(range(6))
    assert of(module).duplicates == ()


def test_near_duplicates_by_a_plain_loop() -> None:
    module = seeded(nn.Conv2d, 3, 8, 3)
    with torch.no_grad():
        module.weight[5] = 3 * module.weight[2] + 0.01 * torch.randn(3, 3, 3)
        module.weight[7] = -module.weight[2]
        module.weight[3] = 0
    found = of(module).duplicates
    expected = []
    flat = module.weight.detach().flatten(1)
    for i in range(8):
        for j in range(i + 1, 8):
            lengths = float(flat[i].norm() * flat[j].norm())
            if lengths and float(flat[i] @ flat[j]) / lengths > 0.99:
                expected.append((i, j))
    assert [pair[:2] for pair in found] == expected == [(2, 5)]
    assert 0.99 < found[0][2] <= 1


def test_filters_of_different_groups_look_at_different_things() -> None:
    module = seeded(nn.Conv2d, 4, 4, 3, groups=2)
    with torch.no_grad():
        module.weight[1] = module.weight[0]
        module.weight[2] = module.weight[0]
    assert [pair[:2] for pair in of(module).duplicates] == [(0, 1)]


def test_frequency_response_by_the_definition() -> None:
    found = of(seeded(nn.Conv2d, 3, 2, 3, dilation=2), scaling="layer")
    response = found.frequency_response(8)
    spread = found.spread().nan_to_num(0.0)
    for filter in range(2):
        for v in range(-4, 4):
            for u in range(-4, 4):
                square = 0.0
                for channel in range(3):
                    term = 0j
                    for y in range(5):
                        for x in range(5):
                            term += float(spread[filter, channel, y, x]) * cmath.exp(
                                -2j * cmath.pi * (u * x + v * y) / 8
                            )
                    square += abs(term) ** 2
                assert float(response[filter, v + 4, u + 4]) == pytest.approx(math.sqrt(square), abs=1e-5)


def test_a_blur_passes_low_frequencies_only() -> None:
    module = nn.Conv2d(1, 1, 5)
    nn.init.ones_(module.weight)
    response = of(module).frequency_response()[0]
    assert divmod(int(response.argmax()), 64) == (32, 32)
    with pytest.raises(OptionError, match="2-D kernels up to size=4; those of it reach over 5×5"):
        of(module).frequency_response(4)
    with pytest.raises(OptionError, match="2-D kernels"):
        of(nn.Conv1d(1, 1, 3)).frequency_response()


@pytest.mark.parametrize(
    ("module", "words"),
    [
        (nn.Conv2d(3, 8, 5), "8 filters 5×5 over 3 channels, norms"),
        (nn.Conv2d(6, 6, 3, groups=6), "6 filters 3×3 over 1 channel, depthwise, norms"),
        (nn.Conv2d(8, 4, 3, groups=2, dilation=2), "4 filters 3×3 over 4 channels, 2 groups, dilated by 2, norms"),
        (nn.Conv1d(2, 5, 9), "5 filters 9 long over 2 channels, norms"),
        (nn.Conv3d(2, 5, (1, 3, 3)), "5 filters 1×3×3 over 2 channels, norms"),
        (nn.ConvTranspose2d(2, 5, 4), "5 filters 4×4 over 2 channels, transposed, norms"),
    ],
)
def test_summary(module: nn.Module, words: str) -> None:
    assert of(module).summary().startswith(words)
    assert repr(of(module)).startswith("<Filters of it: ")


def test_colours_in_the_order_of_the_transform() -> None:
    bgr = lambda image: torch.from_numpy(np.array(image)[..., ::-1].copy() / 255).permute(2, 0, 1)  # noqa: E731
    assert fm.Scope(nn.ModuleDict({"it": nn.Conv2d(3, 4, 3)}), bgr).filters("it").colours == (2, 1, 0)


def test_save_and_the_model_is_left_alone(tmp_path: Path) -> None:
    model = Little().train()
    inputs = torch.zeros(1)
    before = snapshot(model, inputs)
    found = fm.Scope(model).filters("features.conv2")
    written = found.save(tmp_path, scaling="layer")
    assert [path.name for path in written] == ["filters__features.conv2.png", "filters__features.conv2.npy"]
    assert written[0].read_bytes().startswith(PNG)
    np.testing.assert_array_equal(np.load(written[1]), found.tensor.numpy())
    assert found._repr_png_().startswith(PNG)
    assert snapshot(model, inputs).differences(before) == []


def test_errors() -> None:
    scope = fm.Scope(Little())
    near = "Convolutions near it: features.conv1, features.conv2, features.conv3"
    with pytest.raises(
        LayoutError, match=r"'head' \(Linear\) has no filters: it is no convolution and holds none. " + near
    ):
        scope.filters("head")
    with pytest.raises(LayoutError, match=r"'features' \(Features\) holds 3 convolutions; choose one: features.conv1"):
        scope.filters("features")
    with pytest.raises(LayerNotFoundError, match=r"no layer 'features.conv9'. Did you mean .*" + near):
        scope.filters("features.conv9")
    with pytest.raises(LayoutError, match="no convolution at all"):
        of(nn.Linear(3, 3))
    with unchecked(), pytest.raises(OptionError, match="scaling='shared' is not known; choose 'filter'"):
        scope.filters("features.conv1", scaling="shared")
    model = TinyUNet()
    with torch.no_grad():
        model.up.weight[0, 5] = torch.nan
    with pytest.raises(ModelError, match="1 of 8 filters of 'up' hold NaN or infinite weights .*first is filter 5"):
        fm.Scope(model).filters("up")


class Gates(nn.Module):
    """A weight of as many axes as a convolution's, as experts and response norms have it."""

    def __init__(self, *shape: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(shape))


class OwnConv(Gates):
    """A convolution that somebody wrote."""


class Equalised(Gates):
    """Another, called something else."""

    stride = 1


@pytest.mark.parametrize("module", [nn.LayerNorm([4, 6, 6]), nn.Bilinear(3, 3, 4), Gates(1, 1, 1, 8), Gates(4, 8, 8)])
def test_a_weight_of_many_axes_is_no_filter_for_that(module: nn.Module) -> None:
    with pytest.raises(LayoutError, match=r"has no filters: it is no convolution and holds none"):
        of(module)
    assert of(nn.Sequential(module, nn.Conv2d(3, 4, 3))).layer == "it.1"


@pytest.mark.parametrize("kind", [OwnConv, Equalised])
def test_a_convolution_of_ones_own_has_filters(kind: type[Gates]) -> None:
    assert of(kind(6, 3, 5, 5)).summary().startswith("6 filters 5×5 over 3 channels")


def test_filters_of_a_single_weight_are_told_apart_by_their_size() -> None:
    found = of(seeded(nn.Conv2d, 1, 12, 1))
    assert found.duplicates == ()
    shown = np.asarray(found.figure().axes[0].images[0].get_array())
    np.testing.assert_allclose(shown, (found.tensor / found.tensor.abs().max()).flatten(1), rtol=1e-6)
    assert of(seeded(nn.Conv2d, 2, 1, 3)).summary().startswith("1 filter 3×3 over 2 channels")


def test_real_first_layer(shared: Path) -> None:
    found = real_scope(shared).filters("features.0")
    assert found.summary() == "96 filters 7×7 over 3 channels, norms 30.2 to 117, 0 dead, 0 near-duplicate pairs"


@pytest.mark.parametrize(
    "norm",
    [
        weight_norm,
        spectral_norm,
        old_weight_norm,
        old_spectral_norm,
        partial(l1_unstructured, name="weight", amount=0.5),
    ],
)
@pytest.mark.filterwarnings("ignore:`torch.nn.utils.weight_norm` is deprecated")
def test_weights_that_are_made_for_each_run_are_those_of_the_checkpoint(norm) -> None:
    """Beside the impulse response: one weight after another is what a picture of a single 1 gives."""
    saved, loaded = (nn.Sequential(norm(seeded(nn.Conv2d, 1, 4, 3, bias=False))) for _ in range(2))
    with torch.no_grad():
        for parameter in saved.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    loaded.load_state_dict(saved.state_dict())
    impulse = torch.zeros(1, 1, 5, 5)
    impulse[0, 0, 2, 2] = 1
    before = snapshot(loaded.train(), impulse)
    found = fm.Scope(loaded).filters("0").tensor
    assert before.differences(snapshot(loaded, impulse)) == []
    torch.testing.assert_close(found, saved.eval()(impulse)[0].flip(1, 2)[:, None])
