"""The commands about surveys on a real trained model, given as a user's own module, and real pictures."""

import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import featuremaps as fm
from survey_commands import rows_of, run

CIFAR = ("cat", "frog", "ship")


@pytest.fixture
def cifar(shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with twenty pictures of three CIFAR-10 classes, and beside it a module that makes ResNet-20."""
    for name in CIFAR:
        (tmp_path / "cifar" / name).mkdir(parents=True)
        for path in sorted((shared / "images" / "cifar10" / name).glob("*.jpg"))[:20]:
            shutil.copy(path, tmp_path / "cifar" / name)
    names = sorted(path.name for path in (shared / "images" / "cifar10").iterdir() if path.is_dir())
    (tmp_path / "cifar_resnet.py").write_text(
        "import torch\nfrom torchvision.transforms import v2\nfrom benchmarks.resnet20 import resnet20\n\n"
        "def make():\n"
        "    transform = v2.Compose([v2.ToImage(), v2.ToDtype(torch.float32, True),\n"
        "        v2.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))])\n"
        f"    return resnet20({str(shared / 'models' / 'resnet20_cifar10.safetensors')!r}), transform, {names!r}\n"
    )
    monkeypatch.chdir(tmp_path)
    yield tmp_path / "cifar"
    sys.modules.pop("cifar_resnet", None)


@pytest.mark.slow
def test_resnet20_on_cifar_pictures(cifar: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = ("-m", "cifar_resnet:make")
    assert run("survey", "cifar", *model, "-l", "layer2", "-l", "layer3", "-o", "s") == 0
    assert "layer2 (32 channels), layer3 (64 channels): 60 pictures of 3 classes" in capsys.readouterr().out
    assert run("specialists", "s", "-o", "o") == 1
    assert " has 2 layers (layer2, layer3)" in capsys.readouterr().err
    assert run("specialists", "s", "-l", "layer3", "-o", "o") == 0
    frog = fm.open_survey("s").specialists("layer3")["frog"]
    assert f"  frog, 20 pictures: {frog.channels[0]} ({frog.counts[0]})" in capsys.readouterr().out
    assert run("detect", "s", "--label", "frog", "-l", "layer3", "--rule", "logistic", *model, "-o", "o") == 0
    area = float(re.search(r"frog in s: AUROC ([\d.]+)", capsys.readouterr().out)[1])  # type: ignore[index]
    assert area > 0.95
    assert run("top", "s", f"layer3:{frog.channels[0]}", "-n", "4", "--label", "frog", *model, "-o", "o") == 0
    assert "4 strongest of 20 pictures of frog" in capsys.readouterr().out
    assert run("sums", "s", "-l", "layer3", "-o", "o") == 0
    assert run("confusion", "s", "-o", "o") == 0
    printed = capsys.readouterr().out
    found = re.search(r"right: ([\d.]+)%", printed)
    assert found is not None
    assert float(found[1]) > 60
    assert "(another)" in printed or "frog" in printed
    assert run("compare-models", "shallow=s", "deep=s", "-l", "shallow=layer2", "-l", "deep=layer3", "-o", "o") == 0
    table = rows_of(tmp_path / "o" / "models.csv")
    areas = {(row["class"], row["model"]): float(row["area"]) for row in table}
    assert all(areas[name, "deep"] > areas[name, "shallow"] for name in CIFAR)
