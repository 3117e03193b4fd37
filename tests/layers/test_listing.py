from collections.abc import Callable

import pytest
import torch
import torchvision
from torch import Tensor, nn

from featuremaps.errors import LayerNotFoundError, LayoutError
from featuremaps.layers import Layers, walk
from nets import Reused

PICTURE = torch.rand(1, 3, 64, 64)


@pytest.fixture(scope="module")
def resnet() -> Layers:
    return walk(torchvision.models.resnet18(), PICTURE)


@pytest.fixture(scope="module")
def reused() -> Layers:
    return walk(Reused(), PICTURE)


@pytest.mark.parametrize(
    ("patterns", "names"),
    [
        ("layer4", ["layer4"]),
        ("last", ["layer4"]),
        ("layer4:452", ["layer4"]),
        ("last:3", ["layer4"]),
        ("layer*", ["layer1", "layer2", "layer3", "layer4"]),
        ("depths", ["relu", "layer1", "layer2", "layer3", "layer4"]),
        ("layer[34]:0", ["layer3", "layer4"]),
        ("layer2.*", ["layer2.0", "layer2.1"]),
        ("layer1.**.conv1", ["layer1.0.conv1", "layer1.1.conv1"]),
        (["layer4", "conv1", "last", "layer4:1"], ["conv1", "layer4"]),
        ("layer1.0.relu", ["layer1.0.relu#1"]),
        ("layer1.0.relu#0", ["layer1.0.relu#0"]),
        ("layer1.0.relu#1:5", ["layer1.0.relu#1"]),
        ("layer1.*.relu", ["layer1.0.relu#1", "layer1.1.relu#1"]),
        ("layer1.0.relu#*", ["layer1.0.relu#0", "layer1.0.relu#1"]),
        ("fc", ["fc"]),
    ],
)
def test_addresses_resolve_in_order_of_completion(resnet, patterns, names):
    assert resnet.resolve(patterns) == names


def test_all_is_every_map(resnet):
    names = resnet.resolve("all")
    assert {"conv1", "layer1.0.relu#0", "layer4"} <= set(names)
    assert not {"fc", "avgpool"} & set(names)
    assert names == [info.name for info in resnet if info.positions > 1]


class Block(nn.Sequential):
    """A block of a model whose maps are all of one size."""

    def __init__(self):
        super().__init__(nn.Conv2d(4, 4, 3, padding=1), nn.ReLU())


@pytest.mark.parametrize(("blocks", "names"), [(9, ["1", "4", "6"]), (2, [])])
def test_depths_of_maps_of_one_size_are_blocks_at_equal_distances(blocks, names):
    model = nn.Sequential(nn.Conv2d(3, 4, 1), *(Block() for _ in range(blocks)), nn.Flatten(), nn.Linear(256, 5))
    layers = walk(model, torch.rand(1, 3, 8, 8))
    assert layers.resolve("depths") == [*names, str(blocks)]


def test_a_layer_that_is_called_depths_is_meant_by_its_name():
    model = nn.Sequential()
    model.add_module("depths", nn.Conv2d(3, 4, 3))
    model.add_module("after", nn.Conv2d(4, 4, 3))
    assert walk(model, PICTURE).resolve("depths") == ["depths"]


def test_indexing(resnet):
    assert resnet[0].name == "conv1"
    assert resnet[-1].name == "fc"
    assert [info.name for info in resnet[:2]] == ["conv1", "bn1"]
    assert resnet["layer1.0.relu"].call == 1
    assert resnet["layer1.0.relu#0"].call == 0
    assert "layer4" in resnet
    assert "layer5" not in resnet
    assert resnet[0] in resnet
    assert len(resnet) == len(resnet.names) == len(list(resnet))


def test_a_wrong_name_lists_the_nearest(resnet):
    with pytest.raises(LayerNotFoundError) as caught:
        resnet.resolve("layre4")
    assert str(caught.value) == (
        "layer 'layre4' is not in ResNet. Did you mean 'layer4' or 'layer4.1' or 'layer4.0'? "
        "Layers that ran: 'conv1', 'bn1', 'relu', 'maxpool', 'layer1', …. "
        "scope.layers() lists them all; globs such as 'layer*', 'last', 'depths' and 'all' also work."
    )
    with pytest.raises(LayerNotFoundError, match=r"layer 'zzz' is not in ResNet\. Layers that ran"):
        resnet["zzz"]
    with pytest.raises(LayerNotFoundError, match=r"'block\*' is not in ResNet"):
        resnet.resolve("block*")


@pytest.mark.parametrize("bad", ["", "layer4:abc", "layer4:-1", ":4"])
def test_a_malformed_address_is_explained(resnet, bad):
    with pytest.raises(LayerNotFoundError, match="cannot be read"):
        resnet.resolve(bad)


def test_nothing_is_no_layer(resnet):
    with pytest.raises(LayerNotFoundError, match="no layer was named"):
        resnet.resolve([])


def test_a_call_that_did_not_happen(reused):
    with pytest.raises(LayerNotFoundError) as caught:
        reused.resolve("relu#3")
    assert str(caught.value) == (
        "there is no call 'relu#3': 'relu' ran 3 times on this input, so its last call is relu#2. "
        "scope.layers() lists all calls."
    )
    with pytest.raises(LayerNotFoundError, match=r"'conv1' ran once on this input, so its last call is conv1#0\."):
        reused.resolve("conv1#1")


