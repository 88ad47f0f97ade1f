"""The plan of the pages that results.py makes: which records belong to which task, and the rows shown first.

`{ROW :: COLUMN}` in a text of a headline is the cell of its record, `{RECORD :: ROW :: COLUMN}` that of another.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["PLAN", "Headline", "Task"]


HELD_OUT = "03_blocks or bedroom or coast_drone or mmaction2_test or sidewalk or statue_person"


@dataclass(frozen=True)
class Headline:
    """A row of the short table of a task.

    Attributes:
        record: File in results/ that it comes from.
        model: What was measured.
        data: On what.
        score: How good, or how fast beside what.
        cost: Time, size or memory.
    """

    record: str
    model: str
    data: str
    score: str
    cost: str = "-"


@dataclass(frozen=True)
class Task:
    """Records of a task in the order of the page, and its headlines."""

    name: str
    records: tuple[str, ...]
    headlines: tuple[Headline, ...]


PLAN = (
    Task(
        "Transforms",
        ("transforms", "small_transforms"),
        (
            Headline(
                "transforms",
                "`dwt2`, Haar",
                "2 x 64 x 224 x 224, forward",
                "{haar 2-D 2x64x224x224 & forward :: faster than peer} times the fastest peer "
                "({haar 2-D 2x64x224x224 & forward :: fastest peer})",
                "{haar 2-D 2x64x224x224 & forward :: subband ms} ms",
            ),
            Headline(
                "transforms",
                "`dwt2`, db4",
                "2 x 64 x 224 x 224, with gradient",
                "{db4 2-D 2x64x224x224 & f+b :: faster than peer} times the fastest peer "
                "({db4 2-D 2x64x224x224 & f+b :: fastest peer})",
                "{db4 2-D 2x64x224x224 & f+b :: subband ms} ms",
            ),
            Headline(
                "transforms",
                "block DCT",
                "8 x 3 x 512 x 512, forward",
                "{8x8 DCT 8x3x512x512 & forward :: faster than peer} times the fastest peer "
                "({8x8 DCT 8x3x512x512 & forward :: fastest peer})",
                "{8x8 DCT 8x3x512x512 & forward :: subband ms} ms",
            ),
            Headline(
                "transforms",
                "the slowest beside its peer",
                "all cases but compiled ones",
                "{min :: faster than peer} times the fastest peer",
            ),
            Headline(
                "small_transforms",
                "`dwt`",
                "16 samples, float64",
                "takes {dwt of 16 samples, float64 :: subband / PyWavelets} times as long as PyWavelets",
                "{dwt of 16 samples, float64 :: subband (µs)} µs",
            ),
        ),
    ),
    Task(
        "Video prediction",
        (
            "bundled_model",
            "bundled_model_clips",
            "demo",
            "ablation_wast",
            "video_models",
            "video_models_batch_4",
            "video_models_macs",
            "moving_mnist",
        ),
        (
            Headline(
                "bundled_model_clips",
                "`wast_photos` (bundled)",
                "real clips, 8 frames ahead",
                "PSNR {mean :: mean} dB; repeating the last frame {mean :: mean, repeated} dB",
            ),
            Headline(
                "demo",
                "WaST",
                "moving digits, 4 -> 4 frames",
                "MSE {WaST :: MSE}, PSNR {WaST :: PSNR dB} dB, SSIM {WaST :: SSIM}",
                "{WaST :: train s} s of training",
            ),
            Headline(
                "demo",
                "SimVP (gSTA)",
                "moving digits, 4 -> 4 frames",
                "MSE {SimVP (gSTA) :: MSE}, PSNR {SimVP (gSTA) :: PSNR dB} dB, SSIM {SimVP (gSTA) :: SSIM}",
                "{SimVP (gSTA) :: train s} s of training",
            ),
            Headline(
                "video_models",
                "`wast`, a training step",
                "10 x 1 x 64 x 64",
                "{wast & train :: times faster} times a plain translation of the published graph",
                "{wast & train :: ours ms} ms",
            ),
        ),
    ),
    Task(
        "Classification",
        (
            "classifiers_cifar10",
            "scenes",
            "digits_robustness",
            "quantization",
            "classification",
            "classification_batch_32",
            "classification_compiled",
        ),
        (
            Headline(
                "classifiers_cifar10",
                "WSF-ViT (p0)",
                "CIFAR-10, 8 epochs",
                "top-1 {WSF-ViT (p0, 32 px) :: top-1 %} %",
                "{WSF-ViT (p0, 32 px) :: parameters} parameters",
            ),
            Headline(
                "classifiers_cifar10",
                "ViT, baseline",
                "CIFAR-10, 8 epochs",
                "top-1 {ViT (192 x 6, patch 8, 32 px; baseline) :: top-1 %} %",
                "{ViT (192 x 6, patch 8, 32 px; baseline) :: parameters} parameters",
            ),
            Headline(
                "digits_robustness", "`gfnet_digits` (bundled)", "digits held out", "top-1 {as they are :: top-1 %} %"
            ),
            Headline(
                "classification_batch_32",
                "`wsfvit_p0`",
                "32 images, forward",
                "{wsfvit_p0 :: times faster} times a plain translation of the published graph",
                "{wsfvit_p0 :: ours ms} ms",
            ),
        ),
    ),
    Task(
        "Deblurring",
        (
            "deblurring_bundled",
            "deblurring",
            "ablation_deblurring",
            "ablation_ftdeblur",
            "restoration",
            "restoration_720p",
            "restoration_command",
        ),
        (
            Headline(
                "deblurring_bundled",
                "`motion_unet_clips` (bundled)",
                "six real clips held out",
                "gains {mean :: gain dB} dB; sharp clips, compressed, change by {mean :: change dB} dB",
            ),
            Headline(
                "deblurring",
                "`motion_unet_s`",
                "six real clips held out",
                "gains {motion_unet_s :: mean dB} dB",
                "{motion_unet_s :: CPU minutes} CPU minutes of training",
            ),
            Headline(
                "deblurring",
                "`estrnn_s`",
                "six real clips held out",
                "gains {estrnn_s :: mean dB} dB",
                "{estrnn_s :: CPU minutes} CPU minutes of training",
            ),
            Headline(
                "restoration_720p",
                "`vd_diff`",
                "1280 x 720, float32",
                "{vd_diff & float32 :: times faster} times a plain translation of the published graph",
                "{vd_diff & float32 :: ours MB/frame} MB a frame",
            ),
        ),
    ),
    Task(
        "Super-resolution",
        ("super_resolution_bundled", "super_resolution_small", "ablation_mfpi", "super_resolution"),
        (
            Headline(
                "super_resolution_bundled",
                "`basicvsr_pp_clips` (bundled)",
                "six clips held out, four times",
                f"{{mean({HELD_OUT}) :: gain dB}} dB above bicubic, SSIM {{mean({HELD_OUT}) :: gain in SSIM}} above",
            ),
            Headline(
                "super_resolution_small",
                "`basicvsr_pp_s`",
                "six clips held out, four times",
                "{basicvsr_pp_s :: mean dB} dB above bicubic",
                "{basicvsr_pp_s :: CPU minutes} CPU minutes of training",
            ),
            Headline(
                "super_resolution_small",
                "`mfpi_s`",
                "six clips held out, four times",
                "{mfpi_s :: mean dB} dB above bicubic",
                "{mfpi_s :: CPU minutes} CPU minutes of training",
            ),
            Headline(
                "super_resolution",
                "`basicvsr_pp`",
                "320 x 180 to 1280 x 720",
                "{basicvsr_pp :: times faster} times a plain translation of the published graph",
                "{basicvsr_pp :: peak MB} MB at most",
            ),
        ),
    ),
    Task(
        "Image generation",
        (
            "generation_training",
            "generation_sampling",
            "generation_reconstruct",
            "experiment_table1",
            "experiment_s_ablation",
            "experiment_lambda",
            "experiment_levels",
            "experiment_wavelets",
            "experiment_priors",
            "experiment_posterior",
            "experiment_rate_distortion",
            "experiment_denoise",
            "experiment_sr",
            "experiment_mri",
        ),
        (
            Headline(
                "generation_sampling",
                "`wavelet_vae_e`",
                "drawing at 128 pixels, float32",
                "-",
                "{wavelet_vae_e, 128 pixels & float32 :: seconds/image} s an image",
            ),
            Headline(
                "generation_reconstruct",
                "`wavelet_vae_s`",
                "a photograph of 3840 x 2160",
                "-",
                "{3840 x 2160 :: seconds} s, {3840 x 2160 :: peak MB} MB",
            ),
            Headline(
                "generation_training",
                "`wavelet_vae_s`",
                "a training step of 4 images",
                "takes {wavelet_vae_s :: of the last} times as long as the ordinary autoencoder",
                "{wavelet_vae_s :: ms a step} ms",
            ),
        ),
    ),
    Task(
        "Detection",
        ("detection_small", "detection_overfit", "detection"),
        (
            Headline(
                "detection_small",
                "`wsfvit_p0_fasterrcnn_s`",
                "BCCD, 24 pictures held out",
                "AP50 {wsfvit_p0_fasterrcnn_s :: AP50 %} %, AP {wsfvit_p0_fasterrcnn_s :: AP %} %",
                "{wsfvit_p0_fasterrcnn_s :: CPU minutes} CPU minutes of training",
            ),
            Headline(
                "detection_small",
                "torchvision, MobileNetV3",
                "BCCD, 24 pictures held out",
                "AP50 {torchvision, MobileNetV3 :: AP50 %} %, AP {torchvision, MobileNetV3 :: AP %} %",
                "{torchvision, MobileNetV3 :: CPU minutes} CPU minutes of training",
            ),
            Headline(
                "detection",
                "Mask R-CNN T",
                "480 x 640",
                "{480x640 & ours :: times faster than plain} times a plain translation of the published graph",
                "{480x640 & ours :: ms} ms, {480x640 & ours :: peak MB} MB",
            ),
        ),
    ),
    Task(
        "Pose",
        ("pose_stages", "pose_smoothing", "ablation_pose", "pose_speed"),
        (
            Headline(
                "pose_smoothing",
                "`freqpose_figures` (bundled)",
                "drawn test videos",
                "PCK@0.1 {freqpose & as they are found :: PCK@0.1 (%)} %, of hidden joints "
                "{freqpose & as they are found :: PCK@0.1 occluded (%)} %",
            ),
            Headline(
                "ablation_pose",
                "FreqPose, the teacher",
                "drawn test videos",
                "PCK@0.1 {teacher :: PCK@0.1 %} %",
                "{teacher :: CPU min} CPU minutes of training",
            ),
            Headline(
                "ablation_pose",
                "a network for single frames",
                "drawn test videos",
                "PCK@0.1 {frame :: PCK@0.1 %} %",
                "{frame :: CPU min} CPU minutes of training",
            ),
            Headline(
                "pose_speed",
                "`vitpose_s`, classic head",
                "one crop, float32",
                "{vitpose_s:classic & 1 & float32 :: than plain} times a plain translation, "
                "{vitpose_s:classic & 1 & float32 :: than transformers} times transformers",
                "{vitpose_s:classic & 1 & float32 :: ours ms} ms",
            ),
        ),
    ),
    Task(
        "Photographs",
        ("generation_denoising",),
        (
            Headline(
                "generation_denoising",
                "BayesShrink",
                "Kodak, crops of 128 pixels, noise 0.1",
                "PSNR {BayesShrink & 0.1 :: PSNR dB} dB; noisy {none & 0.1 :: PSNR dB} dB",
                "{BayesShrink & 0.1 :: seconds/crop} s a crop",
            ),
            Headline(
                "generation_denoising",
                "wavelet diffusion, 20 steps",
                "Kodak, crops of 128 pixels, noise 0.1",
                "PSNR {wavelet_diffusion, 20 steps & 0.1 :: PSNR dB} dB",
                "{wavelet_diffusion, 20 steps & 0.1 :: seconds/crop} s a crop",
            ),
        ),
    ),
    Task(
        "The package",
        ("import_time", "media", "gpu"),
        (
            Headline(
                "import_time",
                "`import subband`",
                "after `import torch`",
                "-",
                "{`import subband` after `import torch` :: seconds} s",
            ),
            Headline("media", "reading video", "H.264, 1280 x 720", "{read :: frames per second} frames a second"),
        ),
    ),
)
