"""Whole numbers in few bits: an adaptive arithmetic coder for the quantized coefficients of a wavelet transform.

A coefficient is likely to be large where its neighbors are. The coder therefore sorts the coefficients into classes by
the magnitudes that it has coded already, in the row above, in the coarser band of the same direction and in the other
bands of the same level, and learns the frequencies of every class on the way (after Chrysafis and Ortega, "Efficient
context-based entropy coding for lossy wavelet image compression", 1997). The magnitudes go through asymmetric numeral
systems, an arithmetic coder (Duda, "Asymmetric numeral systems", 2013), with many states side by side. Signs and the
lower digits of large magnitudes are written as they are.

All arithmetic is that of whole numbers, so that every machine decodes what any other has coded.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

__all__ = ["pack_bands", "unpack_bands"]

Band = np.ndarray  # (C, h, w) int64
Level = dict[str, Band]

KEYS = ("da", "ad", "dd")
_NUM_SMALL = 8  # magnitudes with a token of their own; larger ones share a token per power of two
_NUM_TOKENS = _NUM_SMALL + 24
_BITS = 14  # of a frequency
_LOW = 1 << 16  # states lie in [2^16, 2^32)
_GAIN, _LIMIT = 24, 1 << 15  # weight of one observation; sum of weights at which a class forgets half
# Of the activity in `_rows`: 36 for a row above of magnitude one, as much for the coarser band, 18 for each band of the
# level.
_BOUNDS = np.array([1, 2, 4, 7, 11, 16, 25, 36, 54, 80, 126, 216, 360, 720])
_NUM_CLASSES = 2 * (len(_BOUNDS) + 1)  # brightness and color differences apart


def pack_bands(approx: Band, details: Sequence[Level]) -> bytes:
    """Code the bands of a transform.

    Args:
        approx: Quantized approximation, `(C, h, w)`.
        details: Quantized details with the keys `da, ad, dd`, the coarsest level first.

    Returns:
        The code; it does not hold the shapes.
    """
    bands = [_differences(approx), *(level[key] for level in details for key in KEYS)]
    model, plan = _Model(), []
    for band, rows in zip(bands, _contexts(bands), strict=True):
        tokens = _tokens(np.abs(band))
        for row, classes in enumerate(rows):
            plan.append(model.lookup(classes, tokens[:, row].ravel()))
    states, words = _encode(plan, _num_lanes(bands))
    values = np.concatenate([band.ravel() for band in bands])
    signs = np.packbits(values[values != 0] < 0)
    magnitudes = np.abs(values)
    rest = _lower_digits(magnitudes[magnitudes >= _NUM_SMALL])
    head = np.array([len(words), len(signs)], "<u4")
    return b"".join(part.tobytes() for part in (head, states.astype("<u4"), words.astype("<u2"), signs, rest))


def unpack_bands(data: bytes, approx: Band, details: Sequence[Level]) -> tuple[Band, list[Level]]:
    """Inverse of `pack_bands`.

    Args:
        data: The code.
        approx: Array of the shape of the approximation.
        details: Arrays of the shapes of the details.

    Returns:
        approx: Quantized approximation.
        details: Quantized details.

    Raises:
        ValueError: If the code does not fit the shapes: it is cut off or damaged.
    """
    shapes = [approx.shape, *(level[key].shape for level in details for key in KEYS)]
    bands = [np.zeros(shape, np.int64) for shape in shapes]
    lanes = _num_lanes(bands)
    content = np.frombuffer(data, np.uint8)
    num_words, num_signs = _take(content, 0, 2, "<u4")
    states, words = _take(content, 8, lanes, "<u4"), _take(content, 8 + 4 * lanes, int(num_words), "<u2")
    start = 8 + 4 * lanes + 2 * int(num_words)
    signs, digits = content[start : start + int(num_signs)], content[start + int(num_signs) :]
    decoder, model = _Decoder(states, words), _Model()
    for band, rows in zip(bands, _contexts(bands), strict=True):
        for row, classes in enumerate(rows):
            band[:, row] = decoder.read(model, classes).reshape(band.shape[0], -1)
    decoder.check_end()
    values = np.concatenate([band.ravel() for band in bands])
    values = _with_signs(_with_lower_digits(values, digits), signs)
    cuts = np.split(values, np.cumsum([band.size for band in bands])[:-1])
    whole = [cut.reshape(shape) for cut, shape in zip(cuts, shapes, strict=True)]
    levels = [dict(zip(KEYS, whole[first : first + 3], strict=True)) for first in range(1, len(whole), 3)]
    return _sums(whole[0]), levels


class _Model:
    """Frequencies of the tokens in every class, learnt from row to row."""

    def __init__(self) -> None:
        start = np.maximum(64 >> (2 * np.arange(_NUM_TOKENS).clip(0, 3)), 1)
        self.counts = np.tile(start.astype(np.int64), (_NUM_CLASSES, 1))
        self._refresh()

    def _refresh(self) -> None:
        totals = self.counts.sum(1, keepdims=True)
        frequencies = 1 + self.counts * ((1 << _BITS) - _NUM_TOKENS) // totals
        frequencies[:, 0] += (1 << _BITS) - frequencies.sum(1)
        self.frequencies = frequencies
        self.starts = np.cumsum(frequencies, 1) - frequencies

    def lookup(self, classes: np.ndarray, tokens: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Frequency and start of every token of a row, and learning from them."""
        found = self.frequencies[classes, tokens], self.starts[classes, tokens]
        self.learn(classes, tokens)
        return found

    def learn(self, classes: np.ndarray, tokens: np.ndarray) -> None:
        """Count the tokens of a row."""
        seen = np.bincount(classes * _NUM_TOKENS + tokens, minlength=self.counts.size)
        self.counts += _GAIN * seen.reshape(self.counts.shape)
        is_full = self.counts.sum(1) > _LIMIT
        self.counts[is_full] = (self.counts[is_full] + 1) // 2
        self._refresh()


