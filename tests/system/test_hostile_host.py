# SPDX-License-Identifier: MIT
"""Hostile users, files, names and texts on the host: who may connect, which
directories and sockets are trusted, what reaches a handler, a terminal and the
log. Hostile clients at the sockets are in test_hostile.py."""
import json
import os
import pty
import re
import resource
import shutil
import signal
import socket
import stat
import subprocess
import sys
import termios
import threading

import msgpack

from harness import (
    Gsq, Skip, WAIT, descendants, expect_nothing_left, is_alive, is_equal,
    is_true, kill, needs_root, packed, program, read_file, run, script,
    start_helper, temporary, wait_until, write_file)

NOBODY = 65534

# Titles and colours, a cursor, line ends, a forged event, a NUL, what is no
# UTF-8, a C1 control, and marks that turn or hide text.
NASTY = ("\033]0;owned\007\033[2J\033[31m\b\r\nlevel=error role=supervisor "
         "event=exit child=w1 \u009b31m\u202e\u200b\0").encode() + b"\xff\xc3("


# ---- other users -----------------------------------------------------------

# Says what became of the connection, and of each request on it.
STRANGER = r'''
import socket, sys
client = socket.socket(socket.AF_UNIX)
client.settimeout(10)
try:
    client.connect(sys.argv[1])
    try:
        client.sendall(bytes.fromhex(sys.argv[2]))
    except BrokenPipeError:
        pass # who is turned away may still read why
    data = client.recv(65536)
    print("answer " + data.hex() if data else "closed")
except OSError as problem:
    print(type(problem).__name__)
'''


def stranger(path, method="ping", **params):
    """What another user gets: the name of an exception, or an answer."""
    done = run([sys.executable, "-c", STRANGER, path, packed(
        [0, 1, method, [params]]).hex()], user=NOBODY, group=NOBODY,
        extra_groups=[], cwd="/")
    is_equal((done.returncode, done.stderr), (0, ""), "the stranger's end")
    word, _, data = done.stdout.strip().partition(" ")
    return msgpack.unpackb(bytes.fromhex(data)) if data else word


def let_others_in():
    """Others may look for what is in the test's own directory. It is root
    who can become another user."""
    needs_root()
    os.chmod(os.path.dirname(temporary("x")), 0o711)


def test_the_wrong_user_cannot_connect():
    """Neither socket; not even when one of the two modes is open."""
    let_others_in()
    with Gsq(workers=1, command=["builtin:noop"]) as gsq:
        for path in (gsq.socket, gsq.control):
            is_equal(stranger(path), "PermissionError", path)
            os.chmod(path, 0o666)
            is_equal(stranger(path), "PermissionError", path)
            os.chmod(path, 0o600)
        os.chmod(gsq.directory, 0o755)
        for path in (gsq.socket, gsq.control):
            is_equal(stranger(path), "PermissionError", path)
        is_equal(stranger(gsq.directory + "/lock"), "PermissionError", "lock")
        done = run(["ls", gsq.directory + "/store"], user=NOBODY,
                   group=NOBODY, extra_groups=[], cwd="/")
        is_true(done.returncode != 0 and not done.stdout, "the store", done)


def test_the_wrong_user_steers_nothing():
    """Who was let in to enqueue and to work may not cancel, delete, retry or
    touch what is there."""
    let_others_in()
    with Gsq(workers=0) as gsq:
        (job,) = gsq.enqueue("x")
        os.chmod(gsq.directory, 0o755)
        os.chmod(gsq.socket, 0o666)
        is_equal(stranger(gsq.socket, "enqueue", queue="other")[2], None,
                 "an enqueue")
        for method, params in [
                ("cancel", {"id": job}), ("delete", {"id": job}),
                ("retry", {"id": job}), ("touch", {"id": job}),
                ("delete", {"queue": "default"})]:
            answer = stranger(gsq.socket, method, **params)
            is_true(answer[2] is not None and answer[2][0] == 1
                    and answer[2][1].startswith("NOT_PERMITTED: "),
                    "refusal of " + method, answer)
        is_equal(gsq.job(job)["state"], "ready", "it is there")


