# SPDX-License-Identifier: MIT
"""Programs of others: an RPC library, and a worker in twenty lines."""
import os
import subprocess
import sys

from harness import (
    Gsq, ROOT, Refused, Skip, is_equal, is_true, kill, start_helper)

EXAMPLE = os.path.join(ROOT, "examples", "worker.py")


def test_the_example_worker_is_short_and_works():
    """It enqueues its arguments and works them off, next to others."""
    with open(EXAMPLE) as file:
        is_true(len(file.readlines()) <= 20, "at most 20 lines")
    with Gsq("-n", "0") as gsq:
        helper = start_helper(
            [sys.executable, EXAMPLE, "python", "ten", "eleven", "twelve"],
            env=dict(os.environ, GSQ_DIR=gsq.directory),
            stdout=subprocess.PIPE, text=True)
        gsq.wait_lane("python", done=3, demand=1)
        is_equal(len(gsq.enqueue("thirteen", queue="python")), 1, "one more")
        gsq.wait_lane("python", done=4, demand=1)
        (row,) = [row for row in gsq.call("workers")["workers"]
                  if row["queue"] == "python"]
        is_equal((row["supervised"], row["done"]), (False, 4), "its row")
        kill(helper.pid)
        text = helper.communicate()[0]
        for word in ("ten", "eleven", "twelve", "thirteen"):
            is_true(word in text, "it worked " + word, text)
        gsq.wait_lane("python", demand=0, subscribers=0)


