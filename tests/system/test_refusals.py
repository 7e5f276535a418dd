# SPDX-License-Identifier: MIT
"""Every error of the protocol, got from a real gsq, and limits of queues.

The table is common/base/refusal.def: a row without an example here fails, and
so does one that docs/PROTOCOL.md does not tell of."""
import os
import re
import subprocess

from harness import (
    Client, Closed, Gsq, ROOT, Refused, is_equal, is_true, kill, script,
    start_helper, temporary, wait_until)
from test_hostile_host import let_others_in, stranger
from test_supervision import supervisor_with

ROW = re.compile(r'^REFUSAL\((\w+), ([01]), "(.*)"\)$', re.M)

CONFIGURATION = """
max_connections = 40
queue "small" { max_jobs = 2 max_bytes = "100" max_keys = 1 max_body_bytes = "60" }
queue "drained" { }
pool "w" { queue = "slow" command = { "%s" } }
pool "once" { queue = "once" command = { "builtin:noop" } }
supervisor { stop_grace = "20s" }
"""

SLOW = "read -r gate; while [ ! -e \"$gate\" ]; do sleep 0.02; done\n"


def status():
    """While that file is there, no worker can start."""
    return temporary("status")


def rows():
    with open(os.path.join(ROOT, "common/base/refusal.def")) as file:
        return ROW.findall(file.read())


def error_of(gsq, method, **params):
    try:
        gsq.call(method, **params)
    except Refused as refused:
        return refused.error
    raise AssertionError("%s %r was not refused" % (method, params))


def bad_message(gsq):
    with gsq.client() as client:
        client.raw(b"GET / HTTP/1.1\r\n\r\n")
        return client.receive()[2]


def stale(gsq):
    with gsq.client() as client:
        client.call("subscribe", queue="q")
        return error_of_client(client, "result", job=999999, delivery=1)


def error_of_client(client, method, **params):
    try:
        client.call(method, **params)
    except Refused as refused:
        return refused.error
    raise AssertionError("%s was not refused" % method)


def full(gsq):
    for number in range(2):
        gsq.enqueue("x", queue="small")
    return error_of(gsq, "enqueue", queue="small", body=b"x")


def token_reused(gsq):
    gsq.call("enqueue", queue="q", body=b"one", token="t")
    return error_of(gsq, "enqueue", queue="q", body=b"another", token="t")


def draining(gsq):
    gsq.call("drain", queue="drained", on=True)
    return error_of(gsq, "enqueue", queue="drained", body=b"x")


def not_permitted(gsq):
    """It is root who can become somebody else; others find out by the unit
    tests of the rule."""
    if os.geteuid() != 0:
        return [1, "NOT_PERMITTED: not to be had without being root"]
    let_others_in()
    os.chmod(gsq.directory, 0o755)
    os.chmod(gsq.socket, 0o666)
    return stranger(gsq.socket, "cancel", id=1)[2]


def unavailable(gsq):
    """A child that says that it will never start."""
    open(status(), "w").close()
    kill(gsq.pid_of("once-1"))
    wait_until(lambda: gsq.children()["once-1"]["state"] == "failed",
               "it failed")
    with Client(gsq.control) as client:
        error = error_of_client(client, "start_child", id="once-1")
    os.unlink(status())
    return error


def stopping(gsq):
    """A worker ends its job first; meanwhile gsq is stopping."""
    gate = temporary("gate")
    (job,) = gsq.enqueue(gate, queue="slow")
    wait_until(lambda: gsq.job(job)["state"] == "running", "the job runs")
    with Client(gsq.control) as client:
        client.call("shutdown")
        error = error_of_client(client, "scale", workers=1, pool="w")
    open(gate, "w").close()
    return error


