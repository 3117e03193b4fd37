import pytest
import timm
import torch
from benchmarks.resnet20 import resnet20
from torch import Tensor, nn

import featuremaps as fm
from featuremaps.errors import LayerNotFoundError, ModelError
from featuremaps.layers import walk
from featuremaps.layers.layout import Layout
from nets import Raising, Reused, plain

PICTURE = torch.rand(2, 3, 32, 32)


def test_every_layer_says_what_it_is():
    info = walk(resnet20(), PICTURE)["layer2.0.conv1"]
    assert (info.name, info.module_name, info.type) == ("layer2.0.conv1", "layer2.0.conv1", "Conv2d")
    assert (info.call, info.calls, info.depth) == (0, 1, 3)
    assert info.shape == (2, 32, 16, 16)
    assert info.layout == Layout("channels_first", 32, (16, 16))
    assert (info.channels, info.size, info.positions) == (32, (16, 16), 256)
    assert (info.stride, info.start, info.receptive_field) == ((2, 2), (0.5, 0.5), (17, 17))
    assert info.formula == "⌊(32 − 3 + 2·1)/2⌋ + 1 = 16"
    assert info.parameters == 16 * 32 * 9
    assert not info.note


def test_layers_come_in_order_of_completion():
    layers = walk(resnet20(), PICTURE)
    assert [info.order for info in layers] == list(range(len(layers)))
    assert layers.names[:4] == ("conv1", "bn1", "layer1.0.conv1", "layer1.0.bn1")
    assert layers.names[-2:] == ("layer3", "linear")


def test_a_module_that_runs_several_times_has_a_layer_per_call():
    layers = walk(Reused(), PICTURE)
    calls = [info for info in layers if info.module_name == "relu"]
    assert [info.name for info in calls] == ["relu#0", "relu#1", "relu#2"]
    assert [(info.call, info.calls) for info in calls] == [(0, 3), (1, 3), (2, 3)]
    assert [info.stride for info in calls] == [(1, 1), (2, 2), (2, 2)]
    assert "spare" in layers.idle
    assert layers["fc"].layout is None
    assert layers["fc"].shape == (2, 4)


@pytest.mark.parametrize("training", [True, False])
def test_the_model_and_its_input_are_left_as_they_were(training):
    model = nn.Sequential(nn.ReLU(inplace=True), nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Dropout()).train(training)
    picture = torch.randn(2, 3, 8, 8)
    before = picture.clone()
    hooks = [len(module._forward_hooks) for module in model.modules()]
    state = {name: value.clone() for name, value in model.state_dict().items()}
    seed = torch.get_rng_state()
    walk(model, picture)
    assert torch.equal(picture, before)
    assert [len(module._forward_hooks) for module in model.modules()] == hooks
    assert all(module.training is training for module in model.modules())
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), seed)
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize("error", [RuntimeError("no"), KeyboardInterrupt()])
def test_an_error_in_the_model_passes_through_and_leaves_nothing_behind(error):
    model = Raising(error).train()
    with pytest.raises(type(error)):
        walk(model, PICTURE)
    assert not any(module._forward_hooks for module in model.modules())
    assert model.training
    assert torch.is_grad_enabled()
    # No dispatch mode is left on: this would be followed, and fail, otherwise.
    assert torch.utils._python_dispatch._get_current_dispatch_mode() is None


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode, torch.enable_grad])
def test_it_works_in_any_grad_mode(mode):
    with mode():
        picture = torch.rand(1, 3, 32, 32)
        assert walk(resnet20(), picture).last == "layer3"
        assert walk(_tokens(), picture).last == "blocks.1.norm1"


def _tokens() -> nn.Module:
    return timm.create_model("vit_tiny_patch16_224", pretrained=False, img_size=32, depth=2)


def test_wrappers_are_taken_off():
    model = resnet20()
    for wrapped in (nn.DataParallel(model), torch.compile(model), torch.compile(nn.DataParallel(model))):
        assert walk(wrapped, PICTURE).names == walk(model, PICTURE).names


def test_layers_may_be_called_as_their_wrappers_call_them():
    """As they stand in `named_modules()` and in checkpoints of wrapped models."""
    model = nn.DataParallel(plain())
    scope = fm.Scope(torch.compile(model))
    for name in ("module.2", "_orig_mod.module.2", "module.2#0"):
        assert walk(model, PICTURE).resolve(name) == ["2"]
        heat, expected = (scope.explain(PICTURE, "grad_cam", layer=each) for each in (name, "2"))
        assert torch.equal(heat.tensor, expected.tensor)
    assert scope.maps(PICTURE, "module.2:1").units == ("2:1",)
    with pytest.raises(LayerNotFoundError):
        walk(model, PICTURE).resolve("module.9")


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_other_precisions(dtype):
    layers = walk(plain().to(dtype), PICTURE.to(dtype))
    assert layers.last == "3"
    assert layers["3"].receptive_field == (7, 7)


def test_channels_last_memory_is_the_same_model():
    model = resnet20().to(memory_format=torch.channels_last)
    assert list(walk(model, PICTURE.to(memory_format=torch.channels_last))) == list(walk(resnet20(), PICTURE))


def test_several_arguments_and_structured_outputs():
    class Pair(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = _TwoOutputs()

        def forward(self, x: Tensor, scale: float, mask: Tensor) -> dict[str, Tensor]:
            first, _ = self.inner(x)
            return {"logits": (first * scale * mask).mean((2, 3))}

    layers = walk(Pair(), (PICTURE, 2.0, torch.ones(2, 1, 32, 32)))
    assert layers["inner"].shape == (2, 4, 32, 32)
    assert layers.last == "inner"


class _TwoOutputs(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, None]:
        return self.conv(x).relu(), None


def test_a_layer_that_does_not_depend_on_the_picture_gives_no_map():
    class Positions(nn.Module):
        def __init__(self):
            super().__init__()
            self.table = nn.Conv2d(2, 4, 1)
            self.conv = nn.Conv2d(3, 4, 1)

        def forward(self, x: Tensor) -> Tensor:
            return (self.conv(x) + self.table(torch.ones(1, 2, 8, 8))).mean((2, 3))

    layers = walk(Positions(), torch.rand(1, 3, 8, 8))
    assert layers["table"].layout is None
    assert layers["table"].note == "does not depend on the picture"
    assert layers.last == "conv"


def test_attention_heads_are_not_taken_for_places():
    layers = walk(_tokens(), torch.rand(1, 3, 32, 32))
    assert layers["blocks.0.attn.q_norm"].layout is None
    assert layers["blocks.0"].layout == Layout("tokens", 192, (2, 2), 1)


def test_an_input_that_is_no_picture():
    with pytest.raises(ModelError) as caught:
        walk(plain(), (torch.zeros(3, 4), "text"))
    assert str(caught.value) == (
        "layers are found by running the model on a batch (batch, channel, height, width), but the input has "
        "shape (3, 4), a str."
    )


@pytest.mark.parametrize(("make", "passes"), [(resnet20, 1), (plain, 1), (_tokens, 2)])
def test_walking_costs_one_forward_pass_and_a_second_with_tokens(make, passes):
    model, ran = make(), []
    model.register_forward_pre_hook(lambda *_: ran.append(1))
    walk(model, PICTURE)
    assert len(ran) == passes
