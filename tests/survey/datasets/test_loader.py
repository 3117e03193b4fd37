"""Whatever a user passes becomes the same ordered examples, with the same labels, read to the same pictures."""

import io
import json
import os
import shutil
import sys
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from survey_samples import survey_of, write_pictures
from torch.utils.data import (
    BatchSampler,
    ConcatDataset,
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    Subset,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
)
from torchvision.datasets import ImageFolder

from featuremaps.errors import FeatureMapsWarning, OptionError, SurveyError
from featuremaps.pictures.preprocessing import Preprocessing
from featuremaps.survey.datasets import examples_of
from featuremaps.survey.datasets.examples import Examples
from featuremaps.survey.datasets.tars import braces
from featuremaps.survey.engine.loader import load, stream

CLASSES = {"cat": 3, "ant": 2}


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    return write_pictures(tmp_path / "pictures", CLASSES)


def loaded(examples: Examples) -> list[tuple[str, int | None, bytes]]:
    found = [load(examples, Preprocessing(), number) for number in range(len(examples))]
    return [
        (one.name, one.label, one.input.numpy().tobytes() if one.input is not None else one.reason) for one in found
    ]


def pixels(path: Path) -> bytes:
    return (torch.from_numpy(np.array(Image.open(path))).permute(2, 0, 1).contiguous() / 255).numpy().tobytes()


def test_a_folder_has_torchvisions_classes(paths: list[Path], tmp_path: Path) -> None:
    examples = examples_of(tmp_path / "pictures")
    theirs = ImageFolder(tmp_path / "pictures")
    assert list(examples.classes) == theirs.classes == ["ant", "cat"]
    assert [(examples[i].path, examples[i].label) for i in range(5)] == [
        (Path(path), label) for path, label in theirs.samples
    ]
    assert loaded(examples)[0] == ("ant/0.png", 0, pixels(tmp_path / "pictures/ant/0.png"))


def test_lists_globs_and_the_order_of_classes(paths: list[Path], tmp_path: Path) -> None:
    assert loaded(examples_of(paths))[1] == (paths[1].as_posix(), None, pixels(paths[1]))
    pairs = examples_of([(path, path.parent.name) for path in paths], classes=["cat", "ant"])
    assert [label for _, label, _ in loaded(pairs)] == [0, 0, 0, 1, 1]
    assert len(examples_of(str(tmp_path / "pictures/*/*.png"))) == 5
    with pytest.raises(SurveyError, match="its label 'cat' is not among the classes. Did you mean 'cats'"):
        examples_of([(path, path.parent.name) for path in paths], classes=["cats", "ant"])
    with pytest.raises(SurveyError, match="its label is 7, and the 2 classes are numbered from 0 to 1"):
        examples_of([(paths[0], 7)], classes=["a", "b"])
    with pytest.raises(SurveyError, match="some labels are numbers and some are text"):
        examples_of([(paths[0], 7), (paths[1], "b")])


@pytest.mark.parametrize("suffix", ["csv", "tsv", "parquet"])
def test_tables(paths: list[Path], tmp_path: Path, suffix: str) -> None:
    table = tmp_path / f"list.{suffix}"
    rows = [(str(path.relative_to(tmp_path)), path.parent.name) for path in paths]
    rows[4] = (rows[4][0], "")
    if suffix == "parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        pq.write_table(pa.table({"image": [row[0] for row in rows], "class": [row[1] for row in rows]}), table)
    else:
        sign = "," if suffix == "csv" else "\t"
        table.write_text("\n".join(sign.join(row) for row in [("image", "class"), *rows]))
    examples = examples_of(table)
    assert examples.classes == ("ant", "cat")
    assert [label for _, label, _ in loaded(examples)] == [1, 1, 1, 0, None]
    assert loaded(examples)[0][2] == pixels(paths[0])
    assert examples_of(table, image="image", label="class").classes == ("ant", "cat")
    with pytest.raises(OptionError, match="has no column 'imge' .* Did you mean 'image'. It has image, class"):
        examples_of(table, image="imge")


