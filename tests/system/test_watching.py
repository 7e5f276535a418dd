# SPDX-License-Identifier: MIT
"""What people and monitors watch gsq with: stats, check, top."""
import os
import signal

from harness import (
    Gsq, SANITIZED, WAIT, is_equal, is_true, kill, script, temporary, wait_until)
from terminal import Terminal, output_of


def idle(workers=0, **more):
    """A gsq whose jobs stay where they are."""
    return Gsq(workers=workers, command=["builtin:noop"], **more)


def stats_of(gsq, queue="default"):
    """The row of a queue in stats."""
    (row,) = gsq.call("stats", queue=queue)["queues"]
    return row


# ---- stats -----------------------------------------------------------------

def test_stats_tell_how_long_jobs_waited_and_ran():
    """A foreign worker takes its time before it asks and before it answers."""
    with idle() as gsq, gsq.client() as worker:
        worker.call("subscribe", queue="mail")
        row = stats_of(gsq, "mail")
        for key in ("wait_p50_ms", "run_p99_ms", "oldest_ready_ms"):
            is_equal(row[key], None, key + " of nothing")
        gsq.enqueue("a", queue="mail")
        wait_until(lambda: stats_of(gsq, "mail")["oldest_ready_ms"] >= 30,
                   "the job has waited")
        worker.notify("demand", queue="mail", n=1)
        msgid, job = worker.next_job()
        wait_until(lambda: gsq.job(job["id"])["running_ms"] >= 60,
                   "the job has run")
        worker.respond(msgid)
        gsq.wait_lane("mail", done=1)
        row = stats_of(gsq, "mail")
        is_true(28 <= row["wait_p50_ms"] <= 1000, "wait", row)
        is_true(56 <= row["run_p99_ms"] <= 1000, "run", row)
        is_equal(row["wait_p50_ms"], row["wait_p99_ms"], "of one job")
        is_equal(row["oldest_ready_ms"], None, "oldest of none")


def test_stats_of_one_queue_or_of_all():
    with idle() as gsq:
        gsq.enqueue("a", "b", queue="one")
        gsq.enqueue("c", queue="two")
        found = gsq.qctl_json("stats")
        is_equal(sorted((row["name"], row["ready"])
                        for row in found["queues"]),
                 [("one", 2), ("two", 1)], "all queues")
        is_equal(found["enqueued"], 3, "of all")
        found = gsq.qctl_json("stats", "two")
        is_equal([row["name"] for row in found["queues"]], ["two"], "one")
        table = gsq.qctl("stats", "two").stdout
        is_true("WAIT-P50" in table and "one" not in table, "table", table)
        done = gsq.qctl("stats", "three", status=1)
        is_equal(done.stderr, "qctl: NOT_FOUND: no queue 'three'\n", "words")


# ---- check -----------------------------------------------------------------

OK, WARNING, CRITICAL, UNKNOWN = range(4)
STATES = ("OK", "WARNING", "CRITICAL", "UNKNOWN")


def check(gsq, *arguments):
    """What a monitor sees: (exit status, line)."""
    done = gsq.qctl("check", *arguments, status=None)
    is_equal(done.stdout.count("\n"), 1, "lines of check")
    line = done.stdout.rstrip("\n")
    is_true(line.startswith(STATES[done.returncode] + " - "),
            "the status is the word", done)
    return done.returncode, line


def expect_check(gsq, state, words, *arguments):
    found, line = check(gsq, *arguments)
    is_equal(STATES[found], STATES[state], "state: " + line)
    is_true(words in line, "words", line, words)
    return line


