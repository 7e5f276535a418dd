# SPDX-License-Identifier: MIT
"""kill -9 of everything, in the worst moment."""
import os
import re
import signal
import threading
import time

from harness import (
    Client, Closed, Gsq, SLOWNESS, Skip, descendants, duplicate_of, effects,
    is_alive, is_equal, is_true, kill, lines_of, process, script,
    temporary, wait_gone, wait_until, write_file)

FREE = ("--max-restarts", "inf", "--backoff", "off")


def gated_handler(name="gated"):
    """A handler that tells its start, waits for a file, and tells its end:
    (command, path of starts, path of ends, path of the gate)."""
    starts, ends, gate = (temporary(name + "." + end)
                          for end in ("starts", "ends", "gate"))
    path = script(name, r'''
line="$GSQ_JOB_ID $GSQ_ATTEMPT $PPID"
echo "$line $$" >> "$1"
while [ ! -e "$3" ]; do sleep 0.02; done
echo "$line $$" >> "$2"
''')
    return [path, starts, ends, gate], starts, ends, gate


def daemon_handler():
    """A handler that leaves two daemons: processes in sessions of their own
    which ignore TERM and keep the handler's output open. (path, path of the
    pids, path of the gate); with a gate of "-" it ends at once."""
    daemon = script("daemon", r'''
trap "" TERM HUP INT
echo "$GSQ_JOB_ID $GSQ_ATTEMPT $$ daemon" >> "$1"
[ "$2" = again ] || setsid "$0" "$1" again &
while :; do sleep 1; done
''')
    path = script("leaves", r'''
setsid "$3" "$1" &
while [ "$(wc -l < "$1")" -lt 2 ]; do sleep 0.01; done
[ "$2" = - ] && exit 0
echo waiting >> "$1.waiting"
while [ ! -e "$2" ]; do sleep 0.02; done
''')
    return path, write_file("pids", ""), temporary("gate"), daemon


def daemons(gsq):
    """Live processes with a command line of ours below the supervisor."""
    children = set(gsq.pids().values())
    return [pid for pid in descendants(gsq.pid, zombies=False)
            if pid not in children]


def test_worker_killed_in_its_job():
    """New pid, attempt 2, exactly one extra run, everybody else unmoved."""
    command, starts, ends, gate = gated_handler()
    with Gsq(workers=3, command=command) as gsq:
        before = gsq.pids()
        (job,) = gsq.enqueue("precious")
        (first,) = wait_until(lambda: effects(starts), "the job runs")
        is_equal((first.job, first.attempt), (job, 1), "first run")
        name = {pid: name for name, pid in before.items()}[first.worker]
        mark = gsq.mark()
        kill(first.worker)
        gsq.wait_new_pid(name, first.worker)
        wait_until(lambda: len(effects(starts)) == 2, "the job runs again")
        is_true(not is_alive(int(first.text)), "the first handler is dead")
        second = effects(starts)[1]
        is_equal((second.job, second.attempt), (job, 2), "second run")
        write_file(gate, "")
        is_equal(gsq.wait_job(job), "done", "end of the job")
        is_equal(len(effects(starts)), 2, "runs that began")
        is_equal([(run.job, run.attempt) for run in effects(ends)],
                 [(job, 2)], "runs that ended")
        after = gsq.pids()
        is_equal({key: pid for key, pid in after.items() if key != name},
                 {key: pid for key, pid in before.items() if key != name},
                 "the others' pids")
        line = gsq.wait_event("exit", after=mark, child=name)
        is_equal(line["child_pid"], str(first.worker), "pid in the log")
        is_true(re.search(r"signal=(9|KILL|SIGKILL)\b", line.text),
                "the log says the signal", line)
        gsq.wait_log(r"job=%d\b.*worker=%s\b|worker=%s\b.*job=%d\b" % (
            job, name, name, job), after=mark)


def test_a_killed_handler_is_not_a_killed_worker():
    """kill -9 of the handler fails the attempt; the worker's pid stays."""
    command, starts, ends, gate = gated_handler()
    with Gsq(workers=1, command=command) as gsq:
        before = gsq.pids()
        (job,) = gsq.enqueue("x")
        (first,) = wait_until(lambda: effects(starts), "the job runs")
        kill(int(first.text))
        write_file(gate, "")
        wait_until(lambda: len(effects(starts)) == 2, "it runs again")
        is_equal(effects(starts)[1].attempt, 2, "attempt")
        is_equal(gsq.wait_job(job), "done", "end of the job")
        is_equal(gsq.pids(), before, "pids")


