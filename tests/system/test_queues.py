# SPDX-License-Identifier: MIT
"""What people do to queues: pause, resume, drain; what their rules keep back;
and why, which names each reason why a job does not run."""
import json
import os
import re
import time

from harness import (
    Gsq, Refused, is_equal, is_true, kill, lines_of, script, temporary,
    wait_until, write_file)

# Waits for the gate of its body.
WAITER = r'''
read -r body
echo "$GSQ_JOB_ID $body" >> "$1"
case $body in
fails) exit 1 ;;
hopeless) exit 65 ;;
hold*) while [ ! -e "$1.$body" ]; do sleep 0.02; done ;;
esac
'''


class Waiters:
    def __init__(self, configuration, workers=1):
        self.runs = write_file("runs", "")
        self.gsq = Gsq(configuration='''
            queue "q" { retry_base = "1h" retry_cap = "1h" %s }
            pool "p" { queue = "q" workers = %d command = { "%s", "%s" } }
            ''' % (configuration, workers, script("waiter", WAITER),
                   self.runs))

    def __enter__(self):
        self.gsq.__enter__()
        return self

    def __exit__(self, *exception):
        write_file("runs.hold", "")
        return self.gsq.__exit__(*exception)

    def enqueue(self, body, **more):
        (job,) = self.gsq.enqueue(body, queue="q", **more)
        return job

    def open_gate(self, body="hold"):
        write_file("runs." + body, "")

    def begun(self):
        return [int(line.split()[0]) for line in lines_of(self.runs)]

    def why(self, job):
        """The reason, having seen that qctl says the same words."""
        answer = self.gsq.call("why", id=job)
        is_equal(answer["id"], job, "the job")
        said = self.gsq.qctl("why", str(job)).stdout
        is_true(said.startswith("job %d is %s: " % (job, answer["state"])),
                "qctl's words", said)
        return answer


def test_a_paused_queue_waits_over_a_restart_and_says_who_and_since_when():
    with Waiters("") as all:
        gsq = all.gsq
        gsq.qctl("pause", "q")
        job = all.enqueue("x")
        row = gsq.lane("q")
        is_equal((row["paused"], row["paused_by"]), (True, os.geteuid()), "it")
        is_true(abs(row["paused_ms"] - time.time() * 1000) < 60000, "since")
        queue = gsq.pid_of("queue")
        kill(queue)
        gsq.wait_new_pid("queue", queue)
        wait_until(lambda: gsq.lane("q")["demand"] == 1, "the worker asks")
        answer = all.why(job)
        is_equal(answer["reason"], "paused", "why")
        is_true("uid %d" % os.geteuid() in answer["text"], "who", answer)
        is_true("q (paused)" in gsq.qctl("queues").stdout, "queues says so")
        gsq.qctl("resume", "q")
        is_equal(gsq.wait_job(job), "done", "its end")
        done = gsq.qctl("resume", "q", status=1)
        is_true("BAD_STATE" in done.stderr, "not twice", done.stderr)


def test_a_pause_ends_by_itself():
    with Waiters("") as all:
        all.gsq.qctl("pause", "q", "--for", "1s")
        began = time.monotonic()
        job = all.enqueue("x")
        answer = all.why(job)
        is_true(0 < answer["until_ms"] <= 1000, "until", answer)
        is_equal(all.gsq.wait_job(job), "done", "its end")
        is_true(time.monotonic() - began > 0.9, "not before")


def test_a_drained_queue_takes_nothing_and_ends_what_it_has():
    with Waiters("") as all:
        job = all.enqueue("hold")
        all.gsq.qctl("drain", "q")
        done = all.gsq.qctl("enqueue", "q", "x", status=75)
        is_true("DRAINING" in done.stderr, "it says so", done.stderr)
        done = all.gsq.qctl("drain", "q", "--wait", "--timeout", "100ms",
                            status=124)
        all.open_gate()
        all.gsq.qctl("drain", "q", "--wait")
        is_equal(all.gsq.wait_job(job), "done", "its end")
        all.gsq.qctl("drain", "q", "--off")
        all.gsq.qctl("enqueue", "q", "x")


def test_no_more_run_than_may():
    with Waiters("max_running = 2", workers=4) as all:
        jobs = [all.enqueue("hold") for _ in range(4)]
        wait_until(lambda: len(all.begun()) == 2, "two have begun")
        answer = all.why(jobs[2])
        is_equal(answer["reason"], "max-running", "why")
        is_equal(all.gsq.lane("q")["demand"], 2, "two more workers ask")
        all.open_gate()
        for job in jobs:
            is_equal(all.gsq.wait_job(job), "done", "its end")


def test_no_more_begin_than_the_rate_says():
    """Two at once, then four a second."""
    with Waiters('rate = "4/s" burst = 2', workers=4) as all:
        began = time.monotonic()
        jobs = [all.enqueue("x") for _ in range(6)]
        wait_until(lambda: len(all.begun()) >= 2, "two have begun")
        answer = all.why(jobs[5])
        is_equal(answer["reason"], "rate", "why")
        is_true(answer["until_ms"] <= 250, "until", answer)
        for job in jobs:
            is_equal(all.gsq.wait_job(job), "done", "its end")
        is_true(time.monotonic() - began >= 0.99, "four intervals")


