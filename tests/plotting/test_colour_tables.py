import subprocess
import sys

import numpy as np
import pytest

from featuremaps.errors import OptionError
from featuremaps.plotting.colour_tables import BUNDLED, check_colormap, colour_table


@pytest.mark.parametrize("name", [*BUNDLED, "jet"])
def test_tables_are_matplotlibs(name):
    from matplotlib import colormaps

    colours = colormaps[name](np.arange(256), bytes=True)[:, :3].astype(int)
    assert np.abs(colour_table(name).astype(int) - colours).max() <= 1  # matplotlib's bytes are cut off, not rounded


def test_the_tables_of_every_report_need_no_matplotlib():
    code = """
import sys
from featuremaps.report.palettes import palettes
assert len(palettes()) == 6
assert "matplotlib" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_unknown_colormap_names_the_nearest():
    with pytest.raises(OptionError, match=r"colormap='infernal'.*Did you mean 'inferno'.*inferno, viridis"):
        check_colormap("infernal")
