# SPDX-License-Identifier: MIT
"""Starting, stopping, and giving up."""
import os
import shutil
import signal
import time

from harness import (
    Gsq, SLOWNESS, descendants, effects, expect_nothing_left, is_alive,
    is_equal, is_true, kill, limit, lines_of, program, run, script,
    temporary, wait_until, write_file)


def slow_handler(seconds):
    """Takes so long, then tells its end: (command, path of starts, path of
    ends)."""
    starts, ends = temporary("starts"), temporary("ends")
    path = script("slow", r'''
echo "$GSQ_JOB_ID $GSQ_ATTEMPT $PPID $$" >> "$1"
sleep "$3"
echo "$GSQ_JOB_ID $GSQ_ATTEMPT $PPID $$" >> "$2"
''')
    return [path, starts, ends, str(seconds)], starts, ends


def stubborn_handler():
    """Ignores TERM and never ends: (command, path of starts)."""
    starts = temporary("starts")
    path = script("stubborn", r'''
trap '' TERM INT HUP
echo "$GSQ_JOB_ID $GSQ_ATTEMPT $PPID $$" >> "$1"
while :; do sleep 0.1; done
''')
    return [path, starts], starts


def test_term_stops_in_reverse_order():
    """Exit 0; first the workers, the last one first, then the queue; no
    socket file is left."""
    with Gsq(workers=3, command=["builtin:noop"]) as gsq:
        began = gsq.mark()
        kill(gsq.pid, signal.SIGTERM)
        is_equal(gsq.wait_exit(), 0, "exit status")
        asked = [line["child"] for line in gsq.events("stop", after=began)]
        is_equal(asked, ["w3", "w2", "w1", "queue"], "order of stopping")
        ended = [line["child"] for line in gsq.events("exit", after=began)]
        is_equal(ended[-1], "queue", "the last to end")
        is_equal(sorted(ended[:-1]), ["w1", "w2", "w3"], "ended before")
        queue_asked = gsq.events("stop", after=began, child="queue")[0]
        is_true(all(line.index < queue_asked.index
                    for line in gsq.events("exit", after=began)[:-1]),
                "the queue is asked when the workers have ended")
        expect_nothing_left(0.1)
        gsq.expect_no_sockets()


def test_int_stops_as_term_does():
    with Gsq(workers=2, command=["builtin:noop"]) as gsq:
        kill(gsq.pid, signal.SIGINT)
        is_equal(gsq.wait_exit(), 0, "exit status")
        expect_nothing_left(0.1)
        gsq.expect_no_sockets()


def test_a_running_job_finishes_and_no_new_one_begins():
    """TERM: what runs may end, what waits stays."""
    command, starts, ends = slow_handler(1)
    with Gsq(workers=2, command=command) as gsq:
        gsq.enqueue(*"abcdef")
        wait_until(lambda: len(lines_of(starts)) == 2, "two run")
        kill(gsq.pid, signal.SIGTERM)
        is_equal(gsq.wait_exit(), 0, "exit status")
        is_equal(len(lines_of(starts)), 2, "jobs begun")
        is_equal(len(lines_of(ends)), 2, "jobs ended")
        expect_nothing_left(0.1)


def test_shutdown_with_a_time_for_those_who_run():
    """--drain is that time instead of stop_grace; nothing new begins."""
    command, starts, ends = slow_handler(0.5)
    with Gsq(workers=1, configuration='supervisor { stop_grace = "0" }',
             command=command) as gsq:
        jobs = gsq.enqueue("a", "b")
        wait_until(lambda: effects(starts), "the first job runs")
        gsq.qctl("shutdown", "--drain", "30s")
        is_equal(gsq.wait_exit(), 0, "exit status")
        is_equal([run_.job for run_ in effects(starts)], jobs[:1], "begun")
        is_equal([run_.job for run_ in effects(ends)], jobs[:1], "ended")
        is_equal(gsq.events("stopping")[0]["drain_ms"], "30000", "the log")


