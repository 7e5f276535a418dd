# SPDX-License-Identifier: MIT
"""Keys: of the jobs with one key at most one runs, and what is told while one
waits is part of it."""
import collections
import json
import os
import re

from harness import (
    BIN, Gsq, ROOT, Refused, SANITIZED, SLOWNESS, Skip, is_alive, is_equal,
    is_true, kill, limit, lines_of, run, script, temporary, wait_until,
    write_file)

# Tells its beginning and its end; "hold" waits in between for the gate KEY.
TELLER = r'''
read -r body || :
line="$GSQ_JOB_ID $GSQ_ATTEMPT ${GSQ_KEY-none} $GSQ_HINTS $$ $PPID $body"
echo "B $line" >> "$1"
case $body in
hold*) while [ ! -e "$2.$GSQ_KEY" ]; do sleep 0.02; done ;;
fails*) exit 1 ;;
esac
echo "E $line" >> "$1"
'''

CONFIGURATION = """
queue "sync" { keys = "coalesce" retry_base = "1h" retry_cap = "1h" }
queue "app" { retry_base = "10ms" }
pool "sync" { queue = "sync" workers = %d command = { "%s", "%s", "%s" } }
pool "app" { queue = "app" workers = %d command = { "%s", "%s", "%s" } }
"""

Run = collections.namedtuple(
    "Run", "kind job attempt key hints handler worker body")


class Teller:
    """Handlers that write down what they do: a gsq whose queue sync
    coalesces, and whose queue app has its jobs in a row."""

    def __init__(self):
        self.runs = write_file("runs", "")
        self.gate = temporary("gate")
        self.handler = script("teller", TELLER)

    def gsq(self, sync=1, app=0, **more):
        command = (self.handler, self.runs, self.gate)
        return Gsq(configuration=CONFIGURATION % (
            (sync,) + command + (app,) + command), **more)

    def open_gate(self, key):
        write_file("%s.%s" % (self.gate, key), "")

    def all(self, kind=None):
        """The lines of all runs, or those of one kind."""
        found = []
        for line in lines_of(self.runs):
            words = line.rstrip("\n").split(" ", 7)
            row = Run(words[0], int(words[1]), int(words[2]), words[3],
                      int(words[4]), int(words[5]), int(words[6]), words[7])
            if kind in (None, row.kind):
                found.append(row)
        return found

    def wait_begun(self, count):
        """The first so many runs that began, when there are as many."""
        return wait_until(
            lambda: len(self.all("B")) >= count and self.all("B"),
            "%d runs have begun" % count)

    def expect_one_at_a_time(self, key):
        """Each end stands behind its beginning."""
        rows = [row for row in self.all() if row.key == key]
        for begin, end in zip(rows[::2], rows[1::2]):
            is_equal((begin.kind, end.kind, end.job), ("B", "E", begin.job),
                     "one run at a time")
        return [row.body for row in rows[::2]]


def nobody():
    """A gsq whose jobs stay where they are."""
    return Teller().gsq(sync=0)


def tell(gsq, key, *bodies, queue="sync", **more):
    """Enqueues one by one: [(id, result)]."""
    answers = [gsq.call("enqueue", queue=queue, key=key, body=body.encode(),
                        **more) for body in bodies or ("",)]
    return [(answer["id"], answer["result"]) for answer in answers]


# ---- coalesce --------------------------------------------------------------

def test_three_events_while_a_job_runs_are_one_more_run():
    """The webhook's story: it starts after all three, with the last body."""
    teller = Teller()
    with teller.gsq(sync=2) as gsq:
        ((first, result),) = tell(gsq, "42", "hold")
        is_equal(result, "new", "the first event")
        teller.wait_begun(1)
        told = tell(gsq, "42", "one", "two", "three")
        behind = told[0][0]
        is_equal(told, [(behind, "behind"), (behind, "merged"),
                        (behind, "merged")], "three events meanwhile")
        is_equal(gsq.job(behind)["state"], "blocked", "what waits")
        is_equal(len(teller.all()), 1, "runs until now")
        teller.open_gate("42")
        is_equal(gsq.wait_job(behind), "done", "the end")
        runs = [(row.kind, row.job, row.attempt, row.hints, row.body)
                for row in teller.all()]
        is_equal(runs, [("B", first, 1, 1, "hold"), ("E", first, 1, 1, "hold"),
                        ("B", behind, 1, 3, "three"),
                        ("E", behind, 1, 3, "three")], "two runs")
        is_equal(tell(gsq, "42")[0][1], "new", "an event when all is done")


