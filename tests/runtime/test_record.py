"""One recording: what runs and what does not, and the layers, layouts, wrappers and outputs it copes with."""

import copy
from collections import Counter

import pytest
import timm
import torch
import torchvision
from torch import Tensor, nn

import featuremaps as fm
from featuremaps.errors import LayerNotFoundError, LayoutError, ModelError, TargetError
from featuremaps.layers.model_ends import main_tensor
from featuremaps.runtime.capture import with_main_tensor
from featuremaps.runtime.recording import take
from featuremaps.session import preserved
from method_samples import Little, noise
from nets import Reused

EIGHT = ("grad_cam", "grad_cam_pp", "xgrad_cam", "layer_cam", "hires_cam", "elementwise_cam", "eigen_grad_cam", "fem")


class Backwards:
    """The size of each batch that came back, kept beside the model, whose own lists come back as they were."""

    def __init__(self) -> None:
        self.sizes: list[int] = []


class Deep(nn.Module):
    """Five convolutions in a row; counts its backward passes by a function that the gradient goes through."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.ModuleList(nn.Conv2d(3 if i == 0 else 4, 4, 3, padding=1) for i in range(5))
        self.head = nn.Linear(4, 3)
        self.backwards = Backwards()
        self.eval()

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x).relu()
        return Counting.apply(self.head(x.mean((2, 3))), self.backwards)


class Counting(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, calls):  # type: ignore[no-untyped-def]
        ctx.calls = calls
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):  # type: ignore[no-untyped-def]
        ctx.calls.sizes.append(len(gradient))
        return gradient, None


def counted(model: nn.Module) -> Counter[str]:
    """How often each module runs from now on."""
    calls: Counter[str] = Counter()
    for name, module in model.named_modules():
        module.register_forward_hook(lambda *_, name=name: calls.update([name]))
    return calls


def by_hand(model: nn.Module, pictures: Tensor, layer: nn.Module, target: int) -> tuple[Tensor, Tensor]:
    """Activations and gradients of a layer, kept by a plain hook."""
    kept: list[Tensor] = []
    handle = layer.register_forward_hook(lambda _, __, out: (kept.append(out), out.clone())[1])
    score = model(pictures)[:, target].sum()
    handle.remove()
    return kept[-1].detach(), torch.autograd.grad(score, kept[-1])[0]


def test_eight_methods_on_four_layers_cost_one_forward_and_one_backward() -> None:
    model = Deep()
    calls = counted(model)
    layers = [f"layers.{i}" for i in range(1, 5)]
    scope = fm.Scope(model)
    scope.layers(noise(1))  # looked at once for each size
    calls.clear()
    comparison = scope.compare(noise(2), EIGHT, layers, [0])
    assert len(comparison) == 32
    assert calls == dict.fromkeys([*(f"layers.{i}" for i in range(5)), "head", ""], 1)
    assert model.backwards.sizes == [2]


def test_each_further_target_costs_a_backward_and_no_forward() -> None:
    model = Deep()
    calls = counted(model)
    scope = fm.Scope(model)
    scope.layers(noise(1))
    calls.clear()
    comparison = scope.compare(noise(2), EIGHT, ["layers.2", "layers.4"], [0, 1, 2])
    assert len(comparison) == 48
    assert calls[""] == 1
    assert len(model.backwards.sizes) == 3


def test_nothing_runs_after_the_last_layer_and_nothing_backward_when_only_activations_are_wanted() -> None:
    model = Deep()
    scope = fm.Scope(model)
    calls = counted(model)
    scope.layers(noise(1))  # names are looked up once
    calls.clear()
    heat = scope.explain(noise(1), "eigen_cam", layer="layers.2")
    assert float(heat.tensor.abs().max()) > 0
    assert dict(calls) == {f"layers.{i}": 1 for i in range(3)} | {}
    assert not model.backwards.sizes


def test_no_graph_before_the_first_layer_and_none_without_gradients() -> None:
    model = Deep()
    needs_grad: dict[str, bool] = {}
    for name, module in model.named_modules():
        module.register_forward_hook(lambda _, __, out, name=name: needs_grad.__setitem__(name, out.requires_grad))
    fm.Scope(model).record(noise(1), ["layers.2", "layers.3"], target=0)
    assert needs_grad == {"layers.0": False, "layers.1": False} | dict.fromkeys(
        ["layers.2", "layers.3", "layers.4", "head", ""], True
    )
    record = fm.Scope(model).record(noise(1), "layers.2", gradients=False)
    assert not any(needs_grad.values())
    assert record.gradients == {}
    assert record.logits is not None


def test_no_weight_gradient_is_ever_computed() -> None:
    """Not kept in `.grad`, and not on the way either."""
    model = Deep()
    asked: list[str] = []
    handles = [p.register_hook(lambda grad, name=n: asked.append(name)) for n, p in model.named_parameters()]
    fm.Scope(model).compare(noise(2), EIGHT, ["layers.0", "layers.4"], [0, 1])
    assert asked == []
    assert all(parameter.grad is None for parameter in model.parameters())
    for handle in handles:
        handle.remove()


def test_activations_and_gradients_are_what_a_plain_hook_sees() -> None:
    model, pictures = Little("inplace"), noise(3)
    record = fm.Scope(model).record(pictures, ["features.conv2", "features"], target=[0, 1, 2])
    for name in ("features.conv2", "features"):
        for i in range(3):
            activations, gradients = by_hand(model, pictures[i : i + 1], model.get_submodule(name), i)
            torch.testing.assert_close(record.activations[name][i : i + 1], activations)
            torch.testing.assert_close(record.gradients[name][i : i + 1], gradients)
    assert float(record.activations["features.conv2"].min()) < 0  # as before the in-place ReLU after it
    torch.testing.assert_close(record.logits, model(pictures).detach())
    torch.testing.assert_close(record.scores[0], record.logits.diagonal())


def test_frozen_parameters_and_no_grad_make_no_difference() -> None:
    model, pictures = Little(), noise(2)
    expected = fm.Scope(model).record(pictures, "features.conv2", target=1).gradients["features.conv2"]
    model.requires_grad_(False)
    with torch.no_grad():
        found = fm.Scope(model).record(pictures, "features.conv2", target=1).gradients["features.conv2"]
    torch.testing.assert_close(found, expected)


def test_calls_of_a_reused_module_are_recorded_apart() -> None:
    torch.manual_seed(0)
    model, pictures = Reused().eval(), noise(2)
    record = fm.Scope(model).record(pictures, ["relu#0", "relu#1", "relu#2"], target=1)
    assert [tuple(record.activations[f"relu#{i}"].shape[2:]) for i in range(3)] == [(16, 16), (8, 8), (8, 8)]
    assert not torch.equal(record.activations["relu#1"], record.activations["relu#2"])
    first = model.conv1(pictures).relu().detach()
    torch.testing.assert_close(record.activations["relu#0"], first)
    last = fm.Scope(model).record(pictures, "relu", target=1)
    torch.testing.assert_close(last.activations["relu"], record.activations["relu#2"])
    torch.testing.assert_close(last.gradients["relu"], record.gradients["relu#2"])
    hires = fm.Scope(model).explain(pictures, "hires_cam", layer="relu#2", target=1).tensor.sum((1, 2))
    torch.testing.assert_close(hires, record.scores[0] - model.fc.bias[1].detach())
    for method in ("ablation_cam", "score_cam", "eigen_cam"):
        maps = [fm.Scope(model).explain(pictures, method, layer=f"relu#{i}", target=1).tensor for i in (1, 2)]
        assert not torch.allclose(maps[0], maps[1])


def test_layers_that_do_not_exist_or_do_not_run() -> None:
    scope = fm.Scope(Reused().eval())
    with pytest.raises(LayerNotFoundError, match=r"'convv2'.*Did you mean 'conv2'"):
        scope.record(noise(1), "convv2")
    with pytest.raises(ModelError, match="layer 'spare' did not run for this input.*scope.layers"):
        scope.record(noise(1), "spare")
    with preserved(scope.model) as session, pytest.raises(ModelError, match=r"layer 'relu#3' ran 3 times \(calls"):
        take(session, noise(1), ["relu#3"])
    with preserved(scope.model) as session, pytest.raises(LayerNotFoundError, match="the model has no layer 'conv9'"):
        take(session, noise(1), ["conv9"])
    with pytest.raises(LayoutError, match=r"layer 'fc' gives shape \(1, 4\), which has no positions.*'last'"):
        scope.record(noise(1), "fc")


@pytest.mark.parametrize("wrap", [nn.DataParallel, torch.compile], ids=["DataParallel", "compile"])
def test_wrapped_models(wrap: object) -> None:
    model, pictures = Little(), noise(2)
    expected = fm.Scope(model).explain(pictures, layer="features.conv2", target=1).tensor
    found = fm.Scope(wrap(model)).explain(pictures, layer="features.conv2", target=1).tensor  # type: ignore[operator]
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_weights_give_float32_maps(dtype: torch.dtype) -> None:
    model, pictures = Little(), noise(2)
    exact = fm.Scope(model).record(pictures, "features", target=1)
    record = fm.Scope(copy.deepcopy(model).to(dtype)).record(pictures, "features", target=1)
    assert record.inputs.dtype == dtype
    for found, expected in (
        (record.activations["features"], exact.activations["features"]),
        (record.gradients["features"], exact.gradients["features"]),
        (record.scores[0], exact.scores[0]),
    ):
        assert found.dtype == torch.float32
        torch.testing.assert_close(found, expected, rtol=0, atol=0.03 * float(expected.abs().max()))


def test_a_model_that_runs_its_backbone_under_no_grad() -> None:
    class Probe(Little):
        def forward(self, x: Tensor) -> Tensor:
            with torch.no_grad():
                maps = self.features(x)
            return self.head(maps.mean((2, 3)))

    for layer in ("features", "features.conv3"):
        expected = fm.Scope(Little()).record(noise(2), layer, target=1)
        found = fm.Scope(Probe()).record(noise(2), layer, target=1)
        assert bool(found.gradients[layer].any())
        torch.testing.assert_close(found.gradients[layer], expected.gradients[layer])


class Packed(Little):
    """Layers and model give containers."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind, self.pack = kind, nn.Identity()

    def forward(self, x: Tensor) -> object:
        maps = self.features(x)
        given = {"tuple": (maps, 7), "list": [maps], "dict": {"note": "text", "maps": maps}}[self.kind]
        packed = self.pack(given)
        maps = packed["maps"] if self.kind == "dict" else packed[0]
        logits = self.head(maps.mean((2, 3)))
        return {"tuple": (logits, maps), "list": [logits], "dict": {"logits": logits}}[self.kind]


