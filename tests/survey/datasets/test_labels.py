"""No label is dropped in silence: those of items, batches, tables, DataFrames, shards and Hugging Face datasets."""

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from survey_samples import survey_of, write_pictures
from torch import nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

import featuremaps as fm
from featuremaps.errors import FeatureMapsWarning, SurveyError
from featuremaps.pictures.preprocessing import Preprocessing
from featuremaps.survey.datasets import examples_of
from featuremaps.survey.engine.loader import load

PICTURE = torch.full((3, 8, 8), 0.5)


def labels_of(dataset: Any, **named: Any) -> list[int | str | None]:
    """The label of each picture, or why it does not count."""
    examples = examples_of(dataset, **named)
    loaded = [load(examples, Preprocessing(), number) for number in range(len(examples))]
    return [picture.label if picture.reason is None else picture.reason for picture in loaded]


@pytest.mark.parametrize(
    "item",
    [
        lambda y: {"image": PICTURE, "target": y},
        lambda y: {"pixel_values": PICTURE, "fine_label": torch.tensor([y]), "coarse_label": 7},
        lambda y: {"img": PICTURE, "y": float(y)},
        lambda y: {"x": PICTURE, "y": y},
        lambda y: (PICTURE, np.array([y])),
        lambda y: (PICTURE, {"labels": y, "boxes": [[0, 0, 1, 1]]}),
        lambda y: (PICTURE, [y]),
    ],
)
def test_items(item: Any, tmp_path: Path) -> None:
    dataset = [item(y) for y in (1, 0, 2)]
    assert labels_of(dataset) == [1, 0, 2]
    assert survey_of(dataset, tmp_path / "out").classes == ("0", "1", "2")


def test_texts_in_memory_are_numbered_in_alphabetical_order() -> None:
    pairs = [(PICTURE, "hen"), (PICTURE, "cat"), (PICTURE, None), (PICTURE, "hen")]
    assert labels_of(pairs) == [1, 0, None, 1]
    assert examples_of(pairs).classes == ("cat", "hen")
    assert labels_of([{"image": PICTURE, "kind": kind} for kind in ("b", "a")], label="kind") == [1, 0]
    assert labels_of([(PICTURE, "007"), (PICTURE, "7")]) == [0, 1]


class Named(Dataset):  # type: ignore[type-arg]
    def __init__(self, *labels: str) -> None:
        self.labels = labels

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, number: int) -> tuple[torch.Tensor, str]:
        return torch.full((3, 16, 16), 0.5), self.labels[number]


def test_texts_of_a_dataset_are_the_models_classes_where_they_are_called_so(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))
    scope = fm.Scope(model, classes=["owl", "hen", "cat"])
    survey = scope.survey(Named("cat", "owl"), "0", out=tmp_path / "out")
    assert survey.classes == ("owl", "hen", "cat")
    assert survey.pictures.labels.tolist() == [2, 0]
    with pytest.raises(SurveyError, match=r"its label 'dog' is not among the classes\. Give the names"):
        scope.survey(Named("dog", "owl"), "0", out=tmp_path / "other")


@pytest.mark.parametrize(
    "pictures", [torch.rand(3, 3, 8, 8), np.zeros((3, 8, 8, 3), np.uint8), np.zeros((3, 8, 8), np.uint8)]
)
def test_arrays_of_pictures_and_labels(pictures: Any) -> None:
    for labels in (torch.tensor([2, 0, 1]), np.array([2, 0, 1])):
        assert labels_of((pictures, labels)) == [2, 0, 1]
    names = ["a", "b"]
    several = examples_of((torch.rand(3, 3, 8, 8), torch.eye(3)[:, :2]), classes=names, several=True)
    assert [several.read(number).labels for number in range(3)] == [(0,), (1,), ()]
    with pytest.raises(SurveyError, match=r"arrays or tensors \(pictures, labels\)"):
        examples_of({"x": pictures, "y": np.array([2, 0, 1])})


def test_what_is_not_understood_stops_the_survey_before_its_pass(tmp_path: Path) -> None:
    hot = TensorDataset(torch.rand(3, 3, 16, 16), torch.eye(3))
    with pytest.raises(SurveyError, match=r"None of 3 pictures could be read:\n  picture 0: its label is one-hot"):
        survey_of(hot, tmp_path / "out")
    with pytest.raises(SurveyError, match=r"picture 1 \(counted from 0\) has a label that does not fit: .*multi-hot"):
        examples_of([("a.png", 0), ("b.png", [1, 1, 0])])
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        ((0.5, 1.0, 0), r"1 of 3 pictures were left out, first 'picture 0': its label 0.5 is a float"),
        (
            (0, -1, -1),
            r"2 of 3 pictures were left out, first 'picture 1': its label is -1, and labels are numbered from 0",
        ),
        ((0, 99, 1), r"numbers up to 99, and the model has 3 outputs, numbered from 0 to 2.*labels=\[…\]"),
    ],
)
def test_labels_that_are_left_out_or_none_of_the_models_are_told_once(labels: Any, told: str, tmp_path: Path) -> None:
    dataset = [(PICTURE.repeat(1, 2, 2), label) for label in labels]
    with pytest.warns(FeatureMapsWarning, match=told) as warned:
        survey = survey_of(dataset, tmp_path / "out")
    assert len(warned) == 1
    kept = [label for label in labels if label in (0, 1, 99)]
    assert survey.pictures.labels.tolist() == kept
    survey_of(dataset, tmp_path / "out")  # what is finished is told of no more


