"""A layout that the user gives, for a model that puts its patches in another order: maps beside plain hooks."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import featuremaps as fm
from featuremaps.errors import LayoutError, OptionError
from featuremaps.layers.given import square_patches
from method_samples import noise, unchecked

SIZE = (16, 24)


class Shuffled(nn.Module):
    """Patches of 4 pixels sorted by an order that nothing tells, behind a class token and two others."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.patches = nn.Conv2d(3, 8, 4, 4)
        self.first = nn.Parameter(torch.randn(1, 3, 8))
        self.register_buffer("order", torch.arange(24))
        self.block = nn.Sequential(nn.LayerNorm(8), nn.Linear(8, 8), nn.GELU())
        self.head = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        patches = self.patches(x).flatten(2).transpose(1, 2)[:, self.order]
        return self.head(self.block(torch.cat([self.first.expand(len(x), -1, -1), patches], 1)).mean(1))


def hooked(model: nn.Module, inputs: Tensor) -> Tensor:
    kept: list[Tensor] = []
    handle = model.get_submodule("block").register_forward_hook(lambda _, __, output: kept.append(output.detach()))
    model(inputs)
    handle.remove()
    return kept[-1][:, 3:].transpose(1, 2).reshape(len(inputs), 8, 4, 6)


def read(output: Tensor) -> Tensor:
    return output[:, 3:].transpose(1, 2).unflatten(2, (4, 6))


GIVEN: list[Any] = [(4, 6, 3), 3, read]


@pytest.mark.parametrize("layout", GIVEN)
def test_maps_and_explanations_by_a_given_layout(layout: Any) -> None:
    model, inputs = Shuffled().eval(), noise(2, SIZE)
    expected, scope = hooked(model, inputs), fm.Scope(model)
    torch.testing.assert_close(scope.maps(inputs, "block", layout=layout).tensor, expected)
    record = scope.record(inputs, "block", 1, layout=layout)
    torch.testing.assert_close(record.activations["block"], expected)
    weights = record.gradients["block"].mean((2, 3), keepdim=True)
    heat = scope.explain(inputs, layer="block", target=1, layout=layout)
    torch.testing.assert_close(heat.tensor, (weights * expected).sum(1))
    assert scope.layers(inputs, layout=layout).last == "block"
    with pytest.raises(LayoutError, match="could not be followed"):  # it was for this call alone
        scope.maps(inputs, "block")


def test_a_scope_keeps_its_layout_for_every_verb(tmp_path: Any) -> None:
    model, inputs = Shuffled().eval(), noise(3, SIZE)
    scope = fm.Scope(model, layout=(4, 6, 3))
    torch.testing.assert_close(scope.maps(inputs).tensor, hooked(model, inputs))
    calls: list[Callable[[], object]] = [
        lambda: scope.compare(inputs, ["grad_cam", "ablation_cam"], "block"),
        lambda: scope.project(inputs, "block:1", most=1),
        lambda: scope.factorize(inputs, "block", concepts=2, negative="clip"),
        lambda: scope.report(inputs, tmp_path / "r.html", methods="grad_cam", layers="block", anatomy=False),
    ]
    for call in calls:
        call()


def test_a_survey_and_its_detector_by_a_given_layout(tmp_path: Any) -> None:
    model, inputs = Shuffled().eval(), noise(8, SIZE)
    dataset = [(picture, index % 2) for index, picture in enumerate(inputs)]
    scope = fm.Scope(model)
    with pytest.raises(LayoutError, match="could not be followed"):
        scope.survey(dataset, "block", tmp_path / "none", workers=0)
    survey = scope.survey(dataset, "block", tmp_path / "s", workers=0, layout=(4, 6, 3))
    pooled = hooked(model, inputs).mean((2, 3))
    vectors = torch.from_numpy(survey.vectors("block", "mean", list(range(8))))
    torch.testing.assert_close(vectors.float(), pooled, rtol=2e-3, atol=2e-3)
    detector = survey.detector(1, [0, 3])
    torch.testing.assert_close(detector(inputs), pooled[:, [0, 3]].sum(1))
    with pytest.raises(fm.errors.SurveyError, match="layers"):
        scope.survey(dataset, "block", tmp_path / "s", workers=0, layout=(4, 5, 3))


