# SPDX-License-Identifier: MIT
"""What the system tests stand on: a gsq in a directory of its own, a client
that speaks raw MessagePack-RPC, the process table, and a judge of effects.

Nothing here sleeps for luck: every wait is for a condition and has an end.
"""
import collections
import ctypes
import fcntl
import json
import os
import re
import shlex
import signal
import socket
import stat
import struct
import subprocess
import threading
import time

import msgpack

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
BIN = os.path.abspath(os.environ.get("GSQ_BIN", os.path.join(ROOT, "bin")))


def program(name):
    """The path of one of the binaries."""
    return os.path.join(BIN, name)


def _is_sanitized():
    try:
        with open(program("queue"), "rb") as file:
            return b"__asan_init" in file.read()
    except OSError:
        return False


# Under AddressSanitizer everything is slower, and memory says nothing.
SANITIZED = _is_sanitized()
SLOWNESS = 3 if SANITIZED else 1
WAIT = 10 * SLOWNESS


class Skip(Exception):
    """The test cannot run here, for the reason given."""


class Refused(Exception):
    """gsq answered with an error."""

    def __init__(self, error):
        super().__init__(repr(error))
        self.error = error
        self.code = self.text = self.name = None
        if isinstance(error, (list, tuple)) and len(error) == 2:
            self.code, self.text = error
            self.name = self.text.partition(":")[0]


class Closed(Exception):
    """The other side closed the connection."""


def limit(seconds):
    """A time limit of its own for a test."""
    def set_limit(function):
        function.limit = seconds
        return function
    return set_limit


def needs_root():
    if os.geteuid() != 0:
        raise Skip("needs root")


def is_true(condition, message, *details):
    """An assertion that survives python3 -O and says what it saw."""
    if not condition:
        raise AssertionError(
            "\n    ".join([message] + [str(detail) for detail in details]))


def is_equal(found, wanted, what):
    is_true(found == wanted, "%s: %r, and not %r" % (what, found, wanted))


def wait_until(condition, what, timeout=None):
    """Waits until condition() is true and returns what it returned."""
    deadline = time.monotonic() + (WAIT if timeout is None else timeout)
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError("waited in vain until " + what)
        time.sleep(0.005)


# ---- the process table -----------------------------------------------------

_libc = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36


def become_subreaper():
    """Orphans of our descendants fall to us and cannot escape."""
    _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def die_with_parent(signal_number):
    _libc.prctl(_PR_SET_PDEATHSIG, int(signal_number), 0, 0, 0)


Process = collections.namedtuple("Process", "pid name state parent group")


def process(pid):
    """One row of the process table, or None."""
    try:
        with open("/proc/%d/stat" % pid) as file:
            text = file.read()
    except (FileNotFoundError, ProcessLookupError):
        return None
    name = text[text.index("(") + 1:text.rindex(")")]
    rest = text[text.rindex(")") + 2:].split()
    return Process(pid, name, rest[0], int(rest[1]), int(rest[2]))


def process_table():
    rows = (process(int(entry)) for entry in os.listdir("/proc")
            if entry.isdigit())
    return {row.pid: row for row in rows if row}


def descendants(pid, zombies=True):
    """The pids of everything below pid."""
    table = process_table()
    children = collections.defaultdict(list)
    for row in table.values():
        children[row.parent].append(row.pid)
    found, stack = [], [pid]
    while stack:
        for child in children[stack.pop()]:
            stack.append(child)
            if zombies or table[child].state != "Z":
                found.append(child)
    return sorted(found)


def describe(pids):
    """A line for each pid, for people."""
    lines = []
    for pid in pids:
        row = process(pid)
        try:
            with open("/proc/%d/cmdline" % pid, "rb") as file:
                words = file.read().replace(b"\0", b" ").decode(
                    "utf-8", "replace").strip()
        except OSError:
            words = ""
        lines.append("%d %s %s" % (
            pid, "gone" if row is None else
            "%s (%s) parent %d" % (row.name, row.state, row.parent), words))
    return lines


PIDFD_GETFD = 438  # the number of the system call


def duplicate_of(process_descriptor, number):
    """A descriptor that refers to what that one of another process does."""
    found = _libc.syscall(PIDFD_GETFD, process_descriptor, number, 0)
    if found < 0:
        raise OSError(ctypes.get_errno(), "pidfd_getfd")
    return found


