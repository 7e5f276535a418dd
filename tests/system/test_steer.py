# SPDX-License-Identifier: MIT
"""Runs that take too long, jobs that kill who runs them, and what people do to
jobs: cancel, delete, retry, touch."""
import json
import time

from harness import (
    Gsq, Refused, is_alive, is_equal, is_true, kill, lines_of, program, script,
    wait_gone, wait_until, write_file)

# Tells that it began, with its own pid and that of a child which ignores TERM;
# then does what its body says.
HANDLER = r'''
read -r what
sh -c 'trap "" TERM; while :; do sleep 0.1; done' &
echo "$GSQ_JOB_ID $GSQ_ATTEMPT $$ $! $GSQ_DEADLINE_MS" >> "$1"
case $what in
sleeps) exec sleep 1000 ;;
deaf) trap "" TERM; while :; do sleep 0.1; done ;;
ends) trap "exit 0" TERM; while :; do sleep 0.05; done ;;
crashes) kill -SEGV $$ ;;
fails) exit 1 ;;
touches) for i in 1 2 3 4 5 6; do sleep 0.25; "$2" -s "$GSQ_DIR" touch "$GSQ_JOB_ID" || exit 9; done ;;
esac
'''


class Handlers:
    """A gsq whose handlers write down who they are."""

    def __init__(self, queue):
        self.runs = write_file("runs", "")
        self.gsq = Gsq(configuration='''
            queue "q" { retry_base = "20ms" retry_cap = "20ms" %s }
            pool "p" { queue = "q" workers = 1 command = { "%s", "%s", "%s" } }
            ''' % (queue, script("handler", HANDLER), self.runs,
                   program("qctl")))

    def __enter__(self):
        self.gsq.__enter__()
        return self

    def __exit__(self, *exception):
        return self.gsq.__exit__(*exception)

    def enqueue(self, body, **more):
        (job,) = self.gsq.enqueue(body, queue="q", **more)
        return job

    def begun(self, job, attempt=1):
        """(pid, its child's pid, deadline) of that run, once it has begun."""
        begins = "%d %d " % (job, attempt)

        def look():
            for line in lines_of(self.runs):
                if line.startswith(begins) and line.endswith("\n"):
                    return [int(word) for word in line.split()[2:]]
            return None
        return wait_until(look, "run %d of job %d has begun" % (attempt, job))

    def state(self, job):
        return self.gsq.job(job)["state"]


def test_a_run_that_takes_too_long_is_stopped_and_reaped():
    """TERM, KILL after the grace, the handler's children too; only then is the
    job tried again, and its reason says why."""
    with Handlers('ttr = "300ms" ttr_grace = "100ms" max_attempts = 2') as all:
        job = all.enqueue("deaf")
        first = all.begun(job)
        is_true(0 < first[2] - time.time() * 1000 < 1000, "the deadline",
                first[2])
        second = all.begun(job, attempt=2)
        for pid in first[:2]:
            is_true(not is_alive(pid), "the first run is gone", pid)
        is_equal(all.gsq.wait_job(job), "dead", "the end")
        row = all.gsq.job(job)
        is_equal((row["cause"], row["attempt"]), ("exhausted", 2), "the job")
        is_true(row["reason"].startswith("timeout: killed by signal 9"),
                "the reason", row["reason"])
        is_equal(row.get("crashes", 0), 0, "no crash of the job's")
        for pid in second[:2]:
            is_true(not is_alive(pid), "the second run is gone", pid)
        is_equal(all.gsq.call("stats")["timed_out"], 2, "counted")


def test_what_ends_well_when_it_is_asked_to_is_done():
    with Handlers('ttr = "200ms" ttr_grace = "5s"') as all:
        job = all.enqueue("ends")
        is_equal(all.gsq.wait_job(job), "done", "the end")