@pytest.mark.parametrize("kind", ["tuple", "list", "dict"])
def test_layers_and_models_that_give_containers(kind: str) -> None:
    expected = fm.Scope(Little()).record(noise(2), "features", target=1)
    record = fm.Scope(Packed(kind)).record(noise(2), "pack", target=1)
    torch.testing.assert_close(record.gradients["pack"], expected.gradients["features"])
    torch.testing.assert_close(record.activations["pack"], expected.activations["features"])
    torch.testing.assert_close(record.logits, expected.logits)
    assert main_tensor({"a": 1}) is None
    assert with_main_tensor({"a": 1, "b": torch.zeros(1)}, torch.ones(1)) == {"a": 1, "b": torch.ones(1)}


class TokensOnly(Little):
    """An encoder of patches, without class scores."""

    def forward(self, x: Tensor) -> Tensor:
        return self.features(x).flatten(2).transpose(1, 2)


def test_activations_alone_need_no_class_scores() -> None:
    model = TokensOnly()
    record = fm.Scope(model).record(noise(2), "features", gradients=False)
    torch.testing.assert_close(record.activations["features"], model.features(noise(2)).detach())
    with pytest.raises(TargetError, match="scores of 16 queries or tokens for each picture"):
        fm.Scope(model).record(noise(2), "features", target=1, gradients=False)


