"""What people pass as pictures: files, folders, globs, arrays, tensors, datasets, and a few of each that are none."""

import os
from io import BytesIO

import numpy as np
import pandas
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset, IterableDataset

from featuremaps.errors import ImageError
from featuremaps.pictures.decode import SUFFIXES
from featuremaps.pictures.load import Picture, Pictures, Rejected, gather, read
from picture_samples import RED, quarters, saved


def folder_of(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix in SUFFIXES:
            saved(path, quarters())
        else:
            path.write_text("words")
    return root


def test_a_folder_in_natural_order_without_hidden_and_other_files(tmp_path):
    folder_of(
        tmp_path, "10.png", "2.png", "b/1.jpg", "a/3.png", "C/x.gif", "notes.txt", "labels.csv", "Thumbs.db",
        ".hidden.png", ".git/a.png", "__MACOSX/a.png", "x.jpg/inside.png",
    )  # fmt: skip
    found = gather(tmp_path)
    assert [picture.name for picture in found] == [
        "2.png", "10.png", "a/3.png", "b/1.jpg", "C/x.gif", "x.jpg/inside.png",
    ]  # fmt: skip
    assert found.rejected == ()
    assert found[0].path == tmp_path / "2.png"
    assert found[0].label is None


def test_a_bad_picture_in_a_folder_is_reported_and_skipped(tmp_path):
    folder_of(tmp_path, "a.png", "c.png")
    (tmp_path / "b.jpg").write_text("words")
    (tmp_path / "phone.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
    (tmp_path / "gone.png").symlink_to(tmp_path / "nowhere.png")
    found = gather(str(tmp_path))
    assert [picture.name for picture in found] == ["a.png", "c.png"]
    assert [item.name for item in found.rejected] == ["b.jpg", "gone.png", "phone.heic"]
    assert found.rejected[0] == Rejected("b.jpg", "the content is text, not a picture.", tmp_path / "b.jpg")


def test_a_folder_that_links_to_itself(tmp_path):
    folder_of(tmp_path, "a/1.png")
    (tmp_path / "a" / "loop").symlink_to(tmp_path)
    folder_of(tmp_path.parent / "elsewhere", "2.png")
    (tmp_path / "linked").symlink_to(tmp_path.parent / "elsewhere")
    assert [picture.name for picture in gather(tmp_path)] == ["a/1.png", "linked/2.png"]


def test_folders_without_a_picture(tmp_path):
    with pytest.raises(ImageError, match=r"no picture in this folder or below it \(0 other files\)"):
        gather(tmp_path)
    folder_of(tmp_path, "a.txt", "b/c.csv")
    with pytest.raises(ImageError, match=r"\(2 other files\)\.$"):
        gather(tmp_path)
    folder_of(tmp_path, "top.parquet")
    with pytest.raises(ImageError, match=r"It holds a survey, which is reported on with --survey\."):
        gather(tmp_path)
    for index in range(12):
        (tmp_path / f"{index}.jpg").write_text("words")
    with pytest.raises(
        ImageError, match=r"None of 12 pictures could be read:\n.*/0\.jpg: the content is text"
    ) as caught:
        gather(tmp_path)
    assert str(caught.value).endswith("and 2 more")


def test_a_folder_below_that_cannot_be_opened(tmp_path, monkeypatch):
    folder_of(tmp_path, "a.png", "locked/b.png")
    scandir = os.scandir

    def refuse(path):
        if str(path).endswith("locked"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    found = gather(tmp_path)
    assert [picture.name for picture in found] == ["a.png"]
    assert found.rejected == (Rejected("locked", "it cannot be opened (Permission denied).", tmp_path / "locked"),)


def test_a_glob(tmp_path):
    folder_of(tmp_path, "a10.png", "a9.png", "b.png", "a.txt", "deep/a1.png", "[1].png")
    assert [p.name for p in gather(f"{tmp_path}/a*")] == ["a9.png", "a10.png"]
    assert [p.name for p in gather(tmp_path / "a?.png")] == ["a9.png"]
    assert {p.name for p in gather(f"{tmp_path}/**/a*.png")} == {"a9.png", "a10.png", "a1.png"}
    assert [p.name for p in gather(f"{tmp_path}/d*")] == ["a1.png"]  # a folder that matches is opened
    assert [p.name for p in gather(f"{tmp_path}/[1].png")] == ["[1].png"]  # a file of that very name
    with pytest.raises(ImageError, match="this pattern matches no picture"):
        gather(f"{tmp_path}/z*.png")


def test_home_is_understood(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    folder_of(tmp_path, "a.png")
    assert gather("~/a.png")[0].path == tmp_path / "a.png"
    assert read("~/a.png").path == tmp_path / "a.png"


def test_a_list_of_anything(tmp_path):
    folder_of(tmp_path, "a.png", "more/b.png")
    (tmp_path / "bad.png").write_text("words")
    tensor = torch.rand(3, 5, 7)
    found = gather(
        [tmp_path / "a.png", str(tmp_path / "bad.png"), tmp_path / "more", Image.fromarray(quarters()), quarters(),
         tensor, torch.rand(2, 3, 5, 7), None, (quarters(), 4), (str(tmp_path / "a.png"), np.int64(2))]
    )  # fmt: skip
    assert [p.name for p in found] == [
        "a.png", "b.png", "picture 3", "picture 4", "picture 5", "picture 6", "picture 7", "picture 9", "a.png (2)",
    ]  # fmt: skip
    assert [item.name for item in found.rejected] == ["bad.png", "picture 8"]
    assert found.rejected[1].reason.startswith("NoneType is not a picture. Pass a path")
    assert found[4].tensor is not None
    assert found[4].image is None
    torch.testing.assert_close(found[4].tensor, tensor)
    assert [found[7].label, found[8].label, found[0].label] == [4, 2, None]


def test_a_tuple_and_a_generator(tmp_path):
    folder_of(tmp_path, "a.png", "b.png")
    assert len(gather((tmp_path / "a.png", tmp_path / "b.png"))) == 2
    assert len(gather(path for path in sorted(tmp_path.iterdir()))) == 2


def test_pictures_are_a_sequence_and_pass_through(tmp_path):
    folder_of(tmp_path, "a.png", "b.png")
    (tmp_path / "c.png").write_text("words")
    found = gather(tmp_path)
    assert isinstance(found, Pictures)
    assert (len(found), len(found.rejected)) == (2, 1)
    assert found[-1].name == "b.png"
    assert list(found[:1]) == [found[0]]
    assert list(reversed(found)) == [found[1], found[0]]
    again = gather(found)
    assert again == found
    assert gather(found[0])[0] is found[0]


def test_a_picture_holds_one_thing():
    with pytest.raises(ImageError, match="a: a Picture holds an image or a tensor, and neither was given"):
        Picture("a")
    with pytest.raises(ImageError, match="both was given"):
        Picture("a", kept=Image.new("RGB", (2, 2)), tensor=torch.zeros(3, 2, 2))


def test_a_pil_image_is_neither_changed_nor_shared(tmp_path):
    with Image.open(saved(tmp_path / "named.png", quarters())) as image:
        picture = gather(image)[0]
        assert picture.name == "named.png"
        picture.image.putpixel((0, 0), (1, 2, 3))
        assert image.getpixel((0, 0)) == RED
    with Image.open(tmp_path / "named.png") as image:
        image.close()
        with pytest.raises(ImageError, match="cannot be decoded"):
            gather(image)


def test_tensors_are_already_preprocessed():
    batch = torch.randn(2, 5, 6, 7, dtype=torch.float64)
    found = gather(batch)
    assert [picture.name for picture in found] == ["picture 0", "picture 1"]
    assert all(torch.equal(picture.tensor, row) for picture, row in zip(found, batch, strict=True))
    for bad in (torch.rand(4, 4), torch.rand(1, 1, 3, 4, 4), torch.rand(0, 3, 4, 4)):
        with pytest.raises(ImageError, match=r"a tensor of shape .*\(batch, channel, height, width\)"):
            gather(bad)
    with pytest.raises(ImageError, match="the tensor is on the meta device, which has no values"):
        gather(torch.rand(1, 3, 4, 4, device="meta"))
    with pytest.raises(ImageError, match=r"the tensor is sparse: give tensor.to_dense\(\)"):
        gather(torch.rand(1, 3, 4, 4).to_sparse())
    with pytest.raises(ImageError, match="the tensor is of complex numbers: give real ones"):
        gather(torch.rand(1, 3, 4, 4, dtype=torch.complex64))
    with pytest.raises(ImageError, match="the tensor is nested: give a list of its parts"):
        gather(torch.nested.nested_tensor([torch.rand(3, 4, 4)], layout=torch.jagged))
    for value in (float("nan"), float("inf")):
        with pytest.raises(ImageError, match="the tensor holds NaN or infinite"):
            gather(torch.full((3, 4, 4), value))


class Items(Dataset):
    def __init__(self, *items):
        self.items = items

    def __len__(self):
        return len(self.items)

    def __getitem__(self, index):
        if isinstance(self.items[index], Exception):
            raise self.items[index]
        return self.items[index]


class Stream(IterableDataset):
    def __iter__(self):
        yield quarters(), 1
        yield Image.fromarray(quarters()), "cat"


def test_a_dataset():
    image = Image.fromarray(quarters())
    normalised = np.random.default_rng(0).normal(size=(3, 4, 4)).astype(np.float32)
    found = gather(
        Items(
            image, (image, 3), (torch.rand(3, 4, 4), torch.tensor(5)), {"image": image, "label": "cat"},
            {"pixel_values": normalised, "labels": np.int64(1)}, [image, 2, "more"], OSError("cut short"),
            {"scan": image}, (image, {"boxes": []}), (image, 0.5),
        )
    )  # fmt: skip
    assert [picture.label for picture in found] == [None, 3, 5, "cat", 1, 2, None, None]
    assert [picture.name for picture in found][-2:] == ["picture 8", "picture 9"]
    np.testing.assert_array_equal(found[4].tensor, normalised)
    assert [item.name for item in found.rejected] == ["picture 6", "picture 7"]
    assert found.rejected[0].reason == "dataset[6] raised OSError: cut short"
    assert "a dict with 'scan'" in found.rejected[1].reason
    assert [picture.label for picture in gather(Stream())] == [1, "cat"]
    assert gather({"image": image, "label": 7})[0].label == 7


@pytest.mark.parametrize("given", [None, 42, bytearray(b"\xff\xd8"), {1, 2}])
def test_what_is_no_picture(given):
    with pytest.raises(ImageError, match=f"^{type(given).__name__} is not a picture. Pass a path"):
        gather(given)


def encoded():
    stream = BytesIO()
    Image.fromarray(quarters()).save(stream, "PNG")
    return stream.getvalue()


def test_the_bytes_of_a_file_and_an_open_one(tmp_path):
    path = saved(tmp_path / "a.png", quarters())
    with path.open("rb") as stream:
        found = [*gather(encoded()), *gather(BytesIO(encoded())), *gather(stream)]
    assert [picture.name for picture in found] == ["picture 0", "picture 0", "a.png"]
    for picture in found:
        np.testing.assert_array_equal(picture.image, quarters())
    with pytest.raises(ImageError, match=r"empty \(0 bytes\)"):
        gather(b"")


@pytest.mark.parametrize("form", [list, tuple])
def test_a_batch_as_a_loader_gives_it_has_its_labels(form):
    found = gather(form([torch.rand(2, 3, 4, 4), torch.tensor([5, 1])]))
    assert ([picture.label for picture in found], found.rejected) == ([5, 1], ())
    arrays = gather(form([np.zeros((2, 4, 4, 3), np.uint8), np.array([5, 1])]))
    assert [picture.label for picture in arrays] == [5, 1]
    (loaded,) = DataLoader([(torch.rand(3, 4, 4), 7)] * 2, batch_size=2)
    assert [picture.label for picture in gather(loaded)] == [7, 7]


def test_a_loader_says_what_to_pass():
    with pytest.raises(ImageError, match=r"a batch, next\(iter\(loader\)\)"):
        gather(DataLoader([1, 2]))


def test_tables_and_columns_of_them(tmp_path):
    paths = [str(saved(tmp_path / f"{name}.png", quarters())) for name in "abc"]
    table = pandas.DataFrame({"Path": paths, "label": ["cat", "dog", "cat"]})
    found = gather(table[1:])
    assert [(picture.name, picture.label) for picture in found] == [("b.png", "dog"), ("c.png", "cat")]
    assert [picture.name for picture in gather(table["Path"][1:])] == ["b.png", "c.png"]
    assert [picture.name for picture in gather(np.array(paths))] == ["a.png", "b.png", "c.png"]
    with pytest.raises(ImageError, match=r"none of the DataFrame's columns \(label\) is called path, image, file"):
        gather(table[["label"]])


def test_nothing_and_addresses():
    with pytest.raises(ImageError, match=r"^No pictures were given\. Pass a path"):
        gather([])
    with pytest.raises(ImageError, match="the path is empty"):
        gather("")
    with pytest.raises(ImageError, match=r"'https://a\.example/cat\.jpg' is an address, and nothing is fetched"):
        gather("https://a.example/cat.jpg")


def test_real_pictures(shared):
    found = gather(shared / "images" / "imagenet")
    assert len(found) == 100
    assert found.rejected == ()
    assert {picture.image.mode for picture in found} == {"RGB"}
    assert min(min(picture.image.size) for picture in found) == 256
    numbers = [int(picture.name.split("_")[0]) for picture in found]
    assert numbers == sorted(numbers)
