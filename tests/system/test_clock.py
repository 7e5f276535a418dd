# SPDX-License-Identifier: MIT
"""The wall clock jumps by a day, forth and back, under real processes. What
waits, waits by the monotonic clock; only over a new start of the queue is the
wall clock all there is (queue/turn.c)."""
import signal
import time

from clock import DAY, Clock
from harness import (
    Gsq, SLOWNESS, effects, is_alive, is_equal, is_true, kill, wait_until,
    write_file)
from test_kill import gated_handler

# A machine with other work may be so late.
LATE = 2 * SLOWNESS

# The clock of the queue counts whole milliseconds.
EARLY = 0.002

# One after the other: a day ahead, back again, and a day behind.
JUMPS = (+DAY, 0, -DAY)

# The longest there is (common/base/units.h).
LONGEST = 100 * 366 * DAY

CONFIGURATION = """
queue "q" { retry_base = "1s" }
pool "none" { workers = 0 }
"""


def expect_on_time(clock, gsq, error, least, most):
    """A job that ends with that error comes again after a delay from least
    to most seconds, wherever the clock jumps meanwhile."""
    for offset in JUMPS:
        (job,) = gsq.enqueue("x", queue="q")
        with gsq.client() as worker:
            worker.call("subscribe", queue="q")
            worker.call("demand", queue="q", n=1)
            msgid, _ = worker.next_job()
            began = time.monotonic()
            worker.respond(msgid, error)
            worker.call("demand", queue="q", n=1)
            is_equal(gsq.job(job)["state"], "delayed", "state")
            mark = gsq.mark()
            clock.set(offset)
            msgid, again = worker.next_job()
            took = time.monotonic() - began
            worker.respond(msgid)
        is_equal(again["id"], job, "the job that comes")
        is_true(least - EARLY <= took <= most + LATE, "%.3f s, and not %.1f to "
                "%.1f, with the clock at %+d" % (took, least, most, offset))
        clock.wait_seen(gsq, "deliver", mark, job=job)
        gsq.wait_lane("q", ready=0, delayed=0, running=0)


def test_a_delay_is_neither_shorter_nor_longer():
    """A worker says how long a job shall wait."""
    with Clock() as clock, Gsq(
            "-n", "0", environment=clock.environment) as gsq:
        expect_on_time(clock, gsq, {
            "verdict": "retry", "delay_ms": 700, "reason": "later"}, 0.7, 0.7)


def test_a_retry_is_neither_early_nor_late():
    """The first one comes after retry_base, give or take a tenth."""
    with Clock() as clock, Gsq(configuration=CONFIGURATION,
                               environment=clock.environment) as gsq:
        expect_on_time(clock, gsq, {
            "verdict": "fail", "reason": "oops"}, 0.9, 1.1)


def test_a_restart_is_neither_early_nor_late():
    """The supervisor holds a worker back by the monotonic clock."""
    with Clock() as clock, Gsq(
            "--max-restarts", "inf", "--backoff", "600ms..600ms", workers=1,
            command=["builtin:noop"], environment=clock.environment) as gsq:
        pid = gsq.pid_of("w1")
        for offset in JUMPS:
            mark = gsq.mark()
            kill(pid)
            line = gsq.wait_event("backoff", after=mark, child="w1")
            delay = int(line["delay_ms"]) / 1000
            clock.set(offset)
            pid = gsq.wait_new_pid("w1", pid)
            start = gsq.wait_event("start", after=mark, child="w1")
            took = start.seen - line.seen
            is_true(delay - 0.1 <= took <= delay + LATE, "%.3f s, and not "
                    "%.3f, with the clock at %+d" % (took, delay, offset))
            clock.wait_seen(gsq, "subscribed", mark, role="w1")


