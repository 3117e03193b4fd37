"""Grounding DINO: the phrases of one text are the labels, each as sure as its tokens are on average."""

from functools import partial
from typing import Any

import pytest
import torch

import featuremaps as fm
from featuremaps.errors import SourceError
from featuremaps.models.detectors_of_phrases import looks_for_phrases

transformers = pytest.importorskip("transformers")
TEXTS = ("A cat.", "a dog", "cup")
WORDS = {"a": 20, "cat": 21, "dog": 22, "cup": 23}
FIRST, LAST, STOP = 101, 102, 1012


class Tokenizer:
    """A word a token, with the numbers that the model knows the ends of texts and phrases by."""

    def __call__(self, text: str, *, add_special_tokens: bool = True) -> dict[str, list[int]]:
        words = text.replace(".", " . ").split()
        tokens = [STOP if word == "." else WORDS[word] for word in words]
        return {"input_ids": [FIRST, *tokens, LAST] if add_special_tokens else tokens}


class Processor:
    """As the library's: it prepares pictures, and reads texts."""

    model_input_names = ("pixel_values",)
    tokenizer = Tokenizer()

    def __call__(self, images: Any, return_tensors: str) -> dict[str, torch.Tensor]:
        return {"pixel_values": fm.preprocess(size=64)(images)[None]}


def grounding_dino() -> Any:
    """A small one with random weights."""
    torch.manual_seed(0)
    words = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    swin = transformers.SwinConfig(
        embed_dim=8, depths=[1] * 4, num_heads=[1, 1, 2, 2], window_size=4, image_size=64,
        out_features=["stage2", "stage3", "stage4"],
    )  # fmt: skip
    config = transformers.GroundingDinoConfig(
        backbone_config=swin, text_config=transformers.BertConfig(**words, vocab_size=1030), d_model=32, num_queries=7,
        encoder_layers=1, decoder_layers=2, encoder_ffn_dim=16, decoder_ffn_dim=16, encoder_attention_heads=2,
        decoder_attention_heads=2, num_feature_levels=3, max_text_len=16,
    )  # fmt: skip
    model = transformers.GroundingDinoForObjectDetection(config).eval()
    with torch.no_grad():  # larger than at first, else scores hardly depend on the picture
        for weight in (each for each in model.parameters() if each.ndim > 1):
            weight.normal_(0, 0.2)
    return model


def test_each_phrase_is_a_label_as_sure_as_its_tokens_on_average() -> None:
    model, random = grounding_dino(), torch.Generator().manual_seed(1)
    pictures = torch.rand(2, 3, 64, 64, generator=random)
    assert looks_for_phrases(model)
    scope = fm.Scope(model, Processor(), classes=TEXTS)
    tokens = torch.tensor([[FIRST, 20, 21, STOP, 20, 22, STOP, 23, STOP, LAST]])
    layer = "model.model.input_proj_vision.0"
    for picture in pictures:
        kept: dict[str, torch.Tensor] = {}
        module = model.get_submodule(layer.removeprefix("model."))
        handle = module.register_forward_hook(lambda _module, _given, output, kept=kept: kept.update(map=output))
        outputs = model(pixel_values=picture[None].requires_grad_(), input_ids=tokens)
        handle.remove()
        sure = outputs.logits[0].sigmoid()
        shares = torch.stack([sure[:, [1, 2]].mean(1), sure[:, [4, 5]].mean(1), sure[:, 7]], 1)
        row, label = divmod(int(shares.detach().argmax()), len(TEXTS))
        heat = scope.explain(picture.detach()[None], "grad_cam", layer=layer, threshold=0.999)
        (box,) = heat.boxes
        assert box is not None
        assert (box.label, box.score) == (TEXTS[label], pytest.approx(float(shares[row, label].detach()), abs=1e-5))
        x, y, width, height = (64 * outputs.pred_boxes[0, row]).detach().tolist()
        assert box.box == pytest.approx((x - width / 2, y - height / 2, x + width / 2, y + height / 2), abs=1e-3)
        (gradient,) = torch.autograd.grad(shares[row, label], kept["map"])
        by_hand = (gradient.mean((2, 3), keepdim=True) * kept["map"].detach()).sum(1)[0]
        torch.testing.assert_close(heat.maps[0], by_hand, rtol=1e-3, atol=1e-3 * float(by_hand.abs().max()))
    dog = scope.explain(pictures, "layer_cam", layer=layer, target="a dog", threshold=0.999)
    assert [box and box.label for box in dog.boxes] == ["a dog", "a dog"]


def test_what_is_missing_or_not_read_is_said() -> None:
    scope = partial(fm.Scope, grounding_dino())
    with pytest.raises(SourceError, match=r"was given none\. Give the texts as classes"):
        scope(Processor())
    with pytest.raises(SourceError, match="needs its tokenizer"):
        scope(fm.preprocess(size=64), classes=TEXTS)
    for classes, said in (
        (["a cat. a dog"], "has one, or a question mark, inside"),
        (["a cat", "zebra"], "cannot read the texts in classes=…"),
        (["a cat"] * 8, "reads 16 tokens, and the texts in classes=… have 26"),
    ):
        with pytest.raises(SourceError, match=said):
            scope(Processor(), classes=classes)