# Listens, says so, and answers whoever comes.
SQUATTER = r'''
import socket, sys
server = socket.socket(socket.AF_UNIX)
server.bind(sys.argv[1])
server.listen()
print("listens", flush=True)
while True:
    with server.accept()[0] as client:
        try:
            if client.recv(65536):
                client.sendall(bytes.fromhex(sys.argv[2]))
                client.recv(65536)
        except OSError:
            pass # it went before it was answered
'''


def test_a_gsq_of_somebody_else_in_the_usual_place():
    """Whoever was there first would be given the jobs: qctl asks whose it is,
    unless it was told that this one is meant."""
    let_others_in()
    usual = os.path.join(temporary("run"), "gsq")
    os.makedirs(usual)
    os.chown(usual, NOBODY, NOBODY)
    answer = packed([1, 1, None, {"ids": [1], "durability": "sync"}]).hex()
    squatter = start_helper(
        [sys.executable, "-c", SQUATTER, os.path.join(usual, "gsq.sock"),
         answer], user=NOBODY, group=NOBODY, extra_groups=[], cwd="/",
        stdout=subprocess.PIPE, text=True)
    is_true(squatter.stdout.readline(), "it listens")
    environment = {"PATH": os.environ["PATH"],
                   "XDG_RUNTIME_DIR": os.path.dirname(usual)}
    enqueue = [program("qctl"), "enqueue", "mail", "secret"]
    done = run(enqueue, environment=environment)
    is_equal((done.returncode, done.stdout), (77, ""), "the end of qctl")
    is_true("belongs to uid %d" % NOBODY in done.stderr and
            "-s " + usual in done.stderr, "the words", done.stderr)
    for more in ({"GSQ_DIR": usual}, {}):
        said = [] if more else ["-s", usual]
        done = run(enqueue[:1] + said + enqueue[1:],
                   environment={**environment, **more})
        is_equal(done.returncode, 0, "the end of qctl: " + done.stderr)
    squatter.stdout.close()


def test_a_user_without_rights_is_told_so_in_one_line():
    """Of each kind of verb: exit status 77, and who may."""
    let_others_in()
    qctl = shutil.copy(program("qctl"), temporary("qctl"))
    with Gsq(workers=1, command=["builtin:noop"]) as gsq:
        for verb in (["status"], ["enqueue", "q", "x"], ["list"],
                     ["events"], ["shutdown"], ["purge", "q", "--yes"]):
            done = run([qctl, "-s", gsq.directory] + verb, user=NOBODY,
                       group=NOBODY, extra_groups=[], cwd="/")
            is_equal((done.returncode, done.stdout), (77, ""), verb)
            is_equal(len(done.stderr.splitlines()), 1, "lines of stderr")
            is_true("for root and the user that gsq runs as" in done.stderr,
                    "the words", done.stderr)


def test_the_wrong_user_controls_nothing():
    """With every mode wide open the kernel's word about the peer still
    counts: no kill, no restart, no shutdown by another user; it is logged."""
    let_others_in()
    with Gsq(workers=1, command=["builtin:noop"]) as gsq:
        pids, mark = gsq.pids(), gsq.mark()
        os.chmod(gsq.directory, 0o755)
        os.chmod(gsq.control, 0o666)
        for method, params in [
                ("ping", {}), ("tree", {}), ("restart", {"id": "w1"}),
                ("scale", {"workers": 0}), ("shutdown", {}),
                ("kill", {"pid": pids["w1"]})]:
            answer = stranger(gsq.control, method, **params)
            is_equal((answer[0], answer[3]), (1, None), "answer")
            is_true(answer[2][0] == 1
                    and answer[2][1].startswith("NOT_PERMITTED: "),
                    "refusal of " + method, answer)
        lines = gsq.wait_event("refused", after=mark, count=6,
                               socket="control")
        is_equal({line["uid"] for line in lines}, {str(NOBODY)}, "uid")
        is_equal(gsq.pids(), pids, "pids")
        is_equal(gsq.tree()["supervisor"]["state"], "running", "state")


