"""Texts that were pickles for the client: as they are, as base64, and as a zlib stream, all in UTF-8."""

import base64
import random
import string
import zlib

from tests.client.results import canary
from tests.client.results.canary import Canary

# The length of a stored block of deflate, and its complement after it: 0x13 0x40 0xec 0xbf. The last two begin a
# character of three bytes, which the first byte of a pickle, 0x80, ends.
_STORED_LENGTH = 0x4013
_RANDOM_LENGTH = 32
_LETTERS = string.ascii_letters + string.digits


def text_pickle(mark: str) -> bytes:
    """Returns lines that execute the canary as a pickle of protocol 0."""
    return f"c{canary.__name__}\n_sing\n(V{mark}\ntR.\n".encode()


def base64_pickle(mark: str) -> bytes:
    """Returns a line of base64 of a pickle that executes the canary."""
    return base64.b64encode(Canary(mark).pickled) + b"\n"


def zlib_pickle(mark: str) -> bytes:
    """Returns lines of text that are a zlib stream of a pickle that executes the canary."""
    stored = b"\x80\x02" + text_pickle(mark)
    length = _STORED_LENGTH.to_bytes(2, "little")
    draw = random.Random(0)
    starts = [stored.ljust(_STORED_LENGTH - _RANDOM_LENGTH, letter.encode()) for letter in _LETTERS]
    checksums = [zlib.adler32(start) for start in starts]
    while True:
        end = "".join(draw.choices(_LETTERS, k=_RANDOM_LENGTH)).encode()
        for start, before in zip(starts, checksums, strict=True):
            checksum = zlib.adler32(end, before).to_bytes(4, "big")
            # A text ends with a line end, so the checksum at the end of the stream has to.
            if checksum[3] == ord("\n") and checksum[:3].isalnum():
                return b"x^\x01" + length + bytes(byte ^ 0xFF for byte in length) + start + end + checksum


TEXTS = {"pickle": text_pickle, "base64": base64_pickle, "zlib": zlib_pickle}
