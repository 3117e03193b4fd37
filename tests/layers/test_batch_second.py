"""Sequences that stand first, (token, picture, channel): everything is as in the same model with its batch first."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import featuremaps as fm
from featuremaps.errors import LayoutError
from featuremaps.tail import Tail

WIDE = 16
PICTURES = torch.rand(2, 3, 24, 32, generator=torch.Generator().manual_seed(3))


class Encoder(nn.Module):
    """Patches of 4 × 4 pixels through torch's transformer; a class token gives the scores, or all patches do."""

    def __init__(self, batch_first: bool, class_token: bool) -> None:
        super().__init__()
        torch.manual_seed(5)
        self.patches = nn.Conv2d(3, WIDE, 4, 4)
        layer = nn.TransformerEncoderLayer(WIDE, 4, 32, dropout=0.0, batch_first=batch_first)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(WIDE, 5)
        self.token = nn.Parameter(torch.randn(1, 1, WIDE)) if class_token else None
        self.batch_first = batch_first
        for parameter in self.encoder.parameters():  # layers of torch's encoder are copies of one another
            nn.init.normal_(parameter, std=0.4)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 5)"""
        tokens = self.patches(x).flatten(2).transpose(1, 2)
        if self.token is not None:
            tokens = torch.cat([self.token.expand(x.shape[0], -1, -1), tokens], 1)
        tokens = self.encoder(tokens if self.batch_first else tokens.transpose(0, 1))
        tokens = tokens if self.batch_first else tokens.transpose(0, 1)
        return self.head(tokens[:, 0] if self.token is not None else tokens.mean(1))


@pytest.fixture(params=[False, True], ids=["all patches", "class token"])
def scopes(request: pytest.FixtureRequest) -> tuple[fm.Scope, fm.Scope]:
    first, second = (fm.Scope(Encoder(batch_first, request.param).eval()) for batch_first in (True, False))
    return first, second


METHODS = ("grad_cam", "layer_cam", "eigen_cam", "ablation_cam", "score_cam", "lrp", "transformer_attribution")


def test_every_method_gives_what_it_gives_of_the_batch_first(scopes: tuple[fm.Scope, fm.Scope]) -> None:
    first, second = scopes
    assert [layer.name for layer in first.layers(PICTURES)] == [layer.name for layer in second.layers(PICTURES)]
    assert first.layers(PICTURES).last == second.layers(PICTURES).last
    for method in METHODS:
        expected, found = (scope.explain(PICTURES, method=method, target=1).tensor for scope in scopes)
        assert float(expected.abs().max()) > 0
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5 * float(expected.abs().max()), msg=method)


def test_maps_are_the_layers_own_numbers(scopes: tuple[fm.Scope, fm.Scope]) -> None:
    scope = scopes[1]
    kept: list[Tensor] = []
    encoder = scope.model.get_submodule("encoder.layers.0")
    handle = encoder.register_forward_hook(lambda _, __, output: kept.append(output.detach()))
    scope.model(PICTURES)
    handle.remove()
    patches = kept[0][-48:].permute(1, 2, 0).unflatten(2, (6, 8))
    torch.testing.assert_close(scope.maps(PICTURES, "encoder.layers.0").tensor, patches)


@pytest.mark.parametrize("way", ["auto", "replace"])
def test_a_tail_takes_edits_of_every_picture_along_the_second_axis(way: str) -> None:
    model = Encoder(batch_first=False, class_token=True).eval()
    fm.Scope(model).layers(PICTURES)
    tail = Tail(model, "encoder.layers.0", PICTURES, way=way)  # type: ignore[arg-type]
    before = tail.output
    edits = torch.stack([before, before.flip(0), 0.5 * before], 2).flatten(1, 2)  # three of picture 0, then of 1
    expected = [model.head(model.encoder.layers[1](edits[:, [row]])[0]) for row in range(6)]
    torch.testing.assert_close(tail(edits), torch.cat(expected), rtol=1e-4, atol=1e-5)
    with pytest.raises(LayoutError, match=r"edits of all 2 pictures, \(49, 2·k, 16\)"):
        tail(before.transpose(0, 1))


def test_channels_and_recurrent_rows_are_read_too() -> None:
    class Rows(nn.Module):
        """As text is read: columns of a row of features, one after the other."""

        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(6)
            self.stem, self.recurrent, self.head = nn.Conv2d(3, 8, (24, 4), 4), nn.LSTM(8, 8), nn.Linear(8, 5)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.recurrent(self.stem(x).squeeze(2).permute(2, 0, 1))[0].mean(0))

    layers = fm.Scope(Rows().eval()).layers(PICTURES)
    assert layers["recurrent"].layout is not None
    assert (layers["recurrent"].layout.batch_axis, layers["recurrent"].layout.size) == (1, (1, 8))
    scope = fm.Scope(Encoder(batch_first=False, class_token=True).eval())
    edited = scope.without("encoder.layers.0:3")
    assert bool((edited.maps(PICTURES, "encoder.layers.0").tensor[:, 3] == 0).all())


Laid = Callable[[Tensor], Tensor]


@pytest.mark.parametrize(
    ("laid", "reason"),
    [
        (lambda maps: maps.flatten(2).transpose(1, 2).flatten(0, 1)[:, None], "together with the pictures of a batch"),
        (lambda maps: maps.flatten(2).permute(2, 0, 1).flip(1), "in another order than that of the pictures"),
    ],
    ids=["patches of all pictures in one row", "pictures turned round"],
)
def test_a_second_axis_that_only_looks_like_the_batch_of_one_picture_is_none(laid: Laid, reason: str) -> None:
    class Patches(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.patches, self.block, self.head = nn.Conv2d(3, 8, 4, 4), nn.Linear(8, 8), nn.Linear(8, 5)

        def forward(self, x: Tensor) -> Tensor:
            rows = self.block(laid(self.patches(x)))
            rows = rows.unflatten(0, (len(x), -1)).mean((1, 2)) if rows.shape[1] == 1 != len(x) else rows.mean(0)
            return self.head(rows.flip(0) if len(rows) == len(x) and len(x) > 1 and "turned" in reason else rows)

    with pytest.raises(LayoutError, match=reason):
        fm.Scope(Patches().eval()).maps(PICTURES, "block")
