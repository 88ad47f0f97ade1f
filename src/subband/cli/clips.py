"""What commands that restore clips and photographs have in common: options, checks before the work, comparison."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from subband.cli.option_rules import Needs
from subband.cli.options import open_table, refuse_existing, show_table
from subband.cli.weights import add_weights_arguments, open_weights
from subband.files import new_path, shown

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser, Namespace

    from subband.predictors.restoration import VideoRestorer
    from subband.visual.comparison import ClipComparison

OPTION_RULES = (
    Needs("--reference", lambda args: args.compare, "goes with --compare"),
    Needs("--duration", lambda args: args.preview is None, "and --preview exclude each other"),
)


class ClipJob(NamedTuple):
    """What is restored, and where it goes.

    Attributes:
        source: Clip or photograph.
        target: The result.
        is_photo: Whether the source is a picture that does not move.
        before: What the clip is called in a comparison, where it has the size of the result.
        after: What the result is called.
    """

    source: Path
    target: Path
    is_photo: bool
    before: str = "before"
    after: str = "after"


def add_clip_arguments(parser: ArgumentParser, *, default: str, or_file: str = "") -> None:
    """Add the clip, the result and all that `plan_job`, `open_restorer` and `restore` read.

    Args:
        parser: Parser of the command.
        default: See `add_weights_arguments`.
        or_file: Likewise.
    """
    parser.add_argument("clip", type=str, help="Video file, animated image, folder of frames, or one photograph.")
    parser.add_argument(
        "out",
        type=str,
        help="What to write: .mp4, .mov, .mkv, .webm, .gif, .webp, .apng, no suffix for a folder of frames; for a "
        "photograph an image.",
    )
    add_weights_arguments(parser, or_file=or_file, default=default)
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


def plan_job(args: Namespace) -> ClipJob:
    """Check the clip, the result and the options as far as they do not depend on a network.

    Raises:
        FileExistsError: If a result is there and `--overwrite` is not.
        FileNotFoundError: If there is no clip.
        ValueError: If an option is out of its range, or does not go with the clip or the result.
    """
    from subband.media.writers import check_clip_path

    source, target = Path(args.clip), Path(args.out)
    if not source.exists():
        raise FileNotFoundError(f"{shown(source)} does not exist.")
    if target.exists() and target.samefile(source):
        raise ValueError(f"{shown(target)} is the clip itself; choose another name for the result.")
    _check_options(args)
    for path in (target, *(_compared(target) if args.compare else ())):
        refuse_existing(path, args.overwrite)
    job = ClipJob(source, target, _is_photo(source))
    _check_target(job)
    if args.compare and not job.is_photo:
        check_clip_path(_compared(target)[0])
    if job.is_photo:
        _refuse_options_of_clips(args)
    else:
        _check_rate(args, job)
    return job


def open_restorer(
    args: Namespace, *, scale: int, example: str, foreign: Callable[[Path], Any] | None = None
) -> VideoRestorer:
    """The network that the options name.

    Args:
        args: Values of the options.
        scale: How many times as large it must make frames.
        example: See `open_weights`.
        foreign: Likewise.

    Raises:
        FileNotFoundError: See `open_weights`.
        ValueError: See there; and if the network has another scale.
    """
    from subband.predictors.restoration import VideoRestorer

    model = open_weights(args, task="restoration", kind="a network for restoration", example=example, foreign=foreign)
    if model.scale != scale:
        raise ValueError(f"{args.model} {_scale_words(model.scale, wanted=scale)}.")
    return VideoRestorer(
        model,
        device=args.device,
        seed=args.seed,
        window=args.window,
        tile=int(args.tile) if args.tile.isdecimal() else args.tile,
        half=args.half,
        compile=args.compile,
    )


def restore(restorer: VideoRestorer, job: ClipJob, args: Namespace, *, doing: str) -> None:
    """Restore, write, compare.

    Args:
        restorer: From `open_restorer`.
        job: From `plan_job`.
        args: Values of the options.
        doing: What is said beside the progress.
    """
    if args.reference is not None:
        from subband.visual.comparison import check_reference

        check_reference(job.source, args.reference, scale=restorer.model.scale)
    if job.is_photo:
        restorer.restore_photo(job.source, job.target, overwrite=args.overwrite)
    else:
        _restore_clip(restorer, job, args, doing)
    print(f"wrote {shown(job.target)}")
    if args.compare:
        _compare(job, args)


def _scale_words(scale: int, *, wanted: int) -> str:
    """What a network does whose scale is another one, and what takes it."""
    if scale == 1:
        return "keeps the size of frames; `subband deblur` takes it"
    does = f"makes frames {scale} times as large"
    return f"{does}; `subband upscale` takes it" if wanted == 1 else f"{does}, but --scale is {wanted}"


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


def _is_photo(source: Path) -> bool:
    """Whether it is a picture that does not move."""
    from subband.media.picture_files import is_animated, picture_format

    return source.is_file() and picture_format(source) is not None and not is_animated(source)


def _check_target(job: ClipJob) -> None:
    from subband.media.images import check_image_path, read_image
    from subband.media.writers import check_clip_path

    if not job.is_photo:
        check_clip_path(job.target)
        return
    try:
        check_image_path(job.target)
    except ValueError as error:
        read_image(job.source)  # a damaged animation looks like one picture, too
        raise ValueError(f"{shown(job.source)} is one picture, so the result is: {error}") from None


def _refuse_options_of_clips(args: Namespace) -> None:
    usual = {"start": "0", "duration": None, "preview": None, "fps": None, "scene_cuts": "auto", "window": None}
    for option, default in usual.items():
        if args[option] != default:
            raise ValueError(f"--{option.replace('_', '-')} is for clips; {shown(args.clip)} is a photograph.")


def _check_rate(args: Namespace, job: ClipJob) -> None:
    """Refuses a rate that nothing depends on, or that cannot be written."""
    from subband.media.sources import open_clip
    from subband.media.writers import check_clip_rate
    from subband.predictors.streaming import clip_rate

    source, target = job.source, job.target
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


def _restore_clip(restorer: VideoRestorer, job: ClipJob, args: Namespace, doing: str) -> None:
    from subband.predictors.progress import show_progress

    with show_progress(doing) as progress:
        restorer.restore_clip(
            job.source,
            job.target,
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


def _compare(job: ClipJob, args: Namespace) -> None:
    from subband.predictors.streaming import Span
    from subband.visual.comparison import compare_clips
    from subband.visual.comparison_page import comparison_page

    video, page = _compared(job.target)
    labels = (job.before, job.after, "reference")
    comparison = compare_clips(
        job.source,
        job.target,
        None if job.is_photo else video,
        reference=args.reference,
        span=Span.of(args.start, _duration(args)),
        fps=args.fps,
        labels=labels,
        overwrite=args.overwrite,
    )
    html = comparison_page(
        comparison,
        shown(job.source.name),
        settings=[("Model", shown(args.model))],
        video=None if job.is_photo else video.name,
        labels=labels,
    )
    with new_path(page, overwrite=args.overwrite) as temporary:
        temporary.write_text(html, "utf-8")
    if comparison.scores is not None:
        _show_scores(comparison, labels)
    print(f"wrote {shown(page)}" + ("" if job.is_photo else f" and {shown(video)}"))


def _show_scores(comparison: ClipComparison, labels: tuple[str, ...]) -> None:
    assert comparison.scores is not None
    print(f"against the reference, {comparison.num_frames} frames:")
    headings = ["", "PSNR dB", "SSIM"]
    table = open_table(headings, right=headings[1:])
    for name, score in zip(labels, comparison.scores, strict=False):
        ssim: Any = "-" if score.ssim is None else f"{score.ssim:.4f}"
        table.add_row(name, f"{score.psnr:.2f}", ssim)
    show_table(table)
    if comparison.scores[1].psnr < comparison.scores[0].psnr:
        warnings.warn("the result is farther from the reference than the clip was.", stacklevel=2)
