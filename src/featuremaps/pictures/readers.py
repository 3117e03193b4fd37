"""What reads a file of a signal, a volume or a video into an array, by the end of its name."""

from os import fspath
from pathlib import Path
from typing import Any

_READERS = {
    (".wav", ".flac", ".mp3", ".ogg", ".m4a"): "soundfile.read or torchaudio.load",
    (
        ".mp4",
        ".avi",
        ".mov",
        ".mkv",
        ".webm",
        ".gif",
    ): "torchcodec or PyAV, frame by frame, as (colour, frame, …)",
    (".nii", ".nii.gz", ".mgz"): "nibabel.load(…).get_fdata()",
    (".dcm", ".dicom"): "pydicom.dcmread(…).pixel_array",
    (".nrrd", ".mha", ".mhd"): "SimpleITK.ReadImage",
    (".edf", ".bdf"): "mne.io.read_raw(…).get_data()",
    (".hea", ".dat"): "wfdb.rdrecord",
    (".h5", ".hdf5"): "h5py.File(…)['name'][:]",
    (".mat",): "scipy.io.loadmat(…)['name']",
    (".csv", ".tsv", ".parquet"): "pandas.read_csv(…).to_numpy()",
    (".pt", ".pth"): "torch.load(…)",
    (".npz",): "numpy.load(…)['name']",
    (".tif", ".tiff"): "tifffile.imread",
}
"""The libraries that people use for each."""
FRAMES = "torch.stack([{frame} for {each}], dim=1)"
"""One video of its frames, (colour, frame, height, width)."""


def is_frame(given: object) -> bool:
    """Whether this is a single picture of PIL's."""
    return hasattr(given, "getbands") and hasattr(given, "convert")


def how_to_read(given: Any, axes: int) -> str:
    """What was given, a name or a picture, and what makes an input with so many axes of it, as a part of a sentence."""
    if is_frame(given):
        become = FRAMES.format(frame="to_tensor(frame)", each="frame in frames")
        return "a PIL picture was given" + (
            f". The frames of one video become its tensor by {become}" if axes == 4 else ""
        )
    name = fspath(given)
    if axes == 4 and Path(name).is_dir():
        become = FRAMES.format(frame="torchvision.io.decode_image(path) / 255", each="path in sorted(paths)")
        return f"a folder, {name!r}, was given. If it holds the frames of one video: {become}"
    reader = next((how for ends, how in _READERS.items() if name.lower().endswith(ends)), "numpy.load(…)")
    return f"the name of a file, {name!r}, was given, which you read first ({reader})"
