"""The Ray engine gives the local engine's tables, whatever happens to its actors; what it asks Ray for is a function."""

import builtins
import json
import os
import shutil
import signal
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from survey_samples import contents, small_model, survey_of, write_pictures
from torch import nn
from troubled import Blind, Deadly, Troubled

import featuremaps
from featuremaps.errors import ModelError, OptionError, SurveyError
from featuremaps.pictures.preprocessing import Preprocessing
from featuremaps.scope import Scope
from featuremaps.session import preserved
from featuremaps.survey.engine.compute_shard import compute_shard
from featuremaps.survey.engine.loader import stream
from featuremaps.survey.engine.plan import Job
from featuremaps.survey.engine.ray import Actors, actors_for, write_all
from featuremaps.survey.storage.shard_files import BestSoFar, write_shard


@pytest.mark.parametrize(
    ("resources", "shards", "workers", "expected"),
    [
        ({"CPU": 8.0}, 100, None, Actors(8, False, 0)),
        ({"CPU": 8.0}, 3, None, Actors(3, False, 0)),
        ({"CPU": 8.0}, 100, 2, Actors(8, False, 2)),
        ({"CPU": 96.0, "GPU": 8.0}, 100, None, Actors(8, True, 12)),
        ({"CPU": 96.0, "GPU": 2.0}, 100, None, Actors(2, True, 16)),
        ({"CPU": 4.0, "GPU": 8.0}, 100, None, Actors(8, True, 1)),
        ({"CPU": 4.0, "GPU": 8.0}, 1, 0, Actors(1, True, 0)),
        ({"CPU": 4.0, "GPU": 0.5}, 100, None, Actors(4, False, 0)),
    ],
)
def test_an_actor_for_every_gpu_or_core(
    resources: dict[str, float], shards: int, workers: int | None, expected: Actors
) -> None:
    found = actors_for(resources, shards, workers)
    assert found == expected
    assert found.reserved == ({"num_gpus": 1} if expected.gpu else {"num_cpus": 1})


def test_a_cluster_with_nothing_to_compute_on() -> None:
    with pytest.raises(SurveyError, match="offers neither a GPU nor a core; its resources are {'memory': 1.0}"):
        actors_for({"memory": 1.0}, 4, None)


def test_without_ray_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.partition(".")[0] == "ray":
            raise ModuleNotFoundError(f"No module named {name!r}")
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(
        SurveyError, match=r"engine='ray' needs Ray Data.*No module named 'ray'.*pip install featuremaps\[ray\]"
    ):
        survey_of(torch.rand(3, 3, 16, 16), tmp_path / "out", engine="ray")
    assert not (tmp_path / "out").exists()
    with pytest.raises(OptionError, match="engine is 'local' or 'ray'; got 'spark'"):
        survey_of(torch.rand(3, 3, 16, 16), tmp_path / "out", engine="spark")


