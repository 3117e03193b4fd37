"""What is known of a model's layers is what everything uses: maps beside plain hooks, on layouts that are easily misread."""

from collections.abc import Callable

import pytest
import torch
import torchvision
from torch import Tensor, nn

import featuremaps as fm
from featuremaps.errors import LayoutError, MethodError
from featuremaps.layers import known
from featuremaps.layers.known import MOST, known_layers
from featuremaps.layers.layout import Layout
from method_samples import noise


class Tokens(nn.Module):
    """Patches of 4 pixels between one class token and some others, mixed by attention; a head on the class token."""

    def __init__(self, after: int = 3) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.patches = nn.Conv2d(3, 8, 4, 4)
        self.before, self.after = (nn.Parameter(torch.randn(1, count, 8)) for count in (1, after))
        self.block = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.head = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        patches = self.patches(x).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.before.expand(len(x), -1, -1), patches, self.after.expand(len(x), -1, -1)], 1)
        return self.head(self.block(tokens)[:, 0])


class Queries(Tokens):
    """Object queries that look at the patches: as many as a square has places."""

    def __init__(self) -> None:
        super().__init__(25)
        self.decoder = nn.TransformerDecoderLayer(8, 2, 16, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        patches = self.patches(x).flatten(2).transpose(1, 2)
        return self.head(self.decoder(self.after.expand(len(x), -1, -1), patches).mean(1))


class Columns(nn.Module):
    """A recurrent network along the width of its maps."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, 2, 1)
        self.steps = nn.GRU(8, 6, batch_first=True)
        self.each = nn.Linear(8, 8)
        self.head = nn.Linear(6, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.steps(self.each(self.conv(x).amax(2).transpose(1, 2)))[0][:, -1])


def hooked(model: nn.Module, layer: str, inputs: Tensor) -> Tensor:
    kept: list[Tensor] = []
    handle = model.get_submodule(layer).register_forward_hook(lambda _, __, output: kept.append(output.detach()))
    model(inputs)
    handle.remove()
    return kept[-1]


def test_channels_last_maps_with_as_many_channels_as_columns() -> None:
    model = torchvision.models.SwinTransformer([4, 4], 24, [1, 1], [3, 6], [7, 7], num_classes=5).eval()
    inputs = torch.rand(2, 3, 96, 96)
    expected = hooked(model, "features.1", inputs).movedim(-1, 1)
    assert expected.shape[1:] == (24, 24, 24)
    scope = fm.Scope(model)
    torch.testing.assert_close(scope.maps(inputs, "features.1").tensor, expected)
    record = scope.record(inputs, "features.1", 1)
    torch.testing.assert_close(record.activations["features.1"], expected)
    weights = record.gradients["features.1"].mean((2, 3), keepdim=True)
    torch.testing.assert_close(
        scope.explain(inputs, layer="features.1", target=1).tensor, (weights * expected).sum(1), rtol=1e-4, atol=1e-6
    )


@pytest.mark.parametrize("after", [0, 3, 25])
def test_tokens_before_and_after_the_patches_are_set_apart(after: int) -> None:
    model, inputs = Tokens(after).eval(), noise(2, (16, 24))
    raw = hooked(model, "block", inputs)
    layers = fm.Scope(model).layers(inputs)
    assert layers["block"].layout == Layout("tokens", 8, (4, 6), 1, after)
    expected = raw[:, 1:25].transpose(1, 2).reshape(2, 8, 4, 6)
    torch.testing.assert_close(fm.Scope(model).maps(inputs, "block").tensor, expected)
    layout = layers["block"].layout
    assert layout is not None
    torch.testing.assert_close(layout.from_maps(expected, raw), raw)
    edits = layout.from_maps(expected.repeat_interleave(3, 0), raw)
    torch.testing.assert_close(edits, raw.repeat_interleave(3, 0))


def test_object_queries_are_no_square() -> None:
    with pytest.raises(LayoutError, match=r"'decoder' gives shape \(2, 25, 8\), which has no positions"):
        fm.Scope(Queries().eval()).explain(noise(2, (16, 24)), layer="decoder", target=1)
    assert fm.Scope(Queries().eval()).layers(noise(1, (16, 24))).last == "patches"


def test_steps_along_the_width_are_a_row() -> None:
    model, inputs = Columns().eval(), noise(2, (16, 24))
    expected = hooked(model, "each", inputs).transpose(1, 2)[:, :, None]
    torch.testing.assert_close(fm.Scope(model).maps(inputs, "each").tensor, expected)


def test_class_attention_leaves_the_patches_their_places() -> None:
    class ClassToken(Tokens):
        def forward(self, x: Tensor) -> Tensor:
            patches = self.patches(x).flatten(2).transpose(1, 2)
            tokens = torch.cat([self.before.expand(len(x), -1, -1), patches], 1)
            first = self.block.self_attn(tokens[:, :1], tokens, tokens)[0]
            return self.head(self.block.norm1(torch.cat([first, tokens[:, 1:]], 1))[:, 0])

    model, inputs = ClassToken().eval(), noise(2, (16, 24))
    expected = hooked(model, "block.norm1", inputs)[:, 1:].transpose(1, 2).reshape(2, 8, 4, 6)
    torch.testing.assert_close(fm.Scope(model).maps(inputs, "block.norm1").tensor, expected)


def test_another_size_has_its_own_grid() -> None:
    scope = fm.Scope(Tokens().eval())
    for size in ((16, 24), (8, 8), (16, 24)):
        assert scope.maps(noise(1, size), "block").tensor.shape == (1, 8, size[0] // 4, size[1] // 4)


def test_only_so_many_sizes_are_remembered() -> None:
    model = Tokens().eval()
    for width in range(1, MOST + 4):
        known_layers(model, noise(1, (4, 4 * width)))
    assert 1 <= len(known._WALKS.get(model, lambda: known.Walks(model))) <= MOST


def test_pictures_one_by_one() -> None:
    class Loop(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.head = nn.Conv2d(3, 8, 3, 2, 1), nn.Linear(8, 4)

        def forward(self, x: Tensor) -> Tensor:
            return torch.cat([self.head(self.conv(picture[None]).mean((2, 3))) for picture in x])

    scope, inputs = fm.Scope(Loop().eval()), noise(3)
    with pytest.raises(
        LayoutError, match="1 maps for 3 pictures: the model takes its pictures one by one.*batch_size=1"
    ):
        scope.explain(inputs, target=1)
    assert scope.explain(inputs, target=1, batch_size=1).tensor.shape[0] == 3


def test_a_model_that_was_changed_is_looked_at_again() -> None:
    whole = [True]  # where nobody sees it

    class Flagged(Tokens):
        def forward(self, x: Tensor) -> Tensor:
            tokens = self.patches(x).flatten(2).transpose(1, 2)
            return self.head(self.block(tokens if whole[0] else tokens[:, 4:]).mean(1))

    model, inputs = Flagged().eval(), noise(1, (16, 16))
    assert fm.Scope(model).maps(inputs, "block").tensor.shape == (1, 8, 4, 4)
    whole[0] = False
    with pytest.raises(LayoutError, match=r"'block' gives shape \(1, 12, 8\), and gave another form"):
        fm.Scope(model).maps(inputs, "block")
    expected = hooked(model, "patches", inputs)
    torch.testing.assert_close(fm.Scope(model).maps(inputs, "patches").tensor, expected)
    model.patches = nn.Conv2d(3, 8, 2, 2)
    assert fm.Scope(model).maps(inputs, "patches").tensor.shape == (1, 8, 8, 8)


class Prepared(nn.Module):
    """A small network behind something that it does to the picture itself."""

    def __init__(self, change: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.change, self.conv, self.head = change, nn.Conv2d(3, 8, 3, 2, 1), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.conv(self.change(x)).relu().mean((2, 3)))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda x: x[:, :, 16:48, 16:48], "The model cuts, shifts or pads the picture inside"),
        (lambda x: nn.functional.pad(x, (64, 0, 0, 0)), "The model cuts, shifts or pads the picture inside"),
        (lambda x: x.roll(16, 3), "The model cuts, shifts or pads the picture inside"),
        (lambda x: torch.rot90(x, 1, (2, 3))[..., :48], "could not be followed: the map is drawn as if"),
        (lambda x: x, ""),
        (lambda x: nn.functional.pad(x, (1, 1, 1, 1))[:, :, 1:, 1:], ""),
    ],
    ids=["a crop", "a margin", "a shift", "turned", "as it is", "a pixel more"],
)
def test_a_map_that_lies_beside_what_it_shows_says_so(change: Callable[[Tensor], Tensor], words: str) -> None:
    heat = fm.Scope(Prepared(change).eval()).explain(noise(2, (64, 64)), layer="conv", target=1)
    assert [any(words in note for note in notes) for notes in heat.warnings] == [bool(words)] * 2


class Pyramid(nn.Module):
    """Maps of strides 8 and 32, the coarser one enlarged and added to the finer, and one that is enlarged alone."""

    def __init__(self, change: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.change = change
        self.fine = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.Conv2d(8, 8, 3, 2, 1), nn.Conv2d(8, 8, 3, 2, 1))
        self.coarse = nn.Sequential(nn.Conv2d(8, 8, 3, 2, 1), nn.Conv2d(8, 8, 3, 2, 1))
        self.both, self.alone, self.head = nn.Conv2d(8, 8, 3, 1, 1), nn.Identity(), nn.Linear(16, 3)

    def forward(self, x: Tensor) -> Tensor:
        fine = self.fine(self.change(x))
        enlarged = nn.functional.interpolate(self.coarse(fine), size=fine.shape[2:], mode="nearest")
        both = torch.cat([self.both(fine + enlarged), self.alone(enlarged + 0)], 1)
        return self.head(both.mean((2, 3)))


@pytest.mark.parametrize("size", [(64, 64), (128, 96), (73, 91)])
def test_small_maps_of_a_pyramid_lie_where_they_are_drawn(size: tuple[int, int]) -> None:
    """The wide field of an enlarged map moves no place of the finer one that it is added to."""
    pyramid = fm.Scope(Pyramid(lambda x: x).eval())
    for layer in ("both", "alone"):
        assert pyramid.explain(noise(1, size), layer=layer, target=1).warnings == ((),)
    for change in (lambda x: x[:, :, :, x.shape[3] // 2 :], lambda x: nn.functional.pad(x, (40, 0, 0, 0))):
        (notes,) = fm.Scope(Pyramid(change).eval()).explain(noise(1, size), layer="both", target=1).warnings
        assert any("cuts, shifts or pads" in note for note in notes)


@pytest.mark.parametrize("method", ["score_cam", "ss_cam", "is_cam", "guided_grad_cam"])
def test_maps_that_lie_beside_the_picture_are_not_laid_over_it(method: str) -> None:
    scope = fm.Scope(Prepared(lambda x: x[:, :, 16:48, 16:48]).eval())
    with pytest.raises(MethodError, match=r"lays the maps of 'conv' over the picture, and the model cuts, shifts"):
        scope.explain(noise(1, (64, 64)), method, layer="conv", target=1)
    unpadded = fm.Scope(nn.Sequential(nn.Conv2d(3, 4, 9), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval())
    assert unpadded.explain(noise(1, (20, 20)), method, layer="0", target=1).tensor.isfinite().all()
    same = fm.Scope(Prepared(lambda x: x).eval())
    assert same.explain(noise(1, (64, 64)), method, layer="conv", target=1).warnings == ((),)


def test_full_grad_says_that_its_bias_terms_lie_beside_the_picture() -> None:
    for change, said in ((lambda x: x[:, :, 16:48, 16:48], True), (lambda x: x, False)):
        values = fm.Scope(Prepared(change).eval()).explain(noise(1, (64, 64)), "full_grad", target=1)
        assert any("cuts, shifts or pads the picture inside" in note for note in values.warnings[0]) is said


def test_spectra_are_no_places() -> None:
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3, 2, 1), Spectrum(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3)
    ).eval()
    with pytest.raises(LayoutError, match="'1.inner'"):
        fm.Scope(model).maps(noise(1), "1.inner")


class Spectrum(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return torch.fft.irfft2(self.inner(torch.fft.rfft2(x)), s=x.shape[2:])


class Switched(nn.Module):
    """Mirrors its maps where a flag says so."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.last, self.mirrors = nn.Conv2d(3, 4, 3, padding=1), nn.Identity(), False

    def forward(self, x: Tensor) -> Tensor:
        maps = self.conv(x)
        return self.last(maps.flip(3) if self.mirrors else maps).mean((2, 3))


def test_a_flag_that_changes_the_way_is_seen() -> None:
    model, pictures = Switched().eval(), torch.rand(1, 3, 8, 8)
    scope = fm.Scope(model)
    assert scope.explain(pictures, layer="last", target=1).warnings == ((),)
    model.mirrors = True
    with pytest.raises(LayoutError, match="order"):
        scope.explain(pictures, layer="last", target=1)
    model.mirrors = False
    assert scope.explain(pictures, layer="last", target=1).warnings == ((),)


class OfFour(nn.Module):
    """Takes four pictures at a time, as models with a fixed `view` do."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 3, padding=1)
        self.head = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        """(4, 3)"""
        return self.head(self.conv(x).relu().mean((2, 3)).view(4, 6))


def test_a_model_of_a_fixed_number_of_pictures_is_looked_at_with_as_many() -> None:
    """Every verb that looks layers up, also where more pictures are given than run together."""
    scope, eight = fm.Scope(OfFour().eval()), torch.rand(8, 3, 12, 12, generator=torch.Generator().manual_seed(0))
    assert scope.layers(eight[:4])["conv"].channels == 6
    heat = scope.explain(eight, layer="conv", target=1, batch_size=4)
    each = [scope.explain(eight[start : start + 4], layer="conv", target=1).tensor for start in (0, 4)]
    torch.testing.assert_close(heat.tensor, torch.cat(each))
    assert scope.maps(eight, "conv", batch_size=4).tensor.shape == (8, 6, 12, 12)
    assert len(scope.project(eight, "conv:2", batch_size=4)) == 1
