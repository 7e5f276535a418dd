# SPDX-License-Identifier: MIT
"""The world around the supervisor: a service manager (sd_notify, LISTEN_FDS), a
container, a log file, a machine without room."""
import fcntl
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time

from harness import (
    Gsq, ROOT, SLOWNESS, Skip, descendants, is_alive, is_equal, is_true, kill,
    lines_of, needs_root, process, program, read_file, run, script,
    start_helper, temporary, wait_until, write_file)


class Manager:
    """The socket that a service manager listens at."""

    def __init__(self, name="notify"):
        self.path = temporary(name)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.socket.settimeout(10 * SLOWNESS)
        self.told = []

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.socket.close()

    def wait(self, wanted):
        """Reads until a datagram begins so; it."""
        while True:
            text = self.socket.recv(4096).decode()
            self.told.append(text)
            if text.startswith(wanted):
                return text


# ---- sd_notify -------------------------------------------------------------

def test_a_manager_is_told_when_all_are_ready_and_when_it_ends():
    """33: and children have nothing of it."""
    with Manager() as manager, Gsq(
            workers=2, command=["builtin:noop"], environment={
                "NOTIFY_SOCKET": manager.path,
                "WATCHDOG_USEC": "200000"}) as gsq:
        manager.wait("READY=1")
        is_true("STATUS=booting: queue starting, 0 of 2 workers"
                in manager.told, "what it was told before", manager.told)
        is_equal(manager.wait("STATUS=running"),
                 "STATUS=running: queue ready, 2 of 2 workers", "status")
        for _ in range(3):
            manager.wait("WATCHDOG=1")
        for name, pid in gsq.pids().items():
            with open("/proc/%d/environ" % pid, "rb") as file:
                variables = file.read()
            is_true(not re.search(rb"NOTIFY_SOCKET|WATCHDOG|LISTEN_",
                                  variables), "environment of " + name)
        kill(gsq.pid, signal.SIGHUP)
        text = manager.wait("RELOADING=1")
        is_true(re.fullmatch(r"RELOADING=1\nMONOTONIC_USEC=\d+", text),
                "as the protocol wants it", text)
        manager.wait("READY=1")
        gsq.qctl("stop", "w2")
        manager.wait("STATUS=running: queue ready, 1 of 2 workers")
        kill(gsq.pid, signal.SIGTERM)
        manager.wait("STOPPING=1")
        is_equal(gsq.wait_exit(), 0, "exit status")


def test_an_abstract_socket_is_told_too():
    name = "gsq-test-%d" % os.getpid()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind("\0" + name)
        listener.settimeout(10 * SLOWNESS)
        with Gsq(workers=0, environment={"NOTIFY_SOCKET": "@" + name}):
            while listener.recv(4096) != b"READY=1":
                pass


def test_a_manager_that_is_not_there_changes_nothing():
    for name in temporary("nobody"), "relative", "/" + "x" * 200:
        with Gsq(workers=1, environment={"NOTIFY_SOCKET": name}) as gsq:
            is_true(gsq.is_running(), name)


def test_a_watchdog_for_another_process_is_not_fed():
    with Manager() as manager, Gsq(workers=0, environment={
            "NOTIFY_SOCKET": manager.path, "WATCHDOG_USEC": "20000",
            "WATCHDOG_PID": "1"}) as gsq:
        manager.wait("STATUS=running")
        kill(gsq.pid, signal.SIGTERM)
        manager.wait("STOPPING=1")
        is_true("WATCHDOG=1" not in manager.told, "told", manager.told)
        gsq.wait_exit()


# ---- LISTEN_FDS ------------------------------------------------------------

# Puts two listening sockets where a manager puts them, and becomes gsq.
GIVER = """
import os, socket, sys
paths, names, arguments = sys.argv[1:3], sys.argv[3], sys.argv[4:]
sockets = []
for path in paths:
    one = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    one.bind(path)
    one.listen(128)
    sockets.append(one)
for number, one in enumerate(sockets):
    fd = os.dup(one.fileno())
    fd = os.dup2(fd, 50 + number)
for number in range(2):
    os.dup2(50 + number, 3 + number, inheritable=True)
for fd in 50, 51:
    os.close(fd)
os.environ.update(LISTEN_FDS="2", LISTEN_PID=str(os.getpid()))
if names:
    os.environ["LISTEN_FDNAMES"] = names
os.execv(arguments[0], arguments)
"""


