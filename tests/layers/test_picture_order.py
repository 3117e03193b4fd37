"""Models that put the pictures of a batch in another order inside, and the scores back in theirs."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import featuremaps as fm
from featuremaps.errors import LayoutError

PICTURES = torch.randn(3, 3, 8, 10, generator=torch.Generator().manual_seed(4))
Order = Callable[[Tensor], Tensor]
ORDERS: dict[str, Order] = {
    "turned round": lambda x: torch.arange(len(x)).flip(0),
    "moved on by one": lambda x: torch.arange(len(x)).roll(1),
    "evens before odds": lambda x: torch.cat([torch.arange(0, len(x), 2), torch.arange(1, len(x), 2)]),
    "dark before bright": lambda x: x.mean((1, 2, 3)).argsort(),
    "bright before dark": lambda x: x.mean((1, 2, 3)).argsort(descending=True),
    "of little contrast first": lambda x: x.std((1, 2, 3)).argsort(),
}
WAYS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "indexed": lambda x, order: x[order],
    "selected": lambda x, order: x.index_select(0, order),
    "stacked": lambda x, order: torch.stack([x[row] for row in order.tolist()]),
}


class Reordering(nn.Module):
    """Two convolutions; what lies before the second is in another order."""

    def __init__(self, order: Order, way: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.first, self.second, self.head = (
            nn.Conv2d(3, 4, 3, padding=1),
            nn.Conv2d(4, 6, 3, padding=1),
            nn.Linear(6, 4),
        )
        self.order, self.way = order, way

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 4)"""
        order = self.order(x)
        maps = self.second(self.way(self.first(x), order).relu()).relu()
        return self.way(self.head(maps.mean((2, 3))), order.argsort())


def grad_cam(model: Reordering, picture: Tensor) -> Tensor:
    """Of the second convolution for class 2 of one picture, by autograd."""
    maps = model.second(model.first(picture[None]).relu())
    (gradients,) = torch.autograd.grad(model.head(maps.relu().mean((2, 3)))[0, 2], maps)
    return (gradients.mean((2, 3), keepdim=True) * maps).sum(1)[0].detach()


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("way", WAYS)
def test_maps_belong_to_their_own_pictures_or_are_refused(order: str, way: str) -> None:
    model = Reordering(ORDERS[order], WAYS[way]).eval()
    scope = fm.Scope(model)
    with pytest.raises(LayoutError, match=r"'second' gives its maps in another order .* batch_size=1"):
        scope.explain(PICTURES, "grad_cam", layer="second", target=2)
    with pytest.raises(LayoutError, match="another order"):
        scope.maps(PICTURES, "second")
    heat = scope.explain(PICTURES, "grad_cam", layer="second", target=2, batch_size=1)
    for picture, map in zip(PICTURES, heat.maps, strict=True):
        torch.testing.assert_close(map, grad_cam(model, picture))


def test_edits_of_a_picture_would_change_places_too() -> None:
    scope = fm.Scope(Reordering(ORDERS["turned round"], WAYS["indexed"]).eval())
    with pytest.raises(LayoutError, match=r"'second' gives its maps in another order .* edits no maps"):
        scope.explain(PICTURES[:1], "ablation_cam", layer="second", target=2)


@pytest.mark.parametrize("layer", ["first", "second"])
def test_layers_in_the_order_of_the_pictures_are_read(layer: str) -> None:
    """Those before it, and all of a model that leaves the order as it is."""
    orders = ["turned round"] if layer == "first" else []
    for order in (*(ORDERS[name] for name in orders), lambda x: torch.arange(len(x))):
        model = Reordering(order, WAYS["selected"]).eval()
        maps = fm.Scope(model).maps(PICTURES, layer).maps
        expected = model.first(PICTURES) if layer == "first" else model.second(model.first(PICTURES).relu())
        torch.testing.assert_close(torch.stack([*maps]), expected.detach())
