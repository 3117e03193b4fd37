"""Models of pictures and texts that score in a way that is not known."""

import pytest
from torch import Tensor, nn

from featuremaps.errors import SourceError
from featuremaps.runtime.pictures_and_texts import compares_with_texts, encoded


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