def test_an_event_in_the_turn_that_dispatches_is_behind():
    """What comes after the delivery, in the same bytes, runs once more."""
    with nobody() as gsq, gsq.client() as worker:
        worker.call("subscribe", queue="sync", name="w")
        ((first, _),) = tell(gsq, "42", "one")
        worker.send((2, "demand", [{"queue": "sync", "n": 1}]),
                    (0, 1000, "enqueue", [{"queue": "sync", "key": "42",
                                           "body": "two"}]))
        answer = worker.answer(1000)
        is_equal(answer["result"], "behind", "the second event")
        msgid, job = worker.next_job()
        is_equal((job["id"], job["body"]), (first, b"one"), "the first run")
        worker.respond(msgid)
        worker.notify("demand", queue="sync", n=2)
        msgid, job = worker.next_job()
        is_equal((job["id"], job["body"], job["key"], job["hints"]),
                 (answer["id"], b"two", b"42", 1), "the second run")
        worker.respond(msgid)
        # And where an enqueue itself dispatches, as one demand is left.
        worker.send(*((0, 1001 + at, "enqueue", [
            {"queue": "sync", "key": "7", "body": body}])
            for at, body in enumerate((b"a", b"b", b"c"))))
        answers = [worker.answer(1001 + at) for at in range(3)]
        is_equal([answer["result"] for answer in answers],
                 ["new", "behind", "merged"], "results")
        msgid, job = worker.next_job()
        is_equal((job["id"], job["hints"]), (answers[0]["id"], 1), "one of three")
        worker.respond(msgid)
        worker.notify("demand", queue="sync", n=2)
        msgid, job = worker.next_job()
        is_equal((job["id"], job["hints"]), (answers[1]["id"], 2), "the others")
        worker.respond(msgid)
        # What comes in one request comes at one moment.
        answer = gsq.call("enqueue", queue="sync", keys=["8", "8", "8"],
                          bodies=[b"a", b"b", b"c"])
        is_equal(answer["results"], ["new", "merged", "merged"], "a batch")
        job = worker.next_job()[1]
        is_equal((job["id"], job["hints"]), (answer["ids"][0], 3), "all of it")


def test_a_workers_death_folds_what_waits_behind_its_job():
    """One job is left, with the first one's id, and runs a second time."""
    teller = Teller()
    with teller.gsq() as gsq:
        ((first, _),) = tell(gsq, "42", "hold one")
        (before,) = teller.wait_begun(1)
        tell(gsq, "42", "two", "hold three")
        kill(before.worker)
        _, again = teller.wait_begun(2)
        is_true(not is_alive(before.handler), "the first handler is dead")
        is_equal((again.job, again.attempt, again.hints, again.body),
                 (first, 2, 3, "hold three"), "the second run")
        (row,) = gsq.call("list", queue="sync")["jobs"]
        is_equal((row["id"], row["state"]), (first, "running"), "jobs left")
        teller.open_gate("42")
        is_equal(gsq.wait_job(first), "done", "the end")
        is_equal(len(teller.all("B")), 2, "runs")
        is_equal(gsq.call("list")["jobs"], [], "jobs at the end")


def test_who_waits_for_a_folded_job_waits_for_the_other_one():
    teller = Teller()
    with teller.gsq() as gsq, gsq.client() as waiter:
        ((first, _),) = tell(gsq, "42", "hold")
        (before,) = teller.wait_begun(1)
        ((behind, result),) = tell(gsq, "42", "hold again")
        is_equal(result, "behind", "the second event")
        msgid = waiter.request("wait", id=behind)
        waiter.call("ping")
        kill(before.worker)
        teller.wait_begun(2)
        waiter.call("ping")
        is_equal(len(waiter.messages), 0, "answers while it runs")
        teller.open_gate("42")
        is_equal(waiter.answer(msgid), {"state": "done"}, "the answer")
        is_equal([row.job for row in teller.all("E")], [first], "ends")


