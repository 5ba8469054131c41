"""Which options has training on several data sets at once?"""

from dataclasses import dataclass
from typing import Literal

from steep.args.data import ShareArgs
from steep.args.fit import CourseArgs
from steep.args.run import RunArgs, SaveArgs
from steep.config import option

Sampling = Literal["size", "root"]


@dataclass(frozen=True, kw_only=True)
class MultitaskArgs(CourseArgs, ShareArgs, SaveArgs, RunArgs):
    """steep multitask: one encoder for several data sets."""

    model: str | None = option(None, "Checkpoint to start from: a folder or a hub name.")
    text: tuple[str, ...] = option(
        (), "Column that holds the text, by default 'text': once for all files, or once for each."
    )
    label: tuple[str, ...] = option(
        (), "Column(s) of labels, as for 'steep fit': once for all files, or once for each."
    )
    sampling: Sampling = option(
        "size", "How often a batch is of a data set: by its size, or by the root of it."
    )