EXAMPLES = {
    "BAD_MESSAGE": bad_message,
    "BAD_ARGUMENT": lambda gsq: error_of(gsq, "peek"),
    "BAD_NAME": lambda gsq: error_of(gsq, "peek", queue="a b"),
    "BAD_TIME": lambda gsq: error_of(
        gsq, "enqueue", queue="q", delay_ms=1, at_ms=2000000000000),
    "TOKEN_REUSED": token_reused,
    "NO_METHOD": lambda gsq: error_of(gsq, "fetch"),
    "NOT_FOUND": lambda gsq: error_of(gsq, "get", id=999999),
    "BAD_STATE": lambda gsq: error_of(gsq, "resume", queue="q"),
    "TOO_BIG": lambda gsq: error_of(
        gsq, "enqueue", queue="q", body=b"x" * 1048577),
    "STALE": stale,
    "NOT_PERMITTED": not_permitted,
    "FULL": full,
    "DRAINING": draining,
    "UNAVAILABLE": unavailable,
    "STOPPING": stopping,  # the last one
}


def test_each_row_of_the_table_is_got_from_a_real_gsq():
    handler = script("slow", SLOW)
    table = rows()
    is_true(len(table) > 10, "the table is read", table)
    supervisor = supervisor_with("[ ! -e %s ] || exit 78" % status())
    with Gsq(configuration=CONFIGURATION % handler,
             binary=supervisor) as gsq:
        for name, code, _ in sorted(
                table, key=lambda row: row[0] == "STOPPING"):
            is_true(name in EXAMPLES, "%s has an example here" % name)
            found = EXAMPLES[name](gsq)
            is_equal((found[0], found[1].partition(":")[0]),
                     (int(code), name), "code and name")
            is_true(len(found[1]) > len(name) + 10, "it has words", found)
        is_equal(gsq.wait_exit(), 0, "exit status")
    is_equal(sorted(EXAMPLES), sorted(row[0] for row in table),
             "no example is of a row that is gone")
    with open(os.path.join(ROOT, "docs/PROTOCOL.md")) as file:
        page = file.read()
    for name, code, _ in table:
        is_true("| `%s` | %s | " % (name, code) in page,
                "PROTOCOL.md tells of %s" % name)


# ---- limits ----------------------------------------------------------------

def refusal(client, **params):
    """The error of an enqueue, and what comes with it."""
    msgid = client.request("enqueue", queue="small", **params)
    while True:
        message = client.receive()
        if message[0] == 1 and message[1] == msgid:
            return message[2][1], message[3]


def test_a_queue_takes_what_it_may_have_and_says_when_to_come_again():
    with Gsq(configuration=CONFIGURATION % "true") as gsq, \
            gsq.client() as client:
        is_equal(refusal(client, body=b"x" * 61),
                 ("TOO_BIG: a body of 61 bytes; that queue takes at most 60 "
                  "(max_body_bytes)", None), "a body")
        is_equal(refusal(client, bodies=[b"x"] * 3),
                 ("TOO_BIG: 3 jobs in one request; that queue takes at most 2 "
                  "in all (max_jobs)", None), "a batch")
        first = client.call("enqueue", queue="small", body=b"x" * 50, key="a")
        for params, words in (
                ({"body": b"x" * 51}, "50 bytes of bodies and takes at most "
                 "100 (max_bytes)"),
                ({"body": b"x", "key": "b"}, "1 keys and takes at most 1 "
                 "(max_keys)"),
                ({"bodies": [b"x"] * 2}, "1 jobs and takes at most 2 "
                 "(max_jobs)")):
            text, result = refusal(client, **params)
            is_equal((text, result),
                     ("FULL: that queue has %s; try again in 1s" % words,
                      {"retry_after_ms": 1000}), str(params))
        # One by one, as many as fit.
        answer = client.call("enqueue", queue="small", each=True,
                             bodies=[b"x" * 70, b"1", b"2"])
        is_equal(answer["results"], ["refused", "new", "refused"], "results")
        is_equal(answer["retry_after_ms"], 1000, "the hint")
        is_true(answer["errors"][0][1].startswith("TOO_BIG: a body of 70"),
                "its words", answer)
        is_true(answer["errors"][2][1].startswith("FULL: that queue has 2"),
                "its words", answer)
        # It is the same after a restart, and there is room when one has gone.
        old = gsq.pid_of("queue")
        kill(old)
        gsq.wait_new_pid("queue", old)
        with gsq.client() as again:
            is_true(refusal(again, body=b"")[0].startswith(
                "FULL: that queue has 2 jobs"), "after a restart")
            again.call("cancel", id=first["id"])
            again.call("enqueue", queue="small", body=b"x", key="b")


