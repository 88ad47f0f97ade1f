"""Just enough of TensorFlow's record files to read bytes out of `tf.train.Example`, without TensorFlow.

A file is a chain of records: length (8 bytes, little endian), its checksum (4), the payload, its checksum (4). The
payload is a protobuf message `Example { Features features = 1 }`, `Features { map<string, Feature> feature = 1 }`,
`Feature { BytesList bytes_list = 1 }`, `BytesList { repeated bytes value = 1 }`.
"""

from collections.abc import Iterator
from pathlib import Path

_HEADER, _FOOTER = 12, 4


def record_offsets(path: Path) -> list[tuple[int, int]]:
    """Position and length of every payload of a file.

    Raises:
        ValueError: If the file is cut off or no record file.
    """
    size = path.stat().st_size
    offsets, position = [], 0
    with path.open("rb") as file:
        while position < size:
            file.seek(position)
            length = int.from_bytes(file.read(8), "little")
            end = position + _HEADER + length + _FOOTER
            if end > size:
                raise ValueError(f"{path} is cut off or no TensorFlow record file")
            offsets.append((position + _HEADER, length))
            position = end
    return offsets


def read_features(path: Path, offset: int, length: int) -> dict[str, memoryview]:
    """First bytes value of every feature of one record; features of numbers are left out.

    Raises:
        ValueError: If the payload is no `tf.train.Example`.
    """
    with path.open("rb") as file:
        file.seek(offset)
        payload = memoryview(file.read(length))
    try:
        features = {}
        for example_part in _messages(payload, 1):
            for entry in _messages(example_part, 1):
                name = bytes(next(_messages(entry, 1))).decode()
                for value in _messages(entry, 2):
                    for bytes_list in _messages(value, 1):
                        features[name] = next(_messages(bytes_list, 1))
        return features
    except (IndexError, StopIteration, UnicodeDecodeError, ValueError) as error:
        raise ValueError(f"{path} holds a record that is no tf.train.Example") from error


def _messages(message: memoryview, number: int) -> Iterator[memoryview]:
    """Length-delimited fields of one number."""
    position = 0
    while position < len(message):
        key, position = _varint(message, position)
        kind = key & 7
        if kind == 2:
            length, position = _varint(message, position)
            if position + length > len(message):
                raise ValueError("field longer than its message")
            if key >> 3 == number:
                yield message[position : position + length]
            position += length
        elif kind == 0:
            _, position = _varint(message, position)
        elif kind in (1, 5):
            position += 8 if kind == 1 else 4
        else:
            raise ValueError(f"unknown wire type {kind}")


def _varint(message: memoryview, position: int) -> tuple[int, int]:
    """A base-128 number and the position after it."""
    value, shift = 0, 0
    while True:
        byte = message[position]
        value |= (byte & 0x7F) << shift
        position, shift = position + 1, shift + 7
        if not byte & 0x80:
            return value, position
