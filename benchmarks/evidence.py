"""How fast explanations are measured beside the peers, and how long a whole trial takes, and how many passes.

    python -m benchmarks.evidence [--part measures|together|passes|trial] [--repeats N]

Measures: ResNet-18 with seeded random weights, 224², 8 pictures, equal steps. Contestants take turns, and seconds of
the processor are compared, which a busy machine leaves alone. Together: ten methods on trial by one measure, beside the
peer called for each of them. Passes: ten methods and six measures, all pictures that enter the model counted by a hook.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
import torchvision
from torch import Tensor, nn

import featuremaps as fm
from benchmarks import evidence_peers as peers
from benchmarks.table import aligned
from featuremaps.demo.world import scene
from featuremaps.evidence.examination import Examination
from featuremaps.evidence.options import TrialOptions
from featuremaps.evidence.registry import MEASURES
from featuremaps.explain.compare import compare
from featuremaps.explain.options import ExplainOptions
from featuremaps.explain.request import request_for

PICTURES, SIDE, STEPS, SAMPLES = 8, 224, 20, 10
SHARES = (10, 20, 30, 40, 50, 60, 70, 80, 90)
NINE = len(SHARES) + 1
"""ROAD's steps with these shares."""
TRIALS: dict[str, Any] = {
    "the usual measures": "usual",
    "6 measures": ("deletion", "insertion", "ab_pc", "road", "infidelity", "single_deletion"),
}
PARTS = ("measures", "together", "passes", "trial")
Run = Callable[[], object]


def ours(scope: fm.Scope, x: Tensor, method: str, layer: str, measure: str, **options: object) -> Run:
    """One measure of one method's maps, the maps made as well."""

    def run() -> object:
        studied, how = scope._studied, ExplainOptions(batch_size=len(x))
        request = request_for(studied, x[:1], [method], layer, [None], how)
        with studied.session() as session:
            comparison = compare(studied.model, scope.see(x).seen, request)
            examination = Examination(session, x, range(len(x)), request, comparison, TrialOptions())
            ((key, _),) = [(key[:2], None) for key in comparison]
            needs = examination.needs_of(key) | {"generator": torch.Generator().manual_seed(0)}
            entry = MEASURES[measure]
            return entry.formula(*(needs[name] for name in entry.needs), **options)

    return run


def torchcam_curves(model: nn.Module, x: Tensor) -> Run:
    """torchcam's deletion and insertion of Grad-CAM."""
    from torchcam.methods import GradCAM
    from torchcam.metrics import DeletionInsertionMetric

    def run() -> object:
        with GradCAM(model, "layer4") as extractor:
            metric = DeletionInsertionMetric(extractor, lambda logits: logits.softmax(1), steps=STEPS)
            metric.update(x)
        return metric.summary()

    return run


def grad_cam_road(model: nn.Module, x: Tensor) -> Run:
    """grad-cam's ROAD of its own Grad-CAM, most and least relevant first."""
    from pytorch_grad_cam import GradCAM
    from pytorch_grad_cam.metrics.road import ROADCombined
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputSoftmaxTarget

    def run() -> object:
        with torch.no_grad():
            classes = model(x).argmax(1).tolist()
        targets = [ClassifierOutputSoftmaxTarget(index) for index in classes]
        with GradCAM(model=model, target_layers=[model.layer4]) as cam:
            maps = cam(input_tensor=x, targets=targets)
        return ROADCombined(percentiles=list(SHARES))(x, maps, targets, model)

    return run


def captum_infidelity(model: nn.Module, x: Tensor) -> Run:
    """captum's infidelity of input × gradient, squares taken out."""
    from captum.attr import InputXGradient
    from captum.metrics import infidelity, infidelity_perturb_func_decorator

    @infidelity_perturb_func_decorator(False)
    def square(inputs: Tensor) -> Tensor:
        side = SIDE // 4
        top, left = (int(torch.randint(SIDE - side, ())) for _ in range(2))
        changed = inputs.clone()
        changed[:, :, top : top + side, left : left + side] = 0
        return changed

    def run() -> object:
        with torch.no_grad():
            target = model(x).argmax(1)
        values = InputXGradient(model).attribute(x.clone().requires_grad_(), target=target)
        most = 32
        return infidelity(
            model,
            square,
            x,
            values,
            target=target,
            n_perturb_samples=SAMPLES,
            max_examples_per_batch=most,
            normalize=True,
        )

    return run