def _contexts(bands: Sequence[Band]) -> Iterator[Iterator[np.ndarray]]:
    """For every band, for every row, the class of every coefficient; fill in a row before asking for the next."""
    for index, band in enumerate(bands):
        known = np.zeros(band.shape, np.int64)
        if index > 3:
            known += 4 * _enlarged(_around(bands[index - 3]), band.shape)
        for other in range(index - (index - 1) % 3, index) if index else ():
            known += 2 * _around(bands[other])
        yield _rows(band, known)


def _rows(band: Band, known: Band) -> Iterator[np.ndarray]:
    channels, height, width = band.shape
    offset = np.where(np.arange(channels) > 0, len(_BOUNDS) + 1, 0)[:, None]
    above = np.zeros((channels, width), np.int64)
    for row in range(height):
        padded = np.pad(above, ((0, 0), (1, 1)))
        activity = known[:, row] + 9 * (padded[:, :-2] + 2 * above + padded[:, 2:])
        yield (np.searchsorted(_BOUNDS, activity, side="right") + offset).ravel()
        above = _token_magnitudes(band[:, row])


def _token_magnitudes(band: Band) -> Band:
    """Magnitudes up to `_NUM_SMALL`: as much as a decoder knows of values whose lower digits come later."""
    return np.minimum(np.abs(band), _NUM_SMALL)


def _around(band: Band) -> Band:
    """Sums over 3 x 3 neighbors."""
    padded = np.pad(_token_magnitudes(band), ((0, 0), (1, 1), (1, 1)))
    rows = padded[:, :-2] + padded[:, 1:-1] + padded[:, 2:]
    return rows[..., :-2] + rows[..., 1:-1] + rows[..., 2:]


