"""Files that were written show themselves in a notebook, and are a list of paths for all that."""

import re
from pathlib import Path

import torch
from PIL import Image

from featuremaps.plotting.files import write_files
from featuremaps.plotting.written_files import LONGEST, SHOWN, WrittenFiles


def written(folder: Path, count: int) -> WrittenFiles:
    picture, numbers = Image.new("RGB", (300, 200), "red"), torch.zeros(2, 2)
    names = [f"<{i}> & 猫" for i in range(count)]
    return write_files(folder, (entry for name in names for entry in ((name, picture), (name, numbers))))


def test_they_are_a_list_of_paths(tmp_path: Path) -> None:
    files = written(tmp_path, 2)
    assert isinstance(files, list)
    assert [path.suffix for path in files] == [".png", ".npy"] * 2
    assert repr(files) == repr(list(files))


def test_a_notebook_shows_the_first_pictures_small(tmp_path: Path) -> None:
    shown = written(tmp_path, 2)._repr_html_()
    assert shown.count("<img") == 2
    assert "4 files in <code>" in shown
    assert "&lt;0&gt; &amp; 猫.png" in shown
    many = written(tmp_path / "many", SHOWN + 3)._repr_html_()
    assert many.count("<img") == SHOWN
    assert f"the first {SHOWN} of {SHOWN + 3} pictures" in many
    assert {int(width) for width in re.findall(r"width: (\d+)px", many)} == {LONGEST}


def test_files_that_are_gone_and_none_at_all_are_no_error(tmp_path: Path) -> None:
    assert "2 files" in WrittenFiles([tmp_path / "a.png", tmp_path / "b.npy"])._repr_html_()
    assert "0 files." in WrittenFiles()._repr_html_()
