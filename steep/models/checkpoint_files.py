"""Is a checkpoint on disk sound, and which one is it? Checked and hashed without torch.

The one door for checkpoints, of every command: what is read later is what was checked here.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from steep.data.corpus import TaskKind
from steep.errors import SteepError
from steep.models.hub import CONFIG, find
from steep.wording import brief, quoted, some

WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
VOCABULARIES = ("tokenizer.json", "vocab.txt", "vocab.json", "*.model")
TOKENIZER_CONFIG = "tokenizer_config.json"
OF_TOKENIZER = {
    **dict.fromkeys(("model_max_length", "max_len"), "a number of tokens"),
    "model_input_names": "a list of names",
}
PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt")
FLOATS = ("F64", "F32", "F16", "BF16")  # number formats of weights that are not quantised
PROBLEMS: dict[TaskKind, str] = {  # what config.json calls the kinds of tasks
    "single": "single_label_classification",
    "multi": "multi_label_classification",
    "regression": "regression",
}
LFS = b"version https://git-lfs"

LAYERS, WIDE, MANY = 1000, 10**6, 10**8
SIZES = {  # name in config.json: the least and the most that can be meant
    **dict.fromkeys(("num_hidden_layers", "n_layers"), (1, LAYERS)),
    **dict.fromkeys(("num_attention_heads", "n_heads", "num_key_value_heads"), (1, WIDE)),
    **dict.fromkeys(("hidden_size", "dim", "emb_dim", "embedding_size"), (1, WIDE)),
    **dict.fromkeys(("intermediate_size", "hidden_dim"), (1, WIDE)),
    **dict.fromkeys(("vocab_size", "max_position_embeddings"), (1, MANY)),
    "num_labels": (1, WIDE),
    "type_vocab_size": (0, WIDE),
    "chunk_size_feed_forward": (0, 0),  # what it saves in memory, a smaller batch does
}


@dataclass(frozen=True)
class CheckpointFiles:
    """What a sound checkpoint consists of.

    `name` is what the user called it, `config` the content of config.json, `weights` its
    safetensors files, `shapes` the weights in them by name.
    """

    name: str
    folder: Path
    config: Mapping[str, Any]
    weights: tuple[Path, ...]
    shapes: Mapping[str, tuple[int, ...]]


def check_checkpoint(name: str | Path) -> Path:
    """The folder of a checkpoint with a tokenizer; SteepError where a file is missing or broken."""
    files = read_checkpoint(name)
    check_tokenizer_files(name, files.folder)
    return files.folder


def read_checkpoint(name: str | Path) -> CheckpointFiles:
    """The files of a checkpoint; SteepError where its configuration or weights cannot be used."""
    config = read_config(name)
    folder = find(name)
    weights = weight_files(name, folder)
    shapes = {key: shape for path in weights for key, shape in _shapes(name, path).items()}
    if not shapes:
        raise SteepError(f"{name}: {weights[0].name} holds no weights. Copy the checkpoint again.")
    return CheckpointFiles(str(name), folder, config, weights, shapes)


def read_config(name: str | Path) -> dict[str, Any]:
    """The content of a checkpoint's config.json; SteepError for what can describe no model."""
    path = find(name) / CONFIG
    config = _json_object(path)
    kind = config.get("model_type")
    if not isinstance(kind, str) or not kind:
        raise SteepError(
            f"{path}: 'model_type' must name a family of models, such as 'bert', not "
            f"{_shown(kind)}. Add it, or choose another checkpoint."
        )
    if config.get("quantization_config") is not None:
        raise SteepError(
            f"{path}: its weights are quantised (quantization_config); Steep trains those that are "
            "not. Choose the checkpoint that it was made from."
        )
    for key, value in config.items():
        _check_value(path, key, value)
    stored_labels(config, path)
    return config


