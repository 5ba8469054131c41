"""Tiny random models of the encoder families that Steep is tested with."""

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from transformers import (
    AutoModelForMaskedLM,
    AutoModelForSequenceClassification,
    BertConfig,
    DebertaV2Config,
    DistilBertConfig,
    ElectraConfig,
    ModernBertConfig,
    MPNetConfig,
    PreTrainedModel,
    RobertaConfig,
)

COMMON = {"vocab_size": 97, "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
INNER = {"intermediate_size": 96, "max_position_embeddings": 96}
CONFIGS = {
    "bert": BertConfig(**COMMON, **INNER),
    "roberta": RobertaConfig(**COMMON, **INNER),
    "electra": ElectraConfig(**COMMON, **INNER, embedding_size=32),
    "mpnet": MPNetConfig(**COMMON, **INNER),
    "deberta-v2": DebertaV2Config(
        **COMMON, **INNER, relative_attention=True, pos_att_type=["c2p", "p2c"], position_buckets=16
    ),
    "modernbert": ModernBertConfig(**COMMON, **INNER, pad_token_id=0, local_attention=8),
    "distilbert": DistilBertConfig(
        vocab_size=97, dim=64, n_layers=2, n_heads=4, hidden_dim=96, max_position_embeddings=96
    ),
}


@pytest.fixture(params=sorted(CONFIGS))
def family(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def make_model() -> Callable[[str, str], PreTrainedModel]:
    """(family, "mlm" or "labels") -> a tiny model with random weights, without dropout."""

    def make(family: str, objective: str) -> PreTrainedModel:
        torch.manual_seed(0)
        kind = AutoModelForMaskedLM if objective == "mlm" else AutoModelForSequenceClassification
        return kind.from_config(copy.deepcopy(CONFIGS[family])).eval()

    return make


@pytest.fixture
def batch() -> dict[str, Tensor]:
    """Three texts of 5, 11 and 16 tokens."""
    ids = torch.randint(5, 97, (3, 16), generator=torch.Generator().manual_seed(0))
    mask = (torch.arange(16) < torch.tensor([5, 11, 16])[:, None]).long()
    return {"input_ids": ids * mask + (1 - mask), "attention_mask": mask}
