"""The losses of style transfer beside plain loops written from the paper."""

import numpy as np
import pytest
import torch

from featuremaps.draw.style import Weights, Wish, content_loss, gram, style_loss
from featuremaps.errors import ModelError, OptionError


def maps(seed: int, channels: int = 3, size: tuple[int, int] = (4, 5)) -> torch.Tensor:
    return torch.rand(channels, *size, generator=torch.Generator().manual_seed(seed))


def slow_gram(features: np.ndarray) -> np.ndarray:
    """Equation 3: inner products of the vectorised maps, undivided."""
    channels = len(features)
    found = np.zeros((channels, channels))
    for i in range(channels):
        for j in range(channels):
            for k in np.ndindex(features.shape[1:]):
                found[i, j] += features[(i, *k)] * features[(j, *k)]
    return found


def test_gram_beside_a_plain_loop() -> None:
    found = gram(maps(0))
    np.testing.assert_allclose(found.numpy() * 20, slow_gram(maps(0).double().numpy()), rtol=1e-5)


def test_style_loss_is_that_of_the_paper() -> None:
    """Equation 4, with N = 3 channels and M = 20 places."""
    own, goal = maps(0), maps(1)
    apart = slow_gram(own.double().numpy()) - slow_gram(goal.double().numpy())
    expected = (apart**2).sum() / (4 * 3**2 * 20**2)
    assert float(style_loss(own, gram(goal))) == pytest.approx(expected, rel=1e-4)


def test_style_does_not_depend_on_places_or_size() -> None:
    features = maps(0, size=(4, 4))
    shuffled = features.flatten(1)[:, torch.randperm(16)].reshape(3, 2, 8)
    assert float(style_loss(shuffled, gram(features))) == pytest.approx(0, abs=1e-10)
    assert float(style_loss(features.repeat(1, 2, 3), gram(features))) == pytest.approx(0, abs=1e-10)


def test_content_loss_is_that_of_the_paper_for_each_value() -> None:
    own, goal = maps(0).double().numpy(), maps(1).double().numpy()
    total = 0.0
    for place in np.ndindex(own.shape):
        total += 0.5 * (own[place] - goal[place]) ** 2
    assert float(content_loss(maps(0), maps(1))) == pytest.approx(total / own.size, rel=1e-5)


def test_the_whole_is_weighted_and_scaled_layer_by_layer() -> None:
    content, style = {"deep": maps(0)}, {"early": maps(1), "deep": maps(2, size=(6, 6))}
    wish = Wish.of(content, style, Weights(2.0, 3.0, 0.5))
    now, picture = {"deep": maps(3)[None], "early": maps(4)[None]}, maps(5, size=(7, 7))[None]
    early = float(maps(1).mean())
    deep = (float(maps(0).mean()) + float(maps(2, size=(6, 6)).mean())) / 2
    expected = 2 * content_loss(maps(3) / deep, maps(0) / deep)
    expected = expected + 1.5 * style_loss(maps(4) / early, gram(maps(1) / early))
    expected = expected + 1.5 * style_loss(maps(3) / deep, gram(maps(2, size=(6, 6)) / deep))
    rough = 0.0
    values = picture[0].numpy()
    for channel, row, column in np.ndindex(values.shape):
        for right, below in ((1, 0), (0, 1)):
            if row + below < 7 and column + right < 7:
                rough += float(values[channel, row + below, column + right] - values[channel, row, column]) ** 2
    found = wish(now, picture)
    assert found.shape == (1,)
    assert float(found) == pytest.approx(float(expected) + 0.5 * rough / values.size, rel=1e-5)


def test_the_scale_of_a_model_does_not_matter() -> None:
    content, style, now = maps(0), maps(1), maps(2)
    picture = maps(5)[None]
    wishes = [Wish.of({"a": by * content}, {"a": by * style}, Weights()) for by in (1, 50)]
    first, second = (float(wish({"a": by * now[None]}, picture)) for wish, by in zip(wishes, (1, 50), strict=True))
    assert first == pytest.approx(second, rel=1e-4)


def test_what_cannot_be_wished_for() -> None:
    with pytest.raises(ModelError, match="layer 'a' is silent for these pictures"):
        Wish.of({}, {"a": torch.zeros(2, 3, 3)}, Weights())
    with pytest.raises(ModelError, match="layer 'a' has values that are not finite"):
        Wish.of({"a": torch.full((2, 3, 3), torch.nan)}, {}, Weights())
    with pytest.raises(OptionError, match="beta is a weight, 0 or more; got -1"):
        Weights(beta=-1.0)
