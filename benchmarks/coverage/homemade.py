"""Models as people write them themselves, one for each habit that a library may stumble over."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm, weight_norm

from benchmarks.coverage.zoo import Entry


def block(of: int, to: int, stride: int = 1) -> nn.Sequential:
    """Convolution, batch norm, ReLU."""
    return nn.Sequential(nn.Conv2d(of, to, 3, stride, 1), nn.BatchNorm2d(to), nn.ReLU())


class Functional(nn.Module):
    """Everything by functions: ReLU, pooling, flattening."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2, self.fc = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 16, 3), nn.Linear(16 * 14 * 14, 10)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 10)"""
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        return self.fc(F.max_pool2d(F.relu(self.conv2(x)), 2).flatten(1))


class Body(nn.Module):
    """Three blocks, averaged; `end` makes of (maps, embedding) what is returned."""

    def __init__(self, end: Callable[[nn.Module, Tensor, Tensor], Any], outputs: int = 10, inputs: int = 3) -> None:
        super().__init__()
        self.features = nn.Sequential(block(inputs, 8), block(8, 16, 2), block(16, 32, 2))
        self.head, self.other, self.end = nn.Linear(32, outputs), nn.Linear(32, 3), end

    def forward(self, x: Tensor) -> Any:
        """Whatever `end` says."""
        maps = self.features(x)
        return self.end(self, maps, maps.mean((2, 3)))


class UNet(nn.Module):
    """Down, up, and a copy across."""

    def __init__(self) -> None:
        super().__init__()
        self.down1, self.down2, self.bottom = block(3, 8), block(8, 16, 2), block(16, 32, 2)
        self.up2, self.up1, self.head = block(48, 16), block(24, 8), nn.Conv2d(8, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 4, height, width)"""
        first = self.down1(x)
        second = self.down2(first)
        up = self.up2(torch.cat([F.interpolate(self.bottom(second), scale_factor=2.0), second], 1))
        return self.head(self.up1(torch.cat([F.interpolate(up, scale_factor=2.0), first], 1)))


class Recurrent(nn.Module):
    """Columns of the maps are read by an LSTM."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(block(3, 8, 2), block(8, 16, 2))
        self.lstm, self.head = nn.LSTM(16, 12, batch_first=True, bidirectional=True), nn.Linear(24, 10)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 10)"""
        columns = self.features(x).mean(2).transpose(1, 2)
        return self.head(self.lstm(columns)[0][:, -1])


class Siamese(nn.Module):
    """Against a reference picture that it keeps."""

    def __init__(self) -> None:
        super().__init__()
        self.features, self.head = nn.Sequential(block(3, 8, 2), block(8, 16, 2)), nn.Linear(16, 2)
        self.register_buffer("reference", torch.rand(1, 3, 64, 64))

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 2)"""
        a, b = (self.features(each).mean((2, 3)) for each in (x, self.reference))
        return self.head((a - b).abs())


class Autoencoder(nn.Module):
    """Returns the picture again."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(block(3, 8, 2), block(8, 16, 2))
        self.decoder = nn.Sequential(nn.ConvTranspose2d(16, 8, 2, 2), nn.ReLU(), nn.ConvTranspose2d(8, 3, 2, 2))

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 3, height, width)"""
        return self.decoder(self.encoder(x)).sigmoid()


class WithText(nn.Module):
    """A second input, which a wrapper supplies."""

    def __init__(self) -> None:
        super().__init__()
        self.features, self.text, self.head = (
            nn.Sequential(block(3, 8, 2), block(8, 16, 2)),
            nn.Linear(5, 16),
            nn.Linear(16, 10),
        )

    def forward(self, x: Tensor, text: Tensor) -> Tensor:
        """(batch, 10)"""
        return self.head(self.features(x).mean((2, 3)) * self.text(text))


class Supplied(nn.Module):
    """The wrapper."""

    def __init__(self) -> None:
        super().__init__()
        self.model = WithText()
        self.register_buffer("words", torch.rand(1, 5))

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 10)"""
        return self.model(x, self.words.expand(len(x), -1))


class Squeeze(nn.Module):
    """Channels gated by what the whole picture holds, and one ReLU used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2, self.relu = nn.Conv2d(3, 16, 3, 2), nn.Conv2d(16, 16, 3, 1, 1), nn.ReLU(inplace=True)
        self.gate, self.head = (
            nn.Sequential(nn.Linear(16, 4), nn.ReLU(), nn.Linear(4, 16), nn.Sigmoid()),
            nn.Linear(16, 10),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 10)"""
        x = self.relu(self.conv1(x))
        y = self.relu(self.conv2(x))
        x = x + y * self.gate(y.mean((2, 3)))[..., None, None]
        return self.head(x.mean((2, 3)))


class ChannelsLast(nn.Module):
    """Works on (batch, height, width, channel) after its first layer."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.norm = nn.Conv2d(3, 16, 4, 4), nn.LayerNorm(16)
        self.mlp, self.head = nn.Sequential(nn.Linear(16, 32), nn.GELU(), nn.Linear(32, 16)), nn.Linear(16, 10)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 10)"""
        x = self.embed(x).permute(0, 2, 3, 1)
        x = x + self.mlp(self.norm(x))
        return self.head(x.mean((1, 2)))


class Shared(nn.Module):
    """The same layer three times."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.again, self.head = nn.Conv2d(3, 16, 3, 2), nn.Conv2d(16, 16, 3, 1, 1), nn.Linear(16, 10)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 10)"""
        x = self.stem(x)
        for _ in range(3):
            x = F.relu(self.again(x))
        return self.head(x.mean((2, 3)))


