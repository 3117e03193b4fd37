"""Loading models: each source with real files, and messages that say what is wrong."""

import sys
from pathlib import Path

import pytest
import torch
import torchvision
from benchmarks.resnet20 import ResNet20
from safetensors.torch import save_file

import featuremaps as fm
from featuremaps.errors import SourceError
from featuremaps.sources.checkpoint import fit_weights, read_weights


def test_torchvision_with_real_weights(shared: Path) -> None:
    scope = fm.load("torchvision:squeezenet1_0", weights=shared / "models" / "squeezenet1_0_imagenet_fp16.safetensors")
    photos = sorted((shared / "images" / "imagenet").glob("*.jpg"))[::5]
    right = 0
    for photo in photos:
        scores = scope.record(photo, "last", gradients=False).logits
        assert scores is not None
        right += int(scores.argmax()) == int(photo.name[:3])
    assert scope.classes is not None
    assert scope.classes[281] == "tabby"
    assert right >= 8, f"{right} of {len(photos)} right, about 58% are expected"


def test_number_of_classes_is_read_from_the_weights(tmp_path: Path) -> None:
    model = torchvision.models.resnet18(num_classes=7)
    save_file(model.state_dict(), tmp_path / "seven.safetensors")
    scope = fm.load("torchvision:resnet18", weights=tmp_path / "seven.safetensors")
    assert scope.model.fc.out_features == 7
    assert scope.classes is None
    torch.testing.assert_close(scope.model.fc.weight, model.fc.weight)


def test_timm_with_a_file(tmp_path: Path) -> None:
    timm = pytest.importorskip("timm")
    model = timm.create_model("resnet10t", num_classes=3)
    save_file(model.state_dict(), tmp_path / "t.safetensors")
    scope = fm.load("timm:resnet10t", weights=tmp_path / "t.safetensors", classes=["a", "b", "c"])
    heat = scope.explain(torch.rand(1, 3, 64, 64), target="b")
    assert heat.targets == ("b",)
    assert heat.layer == "layer4"


def test_factory_may_return_transform_and_classes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ourfactory.py").write_text(
        "import torch\nfrom benchmarks.resnet20 import ResNet20\n"
        "def make():\n    return ResNet20(2), lambda image: torch.zeros(3, 32, 32), ['yes', 'no']\n"
        "wrong = 3\n"
    )
    monkeypatch.chdir(tmp_path)
    path = list(sys.path)
    scope = fm.load("ourfactory:make")
    assert scope.classes == ("yes", "no")
    assert sys.path == path
    with pytest.raises(SourceError, match="gave a int"):
        fm.load("ourfactory:wrong")
    with pytest.raises(SourceError, match=r"has no 'mak'\. Did you mean 'make'"):
        fm.load("ourfactory:mak")


def test_folders_and_programs_given_as_the_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "vit").mkdir()
    (tmp_path / "vit" / "config.json").write_text("{}")
    (tmp_path / "net.pt2").write_bytes(b"")
    with pytest.raises(SourceError, match=r"'vit' is not understood\. Give 'hf:vit'"):
        fm.load("vit")
    with pytest.raises(SourceError, match=r"net\.pt2 is a program by torch\.export\.save, .*trust=True\), --trust"):
        fm.load("net.pt2")


def test_a_name_of_torchvision_alone_is_torchvisions_unless_it_is_something_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save(torchvision.models.squeezenet1_1(num_classes=3).state_dict(), "mine.pt")
    scope = fm.load("squeezenet1_1", weights="mine.pt", classes=["a", "b", "c"])
    assert scope.name == "torchvision:squeezenet1_1"
    assert type(scope.model).__name__ == "SqueezeNet"
    Path("squeezenet1_1.py").write_text("")
    with pytest.raises(SourceError, match=r"Which function of the module squeezenet1_1 makes the model\?"):
        fm.load("squeezenet1_1", weights="mine.pt")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("resnet51", r"model 'resnet51' is not understood\. Did you mean 'torchvision:resnet50'"),
        ("ResNet18", r"is not understood\. Did you mean 'torchvision:resnet18'"),
        ("convnext_atto", r"is not understood\. Did you mean 'timm:convnext_atto'"),
        ("Net", r"'Net' is not understood\. Give 'demo'"),
        ("json.loads", r"is not understood\. Give 'json:loads'\."),
        ("json", r"Which function of the module json makes the model\? Give 'json:function'"),
        ("torchvison:resnet50", r"no source 'torchvison'\. Did you mean 'torchvision'"),
        ("torchvision:resnet5", r"torchvision has no model 'resnet5'\. Did you mean"),
        ("timm:resnet_18", r"timm has no model 'resnet_18'\. Did you mean"),
        ("keras:missing.keras", r"Keras file 'missing\.keras' does not exist"),
        ("json:loads_all", r"'json' has no 'loads_all'\. Did you mean 'loads'"),
    ],
)
def test_specs_that_name_nothing(spec: str, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        fm.load(spec)


def test_checkpoints_in_their_usual_wrappings(tmp_path: Path) -> None:
    torch.manual_seed(0)
    own = ResNet20().state_dict()
    wrappings = {
        "plain": own,
        "state_dict": {"state_dict": own, "epoch": 3},
        "parallel": {"model": {f"module.{key}": value for key, value in own.items()}},
        "compiled": {f"_orig_mod.{key}": value for key, value in own.items()},
        "lightning": {"state_dict": {f"model.{key}": value for key, value in own.items()}},
    }
    for name, wrapped in wrappings.items():
        torch.save(wrapped, tmp_path / f"{name}.pth")
        model = ResNet20()
        fit_weights(model, read_weights(tmp_path / f"{name}.pth"), tmp_path / f"{name}.pth")
        assert all(torch.equal(value, own[key]) for key, value in model.state_dict().items()), name


class Dangerous:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (print, ("code in a checkpoint ran",))


def test_code_in_a_checkpoint_never_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save({"weights": Dangerous()}, tmp_path / "bad.pth")
    with pytest.raises(SourceError, match="Only tensors are read, never code"):
        read_weights(tmp_path / "bad.pth")
    assert capsys.readouterr().out == ""


def test_weights_that_do_not_fit(tmp_path: Path) -> None:
    own = ResNet20().state_dict()
    own["conv2.weight"] = own.pop("conv1.weight")
    path = tmp_path / "w.safetensors"
    save_file(own, path)
    with pytest.raises(SourceError, match=r"do not fit ResNet20: 1 missing \(conv1\.weight.*1 unknown \(conv2\.weight"):
        fit_weights(ResNet20(), read_weights(path), path)


def test_demo_models_load_offline() -> None:
    for name, count in (("demo", 2), ("demo-leaning", 2), ("demo-fixed", 3)):
        scope = fm.load(name)
        assert scope.classes is not None
        assert len(scope.classes) == count
        assert not scope.model.training
