"""What can be imported from `steep`? The names below; each is loaded when it is first used.

Their signatures, with every option, are in __init__.pyi (made by `python -m scripts.make_stub`).
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "Classifier": "steep.classifier",
    "SteepError": "steep.errors",
    "adapt": "steep.commands",
    "auto": "steep.commands",
    "bias": "steep.commands",
    "cache": "steep.commands",
    "check": "steep.commands",
    "compare": "steep.commands",
    "demo": "steep.commands",
    "discriminative": "steep.train.phases",
    "evaluate": "steep.commands",
    "explain": "steep.commands",
    "export": "steep.commands",
    "fit": "steep.commands",
    "learner": "steep.commands",
    "lr_find": "steep.commands",
    "multitask": "steep.commands",
    "predict": "steep.commands",
    "read": "steep.commands",
    "recipe": "steep.args.chosen",
    "report": "steep.commands",
    "save": "steep.stages.save",
    "select": "steep.commands",
    "self_train": "steep.commands",
    "share": "steep.commands",
}
_FEATURES = {"summarize": "steep.shelf.summarize"}  # with functions of their own

__all__ = ["__version__", *_HOMES, *_FEATURES]  # noqa: PLE0604  (names, all of them)


def __getattr__(name: str) -> Any:
    """The public name, imported on first use (PEP 562): `import steep` itself costs nothing."""
    if name in _FEATURES:
        value: Any = import_module(_FEATURES[name])
    elif name in _HOMES:
        value = getattr(import_module(_HOMES[name]), name)
    else:
        raise AttributeError(f"module 'steep' has no attribute '{name}'")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
