"""Files are called so that none overwrites another and every system takes the name."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from featuremaps import Scope
from featuremaps.errors import OptionError
from featuremaps.plotting.file_names import file_name
from featuremaps.plotting.panels import Panel, panels_figure
from method_samples import Little, noise

SCOPE = Scope(Little())


def opened(path: Path) -> Image.Image:
    with Image.open(path) as image:
        image.load()
    return image


@pytest.mark.parametrize("letter", ["9", "é", "図"])
@pytest.mark.parametrize("parts", [1, 2, 3])
def test_long_names_are_cut_and_stay_apart(letter: str, parts: int, tmp_path: Path) -> None:
    names = [file_name(letter * 240 + end, *["layer" * 50] * (parts - 1)) for end in "ab"]
    assert names[0] != names[1]
    for name in names:
        (tmp_path / f"{name}__colours.npy").write_bytes(b"")
    assert file_name("a" * 100, "grad_cam") == f"{'a' * 100}__grad_cam"


def test_pictures_with_long_names_are_explained_into_a_folder(tmp_path: Path) -> None:
    for name in ("9" * 240 + "0.png", "9" * 240 + "1.png", "a?b.png", "a*b.png"):
        Image.new("RGB", (16, 16), "red").save(tmp_path / name)
    for result in (SCOPE.explain(tmp_path, target=0), SCOPE.explain(tmp_path, "saliency"), SCOPE.maps(tmp_path)):
        written = result.save(tmp_path / "out")
        assert len({*written}) == len(written)
        assert len(written) >= 8
        assert all(path.is_file() for path in written)


def test_labels_of_one_picture_do_not_overwrite_each_other(tmp_path: Path) -> None:
    for _ in range(2):  # again: the same files
        for method in ("grad_cam", "saliency"):
            heats = {target: SCOPE.explain(noise(1), method, target=target) for target in (0, 1, 2)}
            written = {target: heat.save(tmp_path) for target, heat in heats.items()}
            for target, heat in heats.items():
                raw = next(path for path in written[target] if path.suffix == ".npy")
                assert np.array_equal(np.load(raw), heat.tensor[0].numpy()), "each file holds its own label's map"
                assert opened(written[target][0]).info["label"] == heat.targets[0]
    assert len(list(tmp_path.glob("*.npy"))) == 6
    assert (tmp_path / "picture 0__grad_cam__features.png").is_file()
    assert (tmp_path / "picture 0__grad_cam__features__class 2.png").is_file()


def test_a_picture_file_is_written_there(tmp_path: Path) -> None:
    heat = SCOPE.explain(noise(1), target=0)
    assert heat.save(tmp_path / "cat.png", size=16) == [tmp_path / "cat.png", tmp_path / "cat.npy"]
    assert np.array_equal(np.asarray(opened(tmp_path / "cat.png")), np.asarray(heat.overlay()[0]))
    heat.save(tmp_path / "deep" / "cat.jpg")
    assert opened(tmp_path / "deep" / "cat.jpg").format == "JPEG"
    pixels = SCOPE.explain(noise(1), "saliency", target=0).save(tmp_path / "p.png")
    assert [path.name for path in pixels] == ["p.png", "p__colours.png", "p.npy"]
    assert SCOPE.maps(noise(1), "features").save(tmp_path / "m.webp")[1] == tmp_path / "m.webp"
    assert SCOPE.maps(noise(1), "features:1").save(tmp_path / "unit.png")[1] == tmp_path / "unit.png"
    assert SCOPE.filters("features.conv1").save(tmp_path / "f.jpg")[0] == tmp_path / "f.jpg"
    assert opened(tmp_path / "f.jpg").format == "JPEG"
    (tmp_path / "folder.png").mkdir()
    assert heat.save(tmp_path / "folder.png")[0].parent == tmp_path / "folder.png"


def test_one_file_does_not_take_several_results(tmp_path: Path) -> None:
    for result in (
        SCOPE.explain(noise(2), target=0),
        SCOPE.compare(noise(1), ["grad_cam", "layer_cam"], targets=0),
        SCOPE.maps(noise(1), ["features", "features.conv1"]),
        SCOPE.maps(noise(1), ["features:0", "features:1"]),
        SCOPE.factorize(noise(2), "features", concepts=1, negative="clip"),
    ):
        with pytest.raises(OptionError, match=r"all\.png is one file, and there are \d (pictures|heatmaps|layers) to"):
            result.save(tmp_path / "all.png")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["$\\frac$", "$5 bill, $10 bill", "a_$x^2$", "\\$"])
def test_dollars_in_names_are_drawn_as_they_are(name: str, tmp_path: Path) -> None:
    def drawn(text: str) -> np.ndarray:
        figure = panels_figure([[Panel(Image.new("RGB", (8, 8)), text, (text,), text)]], None, title=text, caption=text)
        figure.axes[0].set_xticks([3], labels=[text])
        figure.canvas.draw()
        assert all(shown._preprocess_math(shown.get_text()) == (shown.get_text(), False) for shown in texts(figure))
        figure.savefig(tmp_path / "x.pdf", bbox_inches="tight")
        return np.asarray(figure.canvas.buffer_rgba()).copy()

    assert not np.array_equal(drawn(name), drawn(name.replace("$", ""))), "the sign is seen"


def texts(figure):
    from matplotlib.text import Text

    return [text for text in figure.findobj(Text) if "$" in text.get_text()]


def test_powers_on_a_log_axis_stay_powers() -> None:
    figure = panels_figure([[Panel(Image.new("RGB", (8, 8)))]], None)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xscale="log", xlim=(1, 1e6), xlabel="$1")
    figure.canvas.draw()
    powers = [tick for tick in axes.get_xticklabels() if tick.get_text()]
    assert powers
    assert all(tick.get_parse_math() for tick in powers)
    assert not axes.xaxis.label.get_parse_math()


def test_a_surveyed_class_with_dollars_is_drawn(tmp_path: Path) -> None:
    pictures = [(picture, i % 2) for i, picture in enumerate(torch.rand(8, 3, 16, 16))]
    survey = SCOPE.survey(pictures, "features", tmp_path / "s", labels=["$\\frac$", "knife"], workers=0)
    survey.sums().figure().savefig(tmp_path / "x.png")
    assert (tmp_path / "x.png").stat().st_size > 1000