def test_check_compares_with_levels():
    reject = script("reject", "exit 65\n")
    with Gsq(workers=1, command=[reject]) as gsq:
        line = expect_check(gsq, OK, "1 queue, 0 ready")
        is_true(" | ready=0;;;0 " in line, "numbers for graphs", line)
        gsq.enqueue("a", "b")
        gsq.wait_lane(dead=2)
        expect_check(gsq, OK, "2 dead", "--dead", "2,3")
        expect_check(gsq, WARNING, "2 jobs are dead", "--dead", "0")
        expect_check(gsq, CRITICAL, "2 jobs are dead", "--dead", "0,1")
        gsq.enqueue("c", queue="other")
        expect_check(gsq, WARNING, "no worker serves 'other'")
        expect_check(gsq, CRITICAL, "1 job is ready", "--ready", ",0")
        expect_check(gsq, CRITICAL, "no worker serves 'other'", "-q", "other")
        expect_check(gsq, OK, "1 queue,", "-q", "default", "--ready", "0")
        expect_check(gsq, UNKNOWN, "no queue 'third'", "-q", "third")
        expect_check(gsq, UNKNOWN, "help check", "--oldest", "5")
        wait_until(lambda: check(gsq, "--oldest", "1ms,5ms")[0] == CRITICAL,
                   "the ready job is too old")


def test_check_sees_workers_and_supervisor():
    with Gsq(workers=1, command=[temporary("nosuch")]) as gsq:
        wait_until(lambda: not gsq.enqueue("x") or
                   not gsq.children()["w1"]["healthy"],
                   "the worker is unhealthy")
        expect_check(gsq, CRITICAL, "w1 is unhealthy: ")
        gsq.qctl("scale", "0")
        wait_until(lambda: not gsq.worker_pids(), "no worker is left")
        expect_check(gsq, CRITICAL, "no worker is there")
        kill(gsq.pid_of("queue"), signal.SIGSTOP)
        expect_check(gsq, CRITICAL, "", "--timeout", "200ms")
        kill(gsq.pid_of("queue"), signal.SIGCONT)
    expect_check(gsq, CRITICAL, "start gsq with: ")


def test_check_sees_a_child_that_is_held_back():
    with Gsq("--max-restarts", "inf", "--backoff", "1m..1m", workers=1,
             command=["builtin:noop"]) as gsq:
        kill(gsq.pid_of("w1"))
        wait_until(lambda: gsq.children()["w1"]["state"] == "backoff",
                   "the worker is held back")
        expect_check(gsq, CRITICAL, "w1 is held back: signal=KILL")
        kill(gsq.pid_of("queue"))
        wait_until(lambda: gsq.children()["queue"]["state"] == "backoff",
                   "the queue is held back")
        expect_check(gsq, CRITICAL, "the queue is held back: signal=KILL",
                     "--timeout", "1s")


# ---- top -------------------------------------------------------------------

UP, DOWN = "\033OA", "\033OB"


def top(gsq, *arguments, **more):
    return Terminal(gsq.qctl_arguments("top", *arguments), **more)


REFRESH = " "


def waiting_handler():
    """A handler that ends once there is a file; both."""
    path = temporary("go-on")
    return path, script(
        "wait", 'while [ ! -e "%s" ]; do sleep 0.02; done\n' % path)


def test_top_shows_what_is_there_and_follows_it():
    go_on, handler = waiting_handler()
    with Gsq(workers=1, command=[handler]) as gsq, top(gsq) as terminal:
        terminal.wait_text(r"PROCESS +POOL +PID")
        gsq.enqueue("a", "b", "c", queue="default")
        terminal.wait_text(r"w1 +default +%d +ready .* job 1 for" %
                           gsq.pid_of("w1"), REFRESH)
        terminal.wait_text(r"> default +2 +0 +0 +1 +0 ", REFRESH)
        script("go-on", "")
        terminal.wait_text(r"> default +0 +0 +0 +0 +0 ", REFRESH)
        terminal.wait_text(r"w1 .* 3  idle", REFRESH)
        terminal.wait_text(r"per second .*\d\.\d come, [1-9]\.\d are done",
                           REFRESH)
        # What the queue counted is gone with it; what is seen stays.
        kill(gsq.pid_of("queue"))
        terminal.wait_text("the queue is away: ")
        terminal.wait(lambda text: "is away" not in text, "it is back", REFRESH)
        terminal.press("q")
        is_equal(terminal.end(), 0, "exit status")
        is_true(terminal.is_restored(), "the terminal is as before")


