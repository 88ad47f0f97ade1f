"""What stands where in `docs/which_model.md`: words and addresses of numbers, no numbers."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["TASKS", "Figure", "Row", "Task"]


@dataclass(frozen=True)
class Figure:
    """A number by its address, times a factor, rounded to so many digits; its spread too where there is one."""

    address: str
    unit: str = ""
    digits: int | None = None
    times: str = "1"
    has_spread: bool = False


@dataclass(frozen=True)
class Row:
    """A model or method; a bundled one is left out where the package does not hold its weights."""

    name: str
    purpose: str
    cost: Figure | None = None
    ours: Figure | None = None
    published: Figure | None = None
    bundled: bool = False
    is_code: bool = True


@dataclass(frozen=True)
class Task:
    """A table: a page, a sentence of advice, and what its columns hold."""

    title: str
    page: str
    advice: str
    cost: str
    ours: str
    published: str
    rows: tuple[Row, ...]
    networks: bool = True


def _ms(record: str, row: str, column: str = "ours ms", digits: int = 2) -> Figure:
    """Seconds of a cell that holds milliseconds."""
    return Figure(f"{record} :: {row} :: {column}", "s", digits, "0.001")


def _card(name: str, score: str, unit: str, digits: int, times: str = "1") -> Figure:
    return Figure(f"card {name} :: metadata.scores.{score}", unit, digits, times)


def _cell(record: str, row: str, column: str, unit: str = "", *, has_spread: bool = False) -> Figure:
    return Figure(f"{record} :: {row} :: {column}", unit, has_spread=has_spread)


def _published(name: str, figure: str, unit: str = "", digits: int | None = None) -> Figure:
    return Figure(f"published {name} :: {figure}", unit, digits)


def _gain(card: str, score: str) -> Figure:
    return Figure(f"({card}.scores.{score}) - ({card}.persistence_scores.{score})", "dB", 2)


def _demo(name: str) -> Figure:
    return Figure(f"(demo :: {name} :: PSNR dB) - (demo :: persistence :: PSNR dB)", "dB", 2)


def _video(name: str, purpose: str, speed: str, published: str) -> Row:
    cost = _ms("video_models", f"{speed} & forward")
    return Row(name, purpose, cost, None, _published(published, "SSIM", digits=4) if published else None)


def _classifier(name: str, purpose: str, published: str = "", speed: str = "") -> Row:
    cost = _ms("classification", f"{speed} & 1 & forward", digits=3) if speed else None
    return Row(name, purpose, cost, None, _published(published or name, "top-1 %", "%", 1))


def _small(record: str, name: str, purpose: str) -> Row:
    return Row(name, purpose, None, _cell(record, name, "mean dB", "dB", has_spread=True))


def _transform(name: str, purpose: str, case: str) -> Row:
    return Row(name, purpose, _cell("transforms", f"{case} & forward", "x clone"))


VIDEO_PREDICTION = Task(
    "Video prediction",
    "video_prediction.md",
    (
        "`wast_photos` works at once, and is what training on your footage starts from; for published figures "
        "on Moving MNIST take `simvp_gsta_mmnist` or `tau_mmnist`. Repeating the last frame is what all have "
        "to beat."
    ),
    "seconds for 10 frames of 64 x 64",
    "gain in PSNR over repeating the last frame, each on its own test set",
    "SSIM on Moving MNIST",
    (
        Row(
            "wast_photos",
            "any clip, gray, by roll-out",
            None,
            _gain("card wast_photos :: metadata", "psnr"),
            bundled=True,
        ),
        Row(
            "wast_digits", "moving digits: the demo", None, _gain("card wast_digits :: metadata", "psnr"), bundled=True
        ),
        *(
            Row(f"{name}, as the demo trains it", "moving digits", None, _demo(name), is_code=False)
            for name in ("WaST", "SimVP (gSTA)")
        ),
        _video("wast_mmnist", "wavelets over time and space", "wast", ""),
        _video("simvp_gsta_mmnist", "the strong plain baseline", "simvp_gsta", "simvp_gsta_mmnist_ep2000"),
        _video("tau_mmnist", "as good with fewer parameters", "tau", "tau_mmnist_ep2000"),
        _video("simvp_incepu_mmnist", "the first SimVP, to compare with", "simvp_incepu", "simvp_incepu_mmnist_ep2000"),
        _video("wsfvit_video_mmnist", "the least time a clip", "wsfvit_video", "wsfvit_video_mmnist_ep2000"),
    ),
)

CLASSIFICATION = Task(
    "Image classification",
    "classification.md",
    ("`wsfvit_p0` for your own small set, `wsfvit_t` where accuracy counts, `dct_mobilenetv2` where time does."),
    "seconds an image",
    "top-1 on CIFAR-10, small networks of each family at one budget",
    "top-1 on ImageNet-1k",
    (
        Row("gfnet_digits", "handwritten digits of 8 x 8", None, None, bundled=True),
        _classifier("wsfvit_p0", "few parameters, your own images", speed="wsfvit_p0"),
        _classifier("wsfvit_t", "accuracy at moderate cost", speed="wsfvit_t"),
        _classifier("wsfvit_b", "most accurate at 224 pixels", speed="wsfvit_b"),
        _classifier("wsfvit_t_384", "the same as `wsfvit_t`, larger images", speed="wsfvit_t_384"),
        _classifier("gfnet_xs", "filters in the Fourier domain that can be looked at", speed="gfnet_xs"),
        _classifier("gfnet_h_ti", "the same as a pyramid", speed="gfnet_h_ti"),
        _classifier("dct_resnet50", "JPEG coefficients in place of pixels", "dct_resnet50_64", "dct_resnet50"),
        _classifier("dct_mobilenetv2", "the same, small and fast", "dct_mobilenetv2_24", "dct_mobilenetv2"),
        *(
            Row(
                name,
                "at one budget",
                None,
                _cell("classifiers_cifar10", name, "top-1 %", "%", has_spread=True),
                is_code=False,
            )
            for name in (
                "WSF-ViT (p0, 32 px)",
                "GFNet (pyramid, patch 2, 32 px)",
                "DCT ResNet (64 channels, 64 px, batch norm at the input)",
                "ViT (192 x 6, patch 8, 32 px; baseline)",
            )
        ),
    ),
)

RESTORATION = Task(
    "Video restoration",
    "restoration.md",
    (
        "`motion_unet_clips` works at once on short blur; `motion_unet_s` learns fastest from pairs of your "
        "own; `estrnn` has published weights for real blur of three exposures."
    ),
    "seconds for 6 frames of 128 x 128",
    "gain over the blurred frames of six real clips",
    "",
    (
        Row(
            "motion_unet_clips",
            "short blur in clips; leaves sharp frames alone",
            None,
            _cell("deblurring_bundled", "mean", "gain dB", "dB"),
            bundled=True,
        ),
        _small("deblurring", "motion_unet_s", "short trainings on your own pairs"),
        _small("deblurring", "residual_unet_s", "single frames, no motion needed"),
        _small("deblurring", "estrnn_s", "a small recurrence"),
        _small("deblurring", "vd_diff_s", "a small one of three stages"),
        Row("estrnn", "real blur, long clips in little memory", _ms("restoration", "estrnn & 6x128x128 & float32")),
        Row(
            "vd_diff",
            "a prior by diffusion, as published; a GPU trains it",
            _ms("restoration", "vd_diff & 6x128x128 & float32"),
        ),
        Row("ftdeblur", "spectra over time and space; a GPU trains it"),
    ),
)

SUPER_RESOLUTION = Task(
    "Super-resolution",
    "super_resolution.md",
    "`basicvsr_pp_clips` works at once; the published `basicvsr_pp` is far larger and takes far longer.",
    "seconds for 3 frames from 320 x 180 to 1280 x 720",
    "gain over bicubic frames of six clips that no training saw",
    "PSNR on REDS4 (RGB)",
    (
        Row(
            "basicvsr_pp_clips",
            "any clip, four times larger",
            None,
            _card("basicvsr_pp_clips", "psnr_gain", "dB", 2),
            bundled=True,
        ),
        _small("super_resolution_small", "basicvsr_pp_s", "short trainings on your own clips"),
        _small("super_resolution_small", "mfpi_s", "to study privileged information"),
        Row(
            "basicvsr_pp",
            "quality, with patience or a GPU",
            _ms("super_resolution", "basicvsr_pp", "ms", 1),
            None,
            _published("basicvsr_pp_reds4", "REDS4 BIx4 PSNR RGB dB", "dB", 2),
        ),
        Row("mfpi", "training with a teacher that sees the sharp frames"),
    ),
)

GENERATION = Task(
    "Image generation",
    "generation.md",
    (
        "`wavelet_vae_e` draws fast and says how likely an image is; `wavelet_diffusion` draws in many steps. "
        "Neither has published weights."
    ),
    "seconds a drawn image",
    "bits per value of unseen patches",
    "",
    (
        Row(
            "wavelet_vae_cells",
            "blood smears: shows the way",
            None,
            _card("wavelet_vae_cells", "bits_per_dim", "", 2),
            bundled=True,
        ),
        Row("wavelet_vae_xs", "small images, minutes of a CPU"),
        Row("wavelet_vae_s", "coding photographs of any size, as in the paper"),
        Row(
            "wavelet_vae_e",
            "drawing, likelihood; 128 pixels",
            _cell("generation_sampling", "wavelet_vae_e, 128 pixels & float32", "seconds/image", "s"),
        ),
        Row(
            "conv_vae_e",
            "an ordinary autoencoder to compare with",
            _cell("generation_sampling", "conv_vae_e, 128 pixels & float32", "seconds/image", "s"),
        ),
        Row(
            "wavelet_diffusion",
            "drawing in 50 steps; 32 pixels",
            _cell("generation_sampling", "wavelet_diffusion, 32 pixels & float32", "seconds/image", "s"),
        ),
        Row("wavelet_vae_video_s", "clips"),
    ),
)

DETECTION = Task(
    "Detection",
    "detection.md",
    (
        "the published ones find COCO's 80 classes; `wsfvit_p0_fasterrcnn_s` learns a few classes from a few "
        "hundred pictures. At equal size torchvision's detector learns blood cells better."
    ),
    "seconds for an image of 896 x 1120",
    "AP50 on blood cells",
    "box AP on COCO",
    (
        Row(
            "wsfvit_p0_fasterrcnn_bccd",
            "blood cells: shows the way",
            None,
            _card("wsfvit_p0_fasterrcnn_bccd", "ap50", "%", 1, "100"),
            bundled=True,
        ),
        Row(
            "wsfvit_p0_fasterrcnn_s",
            "your own classes on a CPU",
            None,
            _cell("detection_small", "wsfvit_p0_fasterrcnn_s", "AP50 %", "%", has_spread=True),
        ),
        Row(
            "torchvision, MobileNetV3",
            "not of this package, to compare with",
            None,
            _cell("detection_small", "torchvision, MobileNetV3", "AP50 %", "%", has_spread=True),
            is_code=False,
        ),
        Row("wsfvit_p0_maskrcnn", "your own outlines"),
        Row(
            "wsfvit_t_maskrcnn",
            "80 classes, with masks",
            _ms("detection", "896x1120 & ours", "ms", 1),
            None,
            _published("wsfvit_t_maskrcnn", "box AP %", "%", 1),
        ),
        *(
            Row(name, purpose, None, None, _published(name, "box AP %", "%", 1))
            for name, purpose in (
                ("wsfvit_t_cascade_maskrcnn", "tighter boxes"),
                ("wsfvit_s_cascade_maskrcnn", "the same, larger"),
                ("wsfvit_m_cascade_maskrcnn", "the best boxes"),
            )
        ),
    ),
)

POSE = Task(
    "Pose",
    "pose.md",
    (
        "people in photographs and videos: `vitpose_b`, or `vitpose_s` where time counts. Joints of your own: "
        "`framepose` learns most in little time, `freqpose` goes on from it and helps where joints are "
        "hidden."
    ),
    "seconds for a crop of 256 x 192, or a clip of crops",
    "PCK@0.1 on drawn figures, after equal time but for the bundled one",
    "AP on COCO",
    (
        Row(
            "freqpose_figures",
            "drawn figures, trained for longer: shows the way",
            None,
            _card("freqpose_figures", "pck_strict", "%", 1, "100"),
            bundled=True,
        ),
        Row(
            "framepose", "single small frames", None, _cell("ablation_pose", "frame", "PCK@0.1 %", "%", has_spread=True)
        ),
        Row(
            "freqpose",
            "clips, hidden joints",
            _ms("pose_speed", "freqpose & 1 & float32", digits=3),
            _cell("ablation_pose", "no_distillation", "PCK@0.1 %", "%", has_spread=True),
        ),
        Row(
            "freqpose_vitpose_s",
            "clips, on ViTPose's backbone",
            _ms("pose_speed", "freqpose_vitpose_s & 1 & float32", digits=3),
        ),
        Row(
            "vitpose_s",
            "people, with little time",
            _ms("pose_speed", "vitpose_s:classic & 1 & float32", digits=3),
            None,
            _published("vitpose_s_plus_hub", "AP %", "%", 1),
        ),
        Row(
            "vitpose_b",
            "people",
            _ms("pose_speed", "vitpose_b:classic & 1 & float32", digits=3),
            None,
            _published("vitpose_b_hub", "AP %", "%", 1),
        ),
    ),
)

PHOTOGRAPHS = Task(
    "Photographs",
    "photographs.md",
    (
        "for noise take `subband denoise` as it is, by BayesShrink: on photographs it beats our small "
        "networks for generation at every strength of noise that was measured."
    ),
    "seconds for a crop of 128 x 128",
    "PSNR at noise of 0.1 on Kodak's photographs",
    "",
    tuple(
        Row(
            name,
            purpose,
            _cell("generation_denoising", f"{name} & 0.1", "seconds/crop", "s"),
            _cell("generation_denoising", f"{name} & 0.1", "PSNR dB", "dB"),
            is_code=False,
        )
        for name, purpose in (
            ("none", "the noisy photograph"),
            ("BayesShrink", "`subband denoise`"),
            ("wavelet_vae_pure", "`subband denoise --model RUN`, a small Wavelet-VAE"),
            ("wavelet_diffusion, 20 steps", "the same, a small wavelet diffusion"),
        )
    ),
    networks=False,
)

TRANSFORMS = Task(
    "Transforms",
    "transforms.md",
    (
        "`dwt2` and `wavedec2` for networks and images, `swt2` and `dtcwt2` where a shift must not matter, "
        "the block DCT for JPEG. What each shows is drawn on the page."
    ),
    "time, as a multiple of that of copying the input",
    "",
    "",
    (
        _transform("dwt2", "one level; Haar", "haar 2-D 2x64x224x224"),
        _transform('dwt2(x, "db4")', "one level; smoother", "db4 2-D 2x64x224x224"),
        _transform("wavedec2", "three levels; Haar", "haar 2-D, 3 levels 2x64x224x224"),
        _transform("dwtn", "clips; Haar", "haar 3-D 4x16x10x64x64"),
        _transform("wavelet_packet", "all bands split, three levels; Haar", "haar 2-D packets, 3 levels 4x3x256x256"),
        _transform("swt2", "shifts must not matter, two levels; Haar", "haar 2-D undecimated, 2 levels 4x3x256x256"),
        _transform("dtcwt2", "six directions, three levels", "dual-tree 2-D, 3 levels 2x3x256x256"),
        _transform("block_dct2", "JPEG's coefficients", "8x8 DCT 2x64x224x224"),
        _transform("dct2", "cosines of the whole image", "2-D DCT 2x64x224x224"),
        _transform("cwt", "time and frequency; Morlet, 32 scales", "CWT morl, 32 scales 8x4096"),
    ),
    networks=False,
)

TASKS = (
    VIDEO_PREDICTION,
    CLASSIFICATION,
    RESTORATION,
    SUPER_RESOLUTION,
    GENERATION,
    DETECTION,
    POSE,
    PHOTOGRAPHS,
    TRANSFORMS,
)
