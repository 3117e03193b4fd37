"""The tail of models made to be difficult: sizes, operations in place, reused layers, several outputs, control flow."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edits import WAYS, Branching, error, one_by_one, pictures, zeroed
from featuremaps.errors import LayerNotFoundError, ModelError
from featuremaps.tail import Tail


def test_a_model_that_branches_on_values_is_run_whole_and_says_why() -> None:
    model = Branching().eval()
    inputs = pictures(2, 8)
    with torch.no_grad():
        tail = Tail(model, "conv", inputs)
        assert tail.way == "replace"
        assert tail.reason.startswith("fx: TraceError: symbolically traced variables")
        assert "; export: " in tail.reason
        edited = zeroed(tail.output, 3)
        assert error(tail(edited), one_by_one(model, "conv", inputs, edited)) < 1e-5
    with pytest.raises(ModelError, match=r"tail of Branching from layer 'conv' on cannot be run by way='fx'\. fx: T"):
        Tail(model, "conv", inputs, way="fx")


class Shapely(nn.Module):
    """Reads sizes in many ways, before and after the layer, and branches on one that a symbol does not have."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.layer = nn.Conv2d(4, 4, 3, padding=1)
        self.token = nn.Parameter(torch.randn(1, 1, 4))
        self.head = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        stem = self.stem(x)
        y = self.layer(stem)
        return self.head(getattr(self, self.kind)(x, stem, y))

    def view_by_input(self, x: Tensor, stem: Tensor, y: Tensor) -> Tensor:
        return y.view(x.size(0), 4, -1).mean(2)

    def reshape_by_stem(self, x: Tensor, stem: Tensor, y: Tensor) -> Tensor:
        return torch.reshape(y.flatten(1), (stem.shape[0], 4, -1)).mean(-1) + stem.mean((2, 3))

    def merged_axes(self, x: Tensor, stem: Tensor, y: Tensor) -> Tensor:
        batch, channels, height, _ = y.shape
        rows = y.permute(0, 2, 3, 1).reshape(batch * height, -1, channels)
        windows = stem.permute(0, 2, 3, 1).reshape(x.shape[0] * height, -1, channels)
        return (rows * windows).mean(1).view(batch, height, channels).mean(1)

    def with_token(self, x: Tensor, stem: Tensor, y: Tensor) -> Tensor:
        token = self.token.expand(x.shape[0], -1, -1)
        return torch.cat([token, y.flatten(2).transpose(1, 2)], 1).std(1)

    def batch_in_the_middle(self, x: Tensor, stem: Tensor, y: Tensor) -> Tensor:
        sequence = stem.flatten(2).permute(2, 0, 1)
        return (sequence + y.flatten(2).permute(2, 0, 1)).tanh().mean(0)

    def mask_of_the_pictures_size(self, x: Tensor, stem: Tensor, y: Tensor) -> Tensor:
        mask = x.new_zeros((x.shape[2], x.shape[3]))
        mask[2:, 3:] = 1.0
        return (y * mask).mean((2, 3))

    def chunks_and_sizes(self, x: Tensor, stem: Tensor, y: Tensor) -> Tensor:
        parts = stem.chunk(2, 1)
        sizes = (x.shape[0], 4)
        return torch.cat([parts[1], parts[0], y.chunk(2, 1)[0]], 1).mean((2, 3))[:, 2:].reshape(sizes)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", [name for name in vars(Shapely) if name != "forward" and name[0] != "_"])
@pytest.mark.parametrize("batch", [1, 2, 3])
def test_sizes_that_carry_the_batch(kind: str, way: Any, batch: int) -> None:
    torch.manual_seed(0)
    model = Shapely(kind).eval()
    inputs = pictures(batch, 8)
    with torch.no_grad():
        tail = Tail(model, "layer", inputs, way=way)
        assert tail.way == way
        for repeats in (1, 3):
            edited = zeroed(tail.output, repeats)
            assert error(tail(edited), one_by_one(model, "layer", inputs, edited)) < 1e-5


