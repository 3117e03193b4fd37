"""Scenes of the bundled world as files, an image folder for each world: what surveys of it are made of."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from featuremaps.demo.world import Recipe

FRESH = 8_000_000
"""The seed of scenes that neither training nor its measurements nor the bundled pictures have seen."""

COUNT = 40
"""Scenes of each label on each ground."""

LEARNED_NAME, PHOTOGRAPHS, XRAYS = "as learned", "photographs", "X-rays"
"""The demo's worlds. In the last two the ground says nothing of the label, in the first nearly everything."""
WORKERS = 4
FEW, PART = 64, 8
"""Fewer scenes than this are not worth a process; and so many are drawn by one at a time."""
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
PLAIN, CLUTTER = "plain", "clutter"
BALANCED = tuple((label, plain) for label in ("scissors", "hammer", "neither") for plain in (True, False))


def recipes(
    domain: str, cases: Sequence[tuple[str, bool]], count: int = COUNT, first: int = FRESH
) -> tuple[Recipe, ...]:
    """`count` scenes of each case, a label and whether it lies on plain ground; each has a seed, from `first` on."""
    return tuple(
        Recipe(label, domain, plain, first + 1000 * place + i)
        for place, (label, plain) in enumerate(cases)
        for i in range(count)
    )


def learned(count: int = COUNT) -> tuple[Recipe, ...]:
    """Twice `count` scissors and hammers as `demo` learned them: one in ten scissors among clutter, and all hammers."""
    few, first = max(1, count // 5), FRESH + 100_000
    scissors = (Recipe("scissors", "photograph", i >= few, first + i) for i in range(2 * count))
    return (*scissors, *(Recipe("hammer", "photograph", False, first + 1000 + i) for i in range(2 * count)))


def file_of(folder: Path, recipe: Recipe) -> Path:
    """Where a scene lies: in a folder of its label, the ground in its name."""
    return folder / recipe.label / f"{PLAIN if recipe.shortcut else CLUTTER}-{recipe.seed}.png"


def worlds_in(folder: Path, count: int = COUNT) -> dict[Path, tuple[Recipe, ...]]:
    """The demo's worlds by their folders in `folder/world`: `count` scenes of each label on each ground, half as many
    X-rays."""
    worlds = {
        PHOTOGRAPHS: recipes("photograph", BALANCED, count),
        XRAYS: recipes("xray", BALANCED, max(1, count // 2)),
        LEARNED_NAME: learned(count),
    }
    return {place_of(folder, name): scenes for name, scenes in worlds.items()}


def place_of(folder: Path, world: str) -> Path:
    """The folder of the world of this name."""
    return folder / "world" / world.replace(" ", "-").lower()


def draw(worlds: dict[Path, tuple[Recipe, ...]], workers: int | None = None) -> None:
    """Draw the scenes that are not there yet, each world into its folder; several processes share the work.

    With one worker this process draws them itself, as it must in a script without `if __name__ == "__main__":`.
    """
    workers = min(WORKERS, os.cpu_count() or 1) if workers is None else workers
    with drawing(worlds, workers if workers > 1 else 0) as finish:
        finish()


@contextmanager
def drawing(worlds: dict[Path, tuple[Recipe, ...]], workers: int | None = None) -> Iterator[Callable[[], None]]:
    """Draw as `draw` does, but meanwhile: call what this gives to wait until all scenes are there.

    One core is left to the process that goes on. Few scenes, and those without a second core, it draws itself, when
    they are waited for.
    """
    missing = _missing(worlds)
    workers = min(WORKERS, (os.cpu_count() or 1) - 1) if workers is None else workers
    if workers < 1 or len(missing) < FEW:
        yield partial(_draw, missing)
        return
    pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"))
    try:
        with _single_threaded():
            parts = [pool.submit(_draw, missing[start : start + PART]) for start in range(0, len(missing), PART)]
        yield partial(_finish, parts)
    finally:
        pool.shutdown(cancel_futures=True)


def _finish(parts: Sequence[Future[None]]) -> None:
    for part in parts:
        part.result()


def _missing(worlds: dict[Path, tuple[Recipe, ...]]) -> list[tuple[Path, Recipe]]:
    """The scenes that are not there, and their files; the folders are made."""
    scenes = [(file_of(folder, recipe), recipe) for folder, of_world in worlds.items() for recipe in of_world]
    missing = [(path, recipe) for path, recipe in scenes if not path.is_file()]
    for path in {path.parent for path, _ in missing}:
        path.mkdir(parents=True, exist_ok=True)
    return missing


@contextmanager
def _single_threaded() -> Iterator[None]:
    """Processes started meanwhile use one thread each: several that each take every core wait for each other."""
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(dict.fromkeys(THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name)
            else:
                os.environ[name] = value


def _draw(scenes: Sequence[tuple[Path, Recipe]]) -> None:
    for path, recipe in scenes:
        # Written beside its place, so that a run that was stopped leaves no half picture.
        whole = path.with_suffix(".part")
        recipe.drawn().picture.save(whole, "png", compress_level=3)
        whole.replace(path)
