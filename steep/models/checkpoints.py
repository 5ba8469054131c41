"""How is a checkpoint loaded, and how does an adapted encoder get into a classifier?

The hand-off between step 2 and step 3 is where others lose the pooler: `BertForMaskedLM` has none,
so a classifier loaded from its checkpoint starts with a random one (transformers#8793, #8887).
Steep carries the pooler along in the adapted checkpoint, and grafts the adapted encoder into the
classifier that is built from the base checkpoint: only encoder weights differ.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoModel,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from steep.data.corpus import Task
from steep.errors import SteepError
from steep.models import families
from steep.models.checkpoint_files import (
    PROBLEMS,
    CheckpointFiles,
    check_tokenizer_files,
    read_checkpoint,
    read_config,
    stored_labels,
)
from steep.models.families import longest
from steep.models.hub import CONFIG, find, is_pooled
from steep.models.loading import (
    LoadedModel,
    Unusable,
    few,
    load_model,
    model_config,
    refuse_misfits,
    unused_notes,
)
from steep.seeds import derive
from steep.wording import some


def load_tokenizer(name: str | Path) -> PreTrainedTokenizerBase:
    """The tokenizer of a checkpoint; SteepError if it cannot be loaded or is no fast one."""
    folder, content = find(name), read_config(name)
    # Of a head of Steep's own, transformers does not know the model type: the tokenizer's counts.
    config = PreTrainedConfig.from_dict(content) if is_pooled(content) else model_config(name)
    check_tokenizer_files(name, folder)
    with Unusable(name, "tokenizer"):
        tokenizer = AutoTokenizer.from_pretrained(
            folder, config=config, local_files_only=True, trust_remote_code=False
        )
        known = {*tokenizer.get_vocab()} - {*tokenizer.all_special_tokens}
        tokenizer.unk_token_id  # noqa: B018  (looked up for ever where its name is empty)
    if not tokenizer.is_fast:
        raise SteepError(
            f"{name}: has no fast tokenizer (tokenizer.json). Choose a checkpoint with one."
        )
    if not known:
        raise SteepError(
            f"{name}: its tokenizer knows no words, only marks such as "
            f"{some(tokenizer.all_special_tokens, 3)}. Copy the files of the tokenizer that its "
            "model was trained with."
        )
    return tokenizer


def load_classifier(
    name: str | Path,
    task: Task,
    attention: str | None,
    seed: int,
    encoder: Path | None = None,
    pooling: str = "model",
) -> PreTrainedModel:
    """A classifier for `task` built from checkpoint `name`, in fp32; its head from stream "head".

    With `encoder`, that checkpoint's encoder weights are grafted in; everything else stays as it
    would be without. With another `pooling` than the checkpoint's own head, a `PooledClassifier`.
    The head of a trained classifier is kept only where its labels are those of `task`; what is new
    is in `checkpoint_notes`. Raises SteepError when a checkpoint cannot be loaded or does not fit.
    """
    config, files = encoder_files(name)
    config.num_labels = len(task.labels)
    config.id2label = dict(enumerate(task.labels))
    config.label2id = {label: index for index, label in enumerate(task.labels)}
    config.problem_type = PROBLEMS[task.kind]  # type: ignore[assignment]  # it says Literal
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(seed, "head"))
        if pooling == "model":
            loaded, notes = _with_head(files, config, attention, seed, task)
            model = loaded.model
        else:
            from steep.models.pooling import PooledClassifier, set_pooling

            set_pooling(config, pooling)
            loaded = load_model(AutoModel, files, config, attention)
            model = PooledClassifier(loaded.model)
            notes = [f"{name}: newly initialised, by the seed: its head (pooling {pooling})"]
    unused = [] if pooling.startswith("layer:") else unused_notes(files, loaded)
    keep_notes(model, [*unused, *notes])
    if encoder is not None:
        graft(encoder, model)
    return model


def checkpoint_notes(model: PreTrainedModel) -> tuple[str, ...]:
    """What is new or odd in `model`, loaded from a checkpoint: what its user should know."""
    return vars(model).get("steep_notes", ())


def load_trained(folder: Path, attention: str | None) -> PreTrainedModel:
    """A classifier as it was trained; SteepError if the checkpoint has no trained head."""
    from steep.models.pooling import averages, load_pooled

    files, auto = read_checkpoint(folder), AutoModelForSequenceClassification
    with torch.random.fork_rng(devices=[]):  # what is drawn is refused below
        if is_pooled(files.config) or averages(files):
            loaded = load_pooled(files, attention)
        else:
            loaded = load_model(auto, files, model_config(folder), attention)
    if loaded.missing:
        raise SteepError(
            f"{folder}: not a trained classifier ({few(loaded.missing)} missing). "
            "Train one with 'steep fit'."
        )
    refuse_misfits(files.name, loaded.misfits)
    return loaded.model


def graft(source: Path, model: PreTrainedModel) -> None:
    """Copy the encoder weights of checkpoint `source` into `model`, in place.

    Weights that `source` lacks (a pooler, after plain masked-LM training) keep those of `model`.
    """
    config, files = encoder_files(source)
    if model.config.to_dict().get("steep_pooling", "").startswith("layer:"):  # cut off above it
        config.num_hidden_layers = model.config.num_hidden_layers
    loaded = drawn_model(0, AutoModel, files, config)  # what is drawn is not given
    given = {k: v for k, v in loaded.model.state_dict().items() if k not in loaded.new}
    own = model.base_model.state_dict()
    lacking = [k for k in own if k not in given and not k.startswith("pooler.")]
    surplus = [k for k in given if k not in own and not k.startswith("pooler.")]
    misfits = [k for k in own if k in given and own[k].shape != given[k].shape]
    if lacking or surplus or misfits:
        raise SteepError(
            f"{source}: its encoder does not fit the checkpoint {model.config.name_or_path}: "
            f"{few(lacking or surplus or misfits)}. Use the checkpoint that it was adapted from."
        )
    model.base_model.load_state_dict({k: given[k] for k in own if k in given}, strict=False)


def check_length(max_length: int, model: PreTrainedModel) -> None:
    """Raises SteepError if the model has no positions for inputs of `max_length` tokens."""
    most = longest(model, max_length)
    if not 8 <= max_length <= most:
        raise SteepError(
            f"max_length {max_length}: the checkpoint takes 8 to {most} tokens. Choose within that."
        )


def encoder_files(name: str | Path) -> tuple[PreTrainedConfig, CheckpointFiles]:
    """The configuration and the files of an encoder; SteepError if it is none."""
    if is_pooled(read_config(name)):
        raise SteepError(
            f"{name}: a classifier whose head is Steep's own (--pooling): nothing starts from it. "
            "Name the checkpoint that it was fitted from."
        )
    config = model_config(name)
    families.check_encoder(name, config)
    files = read_checkpoint(name)
    if "steep_pooling" in files.config:
        from steep.models.pooling import averages, encoder_alone

        if averages(files):
            config.num_hidden_layers -= 1
            files = encoder_alone(files)
    return config, files


def drawn_model(seed: int, *given: Any) -> LoadedModel:
    """`load_model` of what is given; what is new comes from the stream "head".

    What was drawn before must not matter, nor what is drawn here later.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(seed, "head"))
        return load_model(*given)


