"""Where is a checkpoint: in a folder, in the hub's cache, or on the hub?"""

from pathlib import Path

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError
from huggingface_hub.utils import HFValidationError, logging

from steep.console import say
from steep.errors import SteepError

logging.set_verbosity_error()

CONFIG, WEIGHTS = "config.json", "*.safetensors"
HUB_FILES = ["*.json", "*.txt", "*.model", WEIGHTS]


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
            f"{name}: there is no such folder, and the Hugging Face hub gave nothing "
            f"({type(error).__name__}). Check the name and the connection, or name a folder."
        ) from None
