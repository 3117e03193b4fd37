"""Three principal components as colours: by a plain SVD, with a fixed sign, over one picture or all."""

from pathlib import Path

import numpy as np
import pytest
import torch

import featuremaps as fm
from featuremaps.errors import OptionError
from featuremaps.methods.channel_weights import leading_components, principal_component
from map_samples import PNG, little, pictures, texts
from method_samples import Little, noise, unchecked


def components(maps: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Projections of positions (channel, position) on the first axes of an SVD, and their shares of the variance."""
    points = maps.T.astype(np.float64)
    centred = points - points.mean(0)
    _, lengths, axes = np.linalg.svd(centred, full_matrices=False)
    rows = []
    for k in range(count):
        projection = centred @ axes[k]
        rows.append(projection if (projection * centred.mean(1)).sum() >= 0 else -projection)
    return np.stack(rows), (lengths**2 / (lengths**2).sum())[:count]


@pytest.mark.parametrize("shape", [(40, 5, 4), (6, 5, 9)], ids=["more channels", "more positions"])
def test_components_by_svd(shape: tuple[int, int, int]) -> None:
    maps = torch.randn(2, *shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found, shares = leading_components(maps, 3)
    for i in range(2):
        rows, expected = components(maps[i].flatten(1).numpy(), 3)
        np.testing.assert_allclose(found[i].flatten(1).numpy(), rows, atol=1e-9)
        np.testing.assert_allclose(shares[i].numpy(), expected, atol=1e-12)
    torch.testing.assert_close(found[:, 0], principal_component(maps))


def test_components_beyond_the_rank_are_zero_and_broken_pictures_stay_alone() -> None:
    maps = torch.randn(2, 2, 3, 3, generator=torch.Generator().manual_seed(0))
    maps[1, 0, 0, 0] = torch.nan
    found, shares = leading_components(maps, 3)
    assert (found[0, 2] == 0).all()
    assert shares[0, 2] == 0
    assert float(shares[0].sum()) == pytest.approx(1)
    assert found[1].isnan().all()
    assert found[0].isfinite().all()


def test_rounding_is_not_made_into_a_component() -> None:
    line = torch.randn(1, 1, 4, 5, generator=torch.Generator().manual_seed(0)).expand(1, 6, 4, 5)
    found, shares = leading_components(line * torch.arange(1.0, 7.0)[:, None, None], 3)
    assert (found[0, 1:] == 0).all()
    assert float(shares[0, 0]) == pytest.approx(1)


def test_each_picture_for_itself() -> None:
    both, alone = little("features"), little("features")[1]
    torch.testing.assert_close(both.rgb().maps[1], alone.rgb().maps[0])
    assert both.rgb().tensor.shape == (2, 3, 4, 6)
    assert all(sum(shares) <= 1 + 1e-5 and list(shares) == sorted(shares, reverse=True) for shares in both.rgb().shares)


def test_over_all_pictures_the_same_axes() -> None:
    maps = little("features", ((24, 16), (16, 16)))
    found = maps.rgb("all")
    rows, _ = components(torch.cat([map.flatten(1) for map in maps.maps], 1).numpy(), 3)
    joined = torch.cat([map.flatten(1) for map in found.maps], 1).numpy()
    np.testing.assert_allclose(joined, rows, atol=1e-4)
    assert found.shares[0] == found.shares[1]
    with unchecked(), pytest.raises(OptionError, match="over='both' is not known"):
        maps.rgb("both")


def test_flipped_positions_flip_the_colours() -> None:
    maps = fm.Scope(Little()).maps(noise(1), "features")
    flipped = torch.as_tensor(leading_components(maps.tensor.flip(3), 3)[0])
    torch.testing.assert_close(flipped, maps.rgb().tensor.flip(3), atol=1e-5, rtol=1e-5)


def test_colours_go_from_the_first_to_the_last_percentile() -> None:
    maps = little("features")
    found = maps.rgb()
    image = np.asarray(found.images()[0])
    assert image.shape == (16, 24, 3)
    assert image.min(axis=(0, 1)).max() < 40
    assert image.max(axis=(0, 1)).min() > 200
    flat = little("features:1").rgb()
    assert (np.asarray(flat.images()[0])[..., 1:] == 128).all(), "a component that is missing is grey"


def test_figure_and_files(tmp_path: Path) -> None:
    found = little("features").rgb()
    shown = texts(found.figure())
    assert "principal components of features" in shown
    assert "components 1 to 3 of each picture" in shown
    assert shown.count("of the variance") == 2
    assert "of all pictures together" in texts(little("features").rgb("all").figure())
    written = found.save(tmp_path)
    assert [path.name for path in written[:2]] == ["picture 0__rgb__features.png", "picture 0__rgb__features.npy"]
    np.testing.assert_array_equal(np.load(written[1]), found.maps[0].numpy())
    assert found._repr_png_().startswith(PNG)
    assert repr(found) == "<ColourMaps: features, 2 pictures, 4×6>"
    assert len(fm.Scope(Little()).maps(pictures((16, 16)), "features").rgb()) == 1