def test_shutdown_at_once_and_when_the_time_is_over():
    """Handlers are ended, and their jobs are not counted as tried."""
    command, starts, ends = slow_handler(50)
    gsq = Gsq(workers=1, command=command)
    (job,) = gsq.enqueue("a")
    for way in (["--now"], ["--drain", "100ms"]):
        wait_until(lambda: lines_of(starts), "it runs")
        began = time.monotonic()
        gsq.qctl("shutdown", *way)
        is_equal(gsq.wait_exit(), 0, "exit status")
        took = time.monotonic() - began
        is_true(took < 4 * SLOWNESS, "quickly", way, took)
        expect_nothing_left(0.1)
        is_equal(lines_of(ends), [], "jobs ended")
        mark = len(lines_of(starts))
        gsq = Gsq(workers=1, command=command, directory=gsq.directory)
        wait_until(lambda: len(lines_of(starts)) > mark, "it runs again")
        row = gsq.job(job)
        is_equal((row["state"], row["attempt"]), ("running", 1), "the job")
    gsq.qctl("shutdown", "--now")
    is_equal(gsq.wait_exit(), 0, "exit status")


def test_shutdown_refuses_what_it_cannot_do():
    command, starts, _ = slow_handler(50)
    with Gsq(workers=1, command=command) as gsq:
        done = gsq.qctl("shutdown", "--now", "--drain", "1s", status=64)
        is_true("exclude each other" in done.stderr, "why", done.stderr)
        done = gsq.qctl("shutdown", "--drain", "25h", status=1)
        is_true("drain_ms" in done.stderr, "why", done.stderr)
        done = gsq.qctl("shutdown", "--drain", "soon", status=64)
        gsq.enqueue("a")
        wait_until(lambda: lines_of(starts), "the job runs")
        kill(gsq.pid, signal.SIGTERM)
        gsq.wait_event("stop", child="w1")
        done = gsq.qctl("shutdown", "--drain", "1s", status=75)
        is_true("STOPPING" in done.stderr, "why", done.stderr)
        gsq.qctl("shutdown", "--now")
        is_equal(gsq.wait_exit(), 0, "exit status")


def test_second_interrupt_ends_the_handlers():
    """The first waits for the job, the second sends it TERM."""
    command, starts, ends = slow_handler(50)
    with Gsq(workers=1, command=command) as gsq:
        gsq.enqueue("a")
        (run_,) = wait_until(lambda: effects(starts), "the job runs")
        kill(gsq.pid, signal.SIGINT)
        gsq.wait_event("stop", child="w1")
        is_true(is_alive(int(run_.text)), "the handler may go on")
        is_true(gsq.is_running(), "the supervisor waits for it")
        began = time.monotonic()
        kill(gsq.pid, signal.SIGINT)
        is_equal(gsq.wait_exit(), 0, "exit status")
        took = time.monotonic() - began
        is_true(took < 4 * SLOWNESS, "quickly", took)
        expect_nothing_left(0.1)
        is_equal(lines_of(ends), [], "jobs ended")


def test_second_interrupt_kills_a_stubborn_handler_in_the_end():
    """TERM is ignored: KILL follows after 5 s."""
    command, starts = stubborn_handler()
    with Gsq(workers=1, command=command) as gsq:
        gsq.enqueue("a")
        wait_until(lambda: lines_of(starts), "the job runs")
        kill(gsq.pid, signal.SIGINT)
        gsq.wait_event("stop", child="w1")
        began = time.monotonic()
        kill(gsq.pid, signal.SIGINT)
        is_equal(gsq.wait_exit(), 0, "exit status")
        took = time.monotonic() - began
        is_true(3 < took < 9 * SLOWNESS, "after the grace", took)
        expect_nothing_left(0.1)


def test_third_interrupt_kills_everything():
    command, starts = stubborn_handler()
    with Gsq(workers=1, command=command) as gsq:
        gsq.enqueue("a")
        wait_until(lambda: lines_of(starts), "the job runs")
        kill(gsq.pid, signal.SIGINT)
        gsq.wait_event("stop", child="w1")
        mark = gsq.mark()
        kill(gsq.pid, signal.SIGINT)
        gsq.wait_log(r"role=supervisor", after=mark)
        began = time.monotonic()
        kill(gsq.pid, signal.SIGINT)
        gsq.wait_exit()
        took = time.monotonic() - began
        is_true(took < 2 * SLOWNESS, "at once", took)
        expect_nothing_left(0.1)
        gsq.expect_no_sockets()


def test_too_many_deaths_end_the_supervisor():
    """More than max_restarts in the window: reverse stop, exit 75."""
    with Gsq("--max-restarts", "2", "--max-seconds", "60", "--backoff", "off",
             workers=2, command=["builtin:noop"]) as gsq:
        mark = gsq.mark()
        pid = gsq.pid_of("w1")
        for _ in range(2):
            kill(pid)
            pid = gsq.wait_new_pid("w1", pid)
        kill(pid)
        is_equal(gsq.wait_exit(), 75, "exit status")
        escalated = gsq.wait_event("escalate", after=mark)
        asked = [line["child"] for line in
                 gsq.events("stop", after=escalated.index)]
        is_equal(asked, ["w2", "queue"], "order of stopping")
        expect_nothing_left(0.1)
        gsq.expect_no_sockets()


