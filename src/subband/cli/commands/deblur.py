"""Make a blurred video, a folder of frames or one photograph sharp.

The result keeps the resolution, the times of the frames, pixel aspect, color tags, and of a video its sound, subtitles
and chapters. A stopped job goes on when the same command is given again.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from subband.cli.option_rules import Needs
from subband.cli.options import open_table, refuse_existing, show_table
from subband.cli.weights import add_weights_arguments, open_weights
from subband.files import new_path, shown

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser, Namespace

    from subband.predictors.restoration import VideoRestorer
    from subband.visual.comparison import ClipComparison

BUNDLED = "motion_unet_clips"

EXAMPLES = """examples:
  subband deblur blurred.mp4 sharp.mp4
  subband deblur street.mov sharp.mov --model estrnn --checkpoint ESTRNN_BSD_2ms16ms.tar
  subband deblur frames/ sharp/ --model runs/estrnn --preview 5s --compare
  subband deblur photo.jpg sharp.png --model NAFNet-GoPro-width32.pth
  subband deblur blurred.mp4 sharp.mp4 --model NAFNet-GoPro-width32.pth
"""


OPTION_RULES = (
    Needs("--reference", lambda args: args.compare, "goes with --compare"),
    Needs("--duration", lambda args: args.preview is None, "and --preview exclude each other"),
)


def add_arguments(parser: ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("clip", type=str, help="Video file, animated image, folder of frames, or one photograph.")
    parser.add_argument(
        "out",
        type=str,
        help="What to write: .mp4, .mov, .mkv, .webm, .gif, .webp, .apng, no suffix for a folder of frames; for a "
        "photograph an image.",
    )
    add_weights_arguments(
        parser,
        or_file="a file of a network for single images that spandrel knows",
        default=f"{BUNDLED}, for clips",
    )
    parser.add_argument("--half", action="store_true", help="Compute in bfloat16 where that is safe.")
    parser.add_argument("--compile", action="store_true", help="Compile the network; pays for long clips.")
    parser.add_argument("--seed", type=int, default=0, help="Chooses the noise of networks that begin with noise.")
    parser.add_argument("--window", type=int, default=None, help="Most frames at once; by default the network's.")
    parser.add_argument(
        "--tile",
        type=str,
        default="auto",
        help="Longest side of the tiles of a frame: auto cuts where the memory demands it, off never, or pixels.",
    )
    parser.add_argument("--scene-cuts", type=str, default="auto", help="auto begins anew at cuts, off ignores them.")
    parser.add_argument("--start", type=str, default="0", help="Where to begin: seconds, 5s or 1:02.5.")
    parser.add_argument("--duration", type=str, default=None, help="How much to take, likewise; all by default.")
    parser.add_argument("--preview", type=str, default=None, help="Only so much, 5s for example, to have a look.")
    parser.add_argument(
        "--fps", type=float, default=None, help="Frames per second of a folder of frames, which has no times; 10 else."
    )
    parser.add_argument(
        "--compare", action="store_true", help="Also write before and after side by side, and a page with sliders."
    )
    parser.add_argument("--reference", type=str, default=None, help="The sharp original, to measure against.")
    parser.add_argument("--overwrite", action="store_true", help="Replace existing results.")


def run(args: Namespace) -> None:
    """Restore, write, compare."""
    source, target = Path(args.clip), Path(args.out)
    if not source.exists():
        raise FileNotFoundError(f"{shown(source)} does not exist.")
    if target.exists() and target.samefile(source):
        raise ValueError(f"{shown(target)} is the clip itself; choose another name for the result.")
    _check_options(args)
    refuse_existing(target, args.overwrite)
    if args.compare:
        for path in _compared(target):
            refuse_existing(path, args.overwrite)
    is_photo = _is_photo(source)
    if args.model is None and args.checkpoint is None:
        if is_photo:
            raise ValueError(
                f"a photograph needs --model: the network in the package, {BUNDLED}, sees blur by the motion of a clip."
            )
        args.model = BUNDLED
    _check_target(source, target, is_photo=is_photo)
    if is_photo:
        _refuse_options_of_clips(args)
    else:
        _check_rate(args, source, target)
    if args.reference is not None:
        from subband.visual.comparison import check_reference

        check_reference(source, args.reference)
    restorer = _restorer(args)
    if is_photo:
        _restore_photo(restorer, source, target, overwrite=args.overwrite)
    else:
        _restore_clip(restorer, source, target, args)
    print(f"wrote {shown(target)}")
    if args.compare:
        _compare(source, target, args, is_photo=is_photo)


def _check_options(args: Namespace) -> None:
    from subband.predictors.streaming import parse_seconds

    if args.scene_cuts not in ("auto", "off"):
        raise ValueError(f"--scene-cuts must be auto or off, got {args.scene_cuts!r}.")
    parse_seconds(args.start, "--start")
    for name in ("duration", "preview"):
        if args[name] is not None and not parse_seconds(args[name], f"--{name}"):
            raise ValueError(f"--{name} must be above 0 seconds.")


def _duration(args: Namespace) -> str | None:
    return args.duration if args.preview is None else args.preview


def _restorer(args: Namespace) -> VideoRestorer:
    from subband.convert.spandrel import load_image_restorer
    from subband.predictors.restoration import VideoRestorer

    model = open_weights(
        args,
        task="restoration",
        kind="a network for restoration",
        example="estrnn",
        foreign=load_image_restorer,
    )
    return VideoRestorer(
        model,
        device=args.device,
        seed=args.seed,
        window=args.window,
        tile=int(args.tile) if args.tile.isdecimal() else args.tile,
        half=args.half,
        compile=args.compile,
    )


def _is_photo(source: Path) -> bool:
    """Whether it is a picture that does not move."""
    from subband.media.picture_files import is_animated, picture_format

    return source.is_file() and picture_format(source) is not None and not is_animated(source)


def _check_target(source: Path, target: Path, *, is_photo: bool) -> None:
    from subband.media.images import check_image_path, read_image
    from subband.media.writers import check_clip_path

    if not is_photo:
        check_clip_path(target)
        return
    try:
        check_image_path(target)
    except ValueError as error:
        read_image(source)  # a damaged animation looks like one picture, too
        raise ValueError(f"{shown(source)} is one picture, so the result is: {error}") from None


def _refuse_options_of_clips(args: Namespace) -> None:
    usual = {"start": "0", "duration": None, "preview": None, "fps": None, "scene_cuts": "auto", "window": None}
    for option, default in usual.items():
        if args[option] != default:
            raise ValueError(f"--{option.replace('_', '-')} is for clips; {shown(args.clip)} is a photograph.")


def _check_rate(args: Namespace, source: Path, target: Path) -> None:
    """Refuses a rate that nothing depends on, or that cannot be written."""
    from subband.media.sources import open_clip
    from subband.media.writers import check_clip_rate
    from subband.predictors.streaming import clip_rate

    with open_clip(source) as reader:
        try:
            rate = clip_rate(reader, args.fps)
        except ValueError as error:
            raise ValueError(f"--{error}") from None
    for path in (target, *(_compared(target)[:1] if args.compare else ())):
        check_clip_rate(path, rate)
    is_part = args.start != "0" or _duration(args) is not None
    if args.fps is not None and target.suffix.lower() in ("", ".png") and not is_part and not args.compare:
        raise ValueError(f"--fps has no effect: neither {shown(source.name)} nor {shown(target.name)} has times.")


def _restore_photo(restorer: VideoRestorer, source: Path, target: Path, *, overwrite: bool) -> None:
    from subband.media.images import check_image_path, read_image, write_image

    image = read_image(source)
    depth, alpha = image.info.bit_depth, image.alpha
    check_image_path(target, bit_depth=depth, with_alpha=alpha is not None)
    pixels = restorer.restore(image.pixels[None])[0]
    profile = image.info.icc_profile
    write_image(target, pixels, alpha=alpha, bit_depth=depth, icc_profile=profile, overwrite=overwrite)


def _restore_clip(restorer: VideoRestorer, source: Path, target: Path, args: Namespace) -> None:
    from subband.predictors.progress import show_progress

    with show_progress("deblurring") as progress:
        restorer.restore_clip(
            source,
            target,
            scene_cuts=args.scene_cuts,
            start=args.start,
            duration=_duration(args),
            fps=args.fps,
            overwrite=args.overwrite,
            progress=progress,
        )


def _compared(target: Path) -> tuple[Path, Path]:
    """Names of the video with both side by side, and of the page."""
    suffix = target.suffix if target.suffix in (".mp4", ".mov", ".mkv", ".webm") else ".mp4"
    return target.with_name(f"{target.stem}_compare{suffix}"), target.with_name(f"{target.stem}_compare.html")


def _compare(source: Path, target: Path, args: Namespace, *, is_photo: bool) -> None:
    from subband.predictors.streaming import Span
    from subband.visual.comparison import compare_clips
    from subband.visual.comparison_page import comparison_page

    video, page = _compared(target)
    comparison = compare_clips(
        source,
        target,
        None if is_photo else video,
        reference=args.reference,
        span=Span.of(args.start, _duration(args)),
        fps=args.fps,
        overwrite=args.overwrite,
    )
    settings = [("Model", shown(args.model))]
    html = comparison_page(comparison, shown(source.name), settings=settings, video=None if is_photo else video.name)
    with new_path(page, overwrite=args.overwrite) as temporary:
        temporary.write_text(html, "utf-8")
    if comparison.scores is not None:
        _show_scores(comparison)
    print(f"wrote {shown(page)}" + ("" if is_photo else f" and {shown(video)}"))


def _show_scores(comparison: ClipComparison) -> None:
    assert comparison.scores is not None
    print(f"against the reference, {comparison.num_frames} frames:")
    headings = ["", "PSNR dB", "SSIM"]
    table = open_table(headings, right=headings[1:])
    for name, score in zip(("before", "after"), comparison.scores, strict=True):
        ssim: Any = "-" if score.ssim is None else f"{score.ssim:.4f}"
        table.add_row(name, f"{score.psnr:.2f}", ssim)
    show_table(table)
    if comparison.scores[1].psnr < comparison.scores[0].psnr:
        warnings.warn("the result is farther from the reference than the clip was.", stacklevel=2)
