"""Does every labelled row reach the model once an epoch, in the order of seed and epoch?"""

from pathlib import Path

import pytest
import torch
from transformers import AutoTokenizer

from steep.args import TuneArgs
from steep.data.batches import shuffled
from steep.data.corpus import Data
from steep.options import make
from steep.train.rows import ShownRows, loaders

CPU = torch.device("cpu")


def test_an_epoch_holds_every_row_once_with_its_label(tiny_bert: Path, single: Data) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tiny_bert)
    dls = loaders(single, tokenizer, make(TuneArgs, max_length=32, batch_size=16), 0, CPU)
    texts = tokenizer(list(single.train.table["text"]))["input_ids"]
    texts = tokenizer.decode(texts, skip_special_tokens=True)
    expected = sorted(zip(texts, single.train.labels().tolist(), strict=True))
    for _ in range(2):
        seen = []
        for inputs, labels in dls.train:
            assert inputs.shape[1] == 2
            for row, label in zip(inputs, labels, strict=True):
                ids = row[0][row[1] == 1].tolist()
                seen.append((tokenizer.decode(ids, skip_special_tokens=True), int(label)))
        assert sorted(seen) == expected


@pytest.mark.parametrize("accumulate", [1, 4])
def test_the_order_is_that_of_seed_and_epoch(
    tiny_bert: Path, single: Data, accumulate: int
) -> None:
    tune = make(TuneArgs, max_length=32, batch_size=16, gradient_accumulation_steps=accumulate)
    dls = loaders(single, AutoTokenizer.from_pretrained(tiny_bert), tune, 3, CPU)
    assert dls.train.bs == 16
    for epoch in (0, 4):
        dls.train.get_idxs.epoch = epoch
        order = shuffled(dls.train_ds.lengths, 16, 3, epoch)
        labels = torch.cat([labels for _, labels in dls.train])
        assert labels.tolist() == single.train.labels()[order].tolist()
        dls.train.get_idxs.start = 3  # where a killed run is resumed
        labels = torch.cat([labels for _, labels in dls.train])
        assert labels.tolist() == single.train.labels()[order[3 * 16 :]].tolist()
        dls.train.get_idxs.start = 0


def test_a_row_is_shown_as_text_and_label(tiny_bert: Path, single: Data, multi: Data) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tiny_bert)
    for data, names in ((single, ("negative", "positive")), (multi, ("good", "night"))):
        rows = ShownRows(data.train, data.labelled(), tokenizer, 32)
        inputs, labels = rows.batch([rows[0]])
        text, label = rows.decode((inputs[0], labels[0]))
        ids = tokenizer(data.train.table[0]["text"], add_special_tokens=False)["input_ids"]
        assert str(text) == tokenizer.decode(ids)
        shown = [label] if isinstance(label, str) else list(label)
        truth = data.train.labels()[0]
        wanted = [n for n, on in zip(names, truth, strict=True) if on] if truth.ndim else None
        assert shown == (wanted if truth.ndim else [names[int(truth)]])
