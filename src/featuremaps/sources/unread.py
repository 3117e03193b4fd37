"""What kind of file it is that was given as a model or as weights and is neither, and what to do with it."""

import zipfile
from pathlib import Path
from pickle import UnpicklingError

OTHERS = {
    (".onnx",): "an ONNX graph, which has no layers of PyTorch's: give the module that it was exported from",
    (
        ".tflite",
        ".lite",
    ): "a TensorFlow Lite model, which has no layers of PyTorch's: give the Keras model, as a .keras file",
    (".weights.h5",): "of the weights of a Keras model alone: build the model, model.load_weights(…), and give "
    "featuremaps.Scope(model)",
    (".h5", ".hdf5"): "of Keras' old format: open it as you did before, and save it as model.save('model.keras')",
    (".pb",): "a TensorFlow graph: give the Keras model, as a .keras file",
    (".mlmodel", ".mlpackage"): "a Core ML model: give the module that it was made from",
    (".engine", ".plan"): "a TensorRT engine: give the module that it was made from",
    (
        ".npz",
        ".npy",
    ): "a NumPy file: load it with numpy.load, and save {name: torch.from_numpy(array), …} by torch.save",
}
"""By the ends of their names."""
BEGINNINGS = {
    b"\x89HDF": "an HDF5 file, such as Keras' old format: give the Keras model, as a .keras file",
    b"version https://git-lfs": "a pointer of Git LFS, without the content: git lfs pull fetches it",
    b"<!DOCTYPE": "a web page, as a download leaves that needed a login or another address",
    b"<html": "a web page, as a download leaves that needed a login or another address",
}


def foreign(path: Path) -> str | None:
    """What a file is that no version of PyTorch reads, and what to do; None of any other."""
    by_name = next((what for ends, what in OTHERS.items() if path.name.lower().endswith(ends)), None)
    if by_name is not None or not path.is_file():
        return by_name
    with path.open("rb") as stream:
        start = stream.read(64)
    return next((what for beginning, what in BEGINNINGS.items() if start.startswith(beginning)), None)


def why_unread(path: Path, error: Exception) -> str:
    """What kind of file it is that is no state dict, as far as can be told, and the lines that make one of it."""
    names = zipfile.ZipFile(path).namelist() if zipfile.is_zipfile(path) else []
    last = [name.rpartition("/")[2] for name in names]
    if path.is_file() and not path.stat().st_size:
        return "it is empty."
    if what := foreign(path):
        return f"it is {what}."
    if "constants.pkl" in last:
        kind, opened = "a TorchScript model", f"torch.jit.load({str(path)!r})"
    elif any("serialized_exported_program" in name or "/models/" in name for name in names):
        kind, opened = "an exported program", f"torch.export.unflatten(torch.export.load({str(path)!r}))"
    elif "data.pkl" in last or (isinstance(error, UnpicklingError) and "GLOBAL" in str(error)):
        kind, opened = (
            "a pickle of more than tensors, such as a whole model",
            (f"torch.load({str(path)!r}, weights_only=False)"),
        )
    else:
        said = str(error).partition("\n")[0].partition(" In PyTorch 2.6")[0]
        return f"it is no file of weights ({type(error).__name__}: {said})."
    return (
        f"it is {kind}. Only tensors are read, never code, unless you say that you trust whoever made the file: "
        f"load(…, trust=True), --trust. Or save its state dict once: model = {opened}; "
        "torch.save(model.state_dict(), 'weights.pt')."
    )
