"""What are the options of folders called that an earlier version wrote? From old names to new."""

from typing import Any

FORMAT = 2  # of steep.json and study.json; those of the first have no number

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


def renamed(manifest: dict[str, Any]) -> dict[str, Any]:
    """`manifest`, of this version or the one before, with the options' names of this version.

    Options that are no more keep their names.
    """
    if manifest.get("format", 1) >= FORMAT or not isinstance(manifest.get("args"), dict):
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
