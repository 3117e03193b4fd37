"""Small detectors and segmenters of other libraries with random weights, without user code, against autograd by hand."""

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from torchvision.models.detection import KeypointRCNN, MaskRCNN
from torchvision.models.detection.rpn import AnchorGenerator

import featuremaps as fm
from featuremaps.errors import LayoutError, SourceError
from featuremaps.outputs.detections import DetectedBox
from transformer_families import small_rt_detr

transformers = pytest.importorskip("transformers")
NAMES = {"id2label": dict(enumerate("abc")), "label2id": {name: i for i, name in enumerate("abc")}}
MULTI = {"min_size": 64, "max_size": 96, "box_score_thresh": 0.0, "box_detections_per_img": 3}
ROUGH = {"rpn_pre_nms_top_n_test": 20, "rpn_post_nms_top_n_test": 20}
STAGES = [f"stage{i}" for i in range(1, 5)]
TALL = torch.rand(1, 3, 64, 96, generator=torch.Generator().manual_seed(0))


class Pyramid(nn.Module):
    """Maps of two strides, as torchvision's detectors take them."""

    out_channels = 16

    def __init__(self) -> None:
        super().__init__()
        self.fine = nn.Sequential(nn.Conv2d(3, 16, 4, 4), nn.ReLU())
        self.coarse = nn.Sequential(nn.Conv2d(16, 16, 3, 2, 1), nn.ReLU())

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        fine = self.fine(x)
        return {"0": fine, "1": self.coarse(fine)}


def of_torchvision(kind: Any) -> nn.Module:
    anchors = AnchorGenerator(((16,), (32,)), ((0.5, 1.0, 2.0),) * 2)
    return kind(Pyramid(), num_classes=4, rpn_anchor_generator=anchors, **ROUGH, **MULTI)


def d_fine() -> nn.Module:
    stages = {"stem_channels": [3, 8, 8], "stage_in_channels": [8, 8, 8, 16], "stage_mid_channels": [8] * 4}
    stages |= {"stage_out_channels": [8, 8, 16, 16], "stage_num_blocks": [1] * 4, "stage_numb_of_layers": [2] * 4}
    stages |= {"stage_downsample": [False, True, True, True], "stage_light_block": [False] * 4}
    stages |= {"stage_kernel_size": [3] * 4, "embedding_size": 8, "hidden_sizes": [8, 8, 16, 16], "depths": [1] * 4}
    backbone = transformers.HGNetV2Config(**stages, out_features=STAGES[1:])
    config = transformers.DFineConfig(
        backbone_config=backbone, encoder_hidden_dim=16, encoder_in_channels=[8, 16, 16], encoder_layers=1, d_model=16,
        encoder_ffn_dim=16, encoder_attention_heads=2, num_queries=10, decoder_in_channels=[16] * 3, decoder_ffn_dim=16,
        decoder_layers=2, decoder_attention_heads=2, num_denoising=0, decoder_n_points=[2] * 3, **NAMES,
    )  # fmt: skip
    return transformers.DFineForObjectDetection(config)


def swin() -> Any:
    size = {"embed_dim": 8, "depths": [1] * 4, "num_heads": [1, 1, 2, 2], "window_size": 4, "image_size": 64}
    return transformers.SwinConfig(**size, out_features=STAGES)


def mask2former() -> nn.Module:
    size = {"hidden_dim": 32, "feature_size": 32, "mask_feature_size": 32, "encoder_feedforward_dim": 16}
    size |= {"encoder_layers": 1, "decoder_layers": 3, "dim_feedforward": 16, "num_queries": 6}
    config = transformers.Mask2FormerConfig(backbone_config=swin(), num_attention_heads=2, **size, **NAMES)
    return transformers.Mask2FormerForUniversalSegmentation(config)


def oneformer() -> nn.Module:
    size = {"hidden_dim": 32, "conv_dim": 32, "mask_dim": 32, "encoder_feedforward_dim": 16, "dim_feedforward": 16}
    size |= {"encoder_layers": 1, "decoder_layers": 3, "query_dec_layers": 1, "num_queries": 6, "task_seq_len": 8}
    config = transformers.OneFormerConfig(
        backbone_config=swin(), num_attention_heads=2, is_training=False, **size, **NAMES
    )
    return transformers.OneFormerForUniversalSegmentation(config)


def randomised(model: nn.Module) -> nn.Module:
    """With larger weights than at first, so that scores depend on the picture."""
    random = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in (each for each in model.parameters() if each.ndim > 1):
            weight.normal_(0, 0.2, generator=random)
    return model.eval()