def captum_sensitivity(model: nn.Module, x: Tensor) -> Run:
    """captum's max-sensitivity of the gradient."""
    from captum.attr import Saliency
    from captum.metrics import sensitivity_max

    def run() -> object:
        with torch.no_grad():
            target = model(x).argmax(1)
        explain = Saliency(model).attribute
        return sensitivity_max(
            explain, x, n_perturb_samples=SAMPLES, max_examples_per_batch=32, target=target, abs=False
        )

    return run


def measures(repeats: int) -> list[tuple[str, ...]]:
    """Rows: what is measured, our seconds, the peer and its seconds, the ratio and the goal."""
    torch.manual_seed(0)
    model = torchvision.models.resnet18().eval()
    x = torch.rand(PICTURES, 3, SIDE, SIDE)
    scope = fm.Scope(model)
    grad_cam = (scope, x, "grad_cam", "layer4")
    pairs: dict[str, tuple[Mapping[str, Run], str]] = {
        "deletion and insertion": (
            {
                "ours": ours(*grad_cam, "insertion_minus_deletion", steps=STEPS, fill_in="zero"),
                "torchcam": torchcam_curves(model, x),
            },
            "3",
        ),
        "ROAD, both orders": ({"ours": ours(*grad_cam, "road", steps=NINE), "grad-cam": grad_cam_road(model, x)}, "3"),
        "infidelity": (
            {
                "ours": ours(scope, x, "input_x_gradient", "layer4", "infidelity", samples=SAMPLES),
                "captum": captum_infidelity(model, x),
            },
            "3",
        ),
        "max-sensitivity": (
            {
                "ours": ours(scope, x, "saliency", "layer4", "max_sensitivity", samples=SAMPLES),
                "captum": captum_sensitivity(model, x),
            },
            "3",
        ),
    }
    rows = []
    for work, (contestants, goal) in pairs.items():
        times: dict[str, list[float]] = {name: [] for name in contestants}
        for _ in range(repeats):
            for name, run in contestants.items():
                begun = time.process_time()
                run()
                times[name].append(time.process_time() - begun)
        own, (peer, other) = (
            statistics.median(times.pop("ours")),
            next((name, statistics.median(seconds)) for name, seconds in times.items()),
        )
        rows.append((work, f"{own:.2f} s", peer, f"{other:.2f} s", f"{other / own:.2f}", goal))
        print(aligned(("measure", "ours", "peer", "its time", "ratio", "goal"), rows[-1:]))
    return rows


def together(pictures: int = 2, only: str = "") -> list[tuple[str, ...]]:
    """Rows as those of `measures`, for ten methods on trial; their maps are there before."""
    torch.manual_seed(0)
    model = torchvision.models.resnet18().eval()
    x = torch.rand(pictures, 3, SIDE, SIDE)
    classes = model(x).argmax(1)
    options = {
        "deletion, insertion": {"insertion": {"fill": "zero"}},
        "infidelity": {"infidelity": {"samples": SAMPLES}},
        "max_sensitivity": {"max_sensitivity": {"samples": SAMPLES}},
        "road_morf, road_lerf": {name: {"steps": NINE} for name in ("road_morf", "road_lerf")},
    }
    maps = {name: explain(model, x, classes) for name, explain in peers.ON_ONE_RECORD.items()}
    rows = []
    for name, measure in peers.MEASURES.items():
        if only not in name:
            continue
        run = all_ours(fm.Scope(model), x, name.split(", "), options.get(name, {}))
        own, theirs = cost(run), 0.0
        for method, explain in peers.ON_ONE_RECORD.items():
            theirs += cost(partial(measure, model, x, classes, explain, maps[method]))
        rows.append((f"10 methods: {name}", f"{own:.2f} s", f"{theirs:.2f} s", f"{theirs / own:.2f}", "3"))
        print(" | ".join(rows[-1]), flush=True)
    return rows


def cost(run: Run) -> float:
    """Seconds of the processor."""
    begun = time.process_time()
    run()
    return time.process_time() - begun