def test_a_running_job_is_left_alone():
    """Its worker lives, nobody takes the job away, it runs once."""
    command, starts, ends, gate = gated_handler()
    with Clock() as clock, Gsq(
            workers=2, command=command,
            environment=clock.environment) as gsq:
        (job,) = gsq.enqueue("x")
        (run,) = wait_until(lambda: effects(starts), "the job runs")
        (busy,) = [name for name, pid in gsq.worker_pids().items()
                   if pid == run.worker]
        (idle,) = set(gsq.worker_pids()) - {busy}
        for offset in JUMPS:
            mark = gsq.mark()
            clock.set(offset)
            # So that everybody has something to do and to say.
            old = gsq.pid_of(idle)
            kill(old)
            gsq.wait_new_pid(idle, old)
            clock.wait_seen(gsq, "exit", mark, role="supervisor", child=idle)
            clock.wait_seen(gsq, "subscribed", mark, role=idle)
            gsq.enqueue("x", queue="other")
            clock.wait_seen(gsq, "enqueue", mark, role="queue")
            row = gsq.job(job)
            is_equal((row["state"], row["attempt"]), ("running", 1), "the job")
        write_file(gate, "")
        is_equal(gsq.wait_job(job), "done", "end of the job")
        is_equal(gsq.pid_of(busy), run.worker, "pid of the worker")
        is_equal(len(effects(starts)), 1, "runs that began")
        is_equal(len(effects(ends)), 1, "runs that ended")


# ---- over the death of the queue -------------------------------------------

DELAY = 600


class Killed:
    """A gsq with a job that runs, one that is ready and one that waits for
    ten minutes. Its queue is killed, and the clock has jumped when it is
    back."""

    def __init__(self, clock):
        self.clock = clock
        command, self.starts, self.ends, self.gate = gated_handler()
        self.gsq = Gsq("--max-restarts", "inf", "--backoff", "off", workers=1,
                       command=command, environment=clock.environment)
        (self.running,) = self.gsq.enqueue("runs")
        wait_until(lambda: effects(self.starts), "it runs")
        (self.delayed,) = self.gsq.enqueue("waits", queue="q")
        self.worker = self.gsq.pid_of("w1")
        self.began = time.monotonic()
        with self.gsq.client() as worker:
            worker.call("subscribe", queue="q")
            worker.call("demand", queue="q", n=1)
            msgid, _ = worker.next_job()
            worker.respond(msgid, {
                "verdict": "retry", "delay_ms": 1000 * DELAY})
            # Its answer says that what came before is kept, too.
            self.ready = worker.call(
                "enqueue", queue="default", body=b"ready")["id"]
        is_equal(self.row()["state"], "delayed", "state")

    def row(self):
        return self.gsq.job(self.delayed)

    def kill_and_jump(self, offset):
        """The clock is set while there is no queue."""
        mark = self.gsq.mark()
        old = self.gsq.pid_of("queue")
        kill(self.gsq.pid, signal.SIGSTOP)
        kill(old)
        wait_until(lambda: not is_alive(old), "the queue is dead")
        self.clock.set(offset)
        kill(self.gsq.pid, signal.SIGCONT)
        self.gsq.wait_new_pid("queue", old)
        self.clock.wait_seen(self.gsq, "loaded", mark, role="queue")
        is_equal([self.gsq.job(job)["state"]
                  for job in (self.running, self.ready)],
                 ["running", "ready"], "states of the others")

    def expect_due_in(self, seconds):
        """So long from the beginning of the delay on."""
        row = self.row()
        took = time.monotonic() - self.began
        is_equal(row["state"], "delayed", "state")
        due = row["due_in_ms"] / 1000
        is_true(seconds - took - 1 <= due <= seconds, "due in %.3f s, and not "
                "%.3f" % (due, seconds - took), row)

    def expect_all(self):
        """The clock is set so far ahead that the delay is over: all of them
        come to their end, each after one run."""
        self.kill_and_jump(+DAY)
        is_equal(self.row()["state"], "ready", "state of what waited")
        write_file(self.gate, "")
        for job in (self.running, self.ready):
            is_equal(self.gsq.wait_job(job), "done", "end of the job")
        is_equal([run.job for run in effects(self.starts)],
                 [self.running, self.ready], "runs")
        is_equal(self.gsq.pid_of("w1"), self.worker, "pid of the worker")
        with self.gsq.client() as worker:
            worker.call("subscribe", queue="q")
            worker.call("demand", queue="q", n=1)
            msgid, job = worker.next_job()
            is_equal((job["id"], job["attempt"]), (self.delayed, 1), "job")
            worker.respond(msgid)
        self.gsq.wait_lane("q", done=1, ready=0, delayed=0, running=0)
        self.gsq.stop()