def test_tables_that_cannot_be_used(tmp_path: Path) -> None:
    table = tmp_path / "list.csv"
    for text, error, message in [
        ("what,where\n1,2", OptionError, "none of its columns .what, where. is called path, image, file; say which"),
        ("path,label\n", SurveyError, "the table has no rows"),
        ("path,label\na.png", SurveyError, "line 2 has 1 cells, and the first line names 2"),
        ("path,label\n,1", SurveyError, "row 0 .counted from 0. has no path in column 'path'"),
    ]:
        table.write_text(text)
        with pytest.raises(error, match=message):
            examples_of(table)


class Own(Dataset):
    classes = ("zero", "one")

    def __init__(self, paths: list[Path]) -> None:
        self.paths = paths

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, number: int) -> tuple[Image.Image, Any]:
        if number == 3:
            raise OSError("disk trouble")
        return Image.open(self.paths[number]), [0, 1, torch.tensor(1), 0, 9][number]


def test_a_users_own_dataset(paths: list[Path]) -> None:
    for dataset in (Own(paths), DataLoader(Own(paths), batch_size=2)):
        found = loaded(examples_of(dataset))
        assert examples_of(dataset).classes == ("zero", "one")
        assert [label for _, label, _ in found[:3]] == [0, 1, 1]
        assert found[0][2] == pixels(paths[0])
        assert found[3][2] == "dataset[3] raised OSError: disk trouble"
        assert found[4][2] == "its label is 9, and the 2 classes are numbered from 0 to 1."


def test_a_loader_is_gone_through_as_it_draws_and_collates(paths: list[Path]) -> None:
    own = Own(paths)
    drawn = DataLoader(own, batch_size=2, sampler=SubsetRandomSampler([4, 0, 1]))
    assert [label for _, label, _ in loaded(examples_of(drawn))[:2]] == [0, 1]
    assert examples_of(drawn).classes == ("zero", "one")
    assert len(examples_of(DataLoader(own, shuffle=True))) == 5

    def renamed(items: list[Any]) -> dict[str, Any]:
        return {"image": [image for image, _ in items], "label": torch.tensor([1 - int(label) for _, label in items])}

    found = loaded(examples_of(DataLoader(own, collate_fn=renamed)))
    assert [label for _, label, _ in found[:3]] == [1, 0, 0]
    assert found[0][2] == pixels(paths[0])
    pairs = DataLoader(own, collate_fn=lambda items: list(zip(*items, strict=True)))
    assert [label for _, label, _ in loaded(examples_of(pairs))[:3]] == [0, 1, 1]

    for refused in (
        DataLoader(own, sampler=WeightedRandomSampler([1.0] * 5, 5)),
        DataLoader(own, sampler=RandomSampler(own, replacement=True)),
        DataLoader(own, batch_sampler=[[0, 1], [2]]),
    ):
        with pytest.raises(SurveyError, match=r"draws its items by a \w+, so which ones .*Subset\(dataset, numbers\)"):
            examples_of(refused)


def test_parts_of_a_dataset_are_told_apart(paths: list[Path]) -> None:
    own, values = Own(paths), torch.rand(5, 3, 8, 8)
    datasets = [
        own,
        Subset(own, [0, 1]),
        Subset(own, [0, 2]),
        ConcatDataset([own, Subset(own, [0])]),
        ConcatDataset([own, Subset(own, [1])]),
        TensorDataset(values),
        TensorDataset(values + 1),
        DataLoader(own, collate_fn=list),
    ]
    assert len({examples_of(dataset).identity() for dataset in datasets}) == len(datasets)
    assert examples_of(Subset(own, [0, 1])).identity() == examples_of(Subset(Own(paths), [0, 1])).identity()
    assert examples_of(Subset(own, [2])).classes == ("zero", "one")


