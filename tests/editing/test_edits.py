"""What is taken out of a model is gone, everything else is as it was, and an export says the same without us."""

from collections import OrderedDict

import pytest
import torch
from tests.snapshots import snapshot
from torch import Tensor, nn

import featuremaps as fm
from featuremaps.editing.edits import Removal, direction_out
from featuremaps.errors import LayerNotFoundError, OptionError


class Residual(nn.Module):
    """Two layers read what the first gives, so that no edit of it fits into one of them."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU())
        self.second = nn.Conv2d(8, 8, 3, padding=1)
        self.head = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        """Class scores."""
        x = self.first(x)
        scores: Tensor = self.head((x + self.second(x).relu()).mean((2, 3)))
        return scores


def plain() -> nn.Sequential:
    """A network whose every kind of layer takes an edit into its weights or those of the next."""
    return nn.Sequential(
        OrderedDict(
            conv=nn.Conv2d(3, 8, 3, padding=1),
            norm=nn.BatchNorm2d(8),
            relu=nn.ReLU(),
            wide=nn.Conv2d(8, 12, 3, padding=1),
            relu2=nn.ReLU(),
            pool=nn.AdaptiveAvgPool2d(2),
            flat=nn.Flatten(),
            head=nn.Linear(48, 4),
        )
    )


def seeded(model: nn.Module) -> nn.Module:
    """The model with weights, and statistics, that are all different."""
    generator = torch.Generator().manual_seed(0)
    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point():
            tensor.copy_(torch.rand(tensor.shape, generator=generator) - (0.0 if "var" in name else 0.3))
    return model.eval()


def pictures() -> Tensor:
    """Five small pictures."""
    return torch.randn(5, 3, 8, 8, generator=torch.Generator().manual_seed(1))


def by_hook(model: nn.Module, layer: str, change: object) -> Tensor:
    """The model's outputs with one layer's output changed by a plain hook."""
    assert callable(change)
    handle = model.get_submodule(layer).register_forward_hook(lambda _, __, output: change(output))
    with torch.no_grad():
        outputs: Tensor = model(pictures())
    handle.remove()
    return outputs


@pytest.mark.parametrize("layer", ["conv", "norm", "relu", "wide", "relu2"])
def test_without_a_channel_is_that_channel_at_zero(layer: str) -> None:
    model = seeded(plain())
    before = snapshot(model, pictures())

    def without(output: Tensor) -> Tensor:
        keep = torch.ones(output.shape[1])
        keep[[1, 4]] = 0
        return output * keep[:, None, None]

    edited = fm.Scope(model).without([f"{layer}:1", f"{layer}:4"])
    with torch.no_grad():
        torch.testing.assert_close(edited.model(pictures()), by_hook(model, layer, without))
    assert before.differences(snapshot(model, pictures())) == []


def test_a_direction_is_held_where_the_point_has_it_and_what_is_across_stays() -> None:
    model, generator = seeded(plain()).double(), torch.Generator().manual_seed(2)
    directions = torch.randn(2, 12, generator=generator)
    point = torch.randn(12, generator=generator)
    removal = direction_out("wide", directions, point, "two directions")
    edited = fm.Scope(model).without(removal)
    maps = [scope.record(pictures(), ["wide"]).activations["wide"].double() for scope in (fm.Scope(model), edited)]
    along = torch.einsum("dc,bchw->bdhw", directions.double(), maps[1])
    torch.testing.assert_close(
        along, (directions @ point).double()[None, :, None, None].expand_as(along), atol=1e-4, rtol=1e-4
    )
    across = torch.eye(12).double() - removal.directions.double().T @ removal.directions.double()
    torch.testing.assert_close(*(torch.einsum("ck,bkhw->bchw", across, each) for each in maps), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("layer", "way"),
    [
        ("conv", "its own weights"),
        ("norm", "its own weights"),
        ("relu2", "the weights of head"),
        ("wide", "its own weights"),
    ],
)
def test_an_export_says_the_same_and_has_nothing_of_ours(layer: str, way: str) -> None:
    model = seeded(plain())
    edited = fm.Scope(model).without(f"{layer}:2").without(f"{layer}:5")
    exported = edited.export()
    assert exported.ways == {layer: way}
    with torch.no_grad():
        torch.testing.assert_close(exported.model.eval()(pictures()), edited.model(pictures()))
    assert {type(module).__module__.split(".")[0] for module in exported.model.modules()} == {"torch"}
    assert not any(module._forward_hooks for module in exported.model.modules())
    own = plain()
    own.load_state_dict({**model.state_dict(), **exported.diff})
    with torch.no_grad():
        torch.testing.assert_close(own.eval()(pictures()), edited.model(pictures()))


@pytest.mark.parametrize("layer", ["first", "relu"])
def test_an_edit_that_fits_no_weights_becomes_a_layer_behind(layer: str) -> None:
    model = seeded(Residual() if layer == "first" else plain())
    direction = direction_out(layer, torch.ones(1, 8), torch.ones(8), "their sum")
    edited = fm.Scope(model).without(direction)
    exported = edited.export()
    behind = {"first": "a layer behind it", "relu": "a layer behind it"}  # padding: the next convolution has none of it
    assert exported.ways == {layer: behind[layer]}
    with torch.no_grad():
        torch.testing.assert_close(exported.model.eval()(pictures()), edited.model(pictures()))


def test_a_channel_that_is_silent_in_the_pictures_is_gone_from_the_export_too() -> None:
    model = seeded(Residual())
    with torch.no_grad():
        model.first[0].bias[3] = -100.0  # silent: any fold would agree on these pictures
    exported = fm.Scope(model).without("first:3").export()
    with torch.no_grad():
        exported.model.get_submodule("first.0.0").bias[3] = 100.0
        loud = exported.model.eval()(pictures())
        exported.model.get_submodule("first.0.0").bias[3] = -100.0
        torch.testing.assert_close(loud, exported.model(pictures()))


def test_tokens_have_their_channels_last() -> None:
    class Tokens(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.patch, self.block, self.head = nn.Conv2d(3, 6, 4, 4), nn.Linear(6, 6), nn.Linear(6, 3)

        def forward(self, x: Tensor) -> Tensor:
            scores: Tensor = self.head(self.block(self.patch(x).flatten(2).transpose(1, 2)).relu().mean(1))
            return scores

    model = seeded(Tokens())
    edited = fm.Scope(model).without("block:2")
    with torch.no_grad():
        expected = by_hook(model, "block", lambda output: output * (torch.arange(6) != 2))
        torch.testing.assert_close(edited.model(pictures()), expected)
        torch.testing.assert_close(edited.export().model.eval()(pictures()), expected)


def test_an_edited_scope_is_a_scope_like_any_other() -> None:
    edited = fm.Scope(seeded(plain()), classes=list("abcd")).without("relu2:3")
    assert edited.record(pictures(), ["relu2"]).activations["relu2"][:, 3].abs().max() == 0
    heat = edited.explain(pictures(), "ablation_cam", layer="relu2")
    assert heat.tensor.isfinite().all()
    assert "relu2:3" in edited.name


def test_what_cannot_be_taken_out_is_said() -> None:
    scope = fm.Scope(seeded(plain()))
    with pytest.raises(LayerNotFoundError, match="whole layer"):
        scope.without("relu")
    with pytest.raises(LayerNotFoundError, match="0 to 7"):
        scope.without("relu:8")
    with pytest.raises(OptionError, match="12 channels"):
        scope.without(direction_out("relu", torch.ones(1, 12), torch.ones(12), "of another layer"))
    with pytest.raises(OptionError, match="cannot be taken out"):
        scope.without(7)
    with pytest.raises(OptionError, match="not edited"):
        scope.export()
    with pytest.raises(OptionError, match="not orthonormal"):
        Removal("relu", torch.ones(2, 8), torch.zeros(2), "two alike")
