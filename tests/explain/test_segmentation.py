"""Segmentation models explained as they are given: the class in its region, what is found, outlined and counted."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image
from torch import Tensor, nn

import featuremaps as fm
from featuremaps.errors import TargetError
from featuremaps.plotting.outlines import outlined
from featuremaps.results.heatmaps import Heatmaps
from featuremaps.running import counting
from nets import TinyUNet
from planted import ContextSegmenter, lit

NAMES = ["background", "road", "boat", "tree"]


def picture(seed: int = 0, size: tuple[int, int] = (48, 32)) -> Image.Image:
    grain = np.random.default_rng(seed).integers(0, 255, (4, 6, 3), dtype=np.uint8)
    return Image.fromarray(grain).resize(size, Image.Resampling.BICUBIC)


class UNet(TinyUNet):
    """Of four classes, none of which is found everywhere; `step` times coarser than the picture."""

    def __init__(self, step: int = 1, classes: int = 4) -> None:
        torch.manual_seed(3)
        super().__init__()
        self.head = nn.Conv2d(8, classes, 1, step)
        self.register_buffer("less", torch.zeros(classes, 1, 1))
        with torch.no_grad():
            self.head.weight.mul_(20)

    def forward(self, x: Tensor) -> Tensor:
        scores = super().forward(x)
        return scores - scores.mean((2, 3), keepdim=True) - self.less


def scope(model: nn.Module, classes: list[str] | None = NAMES) -> fm.Scope:
    return fm.Scope(model.eval(), transform=fm.preprocess(size=(32, 48)), classes=classes)


def by_hand(model: nn.Module, layer: nn.Module, x: Tensor, index: int, score: Callable[[Tensor], Tensor]) -> Tensor:
    """Seg-Grad-CAM of one picture, as the paper has it: the class's scores summed where it is found, and Grad-CAM."""
    kept: list[Tensor] = []
    handle = layer.register_forward_hook(lambda *parts: kept.append(parts[2]))
    dense = score(model(x))
    handle.remove()
    inside = dense[0].argmax(0) == index
    total = sum(dense[0, index, row, column] for row, column in inside.nonzero().tolist())
    (gradient,) = torch.autograd.grad(total / inside.sum(), kept[0])
    return (gradient.mean((2, 3))[0, :, None, None] * kept[0][0]).sum(0).detach()