# ---- directories -----------------------------------------------------------

def expect_refused(directory, *words, store=None):
    """A start there ends at once, names what is wrong, and makes nothing."""
    more = ["--store", store] if store else []
    done = run([program("supervisor"), "-d", directory, "-n", "1"] + more)
    is_equal((done.returncode, done.stdout), (78, ""), "exit status, stdout")
    for word in words:
        is_true(word in done.stderr, "%s is named" % word, done.stderr)
    expect_nothing_left(0.5)


def test_a_directory_of_somebody_else_is_refused():
    needs_root()
    os.mkdir(temporary("theirs"), 0o700)
    os.chown(temporary("theirs"), NOBODY, NOBODY)
    expect_refused(temporary("theirs"), temporary("theirs"), str(NOBODY))
    is_equal(os.listdir(temporary("theirs")), [], "what was made")


def test_a_directory_that_is_a_link_is_refused():
    """To a good one, to none, to one that is named with a slash behind."""
    os.mkdir(temporary("real"), 0o700)
    os.symlink("real", temporary("link"))
    os.symlink("missing", temporary("dangling"))
    for name in ("link", "link/", "link//", "dangling"):
        expect_refused(temporary(name), temporary(name.rstrip("/")), "link")
    is_equal(os.listdir(temporary("real")), [], "what was made")
    is_true(not os.path.exists(temporary("missing")), "nothing was made")


def test_a_directory_that_others_may_write_is_refused():
    for number, mode in enumerate((0o777, 0o1777, 0o770, 0o702)):
        path = temporary("open%d" % number)
        os.mkdir(path)
        os.chmod(path, mode)
        expect_refused(path, path, "chmod")
        is_equal(os.listdir(path), [], "what was made")


def test_a_file_in_the_place_of_the_directory_is_refused():
    expect_refused(write_file("file", "text"), "not a directory")
    is_equal(read_file(temporary("file")), "text", "the file")


def test_a_store_that_is_not_ours_is_refused():
    """The same rules as for the directory: a link, and open to others."""
    os.mkdir(temporary("real"), 0o700)
    os.symlink("real", temporary("link"))
    os.mkdir(temporary("open"))
    os.chmod(temporary("open"), 0o777)
    for name in ("link", "open"):
        done = run([program("supervisor"), "-d", temporary("d"), "-n", "1",
                    "--store", temporary(name)])
        is_true(done.returncode in (71, 78), "exit status", done)
        is_true(temporary(name) in done.stderr, "it is named", done.stderr)
        is_equal(os.listdir(temporary("real")), [], "what was made")
        expect_nothing_left(0.5)


# ---- sockets ---------------------------------------------------------------

def is_socket(path):
    return stat.S_ISSOCK(os.lstat(path).st_mode)


def test_links_in_the_place_of_the_sockets_are_not_followed():
    """What they point to is not touched; the sockets take their place."""
    victim = write_file("victim", "precious", 0o640)
    directory = temporary("d")
    os.mkdir(directory, 0o700)
    for name in ("gsq.sock", "control.sock", "gsq.soc~", "control.soc~"):
        os.symlink(victim, directory + "/" + name)
    with Gsq(workers=1, command=["builtin:noop"], directory=directory) as gsq:
        is_true(is_socket(gsq.socket) and is_socket(gsq.control), "sockets")
        is_equal(gsq.call("ping")["pid"], gsq.pid_of("queue"), "ping")
        gsq.qctl("ping")
    is_equal((read_file(victim), os.stat(victim).st_mode & 0o777),
             ("precious", 0o640), "the victim")


