"""The files that pandas DataFrames are written to: which types there are, and what each needs to be safe and whole."""

from collections.abc import Mapping
from typing import IO, Any, NamedTuple

from taskruns.results.extras import extra
from taskruns.results.streams import Sink, too_large


class FileType(NamedTuple):
    """A type of file, which pandas writes with `to_<type>` and reads with `read_<type>`, each with these options."""

    writing: Mapping[str, object] = {}
    reading: Mapping[str, object] = {}
    needs: str = "pandas"
    runs_code: bool = False


_PLAIN = {"compression": None}
FILE_TYPES = {
    "csv": FileType({"index": False, **_PLAIN}, _PLAIN),
    "feather": FileType(needs="pyarrow"),
    "json": FileType(_PLAIN, _PLAIN),
    "parquet": FileType(needs="pyarrow"),
    "pickle": FileType(_PLAIN, _PLAIN, runs_code=True),
}


def write(file_type: str, frame: Any, file: Sink) -> None:
    """Writes a DataFrame; raises TypeError for anything else, ValueError if a csv file would lose its index."""
    if not isinstance(frame, _pandas(file_type).DataFrame):
        raise TypeError("it is not a DataFrame")
    if file_type == "csv" and (frame.index.names != [None] or list(frame.index) != list(range(len(frame)))):
        raise ValueError("csv files store no index: use reset_index() first, or parquet")
    getattr(frame, f"to_{file_type}")(file, **FILE_TYPES[file_type].writing)


def read(file_type: str, file: IO[bytes], max_bytes: int) -> object:
    """Returns a DataFrame; raises ResultTooLarge if a parquet file says that it holds more than `max_bytes`."""
    pandas = _pandas(file_type)
    if file_type == "parquet":
        _check_parquet(file, max_bytes)
    return getattr(pandas, f"read_{file_type}")(file, **FILE_TYPES[file_type].reading)


def _pandas(file_type: str) -> Any:
    feature = "PandasSerializer"
    extra(FILE_TYPES[file_type].needs, "pandas", feature)
    return extra("pandas", "pandas", feature)


def _check_parquet(file: IO[bytes], max_bytes: int) -> None:
    """Refuses a parquet file by what it says of itself: a few bytes may stand for a billion equal values."""
    metadata = extra("pyarrow.parquet", "pandas", "parquet").ParquetFile(file).metadata
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    cells = sum(group.num_rows for group in groups) * metadata.num_columns
    if max(cells, sum(group.total_byte_size for group in groups)) > max_bytes:
        raise too_large("The DataFrame", max_bytes)
    file.seek(0)