def test_the_queue_dies_with_one_job_running_and_one_blocked():
    """The worker goes on; the blocked one runs after it, not beside it."""
    teller = Teller()
    with teller.gsq(sync=3) as gsq:
        ((first, _),) = tell(gsq, "42", "hold")
        teller.wait_begun(1)
        ((behind, _), _) = tell(gsq, "42", "two", "three")
        before = gsq.worker_pids()
        for _ in range(2):
            pid = gsq.pid_of("queue")
            kill(pid)
            gsq.wait_new_pid("queue", pid)
            # All workers are back, and there is demand for what is blocked.
            gsq.wait_lane("sync", running=1, blocked=1, ready=0, demand=2)
        is_equal(tell(gsq, "42", "four"), [(behind, "merged")], "an event")
        is_equal(len(teller.all()), 1, "runs until now")
        teller.open_gate("42")
        is_equal(gsq.wait_job(behind), "done", "the end")
        is_equal([(row.kind, row.job, row.attempt, row.body)
                  for row in teller.all()],
                 [("B", first, 1, "hold"), ("E", first, 1, "hold"),
                  ("B", behind, 1, "four"), ("E", behind, 1, "four")], "runs")
        is_equal(gsq.worker_pids(), before, "pids of the workers")


@limit(180)
def test_a_storm():
    """20,000 events for 100 keys, and kills meanwhile."""
    if SANITIZED:
        raise Skip("shown without the sanitizers")
    done = run([os.path.join(ROOT, "tests", "chaos", "storm"), "--events",
                "20000", "--keys", "100"], timeout=170 * SLOWNESS,
               environment=dict(os.environ, GSQ_BIN=BIN))
    print(done.stdout)
    is_true(done.returncode == 0, "the storm is survived", done.stdout,
            done.stderr)


# ---- serial ----------------------------------------------------------------

def test_serial_jobs_run_in_order_and_one_at_a_time():
    """With four workers, and two keys at a time."""
    teller = Teller()
    with teller.gsq(sync=0, app=4) as gsq:
        bodies = ["%s-%d" % (key, number) for number in range(20)
                  for key in ("a", "b")]
        answer = gsq.call(
            "enqueue", queue="app", bodies=[body.encode() for body in bodies],
            keys=[body[0] for body in bodies])
        is_true(set(answer["results"]) <= {"new", "behind"}, "all are kept")
        for job in answer["ids"]:
            is_equal(gsq.wait_job(job), "done", "the end of one")
        for key in ("a", "b"):
            is_equal(teller.expect_one_at_a_time(key),
                     [body for body in bodies if body[0] == key], "order")
        is_true(len({row.worker for row in teller.all()}) > 1, "workers used")


def test_a_thousand_jobs_behind_one_key_cost_another_nothing():
    """Its job is delivered at once, to a worker that asked before."""
    teller = Teller()
    with teller.gsq(sync=0, app=2) as gsq:
        tell(gsq, "busy", "hold", queue="app")
        teller.wait_begun(1)
        answer = gsq.call("enqueue", queue="app", key="busy",
                          bodies=[b"x"] * 1000)
        is_equal(set(answer["results"]), {"behind"}, "the thousand")
        gsq.wait_lane("app", blocked=1000, ready=0, running=1, demand=1)
        ((other, result),) = tell(gsq, "idle", "hold", queue="app")
        is_equal(result, "new", "the job of another key")
        # Nothing has to happen for that: it is so with the answer.
        is_equal(gsq.job(other)["state"], "running", "its state")
        teller.wait_begun(2)
        is_equal(gsq.lane("app")["blocked"], 1000, "blocked jobs")
        gsq.kill_supervisor()


def test_parallel_keys_are_labels():
    teller = Teller()
    with teller.gsq(sync=2) as gsq:
        for job, result in tell(gsq, "42", "hold", "hold", mode="parallel"):
            is_equal(result, "new", "result")
        teller.wait_begun(2)
        teller.open_gate("42")


# ---- what handlers see -----------------------------------------------------

def test_handlers_know_their_key_and_how_many_events_it_stands_for():
    """Whatever the bytes of the key; without a key there is no GSQ_KEY."""
    key = "Zoë / 42 = $HOME"
    result = temporary("environment")
    handler = script("tell_environment", r'''
[ "${GSQ_KEY+set}" ] && printf "%s\n" "$GSQ_KEY" >> "$1"
echo "$GSQ_HINTS" >> "$1"
''')
    with Gsq(workers=0, command=[handler, result]) as gsq:
        tell(gsq, key, "", "", "", queue="default", mode="coalesce")
        (last,) = gsq.enqueue("x")
        gsq.control_call("scale", workers=1)
        is_equal(gsq.wait_job(last), "done", "the end")
        is_equal([line.rstrip("\n") for line in lines_of(result)],
                 [key, "3", "1"], "what the handlers saw")