def test_preprocessed_tensors(tmp_path: Path) -> None:
    inputs, labels = torch.rand(5, 3, 16, 16), torch.tensor([0, 1, 0, 1, 1])
    dataset = survey_of(TensorDataset(inputs, labels), tmp_path / "dataset")
    plain = survey_of(inputs, tmp_path / "plain")
    assert dataset.pictures.labels.tolist() == labels.tolist()
    np.testing.assert_array_equal(dataset.vectors("3"), plain.vectors("3"))
    with_nan = inputs.clone()
    with_nan[2, 0, 0, 0] = torch.nan
    found = loaded(examples_of(with_nan))
    assert found[2][2] == "the tensor holds NaN or infinite values."


def test_a_stream_cannot_go_on(tmp_path: Path) -> None:
    class Stream(IterableDataset):
        def __iter__(self) -> Any:
            return iter([])

    with pytest.raises(SurveyError, match="a Stream has no items that can be asked for by number"):
        examples_of(Stream())


def write_tar(path: Path, entries: dict[str, bytes]) -> None:
    with tarfile.open(path, "w") as archive:
        for name, content in entries.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def test_webdataset_shards(paths: list[Path], tmp_path: Path) -> None:
    first = {}
    for i, path in enumerate(paths[:3]):
        first |= {f"x/{i}.cls": b"1", f"x/{i}.png": path.read_bytes()}
    write_tar(tmp_path / "train-00.tar", first)
    second = {"y.seg.png": paths[3].read_bytes(), "y.json": json.dumps({"label": 0}).encode(), "z.jpg": b"broken"}
    write_tar(tmp_path / "train-01.tar", second)
    for given in (str(tmp_path / "train-{00..01}.tar"), str(tmp_path / "train-*.tar"), sorted(tmp_path.glob("*.tar"))):
        found = loaded(examples_of(given))
        assert [(name, label) for name, label, _ in found] == [
            ("x/0.png", 1),
            ("x/1.png", 1),
            ("x/2.png", 1),
            ("y.seg.png", 0),
            ("z.jpg", None),
        ]
        assert [content for _, _, content in found[:4]] == [pixels(path) for path in paths[:4]]
        assert "the content is text" in found[4][2]
    (tmp_path / "train-00.tar").write_bytes(b"nonsense")
    with pytest.raises(SurveyError, match="train-00.tar is not a tar file that can be read"):
        examples_of(str(tmp_path / "train-00.tar"))
    with pytest.raises(SurveyError, match="train-7.tar cannot be opened .No such file"):
        examples_of(str(tmp_path / "train-7.tar"))


def test_webdataset_reads_the_same_labels(paths: list[Path], tmp_path: Path) -> None:
    webdataset = pytest.importorskip("webdataset")
    with webdataset.TarWriter(str(tmp_path / "a.tar")) as sink:
        for i, path in enumerate(paths):
            sink.write({"__key__": f"sample{i}", "png": path.read_bytes(), "cls": i % 2})
    assert [label for _, label, _ in loaded(examples_of(str(tmp_path / "a.tar")))] == [0, 1, 0, 1, 0]


def test_braces() -> None:
    assert braces("a-{08..11}.tar") == ["a-08.tar", "a-09.tar", "a-10.tar", "a-11.tar"]
    assert braces("{x,y}/{1..2}.tar") == ["x/1.tar", "x/2.tar", "y/1.tar", "y/2.tar"]


