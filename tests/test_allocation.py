"""Memory that a process has freed is not paid for again."""

import platform
import subprocess
import sys

import pytest

# Page faults of making and dropping an array of 40 MB twenty times, after as many: malloc keeps some small rests that
# part what was freed.
FAULTS = """
import resource, sys, torch
from pipeline.allocation import make_allocation_cheap
if sys.argv[1] == "cheap":
    make_allocation_cheap()
torch.set_num_threads(1)
for _ in range(20):
    torch.ones(10_000_000)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    torch.ones(10_000_000)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(way: str) -> int:
    made = subprocess.run([sys.executable, "-c", FAULTS, way], check=True, capture_output=True, text=True)
    return int(made.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc")
def test_a_page_is_asked_for_once():
    assert 10 * faults("cheap") < faults("as it is")