def test_a_daemon_of_a_handler_dies_when_the_job_ends():
    """A setsid grandchild that ignores TERM does not outlive its job."""
    path, pids, gate, daemon = daemon_handler()
    with Gsq(workers=1, command=[path, pids, "-", daemon]) as gsq:
        (job,) = gsq.enqueue("x")
        is_equal(gsq.wait_job(job), "done", "end of the job")
        is_equal(len(lines_of(pids)), 2, "daemons that were there")
        wait_until(lambda: not daemons(gsq), "nothing is left", 1 * SLOWNESS)
        for run in effects(pids):
            is_true(not is_alive(run.worker), "daemon is gone", run)


def test_a_daemon_of_a_handler_dies_with_the_worker():
    """kill -9 of the worker: nothing of the handler's tree is left before
    the job runs again."""
    path, pids, gate, daemon = daemon_handler()
    with Gsq(workers=1, command=[path, pids, gate, daemon]) as gsq:
        (job,) = gsq.enqueue("x")
        wait_until(lambda: lines_of(pids + ".waiting"), "the job runs")
        old = daemons(gsq)
        is_true(len(old) >= 3, "the handler's tree is there", old)
        worker = gsq.pid_of("w1")
        began = time.monotonic()
        kill(worker)
        for pid in old:
            wait_gone(pid, "a process of the handler's tree", 1 * SLOWNESS)
        took = time.monotonic() - began
        gsq.wait_new_pid("w1", worker)
        write_file(gate, "")
        is_equal(gsq.wait_job(job), "done", "end of the job")
        wait_until(lambda: not daemons(gsq), "nothing is left")
        print("gone after %.1f ms" % (took * 1e3))


def test_a_hundred_workers_killed_at_once_come_back():
    """All are reborn, none stays a zombie."""
    with Gsq(*FREE, workers=100, command=["builtin:noop"],
             verbose=False) as gsq:
        before = gsq.worker_pids()
        is_equal(len(set(before.values())), 100, "workers")
        for pid in before.values():
            kill(pid)
        wait_until(lambda: not any(is_alive(pid) for pid in before.values()),
                   "the old ones are dead")
        gsq.wait_ready(timeout=30 * SLOWNESS)
        after = gsq.worker_pids()
        is_equal(len(set(after.values())), 100, "workers afterwards")
        is_true(not set(before.values()) & set(after.values()),
                "all pids are new")
        rows = [process(pid) for pid in descendants(gsq.pid)]
        is_equal([row for row in rows if row and row.state == "Z"], [],
                 "zombies")
        gsq.wait_lane(demand=100)
        gsq.enqueue(*["x"] * 500)
        gsq.wait_lane(done=500, ready=0, running=0)


def test_the_same_worker_killed_fifty_times():
    """The fiftieth restart is as good as the first; no descriptor is lost."""
    with Gsq(*FREE, workers=1, command=["builtin:noop"],
             verbose=False) as gsq:
        def descriptors():
            return len(os.listdir("/proc/%d/fd" % gsq.pid))
        pid = gsq.pid_of("w1")
        kill(pid)
        pid = gsq.wait_new_pid("w1", pid)
        at_first = descriptors()
        for _ in range(50):
            kill(pid)
            pid = gsq.wait_new_pid("w1", pid)
        wait_until(lambda: descriptors() <= at_first + 1,
                   "descriptors of the supervisor are as before")
        is_equal(gsq.children()["w1"]["restarts"], 51, "restarts told")
        (job,) = gsq.enqueue("x")
        is_equal(gsq.wait_job(job), "done", "a job at the end")


def test_supervisor_killed_while_idle():
    """Everything is gone within a second; the next start works at once."""
    with Gsq(workers=3) as gsq:
        took = gsq.kill_supervisor()
        print("gone after %.1f ms" % (took * 1e3))
        with Gsq(workers=3, directory=gsq.directory) as again:
            (job,) = again.enqueue("x")
            is_equal(again.wait_job(job), "done", "a job afterwards")


def test_supervisor_killed_while_busy():
    """The handlers' daemons die as well; the next start works at once."""
    path, pids, gate, daemon = daemon_handler()
    with Gsq(workers=1, command=[path, pids, gate, daemon]) as gsq:
        gsq.enqueue("x")
        wait_until(lambda: lines_of(pids + ".waiting"), "the job runs")
        old = daemons(gsq)
        is_true(len(old) >= 3, "the handler's tree is there", old)
        took = gsq.kill_supervisor()
        print("gone after %.1f ms" % (took * 1e3))
        with Gsq(workers=2, directory=gsq.directory) as again:
            is_equal(len(again.worker_pids()), 2, "workers")