def stored_labels(config: Mapping[str, Any], path: Path) -> tuple[str, ...]:
    """The names of a classifier's outputs, in the order of these; `path` is where `config` is from.

    Raises SteepError unless `id2label` numbers them from 0 without a gap.
    """
    known = config.get("id2label")
    if known is None:
        return tuple(f"LABEL_{number}" for number in range(config.get("num_labels") or 2))
    wanted = 'expected the numbers of the outputs and their names, {"0": "no", "1": "yes"}'
    if not isinstance(known, dict) or not known:
        raise SteepError(f"{path}: 'id2label' is {_shown(known)}; {wanted}.")
    odd = [key for key in known if not (key.isascii() and key.isdigit() and len(key) < 10)]
    if odd:
        raise SteepError(f"{path}: 'id2label' has the key {quoted(odd[0])}; {wanted}.")
    ordered = sorted(known, key=int)
    if [int(key) for key in ordered] != list(range(len(known))):
        raise SteepError(
            f"{path}: 'id2label' names the outputs {some(ordered)}, but {len(known)} outputs are "
            f"numbered 0 to {len(known) - 1}; {wanted}."
        )
    if config.get("num_labels") not in (None, len(known)):
        raise SteepError(
            f"{path}: 'num_labels' is {_shown(config['num_labels'])}, but 'id2label' names "
            f"{len(known)}. Remove the one that is wrong."
        )
    for key in ordered:
        if not isinstance(known[key], str | int | float):
            raise SteepError(f"{path}: 'id2label' calls {key} {_shown(known[key])}; {wanted}.")
    return tuple(str(known[key]) for key in ordered)


def check_tokenizer_files(name: str | Path, folder: Path) -> None:
    """Raises SteepError if a checkpoint has no vocabulary: every word would be unknown."""
    found = [path for pattern in VOCABULARIES for path in folder.glob(pattern) if path.is_file()]
    if not found:
        raise SteepError(
            f"{name}: its tokenizer is missing ({VOCABULARIES[0]}, or {VOCABULARIES[1]}), so no "
            "word would be known. Copy the tokenizer's files that the model was trained with."
        )
    empty = [path.name for path in found if not path.stat().st_size]
    if empty:
        raise SteepError(f"{name}: {empty[0]}, a file of its tokenizer, is empty. Copy it again.")
    path = folder / TOKENIZER_CONFIG
    content = _json_object(path) if path.is_file() else {}
    for key, expected in OF_TOKENIZER.items():  # transformers would trip over these much later
        value, names = content.get(key), key == "model_input_names"
        number = isinstance(value, int | float) and not isinstance(value, bool) and value >= 0
        texts = isinstance(value, list) and all(isinstance(name, str) for name in value)
        if value is not None and not (texts if names else number):
            told = f"{path}: '{key}' must be {expected}, not {_shown(value)}"
            raise SteepError(f"{told}. Fix it, or remove it.")