def _enlarged(band: Band, shape: tuple[int, ...]) -> Band:
    rows, columns = (
        np.minimum(np.arange(length) // 2, coarse - 1) for length, coarse in zip(shape[1:], band.shape[1:], strict=True)
    )
    return band[:, rows[:, None], columns]


def _tokens(magnitudes: np.ndarray) -> np.ndarray:
    return np.where(magnitudes < _NUM_SMALL, magnitudes, _NUM_SMALL - 4 + np.frexp(magnitudes.astype(float))[1])


def _lower_digits(magnitudes: np.ndarray) -> np.ndarray:
    """Binary digits below the first one, of all magnitudes one after the other."""
    lengths = np.frexp(magnitudes.astype(float))[1] - 1
    owner = np.repeat(np.arange(len(magnitudes)), lengths)
    place = np.repeat(np.cumsum(lengths), lengths) - 1 - np.arange(lengths.sum())
    return np.packbits((magnitudes[owner] >> place & 1).astype(np.uint8))


def _with_lower_digits(tokens: np.ndarray, digits: np.ndarray) -> np.ndarray:
    is_large = tokens >= _NUM_SMALL
    lengths = tokens[is_large] - _NUM_SMALL + 3
    total = int(lengths.sum())
    if len(digits) != -(-total // 8):
        raise ValueError("it holds another number of digits than its coefficients need")
    place = np.repeat(np.cumsum(lengths), lengths) - 1 - np.arange(total)
    values = np.unpackbits(digits, count=total).astype(np.int64) << place
    magnitudes = tokens.copy()
    ends = np.cumsum(lengths)
    sums = np.concatenate(([0], np.cumsum(values)))
    magnitudes[is_large] = (1 << lengths) + sums[ends] - sums[ends - lengths]
    return magnitudes


def _with_signs(magnitudes: np.ndarray, signs: np.ndarray) -> np.ndarray:
    is_set = magnitudes != 0
    count = int(is_set.sum())
    if len(signs) != -(-count // 8):
        raise ValueError("it holds another number of signs than its coefficients need")
    values = magnitudes.copy()
    values[is_set] *= 1 - 2 * np.unpackbits(signs, count=count).astype(np.int64)
    return values


def _differences(approx: Band) -> Band:
    """An approximation is smooth: differences to the row above, in the first row to the column before."""
    result = approx.copy()
    result[:, 1:] -= approx[:, :-1]
    result[:, 0, 1:] -= approx[:, 0, :-1]
    return result


def _sums(differences: Band) -> Band:
    result = differences.copy()
    result[:, 0] = np.cumsum(result[:, 0], axis=1)
    return np.cumsum(result, axis=1)


def _num_lanes(bands: Sequence[Band]) -> int:
    """States side by side: each costs four bytes, and together they save time."""
    return max(math.isqrt(sum(band.size for band in bands)) // 16, 4)


def _encode(plan: Sequence[tuple[np.ndarray, np.ndarray]], lanes: int) -> tuple[np.ndarray, np.ndarray]:
    """States and words from which `_Decoder` reads the rows in the order of `plan`; the coder itself runs backwards."""
    states = np.full(lanes, _LOW, np.int64)
    words = [np.zeros(0, np.int64)]
    for frequencies, starts in reversed(plan):
        for first in range((len(starts) - 1) // lanes * lanes, -1, -lanes):
            frequency, start = frequencies[first : first + lanes], starts[first : first + lanes]
            active = states[: len(start)]
            is_full = active >= frequency << (32 - _BITS)
            words.append(active[is_full][::-1] & 0xFFFF)
            active = np.where(is_full, active >> 16, active)
            states[: len(start)] = (active // frequency << _BITS) + active % frequency + start
    return states, np.concatenate(words)[::-1]


class _Decoder:
    """Reads what `_encode` has written."""

    def __init__(self, states: np.ndarray, words: np.ndarray) -> None:
        self.states, self.words = states.astype(np.int64), words.astype(np.int64)
        self.place = 0

    def read(self, model: _Model, classes: np.ndarray) -> np.ndarray:
        """Tokens of one row, from which the model learns."""
        lanes = len(self.states)
        tokens = np.concatenate(
            [self._step(model, classes[first : first + lanes]) for first in range(0, len(classes), lanes)]
        )
        model.learn(classes, tokens)
        return tokens

    def _step(self, model: _Model, classes: np.ndarray) -> np.ndarray:
        active = self.states[: len(classes)]
        slots = active & ((1 << _BITS) - 1)
        tokens = (model.starts[classes] <= slots[:, None]).sum(1) - 1
        active = model.frequencies[classes, tokens] * (active >> _BITS) + slots - model.starts[classes, tokens]
        is_low = np.flatnonzero(active < _LOW)
        fresh = self.words[self.place : self.place + len(is_low)]
        if len(fresh) < len(is_low):
            raise ValueError("it ends before its last coefficient")
        active[is_low] = active[is_low] << 16 | fresh
        self.place += len(fresh)
        self.states[: len(classes)] = active
        return tokens

    def check_end(self) -> None:
        """After the last row every state is back where the coder began."""
        if self.place != len(self.words) or not (self.states == _LOW).all():
            raise ValueError("its coefficients do not end where it ends")


def _take(content: np.ndarray, start: int, count: int, dtype: str) -> np.ndarray:
    stop = start + count * np.dtype(dtype).itemsize
    if stop > len(content):
        raise ValueError("it ends too early")
    return np.frombuffer(content[start:stop].tobytes(), dtype)
