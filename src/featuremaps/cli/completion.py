"""What the shell offers for an option's value. Nothing here loads PyTorch: a person waits for it at every Tab."""

import re
from importlib.resources import files

import typer

MODELS = ("demo", "demo-leaning", "demo-fixed", "torchvision:", "timm:", "hf:", "keras:")
EVERYWHERE = ("last", "depths", "all")
STAGES = {
    r"^demo|resnet|resnext": ("layer1", "layer2", "layer3", "layer4"),
    r"^torchvision:(vgg|alexnet|squeezenet|densenet|mobilenet|efficientnet|convnext|swin)": ("features",),
    r"^torchvision:vit": ("encoder",),
    r"^timm:(vit|deit)": ("blocks",),
}
"""The layers that people name most, by the model's name."""


def models(incomplete: str) -> list[str]:
    """Bundled models, and what the names of others begin with."""
    return [name for name in MODELS if name.startswith(incomplete)]


def methods(incomplete: str) -> list[str]:
    """The methods by name."""
    return [name for name in registered("method", "methods") if name.startswith(incomplete)]


def measures(incomplete: str) -> list[str]:
    """The measures by name."""
    return [name for name in registered("measure", "evidence/measures") if name.startswith(incomplete)]


def layers(context: typer.Context, incomplete: str) -> list[str]:
    """Words that stand for layers of any model, and the usual ones of the model, where it was named before."""
    model = str(context.params.get("model") or "").lower()
    usual = next((names for words, names in STAGES.items() if re.search(words, model)), ())
    return [name for name in (*EVERYWHERE, *usual) if name.startswith(incomplete)]


def registered(decorator: str, folder: str) -> list[str]:
    """The functions under a decorator in the files of a folder of this package, which are read and not imported."""
    declared = re.compile(rf"^@{decorator}\(.*?\)\ndef (\w+)", re.MULTILINE | re.DOTALL)
    entries = (files("featuremaps") / folder).iterdir()
    texts = [each.read_text(encoding="utf-8") for each in entries if each.name.endswith(".py")]
    return sorted(name for text in texts for name in declared.findall(text))
