"""Shared fixtures. `subband` is imported first: it makes torchvision importable on CPU builds of torch."""

import os
import sys
import zlib
from pathlib import Path

import subband  # noqa: F401  isort: skip
import pytest
import torch

TESTS = Path(__file__).parent
# Plain translations of the published graphs live beside the benchmarks that time them.
sys.path.insert(0, str(TESTS.parent / "benchmarks"))
sys.path.insert(0, str(TESTS / "golden"))

if os.environ.get("PYTEST_XDIST_WORKER"):
    torch.set_num_threads(1)


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> torch.Generator:
    """A generator seeded by the test's name."""
    return torch.Generator().manual_seed(zlib.crc32(request.node.nodeid.encode()))


@pytest.fixture
def golden() -> Path:
    """Folder of stored outputs of the published implementations."""
    return TESTS / "golden"


@pytest.fixture
def shared_data() -> Path:
    """Folder of real media kept beside the checkout; the test is skipped where it is absent."""
    folder = TESTS.parent.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("no folder of real media beside this checkout")
    return folder


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)
