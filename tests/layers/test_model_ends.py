"""Which map is the last, where what comes after it is no features: predictions, pictures, gates, several heads."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models.video import mvit

from featuremaps.layers import walk


def block(taken: int, given: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(taken, given, 3, stride, 1), nn.BatchNorm2d(given), nn.ReLU())


def dense(channels: int) -> nn.Conv2d:
    return nn.Conv2d(32, channels, 3, padding=1)


class Net(nn.Module):
    """Features of 32 channels at a quarter of the size, and what `forward` makes of them with the other `parts`."""

    def __init__(self, forward: Callable[[Any, Tensor], Any], **parts: nn.Module) -> None:
        super().__init__()
        self.features = nn.Sequential(block(3, 16, 2), block(16, 32, 2))
        self.ending = forward
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, x: Tensor) -> Any:
        """Whatever the ending gives."""
        return self.ending(self, self.features(x))


def large(maps: Tensor) -> Tensor:
    return F.interpolate(maps, size=(32, 32))


def pooled(maps: Tensor) -> Tensor:
    return maps.mean((2, 3))


def weighed(tokens: Tensor, weights: Tensor) -> Tensor:
    return (tokens * weights.softmax(1)).sum(1)


def tokens(maps: Tensor) -> Tensor:
    return maps.flatten(2).transpose(1, 2)


def gated_attention(net: Any, maps: Tensor) -> Tensor:
    """Ilse et al. 2018, eq. 9."""
    rows = tokens(maps)
    return net.head(weighed(rows, net.w(net.v(rows).tanh() * net.u(rows).sigmoid())))


def spatial_gate(net: Any, maps: Tensor) -> Tensor:
    """Woo et al. 2018, CBAM, eq. 5."""
    both = torch.cat([maps.mean(1, keepdim=True), maps.amax(1, keepdim=True)], 1)
    return net.head(pooled(maps * net.gate(both).sigmoid()))


ENDINGS: dict[str, Callable[[], Net]] = {
    "a class map by a wide convolution": lambda: Net(lambda net, maps: pooled(net.out(maps)), out=dense(10)),
    "segmentation": lambda: Net(lambda net, maps: large(net.out(maps)), out=dense(10)),
    "segmentation by a transposed convolution": lambda: Net(
        lambda net, maps: net.out(maps), out=nn.ConvTranspose2d(32, 10, 4, 4)
    ),
    "the best class of each place": lambda: Net(lambda net, maps: large(net.out(maps)).argmax(1), out=dense(10)),
    "a squeezed mask": lambda: Net(lambda net, maps: net.out(maps)[:, 0].sigmoid(), out=nn.Conv2d(32, 1, 1)),
    "a picture": lambda: Net(lambda net, maps: large(net.out(maps)).tanh(), out=dense(3)),
    "a picture in finer pixels": lambda: Net(
        lambda net, maps: net.shuffle(net.out(maps)), out=dense(12), shuffle=nn.PixelShuffle(2)
    ),
    "a picture after a padding": lambda: Net(
        lambda net, maps: net.out(net.pad(maps)), pad=nn.ReflectionPad2d(1), out=nn.Conv2d(32, 3, 3)
    ),
    "attention of a bag of patches": lambda: Net(
        lambda net, maps: net.head(weighed(tokens(maps), net.score(tokens(maps)))),
        score=nn.Sequential(nn.Linear(32, 8), nn.Tanh(), nn.Linear(8, 1)),
        head=nn.Linear(32, 5),
    ),
    "gated attention": lambda: Net(
        gated_attention, v=nn.Linear(32, 8), u=nn.Linear(32, 8), w=nn.Linear(8, 1), head=nn.Linear(32, 5)
    ),
    "a spatial gate": lambda: Net(spatial_gate, gate=nn.Conv2d(2, 1, 7, padding=3), head=nn.Linear(32, 5)),
    "two heads": lambda: Net(
        lambda net, maps: (net.classes(maps), net.boxes(maps)), classes=nn.Conv2d(32, 5, 1), boxes=nn.Conv2d(32, 4, 1)
    ),
    "two deep heads": lambda: Net(
        lambda net, maps: {"heat": net.heat(maps).sigmoid(), "size": net.sides(maps)},
        heat=nn.Sequential(block(32, 32), nn.Conv2d(32, 5, 1)),
        sides=nn.Sequential(block(32, 32), nn.Conv2d(32, 2, 1)),
    ),
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_the_last_are_the_last_features(ending: str) -> None:
    assert walk(ENDINGS[ending]().eval(), torch.rand(1, 3, 32, 32)).last == "features"


def test_what_computes_new_features_is_the_last_itself() -> None:
    """As many channels as it took, an activation after it, or other weighed features inside the layer itself."""

    class Weighed(nn.Conv2d):
        def forward(self, maps: Tensor) -> Tensor:
            return maps * super().forward(maps).sigmoid()

    for more in (dense(32), block(32, 10), Weighed(32, 1, 1)):
        layers = walk(Net(lambda net, maps: pooled(net.more(maps)), more=more).eval(), torch.rand(1, 3, 32, 32))
        assert layers.last == "more"


def test_deep_supervision_ends_with_the_deepest_features() -> None:
    def forward(net: Any, maps: Tensor) -> list[Tensor]:
        deeper = net.deeper(maps)
        return [large(net.main(deeper)), large(net.side(maps))]

    net = Net(forward, deeper=block(32, 64, 2), main=nn.Conv2d(64, 5, 3, padding=1), side=dense(5))
    assert walk(net.eval(), torch.rand(1, 3, 32, 32)).last == "deeper"


def test_maps_of_one_size_that_come_from_each_other_are_no_heads() -> None:
    """A dilated backbone returns its stages, which have other channels and the same size."""
    net = Net(lambda net, maps: [maps, net.deeper(maps)], deeper=block(32, 64))
    assert walk(net.eval(), torch.rand(1, 3, 32, 32)).last == "deeper"


def test_a_video_transformer_that_pools_its_tokens_is_followed() -> None:
    """The class token is set apart, the patches are pooled as a volume, and both are joined again."""
    sizes = {"kernel_q": [3] * 3, "kernel_kv": [3] * 3, "stride_kv": [1, 2, 2]}
    blocks = [
        mvit.MSBlockConfig(1, 8, 8, stride_q=[1, 1, 1], **sizes),
        mvit.MSBlockConfig(2, 8, 16, stride_q=[1, 2, 2], **sizes),
        mvit.MSBlockConfig(2, 16, 16, stride_q=[1, 1, 1], **sizes),
    ]
    model = mvit.MViT(
        (32, 32),
        4,
        blocks,
        residual_pool=False,
        residual_with_cls_embed=True,
        rel_pos_embed=False,
        proj_after_attn=False,
    )
    layers = walk(model.eval(), torch.rand(1, 3, 4, 32, 32))
    assert (layers.last, layers[layers.last].size) == ("blocks.2.norm1", (2, 4, 4))
    assert not any(info.lost for info in layers)
