"""Does every family of encoders go the whole way: adapt, fit with its encoder, predict?

Tiny random models, each with the tokenizer class that its real checkpoints have.
"""

import itertools
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
import transformers as hf
from fastai.callback.core import Callback
from safetensors.torch import load_file, save_file
from tokenizers import (
    Tokenizer,
    decoders,
    models,
    pre_tokenizers,
    processors,
    trainers,
)

import steep
from steep.args import FitArgs, MachineArgs
from steep.args.chosen import recipe, recipe_names
from steep.data.batches import pad
from steep.data.budget import within
from steep.data.corpus import Task
from steep.data.inputs import frame
from steep.models.checkpoints import load_classifier
from steep.models.devices import choose
from steep.models.families import layer_groups
from steep.models.heads import Classifier
from steep.models.masked_lm import MaskedLM, load_masked_lm
from steep.options import from_mapping
from steep.train import classify
from steep.train.session import Hooks

Texts = list[str]
TASK = Task("single", ("negative", "positive"))
CPU: dict[str, Any] = {"device": "cpu", "precision": "fp32"}
COMMON: dict[str, Any] = CPU | {"label": "label", "learning_rate": 3e-3}
ADAPT: dict[str, Any] = COMMON | {"max_length": 24, "epochs": 0.5, "batch_tokens": 512}
FIT: dict[str, Any] = COMMON | {
    "pooling": "model",
    "max_length": 32,
    "epochs": 1,
    "warmup_ratio": 0.0,
}
BERT = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
FAIRSEQ = ["<s>", "<pad>", "</s>", "<unk>"]
SIZES = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 48,
    "initializer_range": 0.2,
}


def word_pieces(texts: Texts, special: list[str]) -> dict[str, int]:
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(vocab_size=200, special_tokens=special, show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer.get_vocab()


def byte_pairs(texts: Texts, special: list[str]) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def unigrams(texts: Texts, special: list[str], unknown: str) -> list[tuple[str, float]]:
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=200, special_tokens=special, unk_token=unknown, show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    return [(word, score) for word, score in json.loads(tokenizer.to_str())["model"]["vocab"]]


def bert(texts: Texts) -> tuple[Any, Any]:
    return hf.BertTokenizer(vocab=word_pieces(texts, BERT)), hf.BertConfig(**SIZES)


def distilbert(texts: Texts) -> tuple[Any, Any]:
    sizes = {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 32}
    config = hf.DistilBertConfig(**sizes, initializer_range=0.2, max_position_embeddings=48)
    return hf.DistilBertTokenizer(vocab=word_pieces(texts, BERT)), config


def electra(texts: Texts) -> tuple[Any, Any]:
    config = hf.ElectraConfig(**SIZES, embedding_size=16)
    return hf.ElectraTokenizer(vocab=word_pieces(texts, BERT)), config


def mpnet(texts: Texts) -> tuple[Any, Any]:
    vocabulary = word_pieces(texts, [*FAIRSEQ, "[UNK]", "<mask>"])
    config = hf.MPNetConfig(**SIZES, pad_token_id=1, bos_token_id=0, eos_token_id=2)
    return hf.MPNetTokenizer(vocab=vocabulary), config


def roberta(texts: Texts) -> tuple[Any, Any]:
    model = json.loads(byte_pairs(texts, [*FAIRSEQ, "<mask>"]).to_str())["model"]
    merges = [tuple(pair) for pair in model["merges"]]
    return hf.RobertaTokenizer(vocab=model["vocab"], merges=merges), hf.RobertaConfig(**SIZES)


def modernbert(texts: Texts) -> tuple[Any, Any]:
    plain = byte_pairs(texts, BERT)
    around = [(name, plain.token_to_id(name)) for name in ("[CLS]", "[SEP]")]
    plain.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B [SEP]", special_tokens=around
    )
    names = dict(zip(("pad", "unk", "cls", "sep", "mask"), BERT, strict=True))
    tokenizer = hf.PreTrainedTokenizerFast(
        tokenizer_object=plain,
        model_input_names=["input_ids", "attention_mask"],
        **{f"{name}_token": token for name, token in names.items()},
    )
    special = {"pad_token_id": 0, "cls_token_id": 2, "sep_token_id": 3}
    ends = {"bos_token_id": 2, "eos_token_id": 3}
    return tokenizer, hf.ModernBertConfig(**SIZES, **special, **ends, sparse_prediction=True)


def albert(texts: Texts) -> tuple[Any, Any]:
    vocabulary = unigrams(texts, ["<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]"], "<unk>")
    return hf.AlbertTokenizer(vocab=vocabulary), hf.AlbertConfig(**SIZES, embedding_size=16)