def test_top_acts_on_keys():
    go_on, handler = waiting_handler()
    with Gsq(workers=1, command=[handler]) as gsq, top(gsq) as terminal:
        gsq.enqueue("a", queue="other")
        terminal.wait_text("> default")
        terminal.press("+")
        terminal.wait_text("default: 2 workers, before 1")
        terminal.wait_text(r"w2 +default +\d+ +ready", REFRESH)
        gsq.enqueue("a", queue="default")
        terminal.wait_text("job 2 for", REFRESH)
        terminal.press(DOWN * 3)
        terminal.wait_text("> w1")
        terminal.press("k")
        terminal.wait_text(r"restart w1(, which runs job 2)?\? \(y")
        terminal.press("n")
        terminal.wait(lambda text: "restart w1" not in text, "no question")
        script("go-on", "")
        old = gsq.pid_of("w1")
        terminal.press("ky")
        gsq.wait_new_pid("w1", old)
        terminal.wait_text("w1: ready again, pid %d" % gsq.pid_of("w1"))
        terminal.press(UP * 9 + "k")
        terminal.wait_text("select a process")
        terminal.press("--")
        wait_until(lambda: not gsq.worker_pids(), "no worker is left")
        terminal.press("-")
        terminal.wait_text("has no worker|select a worker")
        terminal.press("s")
        terminal.wait_text("queues by ready jobs")
        terminal.press("h")
        terminal.wait_text(r"k +restart \(kill\) the selected process")
        terminal.press("!")
        terminal.wait_text("QUEUE")
        terminal.press("!")
        terminal.wait_text("no such key: h for help")
        terminal.press("\x03")
        is_equal(terminal.end(), -signal.SIGINT, "ended by Ctrl-C")
        is_true(terminal.is_restored(), "the terminal is as before")


def test_top_pauses_retries_and_cancels():
    """What cannot be taken back is asked first, and any key but y is no."""
    handler = script("ends-as-told", 'read -r what\n'
                     '[ "$what" = fails ] && exit 65\nexec sleep 1000\n')
    with Gsq(workers=1, command=[handler]) as gsq, top(gsq) as terminal:
        failed = gsq.enqueue("fails", "fails")
        gsq.wait_lane(dead=2)
        terminal.wait_text(r"> default +0 +0 +0 +0 +2 ", REFRESH)
        terminal.press("x")
        terminal.wait_text("select a worker that runs a job")
        terminal.press("p")
        terminal.wait_text("default is paused")
        terminal.wait_text(r"> default \(paused\)", REFRESH)
        terminal.press("d")
        terminal.wait_text(r"retry 2 dead jobs of default\? \(y")
        terminal.press("n")
        terminal.wait(lambda text: "retry 2" not in text, "no question")
        is_equal(gsq.lane()["dead"], 2, "dead after a no")
        terminal.press("dy")
        terminal.wait_text("default: 2 dead jobs are retried")
        is_equal([gsq.job(job)["state"] for job in failed], ["ready"] * 2,
                 "what they are, as it is paused")
        (job,) = gsq.enqueue("runs")
        terminal.press("p")
        terminal.wait_text("default goes on")
        terminal.wait(lambda text: "(paused)" not in text, "it goes on",
                      REFRESH)
        gsq.wait_lane(running=1, dead=2)
        terminal.wait_text("job %d for" % job, REFRESH)
        terminal.press(DOWN * 2 + "p")
        terminal.wait_text("select a queue")
        terminal.press("x")
        terminal.wait_text(r"cancel job %d, which w1 runs\? \(y" % job)
        terminal.press("q")
        terminal.wait(lambda text: "cancel job" not in text, "no question")
        is_equal(gsq.job(job)["state"], "running", "after another key")
        terminal.press("xy")
        terminal.wait_text("job %d: stopping" % job)
        gsq.wait_lane(running=0, ready=0, dead=2)
        terminal.press(UP * 2 + "dy")
        terminal.wait_text("default: 2 dead jobs are retried")
        gsq.wait_lane(ready=0, running=0, dead=2)
        gsq.qctl("purge", "default", "--yes")
        terminal.wait_text(r"> default +0 +0 +0 +0 +0 ", REFRESH)
        terminal.press("d")
        terminal.wait_text("no job of that queue is dead")
        terminal.press("q")
        is_equal(terminal.end(), 0, "exit status")