def _with_head(
    files: CheckpointFiles, config: PreTrainedConfig, attention: str | None, seed: int, task: Task
) -> tuple[LoadedModel, list[str]]:
    """A classifier with the checkpoint's own kind of head, and what is new in it."""
    given = (AutoModelForSequenceClassification, files, config, attention)
    loaded = load_model(*given)
    head = {key for key in loaded.model.state_dict() if not key.startswith(loaded.prefix)}
    if not head or head & loaded.missing:
        return loaded, _new(files.name, loaded)
    # The checkpoint has a whole head: it is a classifier.
    known = stored_labels(files.config, files.folder / CONFIG)
    if known == task.labels and files.config.get("problem_type") in (None, config.problem_type):
        whose = f"a classifier of the same labels ({some(known)})"
        return loaded, [f"{files.name}: {whose}: its head is kept", *_new(files.name, loaded)]
    parts = tuple({f"{key.partition('.')[0]}." for key in head})
    loaded = drawn_model(seed, *given, lambda key: key.startswith(parts))  # as if it had none
    whose = f"a classifier of other labels ({some(known)})"
    return loaded, [f"{files.name}: {whose}: its head is not kept", *_new(files.name, loaded)]


def _new(name: str, loaded: LoadedModel) -> list[str]:
    """Which parts of a classifier are not the checkpoint's, by design, in a sentence."""
    own = {key for key in loaded.new if key.startswith(loaded.prefix)}
    parts = (("its head", loaded.new - own), ("its pooler", own))
    named = [f"{part} ({few(keys)})" for part, keys in parts if keys]
    return [f"{name}: newly initialised, by the seed: {' and '.join(named)}"] if named else []


def keep_notes(model: PreTrainedModel, notes: Iterable[str]) -> None:
    """Keep what the user should know of a checkpoint beside the model made of it."""
    vars(model)["steep_notes"] = tuple(notes)