def test_vit_tokens_become_maps_without_the_class_token() -> None:
    torch.manual_seed(0)
    model = timm.create_model(
        "vit_tiny_patch16_224", img_size=64, num_classes=5, embed_dim=24, depth=3, num_heads=2
    ).eval()
    pictures = noise(2, (64, 64))
    record = fm.Scope(model).record(pictures, "blocks.1", target=1)
    tokens, gradients = by_hand(model, pictures, model.blocks[1], 1)
    assert tokens.shape == (2, 17, 24)
    for y, x in ((0, 0), (1, 3), (3, 2)):
        torch.testing.assert_close(record.activations["blocks.1"][:, :, y, x], tokens[:, 1 + 4 * y + x])
        torch.testing.assert_close(record.gradients["blocks.1"][:, :, y, x], gradients[:, 1 + 4 * y + x])
    expected = torch.zeros(2, 4, 4)
    with torch.no_grad():
        whole = model(pictures)[:, 1]
        for channel in range(24):
            lost = whole - _without_channel(model, pictures, channel)[:, 1]
            expected += (lost / whole.abs())[:, None, None] * record.activations["blocks.1"][:, channel]
    found = fm.Scope(model).explain(pictures, "ablation_cam", layer="blocks.1", target=1).tensor
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-3 * float(expected.abs().max()))


