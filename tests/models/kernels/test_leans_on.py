"""Do the internals of torch and transformers that Steep leans on still behave as it needs?

They are listed in docs/engine.md. Steep is imported only inside the tests that need it, so that
the messages below are seen even when `import steep.models.kernels` itself fails.
"""

import ast
import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from inspect import signature
from pathlib import Path
from unittest.mock import patch

import pytest
import torch
import transformers
from datasets import Dataset
from torch import Tensor, nn
from transformers import AutoModelForMaskedLM, AutoModelForPreTraining, PreTrainedModel

from tests.models.kernels.conftest import CONFIGS

BROKEN = (AssertionError, AttributeError, ImportError, LookupError)
BROKEN += (RuntimeError, TypeError, ValueError)
Make = Callable[[str, str], PreTrainedModel]


@contextmanager
def leaning_on(name: str, advice: str) -> Iterator[None]:
    """Any failure inside means that `name` has changed; the message adds what to do about it."""
    try:
        yield
    except BROKEN as error:
        versions = f"torch {torch.__version__}, transformers {transformers.__version__}"
        row = "Then update its row in docs/engine.md."
        raise AssertionError(f"{name} has changed ({versions}). {advice} {row}") from error


def test_bf16_support_of_the_processor() -> None:
    advice = "In kernels/__init__.py, `fast_dtype`, ask torch.cpu.get_capabilities() instead."
    with leaning_on("torch.cpu._is_avx512_bf16_supported", advice):
        assert torch.cpu._is_avx512_bf16_supported() in (True, False)


def test_bf16_support_of_a_gpu() -> None:
    advice = "In models/devices.py, require torch.cuda.get_device_capability() >= (8, 0) instead."
    with leaning_on("torch.cuda.is_bf16_supported", advice):
        assert "including_emulation" in signature(torch.cuda.is_bf16_supported).parameters


def test_backward_pass_of_softmax() -> None:
    scores = torch.randn(2, 3, 5, dtype=torch.float64, requires_grad=True)
    out = torch.softmax(scores, -1)
    grad = torch.randn_like(out)
    advice = "Use (grad - (grad * out).sum(-1, True)) * out in kernels/attention.py, or --plain."
    with leaning_on("torch._softmax_backward_data", advice):
        found = torch._softmax_backward_data(grad, out.detach(), -1, out.dtype)
        torch.testing.assert_close(found, *torch.autograd.grad(out, scores, grad))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_softmax_in_place(dtype: torch.dtype) -> None:
    scores = torch.randn(3, 64).to(dtype)
    expected = torch.softmax(scores, -1)
    advice = "Drop `out=` in kernels/attention.py, `_probabilities`; that costs one copy."
    with leaning_on("torch.softmax(x, -1, out=x)", advice):
        assert torch.equal(torch.softmax(scores, -1, out=scores), expected)


def test_layer_norm_and_its_backward_pass() -> None:
    x = torch.randn(4, 6, dtype=torch.float64, requires_grad=True)
    norm, grad = nn.LayerNorm(6).double(), torch.randn(4, 6, dtype=torch.float64)
    expected = torch.autograd.grad(norm(x), [x, norm.weight, norm.bias], grad)
    advice = "In kernels/fast_layers.py, call `dropout` and `layer_norm` under autograd."
    with leaning_on("torch.native_layer_norm", advice), torch.no_grad():
        out, mean, rstd = torch.native_layer_norm(x, (6,), norm.weight, norm.bias, norm.eps)
        torch.testing.assert_close(out, norm(x))
    with leaning_on("torch.ops.aten.native_layer_norm_backward", advice), torch.no_grad():
        found = torch.ops.aten.native_layer_norm_backward(
            grad, x, (6,), mean, rstd, norm.weight, norm.bias, [True] * 3
        )
        torch.testing.assert_close(found, expected)