def is_alive(pid):
    row = process(pid)
    return row is not None and row.state not in "ZX"


def wait_gone(pid, what, timeout=None):
    wait_until(lambda: not is_alive(pid), "%s (%d) is gone" % (what, pid),
               timeout)


def memory_kib(pid, field="VmRSS"):
    """A Vm* field of /proc/PID/status in KiB."""
    with open("/proc/%d/status" % pid) as file:
        for line in file:
            if line.startswith(field + ":"):
                return int(line.split()[1])
    raise AssertionError("no %s of %d" % (field, pid))


def kill(pid, number=signal.SIGKILL):
    os.kill(pid, number)


# ---- the test's own things -------------------------------------------------

_directory = None
_gsqs = []
_helpers = []
_serial = 0


def begin_test(directory):
    global _directory
    _directory = directory


def temporary(name):
    """A path of that name in the test's own directory."""
    return os.path.join(_directory, name)


def write_file(name, text, mode=0o644):
    path = name if name.startswith("/") else temporary(name)
    # Under another name first: a handler may look for it all the time.
    with open(path + ".new", "w") as file:
        file.write(text)
    os.chmod(path + ".new", mode)
    os.rename(path + ".new", path)
    return path


def script(name, text, interpreter="/bin/sh"):
    """An executable script; its path."""
    return write_file(name, "#!%s\n%s" % (interpreter, text), 0o755)


def read_file(path):
    """What is in a file, "" when there is none."""
    try:
        with open(path) as file:
            return file.read()
    except FileNotFoundError:
        return ""


def lines_of(path):
    """The whole lines of a file."""
    return [line for line in read_file(path).splitlines(True)
            if line.endswith("\n")]


def run(arguments, input=None, timeout=None, environment=None, **more):
    """Runs a program to its end; CompletedProcess with text."""
    binary = isinstance(input, bytes)
    return subprocess.run(
        arguments, input=input, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=not binary,
        stdin=subprocess.DEVNULL if input is None else None,
        timeout=(3 * WAIT) if timeout is None else timeout,
        env=environment, **more)


def start_helper(arguments, **more):
    """Starts a program of the test's own; ended with the test."""
    helper = subprocess.Popen(arguments, **more)
    _helpers.append(helper)
    return helper


def end_test():
    """Stops what still runs, and fails when something stays."""
    for gsq in list(_gsqs):
        if gsq.is_running():
            gsq.stop()
    for helper in _helpers:
        if helper.poll() is None:
            helper.kill()
        helper.wait()
    expect_nothing_left(2 * SLOWNESS)


def give_up_test():
    """After a failure: no gsq of this test lives on."""
    for gsq in _gsqs:
        if gsq.is_running():
            gsq.process.kill()
            gsq.process.wait()
    try:
        expect_nothing_left(2 * SLOWNESS)
    except AssertionError as problem:
        print(problem)


def _own_children():
    """Processes that a Popen object will wait for."""
    return {gsq.process.pid for gsq in _gsqs if gsq.process} | {
        helper.pid for helper in _helpers}


def left_over():
    """Live processes below this test that are not its own helpers. Reaps
    orphans that fell to us."""
    known = _own_children()
    found = []
    for pid in descendants(os.getpid()):
        row = process(pid)
        if row is None or pid in known:
            continue
        if row.state == "Z":
            if row.parent == os.getpid():
                try:
                    os.waitpid(pid, os.WNOHANG)
                except ChildProcessError:
                    pass
            continue
        found.append(pid)
    return found


def expect_nothing_left(timeout):
    """Nothing of any gsq of this test lives after that many seconds."""
    deadline = time.monotonic() + timeout
    while True:
        found = [pid for pid in left_over()
                 if not any(pid in descendants(helper.pid)
                            for helper in _helpers)]
        if not found:
            return
        if time.monotonic() > deadline:
            raise AssertionError("\n  ".join(
                ["processes left behind:"] + describe(found)))
        time.sleep(0.005)


def show_logs():
    """For a failed test: what every gsq of it said."""
    for gsq in _gsqs:
        print("---- log of %s" % gsq.directory)
        with gsq.changed:
            lines = list(gsq.lines)
        if len(lines) > 400:
            print("  (%d lines left out)" % (len(lines) - 400))
        for line in lines[-400:]:
            print("  " + line.text[:400])
        if gsq.process.poll() is not None:
            print("---- exit status %d" % gsq.process.returncode)