def _without_channel(model: nn.Module, pictures: Tensor, channel: int) -> Tensor:
    """A full pass with one channel of block 1's patch tokens set to zero; the class token keeps it."""

    def zeroed(_: nn.Module, __: object, tokens: Tensor) -> Tensor:
        tokens = tokens.clone()
        tokens[:, 1:, channel] = 0
        return tokens

    handle = model.blocks[1].register_forward_hook(zeroed)
    scores = model(pictures)
    handle.remove()
    return scores


def test_swin_maps_come_from_channels_last() -> None:
    torch.manual_seed(0)
    model = torchvision.models.SwinTransformer([4, 4], 12, [1, 1], [2, 2], [2, 2], num_classes=4).eval()
    pictures = noise(2, (32, 32))
    record = fm.Scope(model).record(pictures, ["features.1", "norm"], target=1)
    for layer, size in (("features.1", 8), ("norm", 4)):
        activations, gradients = by_hand(model, pictures, model.get_submodule(layer), 1)
        assert activations.shape[1:3] == (size, size)
        torch.testing.assert_close(record.activations[layer], activations.permute(0, 3, 1, 2))
        torch.testing.assert_close(record.gradients[layer], gradients.permute(0, 3, 1, 2))
    for method in ("grad_cam", "ablation_cam", "score_cam"):
        assert fm.Scope(model).explain(pictures, method, layer="norm", target=1).tensor.shape == (2, 4, 4)


@pytest.mark.parametrize(
    ("conv", "shape", "size"),
    [(nn.Conv1d, (2, 3, 20), (1, 10)), (nn.Conv3d, (2, 3, 4, 6, 8), (6, 4))],
    ids=["1-D", "3-D"],
)
def test_lines_and_volumes(conv: type[nn.Module], shape: tuple[int, ...], size: tuple[int, int]) -> None:
    class Spatial(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.conv = conv(3, 6, 3, 2, 1)
            self.head = nn.Linear(6, 4)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.conv(x).relu().flatten(2).mean(2))

    model = Spatial().eval()
    pictures = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    activations, gradients = by_hand(model, pictures, model.conv, 1)
    with preserved(model) as session:
        record = take(session, pictures, ["conv"], [fm.Logit(1)])
    assert record.activations["conv"].shape == (2, 6, *size)
    torch.testing.assert_close(record.activations["conv"].flatten(2), activations.flatten(2))
    torch.testing.assert_close(record.gradients["conv"].flatten(2), gradients.flatten(2))


