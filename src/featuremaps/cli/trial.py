"""`featuremaps trial`: which explanation to believe, on this model and these pictures."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from featuremaps.cli import completion
from featuremaps.cli.app import app
from featuremaps.cli.common import gathered, model_under_study, tell_refusals
from featuremaps.cli.options import (
    Classes,
    Device,
    LayerNames,
    MethodOptions,
    Methods,
    Model,
    OptionValues,
    PicturePaths,
    Targets,
    Weights,
    for_model,
    generated,
    settings_of,
)
from featuremaps.errors import FeatureMapsError
from featuremaps.evidence.options import TRIAL_METHODS, TrialOptions
from featuremaps.pictures.coco import is_coco
from featuremaps.plotting.file_names import is_picture_file

if TYPE_CHECKING:
    from featuremaps.pictures.seen import SeenPictures

MeasureNames = Annotated[
    list[str] | None,
    typer.Option(
        "--measure",
        help="A measure; several times for several. See `featuremaps measures`.",
        autocompletion=completion.measures,
    ),
]
MasksFolder = Annotated[
    Path | None,
    typer.Option(
        "--masks",
        help="A folder of masks, bright where the object is, named as the pictures are; or COCO's annotations (.json).",
    ),
]
DetectionNumber = Annotated[
    int | None,
    typer.Option(
        "--detection",
        help="Of what a detector finds in each picture, the number of the one explained: 0 for the surest, of --target "
        "if that is given.",
    ),
]
RandomLabelModelName = Annotated[
    str | None,
    typer.Option(
        "--random-label-model",
        help="For --measure random_labels: package.module:name or FILE.py:name, a model that was trained on "
        "shuffled labels, or a function that is given a copy of the model and returns it so trained.",
    ),
]
TrialFolder = Annotated[Path, typer.Option("--out", "-o", help="The folder to write to; a trial there goes on.")]


@app.command()
@for_model
@generated(TrialOptions)
def trial(
    pictures: PicturePaths,
    model: Model,
    weights: Weights = None,
    classes: Classes = None,
    method: Methods = list(TRIAL_METHODS),  # noqa: B006
    layer: LayerNames = None,
    target: Targets = None,
    detection: DetectionNumber = None,
    measure: MeasureNames = None,
    masks: MasksFolder = None,
    random_label_model: RandomLabelModelName = None,
    out: TrialFolder = Path("trial"),
    option: MethodOptions = None,
    device: Device = None,
    *,
    options: OptionValues,
    setup: OptionValues,
) -> None:
    """Which explanation deserves belief here: methods and layers measured on your pictures, beside chance.

    **Examples**

    featuremaps trial photos/ --model torchvision:resnet50

    featuremaps trial photos/ -m torchvision:resnet50 --method grad_cam --method lrp -l layer3 -l layer4 --masks masks/

    featuremaps trial streets/ -m torchvision:fasterrcnn_resnet50_fpn --target person --detection 0
    """
    found = gathered(pictures)
    scope = model_under_study(model, weights, classes, device, setup)
    seen_pictures = scope.see(found)
    if target is not None and len(target) > 1:
        raise FeatureMapsError(f"a trial explains one class for all pictures; got --target {len(target)} times.")
    if random_label_model is not None and "random_labels" not in (measure or ()):
        raise FeatureMapsError("--random-label-model is for the measure random_labels: add --measure random_labels.")
    result = scope.trial(
        seen_pictures,
        method,
        layer or "last",
        _target(target[0] if target else None, detection),
        masks=None if masks is None else _masks(masks, seen_pictures),
        measures=measure or "usual",
        options=settings_of(option),
        out=out,
        random_label_model=_of_own_code(random_label_model),
        **options,
    )
    typer.echo(str(result))
    tell_refusals(seen_pictures)
    typer.echo(f"\n{result.save(out) / 'trial.png'}")


def _target(label: str | None, detection: int | None) -> object:
    """What is explained: a class, or of what a detector finds the one of this number, of this class if one is named."""
    from featuremaps.targets.detection_targets import Detection

    return label if detection is None else Detection(detection, label)


def _of_own_code(name: str | None) -> Any:
    """The model, or the function that trains it, that `--random-label-model` names."""
    from featuremaps.sources.factory import what_is_named

    return None if name is None else what_is_named(name, f"--random-label-model {name!r}")


def _masks(folder: Path, seen_pictures: "SeenPictures") -> list[Path] | Path:
    """The mask of each picture: the file in this folder that is named as it is, whatever the ending.

    A file of COCO's annotations, which has boxes of all, as it is.
    """
    if is_coco(folder):
        return folder
    if not folder.is_dir():
        raise FeatureMapsError(f"--masks {folder} is neither a folder nor COCO's annotations (.json).")
    files = {path.stem: path for path in sorted(folder.iterdir()) if is_picture_file(path)}
    stems = [Path(seen.picture.name).stem for seen in seen_pictures.seen]
    missing = [stem for stem in stems if stem not in files]
    if missing:
        raise FeatureMapsError(
            f"--masks {folder} has no mask for {missing[0]!r} ({len(missing)} of {len(stems)} pictures have none); "
            "a mask is a picture file named as the picture, with any ending."
        )
    return [files[stem] for stem in stems]


@app.command()
def measures() -> None:
    """The measures of a trial by what they speak of, with the end that is better, and their sources."""
    from featuremaps.evidence.documentation import listed
    from featuremaps.evidence.registry import MEASURES

    typer.echo(listed(MEASURES.values()))