# ---- file systems of the test's own ----------------------------------------

_CLONE_NEWNS, _MS_REC, _MS_PRIVATE = 0x20000, 0x4000, 0x40000
_EXT4_IOC_SHUTDOWN, _NO_LOG_FLUSH = 0x8004587d, 2


def own_mounts():
    """From here on mounts are those of this process and its children alone,
    and go with the last of them. To be called before any thread is there."""
    needs_root()
    if (_libc.unshare(_CLONE_NEWNS) != 0 or
            _libc.mount(b"none", b"/", None, _MS_REC | _MS_PRIVATE, None)):
        raise Skip("cannot mount here: "
                   + os.strerror(ctypes.get_errno()))


def _command(*arguments):
    """Runs a program of the system that must be there and do its work."""
    try:
        done = run(arguments)
    except FileNotFoundError:
        raise Skip("there is no " + arguments[0])
    if done.returncode != 0:
        raise Skip("%s: %s" % (shlex.join(arguments), done.stderr.strip()))


def mount_memory(name, mebibytes):
    """A file system in memory of that size; its path. After own_mounts."""
    path = temporary(name)
    os.mkdir(path)
    _command("mount", "-t", "tmpfs", "-o", "mode=700,size=%dm" % mebibytes,
             "gsq-test", path)
    return path


class Ext4:
    """A small ext4 in memory whose power can be cut. After own_mounts."""

    def __init__(self, name, mebibytes):
        self.memory = mount_memory(name + ".memory", mebibytes + 8)
        self.image = os.path.join(self.memory, "image")
        with open(self.image, "wb") as file:
            file.truncate(mebibytes << 20)
        _command("mkfs.ext4", "-q", "-F", "-m", "0", "-E",
                 "lazy_itable_init=0,lazy_journal_init=0", self.image)
        self.path = temporary(name)
        os.mkdir(self.path)
        self.mount()

    def mount(self):
        _command("mount", "-o", "loop", self.image, self.path)
        os.chmod(self.path, 0o700)

    def unmount(self):
        """Once nobody uses it any more, which may take its moment."""
        def is_done():
            return run(["umount", self.path]).returncode == 0
        wait_until(is_done, self.path + " is unmounted")

    def close(self):
        """Nothing of it is left."""
        self.unmount()
        _command("umount", self.memory)

    def open(self):
        """A descriptor for cut, opened ahead of time."""
        return os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)

    @staticmethod
    def cut(descriptor):
        """From now on nothing reaches the disk any more."""
        try:
            fcntl.ioctl(descriptor, _EXT4_IOC_SHUTDOWN,
                        struct.pack("I", _NO_LOG_FLUSH))
        except OSError as problem:
            raise Skip("the kernel has no EXT4_IOC_SHUTDOWN: %s" % problem)


# ---- a gsq -----------------------------------------------------------------

_FIELD = re.compile(r'([A-Za-z_]+)=("(?:[^"\\]|\\.)*"|\S*)')


class Line:
    """A line of the log with its fields."""

    def __init__(self, index, text):
        self.index = index
        self.text = text
        self.seen = time.monotonic()
        self.seen_wall = time.time()
        self.fields = {}
        for key, value in _FIELD.findall(text):
            if value.startswith('"'):
                value = value[1:-1]
            # The first one counts: what comes from outside stands behind.
            self.fields.setdefault(key, value)

    def __getitem__(self, key):
        return self.fields[key]

    def get(self, key, default=None):
        return self.fields.get(key, default)

    def __repr__(self):
        return self.text