def test_supervisor_killed_with_a_stopped_worker():
    """A worker that was halted (SIGSTOP) does not stay behind."""
    with Gsq(workers=2, command=["builtin:noop"]) as gsq:
        kill(gsq.pid_of("w1"), signal.SIGSTOP)
        kill(gsq.pid_of("queue"), signal.SIGSTOP)
        gsq.kill_supervisor()


def lock_of(gsq, pid):
    """The lock that the process inherited, in this one as well."""
    names = "/proc/%d/fd" % pid
    wanted = os.path.join(gsq.directory, "lock")
    (number,) = [int(name) for name in os.listdir(names)
                 if os.readlink(os.path.join(names, name)) == wanted]
    process_descriptor = os.pidfd_open(pid)
    try:
        return duplicate_of(process_descriptor, number)
    except PermissionError:
        raise Skip("this user may not take a descriptor of another process")
    finally:
        os.close(process_descriptor)


def test_the_next_start_waits_for_what_has_not_ended_yet():
    """A worker of before that is slow to see that its supervisor is dead
    might begin its job yet: nobody is given that job before it is gone."""
    with Gsq(workers=1, command=["builtin:noop"]) as gsq:
        held = lock_of(gsq, gsq.pid_of("w1"))
        old = gsq.pid
        gsq.kill_supervisor()
    with Gsq(workers=1, command=["builtin:noop"], directory=gsq.directory,
             ready=False) as again:
        line = again.wait_log("waiting for the end")
        is_true("pid %d, is dead" % old in line.text, "it says who", line)
        is_equal(again.events("boot"), [], "a boot")
        os.close(held)
        again.wait_ready()
        (job,) = again.enqueue("x")
        is_equal(again.wait_job(job), "done", "a job afterwards")


def test_everything_killed_at_once():
    """Nobody is left who could end what the handlers had started; the next
    start does, before their jobs run again."""
    path, pids, gate, daemon = daemon_handler()
    with Gsq(workers=2, command=[path, pids, gate, daemon]) as gsq:
        jobs = gsq.enqueue("x", "y")
        wait_until(lambda: len(lines_of(pids + ".waiting")) == 2, "both run")
        processes = [gsq.pid] + [child["pid"]
                                 for child in gsq.children().values()]
        old = daemons(gsq)
        for pid in processes:
            kill(pid, signal.SIGSTOP)
        for pid in processes:
            kill(pid)
        gsq.process.wait()
        is_true([pid for pid in old if is_alive(pid)], "some are left")
        write_file(gate, "")
        with Gsq(workers=2, directory=gsq.directory,
                 command=[path, pids, "-", daemon]) as again:
            is_equal([pid for pid in old if is_alive(pid)], [], "left")
            for job in jobs:
                is_equal(again.wait_job(job), "done", "end of the job")


def test_queue_killed_while_idle():
    """The workers stay, subscribe again and work."""
    with Gsq(workers=3, command=["builtin:noop"]) as gsq:
        before = gsq.pids()
        mark = gsq.mark()
        kill(before["queue"])
        gsq.wait_new_pid("queue", before["queue"])
        gsq.wait_lane(demand=3)
        after = gsq.pids()
        is_equal({key: pid for key, pid in after.items() if key != "queue"},
                 {key: pid for key, pid in before.items() if key != "queue"},
                 "pids of the workers")
        line = gsq.wait_event("exit", after=mark, child="queue")
        is_true(re.search(r"signal=(9|KILL|SIGKILL)\b", line.text),
                "the log says the signal", line)
        gsq.enqueue(*["x"] * 30)
        gsq.wait_lane(done=30)
        for child in gsq.children().values():
            if child["role"] == "worker":
                is_equal(child["restarts"], 0, "restarts of a worker")


