"""Memory that is free again goes back to the system: the C library of Linux keeps most of it when left alone.

A block that is large enough is mapped by itself and leaves with the array that lay in it. How large that is, glibc
raises with every such block it takes back, up to 32 MB: from then on the columns of two million readings come from its
heap, which grows by every moment at which many of them are alive and never shrinks again, because something small
always lies at its end. Python calls both through ctypes, without the interpreter's lock.
"""

from __future__ import annotations

import ctypes
from functools import cache

__all__ = ["give_back", "map_large_blocks"]

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_LARGE_BYTES = 4 << 20
"""Twice a column of the largest group commit: those come fifty times a second, and are cheaper from the heap."""
_TOP_BYTES = 16 << 20
"""Free at the heap's end before it is cut; kept by itself the library would cut it at 128 kB."""


@cache
def _library() -> ctypes.CDLL | None:
    """Return the C library when it is one that can be told."""
    try:
        library = ctypes.CDLL(None)
        library.mallopt.argtypes = [ctypes.c_int, ctypes.c_int]
        library.malloc_trim.argtypes = [ctypes.c_size_t]
    except (OSError, TypeError, AttributeError):
        # Not glibc: other libraries have neither the habit nor the remedy.
        return None
    return library


def map_large_blocks() -> bool:
    """Have every large block of this process mapped by itself from now on; return whether the C library heeds it."""
    library = _library()
    if library is None:
        return False
    return bool(library.mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES) and library.mallopt(_M_TRIM_THRESHOLD, _TOP_BYTES))


def give_back() -> bool:
    """Return free pages within the heap to the system; return whether there were any."""
    library = _library()
    return library is not None and bool(library.malloc_trim(0))