def test_a_handler_takes_more_time_for_itself():
    """It runs far longer than its time, touching its job by qctl."""
    with Handlers('ttr = "1s" ttr_grace = "100ms" max_attempts = 1') as all:
        job = all.enqueue("touches")
        is_equal(all.gsq.wait_job(job), "done", "the end")
        slow = all.enqueue("sleeps", ttr_ms=0)
        all.begun(slow)
        is_true("left_ms" not in all.gsq.job(slow), "it has any time")
        all.gsq.qctl("touch", str(slow), "--ttr", "1h")
        left_ms = all.gsq.job(slow)["left_ms"]
        is_true(3590000 < left_ms <= 3600000, "an hour", left_ms)
        all.gsq.qctl("touch", str(job), status=1)
        all.gsq.qctl("cancel", str(slow))
        is_equal(all.gsq.wait_job(slow), "cancelled", "its end")


def test_a_worker_that_stops_nothing_is_killed():
    """The worker is stopped itself: the queue has it killed, and gives the job
    out again when all of it is dead."""
    with Handlers('ttr = "300ms" ttr_grace = "0" max_attempts = 2 '
                  'max_crashes = 1') as all:
        worker = all.gsq.pid_of("p-1")
        job = all.enqueue("sleeps")
        handler, child, _ = all.begun(job)
        kill(worker, 19)
        all.gsq.wait_log("event=kill-asked.*does not stop", timeout=20)
        all.begun(job, attempt=2)
        for pid in (worker, handler, child):
            is_true(not is_alive(pid), "it is gone", pid)
        is_true(all.gsq.job(job)["reason"].startswith("timeout"), "the reason")


def test_a_job_that_kills_its_worker_is_parked():
    """Three times, and then the others have their turn."""
    with Gsq("--max-restarts", "inf", "--backoff", "off",
             configuration='''
             queue "q" { retry_base = "10ms" }
             pool "p" { queue = "q" workers = 1 command = { "%s" } }
             ''' % script("killer", 'read -r what\n'
                          '[ "$what" = kills ] && kill -9 $PPID && sleep 9\n'
                          'exit 0\n')) as gsq:
        (job,) = gsq.enqueue("kills", queue="q")
        is_equal(gsq.wait_job(job), "dead", "the end")
        row = gsq.job(job)
        is_equal((row["cause"], row["attempt"], row["crashes"]),
                 ("poison", 3, 3), "the job")
        (other,) = gsq.enqueue("fine", queue="q")
        is_equal(gsq.wait_job(other), "done", "another one")


def test_a_handler_that_crashes_is_parked_and_one_that_fails_is_not():
    with Handlers("max_attempts = 5") as all:
        crashing, failing = all.enqueue("crashes"), all.enqueue("fails")
        for job, cause, attempt in ((crashing, "poison", 3),
                                    (failing, "exhausted", 5)):
            is_equal(all.gsq.wait_job(job), "dead", "the end")
            row = all.gsq.job(job)
            is_equal((row["cause"], row["attempt"]), (cause, attempt), "it")


def test_cancel_of_what_waits_and_of_what_runs():
    """A waiting one is gone; a running one is stopped with all it started, and
    not tried again. Whoever waits for it is told."""
    with Handlers('ttr_grace = "100ms"') as all:
        running = all.enqueue("deaf")
        waiting = all.enqueue("fails")
        pids = all.begun(running)[:2]
        out = all.gsq.qctl("cancel", str(waiting), str(running)).stdout
        is_equal(out, "%d: cancelled\n%d: stopping\n" % (waiting, running),
                 "qctl's words")
        is_equal(all.gsq.wait_job(running), "cancelled", "its end")
        is_equal(all.gsq.wait_job(waiting), "cancelled", "the other's end")
        for pid in pids:
            is_true(not is_alive(pid), "it is gone", pid)
        done = all.gsq.qctl("cancel", str(running), status=1)
        is_true("NOT_FOUND" in done.stderr, "it says so", done.stderr)
        row = all.gsq.lane("q")
        is_equal([row[state] for state in (
            "ready", "delayed", "running", "dead")], [0] * 4, "nothing left")


def test_a_cancelled_job_is_gone_though_the_queue_dies():
    """The queue is killed when it has answered: the next one stops it."""
    with Handlers('ttr_grace = "100ms"') as all:
        job = all.enqueue("sleeps")
        pids = all.begun(job)[:2]
        worker = all.gsq.pid_of("p-1")
        kill(worker, 19)
        is_equal(all.gsq.call("cancel", id=job)["result"], "stopping", "answer")
        queue = all.gsq.pid_of("queue")
        kill(queue)
        kill(worker, 18)
        all.gsq.wait_new_pid("queue", queue)
        wait_until(lambda: all.gsq.lane("q")["running"] == 0, "it is gone")
        for pid in pids:
            wait_gone(pid, "its processes are gone")
        is_equal(len(lines_of(all.runs)), 1, "it ran once")


