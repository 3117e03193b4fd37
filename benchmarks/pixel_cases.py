"""What is measured of pixel maps, beside captum and the model's own throughput."""

from benchmarks import ours, pixel_peers
from benchmarks.case import OURS, Case, Contestant, Goal, Pair
from benchmarks.peers import Build

CAPTUM, BARE = "captum", "bare forwards"
STEPS, SAMPLES, NOISE = 32, 25, 0.15
WINDOW, STRIDE = 45, 22
MASKS, AT_ONCE = 512, 32


def _beside_captum(title: str, own: Build, other: Build, goal: float, architecture: str = "resnet50") -> Case:
    contestants = {OURS: Contestant(own), CAPTUM: Contestant(other)}
    return Case(title, architecture, contestants, (Pair(OURS, CAPTUM, Goal(goal)),))


PIXEL_CASES = {
    "saliency": _beside_captum("Saliency", ours.pixels(["saliency"]), pixel_peers.captum(["Saliency"], abs=False), 1.0),
    "input_x_gradient": _beside_captum(
        "Input × gradient", ours.pixels(["input_x_gradient"]), pixel_peers.captum(["InputXGradient"]), 1.0
    ),
    "guided": _beside_captum(
        "Guided backprop", ours.pixels(["guided_backprop"]), pixel_peers.captum(["GuidedBackprop"]), 1.0
    ),
    "three": _beside_captum(
        "Input × gradient, guided backprop and DeconvNet",
        ours.pixels(["input_x_gradient", "guided_backprop", "deconvnet"]),
        pixel_peers.captum(["InputXGradient", "GuidedBackprop", "Deconvolution"]),
        1.0,
    ),
    "integrated": _beside_captum(
        f"Integrated gradients, {STEPS} steps, ResNet-18",
        ours.pixels(["integrated_gradients"], integrated_gradients={"steps": STEPS}),
        pixel_peers.captum_integrated(STEPS),
        1.0,
        "resnet18",
    ),
    "occlusion": _beside_captum(
        f"Occlusion, windows of {WINDOW} every {STRIDE}, ResNet-18",
        ours.pixels(["occlusion"], occlusion={"window": WINDOW, "stride": STRIDE}),
        pixel_peers.captum_occlusion(WINDOW, STRIDE),
        2.0,
        "resnet18",
    ),
    "rise": Case(
        f"RISE, {MASKS} masks, ResNet-18",
        "resnet18",
        {
            OURS: Contestant(ours.pixels(["rise"], rise={"masks": MASKS})),
            BARE: Contestant(pixel_peers.throughput(MASKS, AT_ONCE)),
        },
        (Pair(OURS, BARE, Goal(0.9)),),
    ),
    "smooth": _beside_captum(
        f"SmoothGrad, {SAMPLES} samples, ResNet-18",
        ours.pixels(["smooth_grad"], smooth_grad={"samples": SAMPLES, "noise": NOISE}),
        pixel_peers.captum_smooth(SAMPLES, NOISE),
        1.0,
        "resnet18",
    ),
}
