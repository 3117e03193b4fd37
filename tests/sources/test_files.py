"""Files of weights and of whole models, as training leaves them: read rightly, or refused with what to do."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torchvision.models import get_model

import featuremaps as fm
from featuremaps.errors import FeatureMapsWarning, SourceError
from featuremaps.sources.registry import full_name, read

NET = "import torch.nn as nn\ndef make():\n    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU())\n"


def net() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU())


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    (tmp_path / "net.py").write_text(NET)
    monkeypatch.chdir(tmp_path)


def loaded_with(content: object) -> torch.Tensor:
    torch.save(content, "w.pt")
    weight: torch.Tensor = fm.load("net.py:make", weights="w.pt").model[0].weight
    return weight


def prefixed(prefix: str, state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {prefix + key: value for key, value in state.items()}


def test_a_part_of_a_training_module_is_found_and_the_rest_is_named() -> None:
    state = net().state_dict()
    lightning = {"state_dict": {**prefixed("classifier.body.", state), "loss.weight": torch.ones(2)}}
    with pytest.warns(FeatureMapsWarning, match=r"under 'classifier\.body\.'.*1 others are left out \(loss\.weight\)"):
        torch.testing.assert_close(loaded_with(lightning), state["0.weight"])
    both = prefixed("student.", state) | prefixed("teacher.", net().state_dict())
    with pytest.raises(SourceError, match=r"fit several times, under 'student\.', 'teacher\.'"):
        loaded_with(both)


@pytest.mark.parametrize("word", ["_orig_mod.", "_fsdp_wrapped_module.", "_checkpoint_wrapped_module."])
def test_a_part_that_torch_compiled_or_wrapped_has_its_own_names_again(word: str) -> None:
    state = net().state_dict()
    inside = {key.replace("1.", f"1.{word}"): value for key, value in state.items()}
    torch.testing.assert_close(loaded_with(prefixed("module.", inside)), state["0.weight"])
    torch.testing.assert_close(loaded_with({"module": state, "steps": 3}), state["0.weight"])


def test_an_average_beside_what_it_is_of_comes_first() -> None:
    average = net().state_dict()
    both = prefixed("online_model.", net().state_dict()) | prefixed("ema_model.", average)
    with pytest.warns(
        FeatureMapsWarning, match=r"under 'ema_model\.' are the model's; 7 others are left out \(online_model"
    ):
        torch.testing.assert_close(loaded_with(both), average["0.weight"])


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("w.safetensors", b"version https://git-lfs.github.com/spec/v1\n", "a pointer of Git LFS, without the content"),
        ("w.pt", b"\x89HDF\r\n", "an HDF5 file, such as Keras' old format"),
        ("w.pt", b"<!DOCTYPE html>", "a web page"),
        ("w.h5", b"\x89HDF\r\n", r"Keras' old format: .*model\.save\('model\.keras'\)"),
        ("w.npz", b"PK", r"a NumPy file: .*torch\.from_numpy"),
        ("w.pt", b"hello", r"it is no file of weights \(KeyError"),
    ],
)
def test_files_of_others_are_told(name: str, content: bytes, words: str) -> None:
    Path(name).write_bytes(content)
    with pytest.raises(SourceError, match=words):
        fm.load("net.py:make", weights=name)
    Path("folder").mkdir()
    with pytest.raises(SourceError, match=r"'folder' is a folder: give the file in it"):
        fm.load("net.py:make", weights="folder")


def test_a_model_of_another_library_is_told() -> None:
    Path("model.onnx").write_bytes(b"")
    with pytest.raises(SourceError, match=r"is not understood\. model\.onnx is an ONNX graph, .*exported from"):
        fm.load("model.onnx")


@pytest.mark.parametrize("key", ["state_dict_ema", "ema_state_dict", "model_ema"])
def test_averaged_weights_come_first_and_that_is_said(key: str) -> None:
    plain, average = net().state_dict(), net().state_dict()
    average_model = prefixed("module.", average) | {"n_averaged": torch.tensor(7)}
    with pytest.warns(FeatureMapsWarning, match=f"holds 'state_dict' and its average '{key}'"):
        weight = loaded_with({"state_dict": plain, key: average_model})
    torch.testing.assert_close(weight, average["0.weight"])
    torch.testing.assert_close(loaded_with({key: average_model}), average["0.weight"])


def test_what_restoration_and_distillation_programs_keep_is_found_and_holders_in_holders_too() -> None:
    state = net().state_dict()
    doubled = {key: value * 2 for key, value in state.items()}
    for average, other in (("params_ema", "params"), ("teacher", "student")):
        with pytest.warns(FeatureMapsWarning, match=f"holds '{other}' and its average '{average}'"):
            assert torch.equal(loaded_with({average: doubled, other: state}), doubled["0.weight"])
    nested = {"checkpoint": {"epoch": 3, "model": {"state_dict": state}}, "config": {"model": "net"}}
    assert torch.equal(loaded_with(nested), state["0.weight"])


def test_versions_of_modules_are_kept_or_taken_to_be_todays() -> None:
    model = get_model("mnasnet0_5", weights=None, num_classes=3)
    torch.save({"model": prefixed("module.", model.state_dict())}, "plain.pt")
    torch.save(model.state_dict(), "versioned.pt")
    save_file(model.state_dict(), "safe.safetensors")
    for file in ("plain.pt", "versioned.pt", "safe.safetensors"):
        scope = fm.load("torchvision:mnasnet0_5", weights=file)
        torch.testing.assert_close(scope.model.layers[0].weight, model.layers[0].weight)


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("ssdlite320_mobilenet_v3_large", {}),
        ("lraspp_mobilenet_v3_large", {}),
        ("deeplabv3_mobilenet_v3_large", {"aux_loss": True}),
    ],
)
def test_detectors_and_segmentation_load_from_a_file_alone(
    name: str, settings: dict[str, bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = get_model(name, weights=None, weights_backbone=None, num_classes=4, **settings)
    torch.save(model.state_dict(), "w.pt")
    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", None)
    loaded = fm.load(f"torchvision:{name}", weights="w.pt").model.state_dict()
    assert loaded.keys() == model.state_dict().keys()
    assert all(torch.equal(loaded[key], value) for key, value in model.state_dict().items())


@pytest.mark.parametrize("save", [torch.save, partial(torch.save, _use_new_zipfile_serialization=False)])
def test_a_whole_model_only_for_who_trusts_the_file(save: Callable[..., None]) -> None:
    model = net()
    save(model, "whole.pt")
    with pytest.raises(SourceError, match=r"runs whatever code is in it.*trust=True\), --trust"):
        fm.load("whole.pt")
    torch.testing.assert_close(fm.load("whole.pt", trust=True).model[0].weight, model[0].weight)
    with pytest.raises(SourceError, match=r"cannot be read.*load\(…, trust=True\)"):
        fm.load("net.py:make", weights="whole.pt")
    scope = fm.load("net.py:make", weights="whole.pt", trust=True)
    torch.testing.assert_close(scope.model[0].weight, model[0].weight)
    with pytest.raises(SourceError, match="trust=True"):  # said for one file, not for the next
        fm.load("whole.pt")


def test_checkpoints_with_more_than_tensors_need_trust() -> None:
    model = net()
    torch.save({"model": model.state_dict(), "args": SimpleNamespace(lr=0.1)}, "w.pt")
    with pytest.raises(SourceError, match="more than tensors"):
        fm.load("net.py:make", weights="w.pt")
    weight = fm.load("net.py:make", weights="w.pt", trust=True).model[0].weight
    torch.testing.assert_close(weight, model[0].weight)


def test_an_exported_program_has_its_layers_again() -> None:
    model, picture = net().eval(), torch.rand(1, 3, 9, 9)
    torch.export.save(torch.export.export(model, (picture,)), "program.pt2")
    with pytest.raises(SourceError, match="trust=True"):
        fm.load("program.pt2")
    torch.testing.assert_close(fm.load("program.pt2", trust=True).maps(picture, "0").tensor, model[0](picture).detach())


def test_files_that_hold_no_model() -> None:
    torch.save(net().state_dict(), "weights.pt")
    Path("text.pt").write_text("hello")
    for spec, message in {
        "weights.pt": "holds a OrderedDict and no module: if these are weights, give the file as weights",
        "text.pt": "cannot be opened",
        "file:gone.pt": "'gone.pt' does not exist",
    }.items():
        with pytest.raises(SourceError, match=message):
            fm.load(spec, trust=True)
    Path("gone.py").write_text("import torch.nn as nn\nclass Net(nn.Conv2d): pass\nmake = lambda: Net(3, 2, 1)\n")
    torch.save(fm.load("gone.py:make").model, "orphan.pt")
    import sys

    for name in [name for name in sys.modules if name.endswith("gone")]:
        del sys.modules[name]
    with pytest.raises(SourceError, match="needs the code that its model was made with"):
        fm.load("orphan.pt", trust=True)


def test_the_only_weights_in_a_checkpoint_are_found_whatever_they_are_called() -> None:
    state = net().state_dict()
    torch.testing.assert_close(loaded_with({"my_weights": state, "epoch": 2}), state["0.weight"])
    with pytest.raises(SourceError, match=r"has 'a', 'b', and holds no state dict"):
        loaded_with({"a": state, "b": state})


@pytest.mark.parametrize(
    ("head", "words"),
    [
        (nn.Sequential(nn.Dropout(), nn.Linear(512, 4)), r"Only 'fc' differs.*model\.fc = …"),
        (nn.Identity(), r"Only 'fc' differs"),
        (nn.Linear(512, 4, bias=False), r"1 missing \(fc\.bias…\)\.$"),
    ],
)
def test_weights_of_another_head_say_how_to_build_it(head: nn.Module, words: str) -> None:
    trained = get_model("resnet18", weights=None)
    trained.fc = head
    torch.save(trained.state_dict(), "w.pt")
    with pytest.raises(SourceError, match=words):
        fm.load("torchvision:resnet18", weights="w.pt")


def test_quantised_weights_are_no_others_values() -> None:
    state = {
        key: (value * 50).to(torch.int8) if key == "0.weight" else value for key, value in net().state_dict().items()
    }
    with pytest.raises(SourceError, match=r"whole numbers for 1 of the model's tensors \(0\.weight is int8\)"):
        loaded_with(state)
    halves = {key: value.half() if value.is_floating_point() else value for key, value in net().state_dict().items()}
    assert torch.equal(loaded_with(halves), halves["0.weight"].float())


def test_weights_of_other_outputs_say_how_many() -> None:
    state = net().state_dict()
    state["0.weight"], state["0.bias"] = torch.ones(9, 3, 3, 3), torch.ones(9)
    with pytest.raises(SourceError, match=r"of a model with 9 outputs, and this one has 4"):
        loaded_with(state)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("trained.pt", r"There is no file 'trained\.pt'"),
        ("folder", "folder is a folder: give the file in it"),
        ("google/vit-base", "Did you mean 'hf:google/vit-base'"),
        (nn.ReLU(), r"got a ReLU\. A model that you have already goes to featuremaps\.Scope"),
    ],
)
def test_what_names_no_model_is_told_what_it_is(spec: object, words: str) -> None:
    Path("folder").mkdir()
    with pytest.raises(SourceError, match=words):
        read(full_name(spec), None)


def test_a_model_s_name_may_be_a_path() -> None:
    torch.save(net(), "whole.pt")
    assert fm.load(Path("whole.pt"), trust=True).name == "whole.pt"
