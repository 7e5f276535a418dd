# SPDX-License-Identifier: MIT
"""Hostile clients at the sockets: whatever they send, or do not, others are
served, gsq keeps to its memory, and nothing that was accepted is lost. What
hostile users, files and texts can do is in test_hostile_host.py."""
import fcntl
import os
import resource
import socket
import struct
import termios
import time

import msgpack

from harness import (
    Client, Closed, Gsq, Refused, SANITIZED, Skip, is_equal, is_true, kill,
    limit, program, script, wait_until)
from hostile import (
    ANSWERS_KIB, MESSAGE_KIB, READ_KIB, Yardstick, peak_kib, resident_kib)

CONNECTIONS_MAX = 16384
CONTROL_CLIENTS_MAX = 64

# Some slack for what the allocator does with small things.
SLACK_KIB = 2048

CONFIGURATION = 'queue "good" { durability = "memory" }\n' \
    'queue "full" { durability = "memory" }\n'


class Target:
    """A gsq, and a client of it that behaves well: each second round trip is
    a job, so that it notices what is lost as well as what is late."""

    def __init__(self, *options, workers=0, **more):
        self.gsq = Gsq(*options, workers=workers, command=["builtin:noop"],
                       configuration=CONFIGURATION, verbose=False, **more)
        self.pids = self.gsq.pids()
        self.queue = self.pids["queue"]
        self.client = self.gsq.client()
        self.rounds = self.jobs = 0

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind is None:
            self.expect_unharmed()
        self.client.close()
        self.gsq.__exit__(kind, value, trace)

    def round_trip(self):
        self.rounds += 1
        if self.rounds % 2:
            self.client.call("ping")
        else:
            self.client.call("enqueue", queue="good", body=b"good")
            self.jobs += 1

    def yardstick(self):
        return Yardstick(self.queue, self.round_trip, lambda: self.jobs)

    def withstands(self, attack, budget_kib, least, **more):
        return self.yardstick().withstands(
            attack, self.gsq.socket, budget_kib + SLACK_KIB, least, **more)

    def expect_unharmed(self):
        """Everybody lives, everything is there, the attackers are gone."""
        is_equal(self.gsq.pids(), self.pids, "pids")
        if self.jobs:
            is_equal(self.gsq.lane("good")["ready"], self.jobs, "its jobs")
        wait_until(lambda: self.gsq.call("stats")["connections"] <= 2 + len(
            self.pids), "the queue has noticed that they left")


def test_header_bombs():
    """2^32 elements and bytes, at the top and inside: refused at once."""
    with Target() as target:
        target.withstands("header_bombs", 0, 100)


def test_deep_nesting():
    """17 levels, 100, 60,000: refused at the first that is too deep."""
    with Target() as target:
        target.withstands("deep_nesting", 0, 100)


def test_half_frames_that_stay_open():
    """16 messages of 4 MiB whose last byte never comes: they cost what was
    sent of them, and what they had is free for the next 16."""
    with Target() as target:
        yardstick = target.yardstick()
        for _ in range(2):
            yardstick.withstands("half_frames", target.gsq.socket,
                                 16 * MESSAGE_KIB + SLACK_KIB, 16, seconds=1)
        is_equal(target.gsq.lane("half"), None, "jobs of half messages")


def test_promises_that_stay_open_cost_nothing():
    """A megabyte promised and 100 bytes of it sent, by 200 clients."""
    with Target() as target:
        yardstick = target.yardstick()
        clients = [target.gsq.client() for _ in range(200)]
        for client in clients:
            client.raw(b"\x94\x00\x01\xa7enqueue\x91\x82\xa5queue\xa1a\xa4body"
                       b"\xc6\x00\x10\x00\x00" + b"x" * 100)
        wait_until(lambda: target.gsq.call("stats")["connections"] > 200,
                   "all are connected")
        attacked_ms = yardstick.watch(lambda: True)
        yardstick.judge("200 promises", attacked_ms, 200 * 8)
        for client in clients:
            client.close()


@limit(90)
def test_one_byte_per_second():
    """200 slow ones hold nobody up, and are answered in the end."""
    with Target() as target:
        is_equal(target.withstands("slow_bytes", 200 * 8, 200, seconds=4),
                 200, "answers to the slow ones")