def test_a_gsq_has_so_many_clients():
    with Gsq(configuration=CONFIGURATION % "true") as gsq:
        here = gsq.call("stats")["connections"] - 1
        clients = [gsq.client() for _ in range(40 - here)]
        for client in clients:
            client.call("ping")
        with gsq.client() as late:
            try:
                message = late.receive()
            except Closed:
                message = None
            is_equal(message, [1, 0, [0, "FULL: too many connections"],
                               {"retry_after_ms": 1000}], "the one too many")
        for client in clients:
            client.close()
        wait_until(lambda: gsq.call("ping")["role"] == "queue", "room again")


# ---- qctl and a full queue -------------------------------------------------

ROOMY = 'queue "small" { max_jobs = 3 }\n'


def test_qctl_says_that_a_queue_is_full():
    with Gsq(configuration=ROOMY) as gsq:
        done = gsq.qctl("enqueue", "small", "a", "b", "c", "d", status=1)
        is_equal(done.stdout, "", "ids")
        is_true("TOO_BIG: 4 jobs in one request" in done.stderr, "its words",
                done.stderr)
        gsq.qctl("enqueue", "small", "a", "b")
        done = gsq.qctl("enqueue", "small", "c", "d", status=75)
        is_true("FULL: that queue has 2 jobs and takes at most 3 (max_jobs); "
                "try again in 1s" in done.stderr, "its words", done.stderr)
        is_equal(gsq.lane("small")["ready"], 2, "jobs")


def test_qctl_waits_for_room():
    """Ten jobs go through a queue for three while a worker takes them, in
    order; and what is taken when the time is over is told."""
    with Gsq(configuration=ROOMY) as gsq, gsq.client() as worker:
        done = gsq.qctl("enqueue", "small", "--lines", "--wait", "--timeout",
                        "200ms", input="1\n2\n3\n4\n5\n", status=124)
        is_equal(done.stdout, "1\n2\n3\n", "ids")
        for words in ("FULL: that queue has 3 jobs", "waiting", "line 4: refused",
                      "3 of 4 lines became jobs", "from line 5 on"):
            is_true(words in done.stderr, words, done.stderr)
        worker.call("subscribe", queue="small", max_demand=10)
        waiting = start_helper(
            gsq.qctl_arguments("enqueue", "small", "--lines", "--wait"),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True)
        waiting.stdin.write("".join("%d\n" % at for at in range(4, 14)))
        waiting.stdin.close()
        worker.notify("demand", queue="small", n=13)
        bodies = []
        for _ in range(13):
            msgid, job = worker.next_job()
            bodies.append(job["body"].decode())
            worker.respond(msgid)
        is_equal(bodies, [str(at) for at in range(1, 14)], "in order")
        is_equal(waiting.stdout.read(),
                 "".join("%d\n" % at for at in range(4, 14)), "ids")
        is_equal(waiting.wait(), 0, "exit status")
        waiting.stdout.close()


def test_qctl_does_not_wait_for_what_will_not_change():
    with Gsq(configuration=ROOMY) as gsq:
        gsq.qctl("drain", "small")
        done = gsq.qctl("enqueue", "small", "--wait", "x", status=75)
        is_true("DRAINING" in done.stderr, "its words", done.stderr)
