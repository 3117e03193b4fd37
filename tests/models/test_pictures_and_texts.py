"""Models of pictures and texts that score in a way that is not known."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from featuremaps.errors import FeatureMapsWarning, SourceError
from featuremaps.models.pictures_and_texts import compares_with_texts, encoded


class Tempered(nn.Module):
    """As ALIGN, it divides by a temperature."""

    def get_text_features(self, input_ids: Tensor) -> Tensor:
        return input_ids.float()

    def get_image_features(self, pixel_values: Tensor) -> Tensor:
        return pixel_values.flatten(1)


def test_a_model_without_a_logit_scale_is_refused() -> None:
    assert compares_with_texts(Tempered())
    with pytest.raises(SourceError, match="Tempered does not scale .* by a logit_scale"):
        encoded(Tempered(), None, ["a cat", "a dog"], "m")


class Reading(Tempered):
    """A model that reads four tokens of a text."""

    def __init__(self) -> None:
        super().__init__()
        self.logit_scale = nn.Parameter(torch.ones(()))
        self.config = SimpleNamespace(text_config=SimpleNamespace(max_position_embeddings=4))


def by_letters(
    texts: Sequence[str], *, padding: Any, truncation: bool, max_length: int = 0, **_: Any
) -> dict[str, Any]:
    """A token a letter."""
    rows = [[ord(letter) for letter in text] for text in texts]
    if not truncation:
        return {"input_ids": rows}
    return {"input_ids": torch.tensor([(row + [0] * max_length)[:max_length] for row in rows])}


def test_a_text_that_is_too_long_is_named() -> None:
    with pytest.warns(
        FeatureMapsWarning, match=r"'m' reads 4 tokens of a text, and 'a bird'… has 6: its end is left out"
    ):
        found = encoded(Reading(), by_letters, ["cat", "a bird"], "m")
    assert found.shape == (2, 4)
    assert encoded(Reading(), by_letters, ["cat", "dogs"], "m").shape == (2, 4)
