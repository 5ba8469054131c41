"""Which options are there? Parts (small dataclasses), and for each command a composition of them.

The command line, TOML files and Python all use these classes: an option exists once.
"""

from steep.args.commands import (
    AdaptArgs,
    CheckArgs,
    CompareArgs,
    DataArgs,
    DemoArgs,
    EvaluateArgs,
    FitArgs,
    PredictArgs,
)
from steep.args.pretraining import PretrainArgs
from steep.args.training import TuneArgs

__all__ = [
    "AdaptArgs",
    "CheckArgs",
    "CompareArgs",
    "DataArgs",
    "DemoArgs",
    "EvaluateArgs",
    "FitArgs",
    "PredictArgs",
    "PretrainArgs",
    "TuneArgs",
]