@pytest.mark.filterwarnings("ignore")
def test_hugging_face(paths: list[Path]) -> None:
    datasets = pytest.importorskip("datasets")
    features = datasets.Features({"img": datasets.Image(), "fine": datasets.ClassLabel(names=["cat", "ant"])})
    rows = {"img": [str(path) for path in paths], "fine": [0, 0, 0, 1, 1]}
    dataset = datasets.Dataset.from_dict(rows, features=features)
    examples = examples_of(dataset)
    assert examples.classes == ("cat", "ant")
    assert [(label, content) for _, label, content in loaded(examples)] == [
        (label, pixels(path)) for label, path in zip(rows["fine"], paths, strict=True)
    ]
    with pytest.raises(SurveyError, match=r"this is 1 datasets \(train\); choose one: dataset\['train'\]"):
        examples_of(datasets.DatasetDict({"train": dataset}))


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_reading_ahead_keeps_the_order(paths: list[Path], workers: int) -> None:
    examples = examples_of([paths[i % 5] for i in range(70)])
    numbers = [*range(60, 70), *range(40)]
    assert [one.number for one in stream(examples, Preprocessing(), numbers, workers)] == numbers
    threads = torch.get_num_threads()
    some = stream(examples, Preprocessing(), numbers, workers)
    assert next(some).number == 60
    some.close()
    assert torch.get_num_threads() == threads


def test_a_users_dataset_is_read_in_processes(paths: list[Path]) -> None:
    examples = examples_of(Own(paths))
    found = list(stream(examples, Preprocessing(), [4, 0, 3, 1], 2))
    assert [(one.number, one.label) for one in found] == [(4, None), (0, 0), (3, None), (1, 1)]
    assert found[2].reason == "dataset[3] raised OSError: disk trouble"


def test_what_is_no_dataset(tmp_path: Path) -> None:
    for given, message in [
        (str(tmp_path / "none"), "none does not exist. Pass an image folder"),
        ([], "the list is empty"),
        (b"bytes", "a bytes is not a dataset"),
        (7, "a int is not a dataset"),
    ]:
        with pytest.raises(SurveyError, match=message):
            examples_of(given)
    with pytest.raises(OptionError, match="image= and label= name columns or keys, and a list of paths has none"):
        examples_of(["a.png"], image="x")


@pytest.mark.parametrize(
    ("cells", "classes", "labels"),
    [
        (["1_0", "1_1", "2_0"], ("1_0", "1_1", "2_0"), [0, 1, 2]),
        (["007", "7", "7"], ("007", "7"), [0, 1, 1]),
        (["0.0", "", "10.0"], None, [0, None, 10]),
        (["0", "", "10"], None, [0, None, 10]),
        (["0.5", "1.0", "1.0"], ("0.5", "1.0"), [0, 1, 1]),
    ],
)
def test_whole_numbers_are_labels_and_all_else_is_names(paths, tmp_path, cells, classes, labels) -> None:
    rows = [f"{path},{cell}" for path, cell in zip(paths, cells, strict=False)]
    (tmp_path / "list.csv").write_text("\n".join(["path,label", *rows]))
    examples = examples_of(tmp_path / "list.csv")
    assert examples.classes == classes
    assert [examples[number].label for number in range(3)] == labels


def test_what_is_not_a_number_in_parquet_is_no_label(paths, tmp_path) -> None:
    table = pa.table({"path": [str(path) for path in paths[:3]], "label": [0.0, float("nan"), 1.0]})
    pq.write_table(table, tmp_path / "list.parquet")
    examples = examples_of(tmp_path / "list.parquet")
    assert [examples[number].label for number in range(3)] == [0, None, 1]


@pytest.mark.parametrize("label", [1.5, b"x", 1j])
def test_labels_that_are_neither_numbers_nor_names(paths, label) -> None:
    with pytest.raises(SurveyError, match=f"is a {type(label).__name__}; a label is a whole number"):
        examples_of([(path, label) for path in paths])


def test_labels_in_other_types_of_numbers(paths) -> None:
    given = [(path, label) for path, label in zip(paths, (np.int64(1), 1.0, np.float32(2)), strict=False)]
    assert [examples_of(given)[number].label for number in range(3)] == [1, 1, 2]
    assert loaded(examples_of([(torch.zeros(3, 8, 8), 1.0)]))[0][1] == 1


def test_a_class_named_twice(paths) -> None:
    with pytest.raises(SurveyError, match="names 'a' twice"):
        examples_of([(path, "a") for path in paths], classes=["a", "a"])


