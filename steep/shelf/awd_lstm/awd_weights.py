"""How are the weights of fastai's AWD-LSTM found in a folder, and read without trusting them?

fastai keeps a file of tensors (lstm_fwd.pth) and the vocabulary, a pickled list (itos_wt103.pkl).
A pickle may run anything when it is read, so here it may hold nothing but lists and texts.
"""

import json
import pickle
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from steep import runs
from steep.errors import SteepError

CACHED = "wt103-fwd"  # fastai's name for them: of the archive, and of the folder in its cache
ENCODER, DECODER = "0.", "1.decoder.weight"
VOCABULARY = "vocab.json"


@dataclass(frozen=True)
class Awd:
    """Weights of an AWD-LSTM by fastai's names, and the words that its embeddings are of."""

    weights: dict[str, Tensor]
    words: list[str]

    def sizes(self, defaults: dict[str, Any], prefix: str = "") -> dict[str, Any]:
        """fastai's configuration `defaults` with the sizes of these weights."""
        layers = [n for n in self.weights if re.search(r"rnns\.\d+\.weight_hh_l0_raw$", n)]
        return defaults | {
            "emb_sz": self.weights[f"{prefix}encoder.weight"].shape[1],
            "n_hid": self.weights[f"{prefix}rnns.0.weight_hh_l0_raw"].shape[1],
            "n_layers": len(layers),
        }

    def save(self, folder: Path) -> None:
        """As safetensors and JSON."""
        copies = {name: tensor.contiguous().cpu().clone() for name, tensor in self.weights.items()}
        save_file(copies, folder / runs.WEIGHTS)
        runs.write_json(folder / VOCABULARY, self.words)


def load_awd(folder: Path) -> Awd:
    """What `Awd.save` wrote."""
    return Awd(load_file(folder / runs.WEIGHTS), runs.read_json(folder / VOCABULARY))


def find_awd(folder: Path) -> tuple[Path, Path]:
    """The files of weights and of words in `folder`; SteepError where there is not one of each."""
    weights = sorted(folder.glob("*.pth"))
    words = sorted([*folder.glob("*.pkl"), *folder.glob("*.json")])
    if len(weights) == len(words) == 1:
        return weights[0], words[0]
    found = ", ".join(path.name for path in [*weights, *words]) or "none of them"
    raise SteepError(
        f"arm awd-lstm: {folder} must hold one file of weights (lstm_fwd.pth) and one of words "
        f"(itos_wt103.pkl, or a list in JSON); it holds {found}. Both are in {CACHED}.tgz of "
        "fastai (URLs.WT103_FWD): unpack them there, or name their folder with --awd-lstm."
    )


def read_awd(folder: Path) -> Awd:
    """The pre-trained language model in `folder`, in fastai's files; SteepError if it is none."""
    at, listed = find_awd(folder)
    found = Awd(_tensors(at), _words(listed))
    rows = found.weights[f"{ENCODER}encoder.weight"].shape[0]
    if rows != len(found.words):
        raise SteepError(
            f"{listed}: {len(found.words):,} words, but {at.name} has embeddings of {rows:,}: the "
            "two files belong to different models."
        )
    return found


def _tensors(path: Path) -> dict[str, Tensor]:
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        why = str(error).partition("\n")[0]
        raise SteepError(f"{path}: not a file of tensors: {why}") from None
    state = state.get("model", state) if isinstance(state, dict) else {}  # saved with its optimiser
    needed = {f"{ENCODER}encoder.weight", f"{ENCODER}rnns.0.weight_hh_l0_raw", DECODER}
    if missing := sorted(needed - state.keys()):
        raise SteepError(f"{path}: no AWD-LSTM language model of fastai: {missing[0]} is missing.")
    return state


class _Plain(pickle.Unpickler):
    """Reads lists and texts; whatever would have to be called is refused."""

    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"it calls {module}.{name}")


def _words(path: Path) -> list[str]:
    try:
        if path.suffix == ".json":
            words = json.loads(path.read_text(encoding="utf-8"))
        else:
            with path.open("rb") as stream:
                words = _Plain(stream).load()
    except (pickle.UnpicklingError, ValueError, EOFError, IndexError) as error:
        raise SteepError(f"{path}: not a plain list of words: {error}.") from None
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise SteepError(f"{path}: expected a list of words, and nothing else.")
    return words