def all_ours(scope: fm.Scope, x: Tensor, measures: list[str], options: Mapping[str, Any]) -> Run:
    """These measures of ten methods on one record, whose maps are made before; no references."""
    how = ExplainOptions(batch_size=len(x))
    request = request_for(scope._studied, x[:1], list(peers.ON_ONE_RECORD), "layer4", [None], how)
    comparison = compare(scope.model, scope.see(x).seen, request)

    def run() -> None:
        with scope._studied.session() as session:
            examination = Examination(session, x, range(len(x)), request, comparison, TrialOptions())
            for name in measures:
                for key in comparison:
                    needs = examination.needs_of(key[:2]) | {"generator": torch.Generator().manual_seed(0)}
                    entry = MEASURES[name]
                    entry.formula(*(needs[need] for need in entry.needs), **options.get(name, {}))

    return run


class Entering:
    """Counts the pictures that enter a model, whoever runs it."""

    def __init__(self, model: nn.Module) -> None:
        self.pictures = 0
        model.register_forward_pre_hook(self._count)

    def _count(self, _module: nn.Module, args: tuple[object, ...]) -> None:
        self.pictures += len(args[0]) if isinstance(args[0], Tensor) else 0


def passes(pictures: int = 1, side: int = 64) -> list[tuple[str, ...]]:
    """Rows: what is counted, passes a picture of ours and of the peers, and how many times fewer ours are."""
    torch.manual_seed(0)
    x, six = torch.rand(pictures, 3, side, side), [name for each in peers.MEASURES for name in each.split(", ")]
    chosen, few = peers.methods(side), {"max_sensitivity": {"samples": SAMPLES}, "infidelity": {"samples": SAMPLES}}
    few |= {name: {"steps": NINE} for name in ("road_morf", "road_lerf")}
    counts: dict[str, float] = {}
    for name in (*peers.MEASURES, "all six measures"):
        model = torchvision.models.resnet18().eval()
        entering = Entering(model)
        measured = six if name not in peers.MEASURES else name.split(", ")
        options = {each: few[each] for each in measured if each in few}
        result = fm.Scope(model).trial(x, list(chosen), "layer4", measures=measured, options=options)
        assert result.passes == entering.pictures, (result.passes, entering.pictures)
        counts[name] = entering.pictures / pictures
        print(name, counts[name], flush=True)
    theirs = dict.fromkeys(counts, 0.0)
    for method, explain in chosen.items():
        for name, measure in peers.MEASURES.items():
            model = torchvision.models.resnet18().eval()
            classes, entering = model(x).argmax(1), Entering(model)
            maps = explain(model, x, classes)
            measure(model, x, classes, explain, maps)
            theirs[name] += entering.pictures / pictures
        print(method, {name: round(count) for name, count in theirs.items()}, flush=True)
    theirs["all six measures"] = sum(theirs.values())
    return [
        (f"10 methods, {name}", f"{own:.0f}", f"{theirs[name]:.0f}", f"{theirs[name] / own:.1f}", "10")
        for name, own in counts.items()
    ]


def trial(measures: str, pictures: int = 20) -> tuple[str, ...]:
    """Ten methods on the last layer by these measures on pictures of the bundled world: its seconds and passes."""
    scope = fm.load("demo-fixed")
    scenes = [scene(("scissors", "hammer")[i % 2], seed=9_700_000 + i) for i in range(pictures)]
    named = TRIALS[measures]
    scope.explain(scenes[0].picture)  # what is loaded once stays out of the time
    begun, worked = time.perf_counter(), time.process_time()
    result = scope.trial([each.picture for each in scenes], measures=named)
    return (
        f"10 methods, {measures}, {pictures} pictures",
        f"{time.perf_counter() - begun:.0f} s",
        f"{time.process_time() - worked:.0f} s of the processor",
        f"{result.passes} passes",
        f"{torch.get_num_threads()} threads",
    )


def main() -> None:
    """Print what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=PARTS, action="append")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", default="", help="of the rows of together, those whose measure has this in its name")
    asked: Any = parser.parse_args()
    for part in asked.part or PARTS:
        if part == "measures":
            rows = measures(asked.repeats)
            print(aligned(("measure", "ours", "peer", "its time", "ratio", "goal"), rows))
        if part == "together":
            print(aligned(("measure", "ours", "the peers'", "ratio", "goal"), together(only=asked.only)))
        if part == "passes":
            print(aligned(("measured", "our passes a picture", "the peers'", "times fewer", "goal"), passes()))
        if part == "trial":
            for name in TRIALS:
                print(" | ".join(trial(name)), flush=True)


if __name__ == "__main__":
    main()
