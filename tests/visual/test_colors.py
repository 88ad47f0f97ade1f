import numpy as np

from subband.visual.colors import error_colors, palette_css, series_styles


def _luminance(color: str) -> float:
    """Relative luminance of WCAG 2."""
    values = np.array([int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    return float(linear @ (0.2126, 0.7152, 0.0722))


def test_styles_are_stable_and_distinct() -> None:
    names = [f"model{i}" for i in range(12)]
    styles = series_styles(["persistence", *names])
    assert styles["persistence"].variable == "--baseline"
    assert styles["model0"] == series_styles(["model0"])["model0"]  # the baseline takes no color away
    assert len({(style.light, style.marker) for style in styles.values()}) == 13


def test_colors_can_be_seen_on_their_paper() -> None:
    for style in series_styles([*"abcdef", "persistence"]).values():
        on_white = 1.05 / (_luminance(style.light) + 0.05)
        on_dark = (_luminance(style.dark) + 0.05) / (_luminance("#1c1e22") + 0.05)
        assert on_white > 2.2
        assert on_dark > 5


def test_palette_lists_every_variable() -> None:
    styles = series_styles([*"abcdef", "persistence"])
    for dark in (False, True):
        css = palette_css(dark)
        for style in styles.values():
            assert f"{style.variable}: {style.dark if dark else style.light};" in css


def test_error_colors_grow_in_lightness() -> None:
    colors = error_colors(np.linspace(0, 1, 50)).astype(float)
    lightness = colors @ (0.2126, 0.7152, 0.0722)
    assert (np.diff(lightness) > 0).all()
    assert error_colors(np.array([-1.0, 2.0])).tolist() == error_colors(np.array([0.0, 1.0])).tolist()
