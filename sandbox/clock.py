"""The sandbox's one clock: real time plus an offset that every process of a sandbox reads from one small file."""

import mmap
import os
import struct
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

_OFFSET = struct.Struct("<d")


class SandboxClock:
    """Aware UTC time that ticks like a real clock and can be set ahead or back, for all processes at once.

    The offset (seconds, a double) lies in `path`, which is made when missing; whoever maps the file sees a jump at
    its next look. Nothing but `set_now` moves it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            if os.fstat(descriptor).st_size < _OFFSET.size:
                os.ftruncate(descriptor, _OFFSET.size)
            self._shared = mmap.mmap(descriptor, _OFFSET.size)
        finally:
            os.close(descriptor)

    def now(self) -> datetime:
        """The sandbox's present, in UTC."""
        (offset,) = _OFFSET.unpack_from(self._shared)
        return datetime.fromtimestamp(time.time() + offset, UTC)

    def monotonic(self) -> float:
        """Seconds for deadlines inside one run; a jump does not touch them."""
        return time.monotonic()

    def set_now(self, moment: datetime) -> None:
        """Make `moment` (aware) the present for every process of this sandbox."""
        _OFFSET.pack_into(self._shared, 0, moment.timestamp() - time.time())

    def advance(self, by: timedelta) -> None:
        """Move the present by `by`."""
        self.set_now(self.now() + by)