def test_a_link_in_the_place_of_the_lock_is_refused():
    victim, directory = write_file("victim", "precious"), temporary("d")
    os.mkdir(directory, 0o700)
    os.symlink(victim, directory + "/lock")
    done = run([program("supervisor"), "-d", directory, "-n", "1"])
    is_true(done.returncode in (71, 78), "exit status", done)
    is_true("lock" in done.stderr, "it is named", done.stderr)
    is_equal(read_file(victim), "precious", "the victim")


def test_a_directory_in_the_place_of_a_socket_is_refused():
    directory = temporary("d")
    os.makedirs(directory + "/gsq.sock")
    os.chmod(directory, 0o700)
    done = run([program("supervisor"), "-d", directory, "-n", "1"])
    is_true(done.returncode in (71, 78), "exit status", done)
    is_true("gsq.sock" in done.stderr, "it is named", done.stderr)
    expect_nothing_left(0.5)


def test_stale_and_squatting_sockets():
    """A socket that nobody serves, and one that somebody else does: the
    holder of the lock puts its own there, and clients reach it."""
    directory = temporary("d")
    os.mkdir(directory, 0o700)
    stale, squatter = [socket.socket(socket.AF_UNIX) for _ in range(2)]
    stale.bind(directory + "/control.sock")
    stale.close()
    squatter.bind(directory + "/gsq.sock")
    squatter.listen()
    squatter.setblocking(False)
    with Gsq(workers=1, command=["builtin:noop"], directory=directory) as gsq:
        (job,) = gsq.enqueue("x")
        is_equal(gsq.wait_job(job), "done", "a job")
        gsq.qctl("tree")
        gsq.kill_supervisor()
    is_true(is_socket(directory + "/gsq.sock"), "now it is stale again")
    with Gsq(workers=1, directory=directory) as gsq:
        gsq.qctl("ping")
    try:
        squatter.accept()
        is_true(False, "somebody connected to the squatter")
    except BlockingIOError:
        squatter.close()


# ---- what reaches a handler ------------------------------------------------

RECORDER = r'''
cat > "$1/$GSQ_JOB_ID.body"
cat /proc/$$/environ > "$1/$GSQ_JOB_ID.environ"
cat /proc/$$/cmdline > "$1/$GSQ_JOB_ID.cmdline"
'''

