"""Is a study the one that its folder holds? By what its inputs are, not by where they lie."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

from steep.args import CompareArgs
from steep.data.facts import fingerprint
from steep.data.files import files_below, what_is_at
from steep.data.fingerprints import hash_of
from steep.errors import SteepError, unreadable
from steep.models.checkpoint_identity import checkpoint_identity
from steep.options import identity_of, options_of
from steep.study.design import Design
from steep.study.study import Study

TEXTS = ("unlabelled", "in_domain", "cross_domain")


def contents_of(study: Study) -> dict[str, Any]:
    """Hashes of all that a study reads: rows with their labels, further texts, checkpoints.

    What is renamed or moved stays the same.
    """
    given, texts = study.start.given, vars(study.args.texts)
    own = {n: v for n, v in further_options(study.design).items() if v and Path(v).exists()}
    return {
        "rows": {part: fingerprint(corpus) for part, corpus in study.data.parts.items()},
        "texts": {name: [_of_path(path) for path in texts[name]] for name in TEXTS},
        "checkpoints": {
            "base": checkpoint_identity(study.start.base),
            "adapted": None if given is None else checkpoint_identity(given),
        },
        "options": {name: _of_path(Path(value)) for name, value in own.items()},
    }


def changed(known: dict[str, Any], study: Study) -> str:
    """What sets `study` apart from the one that study.json knows, in words; empty if nothing."""
    before, now = known["contents"], contents_of(study)
    asked = identity_of(study.args) | further_options(study.design)
    by_content = {*_paths(), "model", "base", *now["options"]}
    names = [n for n, v in asked.items() if n not in by_content and known["args"].get(n) != v]
    names += [n for n, v in now["options"].items() if before["options"].get(n) != v]
    if names:
        return f"options ({', '.join(names)})"
    if known["recipes"] != recipes_of(study.design, known["arms"]):
        return "recipes (their files have changed)"
    if before["checkpoints"]["base"] != now["checkpoints"]["base"]:
        return f"weights or tokenizer in its checkpoint ({study.start.base} is another one now)"
    if before["checkpoints"]["adapted"] != now["checkpoints"]["adapted"]:
        return f"weights or tokenizer in its adapted checkpoint (now {study.start.given})"
    if names := [
        f"--{n.replace('_', '-')}" for n in TEXTS if before["texts"][n] != now["texts"][n]
    ]:
        return f"texts for step 2 ({', '.join(names)})"
    parts = [part for part in now["rows"] if before["rows"].get(part) != now["rows"][part]]
    return f"rows or labels (of {', '.join(parts)})" if parts else ""


def further_options(design: Design) -> dict[str, Any]:
    """Options that arms from outside the core bring along."""
    return {name: value for arm in design.arms for name, value in arm.options.items()}


def recipes_of(design: Design, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """For each of these arms with options of its own, the tables in which it differs."""
    return {
        arm.name: {"fit": dict(arm.fit_options)}
        | ({"adapt": dict(arm.adapt_options)} if arm.pretrain else {})
        for arm in design.arms
        if arm.name in names and (arm.fit_options or arm.adapt_options)
    }


def _paths() -> set[str]:
    """The options that name files: what counts is what these hold."""
    options = options_of(CompareArgs)
    return {option.name for option in options if Path in (option.hint, *get_args(option.hint))}


def _of_path(path: Path) -> str:
    """A hash of the files at `path`, in their order, whatever they are called."""
    what = what_is_at(path)
    if what == "nothing":  # a name on the hub
        return str(path)
    whole = hashlib.blake2b(digest_size=16)
    for file in files_below(path) if what == "folder" else [path]:
        try:
            whole.update(f"{file.suffix}\0{hash_of(file)}\0".encode())
        except OSError as error:
            raise SteepError(unreadable(file, error)) from None
    return whole.hexdigest()