class InPlace(nn.Module):
    """Writes to the layer's output, to values from before it, and reads them again by other names."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.layer = nn.Conv2d(4, 4, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        stem = self.stem(x)
        y = self.layer(stem)
        return getattr(self, self.kind)(x, stem, y).mean((2, 3))

    def relu_then_read_again(self, x: Tensor, stem: Tensor, y: Tensor) -> Tensor:
        z = F.relu(y, inplace=True)
        return z + y.exp()

    def unused_result(self, x: Tensor, stem: Tensor, y: Tensor) -> Tensor:
        y.mul_(2.0)
        F.relu_(y)
        return y.square()

    def added_onto_the_layer(self, x: Tensor, stem: Tensor, y: Tensor) -> Tensor:
        y += stem
        return y.tanh()

    def added_onto_the_stem(self, x: Tensor, stem: Tensor, y: Tensor) -> Tensor:
        stem.add_(y)
        return stem.tanh()

    def written_through_a_view(self, x: Tensor, stem: Tensor, y: Tensor) -> Tensor:
        half = stem[:, :2]
        half.add_(y[:, 2:])
        return stem.tanh()

    def collected_in_a_buffer(self, x: Tensor, stem: Tensor, y: Tensor) -> Tensor:
        buffer = stem.new_zeros((stem.shape[0], 8, stem.shape[2], stem.shape[3]))
        buffer[:, :4] = stem
        buffer[:, 4:] = y
        return buffer.tanh()

    def stem_changed_between_two_reads(self, x: Tensor, stem: Tensor, y: Tensor) -> Tensor:
        first = stem * y
        stem.relu_()
        return first + stem * y

    def slice_of_the_layer(self, x: Tensor, stem: Tensor, y: Tensor) -> Tensor:
        y[:, 1:3] *= stem[:, 1:3]
        return y.tanh()

    def out_argument(self, x: Tensor, stem: Tensor, y: Tensor) -> Tensor:
        result = torch.empty_like(stem)
        torch.add(y, stem, out=result)
        return result.tanh()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", [name for name in vars(InPlace) if name != "forward" and name[0] != "_"])
def test_operations_in_place_after_the_layer(kind: str, way: Any) -> None:
    torch.manual_seed(0)
    model = InPlace(kind).eval()
    inputs = pictures(2, 6)
    with torch.no_grad():
        tail = Tail(model, "layer", inputs, way=way)
        assert tail.way == way
        for repeats in (1, 3, 1):  # the second and third use find whatever the first one damaged
            edited = zeroed(tail.output, repeats)
            before = edited.clone()
            assert error(tail(edited), one_by_one(model, "layer", inputs, edited)) < 1e-5
            assert torch.equal(edited, before)
    leaf = zeroed(tail.output, 2).requires_grad_()
    if kind not in ("out_argument", "stem_changed_between_two_reads"):  # no gradient in the model itself
        tail(leaf).sum().backward()
        assert leaf.grad is not None


def test_an_operation_in_place_is_the_layer_itself() -> None:
    torch.manual_seed(0)

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.relu = nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True)

        def forward(self, x: Tensor) -> Tensor:
            y = self.conv(x)
            z = self.relu(y)
            return (z.tanh() + y.square()).mean((2, 3))

    model, inputs = Net().eval(), pictures(2, 8)
    with torch.no_grad():
        edited = zeroed(Tail(model, "relu", inputs).output, 2)
        expected = one_by_one(model, "relu", inputs, edited)
        for way in WAYS:
            assert error(Tail(model, "relu", inputs, way=way)(edited), expected) < 1e-5, way


class Reused(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)
        self.act = nn.Tanh()
        self.again = self.act

    def forward(self, x: Tensor) -> Tensor:
        x = self.act(self.conv(x))
        x = self.act(self.conv(x)) + x
        return self.again(self.conv(x)).mean((2, 3))


@pytest.mark.parametrize("way", WAYS)
def test_each_call_of_a_layer_that_runs_several_times(way: Any) -> None:
    torch.manual_seed(0)
    model, inputs = Reused().eval(), pictures(2, 6)
    with torch.no_grad():
        runs = []
        for call in (0, 1, 2):
            tail = Tail(model, "act", inputs, call=call, way=way)
            edited = zeroed(tail.output, 2)
            assert error(tail(edited), one_by_one(model, "act", inputs, edited, call)) < 1e-5
            runs.append(tail.nodes_run)
        assert way == "replace" or runs[0] > runs[1] > runs[2]
        last = Tail(model, "again", inputs, way=way)
        assert torch.equal(last.output, tail.output)
    with pytest.raises(LayerNotFoundError, match="layer 'act' has no call 3: it runs 3 times in one pass"):
        Tail(model, "act", inputs, call=3, way=way)


class Several(nn.Module):
    """Layers that give tuples and dicts, and a module that hands on what it got."""

    class Pair(nn.Module):
        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            y = x.tanh()
            return y, y.mean((2, 3), keepdim=True)

    class Named(nn.Module):
        def forward(self, pair: tuple[Tensor, Tensor]) -> dict[str, Any]:
            return {"size": 3, "sum": pair[0] + pair[1], "map": pair[0]}

    class Same(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x

    def __init__(self) -> None:
        super().__init__()
        self.pair, self.named, self.same = self.Pair(), self.Named(), self.Same()
        self.attention = nn.MultiheadAttention(4, 2, batch_first=True)
        self.embed = nn.Conv2d(3, 4, 3)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        named = self.named(self.pair(self.embed(x)))
        y = named["sum"] * named["map"]
        y = self.same(y) + y.square()
        tokens, weights = self.attention(*[y.flatten(2).transpose(1, 2)] * 3)
        return {"out": tokens.mean(1), "aux": weights.square().mean(1)}


@pytest.mark.parametrize("layer", ["pair", "named", "same", "attention"])
def test_layers_with_several_outputs(layer: str) -> None:
    torch.manual_seed(0)
    model, inputs = Several().eval(), pictures(2, 6)
    with torch.no_grad():
        tails = [Tail(model, layer, inputs, way=way) for way in WAYS]
        edited = zeroed(tails[0].output, 3)
        results = [tail(edited) for tail in tails]
        plain = model(inputs)
    assert error(results[2]["out"], plain["out"].repeat_interleave(3, 0)) > 1e-3
    for result in results:
        assert type(result) is dict
        for key in plain:
            assert error(result[key], results[2][key]) < 1e-5
    if layer != "attention":  # what the layer gave beside the edited tensor stays as it was
        assert error(results[2]["aux"], plain["aux"].repeat_interleave(3, 0)) > 0
    else:
        assert torch.equal(results[2]["aux"], plain["aux"].repeat_interleave(3, 0))
