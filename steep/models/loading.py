"""How do the files of a checkpoint become a model of transformers, and what of it is new?

Weights are read here and handed to transformers, which opens no file of its own: whatever else a
folder holds or names (a pickle, an adapter, code) is never looked at.
"""

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from types import TracebackType
from typing import Any

import torch
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError, safe_open
from torch import Tensor
from transformers import CONFIG_MAPPING, PreTrainedConfig, PreTrainedModel
from transformers.utils import logging

from steep.errors import SteepError
from steep.models import families
from steep.models.checkpoint_files import INDEX, WEIGHTS, CheckpointFiles, read_config
from steep.models.hub import find
from steep.wording import brief, some

logging.set_verbosity_error()
logging.disable_progress_bar()

POOLER = "pooler."  # new by design where a checkpoint has none: masked-LM training leaves it out
OUTPUTS = {"return_dict": True, "output_hidden_states": False, "output_attentions": False}
SPARE = 50_000_000  # numbers that may be made new in memory before it is said what is missing
WRONG = (
    *(ArithmeticError, AssertionError, AttributeError, ImportError, LookupError, MemoryError),
    *(OSError, RuntimeError, SafetensorError, StrictDataclassError, TypeError, ValueError),
)


class Unusable(AbstractContextManager[None]):
    """What goes wrong while others read `part` of checkpoint `name`, as a SteepError.

    They raise almost anything where a configuration or a tokenizer contradicts itself, the
    tokenizers a bare `Exception`, or a panic of Rust.
    """

    def __init__(self, name: str | Path, part: str = "config.json") -> None:
        self.name, self.part = name, part

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None or error is None:
            return
        if kind is Exception or issubclass(kind, WRONG) or kind.__module__ == "pyo3_runtime":
            said = " ".join(str(error).split()) or kind.__name__
            raise SteepError(
                f"{self.name}: no checkpoint that can be used, by its {self.part}: "
                f"{brief(said, 300)}. Copy it again, or choose another one."
            ) from error


@dataclass(frozen=True)
class LoadedModel:
    """A model of transformers, and which of its weights are new, by name.

    The checkpoint lacks those `missing`; of those `misfits` it holds another shape (it, the
    model's). `unused` are weights of the checkpoint that the model has no place for.
    """

    model: PreTrainedModel
    missing: frozenset[str]
    misfits: Mapping[str, tuple[tuple[int, ...], tuple[int, ...]]]
    unused: frozenset[str]

    @property
    def new(self) -> frozenset[str]:
        """All weights that the checkpoint does not give."""
        return self.missing | self.misfits.keys()

    @property
    def prefix(self) -> str:
        """What the names of the encoder's weights begin with; empty where it is the model."""
        prefix = self.model.base_model_prefix
        return f"{prefix}." if prefix in dict(self.model.named_children()) else ""

    def of_encoder(self, keys: Iterable[str]) -> list[str]:
        """Those of the weights `keys` that are the encoder's, but for its pooler, sorted."""
        own = self.prefix
        return sorted(
            key
            for key in keys
            if key.startswith(own) and not key.removeprefix(own).startswith(POOLER)
        )


def model_config(name: str | Path) -> PreTrainedConfig:
    """The configuration of a checkpoint as transformers reads it; SteepError if it cannot."""
    content = read_config(name)
    families.check_known(name, content["model_type"], "auto_map" in content)
    with Unusable(name):
        return CONFIG_MAPPING[content["model_type"]].from_dict(
            content | OUTPUTS | {"name_or_path": str(find(name))}
        )


def load_model(
    auto: Any,
    files: CheckpointFiles,
    config: PreTrainedConfig,
    attention: str | None = "eager",
    left_out: Callable[[str], bool] | None = None,
) -> LoadedModel:
    """The model that `auto` makes of a checkpoint, in fp32; what it lacks is drawn from torch.

    Weights for which `left_out` holds are not read. Raises SteepError where the encoder is not
    whole, or a weight is not finite.
    """
    how: dict[str, Any] = {"attn_implementation": attention, "dtype": torch.float32}
    with Unusable(files.name), torch.device("meta"):
        outline = auto.from_config(config, trust_remote_code=False, **how)
    _check_room(files, outline)
    with Unusable(files.name):
        model, info = type(outline).from_pretrained(
            None,
            config=config,
            state_dict=_weights(files, left_out),
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # they are told below, by name
            **how,
        )
    model.name_or_path = model.config.name_or_path = str(files.folder)
    misfits = {key: (tuple(own), tuple(wanted)) for key, own, wanted in info["mismatched_keys"]}
    missing, unused = frozenset(info["missing_keys"]), frozenset(info["unexpected_keys"])
    return _checked(files, LoadedModel(model, missing - misfits.keys(), misfits, unused))


