"""Which options of a fit follow from its rows, classes and checkpoint, where they are not given?

Measured with all-MiniLM-L6-v2, and with a masked language model of its shape (docs/fitting.md). For
checkpoints of the size of BERT-base the rates and epochs are the published ones (Devlin et al.
2019; Sun et al. 2019; Mosbach et al. 2021), not measured here.
"""

from math import ceil, prod
from pathlib import Path
from typing import Any

from steep import runs
from steep.args import TuneArgs
from steep.data.corpus import Data, Task
from steep.errors import SteepError
from steep.models.checkpoint_files import read_checkpoint
from steep.models.hub import POOLING, find
from steep.options import as_mapping, change

HEAD = "classifier."  # of transformers' classifiers; kept where its labels are those of the table
SMALL = 60_000_000  # parameters: all-MiniLM-L6-v2 has 23 million, BERT-base 110
RATE_SMALL, RATE = 3e-4, 2e-5
RATE_HEAD = 3e-3  # of a head alone: that of the recipe `features`
BATCH = 16
STEPS_SMALL, STEPS = 200, 300  # optimiser steps that are enough where rows are few
# A head that begins as prototypes, or as a regression, has little to learn; more would distort what
# the encoder knows (Kumar et al. 2022).
RATE_BEGUN, STEPS_BEGUN = 1e-4, 100
LEAST, MOST = 3, 40  # epochs
# With fewer optimiser steps than this, what is learnt is mostly chance (Mosbach et al. 2021).
ENOUGH, SMALL_BATCH = 80, 8
NAMES = {
    "epochs": "{:,} epochs",
    "batch_size": "batches of {}",
    "learning_rate": "learning rate {:g}",
    "pooling": "the head reads {}",
    "head_init": "the head begins {}",
}
WORDS = {
    "model": "what the checkpoint's own does",
    "mean": "the mean of all tokens",
    "random": "at random",
    "prototypes": "as the mean of each class",
}


def settled(tune: TuneArgs, rows: int, task: Task, checkpoint: str | Path) -> TuneArgs:
    """`tune` with a value for every option; what is given stays. `rows` are those trained on."""
    given = as_mapping(tune)
    small = weights_of(checkpoint) < SMALL
    by_mean = reads_by_mean(checkpoint)
    chosen: dict[str, Any] = {"batch_size": BATCH, "pooling": "mean" if by_mean else "model"}
    chosen |= {name: value for name, value in given.items() if value not in (None, "auto")}
    begins = "prototypes" if by_mean and _can_begin(chosen, task) else "random"
    steps, rate = _steps_and_rate(small, chosen.get("head_init", begins))
    found = {
        "head_init": begins,
        "epochs": min(max(LEAST, ceil(steps / ceil(rows / chosen["batch_size"]))), MOST),
        "learning_rate": RATE_HEAD if chosen["unfreeze"] == "never" else rate,
    } | chosen
    return change(tune, {name: found[name] for name in NAMES if given[name] in (None, "auto")})


def settled_for(tune: TuneArgs, data: Data, checkpoint: str | Path) -> TuneArgs:
    """`tune` with a value for every option, for the training rows of `data`."""
    return settled(tune, len(data.train), data.labelled(), checkpoint)


def told(before: TuneArgs, after: TuneArgs, rows: int, task: Task, checkpoint: str) -> list[str]:
    """What was chosen, in a line; nothing where all was given."""
    old, new = as_mapping(before), as_mapping(after)
    parts = [
        text.format(WORDS.get(new[name], new[name]) if isinstance(new[name], str) else new[name])
        for name, text in NAMES.items()
        if old[name] != new[name] and not (name == "head_init" and new[name] == "random")
    ]
    if not parts:
        return []
    classes = f", {len(task.labels):,} classes" if task.kind == "single" else ""
    size = f"{weights_of(checkpoint) / 1e6:,.0f} M parameters"
    return [f"{rows:,} rows{classes}, {size}: {', '.join(parts)}"]


def few_steps(rows: int, epochs: int, batch_size: int) -> list[str]:
    """A note where `rows` labels make too few optimiser steps to learn much from."""
    steps = -(-rows // batch_size) * epochs
    if steps >= ENOUGH:
        return []
    small = min(batch_size, SMALL_BATCH)
    more = -(-ENOUGH // -(-rows // small))
    return [
        f"{rows} labels make {steps} optimiser steps, too few to learn from reliably: "
        f"--batch-size {small} --epochs {more} makes {ENOUGH} or more"
    ]


def reads_by_mean(checkpoint: str | Path) -> bool:
    """Whether the mean of all tokens is the better thing to read, rather than [CLS]."""
    small = weights_of(checkpoint) < SMALL
    return pools_by_mean(checkpoint) or (small and can_be_read_by_mean(checkpoint))


def pools_by_mean(checkpoint: str | Path) -> bool:
    """Whether sentence-transformers pools this checkpoint by the mean of its tokens.

    Raises SteepError if the file that says so is damaged.
    """
    path = find(checkpoint) / POOLING
    if not path.is_file():
        return False
    content = runs.read_json(path)
    if not isinstance(content, dict):
        raise SteepError(f"{path}: must hold a JSON object. Copy the checkpoint again.")
    return bool(content.get("pooling_mode_mean_tokens")) or content.get("pooling_mode") == "mean"


def can_be_read_by_mean(checkpoint: str | Path) -> bool:
    """Whether it is a BERT, of which transformers loads such a head, and has no classifier yet."""
    files = read_checkpoint(checkpoint)
    has_head = any(name.startswith(HEAD) for name in files.shapes)
    return files.config.get("model_type") == "bert" and not has_head


def weights_of(checkpoint: str | Path) -> int:
    """How many numbers the weights of a checkpoint hold."""
    return sum(map(prod, read_checkpoint(checkpoint).shapes.values()))


def _steps_and_rate(small: bool, head: str) -> tuple[int, float]:
    """The optimiser steps that are enough for few rows, and the learning rate."""
    if not small:
        return STEPS, RATE
    if head == "prototypes":
        return STEPS_BEGUN, RATE_BEGUN
    return STEPS_SMALL, RATE_SMALL


def _can_begin(tune: dict[str, Any], task: Task) -> bool:
    """Whether a head can begin as prototypes: one label a row, the mean, all layers trained."""
    trained = tune["unfreeze"] == "none" and not tune["head_epochs"] and not tune["reinit_layers"]
    fed = tune["pooling"] == "mean" and "sliding" not in tune["truncation"]
    return task.kind == "single" and trained and fed