def test_deaths_outside_the_window_are_forgotten():
    with Gsq("--max-restarts", "1", "--max-seconds", "1", "--backoff", "off",
             workers=1, command=["builtin:noop"]) as gsq:
        pid = gsq.pid_of("w1")
        for _ in range(3):
            kill(pid)
            pid = gsq.wait_new_pid("w1", pid)
            wait_until(lambda: gsq.tree()["supervisor"]
                       ["restarts_in_window"] == 0, "it is forgotten")


def test_no_restarts_allowed():
    """--max-restarts 0: the first unplanned death is the last."""
    with Gsq("--max-restarts", "0", workers=1,
             command=["builtin:noop"]) as gsq:
        kill(gsq.pid_of("w1"))
        is_equal(gsq.wait_exit(), 75, "exit status")


def test_one_that_dies_again_and_again_is_held_back():
    """Backoff is told and grows, for this child alone."""
    with Gsq("--max-restarts", "inf", "--backoff", "100ms..5s", workers=2,
             command=["builtin:noop"]) as gsq:
        before = gsq.pids()
        mark = gsq.mark()
        pid = before["w1"]
        for _ in range(4):
            kill(pid)
            pid = gsq.wait_new_pid("w1", pid)
        lines = gsq.wait_event("backoff", after=mark, child="w1", count=3)
        delays = [int(line["delay_ms"]) for line in lines]
        is_true(80 <= delays[0] <= 240, "the first delay", delays)
        is_true(all(1.5 < later / earlier < 2.6 for earlier, later
                    in zip(delays, delays[1:])), "delays double", delays)
        after = gsq.pids()
        is_equal((after["queue"], after["w2"]),
                 (before["queue"], before["w2"]), "the others")
        is_equal(gsq.events("backoff", child="w2"), [], "others in backoff")


def test_a_single_death_after_a_second_of_health_costs_nothing():
    with Gsq(workers=1, command=["builtin:noop"]) as gsq:
        wait_until(lambda: gsq.children()["w1"]["uptime_ms"] > 1100,
                   "it was healthy for a second")
        pid, mark = gsq.pid_of("w1"), gsq.mark()
        kill(pid)
        gsq.wait_new_pid("w1", pid)
        is_true(all(int(line.get("delay_ms", 0)) == 0 for line in
                    gsq.events("backoff", after=mark)), "no delay")


def copied_binaries(*names):
    folder = temporary("copy")
    os.mkdir(folder)
    for name in names:
        shutil.copy(program(name), folder)
    return folder


def expect_boot_failure(gsq, status, *words):
    is_equal(gsq.wait_exit(), status, "exit status")
    text = "\n".join(line.text for line in gsq.lines)
    for word in words:
        is_true(word in text, "%s is named" % word, text)
    expect_nothing_left(0.5)


def test_boot_fails_without_a_queue():
    """71, with the name of what is missing; nothing is left running."""
    folder = copied_binaries("supervisor", "worker")
    gsq = Gsq(binary=folder + "/supervisor", ready=False, workers=2)
    expect_boot_failure(gsq, 71, "queue")
    gsq.expect_no_sockets()


def test_boot_fails_without_a_worker():
    folder = copied_binaries("supervisor", "queue")
    gsq = Gsq(binary=folder + "/supervisor", ready=False, workers=2)
    expect_boot_failure(gsq, 71, "worker")
    gsq.expect_no_sockets()


def test_boot_fails_with_a_queue_that_dies():
    folder = copied_binaries("supervisor", "worker")
    write_file(folder + "/queue", "#!/bin/sh\nexit 3\n", 0o755)
    gsq = Gsq(binary=folder + "/supervisor", ready=False, workers=2)
    expect_boot_failure(gsq, 71, "queue")