def by_hand(model: nn.Module, layer: str, score: Callable[[Any], Tensor]) -> Tensor:
    """HiResCAM of one score: the sum over channels of gradient times activation, from hooks written for it."""
    kept: dict[str, Tensor] = {}
    handle = model.get_submodule(layer).register_forward_hook(lambda _module, _given, output: kept.update(map=output))
    outputs = model(TALL.clone().requires_grad_())
    handle.remove()
    (gradient,) = torch.autograd.grad(score(outputs), kept["map"])
    return (gradient * kept["map"].detach()).sum(1)[0]


def alike(found: Tensor, expected: Tensor) -> None:
    assert float(expected.abs().max()) > 0
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3 * float(expected.abs().max()))


def score_of_query(box: DetectedBox) -> Callable[[Any], Tensor]:
    def score(outputs: Any) -> Tensor:
        shares = outputs.logits.sigmoid()[0]
        assert box.index is not None
        return shares[(shares[:, box.index].detach() - box.score).abs().argmin(), box.index]

    return score


def score_of_listed(box: DetectedBox) -> Callable[[Any], Tensor]:
    return lambda outputs: outputs[0]["scores"][(outputs[0]["scores"].detach() - box.score).abs().argmin()]


CASES: Sequence[tuple[str, Callable[[], nn.Module], str, Callable[[DetectedBox], Callable[[Any], Tensor]]]] = (
    ("D-FINE", d_fine, "model.encoder.pan_blocks.0", score_of_query),
    ("RT-DETR", small_rt_detr, "model.encoder.pan_blocks.0", score_of_query),
    ("Mask R-CNN", lambda: of_torchvision(MaskRCNN), "backbone.fine", score_of_listed),
    ("Keypoint R-CNN", lambda: of_torchvision(KeypointRCNN), "backbone.fine", score_of_listed),
)


