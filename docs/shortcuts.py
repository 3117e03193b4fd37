"""Make the picture of shortcuts.md: `python docs/shortcuts.py` searches pictures such as `demo` learned from."""

from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image

import featuremaps as fm
from featuremaps.demo.dataset import World
from featuremaps.demo.drawn import draw
from featuremaps.plotting.files import png_of

if __name__ == "__main__":
    with TemporaryDirectory() as folder:
        place = Path(folder)
        draw({place / "photos": tuple(World(150, {"scissors": 0.96, "hammer": 0.0}, seed=31_000_000).recipes)})
        for name in ("demo", "demo-fixed"):
            scope = fm.load(name)
            survey = scope.survey(place / "photos", "last", place / name)
            found = scope.find_shortcuts(survey)
            print(found)  # noqa: T201
            if name == "demo":
                whole = Image.open(BytesIO(png_of(found.figure()))).convert("RGB")
                small = whole.resize((whole.width * 3 // 4, whole.height * 3 // 4), Image.Resampling.LANCZOS)
                small.quantize(192, Image.Quantize.MEDIANCUT).save(Path(__file__).with_suffix(".png"), optimize=True)
                print(scope.repaired(found[0], survey))  # noqa: T201
