"""How concepts look: colours, numbers, legend, files."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageColor
from skimage.color import rgb2lab

import featuremaps as fm
from featuremaps.concepts.concepts import PALETTE, Concepts
from featuremaps.errors import FeatureMapsError, OptionError
from featuremaps.outputs.class_outputs import ClassOutputs
from method_samples import Little


def concepts_of(pictures: int = 2, scores: bool = True) -> Concepts:
    """Concept 1 fills the left half, concept 2 the right, of grey pictures of 40 × 30; the second is half as strong."""
    maps = torch.zeros(pictures, 2, 3, 4)
    maps[:, 0, :, :2], maps[:, 1, :, 2:] = 1.0, 0.3
    maps[0, 1, 1, 3] = 1.0
    grey = [Image.fromarray(np.full((30, 40, 3), 100, np.uint8)) for _ in range(pictures)]
    return Concepts(
        maps,
        torch.eye(2, 8),
        "features",
        fm.Scope(Little()).see(grey).seen,
        torch.tensor([0.9, 0.5]),
        torch.tensor([[2.0, 0.0, 5.0], [0.0, 8.0, 0.0]]) if scores else None,
        ClassOutputs(("cat", "dog", "fox")),
    )


def test_each_pixel_has_the_colour_of_its_strongest_concept_as_opaque_as_it_is_strong() -> None:
    first, second = (np.asarray(image, dtype=float) for image in concepts_of().overlay(alpha=0.5))
    for j, (y, x) in enumerate([(15, 3), (15, 38)]):
        expected = 50 + 0.5 * np.array(ImageColor.getrgb(PALETTE[j]))
        np.testing.assert_allclose(first[y, x], expected, atol=1)
    weak = 0.5 * 1.6 * 0.3
    np.testing.assert_allclose(
        second[15, 38], 100 * (1 - weak) + weak * np.array(ImageColor.getrgb(PALETTE[1])), atol=1
    )
    untouched = np.asarray(concepts_of().overlay(alpha=0)[0])
    assert (untouched == 100).all()


VISION = {
    "usual": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "without red": ((0.152, 1.053, -0.205), (0.115, 0.786, 0.099), (-0.004, -0.048, 1.052)),
    "without green": ((0.367, 0.861, -0.228), (0.280, 0.673, 0.047), (-0.012, 0.043, 0.969)),
    "without blue": ((1.256, -0.077, -0.179), (-0.078, 0.931, 0.148), (0.005, 0.691, 0.304)),
}


@pytest.mark.parametrize("vision", VISION)
def test_colours_differ_for_every_kind_of_colour_vision(vision: str) -> None:
    """As simulated by Machado et al. 2009 in linear light; a distance of 10 in CIELAB is seen at a glance."""
    levels = np.array([ImageColor.getrgb(colour) for colour in PALETTE]) / 255
    light = np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)
    light = (light @ np.array(VISION[vision]).T).clip(0, 1)
    seen = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    colours = rgb2lab(seen[None])[0]
    distances = np.linalg.norm(colours[:, None] - colours[None], axis=2)
    assert distances[~np.eye(len(PALETTE), dtype=bool)].min() > 15


def test_top_classes_are_the_probabilities_of_the_concept_alone() -> None:
    first, second = concepts_of().top_classes()
    assert [name for name, _ in first] == ["fox", "cat"]
    assert [name for name, _ in second] == ["dog", "cat"]
    assert first[0][1] == pytest.approx(np.exp(5) / (np.exp(5) + np.exp(2) + 1), rel=1e-4)
    assert concepts_of(scores=False).top_classes() == ((), ())
    assert len(concepts_of().top_classes(9)[0]) == 3
    assert replace(concepts_of(), classes=ClassOutputs()).top_classes(1)[0][0][0] == "class 2"


def texts(concepts: Concepts, **look: int) -> list[str]:
    from matplotlib.text import Text

    return [text.get_text() for text in concepts.figure(**look).findobj(Text) if text.get_text()]


def test_figure_numbers_the_concepts_where_they_are_strong_and_names_their_classes() -> None:
    written = texts(concepts_of())
    assert "fox 95%, cat 5%" in written
    assert "dog 100%" in written
    assert written.count("1") == 3
    assert written.count("2") == 2
    assert "What the model would call each concept alone:" in written
    assert any(text.startswith("2 concepts of features") for text in written)


def test_figure_without_scores_and_of_more_pictures_than_fit() -> None:
    written = texts(concepts_of(7, scores=False), most=5)
    assert "2 concepts of features (first 5 of 7 pictures)" in written
    assert "concept 1" in written
    assert "What the model would call each concept alone:" not in written


def test_files_and_notebook(tmp_path: Path) -> None:
    concepts = concepts_of()
    written = concepts.save(tmp_path / "new")
    assert [path.suffix for path in written] == [".png", ".png", ".npy", ".npy"]
    assert len({path.name for path in written}) == 4
    assert all(path.exists() for path in written)
    np.testing.assert_array_equal(np.load(written[2]), concepts.maps)
    np.testing.assert_array_equal(np.load(written[3]), concepts.vectors)
    with Image.open(written[0]) as image:
        assert image.size == (40, 30)
    assert concepts._repr_png_().startswith(b"\x89PNG")
    assert repr(concepts) == "<Concepts: 2 of features, 2 pictures, 3×4, 75% of the layer's energy>"
    assert len(concepts) == 2
    assert torch.equal(concepts.tensor, concepts.maps)


def test_what_does_not_fit() -> None:
    with pytest.raises(OptionError, match=r"alpha is the opacity .* got 1\.5"):
        concepts_of().overlay(alpha=1.5)
    with pytest.raises(FeatureMapsError, match="1 pictures have maps, and 2 pictures are given"):
        replace(concepts_of(), maps=torch.zeros(1, 2, 3, 4))
