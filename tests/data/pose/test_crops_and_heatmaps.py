"""Crops around people, targets and decoding against stored outputs of published code, and what they promise beyond."""

import json

import numpy as np
import pytest
import torch

from subband.data.pose.crops import CropFrame, crop_frame, crop_matrix, points_to_image, warp_crop
from subband.data.pose.heatmaps import decode_heatmaps, flip_back, heatmap_targets
from subband.joints import COCO, POSETRACK, POSETRACK_ORDER, convert_joints

SIZE, MAP = (256, 192), (64, 48)
BOX = (120.5, 60.25, 80.0, 210.0)
EMPTY = 12  # joint of the stored maps without a positive value, where published code reads another joint's map


@pytest.fixture(scope="module")
def affine(golden):
    path = golden / "pose" / "vitpose_affine.json"
    with np.load(path.with_suffix(".npz")) as arrays:
        return json.loads(path.read_text()), {key: torch.from_numpy(arrays[key]) for key in arrays}


@pytest.fixture(scope="module")
def decoded(golden):
    with np.load(golden / "pose" / "vitpose_decode.npz") as arrays:
        return {key: torch.from_numpy(arrays[key]) for key in arrays}


def test_matrices(affine):
    manifest, stored = affine
    for number, one in enumerate(manifest["cases"]):
        frame = crop_frame(one["box_xywh"], SIZE)
        assert frame.center == pytest.approx(one["center"])
        assert frame.sides == pytest.approx(one["scale_pixels"])
        for convention in ("udp", "classic"):
            found = crop_matrix(frame, SIZE, degrees=one["rotation_degrees"], convention=convention)
            torch.testing.assert_close(found, stored[f"mat_{convention}"][number].double(), rtol=0, atol=1e-4)


def test_crops(affine):
    _, stored = affine
    image = stored["image"].movedim(-1, 0).float()
    for number, box in enumerate((BOX, (-5.5, 3.25, 33.3, 99.9))):
        found = warp_crop(image, crop_matrix(crop_frame(box, SIZE), SIZE), SIZE)[:, ::4, ::4]
        wanted = stored["crop_cv5"][number].movedim(-1, 0).float()
        assert (found - wanted).abs().max() <= 0.51  # rounded to whole levels there


def test_frames_of_a_clip_are_cut_alike(rng):
    clip = torch.rand(2, 3, 3, 20, 30, generator=rng)
    matrix = crop_matrix(crop_frame((4, 2, 12, 15), (16, 12)), (16, 12), degrees=20)
    found = warp_crop(clip, matrix, (16, 12))
    assert found.shape == (2, 3, 3, 16, 12)
    torch.testing.assert_close(found[1, 2], warp_crop(clip[1, 2], matrix, (16, 12)))
    half = warp_crop(clip.bfloat16(), matrix, (16, 12))
    assert half.dtype == torch.bfloat16
    torch.testing.assert_close(half.float(), found, rtol=0, atol=0.01)


def test_points_come_back():
    frame = crop_frame(BOX, SIZE)
    there = torch.tensor([[130.0, 90.0], [200.0, 260.0]], dtype=torch.float64)
    for convention, counted in (("udp", (47 / 191, 63 / 255)), ("classic", (0.25, 0.25))):
        matrix = crop_matrix(frame, SIZE, convention=convention)
        on_map = (there @ matrix[:, :2].mT + matrix[:, 2]) * torch.tensor(counted)
        torch.testing.assert_close(points_to_image(on_map, frame, MAP, convention=convention), there)
    udp = points_to_image(torch.tensor([[10.29828, 20.70842]]), frame, MAP)
    wanted = torch.tensor([[105.2002, 120.2851]])
    torch.testing.assert_close(udp, wanted, rtol=0, atol=0.02)  # the stored point is the decoded one, this the true one


@pytest.mark.parametrize(
    ("key", "refinement", "blur", "convention"),
    [
        ("repo_none", "none", "vitpose", "classic"),
        ("repo_default", "quarter", "vitpose", "classic"),
        ("repo_dark", "dark", "vitpose", "classic"),
        ("repo_udp", "udp", "vitpose", "udp"),
        ("mmpose1_udp", "udp", "mmpose", "udp"),
        ("hf_udp", "udp", "transformers", "udp"),
    ],
)
def test_decoding(decoded, key, refinement, blur, convention):
    found = decode_heatmaps(decoded["heatmaps"], refinement, blur=blur)
    torch.testing.assert_close(found.scores[0], decoded["repo_scores"][:, 0])
    points = points_to_image(found.points[0].double(), crop_frame(BOX, SIZE), MAP, convention=convention)
    used = [joint for joint in range(17) if joint != EMPTY]
    torch.testing.assert_close(points[used], decoded[key][used].double(), rtol=0, atol=1e-3)
    assert found.points[0, EMPTY].tolist() == [-1, -1]
    assert found.scores[0, EMPTY] <= 0


