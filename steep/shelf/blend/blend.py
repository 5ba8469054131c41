"""steep blend: how much of step 2 should be kept? A checkpoint between base and adapted."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from steep import outputs, runs
from steep.args.pretraining import ProbeArgs
from steep.console import say, say_next
from steep.data.budget import Parts, labelled_parts
from steep.data.corpus import Data, describe
from steep.data.inputs import Rows
from steep.data.load import load
from steep.data.readers import Source
from steep.errors import SteepError
from steep.metrics.probing import CLEAR, Probed, probed
from steep.metrics.weighted import Draws
from steep.models.checkpoint_files import check_checkpoint
from steep.options import as_mapping
from steep.places import find_place, inputs_of
from steep.shelf.blend import BlendArgs
from steep.study.design import Start, start_of
from steep.wording import number, plain

if TYPE_CHECKING:
    from steep.models.devices import Machine
    from steep.shelf.blend.weights import Line

ALPHAS = (0.0, 0.25, 0.5, 0.75, 1.0)
KEPT = (runs.SPLITS, runs.SEEN, runs.HISTORY)  # what is still true of a blend of an adapted folder


def blend(source: Source | Data | None, *, out: Path, args: BlendArgs) -> Path:
    """Write base + alpha (adapted - base), or with `onto` that + alpha (adapted - base).

    The model is a folder of `steep adapt`; `out` is one, too, so that fit, compare and share take
    it. Without an alpha, that of `ALPHAS` is taken whose frozen features let a linear probe on the
    training rows of `source` do best on its validation rows. Raises SteepError for whatever is
    wrong with folder, file or options.
    """
    find_place(out, "folder", args.output.overwrite, inputs_of(args, source))
    start = _start(args)
    if (source is None) == (args.blend.alpha is None):
        raise SteepError(
            "Say how much of step 2 is kept with --alpha, or name the labelled FILE on whose "
            "validation rows that is chosen: one of the two."
        )
    data = None if source is None else load(source, args.table, args.split, start.splits)
    parts = None if data is None else labelled_parts(data, ProbeArgs(probe=True), args.seed.seed)
    with outputs.writing(out, "adapt", args, args.output.overwrite) as run:
        results = _blended(run, start, parts, args)
        _keep(run, start, data, results, args)
    say(f"blended checkpoint: {out}")
    say_next(f"steep compare LABELLED.csv --label LABEL --model {out} --out study")
    return out


def _start(args: BlendArgs) -> Start:
    """The adapted folder and its base; SteepError where there is none."""
    start = start_of(args.start.model, args.base.base)
    if start.given is None:
        raise SteepError(
            f"{start.base}: not a folder written by 'steep adapt', so there is nothing that step 2 "
            "changed. Name one with --model."
        )
    check_checkpoint(start.base)
    check_checkpoint(start.given)
    if args.blend.onto is not None:
        check_checkpoint(args.blend.onto)
    return start


def _blended(run: runs.Run, start: Start, parts: Parts | None, args: BlendArgs) -> dict[str, Any]:
    """Write the weights; returns the results of step 2, with how they were blended."""
    # Only now: importing torch takes longer than finding a mistake in a file or an option.
    from steep.models.devices import choose
    from steep.shelf.blend.weights import FAR, line, save

    assert start.given is not None
    machine, onto = choose(args.machine), args.blend.onto
    way = line(start.base, start.given, onto, machine.attention)
    run.note(f"step 2 changed the encoder's weights by {way.change:.1%} of their length")
    if way.change > FAR:
        run.note(f"that is more than a step 2 does: was {start.given} made from {start.base}?")
    alpha, probe = args.blend.alpha, None
    if parts is not None:
        alpha, probe = _chosen(run, way, parts, args, machine)
    assert alpha is not None
    save(way.at(alpha), run.folder)
    run.note(_in_words(alpha, start, onto))
    found = {"alpha": alpha, "onto": onto, "change": way.change, "probe": probe}
    return runs.read_step2(start.given)[1] | {"blend": found}


def _in_words(alpha: float, start: Start, onto: str | None) -> str:
    """Which weights these are."""
    difference = f"{alpha:g} x what step 2 changed ({start.given} - {start.base})"
    return (
        f"weights: {onto or start.base} + {difference}; the masked loss, and words guessed, are "
        "those of step 2, not of this blend"
    )


def _chosen(
    run: runs.Run, way: "Line", parts: Parts, args: BlendArgs, machine: "Machine"
) -> tuple[float, dict[str, Any]]:
    """The best alpha by the probe, of equal ones the smallest; and what was found of each."""
    found = _probes(way, parts, args, machine)
    best = max(found, key=lambda alpha: (found[alpha].above(found[0.0])[0], -alpha))
    metric, rows = found[best].metric, [len(part) for part in parts]
    for alpha, one in found.items():
        run.note(f"alpha {alpha:g}: {metric} {number(one.score)} (probe on {rows[1]:,} rows)")
    run.note(_why(best, found))
    scores = [{"alpha": a, "score": f.score, "error": f.error} for a, f in found.items()]
    return best, {"metric": metric, "rows": rows, "scores": scores}


def _probes(way: "Line", parts: Parts, args: BlendArgs, machine: "Machine") -> dict[float, Probed]:
    """The probe at each alpha."""
    from steep.models.checkpoints import check_length
    from steep.models.heads import features

    task, max_length = parts[0].task, args.length.max_length
    assert task is not None
    check_length(max_length, way.lm.model)
    model = machine.prepare(way.lm.model, args.seed.seed)
    rows = [Rows(part, task, way.lm.tokenizer, max_length) for part in parts]
    labels, draws = [part.labels() for part in parts], Draws(groups=parts[1].group_codes())
    found = {}
    for alpha in ALPHAS:
        way.at(alpha)
        train, valid = (features(model, r, machine.autocast, machine.device) for r in rows)
        found[alpha] = probed(task, (train, labels[0]), (valid, labels[1]), draws)
    return found


def _why(best: float, found: dict[float, Probed]) -> str:
    """Why this alpha, and how sure that is."""
    if not best:
        return "alpha 0 is best: by this probe, do not use step 2"
    gain, error = found[best].above(found[0.0])
    sure = "" if gain > CLEAR * error else ", so this may be chance"
    against = f"{number(gain, sign=True)} against alpha 0, standard error {number(error)}"
    return f"alpha {best:g} is best by the probe's {plain(found[best].metric)} ({against}{sure})"


def _keep(
    run: runs.Run, start: Start, data: Data | None, results: dict[str, Any], args: BlendArgs
) -> None:
    """What a folder of step 2 holds beside its weights, and a card."""
    from steep.models.model_card import write_step2_card

    assert start.given is not None
    made, _ = runs.read_step2(start.given)
    for name in KEPT:
        if (start.given / name).is_file():
            shutil.copyfile(start.given / name, run.folder / name)
    for note in () if data is None else data.notes:
        run.note(note)
    # The files of step 2 are not given to this command, which is what a report repeats.
    known = {k: v for k, v in made.get("data", {}).items() if k != "files"}
    results["sources"] = [one | {"earlier": True} for one in results.get("sources", [])]
    origin = args.blend.onto or start.base
    run.record(command="blend", base=origin, data=known if data is None else describe(data))
    run.earlier = made["seconds"]  # of step 2: what this encoder took in all
    runs.write_json(run.folder / runs.RESULTS, results)
    named = args.blend.onto or made["args"].get("base") or made["args"].get("model")
    of_card = run.manifest | {"args": as_mapping(args) | {"model": named, "base": None}}
    write_step2_card(run.folder, run.out.resolve().name, of_card, results)