def test_input_gradients() -> None:
    model, pictures = Little(), noise(2)
    inputs = pictures.clone().requires_grad_()
    expected = torch.autograd.grad(model(inputs)[:, 2].sum(), inputs)[0]
    with preserved(model) as session:
        record = take(session, pictures, ["features"], [fm.Logit(1), fm.Logit(2)], input_gradients=["gradient"])
    torch.testing.assert_close(record.for_target(1).input_gradients["gradient"], expected)
    assert not torch.allclose(record.input_gradients["gradient"], expected)
    assert not pictures.requires_grad


def test_for_target_sees_one_target_of_several() -> None:
    model = Little()
    with preserved(model) as session:
        record = take(session, noise(2), ["features"], [fm.Logit(1), fm.Logit(3)])
    own = record.for_target(1)
    assert own.targets[0].labels == ("class 3", "class 3")
    torch.testing.assert_close(own.scores[0], record.logits[:, 3])
    assert own.gradients["features"] is record.gradients_by_target[1]["features"]


def test_a_layer_the_score_does_not_depend_on_is_named() -> None:
    class Aside(Little):
        def __init__(self) -> None:
            super().__init__()
            self.aside = nn.Conv2d(3, 2, 1)

        def forward(self, x: Tensor) -> Tensor:
            self.aside(x)
            return super().forward(x)

    record = fm.Scope(Aside()).record(noise(1), ["aside", "features"], target=0)
    assert record.unreached == {"aside"}
    assert not bool(record.gradients["aside"].any())
    heat = fm.Scope(Aside()).compare(noise(1), "grad_cam", ["aside", "features"], 0)["grad_cam", "aside", 0]
    assert heat.warnings[0] == (
        "The map is zero everywhere: no gradient reaches the layer: the target's score does not depend on "
        "it, or the model cuts the gradient off (detach, no_grad, a hook, a checkpoint with use_reentrant=True).",
    )


def test_segmentation_outputs() -> None:
    torch.manual_seed(0)
    model = torchvision.models.segmentation.lraspp_mobilenet_v3_large(
        weights=None, weights_backbone=None, num_classes=4
    )
    scope, pictures = fm.Scope(model), noise(1, (64, 64))
    heat = scope.explain(pictures, layer="backbone.16", target=fm.Logit(2))
    assert float(heat.tensor.abs().max()) > 0
    mask = torch.zeros(64, 64)
    mask[:20, :20] = 1
    corner = scope.explain(pictures, "hires_cam", layer="backbone.16", target=fm.Mask(mask, 2))
    assert corner.targets == ("class 2 in mask",)
    dense = scope.record(pictures, "backbone.16", target=fm.Mask(mask, 2))
    torch.testing.assert_close(dense.scores[0], dense.outputs["out"][:, 2, :20, :20].mean((1, 2)))


def test_detector_outputs() -> None:
    torch.manual_seed(0)
    detection = torchvision.models.detection
    model = detection.fasterrcnn_mobilenet_v3_large_320_fpn(
        weights=None,
        weights_backbone=None,
        num_classes=3,
        min_size=64,
        max_size=64,
        box_score_thresh=0.0,
        rpn_post_nms_top_n_test=50,
        rpn_score_thresh=0.0,
    )
    scope, pictures = fm.Scope(model), torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    target = fm.Box((8.0, 8.0, 56.0, 56.0))
    record = scope.record(pictures, "backbone.body", target=target)
    assert record.logits is None
    assert float(record.scores[0]) > 0
    assert record.activations["backbone.body"].ndim == 4
    heat = scope.explain(pictures, layer="backbone.body", target=target)
    assert heat.targets == ("object at (8, 8, 56, 56)",)
    assert bool(heat.tensor.any())
    found = scope.explain(pictures, layer="backbone.body", threshold=0.4)
    assert len(found) > 0
    assert {box.index for box in found.boxes if box} <= {1, 2}


def test_a_record_says_what_it_holds() -> None:
    record = fm.Scope(Little(), classes=[f"c{i}" for i in range(4)]).record(noise(2), "features", target="c1")
    assert repr(record).startswith("<Record of 2 pictures: features (2, ")
    assert repr(record).endswith("gradients for c1>")
