"""Make the picture of evidence.md: `python docs/evidence.py` tries ten methods on fresh scenes of the bundled world."""

from pathlib import Path

import featuremaps as fm
from featuremaps.demo.world import scene
from featuremaps.plotting.files import png_of

if __name__ == "__main__":
    scenes = [scene(label, seed=9_500_000 + i) for i in range(10) for label in ("scissors", "hammer")]
    trial = fm.load("demo-fixed").trial(
        [each.picture for each in scenes], layers=["layer3", "last"], masks=[each.mask for each in scenes]
    )
    print(trial)  # noqa: T201
    Path(__file__).with_suffix(".png").write_bytes(png_of(trial.figure()))