def test_missing_names_are_no_labels_and_mixed_ones_are_refused() -> None:
    assert labels_of([(PICTURE, "hen"), (PICTURE, float("nan")), (PICTURE, ""), (PICTURE, "cat")]) == [1, None, None, 0]
    with pytest.raises(SurveyError, match="some labels are numbers and some are text"):
        examples_of([(PICTURE, "hen"), (PICTURE, 1)])
    assert labels_of([(PICTURE, "hen"), (PICTURE, 1)], classes=["cat", "hen"]) == [1, 1]


def test_a_long_dataset_is_not_read_to_its_end_for_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("featuremaps.survey.engine.plan.TRIED", 2)
    with pytest.raises(SurveyError, match="None of the first 2 of 3 pictures could be read"):
        survey_of([(PICTURE, 0.5)] * 3, tmp_path / "out")


def test_keys_of_dicts(tmp_path: Path) -> None:
    dataset = [{"scan": PICTURE, "kind": y, "label": 9} for y in (1, 0)]
    assert labels_of(dataset, image="scan", label="kind") == [1, 0]
    assert labels_of(dataset, image="scan") == [9, 9]
    assert examples_of(dataset, image="scan").identity() != examples_of(dataset, image="scan", label="kind").identity()
    assert (
        labels_of(dataset, image="skan")[0] == "the item has no 'skan'. Did you mean 'scan'? It has scan, kind, label."
    )
    nameless = [{"image": PICTURE, "kind": 1}]
    with pytest.warns(FeatureMapsWarning, match=r"the list: none of its columns \(kind\) is called label.*label='…'"):
        assert labels_of(nameless) == [None]


def test_what_in_a_batch_is_not_for_each_picture_stays() -> None:
    pairs = [(PICTURE + y, y) for y in (0, 1, 2)]

    def batch(items: list[Any]) -> dict[str, Any]:
        labels = {"labels": torch.tensor([y for _, y in items]), "names": ["a", "b", "c"]}
        return {"image": torch.stack([x for x, _ in items]), "target": labels, "epoch": 3, "split": "train"}

    loader = DataLoader(pairs, 2, collate_fn=batch)
    assert labels_of(loader) == [0, 1, 2]
    assert torch.equal(examples_of(loader).read(2).tensor, PICTURE + 2)
    single = DataLoader(pairs, 1, collate_fn=lambda items: items[0])
    assert torch.equal(examples_of(single).read(1).tensor, PICTURE + 1)


def test_a_table_from_windows(tmp_path: Path) -> None:
    write_pictures(tmp_path / "cat", {"x": 1})
    write_pictures(tmp_path, {"cat\\y": 1})  # a name that has a backslash here
    (tmp_path / "list.csv").write_text("path,label,y\ncat\\x\\0.png,1.0,12\ncat\\y/0.png,0,13\n")
    assert labels_of(tmp_path / "list.csv") == [1, 0]


@pytest.mark.parametrize("library", ["pandas", "polars"])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_data_frames(library: str, tmp_path: Path) -> None:
    frames = pytest.importorskip(library)
    paths = write_pictures(tmp_path, {"a": 3})
    frame = frames.DataFrame({"file": list(map(str, paths)), "class": [1.0, None, 0.0], "more": [1, 2, 3]})
    assert labels_of(frame) == [1, None, 0]
    assert labels_of(frame, label="more") == [1, 2, 3]
    named = frames.DataFrame({"img": list(map(str, paths)), "label": ["007", "7", "007"]})
    assert (labels_of(named), examples_of(named).classes) == ([0, 1, 0], ("007", "7"))


def test_a_data_frame_of_pictures() -> None:
    frame = pytest.importorskip("pandas").DataFrame({"image": [np.zeros((8, 8, 3), np.uint8)] * 2, "label": [1, 0]})
    assert labels_of(frame) == [1, 0]


def write_shard(path: Path, members: list[tuple[str, bytes]], whole: bool = True) -> None:
    """Examples of a picture and the members with these endings, which are numbered."""
    stream = io.BytesIO()
    Image.new("RGB", (8, 8)).save(stream, "PNG")
    with tarfile.open(path, "w") as archive:
        for number, (ending, content) in enumerate(members):
            for suffix, held in (("png", stream.getvalue()), (ending, content)):
                member = tarfile.TarInfo(f"{number}.{suffix}")
                member.size = len(held)
                archive.addfile(member, io.BytesIO(held))
        end = archive.offset
    if not whole:
        path.write_bytes(path.read_bytes()[:end])


