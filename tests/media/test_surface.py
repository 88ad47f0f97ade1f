"""What `subband.media` offers, and what importing it costs."""

import subprocess
import sys

import subband.media


def test_everything_offered_is_there():
    assert all(hasattr(subband.media, name) for name in subband.media.__all__)
    assert {"probe", "read_clip", "write_clip", "read_image", "write_image"} <= set(subband.media.__all__)


def test_importing_loads_neither_pillow_nor_pyav():
    code = "import sys, subband.media; print(*{name.split('.')[0] for name in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert not {"PIL", "av"} & set(loaded.stdout.split())
