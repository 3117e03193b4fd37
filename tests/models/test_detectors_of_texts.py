"""OWL-ViT and its like: the texts are the labels, and everything else is as of any detector."""

from typing import Any

import pytest
import torch
from torch import Tensor

import featuremaps as fm
from featuremaps.errors import SourceError
from featuremaps.models.detectors_of_texts import looks_for_texts

transformers = pytest.importorskip("transformers")
TEXTS = ("a cat", "a dog", "a cup")


class Tokenizer:
    """A token a letter, as many as are asked for."""

    def __call__(self, texts: list[str], *, max_length: int, **_: Any) -> dict[str, Tensor]:
        rows = [[1 + ord(letter) % 90 for letter in text][:max_length] for text in texts]
        tokens = torch.tensor([row + [0] * (max_length - len(row)) for row in rows])
        return {"input_ids": tokens, "attention_mask": (tokens > 0).long()}


class OwlProcessor:
    """As the library's: it prepares pictures, and reads texts."""

    model_input_names = ("pixel_values",)
    tokenizer = Tokenizer()

    def __call__(self, images: Any, return_tensors: str) -> dict[str, Tensor]:
        return {"pixel_values": fm.preprocess(size=64)(images)[None]}


def owl() -> Any:
    """A small one with random weights."""
    torch.manual_seed(0)
    size = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    text = {**size, "vocab_size": 99, "max_position_embeddings": 8, "bos_token_id": 1, "eos_token_id": 2}
    config = transformers.OwlViTConfig(
        text_config=text, vision_config={**size, "image_size": 64, "patch_size": 16}, projection_dim=16
    )
    return transformers.OwlViTForObjectDetection(config).eval()


def test_each_text_is_a_label() -> None:
    model, pictures = owl(), torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    assert looks_for_texts(model)
    scope = fm.Scope(model, OwlProcessor(), classes=TEXTS)
    read = Tokenizer()(list(TEXTS), max_length=8)
    with torch.no_grad():
        each = [model(pixel_values=picture[None], **read) for picture in pictures]
    found = scope.predict(pictures, threshold=0.999)
    for given, (box,) in zip(each, found, strict=True):
        shares = given.logits[0].sigmoid()
        assert box.score == pytest.approx(float(shares.max()), abs=1e-5)
        row, label = divmod(int(shares.argmax()), len(TEXTS))
        assert box.label == TEXTS[label]
        x, y, width, height = (64 * given.pred_boxes[0, row]).tolist()
        assert box.box == pytest.approx((x - width / 2, y - height / 2, x + width / 2, y + height / 2), abs=1e-3)
    heat = scope.explain(pictures, "grad_cam", target=fm.Detection(0, "a dog"))
    assert heat.maps[0].shape == (4, 4)
    assert float(heat.maps[0].abs().max()) > 0


def test_what_is_missing_is_said() -> None:
    with pytest.raises(SourceError, match=r"was given none\. Give the texts as classes: Scope\(model, processor, cl"):
        fm.Scope(owl(), OwlProcessor())
    with pytest.raises(SourceError, match=r"needs its tokenizer .*Give the model's whole processor as transform"):
        fm.Scope(owl(), fm.preprocess(size=64), classes=TEXTS)
