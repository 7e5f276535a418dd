# SPDX-License-Identifier: MIT
"""A wall clock that the tests set, for a gsq of theirs alone: libfaketime
stands between its processes and the wall clock. The monotonic clock stays
true, and so does the clock of the machine.
"""
import ctypes
import datetime
import os
import sysconfig

import harness

DAY = 24 * 60 * 60

# A line was written that long before it was read, at most.
LATE_SECONDS = 20

_SHARED_MEMORY = "/dev/shm"

_libc = ctypes.CDLL(None, use_errno=True)
_libc.sem_open.restype = ctypes.c_void_p


def library():
    """The path of libfaketime, or None."""
    triplet = sysconfig.get_config_var("MULTIARCH") or ""
    for folder in ("/usr/lib/" + triplet, "/usr/lib", "/usr/local/lib"):
        path = os.path.join(folder, "faketime", "libfaketime.so.1")
        if os.path.exists(path):
            return path
    return None


def offset_of(line):
    """How far the wall clock of a line of the log was ahead of ours when we
    read the line, in seconds; None when it has no time."""
    try:
        said = datetime.datetime.strptime(
            line.get("time", ""), "%Y-%m-%dT%H:%M:%S.%fZ")
    except ValueError:
        return None
    said = said.replace(tzinfo=datetime.timezone.utc)
    return said.timestamp() - line.seen_wall


class Clock:
    """environment is for the processes that shall see it.

        with Clock() as clock, Gsq(environment=clock.environment) as gsq:
            clock.set(+DAY)
    """

    def __init__(self, name="clock"):
        path = library()
        if path is None:
            raise harness.Skip("there is no libfaketime (tools/deps build)")
        if harness.SANITIZED:
            raise harness.Skip(
                "AddressSanitizer wants to be the first library, and then "
                "libfaketime hangs")
        self.offset = 0
        self.file = harness.temporary(name)
        self.set(0)
        self._share()
        self.environment = {
            "LD_PRELOAD": path,
            "FAKETIME_TIMESTAMP_FILE": self.file,
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
            "FAKETIME_SHARED": "%s %s" % (self.shared, self.shared),
        }

    def _share(self):
        """A semaphore and a page for all that see the clock. The library
        makes its own where there is none: for each supervisor, forgotten when
        that is killed, and locked for ever when another is killed in the
        wrong moment. Ours lets everybody pass; nothing that we use of the
        library needs it locked."""
        self.shared = "/gsq-%d-%s" % (
            os.getpid(), os.path.basename(self.file))
        if not _libc.sem_open(self.shared.encode(), os.O_CREAT | os.O_EXCL,
                              0o600, 1 << 30):
            raise OSError(ctypes.get_errno(), "sem_open " + self.shared)
        with open(_SHARED_MEMORY + self.shared, "wb") as file:
            file.truncate(os.sysconf("SC_PAGESIZE"))

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind is not None:
            harness.give_up_test()
        self.close()

    def close(self):
        """After the last process that sees it: one that finds nothing shared
        makes its own, and leaves it behind."""
        _libc.sem_unlink(self.shared.encode())
        os.unlink(_SHARED_MEMORY + self.shared)

    def set(self, offset):
        """From now on it is so many seconds ahead, or behind."""
        harness.write_file(self.file, "%+d" % offset)
        self.offset = offset

    def is_time_of(self, line):
        """Was that line of the log written by this clock as it stands?"""
        offset = offset_of(line)
        return offset is not None and (
            -LATE_SECONDS <= offset - self.offset <= 1)

    def wait_seen(self, gsq, event, after, **fields):
        """The next line of that event, which must be of this time."""
        line = gsq.wait_event(event, after=after, **fields)
        harness.is_true(self.is_time_of(line), "the log of clock %+d s"
                        % self.offset, line, "offset %r" % offset_of(line))
