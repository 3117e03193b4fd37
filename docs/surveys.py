"""Draws the figures of docs/surveys.md from the bundled world: `python docs/surveys.py` writes docs/survey-*.{png,jpg}.

What the guide says in numbers is printed. A folder may be given, to keep the scenes and the surveys in.
"""

import io
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image

import featuremaps as fm
from featuremaps.demo.dataset import World
from featuremaps.plotting.files import png_of
from featuremaps.survey.survey import Survey

COUNT, SEED, LAYER = 60, 9_000_000, "layer4"
DOMAINS = {"photos": "photograph", "xrays": "xray"}


def scenes(home: Path) -> None:
    """Fresh scenes in a folder per domain and label, half of each label on plain ground."""
    for folder, domain in DOMAINS.items():
        for scene in World(COUNT, {"scissors": 0.5, "hammer": 0.5, "neither": 0.5}, domain, seed=SEED):
            place = home / folder / scene.label
            place.mkdir(parents=True, exist_ok=True)
            scene.picture.save(place / f"{'plain' if scene.shortcut else 'clutter'}-{scene.seed}.png")


def surveyed(home: Path, model: str) -> dict[str, Survey]:
    """A model's surveys of both domains, in folders called after the domain."""
    scope = fm.load(model)
    return {folder: scope.survey(home / folder, LAYER, home / model / folder) for folder in DOMAINS}


def save(name: str, figure: object, photographs: bool = False) -> None:
    """A figure as a small file: PNG in 256 colours, or JPEG where it shows photographs."""
    path = Path(__file__).parent / f"survey-{name}.{'jpg' if photographs else 'png'}"
    with Image.open(io.BytesIO(png_of(figure))) as image:  # type: ignore[arg-type]
        if photographs:
            image.convert("RGB").save(path, quality=85, optimize=True)
        else:
            image.convert("RGB").quantize(256, Image.Quantize.MEDIANCUT).save(path, optimize=True)
    sys.stdout.write(f"{path.name}: {path.stat().st_size / 1000:.0f} kB\n")


def main(home: Path) -> None:
    scenes(home)
    fixed, biased = surveyed(home, "demo-fixed"), surveyed(home, "demo")
    photos = fixed["photos"]
    found, separation, sums = photos.specialists(), photos.separation(), photos.sums()
    detector = photos.detector("scissors", threshold={"false_alarm": 0.05})
    tested = detector.test(fixed["xrays"])
    pairs = {"demo": tuple(biased.values()), "demo-fixed": tuple(fixed.values())}
    models = fm.compare_models(pairs, "scissors")
    mistakes = photos.mistakes(sums)
    unit = separation.best("scissors", 1)[0].unit
    save("specialists", found.figure())
    save("separation", separation.figure(n=5))
    save("top", photos.top_pictures(unit, 4, maps=True).figure(), photographs=True)
    save("sums", sums.figure())
    save("detect", tested.figure())
    save("models", models.figure())
    save("mistakes", mistakes.figure(most=5), photographs=True)
    told = (biased["photos"].specialists(), found, separation, unit, sums, detector, str(detector.test(photos)))
    rest = (str(tested), detector.against_model(fixed), models, photos.confusion(), mistakes)
    sys.stdout.write("\n".join(one if isinstance(one, str) else repr(one) for one in (*told, *rest)) + "\n")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with TemporaryDirectory() as folder:
            main(Path(folder))