def fill(target):
    """A thousand jobs, so that a list is long; and one of a megabyte."""
    target.gsq.enqueue(*["x" * 64] * 1000, queue="full")
    target.gsq.enqueue(b"x" * (1 << 20), queue="big")


def test_a_client_that_never_reads():
    """Its answers pile up to a bound; then it is not read from either."""
    with Target() as target:
        fill(target)
        sent = target.withstands(
            "never_reads", 8 * (ANSWERS_KIB + READ_KIB), 1)
        is_true(sent < 8 * 64, "they are not read for ever", sent)


def test_a_client_that_never_reads_its_bodies():
    """The last answer may be a megabyte more than the bound."""
    with Target() as target:
        fill(target)
        sent = target.withstands(
            "never_reads_bodies", 8 * (ANSWERS_KIB + 1024 + READ_KIB), 1)
        is_true(sent < 8 * 64, "they are not read for ever", sent)


BOUND = 'max_output_bytes = %s\nqueue "big" { durability = "memory" }\n'
ASKERS, ASKED, BODY_KIB = 8, 300, 100


def asking(gsq):
    """Clients that have asked for 30 MB each and read nothing so far; all of
    their questions are with the queue, and others are served meanwhile."""
    ask = msgpack.packb([0, 1, "peek", [{"queue": "big"}]])
    gsq.enqueue(b"x" * (BODY_KIB << 10), queue="big")
    before_kib = resident_kib(gsq.pids()["queue"])
    clients = [gsq.client() for _ in range(ASKERS)]
    for client in clients:
        client.raw(ask * ASKED)
    for client in clients:
        wait_until(lambda: unread(client.socket) == 0, "they are read")
    with gsq.client() as other:
        for _ in range(100):
            other.call("ping")
    return clients, before_kib


def unread(sock):
    """What the other side has not taken yet, and then 0."""
    return struct.unpack("i", fcntl.ioctl(sock, termios.TIOCOUTQ, b"    "))[0]


def read_all(client):
    for _ in range(ASKED):
        is_equal(len(client.receive()[3]["body"]), BODY_KIB << 10, "body")


@limit(90)
def test_a_client_that_never_reads_has_the_bound_of_the_configuration():
    """With 64 KiB eight such cost less than a megabyte each, at any time, and
    get what they asked for in the end; with 8 MiB they cost that."""
    with Gsq(configuration=BOUND % "64KiB", verbose=False) as gsq:
        queue = gsq.pids()["queue"]
        clients, before_kib = asking(gsq)
        for client in clients:
            read_all(client)
            client.close()
        budget_kib = before_kib + SLACK_KIB + ASKERS * (
            2 * (64 + BODY_KIB) + READ_KIB)
        most_kib = peak_kib(queue)
        print("64 KiB: before %d, at most %d, budget %d KiB" % (
            before_kib, most_kib, budget_kib))
        is_true(SANITIZED or most_kib <= 1.1 * budget_kib,
                "resident at most", (most_kib, budget_kib))
    with Gsq(configuration=BOUND % "8MiB", verbose=False) as gsq:
        queue = gsq.pids()["queue"]
        clients, before_kib = asking(gsq)
        wait_until(lambda: resident_kib(queue) - before_kib >=
                   ASKERS * 8 * 1024, "8 MiB wait for each")
        read_all(clients[0])
        for client in clients:
            client.close()


def test_floods_of_small_requests():
    """Each connection has its turn, and no more than its turn."""
    with Target() as target:
        target.withstands("flood", 8 * (ANSWERS_KIB + READ_KIB), 5)


def test_floods_of_searches():
    """Requests of 27 bytes that each look at 20,000 jobs are small floods
    too: what counts is how long they keep the queue."""
    with Target() as target:
        for _ in range(3):
            target.gsq.enqueue(*[b""] * 10000, queue="full")
        target.withstands("flood_of_searches", 8 * READ_KIB, 1)


def test_floods_of_replays():
    """Requests of 26 bytes that are each answered with a megabyte of what
    happened."""
    with Target() as target:
        for _ in range(2):
            target.gsq.enqueue(*[b""] * 10000, queue="full")
        target.withstands("flood_of_replays",
                          8 * (ANSWERS_KIB + READ_KIB), 0)


