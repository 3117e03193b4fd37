"""Directions are what their papers say, keep the laws of directions, and tell held-out pictures only where they can."""

from typing import get_args

import numpy as np
import pytest
from jaxtyping import Bool, Float

from featuremaps.concepts.directions import PENALTY, Fit, How
from featuremaps.concepts.held_out import held_out

WAYS: tuple[How, ...] = get_args(How)


def vectors_of_pictures(
    seed: int = 0, count: int = 40, channels: int = 7, shift: float = 1.0
) -> tuple[Float[np.ndarray, "picture channel"], Bool[np.ndarray, " picture"]]:
    """Pictures whose channels go together, and a shift of some of them in a third of the pictures."""
    random = np.random.default_rng(seed)
    features = random.normal(size=(count, channels)) @ random.normal(size=(channels, channels)) + 3
    has = np.arange(count) < count // 3
    features[has] += shift * random.normal(size=channels)
    return features.astype(np.float32), has


def slow(features: Float[np.ndarray, "picture channel"], has: Bool[np.ndarray, " picture"], how: How) -> np.ndarray:
    """Written from the papers, picture by picture and channel by channel."""
    x = features.astype(np.float64)
    count, channels = x.shape
    labels = has.astype(np.float64)
    if how == "mean_difference":
        made = np.array([x[has, c].sum() / has.sum() - x[~has, c].sum() / (~has).sum() for c in range(channels)])
        return np.asarray(made / np.sqrt((made**2).sum()))
    centred = np.stack([x[:, c] - x[:, c].sum() / count for c in range(channels)], 1)
    penalty = PENALTY * sum((centred[:, c] ** 2).sum() / count for c in range(channels))
    products, wanted = np.zeros((channels, channels)), np.zeros(channels)
    for row in range(count):
        products += np.outer(centred[row], centred[row])
        wanted += centred[row] * (labels[row] - labels.mean())
    made = np.linalg.inv(products + penalty * np.eye(channels)) @ wanted  # the normal equations
    if how == "pattern":
        told = np.array([sum(x[row, c] * made[c] for c in range(channels)) for row in range(count)])
        made = np.array([np.cov(x[:, c], told, ddof=0)[0, 1] / told.var() for c in range(channels)])
    return np.asarray(made / np.sqrt((made**2).sum()))


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("channels", [7, 60])  # fewer channels than pictures, and more
def test_directions_are_those_of_the_papers(how: How, channels: int) -> None:
    features, has = vectors_of_pictures(channels=channels)
    np.testing.assert_allclose(Fit(features).vectors(has[:, None], how)[0], slow(features, has, how), atol=1e-8)


@pytest.mark.parametrize("how", WAYS)
def test_laws_of_directions(how: How) -> None:
    features, has = vectors_of_pictures()
    fit = Fit(features)
    (vector,) = fit.vectors(has[:, None], how)
    assert np.linalg.norm(vector) == pytest.approx(1)
    np.testing.assert_allclose(fit.vectors(~has[:, None], how)[0], -vector, atol=1e-12)  # sides swapped
    np.testing.assert_allclose(Fit(5 * features + 2).vectors(has[:, None], how)[0], vector, atol=1e-5)
    order = np.random.default_rng(1).permutation(len(has))
    np.testing.assert_allclose(Fit(features[order]).vectors(has[order][:, None], how)[0], vector, atol=1e-8)
    turned = np.linalg.qr(np.random.default_rng(2).normal(size=(7, 7)))[0]
    np.testing.assert_allclose(
        Fit(features.astype(np.float64) @ turned).vectors(has[:, None], how)[0], vector @ turned, atol=1e-6
    )
    many = np.stack([has, ~has, np.roll(has, 5)], 1)
    np.testing.assert_allclose(fit.vectors(many, how)[2], fit.vectors(many[:, 2:], how)[0], atol=1e-12)


def test_a_distractor_turns_the_filter_away_and_not_the_pattern() -> None:
    """Two channels see the same noise, and one of them the concept (Haufe et al. 2014, section 2.1)."""
    random = np.random.default_rng(0)
    has = np.arange(400) % 2 == 0
    noise = np.repeat(random.normal(0, 3, len(has) // 2), 2)  # the same for both kinds
    features = np.stack([has + noise, noise], 1) + random.normal(0, 0.05, (len(has), 2))
    apart = {how: Fit(features).vectors(has[:, None], how)[0] for how in WAYS}
    assert abs(apart["ridge"][1]) > 0.6  # weighs the channel that has nothing of the concept
    assert held_out(features, has, 0)["ridge"].accuracy == 1
    assert apart["pattern"] @ (1, 0) > 0.9


def test_accuracy_is_held_out_and_chance_is_a_half() -> None:
    features, has = vectors_of_pictures(count=90, shift=3.0)
    for told in held_out(features, has, 0).values():
        assert told.beyond_chance
        assert told.accuracy > 0.9
        assert (told.positive.of, told.negative.of) == (30, 60)
    beyond = 0
    for seed in range(60):
        noise = np.random.default_rng(seed).normal(size=(40, 100)).astype(np.float32)
        beyond += held_out(noise, np.arange(40) < 20, seed)["pattern"].beyond_chance
    assert beyond <= 5  # 2.5% of 60 are expected


def test_a_held_out_score_is_made_without_its_picture() -> None:
    features, has = vectors_of_pictures(count=45)
    before = held_out(features, has, 0)
    far = features.copy()
    far[3] += 1000
    after = held_out(far, has, 0)
    for how in WAYS:
        same_fold = np.isclose(before[how].scores, after[how].scores)
        assert same_fold.sum() == 8  # the fold of picture 3 but itself: 45 pictures in five folds
        assert not same_fold[3]