def test_forward_set_on_an_instance_is_called() -> None:
    module = nn.Linear(2, 2)
    advice = "Replace layers by subclasses in kernels/__init__.py and reading.py, or use --plain."
    with leaning_on("nn.Module.__call__", advice):
        module.forward = lambda x: x + 1
        assert module(torch.zeros(1)) == 1
        del module.forward
        assert module(torch.zeros(2)).shape == (2,)


def test_fused_adamw_divides_gradients_by_grad_scale() -> None:
    ours = torch.randn(5)
    theirs, grad, moments = nn.Parameter(ours.clone()), torch.randn(5), torch.zeros(2, 5)
    theirs.grad, steps, mean = grad / 2, torch.zeros(()), 0.1 * grad / 2
    options = {"weight_decay": 0.1, "eps": 1e-8}
    torch.optim.AdamW([theirs], lr=0.01, betas=(0.9, 0.999), **options).step()
    advice = "In train/engine.py, use torch.optim.AdamW(fused=True) and clip_grad_norm_."
    with leaning_on("torch.optim.adamw.adamw", advice):
        from torch.optim.adamw import adamw

        lists = ([ours], [grad], [moments[0]], [moments[1]], [], [steps])
        plan = {"amsgrad": False, "maximize": False, "fused": True, "lr": 0.01}
        scale = torch.tensor(2.0)
        adamw(*lists, grad_scale=scale, beta1=0.9, beta2=0.999, **options, **plan)
        torch.testing.assert_close(ours, theirs.detach())
        torch.testing.assert_close(moments[0], mean)  # the first step itself ignores the scale
        assert steps == 1


def test_how_attention_is_replaced(make_model: Make) -> None:
    model = make_model("bert", "mlm")
    advice = "Find in kernels/__init__.py another test of whether attention is replaceable."
    with leaning_on("_can_set_attn_implementation or _attn_implementation", advice):
        assert model._can_set_attn_implementation() is True
        assert model.config._attn_implementation == "sdpa"
        model.set_attn_implementation("eager")
        assert model.config._attn_implementation == "eager"


@pytest.mark.parametrize(("decoder", "queries"), [(False, 1), (True, 16)])
def test_what_the_attention_interface_is_given(make_model: Make, batch, decoder, queries) -> None:
    """A mask of padding is (rows, 1, 1, length); a causal one has a row for every query."""
    with patch.object(CONFIGS["bert"], "is_decoder", decoder):
        model = make_model("bert", "mlm").train()
    advice = "Fix the two interfaces in kernels/__init__.py, or use --plain."
    with leaning_on("the attention interface, or bidirectional_mask_function, sdpa_mask", advice):
        from steep.models import kernels

        kernels.install(model, seed=0, dtype=torch.float32)
        install = kernels
        with patch.object(install, "attention", wraps=install.attention) as called:
            model(**batch)
        _, query, key, value, mask, rate, scaling = called.call_args.args
        assert query.shape == key.shape == value.shape == (3, 4, 16, 16)
        assert mask.dtype == torch.bool and mask.shape == (3, 1, queries, 16)
        assert (rate, scaling) == (0.1, 0.25)


def test_no_encoder_passes_what_our_attention_would_ignore() -> None:
    used = {None, "dropout", "scaling"}  # None: keywords that are handed through
    ignored = {"sliding_window", "output_attentions", "deterministic"}  # the mask has the window
    advice = "Use it in `_attention_interface` (kernels/__init__.py), or leave that family to sdpa."
    with leaning_on("what encoders pass to the attention interface", advice):
        from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING_NAMES

        given = {name for kind in MODEL_FOR_MASKED_LM_MAPPING_NAMES for name in _keywords(kind)}
        assert {"dropout", "scaling"} <= given <= used | ignored