def test_the_only_call_can_be_numbered(reused):
    assert reused.resolve("conv1#0") == ["conv1"]


def test_a_layer_that_never_runs(reused):
    with pytest.raises(LayerNotFoundError) as caught:
        reused.resolve("spare")
    assert str(caught.value) == (
        "layer 'spare' is part of Reused but never ran on this input, so it has no output. "
        "scope.layers() lists the layers that ran."
    )


def test_a_glob_over_layers_without_maps(resnet):
    with pytest.raises(LayerNotFoundError, match=r"matching 'f\*' ran \('fc'\), but none of them gives maps"):
        resnet.resolve("f*")


def test_without_maps_there_is_no_last():
    layers = walk(nn.Sequential(nn.Flatten(), nn.Linear(12, 5)), torch.rand(2, 3, 2, 2))
    assert layers.names == ("0", "1")
    assert layers.stages == ()
    for ask in (lambda: layers.last, lambda: layers.resolve("all"), lambda: layers.resolve("last")):
        with pytest.raises(LayoutError) as caught:
            ask()
        assert str(caught.value) == (
            "no layer of Sequential gives maps of more than one position on this input, so there is no 'last' map. "
            "Give larger pictures, or a model with convolutions or patch tokens; scope.layers() shows what each "
            "layer gives."
        )
    assert "none of which gives maps" in str(layers)


def test_an_exact_name_wins_over_its_other_meaning():
    model = nn.Sequential()
    for name in ("a*", "last", "all", "b:3", "c#0", "d[1]"):
        model.add_module(name, nn.Conv2d(3, 3, 3, padding=1))
    model.add_module("end", nn.ReLU())
    layers = walk(model, torch.rand(1, 3, 8, 8))
    for name in ("a*", "last", "all", "b:3", "c#0", "d[1]"):
        assert layers.resolve(name) == [name]
        assert layers.resolve(f"{name}:1") == [name]
    assert layers.last == "end"


def test_a_module_registered_twice_answers_to_both_names():
    layers = walk(_twice(), PICTURE)
    assert layers.resolve("head") == ["body#1"]
    assert layers.resolve("head#0") == ["body#0"]
    assert layers["head"].module_name == "body"
    assert layers.names == ("body#0", "body#1")


def _twice() -> nn.Module:
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = nn.Conv2d(3, 3, 3, padding=1)
            self.head = self.body

        def forward(self, x):
            return self.head(self.body(x)).mean((2, 3))

    return Twice()


def test_a_model_of_which_nothing_is_heard_says_why() -> None:
    """Its parts are in a plain list, or run by `forward`."""

    class Hidden(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.parts = [nn.Conv2d(3, 4, 3), nn.Linear(4, 2)]

        def forward(self, x: Tensor) -> Tensor:
            return self.parts[1](self.parts[0](x).mean((2, 3)))

    layers = walk(Hidden(), torch.rand(1, 3, 8, 8))
    with pytest.raises(LayoutError, match=r"no layer of Hidden runs where it can be heard.*nn\.ModuleList"):
        _ = layers.last


class _Changed(nn.Module):
    """Two convolutions of what a function makes of a batch; only as many scores as pictures are given."""

    def __init__(self, change: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.first, self.second, self.head = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3), nn.Linear(4, 3)
        self.change = change

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.second(self.first(self.change(x)).relu()).mean((2, 3)))[: len(x)]


def _written_into_a_larger(x: Tensor) -> Tensor:
    larger = x.new_zeros(8, *x.shape[1:])
    larger[: len(x)] = x
    return larger


PADDINGS = {
    "joined with zeros": lambda x: torch.cat([x, x.new_zeros(7, *x.shape[1:])]),
    "padded": lambda x: nn.functional.pad(x, (0, 0, 0, 0, 0, 0, 0, 8 - len(x))),
    "written into a larger one": _written_into_a_larger,
}


@pytest.mark.parametrize("way", PADDINGS)
def test_a_batch_that_is_padded_is_the_reason_why_there_is_no_last_map(way: str) -> None:
    layers = walk(_Changed(PADDINGS[way]).eval(), torch.rand(1, 3, 12, 12))
    with pytest.raises(LayoutError, match="of 'first' and others its first axis counts other pictures .* pads"):
        layers.resolve("last")


@pytest.mark.parametrize(
    "away", [lambda x: torch.tensor(x.detach().numpy()), lambda x: torch.tensor(x.tolist())], ids=["NumPy", "lists"]
)
def test_a_picture_that_leaves_torch_is_the_reason_why_there_is_no_last_map(away: Callable[[Tensor], Tensor]) -> None:
    layers = walk(_Changed(away).eval(), torch.rand(1, 3, 12, 12))
    with pytest.raises(LayoutError, match=r"no layer depends on the picture, as far as torch sees.* NumPy, PIL or"):
        layers.resolve("last")


def test_larger_pictures_are_asked_for_where_maps_have_one_place() -> None:
    with pytest.raises(LayoutError, match="Give larger pictures"):
        walk(nn.Sequential(nn.Conv2d(3, 4, 8), nn.Flatten()), torch.rand(1, 3, 8, 8)).resolve("last")
