"""Every command names the file that does not fit on the disk, in one sentence, and leaves nothing beside it."""

import json
import subprocess
import sys

import pytest
import torch

from subband.media.images import write_image
from subband.media.writers import open_writer

resource = pytest.importorskip("resource", reason="limits the size of files")

# Files may not grow beyond a limit: to programs that write them, a full disk.
SCRIPT = """
import json, resource, sys
from subband.cli.main import main
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
for words in json.load(sys.stdin):
    print(main(words), file=sys.stderr)
"""


@pytest.mark.slow
def test_a_full_disk_names_the_file(tmp_path):
    photos, out = tmp_path / "photos", tmp_path / "out"
    photos.mkdir()
    out.mkdir()
    for number in range(2):
        write_image(photos / f"{number}.png", torch.rand(3, 32, 32))
    with open_writer(tmp_path / "clip.mp4", fps=5) as writer:
        for _ in range(12):
            writer.write(torch.randint(256, (64, 64, 3), dtype=torch.uint8).numpy())
    photo, clip = str(photos / "0.png"), str(tmp_path / "clip.mp4")
    predict = ["predict", clip, "--model", "wast_photos", "--num-frames", "2", "--device", "cpu", "--out"]
    words = {
        "a.png": ["denoise", photo, "--out"],
        "b/0.png": ["denoise", str(photos), "--out"],
        "c.png": ["fuse", photo, str(photos / "1.png"), "--out"],
        "d.png": ["decompose", photo, "--out"],
        "e.mp4": predict,
        "f.gif": predict,
        "g.onnx": ["export", "gfnet_digits", "--out"],
        "h.pt2": ["export", "gfnet_digits", "--out"],
        "i/samples.npz": ["evaluate", "gfnet_digits", "--data.name", "digits", "--device", "cpu", "--out"],
    }
    calls = [[*first, str(out / name.split("/")[0])] for name, first in words.items()]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], input=json.dumps(calls), capture_output=True, text=True, check=True
    )
    for name in words:
        assert f"subband: error: {out / name}: File too large" in done.stderr, name
    assert done.stderr.count("\n2\n") == len(words)
    assert "b/0.png: File too large; 0 of 2 photographs are done." in done.stderr
    assert not [path for path in out.rglob("*") if path.is_file()]
