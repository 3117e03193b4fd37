"""The tour of the bundled world: its models explain the bundled pictures, and the known truth says who is right."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image

from featuremaps import demo
from featuremaps.demo.drawn import PHOTOGRAPHS
from featuremaps.demo.first_screen import demo_first_screen, demo_title, scissors_card
from featuremaps.demo.shortcut_findings import strangers_called, suspicion
from featuremaps.demo.survey_findings import survey_findings, survey_parts
from featuremaps.demo.surveys import one_thread, survey_world
from featuremaps.demo.world import Scene
from featuremaps.evidence.trial import Trial
from featuremaps.explain.comparison import Comparison
from featuremaps.models.studied_model import StudiedModel
from featuremaps.pictures.load import Pictures
from featuremaps.report.data import Provenance, ReportData, Section
from featuremaps.report.explanation_report import explained_picture, provenance_of
from featuremaps.report.explanations import Explanations
from featuremaps.report.html import write
from featuremaps.report.trial import TrialSection
from featuremaps.results.heatmaps import Heatmaps
from featuremaps.scope import Scope
from featuremaps.sources import load

MODELS = ("demo", "demo-fixed")
LEANING = "demo-leaning"
METHODS = ("grad_cam", "layer_cam", "ablation_cam", "guided_backprop", "lrp", "occlusion")
TRIED = ("grad_cam", "layer_cam", "lrp", "guided_backprop")
SEED = 0
PATTERNS = 2
DRAWING_STEPS = 96


@one_thread()
def tour(
    folder: Path, begin: Callable[[str], None], drawn: Callable[[], None], command: str = "featuremaps demo"
) -> tuple[tuple[str, ...], Path]:
    """Explain the bundled pictures with two bundled models, survey their world with three, and write a report.

    The world's scenes and the surveys are kept in `folder`, to be asked further questions. `begin` is told each stage;
    `drawn` waits for the scenes. Gives what was found, in sentences, and where the report is.
    """
    scenes, pictures = demo.pictures(), demo.images()
    begin("explaining the bundled pictures")
    scopes = {name: load(name) for name in (*MODELS, LEANING)}
    comparisons = {name: _compared(scopes[name], pictures) for name in MODELS}
    shares, covered = _shares(scopes, scenes)
    begin("trying which explanation to believe")
    trial = _tried(scopes["demo-fixed"], pictures)
    begin("drawing what channels look for")
    patterns = _patterns(scopes["demo"], pictures)
    begin("drawing the world that is surveyed")
    drawn()
    begin("surveying it with three models")
    world = survey_world(scopes, folder)
    begin("searching for shortcuts, and repairing them")
    suspicions = [suspicion(name, scopes[name], world.surveys[name]) for name in ("demo", LEANING)]
    begin("writing the report")
    told = [sentence for each in suspicions for sentence in each.sentences()]
    findings = (
        *_findings(scopes, comparisons, scenes, shares, covered),
        *told,
        *survey_findings(world),
        *_belief("demo-fixed", trial),
    )
    explained = {name: _explained(name, scopes[name], comparisons[name], pictures) for name in MODELS}
    called = {name: strangers_called(world.surveys[name][PHOTOGRAPHS]) for name in MODELS}
    strangers = _strangers(scenes)
    overlays = {name: _overlay(scopes[name], scenes) for name in MODELS}
    where = scissors_card(shares, covered, overlays, explained["demo"].title)
    report = ReportData(
        title=demo_title(suspicions[0], called["demo"]),
        provenance=_provenance(scopes, comparisons, command),
        findings=findings,
        first=demo_first_screen(
            {name: explained[name].pictures[strangers[0]] for name in MODELS}, called, suspicions, where
        ),
        sections=(
            *(each.section() for each in suspicions),
            TrialSection(trial, "Which explanation of demo-fixed to believe"),
            *explained.values(),
            *survey_parts(world),
            patterns,
            *scopes["demo"].inside(pictures),
        ),
    )
    return findings, write(report, folder / "report.html")


def _explained(name: str, scope: Scope, comparison: Comparison, pictures: Pictures) -> Explanations:
    """Every map of a model's comparison."""
    seen_pictures = scope.see(pictures).seen
    shown = tuple(
        explained_picture(comparison, seen, i, scope.classes, name, f"fm.demo.images()[{i}]")
        for i, seen in enumerate(seen_pictures)
    )
    return Explanations(shown, title=f"What {name} looks at")


def _strangers(scenes: Sequence[Scene]) -> list[int]:
    """The pictures of something else on plain ground."""
    return [i for i, scene in enumerate(scenes) if scene.label == "neither" and scene.shortcut]


def _overlay(scope: Scope, scenes: Sequence[Scene]) -> Image:
    """Where Grad-CAM for scissors lies in the first picture of them, at the last layer."""
    picture = next(scene.picture for scene in scenes if scene.label == "scissors")
    heat = scope.explain(picture, "grad_cam", target="scissors")
    assert isinstance(heat, Heatmaps)
    return heat.overlay()[0]


