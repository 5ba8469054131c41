"""steep share: what of a model folder may be given away, and how does it get to the hub?"""

import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi, ModelCard
from huggingface_hub.errors import HfHubHTTPError
from yaml import YAMLError

from steep import runs
from steep.console import say
from steep.errors import SteepError
from steep.models.checkpoint_files import stored_labels
from steep.models.hub import CONFIG, FILES
from steep.models.model_card import HUB_NAME, LICENCE, PATH
from steep.outputs import claimed
from steep.places import inputs_of
from steep.shelf.share import ShareArgs
from steep.wording import brief, inline, some

STAGES = ("adapt", "fit")
PLACES = ("_name_or_path", "name_or_path")  # keys of configurations: where it was loaded from
CONFIGS = ("config.json", "tokenizer_config.json")
ESCAPED = re.compile(r"\\([`*_\[\]<>#~$|+.)-])")  # as Markdown has its own signs in a text
REPOSITORY = re.compile(r"\w[\w.-]*/\w[\w.-]*")


def share(model: Path, *, out: Path, args: ShareArgs) -> Path:
    """Copy what may be given away of a folder of `steep fit` or `steep adapt`; returns `out`.

    These are weights, configuration, tokenizer and card: no texts, splits or predictions, no hashes
    of texts, and no paths. With `upload`, the copy then goes to the hub, by the login of
    huggingface_hub. Raises SteepError where the folder is none of these, its card names a path, or
    the hub refuses.
    """
    target = args.share.upload
    if target is not None and not REPOSITORY.fullmatch(target):
        raise SteepError(f"upload {brief(target)}: name a model of the hub as owner/name.")
    stage = runs.stage_of(model)
    if stage not in STAGES:
        raise SteepError(f"{model}: not a folder written by 'steep fit' or 'steep adapt'.")
    card = _card(model, args)
    with claimed(out, "folder", inputs=inputs_of(args, model)) as place:
        partial = place.beside("partial")
        try:
            partial.mkdir()
            _copy(model, partial)
            card.save(partial / runs.CARD)
            partial.rename(place.target)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    if (model / runs.DECISIONS).is_file():
        say("thresholds and temperatures stay behind: only steep reads them")
    say(f"to share: {out} ({some(sorted(path.name for path in out.iterdir()), 20)})")
    if target is not None:
        upload(out, target, args.share.public)
    return out


def upload(folder: Path, name: str, public: bool) -> None:
    """Upload a folder to the model `name` of the hub, which is made, private, if it is missing."""
    hub = HfApi()
    try:
        hub.create_repo(name, private=not public, exist_ok=True)
        url = hub.upload_folder(repo_id=name, folder_path=folder, commit_message="Upload by steep")
    except (HfHubHTTPError, OSError) as error:
        why = brief(str(error).strip().partition("\n")[0], 200)
        raise SteepError(
            f"upload {name}: the Hugging Face hub refused, or was not reached ({why}). Log in with "
            f"'hf auth login'; the folder is complete: {folder}."
        ) from None
    say(f"uploaded: {url}")


def _card(model: Path, args: ShareArgs) -> ModelCard:
    """The card with what the options add; SteepError if there is none, or it names a path."""
    path, asked = model / runs.CARD, args.share
    if not path.is_file():
        raise SteepError(f"{path}: there is no model card. Run the command again that wrote it.")
    try:
        card = ModelCard.load(path)
    except (ValueError, OSError, YAMLError) as error:
        raise SteepError(f"{path}: not a model card ({brief(str(error))}).") from None
    card.data.base_model = card.data.base_model or _base(runs.manifest_at(model / runs.MANIFEST))
    card.data.language = list(asked.language) or card.data.language
    if asked.licence:
        card.data.license = asked.licence
        card.text = card.text.replace(inline(LICENCE), inline(f"Licence: {asked.licence}."))
    _check_paths(path, card.text, _classes(model))
    return card


def _classes(model: Path) -> tuple[str, ...]:
    return stored_labels(runs.read_shaped(model / CONFIG, dict), model / CONFIG)


def _check_paths(path: Path, text: str, classes: Sequence[str]) -> None:
    """Raises SteepError if a card names a path; names of classes, which go along, may look so."""
    for found in PATH.finditer(ESCAPED.sub(r"\1", text)):
        if not any(found[0] in name for name in classes):
            raise SteepError(
                f"{path}: names a path ({brief(found[0])}), which is not to be shared. Put the "
                "file right."
            )


def _base(manifest: dict[str, Any]) -> str | None:
    """The model of the hub that all began with, through the folders of adapt; None for another."""
    seen = set[str]()  # a folder may name one of its own name, which was elsewhere
    while isinstance(given := manifest["args"].get("base") or manifest["args"].get("model"), str):
        if given in seen or runs.stage_of(given) != "adapt":
            break
        seen.add(given)
        manifest = runs.manifest_at(Path(given) / runs.MANIFEST)
    if not isinstance(given, str) or not HUB_NAME.fullmatch(given) or Path(given).exists():
        return None
    return given


def _copy(model: Path, out: Path) -> None:
    """Weights, configuration and tokenizer; configurations without where they were loaded from."""
    files = [Path(name) for name in runs.CHECKPOINT] + list(FILES)
    files += [
        path.relative_to(model) for path in model.iterdir() if runs.SHARD.fullmatch(path.name)
    ]
    for file in (file for file in files if (model / file).is_file()):
        (out / file).parent.mkdir(exist_ok=True)
        if file.name not in CONFIGS or len(file.parts) > 1:
            shutil.copyfile(model / file, out / file)
            continue
        config = runs.read_shaped(model / file, dict)
        content = {k: v for k, v in config.items() if k not in PLACES}
        runs.write_json(out / file, content)
