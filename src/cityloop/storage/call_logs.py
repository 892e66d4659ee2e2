"""The logs of an emergency run as Parquet: calls, assignments and tracks, for programs of others to check."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from cityloop.kernel.errors import StoreError

__all__ = ["Column", "write_log"]

Column = npt.NDArray[Any] | tuple[npt.NDArray[Any], Sequence[str]]
"""Values, or codes with the words they stand for; a negative code is null."""


def write_log(path: Path, columns: Mapping[str, Column], nullable: Sequence[str] = ()) -> int:
    """Write one table, whole or not at all, and return its bytes.

    Parameters
    ----------
    path
        The file; its folder is made when it is not there.
    columns
        By name, in order.
    nullable
        Columns of whole numbers in which a negative value means null.

    Raises
    ------
    StoreError
        Naming the file, when it cannot be written.

    """
    arrays = {}
    for name, column in columns.items():
        if isinstance(column, tuple):
            codes, words = column
            arrays[name] = pa.DictionaryArray.from_arrays(
                pa.array(codes, mask=np.asarray(codes < 0)), pa.array(list(words), pa.string())
            )
        else:
            arrays[name] = pa.array(column, mask=np.asarray(column < 0) if name in nullable else None)
    table = pa.table(arrays)
    part = path.with_suffix(".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table, part, compression="zstd", compression_level=3)
        part.replace(path)
    except OSError as error:
        raise StoreError(f"{path}: cannot be written ({error}).") from error
    return path.stat().st_size
