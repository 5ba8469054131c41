"""Do families that are built otherwise work all the same: fast as plain, whole, and with pairs?"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    AutoModelForMaskedLM,
    AutoModelForSequenceClassification,
    BertConfig,
    DebertaConfig,
    DebertaV2Config,
    IBertConfig,
    LongformerConfig,
    PreTrainedModel,
    RoCBertConfig,
)

from steep.data.corpus import Task
from steep.errors import SteepError
from steep.models import kernels
from steep.models.checkpoints import load_classifier, load_tokenizer
from steep.models.devices import Machine
from steep.models.families import knows_segments, longest
from steep.models.heads import Classifier
from steep.models.masked_lm import load_masked_lm

TASK = Task("single", ("bad", "good"))
SIZES: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 48,
    "max_position_embeddings": 48,
    "pad_token_id": 0,
}
ROC = {"pronunciation": 20, "shape": 20}
KINDS: dict[str, Callable[[int], Any]] = {
    "longformer": lambda words: LongformerConfig(**SIZES, vocab_size=words, attention_window=8),
    "roc_bert": lambda words: RoCBertConfig(
        **SIZES,
        vocab_size=words,
        **{f"{kind}_vocab_size": size for kind, size in ROC.items()},
        **{f"{kind}_embed_dim": 8 for kind in ROC},
    ),
    "ibert": lambda words: IBertConfig(**SIZES, vocab_size=words),
}
Build = Callable[..., PreTrainedModel]


@pytest.fixture(params=KINDS)
def odd(request: pytest.FixtureRequest, tiny_bert: Path, tmp_path: Path, build: Build) -> Path:
    """The checkpoint of a family whose layers write into views, or have tables of their own."""
    tokenizer = load_tokenizer(tiny_bert)
    build(AutoModelForMaskedLM, KINDS[request.param](len(tokenizer))).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    return tmp_path


def gradients(model: PreTrainedModel) -> dict[str, torch.Tensor]:
    ids = torch.randint(5, 200, (2, 16), generator=torch.Generator().manual_seed(0))
    mask = (torch.arange(16) < torch.tensor([[16], [9]])).long()
    model.zero_grad()
    model(input_ids=ids, attention_mask=mask).logits.square().mean().backward()
    return {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}


def test_fast_layers_give_the_same_gradients(odd: Path) -> None:
    for model in (
        load_masked_lm(odd, "eager", 0).model.eval(),
        load_classifier(odd, TASK, "eager", 0).eval(),
    ):
        plain = gradients(model)
        kernels.install(model, seed=0, dtype=torch.float32)
        fast = gradients(model)
        assert plain.keys() == fast.keys()
        for name, gradient in plain.items():
            torch.testing.assert_close(fast[name], gradient, rtol=1e-3, atol=1e-5, msg=name)


def test_positions_that_are_relative_have_no_end(build: Build) -> None:
    sizes = {**SIZES, "vocab_size": 60, "type_vocab_size": 0}
    relative = {"relative_attention": True, "pos_att_type": ["p2c", "c2p"]}
    for absolute in (False, True):
        config = DebertaV2Config(**sizes, **relative, position_biased_input=absolute)
        model = build(AutoModelForSequenceClassification, config)
        assert longest(model, 100) == (48 if absolute else 100)
    config = DebertaConfig(**sizes, **relative, position_biased_input=False)
    assert longest(build(AutoModelForSequenceClassification, config), 600) == 600


@torch.no_grad()
@pytest.mark.parametrize("segments", [1, 2])
def test_pairs_of_a_model_with_one_segment(build: Build, segments: int) -> None:
    config = BertConfig(**SIZES, vocab_size=60, type_vocab_size=segments)
    model = build(AutoModelForSequenceClassification, config)
    ids, mask = torch.arange(5, 13)[None], torch.ones(1, 8, dtype=torch.long)
    batch = torch.stack([ids, mask, (torch.arange(8)[None] > 3).long()], 1)
    found = Classifier(model, autocast=None)(batch)
    given = {"token_type_ids": batch[:, 2]} if segments == 2 else {}
    assert knows_segments(model) is (segments == 2)
    torch.testing.assert_close(found, model(input_ids=ids, attention_mask=mask, **given).logits)


def test_a_family_that_cannot_compute_in_bf16_says_so(build: Build) -> None:
    model = build(AutoModelForMaskedLM, DebertaConfig(**SIZES, vocab_size=60))
    for bf16 in (False, True):
        machine = Machine(torch.device("cpu"), bf16=bf16, attention="eager")
        if bf16:
            with pytest.raises(SteepError, match="'deberta' .* cannot compute in bf16. Add --prec"):
                machine.prepare(model, 0)
        else:
            assert machine.prepare(model, 0) is model
