"""How does a study run the arm awd-lstm? fastai's language model learns the text, then the labels.

Its step 2 reads the text that the arm adapted reads; its step 3 has the same rows, labels, losses
and number of epochs as the other arms. Learning rates are fastai's own.
"""

from functools import partial
from pathlib import Path

import numpy as np

from steep import outputs, runs
from steep.data.step2_text import gather, read_corpora
from steep.seeds import numbers
from steep.study.arms import Arm, CellInput, CellOutput, Step2Job


def awd_lstm_arm(weights: Path | None) -> Arm:
    """The arm, whose language model lies in the folder `weights`, or in fastai's cache."""
    return Arm(
        "awd-lstm",
        "ULMFiT as published: fastai's AWD-LSTM, fine-tuned on the text, then on the labels",
        fit=fit_awd_lstm,
        pretrain=partial(pretrain_awd_lstm, weights),
        check=partial(check_awd_lstm, weights),
        options={"awd_lstm": None if weights is None else str(weights)},
        rival=True,
        timed=False,
    )


def check_awd_lstm(weights: Path | None, cell: CellInput) -> None:
    """Raises SteepError where the weights are not there, or are no AWD-LSTM."""
    from steep.shelf.awd_lstm.awd_weights import read_awd
    from steep.train.awd_lstm import cached_weights

    read_awd(weights or cached_weights())


def pretrain_awd_lstm(weights: Path | None, job: Step2Job) -> None:
    """Fine-tune the language model on the text; writes the folder `job.out` of its encoder.

    It trains for whole passes over the text, at least one. Raises SteepError for whatever is wrong
    with the text or the weights.
    """
    # Only now: importing torch takes longer than finding a mistake in a file or an option.
    from steep.models.devices import choose
    from steep.shelf.awd_lstm.awd_weights import read_awd
    from steep.train.awd_lstm import adapt_awd, cached_weights

    args, seed = job.args, job.args.seed.seed
    machine, start = choose(args.machine), read_awd(weights or cached_weights())
    data, further = read_corpora(job.data, job.files, args.table, args.split, args.text)
    with outputs.writing(job.out, "awd-lstm", args) as run:
        texts = gather(data, further, args.text, run).corpus.whole()
        order = numbers(seed, "heldout").permutation(len(texts))
        aside = max(1, round(args.pretrain.evaluation.heldout_share * len(texts)))
        epochs = args.pretrain.passes.epochs
        passes = 1 if epochs is None else max(1, round(epochs))
        run.note(
            f"awd-lstm: {len(texts):,} documents, {aside:,} of them held out; {passes + 1} passes"
        )
        heldout, train = ([texts[n] for n in part] for part in np.split(order, [aside]))
        found, results, history = adapt_awd(train, heldout, start, passes, seed, machine.device)
        loss = results["next_word_loss"]
        run.note(
            f"awd-lstm: loss of the next word on held-out text {loss['before']:.3f} before, "
            f"{loss['after']:.3f} after"
        )
        runs.write_json(run.folder / runs.RESULTS, results)
        runs.write_csv(run.folder / runs.HISTORY, history)
        found.save(run.folder)


def fit_awd_lstm(cell: CellInput) -> CellOutput:
    """Fit a classifier on the encoder that step 2 left in `cell.encoder`."""
    from steep.models.devices import choose
    from steep.shelf.awd_lstm.awd_weights import load_awd
    from steep.train.awd_lstm import fit_awd

    assert cell.encoder is not None
    return fit_awd(cell, load_awd(cell.encoder), choose(cell.machine).device)