@pytest.mark.parametrize("case", CASES, ids=[case[0] for case in CASES])
def test_each_way_to_name_a_detection_is_autograd_by_hand(case: Any, tmp_path: Path) -> None:
    _, build, layer, score_of = case
    torch.manual_seed(0)
    model = randomised(build())
    scope = fm.Scope(model, fm.preprocess(size=(64, 96)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        every = scope.explain(TALL, "hires_cam", layer=layer, threshold=0.0)
    boxes = [box for box in every.boxes if box is not None]
    assert len(boxes) == len(every) >= 3
    rows = [row for row in range(len(boxes)) if float(every.maps[row].abs().max()) > 0][:2]
    for row in rows:
        alike(every.maps[row], by_hand(model, layer, score_of(boxes[row])))
    first = boxes[rows[0]]
    number = scope.explain(TALL, "hires_cam", layer=layer, target=fm.Detection(rows[0]))
    torch.testing.assert_close(number.maps[0], every.maps[rows[0]])
    named = scope.explain(TALL, "hires_cam", layer=layer, target=first.index, threshold=0.0)
    assert {box.index for box in named.boxes if box} == {first.index}
    there = scope.explain(TALL, "hires_cam", layer=layer, target=fm.Box(first.box, first.index))
    assert float(there.maps[0].abs().max()) > 0
    picture = tmp_path / "street.png"
    Image.fromarray((TALL[0] * 255).byte().permute(1, 2, 0).numpy()).save(picture)
    page = scope.report([picture], tmp_path / "report.html", methods=["hires_cam"], threshold=0.0, anatomy=False)
    assert "What each box rests on" in page.read_text()
    assert "boxes in 2 pictures" in repr(scope.survey([picture, picture], "last", tmp_path / "survey", threshold=0.0))


class Tokenizer:
    """A token a word, filled up to the length that is asked for."""

    def __call__(self, texts: list[str], *, max_length: int, **_: Any) -> dict[str, Tensor]:
        rows = [[3 + len(word) for word in text.split()] for text in texts]
        counts = torch.tensor([[1] * len(row) + [0] * (max_length - len(row)) for row in rows])
        return {
            "input_ids": torch.tensor([row + [9] * (max_length - len(row)) for row in rows]),
            "attention_mask": counts,
        }


class Processor:
    """As the library's: it prepares pictures, and reads texts."""

    model_input_names = ("pixel_values",)
    tokenizer = Tokenizer()

    def __call__(self, images: Any, return_tensors: str) -> dict[str, Tensor]:
        return {"pixel_values": fm.preprocess(size=(64, 96))(images)[None]}


@pytest.mark.parametrize("build", [mask2former, oneformer])
def test_masks_of_queries_are_class_scores_of_places(build: Callable[[], nn.Module], tmp_path: Path) -> None:
    """OneFormer is told in words to do semantic segmentation, as its own processor tells it."""
    torch.manual_seed(0)
    model: Any = randomised(build())
    told = {"task_inputs": torch.tensor([[6, 7, 5, 11, 0, 0, 0, 0]])} if build is oneformer else {}
    scope = fm.Scope(model, Processor())
    assert scope.classes == ("a", "b", "c")

    def scores(pixels: Tensor) -> Tensor:
        outputs = model(pixel_values=pixels, **told)
        shares, inside = outputs.class_queries_logits.softmax(2)[..., :-1], outputs.masks_queries_logits.sigmoid()
        maps = torch.einsum("bqc,bqhw->bchw", shares, inside)
        return maps / maps.sum(1, keepdim=True)

    with torch.no_grad():
        expected = scores(TALL)
        torch.testing.assert_close(scope.model(TALL), expected)
    heat = scope.explain(TALL, "saliency")
    number = "abc".index(heat.targets[0][0])
    pixels = TALL.clone().requires_grad_()
    region = expected.argmax(1)[0] == number
    (gradient,) = torch.autograd.grad(scores(pixels)[0, number][region].mean(), pixels)
    alike(heat.values[0].abs(), gradient[0].abs())
    (answer, *_) = scope.predict(TALL)[0]
    assert (answer.label, answer.covers) == ("abc"[number], pytest.approx(float(region.float().mean()), abs=1e-6))
    assert "regions" in repr(scope.survey(np_pictures(tmp_path), "last", tmp_path / "survey"))


def np_pictures(folder: Path) -> list[Path]:
    random = np.random.default_rng(0)
    paths = [folder / f"{number}.png" for number in range(2)]
    for path in paths:
        Image.fromarray(random.integers(0, 255, (64, 96, 3), np.uint8)).save(path)
    return paths


def test_a_model_that_is_told_its_task_needs_a_tokenizer() -> None:
    with pytest.raises(SourceError, match="is told its task in words, and needs its tokenizer"):
        fm.Scope(oneformer(), fm.preprocess(size=(64, 96)))


def deformable_detr() -> nn.Module:
    stages = {"embedding_size": 8, "hidden_sizes": [8, 8, 16, 16], "depths": [1] * 4, "layer_type": "basic"}
    backbone = transformers.ResNetConfig(**stages, out_features=STAGES[1:])
    size = {"d_model": 32, "encoder_ffn_dim": 16, "decoder_ffn_dim": 16, "num_queries": 6}
    size |= dict.fromkeys(("encoder_layers", "decoder_layers"), 2)
    size |= dict.fromkeys(("encoder_attention_heads", "decoder_attention_heads"), 2)
    config = transformers.DeformableDetrConfig(
        use_timm_backbone=False, use_pretrained_backbone=False, backbone_config=backbone, **size, **NAMES
    )
    return transformers.DeformableDetrForObjectDetection(config)


@pytest.mark.parametrize(("start", "grid"), [(0, (8, 12)), (96, (4, 6))])
def test_a_level_of_an_encoder_is_explained_where_it_is_said_how_it_lies(start: int, grid: tuple[int, int]) -> None:
    """The tokens of all levels stand one after another: which of them is meant is the user's to say."""
    torch.manual_seed(0)
    model, layer = randomised(deformable_detr()), "model.encoder.layers.1"
    with pytest.raises(LayoutError, match="maps of 8×12, 4×6, 2×3, 1×2 places stand in it one after another"):
        fm.Scope(model).explain(TALL, "hires_cam", layer=layer, threshold=0.0)

    def read(tokens: Tensor) -> Tensor:
        return tokens[:, start : start + grid[0] * grid[1]].mT.unflatten(2, grid)

    heat = fm.Scope(model, layout=read).explain(TALL, "hires_cam", layer=layer, threshold=0.0)
    kept: list[Tensor] = []
    handle = model.get_submodule(layer).register_forward_hook(lambda _module, _given, output: kept.append(output))
    outputs = model(TALL.clone().requires_grad_())
    handle.remove()
    (tokens,) = kept if isinstance(kept[0], Tensor) else kept[0]
    assert heat.boxes[0] is not None
    (gradient,) = torch.autograd.grad(score_of_query(heat.boxes[0])(outputs), tokens)
    alike(heat.maps[0], read(gradient * tokens.detach()).sum(1)[0])