def test_given_sockets_are_used_and_stay():
    """34: by name or by order; neither bound anew nor unlinked."""
    giver = write_file("giver.py", GIVER)
    for names, order in (("", (0, 1)),
                         ("control.sock:gsq.sock", (1, 0))):
        directory = temporary("given" + names[:3])
        os.mkdir(directory, 0o700)
        paths = [directory + "/" + ("gsq.sock", "control.sock")[place]
                 for place in order]
        gsq = Gsq(binary=script("start" + names[:3],
                                'exec %s %s %s %s "%s" %s "$@"\n' % (
                                    sys.executable, giver, paths[0], paths[1],
                                    names, program("supervisor"))),
                  directory=directory, ready=False, workers=1,
                  command=["builtin:noop"])
        gsq.wait_ready()
        inodes = [os.stat(path).st_ino for path in paths]
        queue = gsq.pid_of("queue")
        (job,) = gsq.enqueue("x")
        is_equal(gsq.wait_job(job), "done", "a job over a given socket")
        kill(queue)
        gsq.wait_new_pid("queue", queue)
        is_true(gsq.log("event=listen given=gsq.sock"), "it is told")
        kill(gsq.pid, signal.SIGTERM)
        is_equal(gsq.wait_exit(), 0, "exit status")
        is_equal([os.stat(path).st_ino for path in paths], inodes, "sockets")


def test_what_is_no_listening_socket_is_refused():
    start = script("start", 'LISTEN_PID=$$ LISTEN_FDS=1 exec %s "$@" '
                   '3</dev/null\n' % program("supervisor"))
    gsq = Gsq(binary=start, ready=False, workers=1)
    is_equal(gsq.wait_exit(), 78, "exit status")
    is_true(gsq.log("LISTEN_FDS"), "it is said")


# ---- a log file ------------------------------------------------------------

def test_the_log_is_a_file_that_is_opened_anew():
    """USR1, after somebody has renamed it: nobody writes to the old one."""
    path = temporary("gsq.log")
    with Gsq("--log", path, workers=2, command=["builtin:noop"],
             ready=False) as gsq:
        wait_until(lambda: "event=running" in read_file(path), "it is written")
        gsq.wait_ready()
        os.rename(path, path + ".1")
        kill(gsq.pid, signal.SIGUSR1)
        wait_until(lambda: "event=log-opened" in read_file(path), "anew")

        def all_write_to_the_new():
            (job,) = gsq.enqueue("x")
            gsq.wait_job(job)
            roles = set(re.findall(r" role=(\S+)", read_file(path)))
            return {"supervisor", "queue"} < roles and roles & {"w1", "w2"}
        wait_until(all_write_to_the_new, "all of them write there")
        size = os.stat(path + ".1").st_size
        pid = gsq.pid_of("w1")
        kill(pid)
        gsq.wait_new_pid("w1", pid)
        (job,) = gsq.enqueue("x")
        gsq.wait_job(job)
        is_equal(os.stat(path + ".1").st_size, size, "size of the old one")
        is_equal(os.stat(path).st_mode & 0o777, 0o640, "mode")
    is_true("event=stopped" in read_file(path), "to the end")


def test_a_log_that_cannot_be_written_is_refused():
    done = run([program("supervisor"), "-d", temporary("d"), "--log",
                temporary("nowhere") + "/log"])
    is_equal(done.returncode, 78, "exit status")
    is_true("No such file" in done.stderr and done.stderr.count("\n") == 1,
            "why", done.stderr)


# ---- little room -----------------------------------------------------------

def test_a_reader_that_sleeps_holds_up_nobody():
    """31: a full pipe as log; restarts happen, and dropped=N is told."""
    reading, writing = os.pipe()
    fcntl.fcntl(writing, 1031, 4096)  # F_SETPIPE_SZ: it is full soon
    gsq = subprocess.Popen(
        [program("supervisor"), "-d", temporary("d"), "-n", "1", "-v",
         "--max-restarts", "inf", "--backoff", "off", "--", "builtin:noop"],
        stdin=subprocess.DEVNULL, stdout=writing, stderr=writing)
    os.close(writing)
    look = Gsq.__new__(Gsq)
    look.process, look.directory = gsq, temporary("d")
    look.socket, look.control = (look.directory + "/" + name for name in (
        "gsq.sock", "control.sock"))
    wait_until(lambda: os.path.exists(look.control), "it listens")
    wait_until(lambda: look.tree()["supervisor"]["state"] == "running", "runs")
    pid = look.pid_of("w1")
    for _ in range(40):
        kill(pid)
        pid = look.wait_new_pid("w1", pid)
    is_equal(look.children()["w1"]["restarts"], 40, "restarts")
    said = []
    reader = threading.Thread(target=lambda: said.append(
        os.fdopen(reading, "rb").read()), daemon=True)
    reader.start()
    kill(gsq.pid, signal.SIGTERM)
    is_equal(gsq.wait(20 * SLOWNESS), 0, "exit status")
    reader.join(10)
    is_true(b"dropped=" in said[0], "what is missing is told")


