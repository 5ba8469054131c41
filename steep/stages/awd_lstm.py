"""Step 2 of the arm awd-lstm: fastai's language model learns the text that `adapted` learns."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from steep import runs
from steep.args import AdaptArgs, CompareArgs
from steep.data.corpus import Data
from steep.seeds import numbers
from steep.stages.corpora import gather, read_corpora


def adapt(
    data: Data, files: Sequence[Path], out: Path, args: CompareArgs, adapting: AdaptArgs
) -> Path:
    """Fine-tune the language model of `args.awd_lstm`; returns the folder `out` of its encoder.

    `adapting` are the options of the study's step 2: which text is read, passes over it (whole
    ones, at least one), share held out to measure on, seed. Raises SteepError for whatever is
    wrong with the text or the weights.
    """
    # Only now: importing torch takes longer than finding a mistake in a file or an option.
    from steep.models.devices import choose
    from steep.train import awd_lstm, awd_weights

    machine, start = choose(adapting), awd_weights.read(args.awd_lstm)
    data, further = read_corpora(data, files, adapting)
    with runs.writing(out, "awd-lstm", args) as run:
        texts = gather(data, further, adapting, run).corpus.whole()
        order = numbers(adapting.seed, "heldout").permutation(len(texts))
        aside = max(1, round(adapting.heldout_share * len(texts)))
        passes = max(1, round(args.adapt_epochs))
        run.note(
            f"awd-lstm: {len(texts):,} documents, {aside:,} of them kept aside; {passes + 1} passes"
        )
        heldout, train = ([texts[n] for n in part] for part in np.split(order, [aside]))
        found, results, history = awd_lstm.adapt(
            train, heldout, start, passes, adapting.seed, machine.device
        )
        loss = results["next_word_loss"]
        run.note(
            f"awd-lstm: loss of the next word on held-out text {loss['before']:.3f} before, "
            f"{loss['after']:.3f} after"
        )
        runs.write_json(run.folder / runs.RESULTS, results)
        runs.write_csv(run.folder / runs.HISTORY, history)
        found.save(run.folder)
    return out
