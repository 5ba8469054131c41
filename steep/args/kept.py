"""Which options did a run have, by its manifest? With the names, and the parts, of this version."""

from collections.abc import Mapping
from typing import Any, TypeVar

from steep.errors import SteepError
from steep.options import from_mapping, options_of, tables_of

Args = TypeVar("Args")
RENAMED = 2  # the format since which options have these names
NEW_NAMES = {
    "accumulate": "gradient_accumulation_steps",
    "adapt_per_seed": "step2_per_seed",
    "budget": "time_limit",
    "checkpointing": "gradient_checkpointing",
    "clip": "max_grad_norm",
    "decay": "layer_decay",
    "evaluate_every": "eval_steps",
    "head_start": "head_epochs",
    "head_start_rate": "head_learning_rate",
    "keep": "best_by",
    "mask_share": "mlm_probability",
    "max_minutes": "minutes",
    "patience": "early_stopping_patience",
    "reinit": "reinit_layers",
    "warmup": "warmup_ratio",
    "weight": "file_weight",
    "windows": "max_windows",
}
OF_STAGE = {  # names that other stages have, too, and keep
    "adapt": {"steps": "max_steps"},
    "compare": {"label_budget": "label_budgets"},
    "explain": {"rows": "ids", "steps": "n_steps"},
}
STEP2 = "adapt_"  # began the names of a study's options of step 2, now in a table of their own


def kept_options(kind: type[Args], args: Mapping[str, Any], source: str) -> Args:
    """The options of `kind` among the `args` of a manifest, which `source` names.

    What another version knows, and this one does not, is left out; what the run lacks has its
    default. Raises SteepError at a value that is none of the option's.
    """
    try:
        return from_mapping(kind, _known(kind, args), "args")
    except SteepError as error:
        raise SteepError(
            f"{source}: {error} Fix it, or run the command again that wrote it."
        ) from None


def _known(kind: type[Any], args: Mapping[str, Any]) -> dict[str, Any]:
    tables = tables_of(kind)
    names = {option.name for option in options_of(kind)} | tables.keys()
    found = {name: value for name, value in args.items() if name in names}
    for name in tables.keys() & found.keys():
        if isinstance(found[name], dict):
            found[name] = _known(tables[name], found[name])
    return found


def renamed(manifest: dict[str, Any]) -> dict[str, Any]:
    """`manifest`, of this version or the one before, with the options' names of this version.

    Options that are no more keep their names.
    """
    if manifest.get("format", 1) >= RENAMED or not isinstance(manifest.get("args"), dict):
        return manifest
    names = NEW_NAMES | OF_STAGE.get(manifest.get("stage", ""), {})
    args = {names.get(name, name): value for name, value in manifest["args"].items()}
    if encoder := args.pop("encoder", None):
        args |= {"base": args.get("model"), "model": encoder}
    step2 = {name: args.pop(name) for name in list(args) if name.startswith(STEP2)}
    if step2:
        own = NEW_NAMES | OF_STAGE["adapt"]
        bare = {name.removeprefix(STEP2): value for name, value in step2.items()}
        args["adapt"] = {own.get(name, name): value for name, value in bare.items()}
        if args["adapt"].get("epochs") == 1.0:
            args["adapt"]["epochs"] = None  # the same: one pass is the default
    return manifest | {"args": args}
