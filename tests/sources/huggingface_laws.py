"""Hugging Face models, small and random, run by `test_optional` in a process of their own: what they give is theirs."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers as hf
from PIL import Image
from tokenizers import Tokenizer, models, pre_tokenizers, processors

import featuremaps as fm
from featuremaps.errors import SourceError, TargetError

SMALL = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16}
VISION = {**SMALL, "image_size": 32, "patch_size": 8}
NAMES = {"id2label": {0: "cat", 1: "dog", 2: "bird"}, "label2id": {"cat": 0, "dog": 1, "bird": 2}}
PICTURE = Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 50, 3), dtype=np.uint8))
TEXTS = ["a cat", "a dog and a bird"]


@pytest.fixture(autouse=True)
def seeded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    torch.manual_seed(0)
    monkeypatch.chdir(tmp_path)
    with torch.random.fork_rng():
        yield


def saved(model: hf.PreTrainedModel, size: object = None) -> hf.PreTrainedModel:
    model.eval().save_pretrained("m")
    hf.ViTImageProcessor(size=size or {"height": 32, "width": 32}).save_pretrained("m")
    return model


def as_given(scope: fm.Scope) -> torch.Tensor:
    return scope.see(PICTURE).seen[0].input[None]


def test_a_classifier() -> None:
    model = saved(hf.ViTForImageClassification(hf.ViTConfig(**VISION, **NAMES)))
    scope = fm.load("hf:m")
    heat = scope.explain(PICTURE, target="dog")
    assert heat.tensor.shape == (1, 4, 4)
    assert heat.warnings == ((),)
    assert heat.overlay(on="original")[0].size == (50, 40)
    with torch.no_grad():
        torch.testing.assert_close(scope.record(PICTURE).logits, model(as_given(scope)).logits)


def test_segmentation_and_detection_explain_a_place() -> None:
    settings = {"hidden_sizes": [8, 8, 16, 16], "depths": [1, 1, 1, 1], "decoder_hidden_size": 16}
    saved(
        hf.SegformerForSemanticSegmentation(hf.SegformerConfig(**settings, num_attention_heads=[1, 1, 2, 2], **NAMES))
    )
    scope = fm.load("hf:m")
    assert scope.classes == ("cat", "dog", "bird")
    assert scope.explain(PICTURE, target=fm.Mask(torch.ones(8, 8), "dog")).tensor.any()
    check_own_region(scope)
    saved(
        hf.YolosForObjectDetection(
            hf.YolosConfig(**{**VISION, "image_size": [32, 32]}, num_detection_tokens=5, **NAMES)
        )
    )
    scope = fm.load("hf:m")
    assert scope.explain(PICTURE, target=fm.Query(2, "dog")).tensor.shape == (1, 4, 4)


def check_own_region(scope: fm.Scope) -> None:
    """The largest class is explained where the model finds it, at the resolution of its scores."""
    answers = scope.predict(PICTURE)[0]
    assert sum(answer.covers for answer in answers) == pytest.approx(1)
    heat = scope.explain(PICTURE)
    assert heat.targets[0].startswith(f"{answers[0].label} in its ")
    assert float(heat.regions[0].mean()) == pytest.approx(answers[0].covers)
    assert heat.overlay(on="original")[0].size == (50, 40)
    (told,) = scope.regions(PICTURE)
    assert told.labels == tuple(answer.label for answer in answers)


@pytest.mark.parametrize("kind", ["UperNet", "DPT"])
def test_dense_heads_of_other_kinds(kind: str) -> None:
    if kind == "UperNet":
        backbone = hf.ConvNextConfig(
            num_stages=4,
            hidden_sizes=[8, 8, 16, 16],
            depths=[1, 1, 1, 1],
            out_features=[f"stage{i}" for i in range(1, 5)],
        )
        settings = {"hidden_size": 16, "auxiliary_in_channels": 16, "use_auxiliary_head": True, "pool_scales": [1, 2]}
        model = hf.UperNetForSemanticSegmentation(hf.UperNetConfig(backbone_config=backbone, **settings, **NAMES))
    else:
        settings = {"neck_hidden_sizes": [8, 8, 8, 8], "fusion_hidden_size": 8, "backbone_out_indices": [0, 1, 2, 3]}
        model = hf.DPTForSemanticSegmentation(
            hf.DPTConfig(**{**VISION, "num_hidden_layers": 4}, **settings, semantic_classifier_dropout=0.0, **NAMES)
        )
    size = {"height": 64, "width": 64} if kind == "UperNet" else {"height": 32, "width": 32}
    scope = fm.Scope(model.eval(), hf.ViTImageProcessor(size=size))
    assert scope.classes == ("cat", "dog", "bird")
    check_own_region(scope)


def test_masks_of_queries_are_read_as_their_own_processor_does() -> None:
    swin = hf.SwinConfig(image_size=64, embed_dim=8, depths=[1, 1, 1, 1], num_heads=[1, 1, 2, 2], window_size=2)
    swin.out_features = ["stage1", "stage2", "stage3", "stage4"]
    settings = {"num_queries": 6, "feature_size": 32, "mask_feature_size": 32, "hidden_dim": 32}
    settings |= {"encoder_feedforward_dim": 16, "dim_feedforward": 16, "encoder_layers": 1, "decoder_layers": 2}
    config = hf.Mask2FormerConfig(backbone_config=swin, num_attention_heads=2, **settings, **NAMES)
    model = hf.Mask2FormerForUniversalSegmentation(config).eval()
    processor = hf.Mask2FormerImageProcessor(size={"height": 64, "width": 64})
    scope = fm.Scope(model, processor)
    assert scope.classes == ("cat", "dog", "bird")
    pixels = as_given(scope)
    with torch.no_grad():
        outputs = model(pixel_values=pixels)
        probabilities = scope.model(pixels)
    shares, masks = outputs.class_queries_logits.softmax(2), outputs.masks_queries_logits.sigmoid()
    for row, column in ((0, 0), (7, 5)):
        sums = [sum(shares[0, q, c] * masks[0, q, row, column] for q in range(6)) for c in range(3)]
        torch.testing.assert_close(probabilities[0, :, row, column], torch.stack(sums) / sum(sums))
    size = tuple(outputs.masks_queries_logits.shape[2:])
    (own,) = hf.MaskFormerImageProcessor().post_process_semantic_segmentation(outputs, target_sizes=[size])
    assert torch.equal(probabilities[0].argmax(0), own)
    check_own_region(scope)


def test_a_processor_is_a_transform_and_another_head_has_no_names() -> None:
    model = hf.ViTForImageClassification(hf.ViTConfig(**VISION, **NAMES)).eval()
    processor = hf.ViTImageProcessor(size={"height": 32, "width": 32})
    scope = fm.Scope(model, processor)
    assert scope.classes == ("cat", "dog", "bird")
    torch.testing.assert_close(as_given(scope)[0], processor(PICTURE, return_tensors="pt")["pixel_values"][0])
    assert "ViTImageProcessor(size={'height': 32, 'width': 32})" in repr(scope)
    assert scope.explain(PICTURE).overlay(on="original")[0].size == (50, 40)
    model.classifier = torch.nn.Linear(16, 5)
    assert fm.Scope(model, processor).classes is None
    assert len(fm.Scope(model, processor).predict(PICTURE)[0]) == 5


def test_a_backbone_without_a_head_has_an_embedding_and_no_class_names() -> None:
    saved(hf.Dinov2Model(hf.Dinov2Config(**VISION)))
    scope = fm.load("hf:m")
    assert scope.classes is None
    assert scope.maps(PICTURE).tensor.shape == (1, 16, 4, 4)
    with pytest.raises(TargetError, match=r"not of classes.*Similarity"):
        scope.predict(PICTURE)


def of_pictures_and_texts(kind: str) -> hf.PreTrainedModel:
    words = {word: number for number, word in enumerate(["<pad>", "a", "cat", "dog", "and", "bird", "<end>"])}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="<pad>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A <end>", special_tokens=[("<end>", 6)])
    ends = {"eos_token_id": 6, "bos_token_id": 1, "pad_token_id": 0}
    text = {**SMALL, **ends, "vocab_size": 7, "max_position_embeddings": 8}
    if kind == "CLIP":
        model = hf.CLIPModel(hf.CLIPConfig(text_config=text, vision_config=VISION, projection_dim=8))
    else:
        model = hf.SiglipModel(hf.SiglipConfig(text_config={**text, "projection_size": 16}, vision_config=VISION))
    saved(model)
    fast = hf.PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<end>")
    fast.save_pretrained("m")
    return model


def whole_processor() -> object:
    """The image processor and the tokenizer together, as `AutoProcessor` gives them."""
    return hf.CLIPProcessor(hf.AutoImageProcessor.from_pretrained("m"), hf.AutoTokenizer.from_pretrained("m"))


@pytest.mark.parametrize("kind", ["CLIP", "SigLIP"])
def test_texts_are_explained_by_every_kind_of_method(kind: str) -> None:
    model = of_pictures_and_texts(kind)
    scope = fm.Scope(model, whole_processor(), classes=TEXTS)
    loaded = fm.load("hf:m", classes=TEXTS)
    assert scope.outputs == loaded.outputs
    torch.testing.assert_close(scope.record(PICTURE).logits, loaded.record(PICTURE).logits)
    for method in ("grad_cam", "score_cam", "integrated_gradients", "occlusion", "legrad"):
        heat = scope.explain(PICTURE, method, target="a cat")
        other = scope.explain(PICTURE, method, target="a dog and a bird")
        assert heat.targets == ("a cat",)
        assert heat.tensor.isfinite().all(), method
        assert not torch.allclose(heat.tensor, other.tensor), method
    assert fm.Scope(model, whole_processor(), classes=TEXTS[:1]).predict(PICTURE)[0][0].label == "a cat"


@pytest.mark.parametrize("kind", ["CLIP", "SigLIP"])
def test_without_texts_it_is_said_which_argument_takes_them(kind: str) -> None:
    model = of_pictures_and_texts(kind).train()
    for scope in (fm.load("hf:m"), fm.Scope(model, whole_processor()), fm.Scope(model, fm.preprocess(size=(32, 32)))):
        for ask in (scope.predict, scope.explain):
            with pytest.raises(
                TargetError, match=r"compares pictures with texts, and it was given none.*classes=\['a photo"
            ):
                ask(PICTURE)
        assert scope.maps(PICTURE).tensor.shape[2:] == (4, 4)
        embedding = scope.record(PICTURE, gradients=False, target=lambda out: out["pooler_output"][:, 0]).outputs
        near = fm.Similarity(embedding["pooler_output"])
        assert scope.explain(PICTURE, target=near).tensor.isfinite().all()
    for transform in (None, fm.preprocess(size=(32, 32)), hf.AutoImageProcessor.from_pretrained("m")):
        with pytest.raises(SourceError, match=r"needs its tokenizer.*AutoProcessor\.from_pretrained.*classes="):
            fm.Scope(model, transform, classes=TEXTS)
    assert model.training


@pytest.mark.parametrize(
    ("kind", "padding", "outputs"),
    [("CLIP", {"padding": True}, None), ("SigLIP", {"padding": "max_length", "max_length": 8}, "multi_label")],
)
def test_texts_are_the_classes_of_a_model_of_pictures_and_texts(
    kind: str, padding: dict[str, object], outputs: object
) -> None:
    model = of_pictures_and_texts(kind)
    scope = fm.load("hf:m", classes=TEXTS)
    assert scope.outputs == outputs
    tokens = hf.AutoTokenizer.from_pretrained("m")(TEXTS, **padding, return_tensors="pt")
    with torch.no_grad():
        expected = model(pixel_values=as_given(scope), **tokens).logits_per_image
    torch.testing.assert_close(scope.record(PICTURE, target=0).logits, expected)
    heat = scope.explain(PICTURE, target="a cat")
    assert heat.layer.startswith("model.vision_model")
    assert heat.tensor.shape == (1, 4, 4)
    assert fm.load("hf:m").maps(PICTURE).tensor.shape == (1, 16, 4, 4)
    for file in Path("m").glob("token*"):
        file.unlink()
    with pytest.raises(
        SourceError,
        match=r"(tokenizer of 'm' reads 'a cat' as another|'m' has no tokenizer).*classes=….*processor\.save_pretrained",
    ):
        fm.load("hf:m", classes=TEXTS)


def test_what_is_no_vision_model_or_lacks_weights_is_refused() -> None:
    hf.BertModel(hf.BertConfig(**SMALL, vocab_size=9)).save_pretrained("text")
    with pytest.raises(SourceError, match="'text' is a BertModel, which takes input_ids and no pictures"):
        fm.load("hf:text")
    saved(hf.ViTModel(hf.ViTConfig(**VISION, **NAMES)))
    config = Path("m/config.json")
    config.write_text(config.read_text().replace('"ViTModel"', '"ViTForImageClassification"'))
    with pytest.raises(SourceError, match=r"lacks 2 weights of ViTForImageClassification \(classifier\.bias"):
        fm.load("hf:m")