ALLOWED = {"PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "TZ", "TMPDIR"}


def read_bytes(path):
    with open(path, "rb") as file:
        return file.read()


def expect_clean(gsq, recorded, job, body, words):
    """The handler of a job got its body, its words and its environment, and
    not a thing besides."""
    found = {kind: read_bytes("%s/%d.%s" % (recorded, job, kind))
             for kind in ("body", "environ", "cmdline")}
    is_equal(found["body"], body, "body")
    is_equal(found["cmdline"].split(b"\0")[-len(words) - 1:-1], [
        word.encode() for word in words], "words of the handler")
    variables = dict(row.split("=", 1) for row in os.fsdecode(
        found["environ"]).split("\0") if row)
    own = {"GSQ_JOB_ID": str(job), "GSQ_QUEUE": "default", "GSQ_ATTEMPT": "1",
           "GSQ_PRIORITY": "128", "GSQ_HINTS": "1",
           "GSQ_DIR": gsq.directory, "GSQ_SUPERVISOR": str(gsq.pid)}
    is_equal({name: variables.pop(name, None) for name in own}, own,
             "variables of the job")
    is_true(variables.pop("GSQ_DEADLINE_MS").isdigit(), "its deadline")
    strange = {name for name in variables if name not in ALLOWED
               and not name.startswith("LC_")}
    is_equal(strange, set(), "other variables")


def test_argument_and_environment_injection():
    """Bodies, keys and the environments of clients and of the supervisor: a
    handler gets bytes on its input, and else what the configuration says."""
    recorded, canary = temporary("recorded"), temporary("canary")
    os.mkdir(recorded)
    command = [script("recorder", RECORDER), recorded, "last"]
    hostile = {"LD_PRELOAD": canary, "LD_LIBRARY_PATH": canary, "IFS": "x",
               "BASH_ENV": canary, "ENV": canary, "PYTHONPATH": canary,
               "GSQ_JOB_ID": "../../x", "GSQ_SECRET": "s3cret", "PS4": "x"}
    bodies = [b"; touch %s" % canary.encode(), b"$(touch %s)" % (
        canary.encode()), b"`touch %s`\n" % canary.encode(), b"-rf", b"--",
        b"--help\0-x", b"\0\0", b"LD_PRELOAD=/x\0GSQ_QUEUE=y", b"a\nb\r\n",
        NASTY, b"%s%n%x" * 20, b"../../etc/passwd", b"'\"\\"]
    # The loader of our own programs would take LD_*.
    ours = {name: value for name, value in hostile.items()
            if not name.startswith("LD_")}
    with Gsq(workers=1, command=command, environment=ours) as gsq:
        for body in bodies:
            job = gsq.call("enqueue", queue="default", body=body,
                           env=hostile, command=["touch", canary],
                           argv=["-x"], LD_PRELOAD=canary)["id"]
            is_equal(gsq.wait_job(job), "done", "end of the job")
            expect_clean(gsq, recorded, job, body, command)
        done = run(gsq.qctl_arguments("enqueue", "default", "-"), b"by qctl",
                   environment=dict(os.environ, **ours))
        is_equal(done.returncode, 0, "exit status of qctl")
        is_equal(gsq.wait_job(int(done.stdout)), "done", "end of the job")
        expect_clean(gsq, recorded, int(done.stdout), b"by qctl", command)
        for name in ("a;b", "$(x)", "a b", "-rf;", "a\nb", "a\0b", "../x",
                     "a/b", "\033[2J", "ü", "*", ""):
            answer = gsq.qctl("enqueue", "--", name, "x", status=None) \
                if "\0" not in name else None
            is_true(answer is None or answer.returncode in (1, 64),
                    "the name %r is refused" % name, answer)
    is_true(not os.path.exists(canary), "nothing was executed")


# ---- what reaches a terminal and the log -----------------------------------

# Everything that a terminal obeys or that hides or turns what is shown.
OBEYED = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e"
                    "\u2060-\u206f\ufeff]")
COLOUR = re.compile("\033\\[[0-9;]*[mK]")


def expect_tame(what, data, colours=False):
    """Valid UTF-8, and nothing but visible characters and line ends."""
    text = data.decode()
    if colours:
        text = COLOUR.sub("", text.replace("\r\n", "\n"))
    found = OBEYED.search(text)
    is_true(found is None, "control characters in " + what,
            found and text[max(0, found.start() - 80):found.end() + 20])
    return text


class Terminal:
    """A terminal that remembers what was written to it."""

    def __init__(self):
        self.master, self.slave = pty.openpty()
        mode = termios.tcgetattr(self.slave)
        mode[3] &= ~termios.ECHO
        termios.tcsetattr(self.slave, termios.TCSANOW, mode)
        self.data = b""
        self.reader = threading.Thread(target=self._read)
        self.reader.start()

    def _read(self):
        try:
            while True:
                data = os.read(self.master, 65536)
                if not data:
                    return
                self.data += data
        except OSError:
            pass

    def close(self):
        """What was written, after everybody else has closed it."""
        os.close(self.slave)
        self.reader.join(WAIT)
        os.close(self.master)
        return self.data


def on_terminal(arguments):
    """What a program shows on a terminal, both of its outputs."""
    terminal = Terminal()
    try:
        subprocess.run(arguments, stdin=subprocess.DEVNULL,
                       stdout=terminal.slave, stderr=terminal.slave,
                       timeout=3 * WAIT, env=dict(os.environ, TERM="xterm"))
    finally:
        data = terminal.close()
    return data