def test_floods_of_refusals():
    """Unknown methods and wrong arguments, each answered."""
    with Target() as target:
        target.withstands("flood_of_refusals",
                          8 * (ANSWERS_KIB + READ_KIB), 5)


def test_floods_of_pointless_messages():
    """Results of nothing and unknown notifications, which have no answer."""
    with Target() as target:
        target.withstands("flood_of_notifications", 8 * READ_KIB, 5)
        is_equal(target.gsq.lane("a"), None, "no queue was made")
        # A log can be flooded too.
        lines = target.gsq.log("event=stale")
        is_true(0 < len(lines) <= 100 * 12, "lines of it", len(lines))
        target.gsq.wait_event("left-out", of="stale")


def test_floods_of_elements():
    """A quarter of a million objects in each message, one message at a time
    is decoded."""
    with Target() as target:
        target.withstands("flood_of_elements", 2 * 512 + 8 * 1024, 10)


def test_connections_that_come_and_go():
    with Target() as target:
        target.withstands("churn", 0, 500)


def test_everything_at_once():
    """Bombs, silence, floods and half frames: the budget is the sum."""
    with Target() as target:
        fill(target)
        target.withstands(
            "header_bombs never_reads flood half_frames",
            16 * (ANSWERS_KIB + READ_KIB) + 16 * MESSAGE_KIB, 5)


# ---- connections and descriptors -------------------------------------------

def raise_descriptors(wanted):
    """Enough for us and for the queue, or a skip that says so."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < wanted:
        raise Skip("needs %d descriptors, the limit is %d" % (wanted, hard))
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))


def open_idle(path, count):
    clients = []
    for _ in range(count):
        clients.append(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        # Waits where the door is crowded: with a time limit it would not.
        clients[-1].connect(path)
        clients[-1].settimeout(30)
    return clients


def expect_full(path):
    """A new client is told so, at once, and let go."""
    with Client(path) as client:
        (answer,) = client.read_to_end()
        is_equal((answer[0], answer[1], answer[3]),
                 (1, 0, {"retry_after_ms": 1000}), "answer")
        is_true(answer[2][0] == 0 and answer[2][1].startswith("FULL: "),
                "it says FULL", answer)


@limit(120)
def test_ten_thousand_idle_connections():
    """They cost 2 KiB each and nobody's time."""
    with Target() as target:
        raise_descriptors(10200)
        yardstick = target.yardstick()
        clients = open_idle(target.gsq.socket, 10000)
        wait_until(lambda: target.gsq.call("stats")["connections"] > 10000,
                   "all are connected")
        attacked_ms = yardstick.watch(lambda: True)
        yardstick.judge("10,000 idle", attacked_ms, 10000 * 2)
        for client in clients:
            client.close()


@limit(120)
def test_more_connections_than_there_may_be():
    """The one too many gets FULL; when one leaves, the next is served."""
    with Target() as target:
        raise_descriptors(CONNECTIONS_MAX + 200)
        here = target.gsq.call("stats")["connections"] - 1
        clients = open_idle(target.gsq.socket, CONNECTIONS_MAX - here)
        expect_full(target.gsq.socket)
        target.gsq.wait_log("event=connections-full")
        is_equal(target.gsq.qctl("ping", status=75).stdout, "", "qctl's")
        target.round_trip()
        clients.pop().close()
        wait_until(lambda: is_served(target.gsq.socket), "there is room again")
        for client in clients:
            client.close()


def is_served(path):
    try:
        with Client(path) as client:
            return client.call("ping")
    except (Closed, AssertionError, BrokenPipeError, ConnectionResetError):
        return None


def cpu_ticks(pid):
    with open("/proc/%d/stat" % pid) as file:
        return sum(map(int, file.read().rpartition(")")[2].split()[11:13]))


def limited():
    """A supervisor whose tree has 64 descriptors for each process."""
    return script("limited", 'ulimit -n 64\nexec %s "$@"\n' % program(
        "supervisor"))


