"""How pickles and compressed files begin: the one place that decides whether bytes may be unpickled at all.

Whoever writes a reference names its serializer. Were that enough, a reference to a csv file with the pickle serializer
would execute texts that somebody put into its cells.
"""

import base64
import codecs
import io
import re
from typing import IO

_PICKLE = re.compile(rb"\x80[\x02-\x05]")
_BASE64_START = b"gA"
_COMPRESSED = {"bz2": b"BZh", "gzip": b"\x1f\x8b", "lzma": b"\xfd7zXZ\0", "zlib": b"x"}
_CHUNK_BYTES = 1 << 20


def pickle_bytes(file: IO[bytes]) -> IO[bytes]:
    """Returns the file if it begins as a pickle of protocol 2 to 5, or what the base64 text in it stands for if so.

    Prefect 1's first releases wrote base64 on one line, without a line end. A csv file always ends with one, and all
    other text that this package writes has characters that base64 has not: neither is ever taken for a pickle.

    Raises ValueError for anything else.
    """
    if file.read(len(_BASE64_START)) == _BASE64_START:
        file.seek(0)
        file = io.BytesIO(base64.b64decode(file.read(), validate=True))
    check_pickle(file)
    return file


def check_pickle(file: IO[bytes]) -> None:
    """Raises ValueError unless a file begins as a pickle of protocol 2 to 5, which no UTF-8 text does."""
    file.seek(0)
    if not _PICKLE.match(file.read(2)):
        raise ValueError("it does not start like a pickle (protocol 2 to 5)")
    file.seek(0)


def check_compressed(file: IO[bytes], compression: str) -> None:
    """Raises ValueError unless a file begins as its format does, or if it is UTF-8 text to its end.

    A text can be a whole zlib stream: `x^` begins one. What the compressors of this package write is never text.
    """
    file.seek(0)
    if not file.read(6).startswith(_COMPRESSED[compression]):
        raise ValueError(f"it does not start like {compression}")
    file.seek(0)
    if _is_text(file):
        raise ValueError(f"it is text, not {compression}")
    file.seek(0)


def _is_text(file: IO[bytes]) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        while chunk := file.read(_CHUNK_BYTES):
            decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True