def test_a_clock_set_ahead_over_a_kill_of_the_queue():
    """The delay is over, and nothing is lost."""
    with Clock() as clock:
        killed = Killed(clock)
        killed.kill_and_jump(0)
        killed.expect_due_in(DELAY)
        killed.expect_all()


def test_a_clock_set_back_over_a_kill_of_the_queue():
    """The delay is longer by what the clock was set back, and no more; when
    it is put right, so is the delay with the next queue."""
    with Clock() as clock:
        killed = Killed(clock)
        killed.kill_and_jump(-DAY)
        killed.expect_due_in(DELAY + DAY)
        killed.kill_and_jump(0)
        killed.expect_due_in(DELAY)
        killed.expect_all()


def test_a_clock_set_back_by_a_lifetime_over_a_kill_of_the_queue():
    """No delay is longer than the longest."""
    with Clock() as clock:
        killed = Killed(clock)
        killed.kill_and_jump(-120 * 366 * DAY)
        killed.expect_due_in(LONGEST)
        killed.expect_all()


def test_a_job_for_a_time_of_the_wall_clock_follows_it():
    """It waits for that time, and no longer: also where the queue was away
    when the clock was set."""
    with Clock() as clock, Gsq(
            environment=clock.environment, workers=1,
            command=["builtin:noop"]) as gsq:
        def at(seconds):
            return gsq.call("enqueue", queue="default", body="x", at_ms=int(
                (time.time() + clock.offset + seconds) * 1000))["id"]
        tomorrow, later = at(DAY), at(3 * DAY)
        is_equal(gsq.wait_job(at(-1)), "done", "what has passed is at once")
        is_equal(gsq.job(tomorrow)["state"], "delayed", "a day before")
        is_true(gsq.job(tomorrow)["due_wall_ms"] > time.time() * 1000 +
                0.9 * DAY * 1000, "when it is due")
        clock.set(-DAY)
        gsq.call("ping")
        is_true(gsq.job(tomorrow)["due_in_ms"] > 1.9 * DAY * 1000, "it is "
                "two days away")
        clock.set(DAY + 5)
        gsq.call("ping")  # a clock set by libfaketime wakes nobody
        is_equal(gsq.wait_job(tomorrow), "done", "its time has come")
        is_equal(gsq.job(later)["state"], "delayed", "that of the other not")
        queue = gsq.pid_of("queue")
        kill(queue, signal.SIGSTOP)
        clock.set(4 * DAY)
        kill(queue)
        gsq.wait_new_pid("queue", queue)
        is_equal(gsq.wait_job(later), "done", "it has passed over a restart")
        soon = time.time() + clock.offset + 1
        identity = gsq.call("enqueue", queue="default", body="x",
                            at_ms=int(soon * 1000))["id"]
        is_equal(gsq.wait_job(identity), "done", "by itself")
        is_true(time.time() + clock.offset >= soon - EARLY, "not early")


def test_a_clock_that_was_set_counts_for_what_comes_next():
    """Nothing else happens in between by which the queue could notice."""
    with Clock() as clock, Gsq(
            environment=clock.environment, workers=1,
            command=["builtin:noop"]) as gsq:
        with gsq.client() as producer:
            for offset in (DAY, 0, -DAY):
                clock.set(offset + DAY)
                producer.call("ping")
                clock.set(offset)
                soon = time.time() + clock.offset + 3600
                identity = producer.call(
                    "enqueue", queue="default", body="x",
                    at_ms=int(soon * 1000))["id"]
                is_equal(gsq.job(identity)["state"], "delayed", "an hour "
                         "before its time, with the clock at %+d" % offset)