def test_quarters_of_mmpose_differ_at_the_border_alone(decoded):
    """mmpose's MSRA codec, by which none of the networks is scored whose files are read here."""
    found = decode_heatmaps(decoded["heatmaps"], "quarter")
    plain = decode_heatmaps(decoded["heatmaps"], "none").points[0]
    points = points_to_image(found.points[0].double(), crop_frame(BOX, SIZE), MAP, convention="classic")
    apart = (points - decoded["mmpose1_msra"].double()).abs() / (262.5 / MAP[0])  # in entries of the map
    sides = torch.tensor([MAP[1], MAP[0]])
    inside = ((plain > 1) & (plain < sides - 1)).all(1)
    assert inside.sum() > 8
    assert apart[inside].max() < 1e-3
    border = ~inside
    border[EMPTY] = False
    assert border.any()
    assert 0.2 < apart[border].max() < 0.26


@pytest.mark.parametrize(("kind", "key"), [("udp", "udp"), ("classic", "msra")])
def test_published_targets(decoded, kind, key):
    points, visible = decoded["target_keypoints"][None], decoded["target_visible"][None]
    maps, weights = heatmap_targets(points, visible, SIZE, kind=kind)
    torch.testing.assert_close(weights, decoded[f"target_{key}_weights"])
    labelled = weights[0] > 0
    torch.testing.assert_close(maps[0, labelled], decoded[f"target_{key}"][labelled], rtol=0, atol=1e-5)


def test_plain_targets_are_read_back(rng):
    points = 16 + torch.rand(4, 3, 2, generator=rng) * torch.tensor([28.0, 36.0])
    visible = torch.tensor([0.0, 1.0, 2.0]).expand(4, 3)
    maps, weights = heatmap_targets(points, visible, (72, 60))
    assert maps.shape == (4, 3, 18, 15)
    assert weights.tolist() == [[0, 1, 1]] * 4
    assert not maps[:, 0].any()
    found = decode_heatmaps(maps)
    torch.testing.assert_close(4 * found.points[:, 1:], points[:, 1:], rtol=0, atol=0.6)
    assert (found.points[:, 0] == -1).all()


def test_tiny_and_half_maps(rng):
    maps = torch.rand(1, 2, 3, 2, generator=rng)
    for refinement in ("none", "quarter", "dark", "udp"):
        for kind in (torch.float32, torch.bfloat16):
            assert decode_heatmaps(maps.to(kind), refinement).points.isfinite().all()


def test_flipping_twice_changes_nothing(rng):
    maps = torch.rand(2, 17, 4, 3, generator=rng)
    mirrored = flip_back(maps, COCO.flip_pairs)
    assert torch.equal(mirrored[:, 5], maps[:, 6].flip(-1))
    assert torch.equal(flip_back(mirrored, COCO.flip_pairs), maps)
    shifted = flip_back(maps, COCO.flip_pairs, shift=True)
    assert torch.equal(shifted[..., 1:], mirrored[..., :-1])
    assert torch.equal(shifted[..., 0], mirrored[..., 0])


def test_joint_sets():
    assert [len(one.names) for one in (COCO, POSETRACK)] == [len(one.sigmas) for one in (COCO, POSETRACK)] == [17, 15]
    assert len(COCO.flip_pairs) == 8
    assert len(POSETRACK.flip_pairs) == 6
    assert sorted(POSETRACK_ORDER) == list(range(15))
    assert POSETRACK.names[POSETRACK_ORDER[12]] == "head_bottom"
    points = torch.arange(17.0)[:, None].expand(17, 3) + 1
    there = convert_joints(points, COCO, POSETRACK)
    again = convert_joints(there, POSETRACK, COCO)
    assert torch.equal(again[5:], points[5:])
    assert torch.equal(again[0], points[0])
    assert not again[1:5].any()
    with pytest.raises(ValueError, match="points must be"):
        convert_joints(points, POSETRACK, COCO)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: crop_frame((0, 0, 0, 5), SIZE), "positive sides"),
        (lambda: crop_frame((0, 0, float("nan"), 5), SIZE), "positive sides"),
        (lambda: crop_matrix(CropFrame((0, 0), (3, 4)), SIZE, convention="mine"), "convention must be udp or classic"),
        (lambda: decode_heatmaps(torch.zeros(3, 4, 4)), r"must be \(B, K, H, W\)"),
        (lambda: decode_heatmaps(torch.zeros(1, 3, 4, 4), "taylor"), "refinement must be one of"),
        (lambda: heatmap_targets(torch.zeros(1, 3, 2), torch.zeros(1, 3), (30, 20)), "multiples of 4"),
        (lambda: heatmap_targets(torch.zeros(1, 3, 2), torch.zeros(1, 2), (32, 20)), "visible"),
    ],
)
def test_what_is_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()