def test_descriptors_run_out():
    """ulimit -n 64 and 200 clients: those who were there go on, the others
    are told FULL, the store has what it needs, nothing spins; and when they
    leave all is as before, though the worker had to start anew meanwhile."""
    with Target(binary=limited(), workers=1) as target:
        gsq, yardstick = target.gsq, target.yardstick()
        clients = open_idle(gsq.socket, 200)
        expect_full(gsq.socket)
        began, ticks = time.monotonic(), cpu_ticks(target.queue)
        wait_until(lambda: time.monotonic() > began + 1, "a second is over")
        spent = cpu_ticks(target.queue) - ticks
        is_true(SANITIZED or spent <= 5, "ticks of a second, idle", spent)
        # Through new segments of the log, and a cleaner at work.
        for _ in range(25):
            target.client.call("enqueue", queue="store",
                               bodies=[b"x" * 1000000] * 3)
        attacked_ms = yardstick.watch(lambda: True)
        yardstick.judge("ulimit -n 64", attacked_ms, 4 * MESSAGE_KIB)
        is_true(len(gsq.log("event=connections-full")) <= 30,
                "it is told, but not for each")
        kill(target.pids["w1"])
        wait_until(lambda: gsq.children()["w1"]["restarts"] == 1, "its death")
        for client in clients:
            client.close()
        target.pids["w1"] = gsq.wait_new_pid("w1", target.pids["w1"])
        (job,) = gsq.enqueue("x")
        is_equal(gsq.wait_job(job), "done", "a job afterwards")
        is_equal(target.client.call("stats")["enqueued"],
                 target.jobs + 76, "jobs")


# ---- the control socket ----------------------------------------------------

def control_yardstick(gsq, client):
    return Yardstick(gsq.pid, lambda: client.call("ping"))


def test_the_control_socket_is_as_hard():
    """Bombs, nesting, floods, half frames and silence at the supervisor:
    who has a connection is served, and jobs go on."""
    with Gsq(workers=1, command=["builtin:noop"], verbose=False) as gsq:
        pids = gsq.pids()
        with Client(gsq.control) as client:
            yardstick = control_yardstick(gsq, client)
            for attack, budget_kib, least in [
                    ("header_bombs", 0, 50), ("deep_nesting", 0, 50),
                    ("flood", 8 * (ANSWERS_KIB + READ_KIB), 5),
                    ("half_frames", 16 * MESSAGE_KIB, 16)]:
                yardstick.withstands(attack, gsq.control,
                                     budget_kib + SLACK_KIB, least, seconds=1)
            (job,) = gsq.enqueue("x")
            is_equal(gsq.wait_job(job), "done", "a job")
        is_equal(gsq.pids(), pids, "pids")


def test_the_control_socket_has_64_places():
    """The 65th gets FULL, jobs go on, and TERM needs no place."""
    with Gsq(workers=1, command=["builtin:noop"]) as gsq:
        clients = open_idle(gsq.control, CONTROL_CLIENTS_MAX)
        expect_full(gsq.control)
        (job,) = gsq.enqueue("x")
        is_equal(gsq.wait_job(job), "done", "a job")
        clients.pop().close()
        wait_until(lambda: is_served(gsq.control), "a place is free")
        clients += open_idle(gsq.control, 1)
        gsq.stop()


def test_descriptors_of_the_supervisor_run_out():
    """ulimit -n 64 and 80 clients of the control socket: a worker that dies
    meanwhile is started again all the same."""
    with Gsq(workers=1, command=["builtin:noop"], binary=limited()) as gsq:
        pid = gsq.pid_of("w1")
        clients = open_idle(gsq.control, 80)
        expect_full(gsq.control)
        mark = gsq.mark()
        kill(pid)
        gsq.wait_event("ready", after=mark, child="w1")
        for client in clients:
            client.close()
        wait_until(lambda: is_served(gsq.control), "there is room again")
        is_true(gsq.wait_new_pid("w1", pid), "its next life")


# ---- those who pretend -----------------------------------------------------

def expect_refused(refusal, client, method, params):
    try:
        client.call(method, **params)
    except Refused as refused:
        is_equal(refused.name, refusal, "refusal of " + method)
        return
    is_true(False, "%s %s was accepted" % (method, params))


def hold_job(gsq):
    """A worker of gsq that runs a job until a file is there: (job, file)."""
    (job,) = gsq.enqueue("x")
    wait_until(lambda: gsq.job(job)["state"] == "running", "it runs")
    return job


def waiting_handler():
    gate = script("gate-is-made-later", "")
    os.unlink(gate)
    return gate, [script("waits", 'while [ ! -e "$1" ]; do sleep 0.02; done\n'
                         'echo "$GSQ_JOB_ID $GSQ_ATTEMPT" >> "$1.runs"\n'),
                  gate]