def test_edited_maps_go_back_into_a_grid_and_not_through_a_function() -> None:
    model, inputs = Shuffled().eval(), noise(1, SIZE)
    scope = fm.Scope(model)
    expected = []
    for channel in range(8):
        tokens: list[Tensor] = []

        def edit(_: nn.Module, __: object, output: Tensor, channel: int = channel) -> Tensor:
            edited = output.clone()
            edited[:, 3:, channel] = 0
            return edited

        handle = model.block.register_forward_hook(edit)
        tokens.append(model(inputs)[0, 2])
        handle.remove()
        expected.append(tokens[0])
    score, maps = model(inputs)[0, 2], hooked(model, inputs)[0]
    weights = (score - torch.stack(expected)) / score.abs()
    heat = scope.explain(inputs, "ablation_cam", layer="block", target=2, layout=(4, 6, 3))
    torch.testing.assert_close(heat.tensor[0], (weights[:, None, None] * maps).sum(0), rtol=1e-4, atol=1e-5)
    with pytest.raises(LayoutError, match=r"layout= is a function here.*grad_cam"):
        scope.explain(inputs, "ablation_cam", layer="block", target=2, layout=read)


@pytest.mark.parametrize(
    ("layout", "words"),
    [
        ((4, 6), "its 27 tokens are 4×6 and 3 more, of which it is not known how many stand before them"),
        ((5, 6, 0), "its 27 tokens are not 5×6"),
        ((4, 6, 4), "its 27 tokens are not 4×6 after 4 others"),
        (2, "its 27 tokens less 2 are no square patches of the picture"),
        (lambda output: output, r"made shape \(1, 27, 8\) of shape \(1, 27, 8\); it must give maps"),
        (lambda output: output.reshape(1, 8, 5, 5), r"failed on shape \(1, 27, 8\): RuntimeError"),
    ],
)
def test_what_does_not_fit_is_said(layout: Any, words: str) -> None:
    with pytest.raises(LayoutError, match=f"layer 'block'.*{words}"):
        fm.Scope(Shuffled().eval()).maps(noise(1, SIZE), "block", layout=layout)


@pytest.mark.parametrize("layout", ["4x6", (4,), (4, 6, 3, 1), (0, 6), (4.0, 6), -1, True, (4, 6, -1)])
def test_what_is_no_layout_is_refused(layout: Any) -> None:
    with pytest.raises(OptionError, match="is not understood. Give the grid"), unchecked():
        fm.Scope(Shuffled(), layout=layout)


def test_layers_that_lie_otherwise_are_read_as_they_were_traced() -> None:
    model, inputs = Shuffled().eval(), noise(1, SIZE)
    layers = fm.Scope(model).layers(inputs, layout=(4, 6, 3))
    assert layers["patches"].size == (4, 6)
    assert layers["head"].layout is None


def test_without_a_layout_the_patch_embedding_is_never_taken_for_the_last_map() -> None:
    with pytest.raises(LayoutError, match=r"there is no 'last' map of Shuffled: .*\(index\). Say how they lie"):
        fm.Scope(Shuffled().eval()).explain(noise(1, SIZE))


def test_square_patches() -> None:
    assert square_patches(24, SIZE) == (4, 6)
    assert square_patches(23, SIZE) == ()
    assert square_patches(0, SIZE) == ()


def test_a_layout_that_fits_nothing_leaves_no_last_map() -> None:
    with pytest.raises(LayoutError, match="there is no 'last' map of Shuffled"):
        fm.Scope(Shuffled().eval()).explain(noise(1, SIZE), layout=(5, 5))


def test_numbers_of_numpy_are_numbers() -> None:
    given = tuple(np.array([4, 6, 3]))
    with unchecked():
        scope = fm.Scope(Shuffled().eval(), layout=given)
    assert scope.maps(noise(1, SIZE), "block").tensor.shape == (1, 8, 4, 6)


