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
    saved(
        hf.YolosForObjectDetection(
            hf.YolosConfig(**{**VISION, "image_size": [32, 32]}, num_detection_tokens=5, **NAMES)
        )
    )
    scope = fm.load("hf:m")
    assert scope.explain(PICTURE, target=fm.Query(2, "dog")).tensor.shape == (1, 4, 4)


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
    hf.PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<end>").save_pretrained("m")
    return model


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