@pytest.mark.parametrize(
    ("ending", "contents", "classes", "labels"),
    [
        ("json", [b'{"label": 0.0}', b'{"label": [1]}'], None, [0, 1]),
        ("json", [b'{"target": "cat", "id": 4}', b'{"target": "ant"}'], ("ant", "cat"), [1, 0]),
        ("json", [b"1", b"0"], None, [1, 0]),
        ("txt", [b"cat\n", b"dog"], ("cat", "dog"), [0, 1]),
        ("cls", [b"1.0", b"0.0"], None, [1, 0]),
        ("cls", [b"007", b"010"], ("007", "010"), [0, 1]),
    ],
)
def test_shards(ending: str, contents: list[bytes], classes: Any, labels: list[int], tmp_path: Path) -> None:
    write_shard(tmp_path / "a.tar", [(ending, content) for content in contents])
    assert labels_of(tmp_path / "a.tar") == labels
    assert examples_of(tmp_path / "a.tar").classes == classes


def test_shards_whose_labels_are_not_understood(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    for content, message in (
        (b'{"label": [0, 1]}', "1.json is not understood: .*one-hot"),
        (b"{", "1.json is not und"),
    ):
        write_shard(path, [("json", b'{"label": 0}'), ("json", content)])
        with pytest.raises(SurveyError, match=message):
            examples_of(path)
    species = json.dumps({"species": "ant", "width": 8}).encode()
    write_shard(path, [("json", species)])
    with pytest.warns(FeatureMapsWarning, match=r"a.tar: none of its columns \(species, width\) is called label"):
        assert labels_of(path) == [None]
    assert (labels_of(path, label="species"), examples_of(path, label="species").classes) == ([0], ("ant",))
    write_shard(path, [("txt", b"a very long sentence about what is to be seen, written by a person"), ("cls", b"3")])
    with pytest.warns(FeatureMapsWarning, match="the .txt members are captions .'a very long"):
        assert labels_of(path) == [None, 3]


def test_a_shard_cut_between_members_is_said(tmp_path: Path) -> None:
    write_shard(tmp_path / "a.tar", [("cls", b"0"), ("cls", b"1")], whole=False)
    with pytest.warns(FeatureMapsWarning, match="a.tar ends without the mark of a tar file's end: if it was cut"):
        assert labels_of(tmp_path / "a.tar") == [0, 1]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_hugging_face_formats_and_transforms(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    paths = list(map(str, write_pictures(tmp_path, {"a": 3}, (8, 12))))
    features = datasets.Features({"img": datasets.Image(), "fine_label": datasets.ClassLabel(names=["x", "y"])})
    dataset = datasets.Dataset.from_dict({"img": paths, "fine_label": [1, 0, 1]}, features=features)
    plain = examples_of(dataset)
    expected = [Preprocessing()(plain.read(number)) for number in range(3)]

    def transform(rows: dict[str, list[Any]]) -> dict[str, Any]:
        return {
            "pixel_values": [torch.from_numpy(np.array(image)).permute(2, 0, 1) / 255 for image in rows["img"]],
            "labels": rows["fine_label"],
        }

    kinds = {
        "plain": dataset,
        "torch": dataset.with_format("torch"),
        "numpy": dataset.with_format("numpy"),
        "undecoded": dataset.cast_column("img", datasets.Image(decode=False)),
        "transform": dataset.with_transform(transform),
    }
    for kind, given in kinds.items():
        examples = examples_of(given)
        assert labels_of(given) == [1, 0, 1], kind
        assert examples.classes == (None if kind == "transform" else ("x", "y")), kind
        for number in range(3):
            torch.testing.assert_close(Preprocessing()(examples.read(number)), expected[number], msg=kind)
    assert examples_of(DataLoader(kinds["torch"], 2)).classes == ("x", "y")
    two = dataset.add_column("coarse", [0, 0, 1]).cast_column("coarse", datasets.ClassLabel(names=["p", "q"]))
    with pytest.warns(
        FeatureMapsWarning, match=r"2 columns of classes \(fine_label, coarse\), and 'fine_label' is taken"
    ):
        assert examples_of(two).classes == ("x", "y")
    assert (labels_of(two, label="coarse"), examples_of(two, label="coarse").classes) == ([0, 0, 1], ("p", "q"))
    several = dataset.add_column("tags", [[0, 1], [1], [0]])
    assert "one-hot" in labels_of(several, label="tags")[0]
    with pytest.warns(FeatureMapsWarning, match=r"none of its columns \(tags\) is called label"):
        assert labels_of(several.remove_columns("fine_label")) == [None] * 3