def test_delete_retry_and_purge():
    """Dead ones begin anew, one by one or all that pass; waiting ones are
    forgotten; one that runs is left alone."""
    with Handlers("max_attempts = 1") as all:
        gsq = all.gsq
        dead = [all.enqueue("fails") for _ in range(3)]
        for job in dead:
            gsq.wait_job(job)
        running = all.enqueue("sleeps", ttr_ms=0)
        all.begun(running)
        is_true("BAD_STATE" in gsq.qctl("delete", str(running), str(dead[0]),
                                        status=2).stderr, "one that runs")
        is_true("--yes" in gsq.qctl("purge", "q", status=64).stderr, "asks")
        is_equal(gsq.qctl("retry", str(dead[1])).stdout,
                 "%d: retried\n" % dead[1], "retried")
        is_equal(all.state(dead[1]), "ready", "it waits again")
        is_equal(gsq.job(dead[1])["attempt"], 0, "anew")
        more = gsq.enqueue(*["fails"] * 2500, queue="q")
        is_equal(gsq.qctl("purge", "q", "--state", "ready").stdout,
                 "2501 jobs deleted\n", "purged")
        is_equal(gsq.wait_job(more[-1]), "deleted", "whoever waits is told")
        gsq.qctl("cancel", str(running))
        gsq.wait_job(running)
        out = gsq.qctl("-o", "json", "retry", "--dead", "--queue", "q")
        is_equal(json.loads(out.stdout), {"retried": 1}, "all dead ones")
        is_equal(gsq.wait_job(dead[2]), "dead", "it has failed again")
        is_equal(gsq.qctl("purge", "q", "--yes").stdout, "1 job deleted\n",
                 "all of them")
        is_equal(gsq.lane("q")["dead"], 0, "none is left")
        gsq.qctl("retry", "1", "--rate", "5", status=64)
        gsq.qctl("retry", status=64)


def test_ten_dead_ones_come_back_at_a_rate():
    """Five a second: the second five a second later."""
    with Handlers("max_attempts = 1") as all:
        jobs = [all.enqueue("fails") for _ in range(10)]
        for job in jobs:
            all.gsq.wait_job(job)
        began = time.monotonic()
        out = all.gsq.qctl("retry", "--dead", "--queue", "q", "--rate", "5")
        is_equal(out.stdout, "10 jobs retried\n", "all of them")
        is_true(time.monotonic() - began >= 1, "not all at once")


def test_steering_with_wrong_words_is_refused():
    with Gsq() as gsq:
        for method, params, refusal in (
                ("cancel", {}, "BAD_ARGUMENT"),
                ("cancel", {"id": 1, "queue": "q"}, "BAD_ARGUMENT"),
                ("cancel", {"id": 1}, "NOT_FOUND"),
                ("delete", {"id": 1}, "NOT_FOUND"),
                ("retry", {"id": 1}, "NOT_FOUND"),
                ("touch", {"id": 1}, "NOT_FOUND"),
                ("touch", {"id": 1, "ttr_ms": -5}, "BAD_ARGUMENT"),
                ("delete", {"state": "asleep"}, "BAD_ARGUMENT"),
                ("delete", {"key": b""}, "BAD_NAME"),
                ("delete", {"queue": "q", "limit": 1001}, "BAD_ARGUMENT"),
                ("enqueue", {"queue": "q", "max_attempts": 0}, "BAD_ARGUMENT"),
                ("enqueue", {"queue": "q", "max_attempts": 1001},
                 "BAD_ARGUMENT")):
            try:
                gsq.call(method, **params)
            except Refused as refused:
                is_true(refused.text.startswith(refusal + ": "),
                        "%s %s" % (method, params), refused.text)
            else:
                raise AssertionError("%s %s was taken" % (method, params))
        is_equal(gsq.call("delete", queue="nowhere"), {"count": 0, "next": 0},
                 "an unknown queue has nothing")
