"""Does freed memory stay in the process, so that large tensors cost no page faults?"""

import platform
import subprocess
import sys

import pytest

SCRIPT = """
import resource
import torch
from steep.models.kernels.memory import keep_freed_memory

def faults_of_a_large_tensor():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        torch.ones(16_000_000)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

before = faults_of_a_large_tensor()
assert keep_freed_memory()
print(before, faults_of_a_large_tensor())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc's malloc has the setting")
def test_large_tensors_use_freed_memory_again():
    """In a process of its own: the setting holds for the rest of the process."""
    found = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True
    )
    before, after = map(int, found.stdout.split())
    assert after < before / 3  # some blocks do not fit at first, small ones lying in between
