"""Which options are there? One frozen dataclass per command; each field with its sentence of help.

The command line, TOML files and the Python API all use these classes: an option exists once.
"""

from steep.args.adapt import AdaptArgs
from steep.args.data import DataArgs, SplitArgs, TableArgs
from steep.args.explain import ExplainArgs
from steep.args.export import ExportArgs
from steep.args.finding import LrFindArgs
from steep.args.fit import FitArgs, TuneArgs
from steep.args.multitask import MultitaskArgs
from steep.args.recipe import recipe
from steep.args.run import CheckArgs, ColumnArgs, EvaluateArgs, PredictArgs, RunArgs
from steep.args.select import SelectArgs
from steep.args.study import CompareArgs, DemoArgs

__all__ = [
    "AdaptArgs",
    "CheckArgs",
    "ColumnArgs",
    "CompareArgs",
    "DataArgs",
    "DemoArgs",
    "EvaluateArgs",
    "ExplainArgs",
    "ExportArgs",
    "FitArgs",
    "LrFindArgs",
    "MultitaskArgs",
    "PredictArgs",
    "RunArgs",
    "SelectArgs",
    "SplitArgs",
    "TableArgs",
    "TuneArgs",
    "recipe",
]
