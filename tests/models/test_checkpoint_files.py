"""Is all that can be wrong with a checkpoint's files told without torch, and each told apart?"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from steep.errors import SteepError
from steep.models import checkpoint_files
from steep.models.checkpoint_files import (
    check_checkpoint,
    checkpoint_identity,
    read_checkpoint,
    stored_labels,
)

WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"


@pytest.fixture
def copy(tiny_bert: Path, tmp_path: Path) -> Path:
    """A copy of the tiny BERT, to be broken."""
    return Path(shutil.copytree(tiny_bert, tmp_path / "model"))


def configured(folder: Path, **values: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


CONFIGS: list[tuple[dict[str, Any], str]] = [
    ({"hidden_size": "x"}, r"'hidden_size' must be a whole number, 1 to .*, not \"x\""),
    ({"hidden_size": -32}, "'hidden_size' must be a whole number, 1 to .*, not -32"),
    ({"hidden_size": [32]}, r"'hidden_size' .* not \[32\]"),
    ({"num_hidden_layers": True}, "'num_hidden_layers' .* not true"),
    ({"num_hidden_layers": 10**9}, "'num_hidden_layers' must be .* 1 to 1,000, not 1000000000"),
    ({"num_attention_heads": 0}, "'num_attention_heads' .* not 0"),
    ({"vocab_size": 2.5}, "'vocab_size' .* not 2.5"),
    ({"type_vocab_size": -1}, "'type_vocab_size' must be a whole number, 0 to .*, not -1"),
    ({"hidden_dropout_prob": float("nan")}, "'hidden_dropout_prob' is nan; expected a finite"),
    ({"chunk_size_feed_forward": None}, "'chunk_size_feed_forward' must be .* 0 to 0, not null"),
    ({"layer_norm_eps": 0}, "'layer_norm_eps' is 0; expected 1e-12 or so"),
    ({"model_type": None}, "'model_type' must name a family of models.* not null"),
    ({"model_type": 3}, "'model_type' must name a family of models.* not 3"),
    ({"quantization_config": {"load_in_4bit": True}}, "its weights are quantised"),
    ({"id2label": ["no", "yes"]}, r"'id2label' is \[\"no\", \"yes\"\]; expected the numbers"),
    ({"id2label": {"no": 0}}, "'id2label' has the key 'no'"),
    ({"id2label": {"-1": "no", "0": "yes"}}, "'id2label' has the key '-1'"),
    ({"id2label": {"0": "no", "2": "yes"}}, "names the outputs 0, 2, but 2 outputs are numbered"),
    ({"id2label": {"1": "no", "2": "yes"}}, "names the outputs 1, 2, but 2 outputs are numbered"),
    ({"id2label": {"0": "no", "00": "yes"}}, "names the outputs 0, 00, but 2 outputs"),
    ({"id2label": {"0": None}}, "'id2label' calls 0 null"),
    ({"id2label": {"0": "no"}, "num_labels": 3}, "'num_labels' is 3, but 'id2label' names 1"),
]


@pytest.mark.parametrize(("values", "told"), CONFIGS)
def test_a_configuration_that_can_describe_no_model(
    copy: Path, values: dict[str, Any], told: str
) -> None:
    configured(copy, **values)
    with pytest.raises(SteepError, match=told) as caught:
        check_checkpoint(copy)
    assert str(caught.value).startswith(str(copy / "config.json"))


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("config.json", b"", r"config\.json: cannot be read as JSON"),
        ("config.json", b"[1, 2]", r"config\.json: must hold a JSON object, not \[1, 2\]"),
        ("config.json", b"\xff\xfe{}", r"config\.json: cannot be read as JSON"),
        ("config.json", b'{"a": ' + b"[" * 100_000, r"config\.json: cannot be read as JSON"),
        ("config.json", b'{"a": ' + b"1" * 5000 + b"}", r"config\.json: cannot be read as JSON"),
        (WEIGHTS, b"", r"its weights cannot be read \(model\.safetensors: "),
        (WEIGHTS, b"\x10\0\0\0\0\0\0\0{ garbage", "its weights cannot be read"),
        (WEIGHTS, b"\x02\0\0\0\0\0\0\0{}", "holds no weights"),
        (WEIGHTS, b"version https://git-lfs.github.com/spec/v1\noid", "a pointer of Git LFS"),
        ("tokenizer.json", b"", r"tokenizer\.json, a file of its tokenizer, is empty"),
    ],
)
def test_a_file_that_is_broken(copy: Path, name: str, content: bytes, told: str) -> None:
    (copy / name).write_bytes(content)
    with pytest.raises(SteepError, match=told):
        check_checkpoint(copy)


def test_weights_that_are_cut_or_quantised(copy: Path) -> None:
    weights = load_file(copy / WEIGHTS)
    name = "bert.encoder.layer.0.output.dense.weight"
    save_file(weights | {name: weights[name].astype(np.int8)}, copy / WEIGHTS)
    with pytest.raises(SteepError, match=rf"{name} are of type I8, as quantised ones are"):
        check_checkpoint(copy)
    (copy / WEIGHTS).write_bytes((copy / WEIGHTS).read_bytes()[:-1000])
    with pytest.raises(SteepError, match="its weights cannot be read"):
        check_checkpoint(copy)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ([], "tokenizer_config.json: must hold a JSON object"),
        ({"model_max_length": "x"}, "'model_max_length' must be a number of tokens, not \"x\""),
        ({"model_max_length": [1]}, "'model_max_length' must be a number of tokens, not"),
        ({"model_max_length": float("nan")}, "'model_max_length' .* not NaN"),
        ({"max_len": True}, "'max_len' must be a number of tokens, not true"),
        ({"model_input_names": "input_ids"}, "'model_input_names' must be a list of names"),
        ({"model_input_names": [["x"]]}, "'model_input_names' must be a list of names"),
        ({"model_max_length": 10**30, "max_len": None, "model_input_names": ["x"]}, None),
    ],
)
def test_values_of_a_tokenizer(copy: Path, values: Any, told: str | None) -> None:
    (copy / "tokenizer_config.json").write_text(json.dumps(values))
    with nullcontext() if told is None else pytest.raises(SteepError, match=told):
        check_checkpoint(copy)


def test_a_tokenizer_that_is_missing(copy: Path) -> None:
    for name in ("tokenizer.json", "vocab.txt"):
        (copy / name).unlink()
    with pytest.raises(SteepError, match="its tokenizer is missing"):
        check_checkpoint(copy)
    assert read_checkpoint(copy).weights == (copy / WEIGHTS,), "a base needs none"


def sharded(folder: Path, placed: Any) -> None:
    """The weights in two files; `placed` of their index, where it is not a function of theirs."""
    weights = load_file(folder / WEIGHTS)
    (folder / WEIGHTS).unlink()
    names = [*weights]
    parts = {"a.safetensors": names[::2], "b.safetensors": names[1::2]}
    for file, held in parts.items():
        save_file({name: weights[name] for name in held}, folder / file)
    found = {name: file for file, held in parts.items() for name in held}
    placed = placed(found) if callable(placed) else placed
    (folder / INDEX).write_text(placed if isinstance(placed, str) else json.dumps(placed))


def with_file(file: Any) -> Callable[[dict[str, str]], dict[str, Any]]:
    return lambda found: {"weight_map": {**found, "bert.pooler.dense.bias": file}}


@pytest.mark.parametrize(
    ("placed", "told"),
    [
        ("{ garbage", r"index\.json: cannot be read as JSON"),
        ("[]", r"index\.json: must hold a JSON object, not \[\]"),
        ({"metadata": {}}, "'weight_map' must name a file for each weight, not null"),
        ({"weight_map": {}}, r"'weight_map' must name a file for each weight, not \{\}"),
        ({"weight_map": [1]}, r"'weight_map' must name a file for each weight, not \[1\]"),
        (with_file("pytorch_model.bin"), r"puts 'bert\.pooler\.dense\.bias' in .*\.bin\""),
        (with_file("../a.safetensors"), r"in \"\.\./a\.safetensors\"; expected a \*\.safetensors"),
        (with_file("/tmp/a.safetensors"), r"expected a \*\.safetensors file in the same folder"),
        (with_file("sub/a.safetensors"), r"expected a \*\.safetensors file in the same folder"),
        (with_file("..\\a.safetensors"), r"expected a \*\.safetensors file in the same folder"),
        (with_file(None), "in null; expected"),
        (with_file("c.safetensors"), r"names c\.safetensors, not in its folder"),
    ],
)
def test_an_index_names_only_safetensors_in_its_folder(copy: Path, placed: Any, told: str) -> None:
    sharded(copy, placed)
    with pytest.raises(SteepError, match=told):
        check_checkpoint(copy)


def test_weights_may_be_links_as_in_the_cache_of_the_hub(copy: Path, tmp_path: Path) -> None:
    names = read_checkpoint(copy).shapes
    sharded(copy, lambda found: {"weight_map": found})
    (tmp_path / "blobs").mkdir()
    for number, file in enumerate(("a.safetensors", "b.safetensors", "config.json")):
        (copy / file).rename(tmp_path / "blobs" / str(number))
        (copy / file).symlink_to(tmp_path / "blobs" / str(number))
    files = read_checkpoint(copy)
    assert files.shapes == names
    assert files.weights == (copy / "a.safetensors", copy / "b.safetensors")


def test_a_pipe_is_no_file(copy: Path) -> None:
    (copy / "config.json").unlink()
    os.mkfifo(copy / "config.json")
    with pytest.raises(SteepError, match=r"no config\.json"):
        check_checkpoint(copy)


@pytest.mark.parametrize(
    ("config", "labels"),
    [
        ({"id2label": {"1": "yes", "0": "no"}}, ("no", "yes")),
        (
            {"id2label": {str(n): f"c{n}" for n in (0, 1, 10, *range(2, 10))}},
            tuple(f"c{n}" for n in range(11)),
        ),
        ({"id2label": {"0": 0, "1": 1.5}}, ("0", "1.5")),
        ({"num_labels": 3}, ("LABEL_0", "LABEL_1", "LABEL_2")),
        ({}, ("LABEL_0", "LABEL_1")),
    ],
)
def test_labels_are_named_by_number(config: dict[str, Any], labels: tuple[str, ...]) -> None:
    assert stored_labels(config, Path("config.json")) == labels


def test_a_mistake_is_answered_without_torch(tmp_path: Path) -> None:
    code = (
        "import sys; from steep.errors import SteepError\n"
        "from steep.models.checkpoint_files import check_checkpoint\n"
        f"try: check_checkpoint({str(tmp_path)!r})\n"
        "except SteepError: print('torch' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"


def test_a_copy_is_the_same_and_other_files_do_not_count(tiny_bert: Path, copy: Path) -> None:
    known = checkpoint_identity(tiny_bert)
    assert len(known) == 32
    (copy / "README.md").write_text("a card")
    (copy / "steep.json").write_text("{}")
    assert checkpoint_identity(copy) == checkpoint_identity(str(copy)) == known


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "tokenizer_config.json"])
def test_what_makes_it_what_it_is_counts(tiny_bert: Path, copy: Path, name: str) -> None:
    (copy / name).write_bytes((copy / name).read_bytes() + b"\n")
    assert checkpoint_identity(copy) != checkpoint_identity(tiny_bert)


def test_one_weight_counts(tiny_bert: Path, copy: Path) -> None:
    file = copy / "model.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)  # of the same size
    assert checkpoint_identity(copy) != checkpoint_identity(tiny_bert)


def test_of_large_files_header_and_blocks_are_looked_at(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint_files, "WHOLE", 10_000)
    monkeypatch.setattr(checkpoint_files, "BLOCK", 64)
    file = copy / "model.safetensors"
    weights = load_file(file)
    known = checkpoint_identity(copy)
    assert checkpoint_identity(copy) == known
    save_file({name: value * 1.01 for name, value in weights.items()}, file)
    trained = checkpoint_identity(copy)
    save_file(dict(sorted(weights.items(), reverse=True)), file, {"format": "np"})
    assert len({known, trained, checkpoint_identity(copy)}) == 3


def test_what_is_no_checkpoint_has_none(tmp_path: Path) -> None:
    with pytest.raises(SteepError, match="no such folder"):
        checkpoint_identity(tmp_path / "none" / "such")
