"""What is a study, once its files and options are known to be right?"""

from dataclasses import dataclass
from pathlib import Path

from steep.args import CompareArgs
from steep.data.corpus import Corpus, Data
from steep.study.design import Design
from steep.study.start import Start


@dataclass(frozen=True)
class Study:
    """A study that is written to `out`: its design, data and metric, and what its arms start from.

    `args` are its options; where `design` or `start` say the same, theirs count.
    """

    out: Path
    design: Design
    start: Start
    data: Data
    test: Corpus
    metric: str
    args: CompareArgs