def deberta(texts: Texts) -> tuple[Any, Any]:
    vocabulary = unigrams(texts, ["[PAD]", "[CLS]", "[SEP]", "[UNK]", "[MASK]"], "[UNK]")
    relative = {"relative_attention": True, "pos_att_type": ["p2c", "c2p"], "position_buckets": 8}
    other = {"position_biased_input": False, "share_att_key": True, "type_vocab_size": 0}
    config = hf.DebertaV2Config(**SIZES, **relative, **other, norm_rel_ebd="layer_norm")
    return hf.DebertaV2Tokenizer(vocab=vocabulary, unk_id=3), config


def xlm_roberta(texts: Texts) -> tuple[Any, Any]:
    vocabulary = unigrams(texts, [*FAIRSEQ, "<mask>"], "<unk>")
    return hf.XLMRobertaTokenizer(vocab=vocabulary), hf.XLMRobertaConfig(**SIZES)


def camembert(texts: Texts) -> tuple[Any, Any]:
    vocabulary = unigrams(texts, [*FAIRSEQ, "<mask>"], "<unk>")
    return hf.CamembertTokenizer(vocab=vocabulary), hf.CamembertConfig(**SIZES)


FAMILIES = (
    [bert, distilbert, electra, mpnet, roberta, modernbert]  # by words, or by bytes
    + [albert, deberta, xlm_roberta, camembert]  # by unigrams
)


@pytest.fixture(scope="module")
def make(
    tmp_path_factory: pytest.TempPathFactory, tiny_rows: list[tuple[str, str, str]]
) -> Callable[[Callable[..., Any], type], Path]:
    """The folder of a tiny random model of a family; each is made once."""
    root, texts = tmp_path_factory.mktemp("families"), [text for _, text, _ in tiny_rows]

    def make(family: Callable[..., Any], auto: Any = hf.AutoModelForMaskedLM) -> Path:
        folder = root / f"{family.__name__}-{auto.__name__}"
        if not folder.exists():
            tokenizer, config = family(texts)
            config.vocab_size = len(tokenizer)
            with torch.random.fork_rng():
                torch.manual_seed(0)
                auto.from_config(config).save_pretrained(folder)
            tokenizer.save_pretrained(folder)
        return folder

    return make


@pytest.fixture(scope="module")
def headless(make: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Callable:
    """Checkpoints whose masked-LM head is missing or of no use, named as the real ones do it."""
    root = tmp_path_factory.mktemp("headless")

    def change(kind: str) -> Path:
        if kind == "electra":
            return make(electra, hf.AutoModelForPreTraining)
        folder = root / kind
        if kind == "sentences":
            shutil.copytree(make(mpnet, hf.AutoModel), folder)
            (folder / "modules.json").write_text("[]")
            return folder
        shutil.copytree(make(deberta), folder)
        weights = {n: w for n, w in stored(folder).items() if not n.startswith("cls.")}
        head = "lm_predictions.lm_head."
        weights |= {f"{head}dense.weight": torch.rand(32, 32), f"{head}dense.bias": torch.rand(32)}
        norm = {"weight": torch.rand(32), "bias": torch.rand(32)}
        weights |= {f"{head}LayerNorm.{name}": value for name, value in norm.items()}
        weights |= {
            f"{head}bias": torch.rand(len(weights["deberta.embeddings.word_embeddings.weight"]))
        }
        if kind == "deberta-v3":
            weights |= {"mask_predictions.dense.weight": torch.rand(32, 32)}
        save_file(weights, folder / "model.safetensors", {"format": "pt"})
        return folder

    return change


def stored(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def unmoved(before: dict[str, torch.Tensor], after: dict[str, torch.Tensor]) -> set[str]:
    assert before.keys() == after.keys()
    return {name for name in before if torch.equal(before[name], after[name])}


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_goes_the_whole_way(
    make: Callable[..., Path], family: Callable[..., Any], tiny_csv: Path, tmp_path: Path
) -> None:
    base = make(family)
    adapted = steep.adapt(tiny_csv, base, out=tmp_path / "adapted", **ADAPT)
    assert unmoved(stored(base), stored(adapted)) == set(), "step 2 moves every parameter"
    start = load_classifier(adapted, TASK, "eager", 0).state_dict()
    fitted = steep.fit(tiny_csv, adapted, out=tmp_path / "fitted", **FIT)
    own = {name: start[name] for name in stored(fitted)}
    assert unmoved(own, stored(fitted)) == set(), "step 3 moves every parameter"
    out = steep.predict(fitted, tiny_csv, out=tmp_path / "out.csv", **CPU)
    given = pd.read_csv(out)
    assert len(given) == 200
    assert given["p_positive"].nunique() > 20, "rows differ"
    plain, grafted = (
        load_classifier(base, TASK, "eager", 0, encoder).state_dict() for encoder in (None, adapted)
    )
    prefix = load_masked_lm(base, "eager", 0).model.base_model_prefix + "."
    same = unmoved(plain, grafted)
    assert {n for n in plain if not n.startswith(prefix)} <= same, "graft leaves the head alone"
    assert {n for n in plain if n.startswith(prefix)} - same >= {
        n for n in stored(base) if n.startswith(prefix)
    }


@torch.no_grad()
@pytest.mark.parametrize("family", FAMILIES)
def test_sparse_logits_padding_and_groups(
    make: Callable[..., Path], family: Callable[..., Any], tiny_rows: list[tuple[str, str, str]]
) -> None:
    lm = load_masked_lm(make(family), "eager", 0)
    around = frame(lm.tokenizer)
    texts = [text for _, text, _ in tiny_rows[:3]]
    rows = [lm.tokenizer(text)["input_ids"][:24] for text in texts]
    length = max(map(len, rows)) + 4
    ids = torch.tensor(pad(rows, around.pad, length))
    attention = torch.tensor(pad([[1] * len(row) for row in rows], 0, length))
    batch, positions = torch.stack([ids, attention], 1), torch.tensor([1, 2, length + 1, 2])
    model = lm.model.eval()
    dense = model(input_ids=ids, attention_mask=attention).logits.flatten(0, 1)[positions]
    sparse = MaskedLM(model, autocast=None)(batch, positions)
    torch.testing.assert_close(sparse, dense, atol=2e-5, rtol=1e-4)
    reader = Classifier(load_classifier(make(family), TASK, "eager", 0).eval(), autocast=None)
    alone = reader(batch[:1, :, : len(rows[0])])
    torch.testing.assert_close(reader(batch)[:1], alone, atol=2e-5, rtol=1e-4)
    for whole in (model, reader.model):
        grouped = [id(p) for group in layer_groups(whole) for p in group]
        assert sorted(grouped) == sorted(map(id, whole.parameters()))


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("electra", "was trained as a discriminator"),
        ("deberta-v3", "was trained as a discriminator"),
        ("sentences", "is a sentence-transformers checkpoint"),
    ],
)
def test_a_head_of_no_use_is_made_new_tied_and_told(
    headless: Callable[[str], Path], kind: str, why: str, tiny_csv: Path, tmp_path: Path
) -> None:
    base = headless(kind)
    lm = load_masked_lm(base, "eager", 0)
    assert lm.new_head
    assert lm.model.get_output_embeddings().weight is lm.model.get_input_embeddings().weight
    adapted = steep.adapt(tiny_csv, base, out=tmp_path / "adapted", **ADAPT)
    notes = json.loads((adapted / "steep.json").read_text())["notes"]
    assert any(why in note and "a new one is trained first" in note for note in notes)
    assert not load_masked_lm(adapted, "eager", 0).new_head, "it has one now"


