"""Human3.6M (Ionescu et al., TPAMI 2014) at 256x256, four frames to four.

Layout: `human/images/PREFIX_NNNNNN.jpg` and `human/train.txt`, `human/test.txt` with one `PREFIX,START` per line.
"""

from pathlib import Path

from subband.data.dataset_files import existing, hold_out_last
from subband.data.spec import ClipSpec, VideoData
from subband.data.video.numbered_frames import NumberedFrameClips, NumberedFrames

_SIZE = 256
_STEP = 5  # every fifth frame is used


def human(
    *,
    root: str,
    in_frames: int = 4,
    out_frames: int = 4,
    bgr: bool = False,
    val_fraction: float = 0.05,
) -> VideoData:
    """Human3.6M; frames are decoded when a clip is read.

    Args:
        root: Data folder with `human/`.
        in_frames: Input frames.
        out_frames: Target frames.
        bgr: Blue-green-red frames, as the published models were trained on.
        val_fraction: Share of the training recordings (prefixes, in alphabetical order the last ones) held out for
            validation.

    Returns:
        Clips of 3 channels, 256x256 (bicubic), in [0, 1].

    Raises:
        FileNotFoundError: If a list or the folder of images is missing.
        ValueError: If a line of a list cannot be read, or a split would be empty.
    """
    folder = Path(root) / "human"
    images = existing(folder / "images", "Human3.6M images")
    spec = ClipSpec(in_frames=in_frames, out_frames=out_frames, channels=3, height=_SIZE, width=_SIZE)
    listed, listed_test = (_read_list(folder / f"{split}.txt", images) for split in ("train", "test"))
    recordings = sorted({clip.name for clip in listed})
    held_out = set(recordings[hold_out_last(len(recordings), val_fraction)[1]])
    parts = ([clip for clip in listed if (clip.name in held_out) == is_val] for is_val in (False, True))
    train, val, test = (NumberedFrameClips(clips, spec, resize="bicubic", bgr=bgr) for clips in (*parts, listed_test))
    return VideoData(train, val, test, spec)


def _read_list(path: Path, images: Path) -> list[NumberedFrames]:
    clips = []
    for number, line in enumerate(existing(path, "Human3.6M list").read_text().splitlines(), start=1):
        prefix, _, start = line.strip().rpartition(",")
        if line.strip() and not (prefix and start.strip().isdigit()):
            raise ValueError(f"{path}, line {number}: expected PREFIX,START, got {line!r}")
        if prefix:
            name = prefix.replace("{", "{{").replace("}", "}}") + "_{:06d}.jpg"
            clips.append(NumberedFrames(images, name, int(start), _STEP))
    if not clips:
        raise ValueError(f"{path} lists no clip")
    return clips
