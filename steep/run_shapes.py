"""What do the files of a run or a study hold that Steep reads back? The shape of each.

Keys that nothing reads are not declared, and those that only some versions wrote may be absent.
"""

from steep.shapes import MOST_WHOLE, Choice, Each, Keyed, Maybe, Names, Number

COUNT = Number(least=0, most=MOST_WHOLE, whole=True)
SEED = Number(least=-(2.0**63), most=2.0**64, whole=True)
NUMBER, SHARE, SECONDS = Number(), Number(0, 1), Number(least=0)
LOOSE = Maybe(Number(finite=False))  # of a training that diverged
LABELS = Maybe(Number(1, MOST_WHOLE, whole=True))  # a label budget
BEFORE_AFTER = {"before": NUMBER, "after": NUMBER}

TASK = {"kind": Choice(("single", "multi", "regression")), "labels": Names(), "ordered?": bool}

DATA = {
    "files?": [{"name": str, "rows?": Maybe(COUNT), "fingerprint?": Maybe(str)}],
    "parts?": Each(COUNT),
    "labels?": Each(Each(COUNT)),
    "groups?": {
        "column": str,
        "left_out": COUNT,
        "parts": Each(dict.fromkeys(("groups", "rows", "largest", "shared"), COUNT)),
    },
}

MANIFEST = {  # steep.json
    "stage": str,
    "args": dict,
    "format?": Number(1, 10**6, whole=True),
    "command?": str,
    "versions?": Each(str),
    "machine?": Maybe(str),
    "started?": Maybe(str),
    "notes?": [str],
    "seconds?": SECONDS,
    "data?": DATA,
    "base?": Maybe(str),
    "device?": Maybe(str),
    "precision?": Maybe(str),
}

STEP2 = MANIFEST | {"base": str, "seconds": SECONDS}  # that of `steep adapt`, to go on from
TIMED = MANIFEST | {"seconds": SECONDS}

STUDY = MANIFEST | {  # study.json
    "arms": Names(),
    "seeds": [SEED],
    "budgets?": [LABELS],
    "metric": str,
    "task": TASK,
    "step2?": Each(str),
    "step2_seconds?": Maybe(SECONDS),
    "recipes?": Each(Each(dict)),
    "failed?": Each(str),
}

RESUMED_STUDY = STUDY | {
    "budgets": STUDY["budgets?"],
    "recipes": STUDY["recipes?"],
    "contents": {
        "rows": Each(str),
        "texts": Keyed(("unlabelled", "in_domain", "cross_domain"), [str]),
        "checkpoints": Keyed(("base", "adapted"), Maybe(str)),
        "options": Each(str),
    },
}

PART = {"file": str, "fingerprint": str, "rows": list}  # whose items `load_splits` checks
SPLITS = {"seed": SEED, "left_out?": COUNT, "train": PART, "valid": PART, "test?": PART}

RESULTS = {  # results.json of any stage
    "model?": Maybe(str),
    "sources?": [{"name": str, "documents?": Maybe(COUNT), "left_out?": Maybe(COUNT)}],
}

ADAPT_RESULTS = RESULTS | {
    "masked_loss": BEFORE_AFTER,
    "masked_accuracy?": BEFORE_AFTER,
    "pair_accuracy?": BEFORE_AFTER,
    "probe?": BEFORE_AFTER,
    "probe_metric?": str,
    "probe_rows?": (COUNT, COUNT),
    "new_head?": bool,
    "tokens_per_second?": Maybe(NUMBER),
    "epochs?": Maybe(NUMBER),
    **{f"{n}?": Maybe(COUNT) for n in ("documents", "windows", "tokens", "steps")},
    "heldout_tokens?": Maybe(COUNT),
}

TOKENS_READ = {"tokens": Number(1, MOST_WHOLE, whole=True)}  # what equal compute is counted by

