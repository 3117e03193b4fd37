"""Make the picture of attention.md: `python docs/attention.py` trains a small ViT to name a colour, and looks at it."""

from io import BytesIO
from pathlib import Path

import torch
import torchvision
from PIL import Image
from torch import Tensor, nn

import featuremaps as fm
from featuremaps.plotting.files import png_of

NAMES = ("red", "green", "blue", "yellow")
COLOURS = torch.tensor([[0.9, 0.2, 0.2], [0.2, 0.8, 0.2], [0.25, 0.3, 0.95], [0.9, 0.85, 0.2]])


def scenes(count: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Pictures (count, 3, 64, 64) of a coloured disc among grey ones; its colour, and its middle (count, 2)."""
    generator = torch.Generator().manual_seed(seed)
    pictures = (
        torch.rand(count, 3, 1, 1, generator=generator) * 0.2 + torch.rand(count, 3, 64, 64, generator=generator) / 4
    )
    labels = torch.randint(4, (count,), generator=generator)
    grid = torch.stack(torch.meshgrid(torch.arange(64), torch.arange(64), indexing="ij"))
    middles = torch.randint(9, 55, (count, 4, 2), generator=generator)
    for number in range(4):  # three grey discs, then the one that counts
        inside = (grid - middles[:, number, :, None, None]).square().sum(1, keepdim=True) < 49
        grey = torch.rand(count, 1, generator=generator).expand(count, 3) * 0.6 + 0.3
        colour = COLOURS[labels] if number == 3 else grey
        pictures = torch.where(inside, colour[:, :, None, None] - pictures / 4, pictures)
    return pictures.clamp(0, 1), labels, middles[:, 3]


def trained(steps: int = 150) -> nn.Module:
    """A vision transformer of two layers with four heads that names the disc's colour."""
    torch.manual_seed(0)
    model = torchvision.models.VisionTransformer(64, 8, 2, 4, 32, 64, num_classes=4)
    nn.init.normal_(model.heads.head.weight, std=0.1)
    optimizer = torch.optim.AdamW(model.parameters(), 3e-3)
    for step in range(steps):
        pictures, labels, _ = scenes(64, step)
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(pictures), labels).backward()
        optimizer.step()
    return model.eval()


def hits(heat: fm.Heatmaps | fm.Attributions, middles: Tensor) -> int:
    """In how many pictures a map is strongest on the disc."""
    maps = heat.upsample().tensor if isinstance(heat, fm.Heatmaps) else heat.tensor.sum(1)
    strongest = torch.stack([torch.tensor(divmod(int(each.argmax()), 64)) for each in maps])
    return int(((strongest - middles).square().sum(1) <= 100).sum())


def main() -> None:
    """Write docs/attention.jpg, and say how often each map is strongest on the disc."""
    scope = fm.Scope(trained(), classes=NAMES)
    pictures, labels, middles = scenes(200, 10_000)
    right = sum(
        answers[0].index == label for answers, label in zip(scope.predict(pictures), labels.tolist(), strict=True)
    )
    print(f"answers right: {right} of 200")  # noqa: T201
    methods = ("attention_rollout", "generic_attention", "transformer_attribution", "legrad", "grad_cam")
    found = scope.compare(pictures, methods, targets=labels)
    for (method, _, _), heat in found.items():
        print(f"{method}: strongest on the disc in {hits(heat, middles)} of 200")  # noqa: T201
    for composite in ("gamma", "attn_lrp", "epsilon"):
        heat = scope.explain(pictures, "transformer_attribution", target=labels, composite=composite)
        print(f"transformer_attribution, {composite}: {hits(heat, middles)} of 200")  # noqa: T201
    heads = scope.attention(pictures[:1])
    print(heads)  # noqa: T201
    pixels = fm.Comparison({key: heat for key, heat in found.items() if key[0] != "grad_cam"})
    figures = [heads.figure(), pixels.figure(0)]
    shown = [Image.open(BytesIO(png_of(figure))) for figure in figures]
    whole = Image.new("RGB", (max(each.width for each in shown), sum(each.height for each in shown)), "white")
    top = 0
    for each in shown:
        whole.paste(each, ((whole.width - each.width) // 2, top))
        top += each.height
    small = whole.resize((whole.width * 2 // 3, whole.height * 2 // 3), Image.Resampling.LANCZOS)
    small.save(Path(__file__).with_suffix(".jpg"), quality=90)


if __name__ == "__main__":
    main()
