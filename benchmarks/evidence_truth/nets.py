"""Models with known truth: a linear one, one that sees a single quarter, and one trained on a planted cue."""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

SIDE, CUE_SIDE, CUE = 24, 32, 7
"""The side of the pictures of the first two models, of the third one's, and of the cue in these."""
COLOURS = torch.tensor([[1.0, -1.0, -1.0], [-1.0, -1.0, 1.0], [-1.0, 1.0, -1.0]])
"""Red is class 0, blue class 1; green says nothing."""


class Linear(nn.Module):
    """Two scores, each a weighted sum of all values: what each place contributes is its values times the weights."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        random = torch.Generator().manual_seed(seed)
        self.features = nn.Conv2d(3, 3, 1, bias=False)
        self.head = nn.Linear(3 * SIDE * SIDE, 2, bias=False)
        smooth = F.avg_pool2d(torch.randn(2, 3, SIDE, SIDE, generator=random), 5, 1, 2)
        with torch.no_grad():
            self.features.weight.copy_(torch.eye(3)[:, :, None, None])
            self.head.weight.copy_(0.5 * smooth.flatten(1) / smooth.std())

    def forward(self, x: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch 2"]:
        scores: Tensor = self.head(self.features(x).flatten(1)) / 8
        return scores

    def contributions(self, x: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch height width"]:
        """What each place contributes to the second score, exactly."""
        return (x * self.head.weight[1].reshape(x.shape[1:])).sum(1).detach()


class Quarter(nn.Module):
    """The second score is what one quarter of the picture holds, by channels; the first is 0."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.features = nn.Conv2d(3, 4, 3, padding=1, bias=False)
        self.inside = quarter(seed)
        with torch.no_grad():
            self.features.weight.copy_(torch.randn(4, 3, 3, 3, generator=torch.Generator().manual_seed(seed)).abs())

    def forward(self, x: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch 2"]:
        seen = torch.relu(self.features(x))[:, :, self.inside].mean((1, 2))
        return torch.stack([torch.zeros_like(seen), 0.2 * seen - 1], 1)


def quarter(seed: int) -> Bool[Tensor, "height width"]:
    """One quarter of a picture, by the seed."""
    inside = torch.zeros(2, 2, dtype=torch.bool)
    inside[seed % 4 // 2, seed % 2] = True
    return inside.repeat_interleave(SIDE // 2, 0).repeat_interleave(SIDE // 2, 1)


def cue_pictures(
    count: int, seed: int
) -> tuple[Float[Tensor, "batch 3 height width"], Int[Tensor, " batch"], Bool[Tensor, "batch height width"]]:
    """Coloured clouds with two squares on them: a green one, and one whose colour is the class; where this one is."""
    random = torch.Generator().manual_seed(seed)
    labels = torch.randint(2, (count,), generator=random)
    clouds = torch.randn(count, 3, CUE_SIDE // 4, CUE_SIDE // 4, generator=random)
    fine = 0.2 * torch.randn(count, 3, CUE_SIDE, CUE_SIDE, generator=random)
    pictures = 0.7 * F.interpolate(clouds, scale_factor=4, mode="bilinear") + fine
    masks = torch.zeros(count, CUE_SIDE, CUE_SIDE, dtype=torch.bool)
    for i, label in enumerate(labels.tolist()):
        for colour in (2, label):  # the cue lies above the green square
            top, left = torch.randint(CUE_SIDE - CUE, (2,), generator=random).tolist()
            here = slice(top, top + CUE), slice(left, left + CUE)
            pictures[i, :, *here] = COLOURS[colour][:, None, None] + fine[i, :, *here]
        masks[i, here[0], here[1]] = True
    return pictures, labels, masks


def cue_net(seed: int) -> nn.Sequential:
    """A small convolutional network after 150 steps on such pictures."""
    torch.manual_seed(seed)
    layers: list[nn.Module] = []
    for inputs, outputs, stride in ((3, 16, 1), (16, 24, 2), (24, 32, 1), (32, 32, 2)):
        layers += [nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
    model = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 2))
    optimizer, (pictures, labels, _) = torch.optim.Adam(model.parameters(), 3e-3), cue_pictures(2000, 50_000 + seed)
    for step in range(150):
        rows = torch.arange(step * 32, (step + 1) * 32) % len(pictures)
        optimizer.zero_grad()
        F.cross_entropy(model(pictures[rows]), labels[rows]).backward()
        optimizer.step()
    return model.eval()


@torch.no_grad()
def cue_used(model: nn.Module, seed: int) -> tuple[float, float]:
    """The share of fresh pictures that the model gets right, and of those that it answers otherwise once the cue has
    the other class's colour, all else the same."""
    pictures, labels, masks = cue_pictures(200, seed)
    changed = pictures + masks[:, None] * (COLOURS[1 - labels] - COLOURS[labels])[:, :, None, None]
    before, after = model(pictures).argmax(1), model(changed).argmax(1)
    right = before == labels
    return float(right.float().mean()), float((after != before)[right].float().mean())