# ---- qctl ------------------------------------------------------------------

def test_qctl_says_what_became_of_each_body():
    """In each form of output."""
    with nobody() as gsq:
        said = gsq.qctl("enqueue", "sync", "--key", "42", "a").stdout
        is_equal(said, "1 new\n", "a table")
        said = gsq.qctl("enqueue", "sync", "-k", "42", "b", "c").stdout
        is_equal(said, "1 merged\n1 merged\n", "a table of two")
        said = gsq.qctl("enqueue", "app", "--keyed", "x\tbody", "x", "y",
                        "z\t").stdout
        is_equal(said, "2 new\n3 behind\n4 new\n5 new\n", "bodies with keys")
        is_equal([(gsq.job(job)["key"], gsq.job(job)["body"])
                  for job in range(2, 6)],
                 [(b"x", b"body"), (b"x", b"x"), (b"y", b"y"), (b"z", b"")],
                 "their keys and bodies")
        said = gsq.qctl("enqueue", "app", "--keyed", "--lines", "-o", "jsonl",
                        input="y\t1\t2\nw\n").stdout
        is_equal([json.loads(line) for line in said.splitlines()],
                 [{"id": 6, "result": "behind"}, {"id": 7, "result": "new"}],
                 "lines with keys, as jsonl")
        is_equal(gsq.job(6)["body"], b"1\t2", "a body with a tab")
        is_equal(gsq.qctl_json("enqueue", "app", "--keyed", "w", "v"),
                 [{"id": 8, "result": "behind"}, {"id": 9, "result": "new"}],
                 "json")
        is_equal(gsq.qctl_json("enqueue", "sync", "--key", "42", "d"),
                 {"id": 1, "result": "merged"}, "json of one")
        is_equal(gsq.qctl_json("enqueue", "app", "d"),
                 {"id": 10, "result": "new"}, "json without a key")
        is_equal(gsq.qctl("enqueue", "app", "e").stdout, "11\n",
                 "a table without keys")


def test_qctl_chooses_the_mode_and_the_time():
    with nobody() as gsq:
        gsq.qctl("enqueue", "app", "--key", "k", "-m", "coalesce", "--in",
                 "1h", "a")
        job = gsq.qctl_json("get", "1")
        is_equal((job["state"], job["mode"], job["key"], job["hints"]),
                 ("delayed", "coalesce", "k", 1), "the job")
        is_true(3500000 < job["due_in_ms"] <= 3600000, "its time", job)
        said = gsq.qctl("enqueue", "app", "--key", "k", "--mode", "coalesce",
                        "b").stdout
        is_equal(said, "1 merged\n", "a second one, without delay")
        job = gsq.qctl_json("get", "1")
        is_equal((job["state"], job["hints"], job["body"]),
                 ("ready", 2, "b"), "the job")
        said = gsq.qctl("enqueue", "sync", "--key", "k", "--mode", "serial",
                        "a", "b").stdout
        is_equal(said, "2 new\n3 behind\n", "serial in a queue that coalesces")
        said = gsq.qctl("enqueue", "sync", "--key", "k", "--mode", "parallel",
                        "a").stdout
        is_equal(said, "4 new\n", "parallel")
        gsq.qctl("enqueue", "app", "--in", "500ms", "soon")
        is_equal(gsq.qctl_json("get", "5")["state"], "delayed", "no key")
        is_true(re.search(r"(?m)^key +k, coalesce, stands for 2 events$",
                          gsq.qctl("get", "1").stdout), "get tells of the key")