def make_nasty(gsq, queue="nasty"):
    """Jobs with nasty bodies and reasons, one in each state."""
    ids = gsq.enqueue(*[NASTY] * 4, queue=queue)
    worker = gsq.client()
    worker.call("subscribe", queue=queue, name="w.1")
    reason = NASTY.decode("latin-1")
    for error in ({"verdict": "dead", "reason": NASTY},
                  {"verdict": "fail", "reason": reason}):
        worker.call("demand", queue=queue, n=1)
        worker.respond(worker.next_job()[0], error)
        worker.call("ping")
    worker.call("demand", queue=queue, n=1)
    worker.next_job()
    is_equal([gsq.job(job)["state"] for job in ids],
             ["dead", "delayed", "running", "ready"], "states")
    return ids, worker


def test_escapes_do_not_reach_the_terminal_through_qctl():
    """Bodies and reasons, in every form, into a pipe and on a terminal."""
    with Gsq("-n", "0") as gsq:
        ids, worker = make_nasty(gsq)
        verbs = [["get", str(job)] for job in ids] + [
            ["list"], ["peek", "nasty"], ["queues"], ["workers"], ["status"]]
        for verb in verbs:
            for form in ("table", "json", "jsonl"):
                arguments = ["-o", form] + verb
                where = "qctl " + " ".join(arguments)
                done = run(gsq.qctl_arguments(*arguments), b"")
                is_equal((done.returncode, done.stderr), (0, b""), where)
                text = expect_tame(where, done.stdout)
                is_true("event=exit" not in text.split("\n"),
                        "no line of its own", text)
                if form == "json":
                    json.loads(text)
                if form == "jsonl":
                    for line in text.splitlines():
                        json.loads(line)
                expect_tame(where + " on a terminal", on_terminal(
                    gsq.qctl_arguments(*arguments)), colours=True)
        worker.close()


def test_escapes_in_events_do_not_reach_the_terminal():
    """As they happen, in every form."""
    with Gsq("-n", "0") as gsq:
        for form in ("table", "json", "jsonl"):
            with open(temporary(form), "wb") as file:
                watcher = start_helper(
                    gsq.qctl_arguments("-o", form, "events"), stdout=file)
            # It is connected before it watches: only a shown event tells.
            wait_until(lambda: gsq.enqueue("first", queue="first")
                       and os.path.getsize(temporary(form)), "it shows")
            make_nasty(gsq, form)[1].close()
            wait_until(lambda: b"returned" in read_bytes(temporary(form)),
                       "it shows the last one")
            kill(watcher.pid, signal.SIGINT)
            watcher.wait(WAIT)
            expect_tame("events as " + form, read_bytes(temporary(form)))


def test_a_false_gsq_cannot_write_to_the_terminal():
    """qctl shows the words of whoever answers, and only shows them."""
    path = temporary("false.sock")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen()
        server.settimeout(WAIT)
        text = NASTY.decode("latin-1")
        for answer in ([1, "BAD_STATE: " + text], text, [1, NASTY], [text],
                       {text: text}):
            def serve():
                with server.accept()[0] as client:
                    client.recv(65536)
                    client.sendall(packed([1, 1, answer, None]))
                    client.recv(65536)
            thread = threading.Thread(target=serve)
            thread.start()
            done = run([program("qctl"), "-s", path, "peek", "q"], b"")
            thread.join()
            is_true(done.returncode != 0, "exit status", done)
            expect_tame("words of a false gsq", done.stdout + done.stderr)
            is_equal(done.stderr.count(b"\n"), 1, "lines")


HANDLER_OF_NASTY = 'cat "$1"\ncat "$1" >&2\nexit 65\n'


