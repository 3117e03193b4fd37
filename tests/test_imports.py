"""What `import featuremaps` does not load, so that it takes little longer than `import torch`."""

import subprocess
import sys


def test_libraries_that_few_questions_need_are_imported_when_used() -> None:
    """Neither torch nor torchvision imports them, and each takes a second or so."""
    program = """
import sys
import featuremaps
from featuremaps.evidence.registry import MEASURES
assert len(MEASURES) > 20
print([name for name in ("scipy", "sklearn", "skimage", "pandas", "altair") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_rooms_are_there_as_attributes_before_anything_was_used() -> None:
    program = """
import sys
import featuremaps
assert "torch" not in sys.modules
assert not hasattr(featuremaps, "no_such_room")
assert "Scope" in dir(featuremaps) and featuremaps.__version__
assert issubclass(featuremaps.errors.TargetError, featuremaps.FeatureMapsError)
print(featuremaps.methods.METHODS is featuremaps.METHODS)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"


def test_drawing_the_world_needs_no_torch() -> None:
    program = """
import sys
import featuremaps.demo.drawn
print([name for name in ("torch", "torchvision", "matplotlib") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_map_of_gradients_loads_what_it_needs() -> None:
    """Each of these takes a second or so, several when it is compiled first."""
    program = """
import sys
import featuremaps as fm
fm.load("demo").compare(fm.demo.images()[:1], ["grad_cam", "guided_backprop", "lrp", "occlusion"])
print([name for name in ("torchvision", "sympy", "torch._dynamo", "matplotlib") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
