"""How does a study run the arm awd-lstm? fastai's language model learns the text, then the labels.

Its step 2 reads the text that the arm adapted reads; its step 3 has the same rows, labels, losses
and number of epochs as the other arms. Learning rates are fastai's own, and so are the weights: a
file of tensors (lstm_fwd.pth) and the vocabulary, a pickled list (itos_wt103.pkl). A pickle may run
anything when it is read, so here it may hold nothing but lists and texts.
"""

import json
import pickle
import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from steep import outputs, runs
from steep.data.step2_text import gather, read_corpora
from steep.errors import SteepError
from steep.seeds import numbers
from steep.study.arms import Arm, CellInput, CellOutput, Step2Job

if TYPE_CHECKING:
    from torch import Tensor

CACHED = "wt103-fwd"  # fastai's name for them: of the archive, and of the folder in its cache
ENCODER, DECODER = "0.", "1.decoder.weight"
VOCABULARY = "vocab.json"


def awd_lstm_arm(weights: Path | None) -> Arm:
    """The arm, whose language model lies in the folder `weights`, or in fastai's cache."""
    return Arm(
        "awd-lstm",
        "ULMFiT as published: fastai's AWD-LSTM, fine-tuned on the text, then on the labels",
        fit=fit_awd_lstm,
        pretrain=partial(pretrain_awd_lstm, weights),
        check=partial(check_awd_lstm, weights),
        options={"awd_lstm": weights},
        rival=True,
        timed=False,
    )


def check_awd_lstm(weights: Path | None, cell: CellInput) -> None:
    """Raises SteepError where the weights are not there, or are no AWD-LSTM."""
    from steep.train.awd_lstm import cached_weights

    read_awd(weights or cached_weights())


def pretrain_awd_lstm(weights: Path | None, job: Step2Job) -> None:
    """Fine-tune the language model on the text; writes the folder `job.out` of its encoder.

    It trains for whole passes over the text, at least one. Raises SteepError for whatever is wrong
    with the text or the weights.
    """
    # Only now: importing torch takes longer than finding a mistake in a file or an option.
    from steep.models.devices import choose
    from steep.train.awd_lstm import adapt_awd, cached_weights

    args, seed = job.args, job.args.seed.seed
    machine, start = choose(args.machine), read_awd(weights or cached_weights())
    data, further = read_corpora(job.data, job.files, args.table, args.split, args.text)
    with outputs.writing(job.out, "awd-lstm", args) as run:
        texts = gather(data, further, args.text, run).corpus.whole()
        order = numbers(seed, "heldout").permutation(len(texts))
        aside = max(1, round(args.pretrain.evaluation.heldout_share * len(texts)))
        epochs = args.pretrain.passes.epochs
        passes = 1 if epochs is None else max(1, round(epochs))
        run.note(
            f"awd-lstm: {len(texts):,} documents, {aside:,} of them held out; {passes + 1} passes"
        )
        heldout, train = ([texts[n] for n in part] for part in np.split(order, [aside]))
        found, results, history = adapt_awd(train, heldout, start, passes, seed, machine.device)
        loss = results["next_word_loss"]
        run.note(
            f"awd-lstm: loss of the next word on held-out text {loss['before']:.3f} before, "
            f"{loss['after']:.3f} after"
        )
        runs.write_json(run.folder / runs.RESULTS, results)
        runs.write_csv(run.folder / runs.HISTORY, history)
        found.save(run.folder)


def fit_awd_lstm(cell: CellInput) -> CellOutput:
    """Fit a classifier on the encoder that step 2 left in `cell.encoder`."""
    from steep.models.devices import choose
    from steep.train.awd_lstm import fit_awd

    assert cell.encoder is not None
    return fit_awd(cell, load_awd(cell.encoder), choose(cell.machine).device)


@dataclass(frozen=True)
class Awd:
    """Weights of an AWD-LSTM by fastai's names, and the words that its embeddings are of."""

    weights: "dict[str, Tensor]"
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
        from safetensors.torch import save_file

        copies = {name: tensor.contiguous().cpu().clone() for name, tensor in self.weights.items()}
        save_file(copies, folder / runs.WEIGHTS)
        runs.write_json(folder / VOCABULARY, self.words)


def load_awd(folder: Path) -> Awd:
    """What `Awd.save` wrote."""
    from safetensors.torch import load_file

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


def _tensors(path: Path) -> "dict[str, Tensor]":
    import torch

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
