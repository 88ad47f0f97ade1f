"""FreqPose: the joints of a person in the middle frame of a clip, with frequencies of space and time.

Ours, after ideas of published relatives (FAMI-Pose, Liu et al., CVPR 2022; TDMI, Feng et al., CVPR 2023): features of
all frames are filtered over time and space, aligned with the middle frame with offsets weighed by spectra, and
aggregated by their energy. A teacher also looks at motion; a student guesses what the teacher's motion branch says from
its own features, so that nothing of that branch is needed to use it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple, cast, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from subband.layers.residual_block import SpatialResidualBlock
from subband.layers.spectral_alignment import SpectralAlignment, align_levels, conv_act
from subband.models.pose.backbones import ViTPosePyramid, build_pose_backbone
from subband.models.pose.clip_filters import FrameAggregation, FrequencyClipBlock
from subband.models.pose.motion import Correlation, FrequencyMotion, MatchMotion
from subband.models.pose.protocol import COLORS, PoseModel
from subband.models.pose.vitpose import ViTPose

__all__ = ["FramePose", "FreqPose", "PoseOutputs", "load_transformer"]

TEACHER_ONLY = ("motion.", "matches.", "gates.")


class PoseOutputs(NamedTuple):
    """All that training looks at; maps are a quarter of the crop.

    Attributes:
        heatmaps: `(B, K, H / 4, W / 4)`.
        appearance_heatmaps: From the aggregated features alone, of the same shape.
        appearance: Aggregated features, `(B, C, H / 4, W / 4)`.
        features: What the heatmaps are made from, of the same shape.
        motion: Of the teacher's motion branch, of the same shape; with gates, what passes them. None of a student.
        guessed_motion: What the aggregated features tell of motion, of the same shape.
        noise: What of the motion the gates of a teacher hold back, of the same shape; None without gates.
        frame_weights: How much every frame counted, sum 1, `(B, T)`.
    """

    heatmaps: Tensor
    appearance_heatmaps: Tensor
    appearance: Tensor
    features: Tensor
    motion: Tensor | None
    guessed_motion: Tensor
    noise: Tensor | None
    frame_weights: Tensor


class FreqPose(PoseModel):
    """Heatmaps of a person's joints in the middle frame of a clip of crops.

    Args:
        backbone: `mini`, `vitpose_s`, `vitpose_b`, `hrnet_w48` or `timm:NAME`; see `subband.models.pose.backbones`.
        backbone_args: Constructor arguments of the backbone.
        num_joints: Joints K.
        num_frames: Frames T that the network is built for. Shorter clips repeat their first and last frame.
        channels: Channels C, at least 2.
        teacher: With the motion branch.
        corr: What the motion branch knows of matches between features of neighboring frames, at an eighth of the
            crop: `none`, those of places at most `corr_radius` apart (`local`), or their sums over the map as well
            (`global`).
        corr_radius: R of the window.
        gates: The motion branch of a teacher is split by gates between 0 and 1, for every channel and place: what
            passes goes on to the heatmaps and to students, the rest is noise, as TDMI splits it. The loss `motion_club`
            sees to it that the two tell little of each other.
        groups: Offset groups of the alignment; they divide C.
        img_size: `(H, W)` of the crops.

    Shape:
        clips `(B, T', 3, H, W)` with `1 <= T' <= T`, RGB in [0, 1] less ImageNet's mean, over its deviation; sides
        multiples of 4 for `mini`, 16 for a transformer, 32 for others. Heatmaps `(B, K, H / 4, W / 4)` of frame
        `T' // 2`.

    Raises:
        ValueError: If an argument is out of its range, or options do not go together.

    Example:
        >>> model = FreqPose(num_joints=4, num_frames=3, channels=4, groups=2, img_size=(32, 32)).eval()
        >>> model(torch.zeros(1, 3, 3, 32, 32)).shape
        torch.Size([1, 4, 8, 8])
    """

    input_axes: ClassVar[str] = "B T C H W"

    def __init__(
        self,
        *,
        backbone: str = "mini",
        backbone_args: Mapping[str, Any] | None = None,
        num_joints: int = 15,
        num_frames: int = 5,
        channels: int = 32,
        teacher: bool = False,
        corr: Correlation = "none",
        corr_radius: int = 4,
        gates: bool = False,
        groups: int = 4,
        img_size: Sequence[int] = (64, 64),
    ) -> None:
        super().__init__(num_joints=num_joints, img_size=img_size, num_frames=num_frames)
        _check(channels, num_frames, teacher, corr, corr_radius)
        if gates and not teacher:
            raise ValueError("gates are part of the motion branch: they go with teacher=True.")
        self.teacher = teacher
        self.backbone = build_pose_backbone(backbone, backbone_args or {}, img_size)
        dims = cast("tuple[int, ...]", self.backbone.dims)
        self.laterals = nn.ModuleList(nn.Conv2d(dim, channels, 1) for dim in dims)
        self.filters = nn.ModuleList(FrequencyClipBlock(channels, num_frames) for _ in dims)
        self.alignment = nn.ModuleList(
            SpectralAlignment(channels, groups=groups, is_refined=level < len(dims) - 1) for level in range(len(dims))
        )
        self.aggregation = FrameAggregation(channels, num_frames)
        self.guess = nn.Sequential(*conv_act(channels, channels), nn.Conv2d(channels, channels, 3, padding=1))
        self.motion = FrequencyMotion(channels, num_frames) if teacher else None
        self.matches = (
            MatchMotion(channels, num_frames, radius=corr_radius, with_global=corr == "global")
            if corr != "none"
            else None
        )
        self.gates = nn.Sequential(nn.Conv2d(channels, channels, 1), nn.Sigmoid()) if gates else None
        self.join = nn.Sequential(*conv_act(2 * channels, channels), SpatialResidualBlock(channels))
        self.heatmaps, self.appearance_heatmaps = (nn.Conv2d(channels, num_joints, 1) for _ in range(2))

    def forward(self, clips: Tensor) -> Tensor:
        """Heatmaps of the middle frames of `clips`, `(B, T', 3, H, W)`."""
        return self.outputs(clips).heatmaps

    def outputs(self, clips: Tensor) -> PoseOutputs:
        """All that training looks at, of `clips`, `(B, T', 3, H, W)`.

        Raises:
            ValueError: If the shape is another one or a clip is longer than T.
        """
        levels = self._levels(self._whole(clips))
        appearance, weights = self.aggregation(self._aligned(levels))
        guessed, motion, noise = self.guess(appearance), None, None
        if self.motion is not None:
            motion = self.motion(levels[0])
        if self.matches is not None and motion is not None:
            found = self.matches(levels[1])
            motion = motion + F.interpolate(found, motion.shape[-2:], mode="bilinear", align_corners=False)
        if self.gates is not None and motion is not None:
            passing = self.gates(motion)
            motion, noise = passing * motion, (1 - passing) * motion
        features = self.join(torch.cat([appearance, guessed if motion is None else motion], 1))
        return PoseOutputs(
            self.heatmaps(features),
            self.appearance_heatmaps(appearance),
            appearance,
            features,
            motion,
            guessed,
            noise,
            weights,
        )

    def student_state(self) -> dict[str, Tensor]:
        """State dict without the motion branch: what a student begins with."""
        return {key: value for key, value in self.state_dict().items() if not key.startswith(TEACHER_ONLY)}

    def no_weight_decay(self) -> set[str]:
        """Filters of spectra, which would decay to nothing instead of to the identity; position tables."""
        names = [name for name, _ in self.named_parameters()]
        filters = {name for name in names if name.startswith("filters.") and name.endswith(".filter.weight")}
        return filters | {name for name in names if name.endswith("pos_embed")}

    def _whole(self, clips: Tensor) -> Tensor:
        """Clips of T frames, the middle one that of the given clips."""
        wanted = self.num_frames
        assert wanted is not None
        if clips.ndim != 5 or clips.shape[2] != COLORS or not 1 <= clips.shape[1] <= wanted:
            raise ValueError(
                f"clips must be (B, T, {COLORS}, H, W) with 1 to {wanted} frames, got {tuple(clips.shape)}."
            )
        check_sides(clips, self.backbone.size_multiple)
        missing = wanted - clips.shape[1]
        if not missing:
            return clips
        before = wanted // 2 - clips.shape[1] // 2
        first, last = clips[:, :1], clips[:, -1:]
        return torch.cat(
            [first.expand(-1, before, -1, -1, -1), clips, last.expand(-1, missing - before, -1, -1, -1)], 1
        )

    def _levels(self, clips: Tensor) -> list[Tensor]:
        """Filtered features `(B, T, C, H', W')` of four sizes, finest first."""
        num_frames, found = clips.shape[1], []
        for place, maps in enumerate(self.backbone(clips.flatten(0, 1))):
            features = self.laterals[place](maps).unflatten(0, (-1, num_frames))
            found.append(self.filters[place](features))
        return found

    def _aligned(self, levels: list[Tensor]) -> Tensor:
        """Finest features of all frames, moved to where they are in the middle one, `(B, T, C, H / 4, W / 4)`."""
        num_frames = levels[0].shape[1]
        middle = num_frames // 2
        if num_frames == 1:
            return levels[0]
        others = [torch.cat([x[:, :middle], x[:, middle + 1 :]], 1) for x in levels]
        references = [x[:, middle : middle + 1].expand_as(other) for x, other in zip(levels, others, strict=True)]
        flat = [[x.flatten(0, 1) for x in group] for group in (references, others)]
        moved = align_levels(self.alignment, *flat, compares_differences=False).unflatten(0, (-1, num_frames - 1))
        own = levels[0][:, middle : middle + 1].to(moved.dtype)
        return torch.cat([moved[:, :middle], own, moved[:, middle:]], 1)


class FramePose(PoseModel):
    """Heatmaps of a person's joints in a single crop: the backbone of a `FreqPose`, its maps added from coarse to fine.

    What a network for clips has to beat.

    Args:
        backbone: As of `FreqPose`.
        backbone_args: Constructor arguments of the backbone.
        num_joints: Joints K.
        channels: Channels C.
        img_size: `(H, W)` of the crops.

    Shape:
        crops `(B, 3, H, W)`, normalized and with sides as for `FreqPose`; heatmaps `(B, K, H / 4, W / 4)`.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> FramePose(num_joints=4, channels=4, img_size=(32, 32)).eval()(torch.zeros(1, 3, 32, 32)).shape
        torch.Size([1, 4, 8, 8])
    """

    input_axes: ClassVar[str] = "B C H W"

    def __init__(
        self,
        *,
        backbone: str = "mini",
        backbone_args: Mapping[str, Any] | None = None,
        num_joints: int = 15,
        channels: int = 32,
        img_size: Sequence[int] = (64, 64),
    ) -> None:
        super().__init__(num_joints=num_joints, img_size=img_size)
        _check(channels, 1, False, "none", 1)
        self.backbone = build_pose_backbone(backbone, backbone_args or {}, img_size)
        dims = cast("tuple[int, ...]", self.backbone.dims)
        self.laterals = nn.ModuleList(nn.Conv2d(dim, channels, 1) for dim in dims)
        self.join = nn.Sequential(*conv_act(channels, channels), SpatialResidualBlock(channels))
        self.heatmaps = nn.Conv2d(channels, num_joints, 1)

    def no_weight_decay(self) -> set[str]:
        """Position tables."""
        return {name for name, _ in self.named_parameters() if name.endswith("pos_embed")}

    def forward(self, crops: Tensor) -> Tensor:
        """Heatmaps of `crops`, `(B, 3, H, W)`."""
        if crops.ndim != 4 or crops.shape[1] != COLORS:
            raise ValueError(f"crops must be (B, {COLORS}, H, W), got {tuple(crops.shape)}.")
        check_sides(crops, self.backbone.size_multiple)
        maps = self.backbone(crops)
        joined = self.laterals[-1](maps[-1])
        for place in reversed(range(len(maps) - 1)):
            own = self.laterals[place](maps[place])
            joined = own + F.interpolate(joined, own.shape[-2:], mode="bilinear", align_corners=False)
        return self.heatmaps(self.join(joined))


def load_transformer(model: FreqPose | FramePose, vitpose: ViTPose) -> None:
    """Give a network whose backbone is a transformer the weights of a ViTPose, for example of a published one.

    Args:
        model: Built with `backbone="vitpose_s"` or `vitpose_b`; changed in place.
        vitpose: Of the same size and stored crop size.

    Raises:
        ValueError: If the backbone is another one, or of another size.
    """
    if not isinstance(model.backbone, ViTPosePyramid):
        raise ValueError("the network has no transformer as backbone; build it with backbone='vitpose_s', for example.")
    try:
        model.backbone.network.load_state_dict(vitpose.backbone.state_dict())
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:200]
        raise ValueError(f"the ViTPose is of another size than the backbone: {reason}.") from None


def check_sides(crops: Tensor, multiple: Any) -> None:
    """Refuse crops whose sides are no multiples of what the backbone needs.

    Raises:
        ValueError: If so.
    """
    height, width = crops.shape[-2:]
    if not height or not width or height % multiple or width % multiple:
        raise ValueError(f"sides of crops must be positive multiples of {multiple}, got {height} x {width}.")


def _check(channels: int, num_frames: int, teacher: bool, corr: str, corr_radius: int) -> None:
    if channels < 2:
        raise ValueError(f"channels must be at least 2, got {channels}.")
    if corr not in get_args(Correlation):
        raise ValueError(f"corr must be one of {', '.join(get_args(Correlation))}, got {corr!r}.")
    if corr != "none" and not teacher:
        raise ValueError(f"corr={corr!r} is part of the motion branch: it goes with teacher=True.")
    if teacher and num_frames < 2:
        raise ValueError(f"a teacher looks at motion and needs num_frames of at least 2, got {num_frames}.")
    if corr_radius < 1:
        raise ValueError(f"corr_radius must be positive, got {corr_radius}.")