def test_no_room_for_processes_is_waited_out():
    """22: told once, not counted, and it recovers alone. Root has room for
    any number of processes, so this is somebody else's gsq."""
    starter, user = program("supervisor"), []
    directory = temporary("small")
    os.mkdir(directory, 0o700)
    if os.geteuid() == 0:
        user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
        if run(user + ["test", "-x", starter]).returncode != 0:
            raise Skip("nobody cannot run " + starter)
        starter = script("nobody", 'exec %s %s "$@"\n' % (
            " ".join(user), starter))
        os.chown(directory, 65534, 65534)
        os.chmod(temporary(""), 0o711)
    with Gsq("--max-restarts", "0", binary=starter, directory=directory,
             workers=2, command=["builtin:noop"]) as gsq:
        def room(processes):
            done = run(user + ["prlimit", "--pid", str(gsq.pid), "--nproc=%s:"
                               % processes])
            is_equal((done.returncode, done.stderr), (0, ""), "prlimit")
        (before,) = re.findall(r"Max processes +(\S+)", read_file(
            "/proc/%d/limits" % gsq.pid))
        room(1)
        gsq.control_call("stop_child", id="w1")
        starter = threading.Thread(
            target=lambda: gsq.qctl("start", "w1"), daemon=True)
        starter.start()
        gsq.wait_event("fork-failed", child="w1")
        is_equal(gsq.children()["w1"]["state"], "backoff", "state")
        room(before)
        gsq.wait_ready()
        starter.join()
        is_equal(gsq.tree()["supervisor"]["restarts_in_window"], 0, "counted")
        is_equal(len(gsq.events("fork-failed")), 1, "times told")


def test_a_worker_without_memory_is_restarted_alone():
    """38: and the log says what it may have been."""
    with Gsq("--max-restarts", "inf", workers=2,
             command=["builtin:noop"]) as gsq:
        before, mark = gsq.pids(), gsq.mark()
        kill(before["w1"])  # as the kernel does when memory runs out
        line = gsq.wait_event("exit", after=mark, child="w1")
        is_equal(line["hint"], "perhaps out of memory or kill -9", "hint")
        gsq.wait_new_pid("w1", before["w1"])
        after = gsq.wait_ready()
        is_equal((after["w2"], after["queue"]),
                 (before["w2"], before["queue"]), "the others")


# ---- a container -----------------------------------------------------------

def test_as_the_first_process_of_a_container():
    """PID 1 reaps whatever falls to it, and TERM ends it."""
    needs_root()
    starter = script("container", 'exec unshare --pid --fork --kill-child '
                     '--mount-proc %s "$@"\n' % program("supervisor"))
    if run(["unshare", "--pid", "--fork", "true"]).returncode != 0:
        raise Skip("no namespaces here")
    leave = script("leave", "(setsid sleep 1000 &) ; exit 0\n")
    gsq = Gsq(binary=starter, workers=2, command=[leave])
    inside = [pid for pid in descendants(gsq.pid)
              if process(pid).name == "gsq-supervisor"]
    is_equal(len(inside), 1, "the supervisor of the container")
    pids = gsq.pids()
    is_true(all(pid < 20 for pid in pids.values()), "pids of their own", pids)
    jobs = gsq.enqueue(*"abcdef")
    for job in jobs:
        is_equal(gsq.wait_job(job), "done", "end of a job")
    worker = [pid for pid in descendants(inside[0])
              if process(pid).name == "gsq-worker"][0]
    kill(worker)
    wait_until(lambda: sum(process(pid).name == "gsq-worker" for pid in
                           descendants(inside[0]) if process(pid)) == 2,
               "two workers again")
    wait_until(lambda: not [pid for pid in descendants(inside[0])
                            if process(pid) and process(pid).state == "Z"],
               "no zombie")
    kill(inside[0], signal.SIGTERM)
    is_equal(gsq.wait_exit(), 0, "exit status")
