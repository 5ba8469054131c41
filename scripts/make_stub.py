"""How do editors and type checkers see every option? steep/__init__.pyi, made from the dataclasses.

python -m scripts.make_stub
"""

import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from types import NoneType
from typing import Any, Literal, get_args, get_origin, get_overloads

from steep import commands
from steep.args import CacheArgs, CheckArgs, DataArgs, DemoArgs, FitArgs
from steep.args.chosen import recipe
from steep.options import options_of, tables_of
from steep.shelf.auto import AutoArgs
from steep.shelf.bias import BiasArgs
from steep.shelf.explain import ExplainArgs
from steep.shelf.export import ExportArgs
from steep.shelf.lr_find import LrFindArgs
from steep.shelf.multitask import MultitaskArgs
from steep.shelf.select import SelectArgs
from steep.shelf.self_training import SelfTrainCommand
from steep.shelf.share import ShareArgs

STUB = Path(__file__).parents[1] / "steep" / "__init__.pyi"
HEAD = '''"""Made by `python -m scripts.make_stub` from the dataclasses of options: do not edit."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, overload

import pandas as pd
from fastai.callback.core import Callback
from fastai.learner import Learner

from steep.classifier import Classifier as Classifier
from steep.data.corpus import Data
from steep.data.readers import Source, Texts
from steep.errors import SteepError as SteepError
from steep.shelf import summarize as summarize
from steep.stages.save import save as save
from steep.train.phases import discriminative as discriminative

Model = str | Path
Config = str | Path | None

__version__: str
'''
COMMANDS: list[tuple[Callable[..., Any], type | None]] = [
    (commands.read, DataArgs),
    (commands.check, CheckArgs),
    (commands.adapt, commands.AdaptCommand),
    (commands.select, SelectArgs),
    (commands.fit, commands.FitCommand),
    (commands.self_train, SelfTrainCommand),
    (commands.auto, AutoArgs),
    (commands.learner, FitArgs),
    (commands.lr_find, LrFindArgs),
    (commands.multitask, MultitaskArgs),
    (commands.predict, commands.PredictCommand),
    (commands.evaluate, commands.EvaluateCommand),
    (commands.bias, BiasArgs),
    (commands.explain, ExplainArgs),
    (commands.export, ExportArgs),
    (commands.share, ShareArgs),
    (commands.compare, commands.CompareCommand),
    (commands.report, None),
    (commands.cache, CacheArgs),
    (commands.demo, DemoArgs),
    (recipe, None),
]


def stub() -> str:
    """The content of __init__.pyi."""
    return HEAD + "".join(f"\n{_function(*one)}" for one in COMMANDS)


def _function(function: Callable[..., Any], kind: type | None) -> str:
    first = (function.__doc__ or "").partition("\n")[0]
    forms = [f"@overload\n{_signature(form, kind)}" for form in get_overloads(function)]
    whole = [f'{form}    """{first}"""\n' for form in forms or [_signature(function, kind)]]
    return "\n".join(whole)


def _signature(function: Callable[..., Any], kind: type | None) -> str:
    signature = inspect.signature(function)
    own = [p for p in signature.parameters.values() if p.kind != p.VAR_KEYWORD]
    places = [_parameter(p) for p in own if p.kind != p.KEYWORD_ONLY]
    names = [p.name for p in own]
    keywords = [_parameter(p) for p in own if p.kind == p.KEYWORD_ONLY]
    keywords += [line for line in _options(kind) if line.partition(":")[0] not in names]
    lines = [*places, *(["*"] if keywords else []), *keywords]
    inside = "".join(f"    {line},\n" for line in lines)
    returns = _text(signature.return_annotation)
    return f"def {function.__name__}(\n{inside}) -> {returns}:\n"


def _parameter(parameter: inspect.Parameter) -> str:
    hint = _text(parameter.annotation)
    if parameter.default is parameter.empty:
        return f"{parameter.name}: {hint}"
    return f"{parameter.name}: {hint} = {parameter.default!r}".replace("'", '"')


def _options(kind: type | None) -> Iterator[str]:
    """A keyword for each option, with its type and default."""
    if kind is None:
        return
    yield "config: Config = None"
    for option in options_of(kind):
        default = str(option.default) if isinstance(option.default, Path) else option.default
        yield f"{option.name}: {_text(option.hint)} = {default!r}".replace("'", '"')
    for name in tables_of(kind):
        yield f"{name}: Mapping[str, Any] = ..."


def _text(hint: Any) -> str:
    """A type as it is written; paths may be given as texts, and one item instead of several."""
    if isinstance(hint, str):
        return hint.replace('"', "")
    if get_origin(hint) is Literal:
        return f"Literal[{', '.join(map(_quoted, get_args(hint)))}]"
    if get_origin(hint) is tuple:
        item = _text(get_args(hint)[0])
        return f"{item} | Sequence[{item}]"
    if get_args(hint) and get_origin(hint) is not dict:
        return " | ".join(dict.fromkeys(_text(part) for part in get_args(hint)))
    names = {Path: "str | Path", None: "None", NoneType: "None", Any: "Any"}
    return names.get(hint) or (
        str(hint).replace("typing.", "") if get_args(hint) else hint.__name__
    )


def _quoted(value: str) -> str:
    return f'"{value}"'


if __name__ == "__main__":
    STUB.write_text(stub(), encoding="utf-8")
