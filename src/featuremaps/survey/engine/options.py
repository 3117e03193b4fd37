"""How a survey is made: with which batches, in which precision, by which engine, and what is kept."""

from dataclasses import dataclass
from typing import Annotated

from featuremaps.errors import OptionError, did_you_mean
from featuremaps.options import Each, Help, Precision, check

ENGINES = ("local", "ray")


@dataclass(frozen=True, kw_only=True)
class SurveyOptions:
    """The options of `survey`.

    `predictions` None keeps the model's own answers where the deepest layer is its last map, so that they cost
    nothing. `keep` is how many strongest and weakest pictures of each channel are kept, `shard` how many pictures are
    computed between two writes. `multi_label` says that a picture may have several labels. `resume` False removes the
    survey that is there and begins again. `engine` "ray" computes shards on a Ray cluster. `each` is what counts: a
    "picture", a "box" that a detector finds with a score of `threshold` or more, or the "region" of a class that a
    segmenter gives; None is what the model gives. Raises `OptionError`.
    """

    batch_size: Annotated[int | None, Help("Pictures that run at once.", least=1, what="a number of pictures")] = None
    workers: Annotated[
        int | None,
        Help("How many read pictures at once; 0: none.", least=0, what="how many read pictures at once"),
    ] = None
    precision: Annotated[Precision, Help("float32, bfloat16 or float16.")] = "float32"
    predictions: Annotated[
        bool | None, Help("Keep the model's own answers. Default: where the deepest layer is its last.")
    ] = None
    shard: int | None = None
    keep: Annotated[
        int,
        Help("How many strongest and weakest pictures of each channel to keep.", least=1, what="a number of pictures"),
    ] = 100
    multi_label: Annotated[bool, Help("Pictures may have several labels.")] = False
    resume: Annotated[
        bool, Help("Remove the survey that is in the folder, and begin again.", flag="--fresh", on=False)
    ] = True
    engine: Annotated[str, Help("local, or ray: on a Ray cluster.")] = "local"
    each: Annotated[
        Each | None,
        Help("What counts: picture, box (of a detector) or region (of a segmenter). Default: what the model gives."),
    ] = None
    threshold: Annotated[
        float, Help("Of what a detector finds, the score from which on it counts.", least=0, what="a score")
    ] = 0.5

    def __post_init__(self) -> None:
        check(self)
        if self.shard is not None and self.shard < 1:
            raise OptionError(f"shard is a number of pictures, 1 or more; got {self.shard}.")
        if self.threshold > 1:
            raise OptionError(f"threshold is a score from 0 to 1; got {self.threshold}.")
        if self.engine not in ENGINES:
            raise OptionError(f"engine is 'local' or 'ray'; got {self.engine!r}.{did_you_mean(self.engine, ENGINES)}")
