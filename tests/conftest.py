"""What every test shares: shapes checked by beartype, and the real models and pictures beside the project."""

from pathlib import Path

import pytest
from jaxtyping import install_import_hook

install_import_hook("featuremaps", "type_checks.checked")

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real models and pictures; absent on a user's machine."""
    if not SHARED.is_dir():
        pytest.skip(f"real models and pictures are not at {SHARED}")
    return SHARED
