"""What can be imported from `steep`? The names below; each is loaded when it is first used."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from steep.args import (
        AdaptArgs,
        CheckArgs,
        CompareArgs,
        DataArgs,
        DemoArgs,
        EvaluateArgs,
        ExplainArgs,
        FitArgs,
        LrFindArgs,
        MultitaskArgs,
        PredictArgs,
        SelectArgs,
        recipe,
    )
    from steep.data.load import read
    from steep.errors import SteepError
    from steep.reports.page import write as report
    from steep.stages.adapt import adapt
    from steep.stages.check import check
    from steep.stages.compare import compare
    from steep.stages.evaluate import evaluate
    from steep.stages.explain import explain
    from steep.stages.fit import fit
    from steep.stages.lr_find import lr_find
    from steep.stages.multitask import multitask
    from steep.stages.predict import predict
    from steep.stages.select import select
    from steep.train.engine import learner
    from steep.train.schedules import discriminative

__version__ = "0.1.0"

_HOMES = {
    "AdaptArgs": ("steep.args", "AdaptArgs"),
    "CheckArgs": ("steep.args", "CheckArgs"),
    "CompareArgs": ("steep.args", "CompareArgs"),
    "DataArgs": ("steep.args", "DataArgs"),
    "DemoArgs": ("steep.args", "DemoArgs"),
    "EvaluateArgs": ("steep.args", "EvaluateArgs"),
    "ExplainArgs": ("steep.args", "ExplainArgs"),
    "FitArgs": ("steep.args", "FitArgs"),
    "LrFindArgs": ("steep.args", "LrFindArgs"),
    "MultitaskArgs": ("steep.args", "MultitaskArgs"),
    "PredictArgs": ("steep.args", "PredictArgs"),
    "SelectArgs": ("steep.args", "SelectArgs"),
    "SteepError": ("steep.errors", "SteepError"),
    "adapt": ("steep.stages.adapt", "adapt"),
    "check": ("steep.stages.check", "check"),
    "compare": ("steep.stages.compare", "compare"),
    "discriminative": ("steep.train.schedules", "discriminative"),
    "evaluate": ("steep.stages.evaluate", "evaluate"),
    "explain": ("steep.stages.explain", "explain"),
    "lr_find": ("steep.stages.lr_find", "lr_find"),
    "fit": ("steep.stages.fit", "fit"),
    "multitask": ("steep.stages.multitask", "multitask"),
    "learner": ("steep.train.engine", "learner"),
    "predict": ("steep.stages.predict", "predict"),
    "read": ("steep.data.load", "read"),
    "recipe": ("steep.args", "recipe"),
    "report": ("steep.reports.page", "write"),
    "select": ("steep.stages.select", "select"),
}

__all__ = [
    "__version__",
    "AdaptArgs",
    "CheckArgs",
    "CompareArgs",
    "DataArgs",
    "DemoArgs",
    "EvaluateArgs",
    "ExplainArgs",
    "FitArgs",
    "LrFindArgs",
    "MultitaskArgs",
    "PredictArgs",
    "SelectArgs",
    "SteepError",
    "adapt",
    "check",
    "compare",
    "discriminative",
    "evaluate",
    "explain",
    "fit",
    "lr_find",
    "learner",
    "multitask",
    "predict",
    "read",
    "recipe",
    "report",
    "select",
]


def __getattr__(name: str) -> Any:
    """The public name, imported on first use (PEP 562): `import steep` itself costs nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module 'steep' has no attribute '{name}'")
    module, attribute = _HOMES[name]
    value = getattr(import_module(module), attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
