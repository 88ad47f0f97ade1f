"""Make pairs of blurred and sharp clips from a sharp video, a folder of frames, or a folder of videos or photographs.

An exposure is the mean light of a video's neighboring frames and of frames in between; a photograph becomes a clip of a
hand-held camera that moves over it. OUT gets blur/CLIP, sharp/CLIP and synthesis.json with the settings. The first and
last frames of a video have no pair. A job that was interrupted goes on when the same command is given again.
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from subband.cli.option_rules import Needs
from subband.cli.options import open_table, refuse_existing, show_table
from subband.cli.photographs import result_names
from subband.files import folder_lock, shown

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser, Namespace

    from subband.data.restoration.pair_folder import PairFolder
    from subband.data.restoration.photo_library import PhotoLibrary
    from subband.data.restoration.settings import BlurSettings
    from subband.data.restoration.synthesis import FramePairs
    from subband.predictors.progress import Progress

EXAMPLES = """examples:
  subband synthesize-blur clip.mp4 pairs/ --stride 3
  subband synthesize-blur footage/ pairs/ --exposure 0.9 0.9 --sharp-share 0.3
  subband synthesize-blur photos/ pairs/ --photos --num-frames 30 --speed 20
"""

_FPS = 30.0
_SETTINGS = (
    *("exposure", "sharp_share", "sharp_exposure", "response", "speed", "max_objects", "highlights", "brightness"),
    *("noise_share", "jpeg_share", "jpeg_quality"),
)


def _is_of_photos(args: Namespace) -> bool:
    """Whether the input is one photograph, or was called a folder of them."""
    from subband.media.picture_files import is_animated, picture_format

    path = Path(args.source)
    return args.photos or (path.is_file() and picture_format(path) is not None and not is_animated(path))


OPTION_RULES = (
    *(
        Needs(option, _is_of_photos, "goes with photographs only (--photos)")
        for option in ("--num-frames", "--size", "--speed", "--max-objects")
    ),
    *(
        Needs(option, lambda args: not _is_of_photos(args), "goes with videos only")
        for option in ("--stride", "--no-interpolate")
    ),
    Needs("--sharp-exposure", lambda args: args.sharp_share > 0, "goes with --sharp-share"),
    Needs("--jpeg-quality", lambda args: args.jpeg_share > 0, "goes with --jpeg-share"),
    Needs("--fps", lambda args: args.format == "mkv", "goes with --format mkv"),
)


class _Clip(NamedTuple):
    """One clip to make.

    Attributes:
        name: Of the clip in the folder of pairs.
        source: Photograph or video.
        num_pairs: How many there will be; of a video by its header, None where that is silent.
        fps: Frames per second of the video, None where there are none.
        pairs: Gives the pairs from a number on.
    """

    name: str
    source: Path
    num_pairs: int | None
    fps: float | None
    pairs: Callable[[int], FramePairs]


def add_arguments(parser: ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument(
        "source",
        metavar="IN",
        type=str,
        help="Video, folder of frames, folder of videos, photograph, or (--photos) folder of photographs.",
    )
    parser.add_argument("out", metavar="OUT", type=str, help="Folder to make.")
    parser.add_argument(
        "--photos", action="store_true", help="Pictures of a folder are separate photographs, not frames of one clip."
    )
    parser.add_argument("--num-frames", type=int, default=20, help="Frames of the clip of a photograph.")
    parser.add_argument(
        "--size",
        type=int,
        nargs=2,
        default=None,
        metavar=("H", "W"),
        help="Size of the frames of photographs; 0.8 of a photograph's by default.",
    )
    parser.add_argument("--stride", type=int, default=2, help="Frames of a video from one pair to the next.")
    parser.add_argument(
        "--no-interpolate", action="store_true", help="Average the frames of a video only, none in between."
    )
    parser.add_argument("--max-side", type=int, default=1280, help="Reduce videos and photographs to this longer side.")
    _add_settings(parser)
    parser.add_argument("--format", type=str, default="png", help="png (frames) or mkv (nearly lossless videos).")
    parser.add_argument(
        "--fps",
        type=float,
        default=None,
        help="Frames per second of videos that are written; by default those of the source over --stride, or 30.",
    )
    parser.add_argument("--seed", type=int, default=0, help="Chooses all that is drawn at random.")
    parser.add_argument("--device", type=str, default="auto", help="auto, cpu, cuda or mps.")
    parser.add_argument("--overwrite", action="store_true", help="Replace pairs that are in OUT.")


def _add_settings(parser: ArgumentParser) -> None:
    pair: dict[str, Any] = {"type": float, "nargs": 2, "metavar": ("LOW", "HIGH")}
    parser.add_argument(
        "--exposure", default=[0.4, 1.0], help="Share of the time for which the shutter is open, a range.", **pair
    )
    parser.add_argument("--sharp-share", type=float, default=0.0, help="Share of frames that stay sharp.")
    parser.add_argument("--sharp-exposure", type=float, default=0.1, help="Exposure of those frames.")
    parser.add_argument(
        "--response",
        type=str,
        default="srgb",
        help="How light is stored: srgb, or a gamma such as 2.2; 1 averages stored values.",
    )
    parser.add_argument("--speed", type=float, default=12.0, help="Fastest movement over photographs, pixels a frame.")
    parser.add_argument("--max-objects", type=int, default=3, help="Most things that move on their own.")
    parser.add_argument("--highlights", type=float, default=0.0, help="Share of clips whose white leaves streaks.")
    parser.add_argument("--brightness", default=[1.0, 1.0], help="Factor of the light, a range.", **pair)
    parser.add_argument("--noise-share", type=float, default=0.0, help="Share of clips with sensor noise.")
    parser.add_argument("--jpeg-share", type=float, default=0.0, help="Share of clips that are compressed, as JPEG.")
    parser.add_argument(
        "--jpeg-quality", default=[60, 98], help="Quality of the compression, a range.", **(pair | {"type": int})
    )


def run(args: Namespace) -> None:
    """Plan, make, write, print a table."""
    from subband.data.restoration.pair_folder import RECORD, PairFolder

    settings = _settings(args)
    _check(args)
    clips = _plan(args, settings)
    with folder_lock(Path(args.out)):
        folder = PairFolder(Path(args.out), _facts(args, settings, clips), overwrite=args.overwrite)
        rows, failed = _make_all([clip for clip in clips if not folder.is_finished(clip.name)], folder, args)
        table = open_table(["clip", "from", "pairs", "seconds"], right=["pairs", "seconds"])
        for row in rows:
            table.add_row(*row)
        show_table(table)
        print(f"wrote {shown(args.out)}: blur, sharp, {RECORD}")
        sys.stdout.flush()
        if failed:
            raise ValueError(f"{len(failed)} of {len(clips)} clips could not be made: {', '.join(map(shown, failed))}.")
        folder.complete()


def _settings(args: Namespace) -> BlurSettings:
    from subband.data.restoration.settings import BlurSettings

    values = {name: args[name] for name in _SETTINGS}
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
    if args.response != "srgb":
        try:
            values["response"] = float(args.response)
        except ValueError:
            raise ValueError(f"--response must be srgb or a gamma such as 2.2, got {args.response}.") from None
    try:
        return BlurSettings(**values)
    except ValueError as error:
        raise ValueError(f"--{str(error).replace('_', '-', str(error).partition(' ')[0].count('_'))}.") from None


def _check(args: Namespace) -> None:
    from subband.media.video_writer import FASTEST, SLOWEST

    for name, least in (("num_frames", 1), ("stride", 1), ("max_side", 16)):
        if args[name] < least:
            raise ValueError(f"--{name.replace('_', '-')} must be at least {least}, got {args[name]}.")
    if args.size is not None and min(args.size) < 16:
        raise ValueError(f"--size must be at least 16 x 16 pixels, got {args.size[0]} x {args.size[1]}.")
    if args.format not in ("png", "mkv"):
        raise ValueError(f"--format must be png or mkv, got {args.format}.")
    if args.fps is not None and not SLOWEST <= args.fps <= FASTEST:
        raise ValueError(f"--fps must be between 1/3600 and {FASTEST}, got {args.fps:.10g}.")
    source, out = Path(args.source), Path(args.out)
    if not source.exists():
        raise FileNotFoundError(f"{shown(source)} does not exist.")
    if source.is_dir() and out.resolve().is_relative_to(source.resolve()):
        raise ValueError(f"{shown(out)} lies in the folder that is read; choose another place.")
    if out.is_file():
        raise ValueError(f"{shown(out)} is a file; pairs go into a folder.")
    refuse_existing(out, overwrite=True)  # makes the folder around it, or says why it cannot


def _facts(args: Namespace, settings: BlurSettings, clips: Sequence[_Clip]) -> dict[str, Any]:
    """All that the pairs depend on."""
    facts = {
        "sources": {clip.name: [str(clip.source), clip.source.stat().st_size] for clip in clips},
        "seed": args.seed,
        "format": args.format,
        "max_side": args.max_side,
        "settings": settings.to_dict(has_camera=_is_of_photos(args)),
    }
    if _is_of_photos(args):
        return facts | {"num_frames": args.num_frames, "size": args.size}
    return facts | {"stride": args.stride, "interpolate": not args.no_interpolate, "fps": args.fps}


def _plan(args: Namespace, settings: BlurSettings) -> list[_Clip]:
    """The clips to make; what cannot be used is named."""
    from subband.device import pick_device

    device = pick_device(args.device)
    return (_photo_clips if _is_of_photos(args) else _video_clips)(args, settings, device)


def _photo_clips(args: Namespace, settings: BlurSettings, device: Any) -> list[_Clip]:
    from subband.data.restoration.photo_library import PhotoFiles
    from subband.media.images import list_images

    source = Path(args.source)
    files = list_images(source) if source.is_dir() else [source]
    library = PhotoFiles(files, args.max_side)
    return [
        _Clip(name, file, args.num_frames, None, partial(_photo_pairs, library, number, settings, args, device))
        for number, (name, file) in enumerate(zip(_names(files), files, strict=True))
    ]


def _names(sources: Sequence[Path]) -> list[str]:
    """Names of clips that differ; of `.` and `..`, too, which have no name of their own."""
    return result_names([source.resolve() for source in sources], "")


def _photo_pairs(
    library: PhotoLibrary, number: int, settings: BlurSettings, args: Namespace, device: Any, start: int
) -> FramePairs:
    from subband.data.restoration.synthesis import photo_pairs, photo_size

    photo = library.photo(number)
    size = photo_size(photo) if args.size is None else (args.size[0], args.size[1])
    return photo_pairs(
        photo,
        library,
        settings,
        num_frames=args.num_frames,
        size=size,
        seed=args.seed,
        clip=number,
        start=start,
        device=device,
    )


def _video_clips(args: Namespace, settings: BlurSettings, device: Any) -> list[_Clip]:
    from subband.data.restoration.synthesis import num_video_pairs, video_pairs
    from subband.data.video.folder import find_videos
    from subband.media.picture_files import find_pictures, is_animated
    from subband.media.sources import open_clip

    source = Path(args.source)
    found = find_pictures(source) if source.is_dir() else None
    is_frames = found is not None and not found.folders and any(not is_animated(file) for file in found.files)
    if found is not None and is_frames:
        _check_one_size(source, found.files)
    is_clip = is_frames or not source.is_dir()
    paths = [source] if is_clip else [video.path for video in find_videos(source, 2 * args.stride)]
    clips = []
    for number, (name, path) in enumerate(zip(_names(paths), paths, strict=True)):
        with open_clip(path) as reader:
            about, fps, aspect = reader.details.about_frames, reader.fps, reader.details.pixel_aspect
        if aspect != 1:
            warnings.warn(
                f"the pixels of {path} are not square ({aspect.numerator}:{aspect.denominator}); its pairs have the "
                "stored ones, shown as squares.",
                stacklevel=2,
            )
        num_pairs = None if about is None else num_video_pairs(about, args.stride)
        if num_pairs == 0:
            raise ValueError(
                f"{shown(path)} has {about} frames, too few for an exposure with --stride {args.stride}"
                + ("; add --photos if they are separate photographs." if is_frames else ".")
            )
        make = partial(
            _pairs_from,
            video_pairs,
            path,
            settings,
            stride=args.stride,
            interpolate=not args.no_interpolate,
            max_side=args.max_side,
            seed=args.seed,
            clip=number,
            device=device,
        )
        clips.append(_Clip(name, path, num_pairs, fps and fps / args.stride, make))
    return clips


def _check_one_size(folder: Path, files: Sequence[Path]) -> None:
    """Find out before the work whether pictures can be frames of one clip; only their headers are read."""
    from subband.media.pixels import upright_size

    first, *others = files
    height, width = upright_size(first)
    for file in others:
        other = upright_size(file)
        if other != (height, width):
            raise ValueError(
                f"{shown(folder)} is no clip: {shown(first.name)} has {width} x {height} pixels, {shown(file.name)} "
                f"{other[1]} x {other[0]}; add --photos if they are separate photographs."
            )


def _pairs_from(function: Callable[..., FramePairs], *words: Any, **options: Any) -> FramePairs:
    """Calls a function of pairs with what `partial` has, the first pair being the last word."""
    *words_before, start = words
    return function(*words_before, start=start, **options)


def _make_all(
    clips: Sequence[_Clip], folder: PairFolder, args: Namespace
) -> tuple[list[tuple[str, str, str, str]], list[str]]:
    """Make clips; a bad one of several is reported and the others go on. Rows of a table, and names of bad ones."""
    from subband.predictors.progress import show_progress

    rows, failed = [], []
    meter = _Meter(clips)
    with show_progress("pairs") as meter.show:
        for clip in clips:
            began = time.perf_counter()
            try:
                count = _make(clip, folder, args, meter.report)
            except ValueError as error:
                if len(clips) == 1:
                    folder.remove_if_empty()
                    raise
                warnings.warn(f"left out: {error}", stacklevel=2)
                failed.append(clip.name)
                count = 0
            else:
                rows.append((clip.name, clip.source.name, str(count), f"{time.perf_counter() - began:.1f}"))
            meter.end(clip, count)
    return rows, failed


def _make(clip: _Clip, folder: PairFolder, args: Namespace, report: Callable[[int], None]) -> int:
    if args.format == "png":
        return folder.write_frames(clip.name, clip.pairs, report)
    return folder.write_videos(clip.name, clip.pairs, report, args.fps or clip.fps or _FPS)


class _Meter:
    """Counts pairs over all clips, for one bar."""

    def __init__(self, clips: Sequence[_Clip]) -> None:
        counts = [clip.num_pairs for clip in clips]
        self.total = None if None in counts else sum(count or 0 for count in counts)
        self.show: Callable[[Progress], None] = lambda progress: None
        self._before = 0  # pairs of the clips that are done
        self._found: int | None = None  # pairs of the present clip that were there
        self._all_found = 0
        self._began = time.perf_counter()

    def report(self, done: int) -> None:
        """So many pairs of the present clip are there."""
        from subband.predictors.progress import Progress

        if self._found is None:
            self._found = done
            self._all_found += done
        finished, seconds = self._before + done, time.perf_counter() - self._began
        fresh = finished - self._all_found
        left = None if self.total is None or not fresh else seconds / fresh * max(self.total - finished, 0)
        self.show(Progress(finished, self.total, seconds, left))

    def end(self, clip: _Clip, count: int) -> None:
        """A clip is done; the header of its file may have promised another number."""
        if self.total is not None and clip.num_pairs is not None:
            self.total += count - clip.num_pairs
        self._before, self._found = self._before + count, None
