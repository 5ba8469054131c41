"""Do the cells of a study run on a Ray cluster, on its GPUs, whatever dies, with no disk shared?"""

import os
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pandas as pd
import pytest

from steep.errors import SteepError
from steep.study.cluster import Cluster, on_ray, packed, reach_ray, share, unpacked
from tests.study.conftest import Steep, Words


@pytest.mark.parametrize("listens", [False, True], ids=["nobody", "somebody else"])
def test_a_wrong_address_of_a_cluster_is_told_soon(listens: bool) -> None:
    pytest.importorskip("ray", reason="the extra 'ray' is not installed")
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        if listens:
            door.listen()
        address = f"127.0.0.1:{door.getsockname()[1]}"
        began = time.monotonic()
        with pytest.raises(SteepError, match=f"ray {address}: no cluster answers there"):
            reach_ray(address)
    assert time.monotonic() - began < 60


@pytest.mark.parametrize(
    ("at_once", "gpus", "expected"),
    [(1, 0, 0), (9, 0, 0), (1, 2, 1), (2, 2, 1), (3, 2, 0.5), (6, 1, 0.1666), (3, 1, 0.3333)],
)
def test_a_job_gets_a_gpu_or_an_equal_share(at_once: int, gpus: float, expected: float) -> None:
    assert share(at_once, gpus) == expected


def test_a_folder_arrives_without_pickles_and_is_gone_afterwards(tmp_path: Path) -> None:
    (tmp_path / "1_Pooling").mkdir()
    for name in ("config.json", "1_Pooling/config.json", "pytorch_model.bin", ".hidden"):
        (tmp_path / name).write_bytes(name.encode())
    with unpacked(packed(tmp_path)) as there:
        found = {path.relative_to(there).as_posix() for path in there.rglob("*.*")}
        assert (there / "1_Pooling" / "config.json").read_text() == "1_Pooling/config.json"
    assert found == {"config.json", "1_Pooling/config.json"}
    assert not there.exists()


@pytest.fixture(scope="module")
def head() -> Iterator[Any]:
    """A Ray cluster on this machine: a head that runs nothing."""
    pytest.importorskip("ray", reason="the extra 'ray' is not installed")
    from ray.cluster_utils import Cluster as Local

    cluster = Local(initialize_head=True, head_node_args={"num_cpus": 0})
    yield cluster
    cluster.shutdown()


@pytest.fixture
def made(head: Any) -> Iterator[Any]:
    """The same, for workers of a test's own."""
    yield head
    for node in [*head.worker_nodes]:
        head.remove_node(node)


def nothing(job: int) -> tuple[Path, ...]:
    """The folders that a job reads which reads none."""
    return ()


def slow(folder: Path, job: int, folders: Sequence[Path]) -> int:
    mark = folder / f"began-{job}-{os.getpid()}"
    mark.touch()
    time.sleep(3)
    mark.rename(folder / f"ended-{job}-{os.getpid()}")
    return 10 * job


def wait_until_busy(folder: Path) -> None:
    """Until two jobs run, and go on for another second at least."""
    deadline = time.monotonic() + 60
    while True:
        running = [*folder.glob("began-*")]
        if len(running) == 2 and all(time.time() - m.stat().st_mtime < 2 for m in running):
            return
        assert time.monotonic() < deadline, "the workers take no further jobs"
        time.sleep(0.05)


def test_jobs_of_a_killed_worker_run_on_the_other(made: Any, tmp_path: Path) -> None:
    first, _ = (made.add_node(num_cpus=1) for _ in range(2))
    outcomes = on_ray(partial(slow, tmp_path), range(5), nothing, Cluster(made.address))
    found = dict([next(outcomes)])
    wait_until_busy(tmp_path)
    made.remove_node(first, allow_graceful=False)
    found |= dict(outcomes)
    assert found == {job: 10 * job for job in range(5)}
    assert len(list(tmp_path.iterdir())) > 5, "no job was begun twice: nothing was killed"


def on_a_gpu(folder: Path, most: int, job: int, folders: Sequence[Path]) -> tuple[str, int]:
    """The GPU that a job sees, and how many used it at once, which it waits for to be `most`."""
    gpu, deadline = os.environ.get("CUDA_VISIBLE_DEVICES", ""), time.monotonic() + 60
    mark = folder / f"{gpu}-{job}"
    mark.touch()
    while (count := len([*folder.glob(f"{gpu}-*")])) < most:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(1)
    count = max(count, len([*folder.glob(f"{gpu}-*")]))
    mark.unlink()
    return gpu, count


def test_jobs_are_dealt_to_the_gpus_of_a_cluster(made: Any, tmp_path: Path) -> None:
    made.add_node(num_cpus=4, num_gpus=2)

    def run(most: int, **how: Any) -> list[tuple[str, int]]:
        work, cluster = partial(on_a_gpu, tmp_path, most), Cluster(made.address, **how)
        return [result for _, result in on_ray(work, range(4), nothing, cluster)]  # type: ignore

    alone = run(1)
    assert {gpu for gpu, _ in alone} == {"0", "1"}
    assert {count for _, count in alone} == {1}, "a GPU each"
    assert sorted(run(2, at_once=4)) == [("0", 2), ("0", 2), ("1", 2), ("1", 2)]
    assert {gpu for gpu, _ in run(1, gpus=False)} == {""}, "none where none is to be used"


def hide(study: Path, base: Path, cache: Path, when: dict[str, float]) -> None:
    """Once a cell of the study is there, take away all that further cells would read."""
    while not any((study / "cells").glob("*.json")):
        time.sleep(0.05)
    kinds = ("config.json", "*.safetensors", "tokenizer*", "vocab.txt", "*.arrow", "*.npy")
    for folder in (base, study / "adapted", cache):
        for path in [path for kind in kinds for path in folder.rglob(kind)]:
            path.rename(path.with_name(f"{path.name}.away"))
    when["hidden"] = time.time()


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of this process alone, which workers do not see."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    return tmp_path / "cache"


def test_a_study_needs_no_shared_disk(
    made: Any, steep: Steep, base: Words, whole: Path, tiny_bert: Path, own_cache: Path
) -> None:
    made.add_node(num_cpus=1)
    out, when = own_cache.parent / "study", {}
    hiding = threading.Thread(target=hide, args=(out, tiny_bert, own_cache, when), daemon=True)
    hiding.start()
    try:
        steep(*base, "--jobs 2 --ray", made.address, "--out", out)
    finally:
        hiding.join(60)
        for path in tiny_bert.rglob("*.away"):
            path.rename(path.with_suffix(""))
    later = [p.name for p in (out / "cells").glob("*.csv") if p.stat().st_mtime > when["hidden"]]
    assert any(name.startswith("adapted") for name in later)
    for cell in sorted((whole / "cells").glob("*.csv")):
        mine, theirs = (pd.read_csv(folder / "cells" / cell.name) for folder in (whole, out))
        assert list(mine["id"]) == list(theirs["id"])
        chances = [table.filter(regex="^p_") for table in (mine, theirs)]
        np.testing.assert_allclose(*chances, atol=1e-5)  # Ray computes in one thread
