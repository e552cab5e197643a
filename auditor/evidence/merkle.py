"""The Merkle tree over a bundle's files (RFC 6962, section 2.1).

One root stands for all files, and a file can be withheld without changing it: its hash stays.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from adapters.strict_json import canonical


def leaf(path: str, size: int, digest: str) -> bytes:
    """Leaf of the file at ``path`` with ``size`` bytes and hex SHA-256 ``digest``."""
    return hashlib.sha256(b"\x00" + canonical([path, size, digest])).digest()


def root(leaves: Sequence[bytes]) -> str:
    """Hex root of ``leaves``; that of no leaves is the hash of nothing."""
    if not leaves:
        return hashlib.sha256(b"").hexdigest()
    return _node(leaves).hex()


def _node(leaves: Sequence[bytes]) -> bytes:
    if len(leaves) == 1:
        return leaves[0]
    # The largest power of two below their number.
    split = 1 << ((len(leaves) - 1).bit_length() - 1)
    return hashlib.sha256(b"\x01" + _node(leaves[:split]) + _node(leaves[split:])).digest()
