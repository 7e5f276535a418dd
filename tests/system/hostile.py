# SPDX-License-Identifier: MIT
"""What the tests of hostile clients stand on: the attacks, each a process of
its own, and a yardstick that measures what others feel of them.

    hostile.py ATTACK SOCKET SECONDS

attacks for that long, from the end of its input on, and prints how much it
did, so that a test can tell an attack that was withstood from one that never
happened.
"""
import os
import selectors
import socket
import statistics
import sys
import time

import msgpack

import harness

# The bounds of common/base/limits.h that an attack can make the queue use, in
# KiB: of one connection its message, and the holes that a growing one leaves
# behind, its answers in a buffer that doubles, and what is read at once.
MESSAGE_KIB = 5 * 1024
ANSWERS_KIB = 2 * 1024
READ_KIB = 64 + 4


# ---- attacks ---------------------------------------------------------------

def _connect(path):
    """Waits where too many others knock as well."""
    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    client.connect(path)
    client.settimeout(harness.WAIT)
    return client


def _packed(*message):
    return msgpack.packb(list(message), use_bin_type=True)


def _repeat_until(deadline, attack):
    count = 0
    while time.monotonic() < deadline:
        attack(count)
        count += 1
    return count


BOMBS = [
    b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff",
    b"\xc6\xff\xff\xff\xff", b"\xdb\xff\xff\xff\xff",
    b"\xc9\xff\xff\xff\xff\x01", b"\xdd\x01\x00\x00\x00" * 31,
    b"\x94\x00\x07\xa4ping\xdd\xff\xff\xff\xff",
    b"\x94\x00\x07\xa4ping\x91\x81\xa1x\xc6\xff\xff\xff\xff" + b"x" * 4096,
]


def _read_to_end(client):
    """Everything until the other side closes, which is an answer as well."""
    data = b""
    try:
        while True:
            more = client.recv(1 << 16)
            if not more:
                return data
            data += more
    except ConnectionResetError:
        return data


def _detonate(path, bytes_of):
    """Sends what is no message again and again; each must be answered."""
    def attack(count):
        with _connect(path) as client:
            try:
                client.sendall(bytes_of(count))
            except BrokenPipeError:
                pass  # it has seen enough
            if b"BAD_MESSAGE" not in _read_to_end(client):
                raise AssertionError("no refusal")
    return attack


def header_bombs(path, deadline):
    """Promises of 2^32 elements and bytes."""
    return _repeat_until(deadline, _detonate(
        path, lambda count: BOMBS[count % len(BOMBS)]))


def deep_nesting(path, deadline):
    """Arrays and maps in one another, from just too deep to 60,000."""
    return _repeat_until(deadline, _detonate(
        path, lambda count: b"\x94\x00\x07\xa4ping" + (
            b"\x91", b"\x81\x91")[count % 2] * (17, 100, 60000)[count % 3]))


def half_frames(path, deadline):
    """Messages of nearly four megabytes, of which the last byte never comes;
    16 of them."""
    body = b"x" * (1 << 20)
    message = _packed(0, 1, "enqueue", [{"queue": "half", "bodies": [
        body, body, body, body[:1000000]]}])
    clients = []
    for _ in range(16):
        clients.append(_connect(path))
        clients[-1].sendall(message[:-1])
    _sleep_until(deadline)
    return len(clients)


def _sleep_until(deadline):
    time.sleep(max(0, deadline - time.monotonic()))


def slow_bytes(path, deadline):
    """200 clients that send one byte a second, and are answered in the end;
    counts the answers."""
    ping = _packed(0, 7, "ping", [])
    seconds = max(1, int(deadline - time.monotonic()) - 1)
    clients = [_connect(path) for _ in range(200)]
    for client in clients:
        client.sendall(ping[:-seconds])
    for second in range(seconds):
        time.sleep(1)
        for client in clients:
            client.sendall(ping[len(ping) - seconds + second:][:1])
    answered = sum(b"protocol" in client.recv(4096) for client in clients)
    _sleep_until(deadline)
    return answered