class Attention(nn.Module):
    """A small transformer written by hand: patches, a class token, torch's own encoder."""

    def __init__(self) -> None:
        super().__init__()
        self.patches, self.token = nn.Conv2d(3, 32, 8, 8), nn.Parameter(torch.zeros(1, 1, 32))
        self.position = nn.Parameter(torch.randn(1, 65, 32) * 0.02)
        layer = nn.TransformerEncoderLayer(32, 4, 64, 0.0, batch_first=True)
        self.encoder, self.head = nn.TransformerEncoder(layer, 2), nn.Linear(32, 10)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 10)"""
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(len(x), -1, -1), x], 1) + self.position
        return self.head(self.encoder(x)[:, 0])


def normed() -> nn.Module:
    """Parametrised weights."""
    return nn.Sequential(
        spectral_norm(nn.Conv2d(3, 8, 3, 2)),
        nn.LeakyReLU(0.2),
        weight_norm(nn.Conv2d(8, 16, 3, 2)),
        nn.LeakyReLU(0.2),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(16, 1),
    )


def signal(axes: int) -> nn.Module:
    """Convolutions along one or three axes."""
    conv, norm = (nn.Conv1d, nn.BatchNorm1d) if axes == 1 else (nn.Conv3d, nn.BatchNorm3d)
    pool = nn.AdaptiveAvgPool1d(1) if axes == 1 else nn.AdaptiveAvgPool3d(1)
    return nn.Sequential(
        conv(2, 8, 3, 1, 1), norm(8), nn.ReLU(), conv(8, 16, 3, 2, 1), nn.ReLU(), pool, nn.Flatten(), nn.Linear(16, 4)
    )


def homemade() -> Iterator[Entry]:
    """All of them."""

    def body(end: Callable[[Any, Tensor, Tensor], Any], outputs: int = 10, inputs: int = 3) -> Callable[[], nn.Module]:
        return lambda: Body(end, outputs, inputs)

    made: dict[str, Callable[[], nn.Module]] = {
        "functions only": Functional,
        "a grey picture": body(lambda m, maps, e: m.head(e), inputs=1),
        "five channels": body(lambda m, maps, e: m.head(e), inputs=5),
        "one logit": body(lambda m, maps, e: m.head(e), 1),
        "one logit, squeezed": body(lambda m, maps, e: m.head(e)[:, 0], 1),
        "a softmax": body(lambda m, maps, e: m.head(e).softmax(1)),
        "sigmoids": body(lambda m, maps, e: m.head(e).sigmoid()),
        "embedding and logits": body(lambda m, maps, e: (e, m.head(e))),
        "logits and maps in a dict": body(lambda m, maps, e: {"logits": m.head(e), "maps": maps}),
        "two heads": body(lambda m, maps, e: (m.head(e), m.other(e))),
        "no head": body(lambda m, maps, e: e),
        "a fully convolutional head": lambda: nn.Sequential(block(3, 8, 2), block(8, 16, 2), nn.Conv2d(16, 4, 1)),
        "CNN and LSTM": Recurrent,
        "Siamese": Siamese,
        "two inputs, wrapped": Supplied,
        "squeeze and excitation": Squeeze,
        "channels last": ChannelsLast,
        "a shared layer": Shared,
        "a transformer by hand": Attention,
        "spectral and weight norm": normed,
    }
    shapes = {"a grey picture": (1, 64, 64), "five channels": (5, 64, 64)}
    names = {"two heads": [f"class {number}" for number in range(10)]}
    for name, build in made.items():
        options = {"classes": names[name]} if name in names else {}
        kind = "segmentation" if name.startswith("a fully") else "classifier"
        scores = {"embedding and logits": 1, "two heads": 0}.get(name)
        yield Entry("home-made", name, build, shapes.get(name, (3, 64, 64)), kind, options, scores)
    yield Entry("home-made", "U-Net", UNet, kind="segmentation")
    yield Entry("home-made", "autoencoder", Autoencoder, kind="segmentation")
    yield Entry("home-made", "a signal", lambda: signal(1), (2, 128))
    yield Entry("home-made", "a volume", lambda: signal(3), (2, 12, 16, 16))