def test_qctl_shows_keys_and_what_is_blocked():
    with nobody() as gsq:
        gsq.qctl("enqueue", "app", "--keyed", "x\t1", "y\t2", "x\t3", "x\t4")
        table = gsq.qctl("list", "--key", "x").stdout.splitlines()
        is_equal(table[0].split(), "ID QUEUE STATE TRY PRIO AGE KEY BODY"
                 .split(), "titles")
        is_equal([(line.split()[0], line.split()[2], line.split()[-2])
                  for line in table[1:]],
                 [("1", "ready", "x"), ("3", "blocked", "x"),
                  ("4", "blocked", "x")], "list --key")
        rows = gsq.qctl_json("list", "--state", "blocked")
        is_equal([(row["id"], row["key"], row["mode"], row["hints"])
                  for row in rows], [(3, "x", "serial", 1),
                                     (4, "x", "serial", 1)], "blocked ones")
        rows = gsq.qctl_json("list", "-k", "y", "--state", "blocked")
        is_equal(rows, [], "blocked ones of a key that is free")
        lines = gsq.qctl("list", "-k", "y", "-o", "jsonl").stdout.splitlines()
        is_equal([json.loads(line)["id"] for line in lines], [2], "jsonl")
        titles, row = [line.split() for line in
                       gsq.qctl("queues").stdout.splitlines()
                       if line.startswith(("QUEUE", "app"))]
        is_equal(dict(zip(titles, row))["BLOCKED"], "2", "BLOCKED")
        (row,) = [row for row in gsq.qctl_json("queues")
                  if row["name"] == "app"]
        is_equal((row["ready"], row["blocked"]), (2, 2), "counts")
        is_true("BLOCKED" in gsq.qctl("status").stdout, "status has it too")


def test_qctl_refuses_wrong_keys():
    """And says what to do; nothing is sent."""
    long = "x" * 256
    with nobody() as gsq:
        for arguments, given, status, words in (
                (["--key", "", "a"], None, 64, r"1 to 255 bytes, not of 0"),
                (["--key", long, "a"], None, 64, r"255 bytes, not of 256"),
                (["--key", "k", "--keyed", "a"], None, 64, r"exclude each"),
                (["--mode", "serial", "a"], None, 64, r"--key or --keyed"),
                (["--key", "k", "--mode", "sideways", "a"], None, 64,
                 r"serial\|coalesce\|parallel, not 'sideways'"),
                (["--in", "soon", "a"], None, 64, r"duration.*not 'soon'"),
                (["--keyed", "\tbody"], None, 1, r"BAD_NAME.*body 1 is empty"),
                (["--keyed", "--lines"], "\n", 1, r"BAD_NAME.*line 1 is empt"),
                (["--keyed", "--lines"], long + "\n", 1, r"longer than 255"),
                (["--keyed", "--lines"], "a\0b\tx\n", 1, r"zero byte")):
            done = gsq.qctl("enqueue", "app", *arguments, input=given,
                            status=status)
            is_true(re.search(words, done.stderr), "why", arguments,
                    done.stderr)
            is_equal(done.stdout, "", "ids")
        is_equal(gsq.call("list")["jobs"], [], "jobs")
        gsq.qctl("enqueue", "app", "--key", long[1:], "a")
        for arguments in (["--key", ""], ["--key", long]):
            done = gsq.qctl("list", *arguments, status=64)
            is_true("a key of 1 to 255 bytes" in done.stderr, "list says why",
                    done.stderr)


# ---- the protocol ----------------------------------------------------------

def test_wrong_keys_are_refused_each_with_its_words():
    with nobody() as gsq, gsq.client() as client:
        many = {"bodies": [b"a", b"b"]}
        for params, name, words in (
                ({"key": ""}, "BAD_NAME", "must not be empty"),
                ({"key": b"x" * 256}, "BAD_NAME", "256 bytes; at most 255"),
                ({"key": b"a\0b"}, "BAD_NAME", "zero byte"),
                ({"key": 42}, "BAD_ARGUMENT", '"key"'),
                ({"key": "k", "mode": "sideways"}, "BAD_ARGUMENT",
                 '"mode" must be'),
                ({"key": "k", "mode": ""}, "BAD_ARGUMENT", '"mode" must be'),
                ({"keys": ["a"]}, "BAD_ARGUMENT", '"keys" must be'),
                (dict(many, keys=["a"]), "BAD_ARGUMENT", "one for each"),
                (dict(many, keys=["a"] * 3), "BAD_ARGUMENT", "one for each"),
                (dict(many, keys="ab"), "BAD_ARGUMENT", '"keys"'),
                (dict(many, keys=["a", "b"], key="c"), "BAD_ARGUMENT",
                 'without "key"'),
                (dict(many, keys=["a", 1]), "BAD_ARGUMENT", "key 1"),
                (dict(many, keys=["a", ""]), "BAD_NAME", "empty"),
                (dict(many, keys=[b"x" * 256, "b"]), "BAD_NAME", "256 bytes"),
                (dict(many, keys=[b"\0", "b"]), "BAD_NAME", "zero byte")):
            try:
                client.call("enqueue", queue="sync", **params)
                refusal = None
            except Refused as problem:
                refusal = problem
            is_true(refusal is not None, "it is refused", params)
            is_equal((refusal.code, refusal.name), (1, name), str(params)[:99])
            is_true(words in refusal.text, "it says why", refusal.text, words)
        for key in "", b"x" * 256, b"a\0b":
            try:
                client.call("list", key=key)
                raise AssertionError("a list for key %r" % key)
            except Refused as problem:
                is_equal(problem.name, "BAD_NAME", "a list for %r" % key)
        is_equal(gsq.call("list")["jobs"], [], "jobs")
        answer = client.call("enqueue", queue="sync", keys=[None, b"x" * 255],
                             **many)
        is_equal(answer["results"], ["new", "new"], "one without a key")
        is_equal([row.get("key") for row in client.call("list")["jobs"]],
                 [None, b"x" * 255], "keys")


