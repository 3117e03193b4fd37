"""What is measured of attention: methods beside the model's own forward and backward pass, heads beside the forward."""

from typing import Any

import torch
from torch import Tensor, nn

from benchmarks import ours, peers
from benchmarks.case import OURS, Case, Contestant, Goal, Pair
from benchmarks.timing import Run

METHODS = ("attention_rollout", "generic_attention", "legrad")
PASSES = "forward and backward"


def forward_and_backward(model: nn.Module, pictures: Tensor, classes: list[int]) -> Run:
    """The gradient of the classes' scores at the pictures: one pass each way, no weight gradients."""

    def run() -> list[Tensor]:
        leaf = pictures.detach().clone().requires_grad_()
        score = model(leaf)[torch.arange(len(leaf)), classes].sum()
        torch.autograd.grad(score, leaf)
        return []

    return run


def _methods(title: str, methods: tuple[str, ...], architecture: str = "vit_b_16", **options: Any) -> Case:
    return Case(
        title,
        architecture,
        {OURS: Contestant(ours.pixels(methods, **options)), PASSES: Contestant(forward_and_backward)},
        (Pair(OURS, PASSES, Goal(1.3, within=True)),),
    )


ATTENTION_CASES: dict[str, Case] = {
    "attention_rollout": _methods("Attention rollout", METHODS[:1]),
    "generic_attention": _methods("Chefer's relevance", METHODS[1:2]),
    "legrad": _methods("LeGrad", METHODS[2:]),
    "transformer_attribution": _methods("Chefer's attribution (CVPR)", ("transformer_attribution",)),
    "lrp_vit": _methods("LRP, ViT-B/16", ("lrp",)),
    "attn_lrp": _methods("AttnLRP, ViT-B/16", ("lrp",), lrp={"composite": "attn_lrp"}),
    "lrp_cnn": _methods("LRP, ResNet-18", ("lrp",), "resnet18"),
    "attention": _methods("Rollout, Chefer's relevance and LeGrad together", METHODS),
    "heads": Case(
        "Maps of all 144 attention heads",
        "vit_b_16",
        {OURS: Contestant(ours.heads), "bare forward": Contestant(peers.bare_forward)},
        (Pair(OURS, "bare forward", Goal(1.3, within=True)),),
    ),
}
