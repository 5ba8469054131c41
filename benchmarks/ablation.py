"""What is each part of ULMFiT worth on your rows? Its ablations as one command, on a BERT.

    python -m benchmarks.ablation trec.csv --label label --test test.csv --model DIR \\
        --label-budget 500 --out ablation

Howard and Ruder 2018, table 7 (how the classifier is fine-tuned) and table 6 (what step 2 does
before it). Every arm tries every learning rate with the first seed, takes the one that is best on
the validation rows, and runs with it for the other seeds. It is compared, paired by seed, with
plain fine-tuning of all layers (table 6: with no step 2). Every finished run is kept in a file, so
the same command resumes an ablation that was stopped.

What differs from the paper: a BERT in place of an LSTM; test rows in place of validation rows; the
learning rate is chosen for each arm; table 7 starts from the checkpoint, without step 2, unless
--model names a folder of 'steep adapt'; step 2 has no constant rate, so in table 6 the rate of
"full" decays linearly from the start, and "stlr" adds a warm-up before that.
"""

import math
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from transformers import AutoConfig, AutoModel

import steep
from benchmarks import ablation_tables, rates
from steep import runs
from steep.args import TuneArgs
from steep.args.chosen import options_for
from steep.args.running import MachineArgs, OverwriteArgs, SeedArgs, SeedsArgs
from steep.args.table import SplitArgs, TableArgs
from steep.args.training import BaseArgs, BatchArgs, EpochArgs, LayerArgs, LengthArgs, ModelArgs
from steep.console import say
from steep.data import facts
from steep.data.budget import within
from steep.data.corpus import Data
from steep.data.load import load
from steep.errors import SteepError
from steep.flags import command
from steep.metrics.predictions import prediction_lines
from steep.metrics.scores import primary
from steep.models.checkpoints import load_tokenizer
from steep.models.devices import choose
from steep.models.hub import find
from steep.options import Part, as_mapping, change, identity_of, option
from steep.seeds import derive
from steep.study.arms import Arm, fine_tune
from steep.study.begin import test_of
from steep.study.cell_files import keep_cell, kept_cell
from steep.study.cells import CellJob, Common, run_cell
from steep.study.design import Cell
from steep.study.start import start_of
from steep.study.verdict import CellResult
from steep.train import engine, phases
