"""How fast are raw texts classified? By Steep, Hugging Face's pipeline and ONNX Runtime."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain
from typing import Any

import datasets
import numpy as np
import torch
from transformers import pipeline

from benchmarks import ours
from benchmarks.cases import Job
from benchmarks.contest import Turns
from steep.data.corpus import Corpus
from steep.data.inputs import Rows
from steep.models import heads
from steep.models.checkpoints import load_classifier, load_tokenizer, load_trained
from steep.models.devices import choose

Classify = Callable[[list[str]], np.ndarray]  # texts -> probabilities (texts, labels)
SIZES = (1, 8, 32, 64)  # batch sizes that are tried
INPUTS = ("input_ids", "attention_mask", "token_type_ids")


@dataclass(frozen=True)
class Entry:
    """A job, and in which form the model is run."""

    job: Job
    form: str  # of the pipeline: fp32 or bf16; of ONNX Runtime: fp32 or int8


def make_model(job: Job) -> None:
    """The classifier that all contestants load; its head is random."""
    folder = job.folder / "model"
    model = load_classifier(job.checkpoint, ours.table(job).labelled(), "sdpa", seed=0)
    model.save_pretrained(folder)
    load_tokenizer(job.checkpoint).save_pretrained(folder)


def by_steep(entry: Entry, turns: Turns) -> dict[str, Any]:
    """`steep.models.heads.predict`, as `steep predict` calls it."""
    job = entry.job
    args, task = ours.fit_args(job), ours.table(job).labelled()
    machine, tokenizer = choose(args.machine), load_tokenizer(job.folder / "model")
    model = load_trained(job.folder / "model", machine.attention)

    def classify(texts: list[str], size: int) -> np.ndarray:
        corpus = Corpus(datasets.Dataset.from_dict({"text": texts}), "texts")
        rows = Rows(corpus, task, tokenizer, job.case.max_length)
        return heads.predict(model, rows, machine, size)

    return _contend(job, classify, turns)


def by_pipeline(entry: Entry, turns: Turns) -> dict[str, Any]:
    """`pipeline("text-classification")`."""
    pipe = pipeline(
        "text-classification",
        model=str(entry.job.folder / "model"),
        dtype=torch.bfloat16 if entry.form == "bf16" else torch.float32,
        device="cpu" if entry.job.device == "cpu" else None,
    )

    def classify(texts: list[str], size: int) -> np.ndarray:
        found: Any = pipe(
            texts,
            batch_size=size,
            top_k=None,
            truncation=True,
            max_length=entry.job.case.max_length,
        )
        return np.array(
            [[label["score"] for label in sorted(row, key=lambda x: x["label"])] for row in found]
        )

    return _contend(entry.job, classify, turns)


def by_onnx(entry: Entry, turns: Turns) -> dict[str, Any]:
    """ONNX Runtime on batches of similar length, each padded to its longest text."""
    session, tokenizer = _session(entry), load_tokenizer(entry.job.folder / "model")

    def classify(texts: list[str], size: int) -> np.ndarray:
        ids = tokenizer(texts, truncation=True, max_length=entry.job.case.max_length)
        order = np.argsort([-len(row) for row in ids["input_ids"]], kind="stable")
        logits = []
        for members in np.split(order, range(size, len(order), size)):
            batch = {key: [ids[key][i] for i in members] for key in INPUTS}
            padded = tokenizer.pad(batch, return_tensors="np")
            logits.append(session.run(None, {k: padded[k].astype(np.int64) for k in INPUTS})[0])
        scores = np.exp(np.concatenate(logits)[np.argsort(order)])
        return scores / scores.sum(1, keepdims=True)

    return _contend(entry.job, classify, turns)


def _session(entry: Entry) -> Any:
    """The exported model, quantised to int8 if asked for (dynamically: weights beforehand)."""
    import onnxruntime
    from onnxruntime.quantization import quantize_dynamic

    path = entry.job.folder / f"model-{entry.form}.onnx"
    if not path.is_file():
        plain = entry.job.folder / "model-plain.onnx"
        _export(entry, str(plain))
        if entry.form == "int8":
            quantize_dynamic(plain, path)
        else:
            plain.rename(path)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def _export(entry: Entry, path: str) -> None:
    folder = entry.job.folder / "model"
    model = load_trained(folder, "eager").eval()
    example = load_tokenizer(folder)(["a film .", "good"], padding=True, return_tensors="pt")
    free = {0: torch.export.Dim("rows", max=4096), 1: torch.export.Dim("length", max=512)}
    torch.onnx.export(
        model,
        (),
        path,
        kwargs={key: example[key] for key in INPUTS},
        dynamic_shapes=dict.fromkeys(INPUTS, free),
        input_names=INPUTS,
        output_names=["logits"],
        external_data=False,
        dynamo=True,
        verbose=False,
    )


def _contend(job: Job, classify: Callable[[list[str], int], np.ndarray], turns: Turns) -> dict:
    """All texts in every step, at the batch size that is fastest here, shuffled anew each time.

    No order comes twice, so that no contestant finds the texts tokenised already.
    """
    texts = list(chain.from_iterable(ours.table(job).train.texts()))[: job.case.rows]
    tokenizer = load_tokenizer(job.checkpoint)
    ids = tokenizer(
        texts, truncation=True, max_length=job.case.max_length, add_special_tokens=False
    )
    room = job.case.max_length - tokenizer.num_special_tokens_to_add()
    tokens = sum(min(len(row), room) for row in ids["input_ids"])
    random, sample = np.random.default_rng(job.seed), texts[: max(1, len(texts) // 4)]
    size = min(SIZES, key=lambda size: _seconds(classify, sample, size))
    turns.ready()
    for _ in range(job.steps):
        order = random.permutation(len(texts))
        found = classify([texts[i] for i in order], size)[np.argsort(order)]
        turns.step(tokens)
    return {"probabilities": found.astype(float).tolist(), "batch_size": size}


def _seconds(
    classify: Callable[[list[str], int], np.ndarray], texts: list[str], size: int
) -> float:
    # The first call, a warm-up, has them in reverse order: to the second, they are new.
    classify(texts[::-1][: 2 * size], size)
    started = time.perf_counter()
    classify(texts, size)
    return time.perf_counter() - started