def open_gate(gate):
    with open(gate, "w"):
        pass


@limit(90)
def test_a_client_with_the_name_of_a_worker():
    """Name, pid and incarnation of a real one, claimed by another: it is a
    foreign worker, gets nothing of the real one's, and takes nothing along
    when it goes."""
    gate, command = waiting_handler()
    with Gsq(workers=1, command=command) as gsq:
        job, worker = hold_job(gsq), gsq.children()["w1"]
        lies = [{"pid": worker["pid"], "incarnation": worker["incarnation"]},
                {"pid": os.getpid(), "incarnation": worker["incarnation"]}]
        (other,) = gsq.enqueue("y", priority=200)
        for number, lie in enumerate(lies, 1):
            with gsq.client() as liar:
                answer = liar.call("subscribe", queue="default", name="w1",
                                   held=[[job, 1]], **lie)
                is_equal(answer["unknown"], [job], "what it may hold")
                rows = [row for row in gsq.call("workers")["workers"]
                        if row["pid"] == os.getpid()]
                is_equal([(row["supervised"], row["jobs"]) for row in rows],
                         [(False, [])], "how it is shown")
                expect_refused("STALE", liar, "result",
                               {"job": job, "delivery": 1})
                liar.call("demand", queue="default", n=1)
                is_equal(liar.next_job()[1]["id"], other, "it gets the other")
            # At once, or after the five seconds that a supervised one has.
            gsq.wait_lane(ready=1, running=1)
            is_equal(gsq.job(other)["attempt"], number, "attempts")
        is_equal(gsq.job(job)["worker_pid"], worker["pid"], "who runs it")
        open_gate(gate)
        is_equal(gsq.wait_job(job), "done", "end of the job")
        is_equal(gsq.pid_of("w1"), worker["pid"], "the real one")


def test_results_for_jobs_of_others():
    """By msgid, by id, with and without a subscription: the job stands, and
    its own worker's result is the one that counts."""
    with Gsq("-n", "0") as gsq:
        with gsq.client() as owner, gsq.client() as thief:
            owner.call("subscribe", queue="q")
            owner.call("demand", queue="q", n=1)
            (job,) = gsq.enqueue("x", queue="q")
            msgid, delivery = owner.next_job()
            for subscribes in (False, True):
                if subscribes:
                    thief.call("subscribe", queue="q")
                for error in (None, {"verdict": "dead"},
                              {"verdict": "release"}):
                    for guess in range(msgid + 3):
                        thief.respond(guess, error)
                    expect_refused("STALE", thief, "result", {
                        "job": job, "delivery": delivery["delivery"],
                        "error": error})
                    row = gsq.job(job)
                    is_equal((row["state"], row["worker_pid"]),
                             ("running", os.getpid()), "the job")
            is_equal(gsq.lane("q")["done"], 0, "done")
            owner.respond(msgid)
            is_equal(gsq.wait_job(job), "done", "by its own worker")
            thief.call("ping")


def test_what_only_the_supervisor_may_say():
    """The methods of fd 3 mean nothing at either socket."""
    with Gsq(workers=1, command=["builtin:noop"]) as gsq:
        pids, worker = gsq.pids(), gsq.children()["w1"]
        says = [("kill", {"pid": worker["pid"], "reason": "no"}),
                ("worker_down", {"name": "w1", "pid": worker["pid"],
                                 "incarnation": 1, "signal": 9,
                                 "planned": False}),
                ("worker_up", {"name": "w9", "pid": os.getpid(),
                               "incarnation": 9}),
                ("introduced", {}), ("ready", {"pid": worker["pid"]}),
                ("health", {"healthy": False, "reason": "no"}),
                ("settled", {"n": 1})]
        for path in (gsq.socket, gsq.control):
            with Client(path) as client:
                for method, params in says:
                    client.notify(method, **params)
                    expect_refused("NO_METHOD", client, method, params)
                client.call("ping")
        (job,) = gsq.enqueue("x")
        is_equal(gsq.wait_job(job), "done", "a job")
        is_equal(gsq.pids(), pids, "pids")
        is_true(gsq.children()["w1"]["healthy"], "the worker is healthy")
