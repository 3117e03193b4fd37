"""A concept from two sets of pictures: told by a planted mark, usable where a unit is, and refused where it means nothing."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tests.method_samples import unchecked
from tests.shortcuts_samples import LABELS, Marked, MarkReader
from tests.snapshots import snapshot
from torch import Tensor, nn

import featuremaps as fm
from featuremaps.concepts.concept import Concept, open_concept
from featuremaps.draw.objective import Direction
from featuremaps.errors import ImageError, LayoutError, OptionError, SurveyError


def reader(mark: float = 4.0) -> fm.Scope:
    """A network that rests on the mark."""
    return fm.Scope(MarkReader(mark).eval(), classes=LABELS, outputs="logits")


def sides(count: int = 20, seed: int = 5) -> tuple[Tensor, Tensor]:
    """Inputs with the mark, of all classes, and inputs without it."""
    data = Marked(count=count, first=0.5, others=0.5, seed=seed)
    return data.inputs[data.marked], data.inputs[~data.marked]


@pytest.fixture(scope="module")
def marked() -> Concept:
    return reader().concept(*sides(), "relu2", name="the mark")


def test_the_mark_is_the_direction_of_its_channel(marked: Concept) -> None:
    assert marked.layer == "relu2"
    assert marked.beyond_chance
    assert all(told.accuracy == 1 for told in marked.held_out.values())
    for how in ("pattern", "ridge", "mean_difference"):
        vector = marked.by(how).vector  # type: ignore[arg-type]
        assert vector[3] > 0.97
        assert float(vector.norm()) == pytest.approx(1)
    assert "right in 100%" in repr(marked)


def test_vectors_are_of_pooled_activations(marked: Concept) -> None:
    positive, negative = sides()
    maps = reader().record(torch.cat([positive, negative]), "relu2").activations["relu2"]
    np.testing.assert_allclose(marked.features, maps.mean((2, 3)).numpy(), rtol=1e-5)
    np.testing.assert_array_equal(marked.has, [True] * len(positive) + [False] * len(negative))
    assert marked.strengths[~marked.has].mean() == pytest.approx(0, abs=1e-6)
    np.testing.assert_array_equal(marked.present(marked.features), marked.has)


def test_sides_swapped_turn_it_round_and_batches_do_not_matter(marked: Concept) -> None:
    other = reader().concept(*reversed(sides()), "relu2", batch_size=1)
    torch.testing.assert_close(other.vector, -marked.vector, atol=1e-5, rtol=1e-5)
    assert other.name == "concept"


def test_maps_are_projections_of_every_place(marked: Concept) -> None:
    pictures = sides(seed=6)[0][:3]
    scope = reader()
    maps = scope.maps(pictures, marked)
    own = scope.record(pictures, "relu2").activations["relu2"]
    expected = torch.einsum("bchw,c->bhw", own, marked.vector) - marked.origin
    torch.testing.assert_close(maps.tensor[:, 0], expected)
    assert maps.units == ("the mark in relu2",)
    among = scope.maps(pictures, ["relu2:1", marked, "relu:0"])
    assert among.units == ("relu2:1", "the mark in relu2", "relu:0")
    torch.testing.assert_close(among.tensor[:, 1], expected)
    torch.testing.assert_close(among.tensor[:, 0], own[:, 1])


def test_a_drawing_climbs_the_projection(marked: Concept) -> None:
    class Coloured(nn.Module):
        """The same network for pictures of three colours, the mark in the blue."""

        def __init__(self) -> None:
            super().__init__()
            self.inner = MarkReader()

        def forward(self, x: Tensor) -> Tensor:
            scores: Tensor = self.inner(torch.cat([x[:, :2], 0 * x[:, :1], x[:, 2:]], 1).clamp_min(0))
            return scores

    scope = fm.Scope(
        Coloured().eval(), transform=fm.preprocess(size=16, mean=(0.0,), std=(1.0,)), classes=LABELS, outputs="logits"
    )
    rest, blue = torch.rand(40, 3, 16, 16), torch.tensor([0.0, 0.0, 1.0])[:, None, None]
    concept = scope.concept(0.2 * rest[:20] + 0.8 * blue, 0.2 * rest[20:], "inner.relu2", name="blue")
    drawn = scope.draw([concept, "inner.relu2:3"], steps=8, size=16, jitter=None)
    assert [each.name for each in drawn] == ["blue in inner.relu2", "inner.relu2:3"]
    again = scope.draw(Direction("inner.relu2", concept.vector, sharpness=0.0), steps=8, size=16)
    np.testing.assert_array_equal(np.asarray(drawn[0].image), np.asarray(again[0].image))
    with pytest.raises(OptionError, match="there is no such layer"):
        fm.Scope(nn.Sequential(nn.Conv2d(3, 8, 1), nn.ReLU()).eval()).draw(concept, size=16)
    red, _, seen = np.asarray(drawn[0].image).reshape(-1, 3).mean(0)
    assert seen > red


def test_without_it_every_picture_lies_where_those_without_it_lie(marked: Concept) -> None:
    pictures, scope = sides(seed=6)[0], reader()
    edited = scope.without(marked)
    assert edited.maps(pictures, marked).tensor.abs().max() < 1e-4
    with torch.no_grad():
        assert (scope.model(pictures).argmax(1) == 0).float().mean() > 0.9
        assert (edited.model(pictures).argmax(1) == 0).float().mean() < 0.5
        torch.testing.assert_close(edited.export(pictures).model.eval()(pictures), edited.model(pictures))
    assert "without the mark" in edited.name


def test_a_concept_that_is_none_says_so_loudly() -> None:
    pictures = torch.rand(40, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    concept = reader().concept(pictures[:20], pictures[20:], "relu2")
    assert not concept.beyond_chance
    assert "NOT TOLD IN THIS LAYER" in repr(concept)
    assert any("nothing that is made of this direction" in note for note in concept.notes)


def test_it_is_kept_and_opened(marked: Concept, tmp_path: Path) -> None:
    written = marked.save(tmp_path)
    assert {path.name for path in written} == {"concept.png", "concept.safetensors", "concept.json"}
    opened = open_concept(tmp_path)
    assert repr(opened) == repr(marked)
    torch.testing.assert_close(opened.vector, marked.vector)
    pictures = sides(seed=6)[0][:2]
    torch.testing.assert_close(reader().maps(pictures, opened).tensor, reader().maps(pictures, marked).tensor)
    assert opened.figure().get_size_inches()[1] < marked.figure().get_size_inches()[1]  # without its pictures
    (tmp_path / "concept.json").write_text('{"schema": 1}')
    with pytest.raises(SurveyError, match="does not describe a concept"):
        open_concept(tmp_path)
    with pytest.raises(SurveyError, match="holds no concept"):
        open_concept(tmp_path / "elsewhere")


def test_folders_give_the_name(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for name, level in (("dark", 20), ("light", 200)):
        (tmp_path / name).mkdir()
        for number in range(12):
            pixels = random.integers(level, level + 40, (8, 8, 3), np.uint8)
            Image.fromarray(pixels).save(tmp_path / name / f"{number}.png")
    net = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(256, 2)).eval()
    scope = fm.Scope(net, transform=fm.preprocess(size=8, mean=(0.0,), std=(1.0,)))
    concept = scope.concept(tmp_path / "light", str(tmp_path / "dark") + "/", "0")
    assert (concept.name, concept.against) == ("light", "dark")
    assert concept.held_out["mean_difference"].accuracy == 1


def test_the_model_comes_back_as_it_was() -> None:
    scope = fm.Scope(MarkReader().train(), classes=LABELS, outputs="logits")
    positive, negative = sides()
    before = snapshot(scope.model, positive)
    concept = scope.concept(positive, negative, "relu2")
    scope.maps(positive[:2], concept)
    scope.without(concept)
    scope.sensitivity(concept, negative)
    with pytest.raises(ImageError):
        scope.concept(positive[:3], negative, "relu2")
    assert before.differences(snapshot(scope.model, positive)) == []


@pytest.mark.parametrize("verb", ["maps", "without", "sensitivity"])
def test_a_concept_of_another_model_is_refused(marked: Concept, verb: str) -> None:
    def refused(scope: fm.Scope, reason: str) -> None:
        ways: dict[str, Callable[[], object]] = {
            "maps": partial(scope.maps, sides()[0][:1], marked),
            "without": partial(scope.without, [marked]),
            "sensitivity": partial(scope.sensitivity, marked, sides()[0]),
        }
        with pytest.raises(OptionError, match=reason):
            ways[verb]()

    trained = MarkReader().eval()
    with torch.no_grad():
        trained.second.bias += 0.1
    refused(fm.Scope(trained, classes=LABELS), "other weights up to relu2")
    refused(fm.Scope(nn.Sequential(nn.Conv2d(4, 5, 1), nn.ReLU())), "there is no such layer")


def test_a_new_head_leaves_it_what_it_is(marked: Concept) -> None:
    other = reader(mark=-1.0)  # only the head differs
    assert other.maps(sides()[0][:1], marked).units


def test_bad_input_is_refused_with_the_reason() -> None:
    scope, (positive, negative) = reader(), sides()
    with pytest.raises(ImageError, match="10 different pictures with it and as many without it"):
        scope.concept(positive[:1], negative, "relu2")
    with pytest.raises(ImageError, match="different ones among those given: 1 and"):
        scope.concept(positive[:1].repeat(20, 1, 1, 1), negative, "relu2")
    with pytest.raises(ImageError, match="20 of the pictures are among those with the concept and among"):
        scope.concept(positive[:20], positive[:20], "relu2")
    with pytest.raises(OptionError, match="layer='relu\\*' names 2 layers"):
        scope.concept(positive, negative, "relu*")
    with unchecked(), pytest.raises(OptionError, match="how"):
        scope.concept(positive, negative, "relu2", how="mean")  # type: ignore[arg-type]
    flat = MarkReader()
    nn.init.zeros_(flat.second.weight)
    with pytest.raises(OptionError, match="same mean activations"):
        fm.Scope(flat.eval()).concept(positive, negative, "relu2")
    with pytest.raises(LayoutError):
        scope.concept(positive, negative, "head")
    one, two = (scope.concept(positive, negative, "relu2", seed=seed) for seed in (0, 1))
    with pytest.raises(OptionError, match="both called 'concept in relu2'"):
        scope.maps(positive[:1], [one, two])


def test_pictures_given_twice_count_once() -> None:
    positive, negative = sides()
    again = torch.cat([positive, positive[:4]])
    once, twice = (reader().concept(each, negative, "relu2") for each in (positive, again))
    torch.testing.assert_close(once.vector, twice.vector)
    assert "4 pictures were given several times" in repr(twice)