def test_shards_in_any_order_give_the_same_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def backwards(job: Job) -> BestSoFar:
        numbers = [3, 0, 6, 1, 5, 4, 2]
        with preserved(job.model) as session:
            results = (
                compute_shard(
                    session,
                    job.plan,
                    number,
                    stream(job.examples, job.preprocessing, job.store.manifest.numbers(number), 0),
                )
                for number in numbers
            )
            return write_all(job.store, results, seen.append)

    seen: list[Any] = []
    write_pictures(tmp_path / "pictures", {"a": 14, "b": 13})
    survey_of(tmp_path / "pictures", tmp_path / "local")
    monkeypatch.setattr("featuremaps.survey.run.run_here", backwards)
    survey_of(tmp_path / "pictures", tmp_path / "other")
    assert sorted(one.number for one in seen) == list(range(27))
    same(tmp_path / "other", tmp_path / "local")
    parts = [contents(tmp_path / name / "partial" / "top") for name in ("local", "other")]
    assert parts[0] != parts[1]  # so the order was another


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """Two cores of this machine, whose actors find `troubled`; Ray's own warnings are not ours."""
    ray = pytest.importorskip("ray")
    pytest.importorskip("ray.data")
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        source = Path(featuremaps.__file__).parents[1]
        patch.setenv("PYTHONPATH", os.pathsep.join([str(source), str(Path(__file__).parents[1])]))
        patch.setenv("RAY_worker_niceness", "0")  # Ray's 15 leaves actors nothing where other tests run beside them
        options = {"include_dashboard": False, "log_to_driver": False, "object_store_memory": 2**28}
        ray.init(num_cpus=2, num_gpus=0, **options)
        yield
        ray.shutdown()


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """As an actor on a core has it, so that the last bits are the same."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def on_ray(test: Any) -> Any:
    """A test that needs the cluster and may take long, but not hang; Ray uses what itself and others deprecate."""
    marks: list[Any] = [pytest.mark.slow, pytest.mark.usefixtures("cluster", "in_time")]
    marks += [pytest.mark.filterwarnings(f"ignore::{kind}") for kind in ("DeprecationWarning", "FutureWarning")]
    for mark in marks:
        test = mark(test)
    return test


@pytest.fixture
def in_time() -> Iterator[None]:
    """A test that hangs is stopped in the end; how fast a loaded machine is, is not tested."""

    def late(*_: Any) -> None:
        raise TimeoutError("Ray hangs")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(1800)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def tables(folder: Path) -> dict[str, bytes]:
    """Everything but the parts whose bytes depend on the order of shards, and the manifest that has their digests."""
    every = contents(folder)
    manifest = json.loads(every.pop("manifest.json"))
    assert manifest["complete"]
    assert {"channels.parquet", "classes.parquet", "pictures.parquet", "top.parquet"} == set(manifest["tables"])
    return {name: content for name, content in every.items() if not name.startswith("partial/top/")}


def same(one: Path, other: Path) -> None:
    """Every table is, to the byte."""
    first, second = tables(one), tables(other)
    assert list(first) == list(second)
    assert [name for name in first if first[name] != second[name]] == []


@on_ray
@pytest.mark.filterwarnings("ignore:.*pictures were left out")
def test_an_actor_is_killed_and_the_tables_are_the_local_ones(tmp_path: Path) -> None:
    paths = write_pictures(tmp_path / "pictures", {"a": 14, "b": 13})
    paths[9].write_bytes(b"not a picture")
    marker = tmp_path / "killed"
    options: dict[str, Any] = {"classes": ["x", "y", "z"], "predictions": True}
    survey_of(tmp_path / "pictures", tmp_path / "local", preprocessing=Preprocessing(Troubled()), **options)
    deadly = Preprocessing(Deadly(marker, after=12))
    found = survey_of(tmp_path / "pictures", tmp_path / "ray", preprocessing=deadly, engine="ray", **options)
    assert marker.exists()
    assert [one.name for one in found.pictures.bad] == ["a/9.png"]
    same(tmp_path / "ray", tmp_path / "local")


@on_ray
def test_stopped_it_goes_on_with_either_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_pictures(tmp_path / "pictures", {"a": 14, "b": 13})
    survey_of(tmp_path / "pictures", tmp_path / "whole")
    written: list[int] = []

    def full(store: Any, result: Any, best_so_far: Any) -> None:
        if len(written) == 6:
            raise SurveyError("the disk is full.")
        written.append(result.number)
        write_shard(store, result, best_so_far)

    with monkeypatch.context() as patch:
        patch.setattr("featuremaps.survey.engine.ray.write_shard", full)
        with pytest.raises(SurveyError, match="the disk is full"):
            survey_of(tmp_path / "pictures", tmp_path / "stopped", engine="ray")
    done = json.loads((tmp_path / "stopped" / "manifest.json").read_text())["shards"]
    assert [shard["number"] for shard in done] == sorted(written)
    for engine in ("ray", "local"):
        shutil.copytree(tmp_path / "stopped", tmp_path / f"on_{engine}")
        survey_of(tmp_path / "pictures", tmp_path / f"on_{engine}", engine=engine)
        same(tmp_path / f"on_{engine}", tmp_path / "whole")


@on_ray
def test_a_shard_that_kills_every_actor_stops_the_survey(tmp_path: Path) -> None:
    write_pictures(tmp_path / "pictures", {"a": 4})
    with pytest.raises(SurveyError, match=r"3 actors died while they computed shard 0 \(pictures 0 to 3\)"):
        survey_of(tmp_path / "pictures", tmp_path / "out", preprocessing=Preprocessing(Deadly(after=2)), engine="ray")


@on_ray
def test_what_goes_wrong_on_the_cluster_is_said(tmp_path: Path) -> None:
    write_pictures(tmp_path / "pictures", {"a": 4})
    with pytest.raises(SurveyError, match=r"a/0.png can be read where the survey was called, but not on .*: .*no such"):
        survey_of(tmp_path / "pictures", tmp_path / "out", preprocessing=Preprocessing(Blind()), engine="ray")
    broken = small_model()
    with torch.no_grad():
        broken[2].bias[0] = torch.nan
    with pytest.raises(ModelError, match="own weights are not finite: 2.bias") as caught:
        survey_of(tmp_path / "pictures", tmp_path / "broken", model=broken, engine="ray")
    assert caught.value.__notes__[0].startswith("in shard 0, on ")

    def transform(image: Any) -> torch.Tensor:
        assert lock
        return torch.zeros(3, 16, 16)

    lock = threading.Lock()
    with pytest.raises(SurveyError, match=r"cannot be sent to Ray's actors \(TypeError: .*lock.*engine='local'"):
        survey_of(tmp_path / "pictures", tmp_path / "lock", preprocessing=Preprocessing(transform), engine="ray")


@on_ray
def test_a_model_a_transform_and_a_dataset_of_this_file_through_scope(tmp_path: Path) -> None:
    class Local(nn.Sequential):
        pass

    class Dataset:
        def __len__(self) -> int:
            return 10

        def __getitem__(self, number: int) -> tuple[torch.Tensor, int]:
            return torch.full((3, 16, 16), number / 10), number % 2

    scope = Scope(Local(*small_model()).eval())
    for engine in ("local", "ray"):
        scope.survey(Dataset(), ["1", "3"], tmp_path / engine, engine=engine, keep=5)
    same(tmp_path / "ray", tmp_path / "local")
