# SPDX-License-Identifier: MIT
"""Bad input gets a clear answer, costs no memory, and disturbs nobody."""
import os
import re
import socket
import time

from harness import (
    Client, Gsq, Refused, SANITIZED, WAIT, effects,
    is_equal, is_true, memory_kib, packed, program, run, script, temporary,
    wait_until, write_file)

GROWTH_KIB = 8 * 1024


def start_expecting_failure(arguments, status):
    """Runs a program that must end by itself; what it said on stderr."""
    done = run(arguments, timeout=WAIT)
    is_true(done.returncode == status, "exit status of %s: %d and not %d" % (
        arguments, done.returncode, status), done.stdout, done.stderr)
    is_equal(done.stdout, "", "stdout of a refusal")
    is_true(done.stderr.strip() != "", "something is said on stderr")
    return done.stderr


def test_wrong_flags_get_usage_and_64():
    """Every program, with a flag it does not know and one without value."""
    directory = temporary("d")
    cases = [[name, "--nonsense"]
             for name in ("supervisor", "queue", "worker", "qctl")]
    cases += [["supervisor", "-d", directory, "-n"],
              ["supervisor", "-d", directory, "-n", "many"],
              ["supervisor", "-d", directory, "-n", "-1"],
              ["supervisor", "-d", directory, "-n", "1000000"],
              ["supervisor", "-d", directory, "-n", "3x"],
              ["supervisor", "-d", directory, "-q", "bad name"],
              ["supervisor", "-d", directory, "-q", ""],
              ["supervisor", "-d", directory, "--max-restarts", "some"],
              ["supervisor", "-d", directory, "--backoff", "5s..1s"],
              ["supervisor", "-d", directory, "--backoff", "fast"],
              ["supervisor", "-d", directory, "--max-seconds", "0"],
              ["queue"], ["worker"], ["worker", "--directory", directory],
              ["qctl"], ["qctl", "no-such-verb"],
              ["qctl", "enqueue"], ["qctl", "-o", "xml", "queues"],
              ["qctl", "get"], ["qctl", "get", "seven"],
              ["qctl", "scale", "many"], ["qctl", "wait"],
              ["qctl", "enqueue", "default", "--priority", "900", "x"]]
    for name, *arguments in cases:
        said = start_expecting_failure([program(name)] + arguments, 64)
        is_true(re.search(r"usage|--help", said, re.I) or name == "qctl",
                "usage of %s %s" % (name, arguments), said)
        for word in arguments[-1:]:
            if word.startswith("--nonsense") or word == "no-such-verb":
                is_true(word in said, "the word is named", said)
    is_true(not os.path.exists(directory), "nothing was made")


def test_help_goes_to_stdout_and_version_is_told():
    for name in ("supervisor", "queue", "worker", "qctl"):
        done = run([program(name), "--help"])
        is_equal((done.returncode, done.stderr), (0, ""), name + " --help")
        is_true("Usage" in done.stdout, "usage", done.stdout)
        done = run([program(name), "--version"])
        is_equal((done.returncode, done.stderr), (0, ""), name + " --version")
        is_true(re.search(r"\d+\.\d+", done.stdout), "version", done.stdout)


def test_typos_in_the_configuration_are_named_by_file_and_line():
    """file:line: what, exit 78, and nothing is started."""
    cases = [
        ("supervisor {\n    max_restart = 3\n}\n", 2, "max_restart"),
        ("# fine\nqueue \"a\" {\n    max_attempts = many\n}\n", 3,
         "max_attempts|many"),
        ("pool \"p\" {\n  workers = 2\n  command = \"x\n", None, ""),
        ("\n\npool \"p p\" {\n}\n", None, "p p"),
        ("queue \"a\" {\n  max_attempts = 0\n}\n", 2, "max_attempts"),
        ("queue \"a\" {\n  retry_base = \"soon\"\n}\n", 2, "retry_base"),
        ("supervisor {\n  backoff = \"5s..1s\"\n}\n", 2, "backoff"),
        ("pool \"p\" {\n  workers = -3\n}\n", 2, "workers"),
        ("nonsense\n", 1, "nonsense"),
    ]
    for text, line, word in cases:
        path = write_file("bad.conf", text)
        said = start_expecting_failure(
            [program("supervisor"), "-d", temporary("d"), "-c", path], 78)
        place = r"%s:%s: .*" % (re.escape(path), r"\d+" if line is None
                                else line)
        is_true(re.search(place, said), "file and line of %r" % text, said)
        is_true(re.search(place + "(%s)" % word, said),
                "what is wrong with %r" % text, said)
    said = start_expecting_failure(
        [program("supervisor"), "-d", temporary("d"), "-c",
         temporary("missing.conf")], 78)
    is_true("missing.conf" in said, "the missing file is named", said)