@pytest.mark.parametrize("step", [1, 4])
def test_seg_grad_cam_by_hand(step: int) -> None:
    model = UNet(step)
    heat = scope(model).explain(picture(), layer="bottom", target="tree")
    x = scope(model).see(picture()).seen[0].input[None]
    expected = by_hand(model, model.bottom, x, 3, lambda scores: scores)
    torch.testing.assert_close(heat.maps[0], expected, rtol=1e-4, atol=1e-6)
    assert heat.regions[0] is not None
    assert heat.regions[0].shape == (32 // step, 48 // step)


@pytest.mark.parametrize("name", ["fcn_resnet50", "deeplabv3_mobilenet_v3_large", "lraspp_mobilenet_v3_large"])
def test_torchvision_models_without_a_target(name: str) -> None:
    torch.manual_seed(0)
    model = torchvision.models.get_model(name, weights=None, weights_backbone=None, num_classes=4).eval()
    x = scope(model).see(picture()).seen[0].input[None]
    with torch.no_grad():
        winners = model(x)["out"].argmax(1)
    covers = torch.bincount(winners.flatten(), minlength=4) / winners.numel()
    best = int(covers[1:].argmax()) + 1 if covers[1:].any() else 0
    heat = scope(model).explain(picture())
    assert heat.layer.startswith("backbone.")
    assert heat.targets[0].startswith(f"{NAMES[best]} in its ")
    assert heat.regions[0] is not None
    assert torch.equal(heat.regions[0].bool(), winners[0] == best)
    answers = scope(model).predict(picture())[0]
    found = covers.sort(descending=True, stable=True)
    assert [answer.index for answer in answers] == found.indices[found.values > 0].tolist()
    assert [answer.covers for answer in answers] == pytest.approx(found.values[found.values > 0].tolist())
    assert repr(answers[0]).endswith("% of the picture")


def test_each_picture_of_a_batch_has_its_own_region_alone_and_together() -> None:
    studied, pictures = scope(UNet()), [picture(seed) for seed in range(3)]
    for method in ("grad_cam", "occlusion", "score_cam"):
        together = studied.explain(pictures, method, layer="bottom", target="tree")
        for number, each in enumerate(pictures):
            alone = studied.explain(each, method, layer="bottom", target="tree")
            assert alone.targets[0] == together.targets[number]
            torch.testing.assert_close(tensor_of(alone)[0], tensor_of(together)[number], rtol=1e-3, atol=1e-5)
    assert together[1].regions[0] is together.regions[1]


def tensor_of(explained: object) -> Tensor:
    return explained.tensor  # type: ignore[attr-defined,no-any-return]


def test_one_forward_and_one_backward_pass_for_each_class() -> None:
    model, backwards = UNet(), [0]
    model.bottom.register_full_backward_hook(lambda *_: backwards.__setitem__(0, backwards[0] + 1))
    studied = scope(model)
    studied.layers(picture())
    with counting() as count:
        studied.compare(picture(), ["grad_cam", "layer_cam"], "down", ["road", "boat", "tree"])
    assert (count.pictures, backwards[0]) == (1, 3)


def test_occlusion_scores_copies_in_the_region_of_the_picture_itself() -> None:
    planted = lit()
    studied = fm.Scope(ContextSegmenter().eval(), classes=["sea", "boat"])
    covered = planted.inputs.clone()
    covered[planted.masks[:, None]] = 0
    record = studied.record(planted.inputs, "features", "boat")
    (bound,) = record.targets
    with torch.no_grad():
        now = bound.scores(studied.model(covered))
    assert now.tolist() == pytest.approx([0, 0], abs=1e-6)  # where the boat was, though none is there any more
    assert bound.scores(record.outputs).min() > 3.5


@pytest.mark.parametrize("method", ["grad_cam", "score_cam", "occlusion", "integrated_gradients", "lrp"])
def test_evidence_planted_outside_the_region_is_found_there(method: str) -> None:
    planted = lit()
    studied = fm.Scope(ContextSegmenter().eval(), classes=["sea", "boat"])
    explained = studied.explain(planted.inputs, method, layer="features", target="boat")
    heat = (explained if isinstance(explained, Heatmaps) else explained.map()).upsample().tensor.relu()
    for map, plant, region in zip(heat, planted.masks, explained.regions, strict=True):
        assert region is not None
        assert not (region.bool() & plant).any()
        assert plant.flatten()[map.argmax()]
        assert map[region.bool()].sum() < 0.05 * map.sum()


def test_the_region_is_outlined_on_what_the_model_saw_and_on_the_original() -> None:
    studied, original = scope(UNet()), picture(size=(96, 64))
    heat = studied.explain(original, layer="bottom", target="tree")
    (region,) = heat.regions
    assert region is not None
    seen, plain = heat.pictures[0].image, heat.pictures[0]
    marked = np.asarray(plain.outlined(seen, region))
    changed = (marked != np.asarray(seen)).any(2)
    inside = region.bool().numpy()
    assert not (changed & inside).any()
    beside = np.zeros_like(inside)
    for step, axis in ((1, 0), (-1, 0), (1, 1), (-1, 1)):
        moved = np.roll(inside, step, axis)
        moved[(0 if step > 0 else -1,) if axis == 0 else (slice(None), 0 if step > 0 else -1)] = False
        beside |= moved
    assert (marked[beside & ~inside] == 255).all()
    assert {*np.unique(marked[changed]).tolist()} == {10, 14, 255}
    assert heat.overlay(on="original")[0].size == original.size
    panels = heat.figure().axes
    assert np.asarray(panels[0].images[0].get_array()).shape[:2] == marked.shape[:2]
    assert scope(UNet()).explain(original, "saliency", target="tree").map().regions[0] is not None
    whole = Image.new("RGB", (5, 4))
    assert outlined(whole, torch.ones(4, 5, dtype=torch.bool)).tobytes() == whole.tobytes()


def test_a_class_that_is_nowhere_leaves_the_model_as_it_was() -> None:
    model = UNet()
    model.less[1] = 1000
    studied = scope(model)
    model.train()
    with pytest.raises(TargetError, match=r"gives 'road' to no place of the picture\. It gives .*Logit\('road'\)"):
        studied.explain(picture(), target="road")
    assert model.training
    assert not model.bottom._forward_hooks
    whole = studied.explain(picture(), layer="bottom", target=fm.Logit("road"))
    assert whole.targets == ("road over the whole picture",)
    assert whole.regions == (None,)


def test_mirrored_copies_are_explained_for_the_mirrored_region() -> None:
    studied, one = scope(UNet()), picture()
    heat = studied.explain(one, "saliency", target=fm.Region("tree"), smooth="augment").map()
    (region,) = heat.regions
    assert region is not None
    mirrored = one.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    there = fm.Mask(region.flip(-1), "tree")
    again = studied.explain(mirrored, "saliency", target=there, smooth="augment").map()
    torch.testing.assert_close(again.maps[0].flip(-1), heat.maps[0], rtol=1e-4, atol=1e-6)


def test_a_volume_is_explained_in_its_region_and_drawn() -> None:
    class Volumes(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(1)
            self.features, self.classes = nn.Conv3d(1, 4, 3, padding=1), nn.Conv3d(4, 3, 1)

        def forward(self, x: Tensor) -> Tensor:
            scores = self.classes(self.features(x).relu())
            return scores - scores.mean((2, 3, 4), keepdim=True)

    inputs = torch.rand(1, 1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    studied = fm.Scope(Volumes().eval())
    heat = studied.explain(inputs, layer="features")
    with torch.no_grad():
        winners = studied.model(inputs).argmax(1)[0]
    best = int(torch.bincount(winners.flatten(), minlength=3).argmax())
    assert heat.targets[0].startswith(f"class {best} in its ")
    assert torch.equal(heat.regions[0].bool(), winners == best)
    assert heat.overlay()[0].size == heat.pictures[0].image.size
    assert len(heat.figure().axes)
    answers = studied.predict(inputs)[0]
    assert sum(answer.covers for answer in answers) == pytest.approx(1)


def test_a_model_that_ends_in_a_sigmoid_and_classes_that_overlap() -> None:
    class Single(UNet):
        def forward(self, x: Tensor) -> Tensor:
            return torch.sigmoid(super().forward(x))

    model = Single(classes=1)
    studied = scope(model, ["tumour"])
    with torch.no_grad():
        shares = model(studied.see(picture()).seen[0].input[None])
    heat = studied.explain(picture(), layer="bottom")
    assert heat.regions[0] is not None
    assert torch.equal(heat.regions[0].bool(), shares[0, 0] >= 0.5)
    assert studied.predict(picture())[0][0].covers == pytest.approx(float((shares >= 0.5).float().mean()))
    record = studied.record(picture(), "bottom", "tumour")
    assert float(record.scores[0]) == pytest.approx(float(shares[shares >= 0.5].mean()), rel=1e-5)
    overlapping = fm.Scope(UNet().eval(), studied.transform, NAMES, outputs="multi_label")
    covers = [answer.covers for answer in overlapping.predict(picture())[0]]
    assert sum(covers) > 1
    one = overlapping.explain(picture(), layer="bottom", target="boat")
    logits = overlapping.record(picture(), "bottom", "boat").logits
    assert logits is not None
    assert one.regions[0] is not None
    assert torch.equal(one.regions[0].bool(), logits[0, 2] >= 0)


def test_a_trial_of_a_segmentation_keeps_the_region() -> None:
    studied = scope(UNet())
    measures = ("deletion", "single_deletion", "parameter_randomisation")
    tried = studied.trial([picture()], ["grad_cam", "saliency"], "bottom", "tree", measures=measures)
    assert not [reason for key in tried.explanations for reason in tried.failed(key) if "error" in reason.lower()]
    assert all(0 < tried.estimate(key, "deletion").mean < 1 for key in tried.explanations)
