"""Signals and volumes in files: the sentence says what reads them."""

from pathlib import Path

import pytest
import torch
from PIL import Image

from featuremaps.errors import ImageError
from featuremaps.pictures.signals import input_of, inputs_of

SIGNALS, VOLUMES = 2, 4


@pytest.mark.parametrize(
    ("name", "axes", "words"),
    [
        ("yes.wav", SIGNALS, r"takes signals .*'yes\.wav', was given, which you read first \(soundfile\.read"),
        ("ecg.mat", SIGNALS, r"scipy\.io\.loadmat"),
        ("Scan.NII.GZ", VOLUMES, r"nibabel\.load"),
        ("film.mp4", VOLUMES, r"torchcodec or PyAV, frame by frame, as \(colour, frame"),
        ("volume.npy", VOLUMES, r"numpy\.load"),
        (Path("noname"), VOLUMES, r"numpy\.load"),
    ],
)
def test_a_file_is_told_what_reads_it(name: str | Path, axes: int, words: str) -> None:
    with pytest.raises(ImageError, match=words):
        inputs_of(name, axes)


def test_the_frames_of_a_video_are_told_how_they_become_one(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"a folder, .* was given\. .*torch\.stack\(\[torchvision\.io\.decode_image"):
        inputs_of(tmp_path, VOLUMES)
    with pytest.raises(ImageError, match=r"a PIL picture was given\. .*torch\.stack\(\[to_tensor\(frame\)"):
        inputs_of([Image.new("RGB", (4, 4))] * 2, VOLUMES)


def test_a_sampling_rate_is_no_label() -> None:
    """As torchaudio's datasets give their items: (signal, rate, label, speaker, number)."""
    item = (torch.rand(1, 64), 16000, "yes", "speaker", 0)
    for read in (lambda: inputs_of([item], SIGNALS), lambda: input_of(item, SIGNALS)):
        with pytest.raises(
            ImageError, match=r"\(signal, 16000, …\), and 16000 is a sampling rate, .*\(item\[0\], item\[2\]\)"
        ):
            read()
    assert input_of((torch.rand(1, 64), 2, "speaker"), SIGNALS).label == 2