# ---- batches ---------------------------------------------------------------

APPENDING = 'queue "sync" { keys = "coalesce" merge = "append" }\n'


def refused(client, **params):
    try:
        return client.call("enqueue", queue="sync", **params)
    except Refused as problem:
        return problem.name


def test_a_batch_is_taken_whole_or_not_at_all():
    """What is appended meets its bound in the middle of a batch."""
    with Gsq(configuration=APPENDING) as gsq, gsq.client() as client:
        half = b"x" * 40000
        client.call("enqueue", queue="sync", key="a", body=half)
        before = client.call("list")["jobs"]
        is_equal(refused(client, bodies=[b"1", b"2", half],
                         keys=["b", None, "a"]), "FULL", "a takes no more")
        is_equal(refused(client, bodies=[b"1", half, half],
                         keys=["b", "c", "c"]), "TOO_BIG", "c never will")
        is_equal(refused(client, bodies=[b""] * 1001, key="d"), "TOO_BIG",
                 "nor do so many")
        is_equal(client.call("list")["jobs"], before, "nothing was taken")
        answer = client.call("enqueue", queue="sync", bodies=[b"1", b"2", b"3"],
                             keys=["b", "a", "b"])
        is_equal(answer["results"], ["new", "merged", "merged"], "results")
        is_true("errors" not in answer, "no word of errors", answer)
        is_equal(client.call("get", id=answer["ids"][0])["body"], b"1\n3",
                 "both are there")


def test_of_single_bodies_each_has_its_result():
    with Gsq(configuration=APPENDING) as gsq, gsq.client() as client:
        half = b"x" * 40000
        bodies = [half, b"ok", half, 7, b"z" * 1048577, b"", b"q"]
        keys = ["a", None, "a", None, None, "", 5]
        answer = client.call("enqueue", queue="sync", bodies=bodies, keys=keys,
                             each=True)
        is_equal(answer["results"], ["new", "new"] + ["refused"] * 5,
                 "results")
        is_equal([one is None for one in answer["ids"]],
                 [False, False] + [True] * 5, "ids")
        is_equal(answer["errors"][:2], [None, None], "no errors")
        is_equal([(code, text.split(":")[0])
                  for code, text in answer["errors"][2:]],
                 [(0, "FULL"), (1, "BAD_ARGUMENT"), (1, "TOO_BIG"),
                  (1, "BAD_NAME"), (1, "BAD_ARGUMENT")], "errors")
        is_equal(answer["durability"], "sync", "durability")
        is_equal(len(client.call("list")["jobs"]), 2, "jobs")
        # Without keys, too; and one alone is answered as ever.
        answer = client.call("enqueue", queue="sync", bodies=[b"1", b"2"],
                             each=True)
        is_equal((answer["results"], answer["errors"]),
                 (["new", "new"], [None, None]), "without keys")
        answer = client.call("enqueue", queue="sync", body=b"3", each=True)
        is_equal(answer["result"], "new", "one alone")
        client.call("drain", queue="sync", on=True)
        answer = client.call("enqueue", queue="sync", bodies=[b"1"], each=True)
        is_equal(answer["errors"][0][0], 0, "a drained queue takes none")