def test_tables_that_are_damaged_or_in_another_writing(paths, tmp_path) -> None:
    (tmp_path / "latin.csv").write_bytes("path,label\nä.png,cat".encode("latin-1"))
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 no table")
    pictures = pa.array([{"bytes": paths[0].read_bytes(), "path": "a.png"}])
    pq.write_table(pa.table({"image": pictures, "label": [0]}), tmp_path / "inside.parquet")
    for name, says in {
        "latin.csv": "is not written in UTF-8 .*Save it as UTF-8",
        "bad.parquet": "cannot be read as a Parquet file",
        "inside.parquet": "column 'image' holds more than a path .*from_parquet",
    }.items():
        with pytest.raises(SurveyError, match=says) as found:
            examples_of(tmp_path / name)
        assert len(str(found.value)) < 500


def test_a_table_without_a_column_of_labels_says_which_others_it_has(paths, tmp_path) -> None:
    (tmp_path / "list.csv").write_text(f"file,kind\n{paths[0]},cat\n")
    with pytest.warns(FeatureMapsWarning, match=r"none of its columns \(kind\) is called label.*--label-column"):
        examples_of(tmp_path / "list.csv")
    assert examples_of(tmp_path / "list.csv", label="kind").classes == ("cat",)


def test_hugging_face_text_of_any_width(paths) -> None:
    import datasets

    table = pa.table({"image": [str(path) for path in paths], "label": pa.array(list("ababa"), pa.large_string())})
    examples = examples_of(datasets.Dataset(table).cast_column("image", datasets.Image()))
    assert examples.classes == ("a", "b")
    assert [label for _, label, _ in loaded(examples)] == [0, 1, 0, 1, 0]


def test_reasons_are_the_same_in_every_run() -> None:
    class Broken(Dataset):
        def __len__(self) -> int:
            return 1

        def __getitem__(self, number: int) -> object:
            raise ValueError(f"cannot read {io.BytesIO()}")

    assert loaded(examples_of(Broken()))[0][2] == "dataset[0] raised ValueError: cannot read <_io.BytesIO object>"


def test_a_loader_that_draws_a_part(paths) -> None:
    whole = [(torch.full((3, 8, 8), float(number)), number) for number in range(5)]
    for loader, drawn in (
        (DataLoader(whole, batch_sampler=BatchSampler(SubsetRandomSampler([3, 1]), 2, False)), [1, 3]),
        (DataLoader(whole, sampler=SequentialSampler(range(2))), [0, 1]),
        (DataLoader(whole, batch_sampler=BatchSampler(SequentialSampler(whole), 2, False)), [0, 1, 2, 3, 4]),
    ):
        assert [label for _, label, _ in loaded(examples_of(loader))] == drawn
    weighted = BatchSampler(WeightedRandomSampler([1.0] * 5, 5), 2, False)
    with pytest.raises(SurveyError, match="WeightedRandomSampler"):
        examples_of(DataLoader(whole, batch_sampler=weighted))


@pytest.mark.skipif(os.name == "nt" or sys.platform == "darwin", reason="names are always text there")
@pytest.mark.filterwarnings("ignore:.*pictures were left out")
def test_a_name_that_is_not_text_is_a_bad_picture(paths, tmp_path) -> None:
    shutil.copy(paths[0], os.fsencode(str(tmp_path / "pictures" / "cat")) + b"/caf\xe9.png")
    found = survey_of(tmp_path / "pictures", tmp_path / "out")
    assert len(found.pictures) == 5
    (bad,) = found.pictures.bad
    assert (bad.name, "not UTF-8" in bad.reason) == ("cat/caf\\xe9.png", True)


def test_a_link_to_nowhere_says_where(tmp_path) -> None:
    (tmp_path / "a.png").symlink_to(tmp_path / "gone.png")
    assert "gone.png, which does not exist" in loaded(examples_of([tmp_path / "a.png"]))[0][2]
