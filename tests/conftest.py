"""What every test shares: shapes checked by beartype, and the real models and pictures beside the project."""

import gc
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import type_checks
from browsers import axe, chromium  # noqa: F401

gc.disable()  # until all is imported: hardly any of that is garbage, and looking through it takes a quarter of the time
type_checks.install()
# Compiled once, also where Python is set to keep nothing compiled: the processes that tests start read it.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The slow ones begin, so that none is left alone to one process while others have nothing to do."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


def pytest_collection_finish() -> None:
    """Libraries and tests stay to the end: no collection of garbage need look at them."""
    gc.freeze()
    gc.set_threshold(5000, 5, 5)  # seldom: what a test leaves in circles is small
    gc.enable()


@pytest.fixture(scope="session", autouse=True)
def _no_flushing() -> Iterator[None]:
    """Files need not reach the disk before the next test: the machine is not switched off."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield


@pytest.fixture(scope="session", autouse=True)
def _drawn_once(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Several test processes draw the scenes of the bundled world once, into a folder that they share."""
    folder = tmp_path_factory.getbasetemp()
    os.environ["FEATUREMAPS_DRAWN"] = str(folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real models and pictures; absent on a user's machine."""
    if not SHARED.is_dir():
        pytest.skip(f"real models and pictures are not at {SHARED}")
    return SHARED
