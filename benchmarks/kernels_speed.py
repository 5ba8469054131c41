"""How much faster is training with steep.models.kernels? In real tokens a second, in one run.

    python benchmarks/kernels_speed.py [--threads 2] [--rounds 5]

Three ways to train the same 22M-parameter BERT (6 x 384, 30,522 words, random weights) take turns,
one step each, in processes of their own, so that a busy machine slows all of them alike:

    stock  fp32, sdpa; vocabulary head on every position; texts padded to 128 at least
    best   bf16 autocast, eager attention, fused AdamW; padded to the longest text of the batch
    steep  kernels.install; head on masked positions; batches of like length, from fixed sizes
"""

import argparse
import multiprocessing
import statistics
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional
from transformers import BertConfig, BertForMaskedLM, BertForSequenceClassification

from steep.models import kernels

WAYS = ("stock", "best", "steep")
LENGTHS = (16, 32, 48, 64, 96, 128, 192, 256, 384, 512)
WORDS = 30_522
CASES = {  # objective, texts in a batch, mean and standard deviation of their lengths
    "adapt, windows of 128": ("mlm", 32, 128, 0),
    "fit, texts of 25": ("labels", 32, 25, 12),
    "fit, texts of 120": ("labels", 32, 120, 25),
    "fit, texts of 512": ("labels", 8, 512, 0),
}


class Batch(NamedTuple):
    """Ids and mask (texts, length); labels of the texts, or of the positions to predict."""

    ids: Tensor
    mask: Tensor
    labels: Tensor
    places: Tensor | None  # positions that reach the vocabulary head; None for all


def make_batches(case: str, way: str, count: int) -> list[Batch]:
    """The same texts for every way; `steep` sorts them by length first."""
    objective, rows, mean, deviation = CASES[case]
    random = torch.Generator().manual_seed(0)
    lengths = torch.empty(rows * count).normal_(mean, max(deviation, 1e-9), generator=random)
    lengths = lengths.round().long().clamp(5, 512)
    if way == "steep":
        lengths = lengths.sort().values
    return [make_batch(part, objective, way, random) for part in lengths.split(rows)]


def make_batch(lengths: Tensor, objective: str, way: str, random: torch.Generator) -> Batch:
    """One batch of texts of these lengths, padded as `way` pads."""
    longest = int(lengths.max())
    padded = {
        "stock": max(longest, 128),
        "best": longest,
        "steep": next(length for length in LENGTHS if length >= longest),
    }[way]
    mask = (torch.arange(padded) < lengths[:, None]).long()
    ids = torch.randint(1000, WORDS, mask.shape, generator=random) * mask
    if objective == "labels":
        return Batch(ids, mask, torch.randint(0, 2, (len(ids),), generator=random), None)
    chosen = (torch.rand(mask.shape, generator=random) < 0.15) & (mask == 1)
    labels = ids.where(chosen, -100).flatten()
    if way != "steep":
        return Batch(ids, mask, labels, None)
    found = chosen.flatten().nonzero().squeeze(1)
    places = functional.pad(found, (0, -len(found) % 64))
    return Batch(
        ids, mask, functional.pad(labels[found], (0, -len(found) % 64), value=-100), places
    )


def make_step(case: str, way: str) -> Callable[[Batch], None]:
    """A model, its optimiser, and the function that takes one step with them."""
    objective = CASES[case][0]
    torch.manual_seed(0)
    kind = BertForMaskedLM if objective == "mlm" else BertForSequenceClassification
    config = BertConfig(
        hidden_size=384, num_hidden_layers=6, num_attention_heads=12, intermediate_size=1536
    )
    config._attn_implementation = "eager" if way == "best" else "sdpa"
    model = kind(config).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5, fused=way != "stock")
    places: list[Tensor] = []
    if way == "steep":
        kernels.keep_freed_memory()
        kernels.install(model, seed=0)
        if objective == "mlm":
            model.cls.register_forward_pre_hook(
                lambda _, inputs: (inputs[0].flatten(0, 1)[places[0]],)
            )
    cross_entropy = kernels.cross_entropy if way == "steep" else functional.cross_entropy

    def step(batch: Batch) -> None:
        places[:] = [batch.places]
        with torch.autocast("cpu", torch.bfloat16, enabled=way == "best"):
            logits = model(input_ids=batch.ids, attention_mask=batch.mask).logits.flatten(0, -2)
            loss = cross_entropy(logits, batch.labels)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()

    return step


def work(pipe: Connection, case: str, way: str, threads: int) -> None:
    """Take a step whenever asked, and answer with real tokens a second."""
    torch.set_num_threads(threads)
    batches = make_batches(case, way, 4)
    step = make_step(case, way)
    while (number := pipe.recv()) is not None:
        batch = batches[number % len(batches)]
        begin = time.perf_counter()
        step(batch)
        pipe.send((int(batch.mask.sum()), time.perf_counter() - begin))


def speeds(case: str, threads: int, rounds: int) -> dict[str, float]:
    """Way -> median over rounds of tokens a second; a round is a pass over four batches."""
    context = multiprocessing.get_context("spawn")
    pipes = {}
    for way in WAYS:
        pipes[way], there = context.Pipe()
        context.Process(target=work, args=(there, case, way, threads), daemon=True).start()
    found: dict[str, list[float]] = {way: [] for way in WAYS}
    for turn in range(rounds + 1):
        for way, pipe in pipes.items():
            steps = []
            for number in range(4):
                pipe.send(number)
                steps.append(pipe.recv())
            if turn:  # the first round warms up
                found[way].append(sum(n for n, _ in steps) / sum(t for _, t in steps))
    for pipe in pipes.values():
        pipe.send(None)
    return {way: statistics.median(values) for way, values in found.items()}


def main() -> None:
    """Print one line for each case."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    title = f"tokens/s, threads: {options.threads}"
    print(f"{title:26}{'stock':>8}{'best':>8}{'steep':>8}  steep : stock, best")
    for case in CASES:
        found = speeds(case, options.threads, options.rounds)
        row = "".join(f"{found[way]:8.0f}" for way in WAYS)
        ratios = [found["steep"] / found[way] for way in ("stock", "best")]
        print(f"{case:22}    {row}  {ratios[0]:8.1f} x {ratios[1]:5.1f} x", flush=True)


if __name__ == "__main__":
    main()