def filled(
    model: PreTrainedModel,
    files: CheckpointFiles,
    renamed: Callable[[dict[str, Tensor]], dict[str, Tensor]] | None = None,
) -> LoadedModel:
    """`model` with the weights of a checkpoint of the same names; SteepError as above.

    `renamed` makes weights of the model of those of the checkpoint, where these have other names.
    """
    with Unusable(files.name, "weights"):
        weights = _weights(files, None)
        weights = renamed(weights) if renamed else weights
    own = {key: tuple(value.shape) for key, value in model.state_dict().items()}
    held = {key: tuple(value.shape) for key, value in weights.items()}
    misfits = {k: (held[k], own[k]) for k in own.keys() & held.keys() if held[k] != own[k]}
    missing, unused = own.keys() - held.keys(), held.keys() - own.keys()
    model.name_or_path = model.config.name_or_path = str(files.folder)
    fitting = {key: value for key, value in weights.items() if key not in misfits}
    with Unusable(files.name, "weights"):
        model.load_state_dict(fitting, strict=False)
    loaded = LoadedModel(model, frozenset(missing), misfits, frozenset(unused))
    return _checked(files, loaded)


def _checked(files: CheckpointFiles, loaded: LoadedModel) -> LoadedModel:
    """`loaded`; SteepError if its encoder is not whole, or a weight is not a finite number."""
    misfits, lacking = (loaded.of_encoder(keys) for keys in (loaded.misfits, loaded.missing))
    refuse_misfits(files.name, {key: loaded.misfits[key] for key in misfits})
    if lacking:
        kind = loaded.model.config.model_type
        whole = len(loaded.of_encoder(loaded.model.state_dict()))
        raise SteepError(
            f"{files.name}: the encoder's weights are incomplete: {few(lacking)} missing, "
            f"{len(lacking):,} of {whole:,}. By config.json the model is a '{kind}'; the files "
            f"hold weights such as {few(files.shapes)}. Copy the checkpoint again, or fix its "
            "config.json."
        )
    odd = []
    for key, weight in loaded.model.named_parameters():
        if weight.numel() and not torch.isfinite(torch.stack(torch.aminmax(weight.data))).all():
            odd.append(key)
    if odd:
        raise SteepError(
            f"{files.name}: weights are not finite (NaN or infinite): {few(odd)}. The checkpoint "
            "was damaged, or its training diverged. Choose another one."
        )
    return loaded


def refuse_misfits(
    name: str, misfits: Mapping[str, tuple[tuple[int, ...], tuple[int, ...]]]
) -> None:
    """Raises SteepError where there are weights whose shapes contradict the configuration."""
    if not misfits:
        return
    first, *others = sorted(misfits)
    own, wanted = misfits[first]
    more = f", and {len(others):,} more differ" if others else ""
    raise SteepError(
        f"{name}: config.json and weights contradict each other: {first} is {_shape(own)} in the "
        f"weights, {_shape(wanted)} by config.json{more}. Use the config.json that the weights "
        "came with."
    )


def unused_notes(files: CheckpointFiles, loaded: LoadedModel) -> list[str]:
    """What the user should know of weights that are not read: in other files, or of the encoder."""
    two = files.weights[0].name == WEIGHTS and (files.folder / INDEX).is_file()
    other = [f"{files.name}: {WEIGHTS} is read, not the files that {INDEX} names"] if two else []
    encoder = loaded.model.base_model
    own = {name for name, _ in encoder.named_children()} - {POOLER.rstrip(".")}
    names = {key: key.removeprefix(f"{loaded.model.base_model_prefix}.") for key in loaded.unused}
    left = sorted(key for key, name in names.items() if name.partition(".")[0] in own)
    if not left:
        return other
    return [
        *other,
        f"{files.name}: {len(left):,} weights of its encoder are left out, such as {few(left)}: by "
        "its config.json the model is smaller than its weights",
    ]


def few(keys: Iterable[str]) -> str:
    """The first of some weights, by name."""
    return some(sorted(keys), most=2)


def _weights(files: CheckpointFiles, left_out: Callable[[str], bool] | None) -> dict[str, Tensor]:
    found: dict[str, Tensor] = {}
    for path in files.weights:
        with safe_open(path, "pt") as file:
            held = [key for key in file.keys() if key in files.shapes]  # noqa: SIM118
            wanted = [key for key in held if left_out is None or not left_out(key)]
            found |= {key: file.get_tensor(key) for key in wanted}
    return found


def _check_room(files: CheckpointFiles, outline: PreTrainedModel) -> None:
    """Raises SteepError before memory is taken for an encoder that the weights cannot fill."""
    parts = dict(outline.base_model.named_parameters())
    needed = sum(part.numel() for name, part in parts.items() if not name.startswith(POOLER))
    held = sum(map(prod, files.shapes.values()))
    if needed > held + SPARE:
        raise SteepError(
            f"{files.name}: the encoder's weights are incomplete: by config.json it has "
            f"{needed:,} numbers, the files hold {held:,}. Copy the checkpoint again, or fix its "
            "config.json."
        )


def _shape(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape)) or "one number"