def test_a_worker_whose_program_vanished_does_not_loop():
    """The program is removed while it runs and then killed: one clear line,
    no loop; the others work."""
    folder = copied_binaries("supervisor", "queue", "worker")
    with Gsq(binary=folder + "/supervisor", workers=2,
             command=["builtin:noop"]) as gsq:
        os.rename(folder + "/worker", folder + "/away")
        kill(gsq.pid_of("w1"))
        wait_until(lambda: gsq.children()["w1"]["state"] == "failed",
                   "it is given up")
        is_true(len(gsq.log(r"child=w1.*(exec|start)")) < 8, "no loop")
        (job,) = gsq.enqueue("x")
        is_equal(gsq.wait_job(job), "done", "a job of the other")
        os.rename(folder + "/away", folder + "/worker")
        gsq.control_call("restart", id="w1")
        gsq.wait_ready()


def test_a_worker_without_its_socket_is_restarted_at_the_next_start():
    """Files of a dead gsq (sockets, lock) are no obstacle."""
    with Gsq(workers=1) as gsq:
        gsq.kill_supervisor()
        is_true(os.path.exists(gsq.socket), "the socket file is left over")
        with Gsq(workers=1, directory=gsq.directory) as again:
            again.stop()


def test_a_directory_whose_name_is_too_long_is_refused():
    """A socket's path has at most 107 bytes."""
    done = run([program("supervisor"), "-d", temporary("d" * 100), "-n", "1"])
    is_equal((done.returncode, done.stdout), (78, ""), "exit status, stdout")
    is_equal(len(done.stderr.splitlines()), 1, "lines said")


def test_the_directory_is_private():
    with Gsq(workers=1) as gsq:
        is_equal(os.stat(gsq.directory).st_mode & 0o777, 0o700, "directory")
        for path in (gsq.socket, gsq.control):
            is_equal(os.stat(path).st_mode & 0o777, 0o600, path)


def test_titles_tell_role_and_job():
    """ps shows who is who, and which job a worker runs."""
    command, starts, ends = slow_handler(2)
    with Gsq(workers=1, command=command) as gsq:
        def title(pid):
            with open("/proc/%d/cmdline" % pid, "rb") as file:
                return file.read().replace(b"\0", b" ").decode().strip()

        def comm(pid):
            with open("/proc/%d/comm" % pid) as file:
                return file.read().strip()
        pids = gsq.pids()
        is_equal(title(gsq.pid), "gsq: supervisor (%s)" % gsq.directory,
                 "supervisor")
        is_equal(title(pids["queue"]), "gsq: queue (%s)" % gsq.directory,
                 "queue")
        is_equal(title(pids["w1"]), "gsq: worker w1 (idle)", "worker")
        is_equal([comm(gsq.pid), comm(pids["queue"]), comm(pids["w1"])],
                 ["gsq-supervisor", "gsq-queue", "gsq-worker"], "short names")
        (job,) = gsq.enqueue("x")
        wait_until(lambda: title(pids["w1"]) ==
                   "gsq: worker w1 (job %d)" % job, "the title tells the job")
        gsq.wait_job(job)
        wait_until(lambda: title(pids["w1"]) == "gsq: worker w1 (idle)",
                   "the title tells idle")


def test_children_hold_no_descriptors_of_others():
    """A worker and its handler have their own descriptors and no more."""
    listing = temporary("listing")
    handler = script("list", 'ls -l /proc/$$/fd > "$1"\n')
    with Gsq(workers=3, command=[handler, listing]) as gsq:
        (job,) = gsq.enqueue("x")
        is_equal(gsq.wait_job(job), "done", "end of the job")
        numbers = [line.split()[8] for line in lines_of(listing)[1:]]
        is_equal([number for number in numbers if int(number) < 10],
                 ["0", "1", "2"], "descriptors of a handler")
        for name, pid in gsq.worker_pids().items():
            links = [os.readlink("/proc/%d/fd/%s" % (pid, number)) for number
                     in os.listdir("/proc/%d/fd" % pid)]
            is_true(len(links) <= 13, "descriptors of " + name, links)
            is_equal([link for link in links if "lock" in link],
                     [os.path.join(gsq.directory, "lock")],
                     "locks that are held by " + name)
        is_true(not any("lock" in line for line in lines_of(listing)),
                "a handler holds none")


@limit(90)
def test_stop_while_everything_dies():
    """TERM in the middle of a hundred deaths ends everything all the same."""
    with Gsq("--max-restarts", "inf", "--backoff", "off", workers=30,
             command=["builtin:noop"], verbose=False) as gsq:
        for pid in gsq.worker_pids().values():
            kill(pid)
        kill(gsq.pid, signal.SIGTERM)
        is_equal(gsq.wait_exit(), 0, "exit status")
        is_equal(descendants(gsq.pid), [], "descendants")
        expect_nothing_left(0.5)