def _keywords(kind: str) -> Iterator[str | None]:
    """The keywords with which the attention layers of a model type call the interface."""
    folder = Path(transformers.__file__).parent / "models" / kind.replace("-", "_")
    for path in folder.glob("modeling_*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "attention_interface":
                yield from (keyword.arg for keyword in node.keywords)


def test_sdpa_attention_forward() -> None:
    query, key, value = torch.randn(3, 2, 4, 5, 8)
    expected = nn.functional.scaled_dot_product_attention(query, key, value, scale=0.3)
    advice = "Call scaled_dot_product_attention directly in kernels/__init__.py."
    with leaning_on("sdpa_attention_forward", advice):
        from transformers.integrations.sdpa_attention import sdpa_attention_forward as sdpa

        found, _ = sdpa(nn.Module(), query, key, value, None, 0.0, 0.3, is_causal=False)
        torch.testing.assert_close(found, expected.transpose(1, 2))


BLOCK = {"dense": nn.Linear, "LayerNorm": nn.LayerNorm, "dropout": nn.Dropout}
ENDS = dict.fromkeys(("bert", "roberta", "electra", "deberta-v2"), ("attention.output", "output"))
ENDS |= {"mpnet": ("attention.LayerNorm", "output")}
ENDS |= {"distilbert": ("sa_layer_norm", "output_layer_norm")}


@pytest.mark.parametrize("kind", ENDS)
def test_names_and_classes_of_sublayers(make_model: Make, kind: str) -> None:
    """Where they change, Hugging Face's own layers are used: slower, not wrong."""
    stack = "transformer.layer.1" if kind == "distilbert" else "encoder.layer.1"
    advice = "Update `_BLOCK_OUTPUT` in kernels, `ENDS` and `PROJECTIONS` in kernels/reading.py."
    with leaning_on(f"the layer of {kind}", advice):
        layer = make_model(kind, "mlm").base_model.get_submodule(stack)
        ends = [layer.get_submodule(name) for name in ENDS[kind]]
        blocks = [end for end in ends if type(end) is not nn.LayerNorm]
        assert len(blocks) == {"mpnet": 1, "distilbert": 0}.get(kind, 2)
        for block in blocks:
            assert {name: type(child) for name, child in block.named_children()} == BLOCK
            x, residual = torch.randn(2, 5, block.dense.in_features), torch.randn(2, 5, 64)
            expected = block.LayerNorm(block.dense(x) + residual)
            assert torch.equal(block(hidden_states=x, input_tensor=residual), expected)
        if kind in ("bert", "roberta", "electra"):
            inner = dict(layer.get_submodule("attention.self").named_children())
            assert all(type(inner[name]) is nn.Linear for name in ("query", "key", "value"))


def test_the_stack_of_layers(make_model: Make, batch, family) -> None:
    model, seen = make_model(family, "mlm"), list[Tensor]()
    advice = "Fix models/families.py (how layers are found) or models/pooling.py (stand-ins)."
    with leaning_on(f"the stack of layers of {family}", advice):
        lists = [m for m in model.base_model.modules() if isinstance(m, nn.ModuleList)]
        layers = next(m for m in lists if len(m) == model.config.num_hidden_layers == 2)
        layers[0].register_forward_hook(lambda _, given, out: seen.append(out))
        layers[1].register_forward_pre_hook(lambda _, given: seen.append(given[0]))
        model(**batch)
        out, *others = seen[0] if isinstance(seen[0], tuple) else seen[:1]
        assert out is seen[1] and out.shape == (3, 16, 64)
        assert all(other is None for other in others)


def test_a_hook_can_change_what_the_head_reads(make_model: Make, batch, family) -> None:
    model = make_model(family, "mlm")

    def gather(_: nn.Module, given: tuple, output: dict) -> dict:
        output["last_hidden_state"] = output["last_hidden_state"].flatten(0, 1)[:7].unsqueeze(0)
        return output

    advice = "Find in models/heads.py, `MaskedLM`, another place to gather the masked positions."
    with leaning_on(f"the encoder output that the head of {family} reads", advice):
        model.base_model.register_forward_hook(gather)
        assert model(**batch).logits.shape == (1, 7, 97)


def test_signature_of_an_encoder(make_model: Make) -> None:
    advice = "Find in models/heads.py, `_keywords`, another test of whether segments are accepted."
    with leaning_on("the signature of an encoder's forward", advice):
        known = [make_model(kind, "mlm").base_model for kind in ("bert", "distilbert")]
        bert, distilbert = (signature(type(m).forward).parameters.keys() for m in known)
        assert {"input_ids", "attention_mask", "token_type_ids"} <= bert
        assert "token_type_ids" not in distilbert


def test_initialising_weights_again(make_model: Make, tmp_path: Path) -> None:
    make_model("bert", "mlm").save_pretrained(tmp_path)
    model = AutoModelForMaskedLM.from_pretrained(tmp_path)
    advice = "See transformers/initialization.py for what protects it; fix models/families.py."
    with leaning_on("_init_weights or _is_hf_initialized", advice), torch.no_grad():
        block = model.base_model.encoder.layer[1].output
        before = block.dense.weight.clone()
        vars(block.dense.weight).pop("_is_hf_initialized", None)
        block.apply(model._init_weights)
        assert not torch.equal(block.dense.weight, before)


def test_missing_keys_are_a_set(make_model: Make, tmp_path: Path) -> None:
    make_model("bert", "labels").base_model.save_pretrained(tmp_path)
    advice = "Convert it to a set in models/loading.py."
    with leaning_on("missing_keys of output_loading_info", advice):
        _, info = AutoModelForMaskedLM.from_pretrained(tmp_path, output_loading_info=True)
        assert isinstance(info["missing_keys"], set)
        assert "cls.predictions.bias" in info["missing_keys"]


def test_what_a_model_class_has_to_declare(make_model: Make) -> None:
    advice = "Fix `PooledClassifier` in models/pooling.py; --pooling model does without it."
    with leaning_on("_supports_sdpa, _supports_attention_backend, all_tied_weights_keys", advice):
        assert {"_supports_sdpa", "_supports_attention_backend"} <= vars(PreTrainedModel).keys()
        assert isinstance(vars(make_model("bert", "mlm"))["all_tied_weights_keys"], dict)


def test_table_of_masked_language_models() -> None:
    advice = "Find another table of model types for `check_encoder` in models/families.py."
    with leaning_on("MODEL_FOR_MASKED_LM_MAPPING_NAMES", advice):
        from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING_NAMES

        assert CONFIGS.keys() <= MODEL_FOR_MASKED_LM_MAPPING_NAMES.keys()
        assert "gpt2" not in MODEL_FOR_MASKED_LM_MAPPING_NAMES


def test_names_of_other_modules(make_model: Make, batch) -> None:
    with leaning_on("position_embeddings", "Fix `_counted_from` in models/families.py."):
        known = [make_model(kind, "mlm").base_model.embeddings for kind in ("bert", "roberta")]
        assert [some.position_embeddings.padding_idx for some in known] == [None, 1]
    with leaning_on("pooler", "Fix models/masked_lm.py, pooling.py and families.py."):
        assert "pooler" in dict(make_model("bert", "labels").base_model.named_children())
    with leaning_on("seq_relationship", "Fix `LOGITS` and `HEADS` in sentence_runs.py."):
        model = AutoModelForPreTraining.from_config(copy.deepcopy(CONFIGS["bert"]))
        assert "cls.seq_relationship.weight" in model.state_dict()
        assert {"prediction_logits", "seq_relationship_logits"} <= model(**batch).keys()


def test_indices_of_a_table_tell_that_rows_were_chosen() -> None:
    with leaning_on("Dataset._indices", "Copy every table in data/cache_files.py."):
        whole = Dataset.from_dict({"text": ["a", "b", "c"]})
        assert whole._indices is None
        assert whole.select([2, 0])._indices is not None


def test_fingerprint_of_a_table() -> None:
    advice = "Hash the texts themselves in data/tokens.py and data/sentences.py."
    with leaning_on("Dataset._fingerprint", advice):
        one, two = (Dataset.from_dict({"text": [text]})._fingerprint for text in "ab")
        assert isinstance(one, str) and one != two