NOT_VALID = "not valid yet"  # the answer of a study whose base has learnt nothing
MEASURED = Maybe(NUMBER)
COMPARED_FIT = {  # of a fit, beside what knows less
    "metric": str,
    "skill": bool,
    "baselines": Each(dict.fromkeys(("value", "gain", "low", "high"), MEASURED)),
}
RELIABILITY = {"ece": NUMBER, "reliability": [{"cells": COUNT, "promised": SHARE, "true": SHARE}]}
SUMMARY = {
    "rows": COUNT,
    "metrics": Each({"value": NUMBER, "low?": Maybe(NUMBER), "high?": Maybe(NUMBER)}),
    "per_class?": Maybe(
        [
            {"label": str, "rows": COUNT}
            | {f"{name}?": Maybe(SHARE) for name in ("precision", "recall", "f1", "auc")}
        ]
    ),
    "confusion?": Maybe([[COUNT]]),
    "calibration?": Maybe(RELIABILITY),
    "none?": Maybe(SHARE),
    "compared?": Maybe(COMPARED_FIT),
}

CLASSIFIED = RESULTS | {
    "task": TASK,
    "metric": str,
    "best_epoch?": Maybe(COUNT),
    "trained_on?": COUNT,
    "decisions?": Maybe(dict),
}
FIT_RESULTS = CLASSIFIED | {
    "valid": Maybe(SUMMARY),
    "test?": Maybe(SUMMARY),
    "lengths?": Maybe({"cut": COUNT, "percentiles": [COUNT]}),
    "bias?": {"lead": str, "table": {"columns": list, "rows": list}},
}
EVALUATE_RESULTS = CLASSIFIED | {"test": SUMMARY, "valid?": Maybe(SUMMARY)}

WORD = {"word": str, "times": COUNT, **BEFORE_AFTER}
GUESSES = [(str, SHARE)]
LOOK = {  # look.json
    "tokens": COUNT,
    "least": COUNT,
    "words": COUNT,
    "left_out?": COUNT,
    "parts?": COUNT,
    "better": [WORD],
    "worse": [WORD],
    "examples": [{"text": str, "truth": str, "before": GUESSES, "after": GUESSES}],
}

COMPARED = {"arm": str, "against": str, "gain": MEASURED, "differences?": Maybe([NUMBER])} | {
    f"{name}?": MEASURED
    for name in (
        *("low", "high", "bootstrap_low", "bootstrap_high", "se_seeds", "se_rows"),
        *("p_value", "p_holm", "probability", "minimum_detectable"),
    )
}
COMPARED |= {"seeds_needed?": Maybe(COUNT), "bottleneck?": Maybe(str)}
ARM = {"values": [LOOSE], "seeds": [SEED], "mean?": MEASURED, "sd?": MEASURED}
VERDICT = {  # verdict.json
    "answer": str,
    "sentence": str,
    "paragraph?": str,
    "metric": str,
    "higher_is_better?": bool,
    "smallest_effect?": MEASURED,
    "arms": Each(ARM),
    "comparisons?": [COMPARED],
    "warnings?": [str],
    "budgets?": [
        {
            "labels": LABELS,
            "answer": str,
            "hint?": Maybe(str),
            "arms": Each({"mean?": MEASURED}),
            "comparisons": [COMPARED | {"main": bool}],
        }
    ],
    "rows?": COUNT,
    "groups?": Maybe(COUNT),
    "rests_on?": {"count": NUMBER, "what": str},
    "worth_labels?": [{"at": COUNT, "labels": Maybe(COUNT), "beyond": Maybe(COUNT)}],
}

CELL = {  # cells/*.json
    "arm": str,
    "seed": SEED,
    "labels?": LABELS,
    "seconds?": SECONDS,
    "diverged?": bool,
    "valid?": Each(NUMBER),
    "test?": Each(NUMBER),
    "history?": Maybe([Each(LOOSE)]),
}
KEPT_CELL = CELL | {"seconds": SECONDS, "diverged": bool}  # of a study that goes on