def test_the_head_of_a_deberta_v2_is_found_and_kept(
    headless: Callable[[str], Path], tiny_csv: Path, tmp_path: Path
) -> None:
    base = headless("deberta-v2")
    lm = load_masked_lm(base, "eager", 0)
    assert not lm.new_head
    own = {n: w for n, w in stored(base).items() if n.startswith("lm_predictions.")}
    assert own
    assert all(torch.equal(lm.model.state_dict()[name], value) for name, value in own.items())
    adapted = steep.adapt(tiny_csv, base, out=tmp_path / "adapted", **ADAPT)
    assert unmoved(stored(base), stored(adapted)) == set()
    again = load_masked_lm(adapted, "eager", 0)
    assert not again.new_head


class Moved(Callback):
    """Which parameters an epoch moved, beside those that it was allowed to."""

    order, run_valid = 50, False  # after whoever freezes

    def __init__(self) -> None:
        self.epochs: list[tuple[set[str], set[str]]] = []

    def before_train(self) -> None:
        self.before = {n: p.detach().clone() for n, p in self.model.named_parameters()}
        self.free = {n for n, p in self.model.named_parameters() if p.requires_grad}

    def after_train(self) -> None:
        now = dict(self.model.named_parameters())
        moved = {n for n, p in self.before.items() if not torch.equal(p, now[n])}
        self.epochs.append((moved, self.free))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("name", recipe_names())
def test_in_every_recipe_moves_what_is_not_frozen_and_nothing_else(
    make: Callable[..., Path], family: Callable[..., Any], name: str, tiny_csv: Path
) -> None:
    own = {"epochs": 4, "batch_size": 16, "max_length": 24, "label": "label"}
    args = from_mapping(FitArgs, recipe(name) | own | {"learning_rate": 1e-2}, "test")
    data = within(steep.read(tiny_csv, label="label"), 32, 0)
    machine = choose(MachineArgs(**CPU))
    learn, watch = classify.learner(data, make(family), args.tune, machine, 0), Moved()
    classify.train(learn, data, args.tune, None, 0, Hooks(callbacks=[watch]))
    everything = {n for n, _ in learn.model.named_parameters()}
    assert all(moved == free for moved, free in watch.epochs)
    free = [free for _, free in watch.epochs]
    if args.tune.layers.unfreeze == "gradual":
        groups = len(learn.splitter(learn.model))
        assert all(one < more for one, more in itertools.pairwise(free[:groups]))
    never = args.tune.layers.unfreeze == "never"
    assert set().union(*free) < everything if never else free[-1] == everything
