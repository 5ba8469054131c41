"""One core for the tests of models, a cache of their own, and a tiny model of every family."""

from collections.abc import Callable, Iterator
from pathlib import Path

import datasets
import pytest
import torch
from transformers import (
    AlbertConfig,
    BertConfig,
    CamembertConfig,
    DebertaV2Config,
    DistilBertConfig,
    ElectraConfig,
    ModernBertConfig,
    MPNetConfig,
    PreTrainedConfig,
    PreTrainedModel,
    RobertaConfig,
    XLMRobertaConfig,
)

SIZES = {
    "vocab_size": 60,
    "hidden_size": 16,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "max_position_embeddings": 40,
    "pad_token_id": 1,
}
DISTILLED = {"dim": 16, "n_layers": 3, "n_heads": 2, "hidden_dim": 24}
RELATIVE = {
    "relative_attention": True,
    "pos_att_type": ["p2c", "c2p"],
    "position_buckets": 8,
    "norm_rel_ebd": "layer_norm",
    "share_att_key": True,
}
MODERN = {"cls_token_id": 2, "sep_token_id": 3, "bos_token_id": 2, "eos_token_id": 3}
FAMILIES: dict[str, Callable[[], PreTrainedConfig]] = {
    "bert": lambda: BertConfig(**SIZES),
    "roberta": lambda: RobertaConfig(**SIZES),
    "distilbert": lambda: DistilBertConfig(
        **DISTILLED, vocab_size=60, max_position_embeddings=40, pad_token_id=1
    ),
    "albert": lambda: AlbertConfig(**SIZES, embedding_size=8),
    "electra": lambda: ElectraConfig(**SIZES, embedding_size=8),
    "deberta-v2": lambda: DebertaV2Config(**SIZES, **RELATIVE),
    "modernbert": lambda: ModernBertConfig(**SIZES, **MODERN),
    "mpnet": lambda: MPNetConfig(**SIZES),
    "xlm-roberta": lambda: XLMRobertaConfig(**SIZES),
    "camembert": lambda: CamembertConfig(**SIZES),
}


@pytest.fixture(autouse=True, scope="session")
def one_core() -> Iterator[None]:
    """Tiny models are slower on several cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The cache folder of `datasets`, empty."""
    with pytest.MonkeyPatch.context() as patch:
        cache = tmp_path_factory.mktemp("cache")
        patch.setattr(datasets.config, "HF_DATASETS_CACHE", cache)
        yield


@pytest.fixture(params=FAMILIES)
def family(request: pytest.FixtureRequest) -> PreTrainedConfig:
    """The configuration of a tiny model, one of every family."""
    return FAMILIES[request.param]()


@pytest.fixture(scope="session")
def build() -> Callable[..., PreTrainedModel]:
    """Build a model of an `Auto...` class in which no weight or bias is zero, nor two alike."""

    def build(auto: type, config: PreTrainedConfig) -> PreTrainedModel:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            model = auto.from_config(config, attn_implementation="eager")
            for parameter in model.parameters():
                parameter.data += 0.5 * torch.randn_like(parameter)
        return model.eval()

    return build


@pytest.fixture
def bert_copy(tiny_bert: Path, tmp_path: Path) -> Callable[..., Path]:
    """Save the tiny BERT anew: another class, its encoder changed by noise, other sizes."""
    from transformers import AutoConfig, AutoTokenizer

    def copy(auto: type, noise: float = 0.0, **sizes: int) -> Path:
        folder = tmp_path / f"{auto.__name__}-{noise}-{len(sizes)}"
        with torch.random.fork_rng():
            torch.manual_seed(1)
            if sizes:
                config = AutoConfig.from_pretrained(tiny_bert, **sizes)
                model = auto(config)
            else:
                model = auto.from_pretrained(tiny_bert)
            for parameter in model.base_model.parameters():
                parameter.data += noise * torch.randn_like(parameter)
        model.save_pretrained(folder)
        AutoTokenizer.from_pretrained(tiny_bert).save_pretrained(folder)
        return folder

    return copy
