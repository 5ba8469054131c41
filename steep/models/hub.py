"""Where is a checkpoint: in a folder, in the hub's cache, or on the hub?"""

from pathlib import Path

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError
from huggingface_hub.utils import HFValidationError, logging

from steep.console import say
from steep.errors import SteepError

logging.set_verbosity_error()

HUB_FILES = ["*.json", "*.txt", "*.model", "*.safetensors"]


def find(name: str | Path) -> Path:
    """The folder of a checkpoint: itself, or what the hub's cache holds; fetched once if need be.

    Raises SteepError if there is no such folder, or the hub cannot be asked.
    """
    folder = Path(name)
    if folder.is_dir():
        if (folder / "config.json").is_file():
            return folder
        raise SteepError(f"{name}: not a checkpoint folder (it has no config.json).")
    try:
        return Path(snapshot_download(str(name), local_files_only=True))
    except HFValidationError:
        raise SteepError(
            f"{name}: there is no such folder, and no hub model of that name."
        ) from None
    except LocalEntryNotFoundError:
        say(f"{name}: no folder of this name; asking the Hugging Face hub ...")
    try:
        return Path(snapshot_download(str(name), allow_patterns=HUB_FILES))
    except (HfHubHTTPError, OSError) as error:
        raise SteepError(
            f"{name}: there is no such folder, and the Hugging Face hub gave nothing "
            f"({type(error).__name__}). Check the name and the connection, or name a folder."
        ) from None