def test_the_example_worker_says_why_it_cannot():
    """A name that is refused is told, not worked around."""
    with Gsq("-n", "0") as gsq:
        helper = start_helper(
            [sys.executable, EXAMPLE, "bad name", "x"],
            env=dict(os.environ, GSQ_DIR=gsq.directory),
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        said = helper.communicate(timeout=20)[1]
        is_true(helper.returncode != 0 and "BAD_NAME" in said, "refused", said)


def pynvim_session(path):
    try:
        import pynvim.msgpack_rpc
    except ImportError:
        raise Skip("python3-pynvim is not installed")
    session = pynvim.msgpack_rpc.socket_session(path)
    # What pynvim itself sets for Neovim; without it errors cannot be told.
    session.error_wrapper = lambda error: Refused(error)
    return session


def test_the_rpc_session_of_pynvim_works_unchanged():
    """ping, enqueue, an error, and a worker on an unchanged library."""
    with Gsq("-n", "0") as gsq:
        session = pynvim_session(gsq.socket)
        try:
            is_equal(session.request("ping")["protocol"], 1, "ping")
            answer = session.request(
                "enqueue", {"queue": "editor", "bodies": [b"a", "b"]})
            is_equal(len(answer["ids"]), 2, "ids")
            try:
                session.request("get", {"id": 4711})
                is_true(False, "an unknown job was found")
            except Refused as refused:
                is_equal(refused.name, "NOT_FOUND", "error")
            is_equal(session.request("ping")["pid"], gsq.pid_of("queue"),
                     "ping afterwards")

            worked = []

            def on_request(method, arguments):
                is_equal(method, "job", "method")
                worked.append(arguments[0]["body"])
                if len(worked) == 2:
                    session.stop()
                return None

            session.request("subscribe", {"queue": "editor", "name": "vim"})
            session.request("demand", {"queue": "editor", "n": 2})
            session.run(on_request, lambda method, arguments: None)
            is_equal([bytes(body) if not isinstance(body, str)
                      else body.encode() for body in worked], [b"a", b"b"],
                     "jobs worked")
        finally:
            session.close()


def test_a_foreign_worker_that_leaves_gives_its_job_back():
    """Its connection is all that is known of it: the job comes back at once,
    at the front, as the second attempt."""
    with Gsq("-n", "0") as gsq:
        first, second = gsq.enqueue("one", "two", queue="q")
        with gsq.client() as leaver, gsq.client() as stayer:
            leaver.call("subscribe", queue="q", name="leaver")
            leaver.call("demand", queue="q", n=1)
            _, job = leaver.next_job()
            is_equal((job["id"], job["attempt"], job["body"]),
                     (first, 1, b"one"), "first delivery")
            stayer.call("subscribe", queue="q", name="stayer")
            leaver.close()
            gsq.wait_lane("q", ready=2, running=0)
            stayer.call("demand", queue="q", n=2)
            for expected in ((first, 2), (second, 1)):
                msgid, job = stayer.next_job()
                is_equal((job["id"], job["attempt"]), expected, "delivery")
                stayer.respond(msgid)
            gsq.wait_lane("q", done=2, ready=0, running=0)
            is_equal(gsq.call("stats")["died"], 1, "jobs that came back")


def test_never_more_than_asked():
    """Demand adds up, and not one job more than it is delivered."""
    with Gsq("-n", "0") as gsq:
        gsq.enqueue(*["x"] * 10, queue="q")
        with gsq.client() as worker:
            worker.call("subscribe", queue="q")
            is_true(worker.nothing_comes(0.05), "nothing without demand")
            worker.notify("demand", queue="q", n=2)
            worker.notify("demand", queue="q", n=1)
            got = [worker.next_job() for _ in range(3)]
            is_true(worker.nothing_comes(0.1), "not more than asked")
            for msgid, _ in got:
                worker.respond(msgid)
            is_true(worker.nothing_comes(0.1)
                    or worker.messages[0][1] == "settled",
                    "an answer is no demand", worker.messages)
            is_equal(gsq.wait_lane("q", done=3)["ready"], 7, "ready")


def test_the_verdicts_of_a_worker():
    """fail, retry, dead, release and plain errors do what they say."""
    cases = [
        ({"verdict": "dead", "reason": "no"}, "dead", "rejected", 1),
        ([1, "BROKEN: for good"], "dead", "rejected", 1),
        ({"verdict": "retry", "delay_ms": 60000, "reason": "later"},
         "delayed", None, 0),
        ({"verdict": "fail", "reason": "oops"}, "delayed", None, 1),
        ([0, "MOMENT: later"], "delayed", None, 1),
        ("some text", "delayed", None, 1),
        ({"verdict": "release", "reason": "not me"}, "ready", None, 0),
    ]
    with Gsq("-n", "0") as gsq:
        with gsq.client() as worker:
            worker.call("subscribe", queue="q")
            for error, state, cause, attempt in cases:
                (identity,) = gsq.enqueue("x", queue="q")
                worker.call("demand", queue="q", n=1)
                msgid, job = worker.next_job()
                is_equal(job["id"], identity, "job delivered")
                worker.respond(msgid, error)
                worker.call("ping")
                row = gsq.job(identity)
                is_equal((row["state"], row.get("cause"), row["attempt"]),
                         (state, cause, attempt), "job after %r" % (error,))
            # The fence: an answer that no longer stands changes nothing.
            worker.respond(msgid, None)
            worker.respond(987654, None)
            worker.call("ping")
            is_equal(gsq.job(identity)["state"], "ready", "after the fence")


def test_a_worker_that_reconnects_keeps_its_job():
    """A foreign worker's job comes back with its connection, and what it
    holds is then unknown."""
    with Gsq("-n", "0") as gsq:
        (identity,) = gsq.enqueue("x", queue="q")
        with gsq.client() as first:
            first.call("subscribe", queue="q")
            first.call("demand", queue="q", n=1)
            first.next_job()
        gsq.wait_lane("q", ready=1)
        with gsq.client() as second:
            answer = second.call("subscribe", queue="q", held=[[identity, 1]])
            is_equal((answer["unknown"], answer["pid"]),
                     ([identity], gsq.pid_of("queue")), "answer")
            try:
                second.call("result", job=identity, delivery=1)
                is_true(False, "a stale result was accepted")
            except Refused as refused:
                is_equal(refused.name, "STALE", "stale result")
        is_equal(gsq.job(identity)["state"], "ready", "the job")


def test_a_watcher_that_does_not_read_misses_events_and_is_told():
    """Events come in order, with one gap that says which are missing; the
    queue is not slowed and remembers no more than a bound."""
    count = 50000
    with Gsq("-n", "0", verbose=False) as gsq:
        with gsq.client() as watcher, gsq.client() as producer:
            watcher.call("events", queue="q")
            for first in range(0, count, 1000):
                producer.call("enqueue", queue="q", bodies=[b"x"] * 1000)
            producer.call("enqueue", queue="other", bodies=[b"x"])
            gaps, last = [], 0
            while last < count:
                kind, method, (event,) = watcher.receive()
                is_equal((kind, method), (2, "event"), "an event")
                begins = event.get("from", event["seq"])
                is_equal(begins, last + 1, "none without a word")
                last = event["seq"]
                if event["type"] == "gap":
                    gaps.append((begins, last))
                else:
                    is_equal((event["type"], event["queue"]),
                             ("enqueued", "q"), "event")
            is_equal(len(gaps), 1, "gaps")
            # What is remembered it gets, however late.
            is_true(count - 16384 <= gaps[0][1] < count - 3000,
                    "no more is missing than has to be", gaps)
            is_true(watcher.nothing_comes(0.05), "and nothing more")