def test_escapes_do_not_reach_the_log():
    """Bodies, reasons, method names, what a handler prints: each line of the
    log is one of gsq's, and nobody else's events are in it."""
    with open(temporary("nasty"), "wb") as file:
        file.write(NASTY)
    handler = script("prints", HANDLER_OF_NASTY)
    with Gsq(workers=1, command=[handler, temporary("nasty")]) as gsq:
        (job,) = gsq.enqueue(NASTY)
        is_equal(gsq.wait_job(job), "dead", "end of the job")
        gsq.wait_event("output", count=2, job=job)
        _, worker = make_nasty(gsq)
        with gsq.client() as client:
            client.send((0, 1, NASTY.decode("latin-1"), []))
            client.send((2, NASTY, [{NASTY.decode("latin-1"): NASTY}]))
            client.send((0, 2, "get", [{"id": NASTY}]))
            client.raw(b"\xc1" + NASTY)
            client.read_to_end()
        worker.close()
        gsq.wait_event("returned", queue="nasty")
        for line in gsq.lines:
            expect_tame("the log", line.text.encode())
            is_true(re.match(r"time=\S+ level=\w+ role=\S+ pid=\d+ event=\S+",
                             line.text), "a line of gsq's", line.text)
        is_equal(gsq.events("exit"), [], "forged events")


def test_escapes_do_not_reach_a_terminal_through_the_log():
    """The same, where the log is columns in colour."""
    with open(temporary("nasty"), "wb") as file:
        file.write(NASTY)
    handler, terminal = script("prints", HANDLER_OF_NASTY), Terminal()
    supervisor = start_helper(
        [program("supervisor"), "-v", "-d", temporary("d"), "-n", "1", "--",
         handler, temporary("nasty")], stdin=subprocess.DEVNULL,
        stdout=terminal.slave, stderr=terminal.slave, start_new_session=True,
        env=dict(os.environ, TERM="xterm"))
    qctl = [program("qctl"), "-s", temporary("d/gsq.sock")]
    try:
        wait_until(lambda: run(qctl + ["tree"]).returncode == 0, "it serves")
        done = run(qctl + ["enqueue", "default"], NASTY)
        wait_until(lambda: run(qctl + ["get", done.stdout.decode().strip()])
                   .stdout.count("dead"), "the job is dead")
        wait_until(lambda: terminal.data.count(b"output") >= 2, "it is shown")
    finally:
        kill(supervisor.pid, signal.SIGTERM)
        supervisor.wait(2 * WAIT)
        data = terminal.close()
    is_true(b"\033[3" in data, "in colour")
    text = expect_tame("the log on a terminal", data, colours=True)
    for line in text.splitlines():
        is_true(re.match(r"\d\d:\d\d:\d\d\.\d\d\d (error|warn |info |debug) ",
                         line), "a line of gsq's", line)


# ---- cores -----------------------------------------------------------------

def core_limit(pid):
    for line in read_file("/proc/%d/limits" % pid).splitlines():
        if line.startswith("Max core file size"):
            return line.split()[4:6]
    return None


def test_no_cores_with_the_bodies_of_jobs():
    """Started where cores are written the tree writes none, nor do handlers,
    though either can be told to: a crash leaves no file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    if hard == 0:
        raise Skip("cores are forbidden here already")
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
    folder = temporary("folder")
    os.mkdir(folder)
    handler = script("crashes", 'cd "$1"\ncp /proc/self/limits limits\n'
                     'kill -SEGV $$\n')
    with Gsq(workers=1, command=[handler, folder]) as gsq:
        resource.setrlimit(resource.RLIMIT_CORE, (soft, hard))
        for pid in [gsq.pid] + descendants(gsq.pid):
            now, highest = core_limit(pid)
            is_true(now == "0" and highest != "0", "limits", now, highest)
        (job,) = gsq.enqueue("secret")
        wait_until(lambda: gsq.job(job)["state"] == "delayed", "it crashed")
        is_true("Max core file size        0 " in read_file(
            folder + "/limits"), "limit of a handler")
        is_equal(os.listdir(folder), ["limits"], "files of the crash")
        mark, pid = gsq.mark(), gsq.pid_of("w1")
        kill(pid, signal.SIGSEGV)
        is_equal(gsq.wait_event("exit", after=mark, child="w1")["core"], "no",
                 "core of a worker")
        gsq.wait_new_pid("w1", pid)
        is_true(not is_alive(pid), "the old one is gone")