def test_queue_killed_while_busy():
    """The worker keeps running its job, and its result counts: one run."""
    command, starts, ends, gate = gated_handler()
    with Gsq(workers=2, command=command) as gsq:
        before = gsq.pids()
        (job,) = gsq.enqueue("x")
        (run,) = wait_until(lambda: effects(starts), "the job runs")
        kill(before["queue"])
        gsq.wait_new_pid("queue", before["queue"])
        # One has it still; the other is not given it.
        gsq.wait_lane(demand=1, running=1)
        row = gsq.job(job)
        is_equal((row["state"], row["attempt"], row["worker_pid"]),
                 ("running", 1, run.worker), "the job")
        is_true(is_alive(int(run.text)), "its handler lives")
        write_file(gate, "")
        is_equal(gsq.wait_job(job), "done", "end of the job")
        is_equal(len(effects(starts)), 1, "runs that began")
        is_equal(len(effects(ends)), 1, "runs that ended")
        after = gsq.pids()
        is_equal({key: pid for key, pid in after.items() if key != "queue"},
                 {key: pid for key, pid in before.items() if key != "queue"},
                 "pids of the workers")


def test_a_job_that_ends_while_the_queue_is_away():
    """Its result is kept by the worker and delivered to the new queue."""
    command, starts, ends, gate = gated_handler()
    with Gsq(workers=1, command=command) as gsq:
        (job,) = gsq.enqueue("x")
        wait_until(lambda: effects(starts), "the job runs")
        queue = gsq.pid_of("queue")
        # The new queue is held back by the backoff of the second death.
        kill(queue)
        queue = gsq.wait_new_pid("queue", queue)
        mark = gsq.mark()
        kill(queue)
        write_file(gate, "")
        gsq.wait_event("ended", after=mark, job=job)
        is_equal(gsq.wait_job(job), "done", "end of the job")
        is_equal([run.attempt for run in effects(starts)], [1], "runs")


def test_queue_killed_that_keeps_jobs_in_memory():
    """Durability "memory": what a worker runs is unknown to the new queue;
    the worker stops it and asks again. No id is given a second time."""
    command, starts, ends, gate = gated_handler()
    with Gsq(configuration="""
queue "default" { durability = "memory" }
pool "w" { command = { "%s", "%s", "%s", "%s" } }
""" % tuple(command)) as gsq:
        before = gsq.pids()
        (first,) = gsq.enqueue("x")
        (run,) = wait_until(lambda: effects(starts), "the job runs")
        kill(before["queue"])
        gsq.wait_new_pid("queue", before["queue"])
        wait_gone(int(run.text), "the handler of a forgotten job")
        gsq.wait_lane(demand=1)
        is_equal(gsq.pid_of("w-1"), before["w-1"], "pid of the worker")
        write_file(gate, "")
        (second,) = gsq.enqueue("y")
        is_true(second > first, "a new id", first, second)
        is_equal(gsq.wait_job(second), "done", "a job of the new queue")
        is_equal(len(effects(ends)), 1, "runs that ended")


def test_connections_are_never_refused_while_the_queue_is_killed():
    """Clients connect all the time through five deaths of the queue."""
    with Gsq(*FREE, workers=1, command=["builtin:noop"]) as gsq:
        stop = threading.Event()
        counts = {"answered": 0, "cut": 0}
        refused = []

        def connect_for_ever():
            while not stop.is_set():
                try:
                    with Client(gsq.socket) as client:
                        client.call("ping")
                        counts["answered"] += 1
                except (Closed, BrokenPipeError):
                    counts["cut"] += 1
                except Exception as problem:
                    refused.append(repr(problem))

        threads = [threading.Thread(target=connect_for_ever)
                   for _ in range(3)]
        for thread in threads:
            thread.start()
        try:
            pid = gsq.pid_of("queue")
            for _ in range(5):
                answered = counts["answered"]
                kill(pid)
                pid = gsq.wait_new_pid("queue", pid)
                wait_until(lambda: counts["answered"] > answered + 10,
                           "clients are served again")
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        is_equal(refused, [], "connections refused")
        is_true(counts["cut"] < 50, "few connections were cut", counts)


def test_second_start_in_the_same_directory_is_refused():
    """Exit 69 with the pid of the first, which is not disturbed."""
    with Gsq(workers=2) as gsq:
        before = gsq.pids()
        mark = gsq.mark()
        second = Gsq(workers=2, directory=gsq.directory, ready=False)
        is_equal(second.wait_exit(), 69, "exit status")
        second.wait_log(r"\b%d\b" % gsq.pid)
        with gsq.client() as client:
            is_equal(client.call("ping")["pid"], before["queue"],
                     "the first one's queue")
        is_equal(gsq.pids(), before, "pids of the first")
        is_equal([line.text for line in gsq.events("exit", after=mark)], [],
                 "deaths in the first")
        gsq.kill_supervisor()
        with Gsq(workers=1, directory=gsq.directory):
            pass