def _tried(scope: Scope, pictures: Pictures) -> Trial:
    """Four methods on trial in the photographs, on curves of few steps."""
    options: dict[str, dict[str, object]] = {
        "insertion": {"steps": 10},
        "sufficiency": {"steps": 10, "shares": (0.1, 0.2, 0.5)},
    }
    measures = (*options, "parameter_randomisation")
    shown = zip(demo.pictures(), pictures, strict=True)
    photographs = Pictures(tuple(picture for scene, picture in shown if scene.domain == "photograph"))
    return scope.trial(photographs, TRIED, measures=measures, options=options, seed=SEED)


def _belief(name: str, trial: Trial) -> tuple[str, ...]:
    """Which explanation to believe, and which not, in two sentences at most."""
    first, *rest = trial.conclusion
    doubts = [sentence for sentence in rest if sentence.startswith("Sanity")]
    return (" ".join([f"Which explanation of {name} to believe:", first, *doubts]),)


def _patterns(scope: Scope, pictures: Pictures) -> Section:
    """The channels that speak most for each class, with their strongest pictures and drawings."""
    layer = scope.layers().last
    units: dict[str, str] = {}
    for name in scope.classes or ():
        record = scope.record(pictures, layer, target=name)
        shares = (record.activations[layer] * record.gradients[layer]).sum((2, 3)).mean(0)
        units |= {f"{layer}:{channel}": f"speaks for {name}" for channel in shares.topk(PATTERNS).indices.tolist()}
    drawings = scope.draw(list(units), steps=DRAWING_STEPS, real=pictures, seed=SEED)
    return scope.patterns(pictures, list(units), drawings, units)


def energy_inside(heat: Heatmaps, masks: Sequence[NDArray[np.bool_]]) -> list[float]:
    """For each picture the share of the positive map that lies inside the object's mask."""
    shares = []
    for map, seen, mask in zip(heat.maps, heat.pictures, masks, strict=True):
        shown = seen.looked_at(map, "max").numpy()
        shares.append(float(shown[np.asarray(mask)].sum() / max(shown.sum(), 1e-9)))
    return shares


def _compared(scope: Scope, pictures: Pictures) -> Comparison:
    stages = scope.layers().stages[-2:]
    return scope.compare(pictures, METHODS, list(stages), seed=SEED)


def _findings(
    scopes: dict[str, Scope],
    comparisons: dict[str, Comparison],
    scenes: Sequence[Scene],
    shares: dict[str, float],
    covered: float,
) -> tuple[str, ...]:
    """Measured on the bundled pictures: what is mistaken for scissors, and where each model looks to see them."""
    sentences = []
    for i in _strangers(scenes):
        answers = {name: _answer(scopes[name], comparison, i) for name, comparison in comparisons.items()}
        (biased, sure), (fixed, calm) = answers["demo"], answers["demo-fixed"]
        sentences.append(
            f"Shown a plain background without any scissors, demo answers {biased} ({sure:.0%}), "
            f"demo-fixed answers {fixed} ({calm:.0%})."
        )
    count = sum(scene.label == "scissors" for scene in scenes)
    sentences.append(
        f"Asked why it sees scissors, demo puts {shares['demo']:.0%} of its Grad-CAM on the scissors themselves, "
        f"demo-fixed {shares['demo-fixed']:.0%}; they cover {covered:.0%} of the {count} pictures."
    )
    sentences.append(_accuracies())
    return tuple(sentences)


def _shares(scopes: dict[str, Scope], scenes: Sequence[Scene]) -> tuple[dict[str, float], float]:
    """How much of each model's Grad-CAM lies on the scissors, and how much of their pictures they cover."""
    scissors = [i for i, scene in enumerate(scenes) if scene.label == "scissors"]
    shares = {name: _share_inside(scopes[name], scenes, scissors) for name in MODELS}
    return shares, float(np.mean([np.mean(scenes[i].mask) for i in scissors]))


def _accuracies() -> str:
    """What was measured on fresh scenes when the models were trained."""
    measured = {name: demo.card(name)["measured"] for name in MODELS}
    usual, removed = "photograph", "photograph, shortcut removed"
    parts = [f"{name} from {m[usual]['share']:.0%} to {m[removed]['share']:.0%}" for name, m in measured.items()]
    return f"Put scissors and hammers among clutter only, and the accuracy goes, for {' and for '.join(parts)}."


def _answer(scope: Scope, comparison: Comparison, index: int) -> tuple[str, float]:
    answers = comparison.answers[index]
    assert answers is not None
    (best,) = answers.top(1)
    return best.label, best.probability


def _share_inside(scope: Scope, scenes: Sequence[Scene], chosen: Sequence[int]) -> float:
    heat = scope.explain([scenes[i].picture for i in chosen], "grad_cam", target="scissors")
    assert isinstance(heat, Heatmaps)
    return float(np.mean(energy_inside(heat, [np.asarray(scenes[i].mask) for i in chosen])))


def _provenance(scopes: dict[str, Scope], comparisons: dict[str, Comparison], command: str) -> Provenance:
    scope, names = scopes["demo"], demo.CLASSES["demo"]
    both = StudiedModel(scope.model, scope.preprocessing, names, " and ".join(MODELS))
    return provenance_of(both, comparisons["demo"], command)
