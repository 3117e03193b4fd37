"""Sources that need an optional package, each in a process of its own, because they change global state when imported."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

RUN = "import pytest; raise SystemExit(pytest.main(['-q', '-p', 'no:cacheprovider', {!r}]))"


@pytest.mark.slow
@pytest.mark.parametrize(("package", "laws"), [("transformers", "huggingface_laws.py"), ("keras", "keras_laws.py")])
def test_source(package: str, laws: str, tmp_path: Path) -> None:
    if find_spec(package) is None:
        pytest.skip(f"{package} is an optional package, and it is not installed")
    code = RUN.format(str(Path(__file__).with_name(laws)))
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