class Gsq:
    """A supervisor with its tree, in a directory of its own.

        with Gsq(workers=2, command=[handler]) as gsq:
            ...

    Leaving the with statement stops it and checks that it stopped well,
    unless the test has ended it itself.
    """

    def __init__(self, *options, workers=None, queue=None, command=None,
                 configuration=None, directory=None, verbose=True,
                 binary=None, ready=True, environment=None):
        global _serial
        _serial += 1
        self.directory = directory or temporary("g%d" % _serial)
        self.socket = self.directory + "/gsq.sock"
        self.control = self.directory + "/control.sock"
        self.lines = []
        self.changed = threading.Condition()
        arguments = [binary or program("supervisor"), "-d", self.directory]
        if workers is not None:
            arguments += ["-n", str(workers)]
        if queue is not None:
            arguments += ["-q", queue]
        if verbose:
            arguments += ["-v"]
        if configuration is not None:
            path = write_file("gsq%d.conf" % _serial, configuration)
            arguments += ["-c", path]
        arguments += list(options)
        if command is not None:
            arguments += ["--"] + list(command)
        self.arguments = arguments
        self.process = subprocess.Popen(
            arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, start_new_session=True,
            env=dict(os.environ, **(environment or {})))
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        _gsqs.append(self)
        if ready:
            self.wait_ready()

    def _read(self):
        for text in self.process.stdout:
            with self.changed:
                self.lines.append(Line(
                    len(self.lines),
                    text.decode("utf-8", "replace").rstrip("\n")))
                self.changed.notify_all()
        with self.changed:
            self.changed.notify_all()

    # -- its life

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind is None and self.is_running():
            self.stop()

    @property
    def pid(self):
        return self.process.pid

    def is_running(self):
        return self.process.poll() is None

    def wait_exit(self, timeout=None):
        """Waits for the supervisor's end; its exit status."""
        try:
            code = self.process.wait(2 * WAIT if timeout is None else timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(
                "the supervisor does not end; alive: " + ", ".join(
                    describe(descendants(self.pid))))
        self.reader.join(WAIT)
        return code

    def stop(self, status=0, timeout=None):
        """TERM, and all that must be true after it."""
        kill(self.pid, signal.SIGTERM)
        is_equal(self.wait_exit(timeout), status, "exit status")
        expect_nothing_left(2 * SLOWNESS)
        self.expect_no_sockets()

    def kill_supervisor(self, seconds=1.0):
        """SIGKILL to the supervisor; everything must be gone in a second."""
        tree = descendants(self.pid)
        began = time.monotonic()
        kill(self.pid)
        self.process.wait()
        expect_nothing_left(seconds * SLOWNESS)
        took = time.monotonic() - began
        for pid in tree:
            is_true(not is_alive(pid), "still alive: %d" % pid)
        self.reader.join(WAIT)
        return took

    def expect_no_sockets(self):
        left = [name for name in os.listdir(self.directory)
                if stat.S_ISSOCK(os.lstat(
                    os.path.join(self.directory, name)).st_mode)]
        is_equal(left, [], "sockets left in the directory")

    # -- its log

    def mark(self):
        """The place in the log where it ends now, for after=."""
        with self.changed:
            return len(self.lines)

    def _matching(self, accept, after):
        with self.changed:
            return [line for line in self.lines[after:] if accept(line)]

    def _wait(self, accept, what, after, timeout, count):
        deadline = time.monotonic() + (WAIT if timeout is None else timeout)
        with self.changed:
            looked = after
            found = []
            while True:
                for line in self.lines[looked:]:
                    if accept(line):
                        found.append(line)
                looked = max(looked, len(self.lines))
                if len(found) >= count:
                    return found
                left = deadline - time.monotonic()
                if left <= 0:
                    raise AssertionError(
                        "the log does not say %s (%d of %d times)"
                        % (what, len(found), count))
                self.changed.wait(left)

    def log(self, pattern, after=0):
        """All lines that match a pattern."""
        search = re.compile(pattern).search
        return self._matching(lambda line: search(line.text), after)

    def wait_log(self, pattern, after=0, timeout=None):
        """The first line from after on that matches a pattern."""
        search = re.compile(pattern).search
        return self._wait(lambda line: search(line.text), repr(pattern),
                          after, timeout, 1)[0]

    @staticmethod
    def _accept(event, fields):
        wanted = {key: str(value) for key, value in fields.items()}
        wanted["event"] = event
        return lambda line: all(
            line.fields.get(key) == value for key, value in wanted.items())

    def events(self, event, after=0, **fields):
        """All log lines of an event with these fields."""
        return self._matching(self._accept(event, fields), after)

    def wait_event(self, event, after=0, timeout=None, count=1, **fields):
        """The first count lines of an event with these fields; with count 1
        the line itself."""
        found = self._wait(self._accept(event, fields),
                           "event=%s %s" % (event, fields), after, timeout,
                           count)
        return found[0] if count == 1 else found

    # -- looking into it

    def client(self, timeout=None):
        return Client(self.socket, timeout)

    def call(self, method, **params):
        """One request to the queue on a connection of its own."""
        with self.client() as client:
            return client.call(method, **params)

    def control_call(self, method, **params):
        with Client(self.control) as client:
            return client.call(method, **params)

    def tree(self):
        return self.control_call("tree")

    def children(self):
        """{id: child} as the supervisor tells."""
        return {child["id"]: child for child in self.tree()["children"]}

    def pids(self):
        """{id: pid} of all children."""
        return {name: child["pid"] for name, child in self.children().items()}

    def pid_of(self, name):
        return self.pids()[name]

    def worker_pids(self):
        return {name: child["pid"] for name, child in self.children().items()
                if child["role"] == "worker"}

    def wait_ready(self, timeout=None, count=None):
        """Waits until every child is ready; {id: pid}."""
        def all_ready():
            if not self.is_running():
                self.reader.join(1)
                raise AssertionError("the supervisor ended with status %d"
                                     % self.process.returncode)
            try:
                tree = self.tree()
            except (OSError, Closed):
                return None
            children = tree["children"]
            if tree["supervisor"]["state"] != "running":
                return None
            if any(child["state"] != "ready" for child in children):
                return None
            if count is not None and len(children) != count:
                return None
            return {child["id"]: child["pid"] for child in children}
        return wait_until(all_ready, "all children are ready",
                          2 * WAIT if timeout is None else timeout)

    def wait_new_pid(self, name, old, timeout=None):
        """Waits until a child lives again under another pid; the pid."""
        def reborn():
            child = self.children().get(name)
            return (child and child["state"] == "ready"
                    and child["pid"] not in (0, old) and child["pid"])
        return wait_until(reborn, "%s is ready again" % name, timeout)

    def lane(self, name="default"):
        """The row of one queue, or None."""
        for row in self.call("queues")["queues"]:
            if row["name"] == name:
                return row
        return None

    def wait_lane(self, name="default", timeout=None, **wanted):
        """Waits until the counts of a queue are these."""
        seen = {}

        def as_wanted():
            seen["row"] = self.lane(name)
            row = seen["row"]
            return row and all(row[key] == value
                               for key, value in wanted.items()) and row
        try:
            return wait_until(as_wanted, "", timeout)
        except AssertionError:
            raise AssertionError("queue %s does not get to %s but stands at %s"
                                 % (name, wanted, seen["row"]))

    def job(self, identity):
        return self.call("get", id=identity)

    def wait_job(self, identity, timeout=None):
        """Waits for a job's end: "done", "dead" or "gone"."""
        with self.client(3 * WAIT if timeout is None else timeout) as client:
            return client.call("wait", id=identity)["state"]

    def enqueue(self, *bodies, queue="default", **more):
        """Adds jobs; their ids."""
        return self.call("enqueue", queue=queue, bodies=[
            body.encode() if isinstance(body, str) else body
            for body in bodies], **more)["ids"]

    # -- qctl

    def qctl_arguments(self, *arguments):
        return [program("qctl"), "-s", self.socket] + list(arguments)

    def qctl(self, *arguments, input=None, timeout=None, status=0):
        """Runs qctl on this gsq; status None accepts any exit status."""
        done = run(self.qctl_arguments(*arguments), input, timeout)
        if status is not None:
            is_true(done.returncode == status,
                    "qctl %s: exit status %d and not %d" % (
                        shlex.join(arguments), done.returncode, status),
                    done.stdout[-2000:], done.stderr[-2000:])
        return done

    def qctl_json(self, *arguments, **more):
        return json.loads(self.qctl("-o", "json", *arguments, **more).stdout)


# ---- a client --------------------------------------------------------------

class Client:
    """Raw MessagePack-RPC on a Unix socket."""

    def __init__(self, path, timeout=None):
        self.timeout = WAIT if timeout is None else timeout
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        # Waits where the door is crowded: with settimeout it would not.
        self.socket.setsockopt(
            socket.SOL_SOCKET, socket.SO_SNDTIMEO,
            struct.pack("@ll", int(self.timeout) + 1, 0))
        self.socket.connect(path)
        self.socket.settimeout(self.timeout)
        self.unpacker = msgpack.Unpacker(raw=False, strict_map_key=False)
        self.messages = collections.deque()
        self.last_msgid = 0

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def close(self):
        self.socket.close()

    def raw(self, data):
        self.socket.sendall(data)

    def send(self, *messages):
        """Sends whole messages in one write."""
        self.raw(b"".join(msgpack.packb(list(message), use_bin_type=True)
                          for message in messages))

    def request(self, method, **params):
        """Sends a request; its msgid."""
        self.last_msgid += 1
        self.send((0, self.last_msgid, method, [params] if params else []))
        return self.last_msgid

    def notify(self, method, **params):
        self.send((2, method, [params] if params else []))

    def respond(self, msgid, error=None, result=None):
        self.send((1, msgid, error, result))

    def _receive_from_socket(self, timeout):
        """The next message as it arrives; None when the time is over."""
        deadline = time.monotonic() + timeout
        while True:
            for message in self.unpacker:
                return message
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            self.socket.settimeout(left)
            try:
                data = self.socket.recv(1 << 16)
            except socket.timeout:
                return None
            except ConnectionResetError:
                data = b""
            if not data:
                raise Closed("the connection was closed")
            self.unpacker.feed(data)

    def receive(self, timeout=None):
        """The next message of any kind."""
        if self.messages:
            return self.messages.popleft()
        message = self._receive_from_socket(
            self.timeout if timeout is None else timeout)
        is_true(message is not None, "no message came")
        return message

    def nothing_comes(self, seconds):
        """True when that long no message comes."""
        if self.messages:
            return False
        message = self._receive_from_socket(seconds)
        if message is not None:
            self.messages.append(message)
        return message is None

    def answer(self, msgid):
        """The result of a request; other messages are kept for receive."""
        deadline = time.monotonic() + self.timeout
        while True:
            for message in self.messages:
                if message[0] == 1 and message[1] == msgid:
                    self.messages.remove(message)
                    if message[2] is not None:
                        raise Refused(message[2])
                    return message[3]
            message = self._receive_from_socket(deadline - time.monotonic())
            is_true(message is not None, "no answer came")
            self.messages.append(message)

    def call(self, method, **params):
        return self.answer(self.request(method, **params))

    def next_job(self, timeout=None):
        """The next delivery: (msgid, job)."""
        while True:
            message = self.receive(timeout)
            if message[0] == 0:
                is_equal(message[2], "job", "method of a delivery")
                return message[1], message[3][0]

    def read_to_end(self, timeout=None):
        """All messages until the other side closes."""
        found = []
        try:
            while True:
                found.append(self.receive(timeout))
        except Closed:
            return found


def packed(value):
    return msgpack.packb(value, use_bin_type=True)


# ---- the judge of effects --------------------------------------------------

Effect = collections.namedtuple("Effect", "job attempt worker text")


def effects(path):
    """What handlers wrote: lines "JOB ATTEMPT WORKER-PID TEXT"."""
    found = []
    for line in lines_of(path):
        job, attempt, worker, text = line.rstrip("\n").split(" ", 3)
        found.append(Effect(int(job), int(attempt), int(worker), text))
    return found


def judge(found, acknowledged, killed):
    """The rule of the total queue: of what was acknowledged nothing is lost,
    nothing unknown appears, and every duplicate is explained by the kill of
    the worker that ran it before. Returns the number of duplicates."""
    runs = collections.defaultdict(list)
    for effect in found:
        runs[effect.job].append(effect)
    lost = set(acknowledged) - set(runs)
    unknown = set(runs) - set(acknowledged)
    is_true(not lost, "lost: %d jobs" % len(lost), sorted(lost)[:20])
    is_true(not unknown, "unknown: %d jobs" % len(unknown),
            sorted(unknown)[:20])
    duplicates = 0
    for job, list_of_runs in runs.items():
        attempts = [run.attempt for run in list_of_runs]
        is_equal(len(set(attempts)), len(attempts),
                 "distinct attempts of job %d %s" % (job, attempts))
        for earlier in sorted(list_of_runs, key=lambda run: run.attempt)[:-1]:
            duplicates += 1
            is_true(earlier.worker in killed,
                    "job %d ran again though nobody killed worker %d" % (
                        job, earlier.worker), list_of_runs)
    return duplicates