def test_top_fits_into_any_size():
    with idle(3) as gsq, top(gsq, rows=10, columns=40) as terminal:
        terminal.wait_text("> default")
        for rows, columns in [(2, 20), (1, 1), (5, 12), (3, 200), (60, 5)]:
            terminal.resize(rows, columns)
            terminal.wait_text("gsq" if columns > 9 else r"\S")
        terminal.resize(24, 80)
        terminal.wait_text("DIED")
        terminal.press("q")
        is_equal(terminal.end(), 0, "exit status")


def test_top_shows_escapes_and_wide_characters_as_text():
    nosuch = temporary("no\033[5n\u4f60\u597d\u202ee\u0301such")
    with Gsq(workers=1, command=[nosuch]) as gsq:
        gsq.enqueue("x")
        wait_until(lambda: not gsq.children()["w1"]["healthy"],
                   "the worker is unhealthy")
        with top(gsq, columns=200) as terminal:
            terminal.wait_text(r"unhealthy .*no\\x1b\[5n\u4f60\u597d"
                               r"\\u202ee\u0301?such")
        with top(gsq, columns=200,
                 environment={"LC_ALL": "C"}) as terminal:
            terminal.wait_text(r"unhealthy .*no\\x1b\[5n\?\?\?")


def test_top_restores_the_terminal_whatever_ends_it():
    with idle() as gsq:
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT,
                       signal.SIGSEGV, signal.SIGABRT):
            with top(gsq) as terminal:
                terminal.wait_text("q quit")
                is_true(not terminal.is_restored(), "the terminal is top's")
                terminal.program.send_signal(number)
                status = terminal.end()
                # AddressSanitizer has an end of its own for a crash.
                is_true(status == -number or
                        SANITIZED and number == signal.SIGSEGV,
                        "ended by signal %d" % number, status)
                is_true(terminal.is_restored(), "restored after", number)
        with top(gsq, "--timeout", "300ms") as terminal:
            is_equal(terminal.end(), 124, "exit status when time is over")
            is_true(terminal.is_restored(), "restored after the time")
        with top(gsq) as terminal:
            terminal.wait_text("q quit")
            os.close(terminal.slave)
            os.close(terminal.master)
            terminal.master = terminal.slave = None
            terminal.program.wait(WAIT)


def test_top_refuses_what_is_no_terminal():
    with idle() as gsq:
        done = gsq.qctl("top", status=64)
        is_true("needs a terminal" in done.stderr, "words", done.stderr)
        is_equal(done.stdout, "", "output")
        arguments = gsq.qctl_arguments("top")
        for name, words in [("nosuch", "does not know the terminal 'nosuch'"),
                            ("dumb", "cannot move about"),
                            ("", "TERM is not set")]:
            status, text = output_of(arguments, TERM=name)
            is_equal(status, 64, "exit status with TERM=" + name)
            is_true(words in text.replace("\n", ""), words, text)
        status, text = output_of(arguments + ["-o", "json"])
        is_equal(status, 64, "exit status with -o json")
        is_true("qctl status -o json" in text.replace("\n", ""), "words", text)
    status, text = output_of(arguments)
    is_equal(status, 69, "exit status without gsq")
    is_true("start gsq with" in text.replace("\n", ""), "words", text)


def test_top_shows_that_the_supervisor_is_away():
    with idle(1, directory=temporary("same")) as gsq:
        with top(gsq) as terminal:
            terminal.wait_text("q quit")
            kill(gsq.pid_of("queue"), signal.SIGSTOP)
            terminal.wait_text(r"the queue is away: no answer for \d s")
            gsq.kill_supervisor()
            terminal.wait_text("the supervisor is away: ", REFRESH)
            with idle(1, directory=gsq.directory):
                terminal.wait(lambda text: "is away" not in text,
                              "all are back", REFRESH)
            terminal.press("q")
            is_equal(terminal.end(), 0, "exit status")