# ---- frames ----------------------------------------------------------------

PING = packed([0, 7, "ping", []])
DEEP = b"\x94\x00\x07\xa4ping" + b"\x91" * 100
BAD_FRAMES = [
    ("text", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
    ("a byte that is never used", b"\xc1"),
    ("such a byte inside", b"\x94\x00\x07\xa4ping\x91\xc1"),
    ("too deep", DEEP),
    ("array of 2^32", b"\xdd\xff\xff\xff\xff"),
    ("map of 2^32", b"\xdf\xff\xff\xff\xff"),
    ("bin of 2^32", b"\xc6\xff\xff\xff\xff"),
    ("text of 2^32", b"\xdb\xff\xff\xff\xff"),
    ("ext of 2^32", b"\xc9\xff\xff\xff\xff\x01"),
    ("array of 2^28 inside", b"\x94\x00\x07\xa4ping\xdd\x10\x00\x00\x00"),
    ("bin over 4 MiB", b"\xc6\x00\x50\x00\x00" + b"x" * 1024),
    ("no envelope", packed({"a": 1})),
    ("empty array", b"\x90"),
    ("kind that does not exist", packed([9, 1, "ping", []])),
    ("request too short", packed([0, 1, "ping"])),
    ("request too long", packed([0, 1, "ping", [], 5])),
    ("method that is no text", packed([0, 1, 17, []])),
    ("params that are no array", packed([0, 1, "ping", 5])),
    ("msgid that is negative", packed([0, -1, "ping", []])),
    ("msgid that is text", packed([0, "1", "ping", []])),
    ("response to nothing in a wrong shape", packed([1, 5])),
]


def expect_bad_message(gsq, path, what, data):
    """Sends bad bytes: an error, the end of the connection, a log line."""
    mark = gsq.mark()
    with Client(path) as client:
        client.raw(data)
        messages = client.read_to_end(WAIT)
        is_equal(len(messages), 1, "answers to " + what)
        kind, _, error, result = messages[0]
        is_equal((kind, result), (1, None), "answer to " + what)
        is_true(isinstance(error, list) and error[0] == 1
                and re.match(r"BAD_(MESSAGE|ARGUMENT): .+", error[1]),
                "error for " + what, error)
    gsq.wait_log(r"level=warn|level=error|bad|BAD", after=mark)


def test_bad_frames_cost_nothing_and_disturb_nobody():
    """Answer, close, log line, no memory; a neighbour is served throughout."""
    with Gsq(workers=1, command=["builtin:noop"]) as gsq:
        queue = gsq.pid_of("queue")
        with gsq.client() as neighbour:
            neighbour.call("ping")
            for what, data in BAD_FRAMES:
                before = memory_kib(queue)
                expect_bad_message(gsq, gsq.socket, what, data)
                grown = memory_kib(queue) - before
                is_true(SANITIZED or grown < GROWTH_KIB,
                        "%s made the queue grow by %d KiB" % (what, grown))
                is_equal(neighbour.call("ping")["pid"], queue, "neighbour")
        is_equal(gsq.pid_of("queue"), queue, "pid of the queue")
        is_equal(gsq.children()["queue"]["restarts"], 0, "restarts")


def test_bad_frames_at_the_control_socket():
    """The supervisor is as robust as the queue."""
    with Gsq(workers=1, command=["builtin:noop"]) as gsq:
        pids = gsq.pids()
        with Client(gsq.control) as neighbour:
            for what, data in BAD_FRAMES:
                before = memory_kib(gsq.pid)
                expect_bad_message(gsq, gsq.control, what, data)
                grown = memory_kib(gsq.pid) - before
                is_true(SANITIZED or grown < GROWTH_KIB,
                        "%s made it grow by %d KiB" % (what, grown))
                is_equal(neighbour.call("ping")["pid"], gsq.pid, "neighbour")
        is_equal(gsq.pids(), pids, "pids")


def test_a_message_over_four_mebibytes_is_refused():
    """Many bodies that are each small enough; and the queue lives on."""
    with Gsq(workers=1, command=["builtin:noop"]) as gsq:
        queue = gsq.pid_of("queue")
        before = memory_kib(queue)
        data = packed([0, 1, "enqueue", [{
            "queue": "default", "bodies": [b"x" * 1000000] * 6}]])
        with gsq.client() as client:
            try:
                client.raw(data)
            except (BrokenPipeError, ConnectionResetError):
                pass
            messages = client.read_to_end()
            is_true(messages and messages[-1][2][1].startswith("BAD_MESSAGE"),
                    "refused", messages)
        grown = memory_kib(queue) - before
        is_true(SANITIZED or grown < GROWTH_KIB, "grown by %d KiB" % grown)
        is_equal((gsq.lane("default") or {"enqueued": 0})["enqueued"], 0,
                 "jobs of a refused message")
        is_equal(gsq.pid_of("queue"), queue, "pid of the queue")


def test_one_byte_at_a_time_is_a_valid_message():
    with Gsq(workers=1, command=["builtin:noop"]) as gsq:
        with gsq.client() as client:
            data = packed([0, 1 << 40, "enqueue", [{
                "queue": "default", "body": b"slow", "unknown": [1, {}]}]])
            for number in range(len(data)):
                client.raw(data[number:number + 1])
            job = client.answer(1 << 40)["id"]
        is_equal(gsq.wait_job(job), "done", "end of the job")


def test_half_a_frame_holds_nobody_up():
    """A slow client is waited for; the others are served meanwhile."""
    with Gsq(workers=1, command=["builtin:noop"]) as gsq:
        with gsq.client() as slow, gsq.client() as other:
            slow.raw(PING[:5])
            for _ in range(20):
                other.call("ping")
            is_true(slow.nothing_comes(0.05), "no answer to half a request")
            slow.raw(PING[5:])
            is_equal(slow.answer(7)["pid"], gsq.pid_of("queue"), "answer")
        with gsq.client() as leaver:
            leaver.raw(PING[:5])
        is_equal(gsq.call("ping")["role"], "queue", "afterwards")


def test_half_close_still_gets_the_answers():
    """A client that only shuts its writing side is answered."""
    with Gsq(workers=1, command=["builtin:noop"]) as gsq:
        with gsq.client() as client:
            client.raw(PING * 50)
            client.socket.shutdown(socket.SHUT_WR)
            is_equal(len(client.read_to_end()), 50, "answers")


def test_unknown_methods_do_not_close_the_connection():
    with Gsq(workers=1, command=["builtin:noop"]) as gsq:
        for path in (gsq.socket, gsq.control):
            with Client(path) as client:
                client.notify("no_such_thing", a=1)
                client.send((2, b"nvim_set_client_info", [1, 2, {}, {}, {}]))
                for method in ("no_such_thing", "", "x" * 300, "job",
                               "settled"):
                    try:
                        client.call(method)
                        is_true(False, "%s was accepted" % method)
                    except Refused as refused:
                        is_equal((refused.name, refused.code),
                                 ("NO_METHOD", 1), "error for " + method)
                client.send((0, 99, b"ping", []))
                is_true(client.answer(99)["protocol"] == 1, "ping as bin")


def test_bad_arguments_are_named():
    """Every refusal has its name, and the connection stays."""
    big = b"x" * ((1 << 20) + 1)
    cases = [
        ("enqueue", {}, "BAD_ARGUMENT"),
        ("enqueue", {"queue": 5, "body": b"x"}, "BAD_ARGUMENT|BAD_NAME"),
        ("enqueue", {"queue": "", "body": b"x"}, "BAD_NAME"),
        ("enqueue", {"queue": "a b", "body": b"x"}, "BAD_NAME"),
        ("enqueue", {"queue": "a/../b", "body": b"x"}, "BAD_NAME"),
        ("enqueue", {"queue": "q" * 65, "body": b"x"}, "BAD_NAME"),
        ("enqueue", {"queue": "a", "body": 5}, "BAD_ARGUMENT"),
        ("enqueue", {"queue": "a", "body": big}, "TOO_BIG"),
        ("enqueue", {"queue": "a", "bodies": b"x"}, "BAD_ARGUMENT"),
        ("enqueue", {"queue": "a", "bodies": [b"x", 5]}, "BAD_ARGUMENT"),
        ("enqueue", {"queue": "a", "bodies": [b"x", big]}, "TOO_BIG"),
        ("enqueue", {"queue": "a", "bodies": [b""] * 10001}, "TOO_BIG"),
        ("enqueue", {"queue": "a", "body": b"x", "priority": 256},
         "BAD_ARGUMENT"),
        ("enqueue", {"queue": "a", "body": b"x", "priority": -1},
         "BAD_ARGUMENT"),
        ("enqueue", {"queue": "a", "body": b"x", "priority": 1.5},
         "BAD_ARGUMENT"),
        ("enqueue", {"queue": "a", "body": b"x", "priority": "high"},
         "BAD_ARGUMENT"),
        ("get", {}, "BAD_ARGUMENT"),
        ("get", {"id": 0}, "BAD_ARGUMENT"),
        ("get", {"id": "7"}, "BAD_ARGUMENT"),
        ("get", {"id": 1 << 63}, "BAD_ARGUMENT"),
        ("get", {"id": 4711}, "NOT_FOUND"),
        ("peek", {"queue": "nowhere"}, "NOT_FOUND"),
        ("list", {"limit": 5000}, "BAD_ARGUMENT"),
        ("list", {"state": "sleepy"}, "BAD_ARGUMENT"),
        ("wait", {}, "BAD_ARGUMENT"),
        ("demand", {"queue": "a", "n": 1}, "BAD_STATE"),
        ("demand", {"queue": "a", "n": 0}, "BAD_ARGUMENT"),
        ("demand", {"queue": "a", "n": 1000000}, "BAD_ARGUMENT"),
        ("subscribe", {"queue": "a", "max_demand": 0}, "BAD_ARGUMENT"),
        ("subscribe", {"queue": "a", "held": 5}, "BAD_ARGUMENT"),
        ("subscribe", {"queue": "a", "held": [[1]]}, "BAD_ARGUMENT"),
        ("result", {"job": 4711, "delivery": 1}, "STALE|NOT_FOUND"),
    ]
    with Gsq(workers=1, command=["builtin:noop"]) as gsq:
        with gsq.client() as client:
            for method, params, name in cases:
                try:
                    client.call(method, **params)
                    is_true(False, "%s %s was accepted" % (
                        method, str(params)[:80]))
                except Refused as refused:
                    is_true(re.fullmatch(name, refused.name or ""),
                            "%s %s: %s and not %s" % (
                                method, str(params)[:80], refused, name))
                    is_equal(refused.code, 1, "code")
                    is_true(len(refused.text) > len(refused.name) + 3,
                            "words behind the name", refused)
            # Params that are neither [] nor [{...}].
            for params in ([{}, {}], [5], [None]):
                client.send((0, 201, "ping", params))
                try:
                    client.answer(201)
                    is_true(False, "params %s were accepted" % params)
                except Refused as refused:
                    is_equal(refused.name, "BAD_ARGUMENT", "odd params")
            # A key that stands twice.
            client.raw(b"\x94\x00\xcc\xc8\xa3get\x91\x82\xa2id\x01\xa2id\x02")
            try:
                client.answer(200)
                is_true(False, "a key twice was accepted")
            except Refused as refused:
                is_equal(refused.name, "BAD_ARGUMENT", "a key twice")
            is_equal(gsq.lane("a"), None, "no queue was made by refusals")
            # What is generously accepted.
            result = client.call("enqueue", queue="a", body="text",
                                 priority=5.0, other={"x": [1]})
            job = client.call("get", id=float(result["id"]))
            is_equal((job["priority"], job["body"]), (5, b"text"), "job")
            client.call("subscribe", queue="b")
            try:
                client.call("subscribe", queue="b")
                is_true(False, "a second subscribe was accepted")
            except Refused as refused:
                is_equal(refused.name, "BAD_STATE", "second subscribe")
        with Client(gsq.control) as client:
            for method, params, name in [
                    ("restart", {"id": "w99"}, "NOT_FOUND"),
                    ("restart", {}, "BAD_ARGUMENT"),
                    ("scale", {}, "BAD_ARGUMENT"),
                    ("scale", {"workers": -1}, "BAD_ARGUMENT"),
                    ("scale", {"workers": 100000}, "BAD_ARGUMENT"),
                    ("scale", {"workers": 1, "pool": "none"}, "NOT_FOUND"),
                    ("enqueue", {"queue": "a"}, "NO_METHOD")]:
                try:
                    client.call(method, **params)
                    is_true(False, "%s %s was accepted" % (method, params))
                except Refused as refused:
                    is_equal(refused.name, name, "%s %s" % (method, params))


def test_qctl_without_a_supervisor():
    """One line with the hint how to start it, exit 69."""
    for verb in (["queues"], ["ping"], ["tree"], ["shutdown"],
                 ["enqueue", "default", "x"], ["wait", "1"]):
        done = run([program("qctl"), "-s", temporary("none/gsq.sock")] + verb)
        is_equal(done.returncode, 69, "exit status of %s" % verb)
        is_equal(done.stdout, "", "stdout")
        is_equal(len(done.stderr.splitlines()), 1, "lines on stderr")
        is_true("supervisor" in done.stderr, "the hint", done.stderr)


def test_qctl_with_a_path_that_is_too_long():
    done = run([program("qctl"), "-s", "/" + "x" * 200, "queues"])
    is_true(done.returncode in (64, 69), "exit status", done)
    is_equal(len(done.stderr.splitlines()), 1, "lines on stderr")


def test_a_command_that_does_not_exist():
    """The worker says so once, jobs go back uncounted, the pool shows
    unhealthy, nothing loops; and when the command appears, all is well."""
    handler, result = temporary("handler"), temporary("result")
    with Gsq(workers=2, command=[handler, result]) as gsq:
        pids = gsq.pids()
        jobs = gsq.enqueue("a", "b", "c")
        wait_until(lambda: all(
            not child["healthy"] for child in gsq.children().values()
            if child["role"] == "worker"), "both workers are unhealthy")
        for child in gsq.children().values():
            if child["role"] == "worker":
                is_true(handler in child.get("unhealthy_reason", ""),
                        "the reason names the command", child)
        # Long enough for some attempts, were there a loop.
        settled = time.monotonic() + 2
        while time.monotonic() < settled:
            is_equal(gsq.pids(), pids, "pids")
            time.sleep(0.1)
        for name in ("w1", "w2"):
            said = [line.text for line in gsq.log(re.escape(handler))
                    if line.get("role") == name
                    and line.get("level") in ("warning", "warn", "error")]
            is_equal(len(said), 1, "how often %s said so" % name)
            is_equal(gsq.children()[name]["restarts"], 0, "restarts")
        for job in jobs:
            row = gsq.job(job)
            is_true(row["attempt"] <= 1 and row["state"] != "dead",
                    "uncounted", row)
        is_true(len(gsq.events("deliver")) < 40, "no loop of deliveries",
                len(gsq.events("deliver")))
        for verb in ("tree", "status"):
            is_true("unhealthy" in gsq.qctl(verb).stdout,
                    "qctl %s says so" % verb)
        script("handler",
               'echo "$GSQ_JOB_ID $GSQ_ATTEMPT $PPID -" >> "$1"\n')
        for job in jobs:
            is_equal(gsq.wait_job(job, 60), "done", "end of the job")
        is_equal(sorted((run.job, run.attempt) for run in effects(result)),
                 [(job, 1) for job in jobs], "runs")
        wait_until(lambda: all(child["healthy"] for child
                               in gsq.children().values()),
                   "the workers are healthy again")
        is_equal(gsq.pids(), pids, "pids at the end")


def test_a_command_that_may_not_be_executed():
    """Without the right to execute it is as if it did not exist."""
    handler = write_file("handler", "#!/bin/sh\nexit 0\n", 0o644)
    with Gsq(workers=1, command=[handler]) as gsq:
        (job,) = gsq.enqueue("a")
        wait_until(lambda: not gsq.children()["w1"]["healthy"], "unhealthy")
        os.chmod(handler, 0o755)
        is_equal(gsq.wait_job(job, 60), "done", "end of the job")
        is_equal(gsq.children()["w1"]["restarts"], 0, "restarts")