def test_a_layout_that_no_layer_has_tokens_for_is_refused() -> None:
    """A convolutional network gives no tokens; a grid for it is a mistake, and is not passed over."""
    plain = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)).eval()
    with pytest.raises(LayoutError, match=r"given, 4×6, is about layers that give tokens.*no sequence of tokens"):
        fm.Scope(plain).maps(noise(1, SIZE), "0", layout=(4, 6))
    assert len(fm.Scope(plain).maps(noise(1, SIZE), "0", layout=lambda output: output).tensor) == 1


class OnItsSide(nn.Module):
    """Works on the picture with rows and columns exchanged, or on its patches column by column."""

    def __init__(self, tokens: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.tokens = tokens
        self.patches, self.block, self.head = nn.Conv2d(3, 8, 4, 4), nn.Linear(8, 8), nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        patches = self.patches(x).transpose(2, 3)
        rows = patches.flatten(2).transpose(1, 2) if self.tokens else patches.permute(0, 2, 3, 1)
        return self.head(self.block(rows).flatten(1, -2).mean(1))


@pytest.mark.parametrize("tokens", [True, False])
def test_places_column_by_column_are_said_and_read_by_a_function(tokens: bool) -> None:
    model, inputs = OnItsSide(tokens).eval(), noise(2, SIZE)
    with pytest.raises(LayoutError, match=r"layer 'block'.*run down the columns first\). Say how it lies"):
        fm.Scope(model).explain(inputs, layer="block")
    with pytest.raises(LayoutError):  # a grid says nothing of the order
        fm.Scope(model, layout=(4, 6)).explain(inputs, layer="block")

    def upright(output: Tensor) -> Tensor:
        return (output.unflatten(1, (6, 4)) if output.ndim == 3 else output).permute(0, 3, 2, 1)

    kept: list[Tensor] = []
    handle = model.block.register_forward_hook(lambda _, __, output: kept.append(upright(output.detach())))
    model(inputs)
    handle.remove()
    torch.testing.assert_close(fm.Scope(model).maps(inputs, "block", layout=upright).tensor, kept[0])


@pytest.mark.parametrize("read", [torch.abs, torch.relu, lambda output: output.softmax(1), lambda output: output + 1])
def test_a_function_that_does_more_than_to_move_is_refused(read: Callable[[Tensor], Tensor]) -> None:
    """It would be done to the gradients too."""
    model = nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)).eval()
    with pytest.raises(LayoutError, match="does more with shape .* than to put it in another order"):
        fm.Scope(model, layout=read).explain(noise(2, SIZE), layer="0")
    moved = fm.Scope(model, layout=lambda output: output.flip(1)[:, :3]).explain(noise(2, SIZE), layer="0", target=1)
    inputs = noise(2, SIZE)
    maps = model[0](inputs)
    gradients = torch.autograd.grad(model[1:](maps)[:, 1].sum(), maps)[0]
    by_hand = (maps * gradients.mean((2, 3), keepdim=True))[:, 1:].sum(1).detach()
    torch.testing.assert_close(moved.tensor, by_hand)


def test_complex_numbers_are_no_maps_and_what_is_made_of_them_is() -> None:
    class Length(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.abs()

    class Complex(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.length = nn.Conv2d(3, 4, 3, 2, 1, dtype=torch.complex64), Length()
            self.head = nn.Linear(4, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.length(self.conv(x.to(torch.complex64))).mean((2, 3)))

    model, inputs = Complex().eval(), noise(2, SIZE)
    for layout in (None, lambda output: output, torch.abs):
        with pytest.raises(LayoutError, match=r"of complex numbers: a map is of real numbers.*\.abs\(\) is one"):
            fm.Scope(model, layout=layout).explain(inputs, layer="conv")
    lengths = model.length(model.conv(inputs.to(torch.complex64)))
    gradients = torch.autograd.grad(model.head(lengths.mean((2, 3)))[:, 1].sum(), lengths)[0]
    by_hand = (lengths * gradients.mean((2, 3), keepdim=True)).sum(1).detach()
    torch.testing.assert_close(fm.Scope(model).explain(inputs, layer="length", target=1).tensor, by_hand)