def _json_object(path: Path) -> dict[str, Any]:
    """The object in a JSON file of a checkpoint; SteepError for anything else."""
    try:
        content = json.loads(path.read_bytes().decode("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())[:200]
        raise SteepError(f"{path}: cannot be read as JSON ({reason}). Copy it again.") from None
    if not isinstance(content, dict):
        raise SteepError(f"{path}: must hold a JSON object, not {_shown(content)}. Copy it again.")
    return content


def _check_value(path: Path, key: str, value: Any) -> None:
    """Raises SteepError for a number of config.json with which nothing can be computed."""
    if isinstance(value, float) and not isfinite(value):
        raise SteepError(f"{path}: '{key}' is {value}; expected a finite number. Fix it.")
    if value is None and SIZES.get(key) != (0, 0):
        return
    if key.endswith("_eps") and not (isinstance(value, int | float) and 0 < value < 1):
        raise SteepError(f"{path}: '{key}' is {_shown(value)}; expected 1e-12 or so. Fix it.")
    if key not in SIZES:
        return
    least, most = SIZES[key]
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise SteepError(
            f"{path}: '{key}' must be a whole number, {least} to {most:,}, not {_shown(value)}. "
            "Fix it, or copy the checkpoint again."
        )


def weight_files(name: str | Path, folder: Path) -> tuple[Path, ...]:
    """The safetensors files of a checkpoint, none of them outside of its folder."""
    if (folder / WEIGHTS).is_file():
        return (folder / WEIGHTS,)
    if (folder / INDEX).is_file():
        return _shards(folder / INDEX)
    pickles = sorted(path.name for kind in PICKLES for path in folder.glob(kind))
    what = f"its weights are only in {pickles[0]}, a pickle, which can run code" if pickles else ""
    raise SteepError(
        f"{name}: {what or 'it holds no weights'}; expected {WEIGHTS}. Choose a checkpoint with "
        "that file, or load this one with transformers where you trust it, and save it again."
    )


def _shards(index: Path) -> tuple[Path, ...]:
    """The files that an index names. Links are followed, since the hub's cache is made of them."""
    placed = _json_object(index).get("weight_map")
    if not isinstance(placed, dict) or not placed:
        raise SteepError(
            f"{index}: 'weight_map' must name a file for each weight, not {_shown(placed)}. Copy "
            "the checkpoint again."
        )
    for weight, file in placed.items():
        if not _is_plain(file):
            raise SteepError(
                f"{index}: 'weight_map' puts {quoted(weight)} in {_shown(file)}; expected a "
                "*.safetensors file in the same folder. Pickles and other folders are not opened."
            )
    files = tuple(index.parent / file for file in sorted(set(placed.values())))
    missing = [path.name for path in files if not path.is_file()]
    if missing:
        raise SteepError(f"{index}: names {some(missing)}, not in its folder. Copy all files.")
    return files


def _is_plain(file: Any) -> bool:
    """Whether an index names a safetensors file that lies beside it."""
    if not isinstance(file, str) or not file.endswith(".safetensors"):
        return False
    return not any(sign in file for sign in ("/", "\\", "\0", ":"))


def _shapes(name: str | Path, path: Path) -> dict[str, tuple[int, ...]]:
    """The shapes of the weights in a file, by name; SteepError where they cannot be read."""
    try:
        with path.open("rb") as stream:
            pointer = stream.read(len(LFS)) == LFS
        if not pointer:
            with safe_open(path, "np") as file:
                parts = {key: file.get_slice(key) for key in file.keys()}  # noqa: SIM118
                kinds = {key: part.get_dtype() for key, part in parts.items()}
                shapes = {key: tuple(part.get_shape()) for key, part in parts.items()}
    except (SafetensorError, OSError) as error:
        raise SteepError(
            f"{name}: its weights cannot be read ({path.name}: {error}). Copy it again."
        ) from None
    if pointer:
        raise SteepError(
            f"{name}: {path.name} is a pointer of Git LFS, not the weights. Fetch them with 'git "
            "lfs pull'."
        )
    odd = [k for k, kind in kinds.items() if k.endswith("weight") and kind not in FLOATS]
    if odd:
        raise SteepError(
            f"{name}: the weights {some(odd, 2)} are of type {kinds[odd[0]]}, as quantised ones "
            f"are; expected {' or '.join(FLOATS)}. Choose the checkpoint that it was made from."
        )
    return shapes


def _shown(value: Any) -> str:
    """A value of a JSON file, as messages show it."""
    return brief(json.dumps(value, ensure_ascii=False))


TOKENIZER = (
    *VOCABULARIES,
    *("merges.txt", TOKENIZER_CONFIG, "special_tokens_map.json", "added_tokens.json"),
)
WHOLE = 200_000_000  # bytes of a file up to which all of it is hashed
BLOCK, BLOCKS = 2**18, 256  # bytes of a block, and blocks, of a file that is larger


def checkpoint_identity(name: str | Path) -> str:
    """A hash of configuration, weights and tokenizer: 32 digits, the same for a copy elsewhere.

    Of a weights file beyond `WHOLE` bytes, its size, its header (names and shapes) and `BLOCKS`
    blocks at even distances are hashed: a training changes all of them, but a change of single
    weights between two blocks goes unseen. Raises SteepError where there is no checkpoint.
    """
    folder, found = find(name), hashlib.sha256()
    patterns = (CONFIG, *TOKENIZER)
    small = {path for pattern in patterns for path in folder.glob(pattern) if path.is_file()}
    for path in sorted({*small, *weight_files(name, folder)}):
        found.update(f"{path.name}\0{path.stat().st_size}\0".encode())
        for piece in _pieces(path):
            found.update(piece)
    return found.hexdigest()[:32]


def _pieces(path: Path) -> Iterator[bytes]:
    """The content of a file, or what is looked at of a large one."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        if size <= WHOLE:
            while piece := stream.read(BLOCK):
                yield piece
            return
        header = int.from_bytes(stream.read(8), "little")  # of safetensors: its length comes first
        yield stream.read(min(header, WHOLE))
        for number in range(BLOCKS):
            stream.seek(number * (size - BLOCK) // (BLOCKS - 1))
            yield stream.read(BLOCK)