def test_why_names_each_reason():
    with Waiters('keys = "serial"') as all:
        gsq = all.gsq
        running = all.enqueue("hold", key=b"42")
        wait_until(lambda: all.begun() == [running], "it has begun")
        answer = all.why(running)
        is_equal(answer["reason"], "running", "why it runs")
        is_true("on p-1" in answer["text"] and answer["until_ms"] > 200000,
                "its words", answer)
        behind, last = [all.enqueue("x", key=b"42") for _ in range(2)]
        answer = all.why(behind)
        is_equal((answer["state"], answer["reason"]),
                 ("blocked", "key-busy"), "behind its key")
        is_true("job %d runs on p-1" % running in answer["text"], "who",
                answer)
        is_true("1 more waits" in all.why(last)["text"], "how many")
        is_equal(json.loads(gsq.qctl(
            "-o", "json", "why", "--queue", "q", "--key", "42").stdout)["id"],
            behind, "the next one of the key")
        ready = all.enqueue("fails", priority=0)
        answer = all.why(ready)
        is_equal(answer["reason"], "no-demand", "nobody asks")
        is_true("1 of 1 workers busy" in answer["text"], "who", answer)
        delayed = all.enqueue("x", delay_ms=3600000)
        answer = all.why(delayed)
        is_equal(answer["reason"], "delayed", "it was delayed")
        is_true(3590000 < answer["until_ms"] <= 3600000, "until", answer)
        (other,) = gsq.enqueue("x", queue="other")
        is_equal(all.why(other)["reason"], "no-workers", "nobody serves it")
        hopeless = all.enqueue("hopeless", priority=1)
        all.open_gate()
        is_equal(gsq.wait_job(hopeless), "dead", "its end")
        answer = all.why(hopeless)
        is_equal(answer["reason"], "dead", "why")
        is_true("rejected" in answer["text"] and "exit status 65" in
                answer["text"], "its words", answer)
        answer = all.why(ready)
        is_equal(answer["reason"], "retry", "it waits to be tried again")
        is_true("after attempt 1, exit status 1" in answer["text"], "why",
                answer)
        gsq.wait_job(last)
        is_true("any more" in gsq.qctl("why", str(last), status=1).stderr,
                "one that has ended")
        gsq.qctl("why", "--key", "42", status=1)
        gsq.qctl("why", status=64)


def test_why_of_a_job_whose_worker_is_away():
    """Its worker is stopped; then the queue is killed."""
    with Waiters("") as all:
        gsq = all.gsq
        job = all.enqueue("hold")
        wait_until(lambda: all.begun() == [job], "it has begun")
        worker, queue = gsq.pid_of("p-1"), gsq.pid_of("queue")
        kill(worker, 19)
        kill(queue)
        gsq.wait_new_pid("queue", queue)
        is_equal(all.why(job)["reason"], "worker-away", "why")
        kill(worker, 18)
        wait_until(lambda: all.why(job)["reason"] == "running", "it is back")
        all.open_gate()
        is_equal(gsq.wait_job(job), "done", "its end")


def test_a_damaged_settings_file_is_refused_with_what_to_do():
    with Waiters("") as all:
        all.gsq.qctl("pause", "q")
        path = all.gsq.directory + "/store/settings"
        all.gsq.stop()
    with open(path, "r+b") as file:
        file.write(b"G")
    gsq = Gsq(directory=os.path.dirname(os.path.dirname(path)), ready=False)
    gsq.wait_log(r"event=boot-failed.*'settings'.*removed")
    gsq.wait_exit()
    os.unlink(path)
    with Gsq(directory=gsq.directory, workers=0) as gsq:
        is_true(not any(row["paused"] for row in gsq.call("queues")["queues"]),
                "nothing is paused")


def test_who_waits_is_told_of_a_bad_queue_name():
    with Gsq() as gsq:
        for method, params, refusal in (
                ("pause", {}, "BAD_ARGUMENT"),
                ("pause", {"queue": "a b"}, "BAD_NAME"),
                ("pause", {"queue": "q", "for_ms": -1}, "BAD_ARGUMENT"),
                ("resume", {"queue": "q"}, "BAD_STATE"),
                ("drain", {"queue": "q", "on": False}, "BAD_STATE"),
                ("drain", {"queue": "q", "on": 1}, "BAD_ARGUMENT"),
                ("why", {}, "BAD_ARGUMENT"),
                ("why", {"id": 1, "key": b"x"}, "BAD_ARGUMENT"),
                ("why", {"key": b"x"}, "BAD_ARGUMENT"),
                ("why", {"queue": "q", "key": b"x"}, "NOT_FOUND"),
                ("why", {"id": 1}, "NOT_FOUND")):
            try:
                gsq.call(method, **params)
            except Refused as refused:
                is_true(refused.text.startswith(refusal + ": "),
                        "%s %s" % (method, params), refused.text)
            else:
                raise AssertionError("%s %s was taken" % (method, params))