def _pour(path, deadline, connections, data, reads):
    """Writes the same bytes again and again, whole, as fast as they are
    taken; the number of times."""
    selector = selectors.DefaultSelector()
    clients, sent = [], {}
    for _ in range(connections):
        client = _connect(path)
        client.setblocking(False)
        clients.append(client)
        sent[client] = 0
        selector.register(client, selectors.EVENT_WRITE |
                          (selectors.EVENT_READ if reads else 0))
    while time.monotonic() < deadline:
        for key, what in selector.select(0.05):
            client = key.fileobj
            if what & selectors.EVENT_READ and not client.recv(1 << 20):
                raise AssertionError("it closed the connection")
            if what & selectors.EVENT_WRITE:
                try:
                    sent[client] += client.send(
                        data[sent[client] % len(data):])
                except BlockingIOError:
                    pass
    return sum(sent.values()) // len(data)


def _many(*message):
    """About 64 KiB of the same message."""
    one = _packed(*message)
    return one * (65536 // len(one))


def never_reads(path, deadline):
    """8 clients that ask for long lists and read nothing."""
    return _pour(path, deadline, 8, _many(
        0, 1, "list", [{"queue": "full", "limit": 1000}]), False)


def never_reads_bodies(path, deadline):
    """8 clients that ask for jobs of a megabyte and read nothing."""
    return _pour(path, deadline, 8, _many(0, 1, "peek", [{"queue": "big"}]),
                 False)


def flood(path, deadline):
    """8 clients that ask as fast as they can, and read."""
    return _pour(path, deadline, 8, _many(0, 1, "ping", []), True)


def flood_of_searches(path, deadline):
    """8 clients that let the queue look through all its jobs, for nothing."""
    return _pour(path, deadline, 8, _many(0, 1, "list", [{"state": "dead"}]),
                 True)


def flood_of_replays(path, deadline):
    """8 clients that want to be told of all that is remembered, and again."""
    return _pour(path, deadline, 8, _many(0, 1, "events", [{"after": 0}]),
                 True)


def flood_of_refusals(path, deadline):
    """8 clients with unknown methods and wrong arguments."""
    return _pour(path, deadline, 8, _many(0, 1, "x" * 64, [{"a": 1}]) + _many(
        0, 1, "enqueue", [{"queue": "a b"}]), True)


def flood_of_notifications(path, deadline):
    """8 clients whose every message is pointless: results of nothing, demand
    without a subscription, what is unknown."""
    return _pour(path, deadline, 8, _packed(1, 99, None, None) * 100 + _many(
        2, "demand", [{"queue": "a", "n": 1}]) + _many(2, "kill", [{
            "pid": 1}]), True)


def flood_of_elements(path, deadline):
    """2 clients whose messages have as many objects as a message may."""
    nils = b"\xdd" + (250000).to_bytes(4, "big") + b"\xc0" * 250000
    return _pour(path, deadline, 2, b"\x94\x00\x07\xa4ping\x91\x81\xa1x" +
                 nils, True)


def churn(path, deadline):
    """Connects, says something or nothing, and leaves, without a pause."""
    def attack(count):
        with _connect(path) as client:
            if count % 2:
                client.sendall(b"\x94\x00")
    return _repeat_until(deadline, attack)


def busy(path, deadline):
    """No attack at all, but work for the machine."""
    return _repeat_until(deadline, lambda count: None)


ATTACKS = {attack.__name__: attack for attack in (
    header_bombs, deep_nesting, half_frames, slow_bytes, never_reads,
    never_reads_bodies, flood, flood_of_searches, flood_of_replays,
    flood_of_refusals,
    flood_of_notifications, flood_of_elements, churn, busy)}


# ---- the yardstick ---------------------------------------------------------

ROUNDS = 100
FLOOR_MS = 20
JOB_BYTES = 180  # what a waiting job may take


def resident_kib(pid):
    with open("/proc/%d/statm" % pid) as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024


def peak_kib(pid):
    """The most that it ever had."""
    with open("/proc/%d/status" % pid) as file:
        (line,) = [line for line in file if line.startswith("VmHWM:")]
    return int(line.split()[1])


class Yardstick:
    """A client that behaves well. Its round trips are measured in windows, of
    which the p99 counts, and of those the median: a pause of the machine
    spoils one window and not the figure."""

    def __init__(self, pid, round_trip, jobs=lambda: 0):
        self.pid = pid
        self.round_trip = round_trip
        self.jobs = jobs  # how many it has left behind
        self.peak_kib = 0
        self.quiet_ms = statistics.median(
            self._window() for _ in range(5))
        self.before_kib = self.peak_kib
        self.before_jobs = jobs()

    def _window(self):
        took = []
        for _ in range(ROUNDS):
            began = time.perf_counter()
            self.round_trip()
            took.append(time.perf_counter() - began)
        self.peak_kib = max(self.peak_kib, resident_kib(self.pid))
        took.sort()
        return took[ROUNDS * 99 // 100 - 1] * 1000

    def watch(self, is_over):
        """The p99 until something is over, at least of two windows."""
        windows = []
        while len(windows) < 2 or not is_over():
            windows.append(self._window())
        return statistics.median(windows)

    def _attack(self, names, path, seconds):
        """Some attacks at once: (p99 meanwhile, what the least busy did)."""
        helpers = [harness.start_helper(
            [sys.executable, os.path.abspath(__file__), name, path,
             str(seconds)], stdin=harness.subprocess.PIPE,
            stdout=harness.subprocess.PIPE, text=True) for name in names]
        # All are ready before the first begins.
        for name, helper in zip(names, helpers):
            harness.is_true(helper.stdout.readline(), name + " is ready")
        for helper in helpers:
            helper.stdin.close()
        p99_ms = self.watch(lambda: all(
            helper.poll() is not None for helper in helpers))
        done = []
        for name, helper in zip(names, helpers):
            done.append(helper.stdout.read().strip())
            helper.stdout.close()
            harness.is_true(helper.returncode == 0 and done[-1],
                            "the attack %s went through" % name)
        return p99_ms, min(int(count) for count in done)

    def withstands(self, attack, path, budget_kib, least, seconds=1.2,
                   tries=3):
        """Judges p99 and memory under an attack, or several with spaces in
        between, that does at least so much; returns how much. Others may need
        the machine too: one good try of three is enough, as what starves
        others does so each time. What as many processes do that only use the
        processors is no fault of gsq's."""
        names = attack.split()
        if harness.SANITIZED:
            least = max(1, least // 10)
        busy_ms, _ = self._attack(["busy"] * len(names), path, 0.3)
        for _ in range(tries):
            attacked_ms, done = self._attack(names, path, seconds)
            if attacked_ms <= self.allowed_ms(busy_ms):
                break
        harness.is_true(done >= least, "%s did %d and not %d" % (
            attack, done, least))
        self.judge("%s, %d of it" % (attack, done), attacked_ms, budget_kib,
                   busy_ms)
        return done

    def allowed_ms(self, busy_ms):
        return harness.SLOWNESS * (
            5 * max(self.quiet_ms, busy_ms) + FLOOR_MS)

    def judge(self, what, attacked_ms, budget_kib, busy_ms=0):
        """The figures are for people; both have a bound."""
        own_kib = (self.jobs() - self.before_jobs) * JOB_BYTES // 1024
        budget_kib += self.before_kib + own_kib
        print("%s: p99 quiet %.2f ms, beside work %.2f ms, attacked %.2f ms; "
              "resident before %.1f, at most %.1f, after %.1f, budget %.1f "
              "MiB" % (
                  what, self.quiet_ms, busy_ms, attacked_ms,
                  self.before_kib / 1024, self.peak_kib / 1024,
                  resident_kib(self.pid) / 1024, budget_kib / 1024))
        allowed_ms = self.allowed_ms(busy_ms)
        harness.is_true(attacked_ms <= allowed_ms,
                        "p99 under %s: %.2f ms and not %.2f ms" % (
                            what, attacked_ms, allowed_ms))
        harness.is_true(
            harness.SANITIZED or self.peak_kib <= 1.1 * budget_kib,
            "resident under %s: %d KiB, the budget is %d KiB" % (
                what, self.peak_kib, budget_kib))


def main():
    name, path, seconds = sys.argv[1:]
    print("ready", flush=True)
    sys.stdin.read()
    print(ATTACKS[name](path, time.monotonic() + float(seconds)))


if __name__ == "__main__":
    main()
