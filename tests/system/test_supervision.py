# SPDX-License-Identifier: MIT
"""Who is started again, when, and together with whom; what hangs; what can be
asked and said. docs/SUPERVISION.md numbers what must hold."""
import os
import shutil
import signal
import time

from harness import (
    Gsq, Refused, SLOWNESS, is_alive, is_equal, is_true, kill, program,
    temporary, wait_gone, wait_until, write_file)
from test_kill import gated_handler

NOOP = 'pool "w" { workers = %d command = { "builtin:noop" } %s }\n'


def supervisor_with(worker):
    """A copy of gsq whose workers are a script, which finds the name of its
    worker in $name and the true one in $real; the path of the supervisor."""
    folder = temporary("copy")
    os.mkdir(folder)
    for name in "supervisor", "queue":
        shutil.copy(program(name), folder)
    shutil.copy(program("worker"), folder + "/real")
    write_file(folder + "/worker", '''#!/bin/sh
real=%s/real
all="$*" name=${all#*--name } name=${name%%%% *}
%s
exec "$real" "$@"
''' % (folder, worker), 0o755)
    return folder + "/supervisor"


def states(gsq):
    return {name: child["state"] for name, child in gsq.children().items()}


# ---- the brakes ------------------------------------------------------------

def test_three_in_a_window_and_the_fourth_ends_all():
    """5: restarts without delay, then the stop in reverse order, status 75."""
    with Gsq("--max-restarts", "3", "--max-seconds", "60", "--backoff", "off",
             workers=2, command=["builtin:noop"]) as gsq:
        mark = gsq.mark()
        pid = gsq.pid_of("w1")
        for _ in range(3):
            kill(pid)
            pid = gsq.wait_new_pid("w1", pid)
        kill(pid)
        is_equal(gsq.wait_exit(), 75, "exit status")
        line = gsq.wait_event("escalate", after=mark)
        is_equal((line["reason"], line["restarts"]), ("max-restarts", "4/3"),
                 "why")
        is_equal([line["child"] for line in gsq.events("stop", after=mark)],
                 ["w2", "queue"], "order of stopping")
        is_equal(gsq.events("backoff", after=mark), [], "delays")


def test_the_window_is_exact_to_the_millisecond():
    """6: three deaths in the window are all that may be, and the first one
    has left it by one millisecond when the fourth comes."""
    with Gsq("--max-restarts", "3", "--max-seconds", "0.6", "--backoff",
             "off", workers=1, command=["builtin:noop"]) as gsq:
        pid = gsq.pid_of("w1")
        for _ in range(6):
            kill(pid)
            pid = gsq.wait_new_pid("w1", pid)
            row = gsq.tree()["supervisor"]
            if row["restarts_in_window"] == 3:
                time.sleep(row["window_clears_in_ms"] / 1e3)
        is_equal(gsq.children()["w1"]["restarts"], 6, "restarts")


def test_all_workers_killed_once_and_then_too_often():
    """7: the default takes all of them at once, and not for ever."""
    with Gsq("--backoff", "off", "--max-seconds", "60", workers=4,
             command=["builtin:noop"]) as gsq:
        # Of 5 children 15 deaths may be: the 16th is one too many.
        for _ in range(3):
            before = gsq.worker_pids()
            for pid in before.values():
                kill(pid)
            for name, pid in before.items():
                gsq.wait_new_pid(name, pid)
        for pid in gsq.worker_pids().values():
            kill(pid)
        is_equal(gsq.wait_exit(), 75, "exit status")


def test_one_that_cannot_start_is_held_back_until_it_is_mended():
    """8 and 9: delays double, the others work; the next start holds."""
    broken = temporary("broken")
    supervisor = supervisor_with(
        '[ "$name" != w1 ] || [ ! -e %s ] || exit 70' % broken)
    with Gsq("--max-restarts", "inf", "--backoff", "50ms..200ms",
             binary=supervisor, workers=2, command=["builtin:noop"]) as gsq:
        mark = gsq.mark()
        write_file(broken, "")
        kill(gsq.pid_of("w1"))
        lines = gsq.wait_event("backoff", after=mark, child="w1", count=4)
        delays = [int(line["delay_ms"]) for line in lines]
        is_true(45 <= delays[0] <= 55 and 90 <= delays[1] <= 110 and
                180 <= delays[2] <= 200 and 180 <= delays[3] <= 200,
                "delays", delays)
        child = gsq.children()["w1"]
        is_true(child["failures"] >= 4 and child["next_delay_ms"] == 200,
                "what the brake does", child)
        (job,) = gsq.enqueue("x")
        is_equal(gsq.wait_job(job), "done", "a job of the other")
        os.unlink(broken)
        gsq.wait_ready()


def test_who_says_that_it_is_hopeless_is_not_tried_again():
    """10: 64, 76 and 78 are final; start tries all the same, and both brakes
    have let go."""
    status = temporary("status")
    supervisor = supervisor_with(
        '[ "$name" != w1 ] || [ ! -e %s ] || exit "$(cat %s)"' % (
            status, status))
    with Gsq("--backoff", "off", binary=supervisor, workers=2,
             command=["builtin:noop"]) as gsq:
        for number in 64, 76, 78:
            write_file(status, str(number))
            kill(gsq.pid_of("w1"))
            child = wait_until(lambda: gsq.children()["w1"]["state"] ==
                               "failed" and gsq.children()["w1"], "it failed")
            is_equal(child["last_death"], "exit=%d" % number, "its death")
            try:
                gsq.control_call("start_child", id="w1")
                raise AssertionError("it was started though it is broken")
            except Refused as refused:
                is_equal(refused.name, "UNAVAILABLE", "refusal")
            os.unlink(status)
            gsq.qctl("start", "w1")
            is_equal(gsq.children()["w1"]["failures"], 0, "failures")
            is_equal(gsq.tree()["supervisor"]["restarts_in_window"], 0,
                     "deaths in the window")


def test_who_never_gets_ready_is_killed_and_tried_again():
    """11: the start timeout."""
    hangs = temporary("hangs")
    supervisor = supervisor_with(
        '[ "$name" != w-1 ] || [ ! -e %s ] || exec sleep 1000' % hangs)
    with Gsq(binary=supervisor, configuration="""
supervisor { max_restarts = inf backoff = "50ms..50ms" start_timeout = "%dms" }
""" % (300 * SLOWNESS) + NOOP % (2, "")) as gsq:
        write_file(hangs, "")
        mark = gsq.mark()
        kill(gsq.pid_of("w-1"))
        gsq.wait_event("start-timeout", after=mark, child="w-1")
        os.unlink(hangs)
        gsq.wait_ready()
        deaths = gsq.qctl_json("deaths", "w-1")
        is_true("start-timeout" in [row.get("why") for row in deaths],
                "why it died", deaths)


def test_status_tells_what_the_brakes_will_do():
    with Gsq("--max-restarts", "5", "--max-seconds", "60", "--backoff",
             "10s..20s", workers=2, command=["builtin:noop"]) as gsq:
        kill(gsq.pid_of("w1"))
        wait_until(lambda: states(gsq)["w1"] == "backoff", "it is held back")
        text = gsq.qctl("status").stdout
        is_true("restarts: 1 in 1m00s, at most 5, 5 more end gsq, the oldest is "
                "forgotten in " in text, "the window", text)
        is_true("signal=KILL, failure 1, starts in " in text and
                ", then after 20s" in text, "the delay", text)
        gsq.qctl("start", "w1")
        text = gsq.qctl("status").stdout
        is_true("restarts: 0 in 1m00s, at most 5\n" in text, "forgotten", text)


# ---- who is restarted, and with whom ---------------------------------------

def test_what_a_worker_may_end_with():
    """permanent, transient, temporary."""
    with Gsq(configuration="""
supervisor { backoff = off }
""" + "".join('pool "%s" { restart = %s command = { "builtin:noop" } }\n'
              % (kind[0], kind) for kind in (
                  "permanent", "transient"))
             + 'pool "never" { restart = temporary }\n') as gsq:
        before = gsq.pids()
        for name in "p-1", "t-1", "never-1":
            kill(before[name], signal.SIGTERM)
        gsq.wait_new_pid("p-1", before["p-1"])
        wait_until(lambda: states(gsq)["t-1"] == states(gsq)["never-1"] ==
                   "down", "the others stay down")
        is_equal(gsq.tree()["supervisor"]["restarts_in_window"], 1, "counted")
        gsq.qctl("start", "workers")
        before = gsq.pids()
        for name in "t-1", "never-1":
            kill(before[name])
        gsq.wait_new_pid("t-1", before["t-1"])
        wait_until(lambda: states(gsq)["never-1"] == "down", "it stays down")


def killed_with(strategy, victim):
    """Who has another pid after the death of one, in the order of starting."""
    with Gsq(configuration="supervisor { strategy = %s backoff = off }\n"
             % strategy + NOOP % (3, "")) as gsq:
        before = gsq.pids()
        mark = gsq.wait_event("running").index
        kill(before[victim])
        gsq.wait_new_pid(victim, before[victim])
        after = gsq.wait_ready()
        is_equal(gsq.tree()["supervisor"]["restarts_in_window"], 1,
                 "one incident")
        started = [line["child"] for line in gsq.events("start", after=mark)]
        is_equal(sorted(started), sorted(
            name for name in after if after[name] != before[name]), "started")
        (job,) = gsq.enqueue("x")
        is_equal(gsq.wait_job(job), "done", "a job afterwards")
        return started


def test_one_for_one():
    is_equal(killed_with("one_for_one", "queue"), ["queue"], "started")


def test_rest_for_one():
    is_equal(killed_with("rest_for_one", "w-2"), ["w-2", "w-3"], "started")


def test_one_for_all():
    is_equal(killed_with("one_for_all", "w-2"),
             ["queue", "w-1", "w-2", "w-3"], "started")


# ---- hanging ---------------------------------------------------------------

HANGING = 'supervisor { hang_timeout = "%dms" queue_hang_timeout = "%dms" }\n'


def test_a_worker_that_has_worked_is_soon_forgiven():
    """Two seconds and a job, and its next death is its first; without the job
    it is held back all the same."""
    with Gsq("--backoff", "10ms..20ms", workers=2, command=["builtin:noop"],
             queue="q") as gsq:
        began = time.monotonic()
        for name in ("w1", "w2"):
            old = gsq.pid_of(name)
            kill(old)
            gsq.wait_new_pid(name, old)
        gsq.wait_ready()
        # Who is idle longest gets the next job: both have one, then w1 dies
        # again and has none in its new life.
        for job in gsq.enqueue("a", "b", queue="q"):
            gsq.wait_job(job)
        old = gsq.pid_of("w1")
        kill(old)
        gsq.wait_new_pid("w1", old)

        def delays():
            return [gsq.children()[name]["next_delay_ms"]
                    for name in ("w1", "w2")]
        is_true(delays()[1] > 0 or time.monotonic() - began > 1.9,
                "not at once", delays())
        wait_until(lambda: delays()[1] == 0, "it is forgiven")
        is_true(time.monotonic() - began > 1.9, "after two seconds")
        wait_until(lambda: gsq.children()["w1"]["uptime_ms"] > 2200,
                   "the other one is as old")
        is_true(delays()[0] > 0, "the other one is not", delays())


def test_a_worker_that_hangs_is_replaced():
    """19: SIGSTOP is a hang. ABRT ends it; its job runs again."""
    command, starts, ends, gate = gated_handler()
    with Gsq(configuration=HANGING % (500 * SLOWNESS, 30000) +
             'pool "w" { workers = 2 command = { %s } }' % ", ".join(
                 '"%s"' % word for word in command)) as gsq:
        (job,) = gsq.enqueue("x")
        wait_until(lambda: os.path.exists(starts), "the job runs")
        row = gsq.job(job)
        mark = gsq.mark()
        kill(row["worker_pid"], signal.SIGSTOP)
        line = gsq.wait_event("hang", after=mark, child=row["worker"])
        is_equal((line["signal"], line["reason"]), ("ABRT", "hang"), "line")
        gsq.wait_new_pid(row["worker"], row["worker_pid"])
        write_file(gate, "")
        is_equal(gsq.wait_job(job), "done", "end of the job")
        (death,) = gsq.qctl_json("deaths", row["worker"])
        is_equal((death["how"], death["why"], death["planned"]),
                 ("signal=ABRT", "hang", False), "its death")


def test_a_stopped_process_can_be_stopped():
    """19: TERM alone would wait for ever in a halted one."""
    with Gsq(workers=1, command=["builtin:noop"]) as gsq:
        pid = gsq.pid_of("w1")
        kill(pid, signal.SIGSTOP)
        gsq.qctl("stop", "w1")
        is_true(not is_alive(pid), "it has ended")


def test_a_queue_that_hangs_is_replaced():
    """20: and its clients are not left in silence."""
    with Gsq(configuration=HANGING % (30000, 500 * SLOWNESS) +
             NOOP % (1, "")) as gsq:
        before = gsq.pids()
        kill(before["queue"], signal.SIGSTOP)
        late = gsq.qctl("--timeout", "100ms", "ping", status=None)
        is_equal(late.returncode, 124, "status of who does not want to wait")
        gsq.wait_new_pid("queue", before["queue"])
        is_equal(gsq.wait_ready()["w-1"], before["w-1"], "the worker stays")
        gsq.qctl("ping")


def test_nobody_beats_who_need_not():
    """0 turns it off: a halted worker is left alone."""
    with Gsq(configuration=HANGING % (0, 0) + NOOP % (1, "")) as gsq:
        for name, pid in gsq.pids().items():
            with open("/proc/%d/cmdline" % pid) as file:
                is_true("heartbeat" not in file.read(), name)


def test_a_supervisor_that_was_halted_takes_nobody_for_hanging():
    """What it did not read meanwhile counts first."""
    with Gsq(configuration=HANGING % (400 * SLOWNESS, 400 * SLOWNESS) +
             NOOP % (2, "")) as gsq:
        before, mark = gsq.pids(), gsq.mark()
        kill(gsq.pid, signal.SIGSTOP)
        time.sleep(1.2 * SLOWNESS)
        kill(gsq.pid, signal.SIGCONT)
        is_equal(gsq.wait_ready(), before, "pids")
        is_equal(gsq.events("hang", after=mark), [], "hangs")


# ---- orders ----------------------------------------------------------------

def test_orders_in_every_state():
    """29: the answer says what is, and there is never a second process."""
    with Gsq("--max-restarts", "inf", "--backoff", "30s..30s", workers=2,
             command=["builtin:noop"]) as gsq:
        before = gsq.pids()
        gsq.qctl("start", "w1")
        is_equal(gsq.pid_of("w1"), before["w1"], "start of what is ready")
        gsq.qctl("stop", "w1")
        gsq.qctl("stop", "w1")
        is_equal(states(gsq)["w1"], "down", "state")
        gsq.qctl("restart", "w1")
        kill(gsq.pid_of("w1"))
        wait_until(lambda: states(gsq)["w1"] == "backoff", "it is held back")
        gsq.qctl("stop", "w1")
        is_equal(states(gsq)["w1"], "down", "a stop in backoff")
        gsq.qctl("start", "w1")
        kill(gsq.pid_of("w1"))
        wait_until(lambda: states(gsq)["w1"] == "backoff", "it is held back")
        gsq.qctl("restart", "w1")
        is_equal(gsq.pid_of("w2"), before["w2"], "the other")
        done = gsq.qctl("stop", "nobody", status=1)
        is_true("NOT_FOUND" in done.stderr, "who is not there", done.stderr)
        gsq.qctl("stop", "default")
        is_equal(set(gsq.worker_pids().values()), {0}, "pids of a pool")
        gsq.qctl("start", "workers")
        is_equal(len(set(gsq.worker_pids().values()) - {0}), 2, "all again")


def test_a_pool_is_restarted_one_after_the_other():
    """Never are two of them away."""
    with Gsq(workers=4, command=["builtin:noop"]) as gsq:
        before = gsq.worker_pids()
        mark = gsq.wait_event("running").index
        done = gsq.qctl("restart", "default")
        is_equal(done.stdout, "default: 4 workers ready again\n", "answer")
        after = gsq.worker_pids()
        is_true(not set(before.values()) & set(after.values()), "new pids")
        away = 0
        for line in gsq.log(r"event=(stop|ready) ", after=mark):
            away += 1 if line["event"] == "stop" else -1
            is_true(0 <= away <= 1, "one at a time", line)
        is_equal(gsq.tree()["supervisor"]["restarts_in_window"], 0, "counted")


# ---- renewal, quiet, scale --------------------------------------------------

def test_workers_are_renewed_after_so_many_jobs():
    """39: one at a time, not counted, nothing lost."""
    with Gsq(configuration=NOOP % (4, "max_jobs = 25"),
             verbose=False) as gsq:
        mark = gsq.wait_event("running").index
        gsq.enqueue(*["x"] * 1000)
        gsq.wait_lane(done=1000)
        recycled = gsq.wait_event("recycle", after=mark, count=3)
        is_equal(recycled[0]["reason"], "max_jobs", "why")
        away = 0
        for line in gsq.log(r"event=(stop|ready) ", after=mark):
            away += 1 if line["event"] == "stop" else -1
            is_true(0 <= away <= 1, "one at a time", line)
        gsq.wait_ready()
        is_equal(gsq.tree()["supervisor"]["restarts_in_window"], 0, "counted")
        is_equal({child["restarts"] for child in gsq.children().values()},
                 {0}, "restarts")
        is_true(all(row["planned"] and row["why"] == "renew"
                    for row in gsq.qctl_json("deaths")), "deaths")


def test_workers_are_renewed_for_their_age_and_memory():
    with Gsq(configuration="".join(
            'pool "%s" { queue = "%s" %s command = { "builtin:noop" } }\n' % (
                pool, pool, setting) for pool, setting in (
                    ("old", 'max_age = "300ms"'),
                    ("fat", 'max_rss = "64KiB"')))) as gsq:
        before = gsq.pids()
        gsq.wait_event("recycle", child="old-1", reason="max_age")
        gsq.wait_new_pid("old-1", before["old-1"])
        is_equal(gsq.pid_of("fat-1"), before["fat-1"], "it has run nothing")
        (job,) = gsq.enqueue("x", queue="fat")
        is_equal(gsq.wait_job(job), "done", "end of the job")
        gsq.wait_event("recycle", child="fat-1", reason="max_rss")
        gsq.wait_new_pid("fat-1", before["fat-1"])


def test_a_quiet_worker_begins_nothing_and_stays():
    command, starts, ends, gate = gated_handler()
    with Gsq(workers=2, command=command) as gsq:
        (first,) = gsq.enqueue("x")
        wait_until(lambda: os.path.exists(starts), "the job runs")
        before = gsq.pids()
        done = gsq.qctl("quiet", "workers")
        is_equal(done.stdout, "workers: 2 workers quiet\n", "answer")
        gsq.wait_event("quiet", role="w1")
        gsq.wait_event("quiet", role="w2")
        (second,) = gsq.enqueue("y")
        write_file(gate, "")
        is_equal(gsq.wait_job(first), "done", "what runs is ended")
        gsq.wait_lane(ready=1, running=0, demand=0)
        is_true("quiet" in gsq.qctl("status").stdout, "it is told")
        pid = gsq.pid_of("w1")
        kill(pid)
        gsq.wait_new_pid("w1", pid)
        gsq.wait_lane(ready=1, running=0, demand=0)
        gsq.qctl("quiet", "w1", "--off")
        is_equal(gsq.wait_job(second), "done", "it goes on")
        is_equal(gsq.pid_of("w2"), before["w2"], "the other has stayed")


def test_scale_takes_the_idle_first():
    command, starts, ends, gate = gated_handler()
    with Gsq(workers=4, command=command) as gsq:
        (job,) = gsq.enqueue("x")
        wait_until(lambda: os.path.exists(starts), "the job runs")
        busy = gsq.job(job)["worker"]
        gsq.qctl("scale", "1")
        wait_until(lambda: len(gsq.worker_pids()) == 1, "the others left")
        is_equal(list(gsq.worker_pids()), [busy], "who stays")
        write_file(gate, "")
        is_equal(gsq.wait_job(job), "done", "end of the job")
        gsq.qctl("scale", "4")
        is_equal(sorted(gsq.wait_ready(count=5)),
                 ["queue", "w1", "w2", "w3", "w4"], "names")


# ---- reload ----------------------------------------------------------------

POOLS = """
supervisor { %s }
queue "default" { %s }
pool "same" { workers = 2 command = { "builtin:noop" } }
pool "other" { workers = %d max_demand = %d command = { "builtin:noop" } }
"""


def test_reload_changes_what_is_different_and_nothing_else():
    with Gsq(configuration=POOLS % ("", "", 2, 1)) as gsq:
        path = gsq.arguments[gsq.arguments.index("-c") + 1]
        before = gsq.pids()
        is_equal(gsq.qctl("reload").stdout, "nothing has changed\n", "told")
        is_equal(gsq.pids(), before, "pids")

        write_file(path, POOLS % ("backoff = off", "", 3, 1))
        is_equal(gsq.qctl("reload").stdout,
                 "supervisor: backoff: 100ms..5s -> off\n"
                 "pool other: workers: 2 -> 3\n", "told")
        after = gsq.wait_ready(count=6)
        is_equal({name: after[name] for name in before}, before, "pids")

        write_file(path, POOLS % ("backoff = off", "", 3, 2))
        is_equal(gsq.qctl("reload").stdout,
                 "pool other: max_demand: 1 -> 2\n"
                 "pool other: min_demand: 0 -> 1\n", "told")
        for name in "other-1", "other-2", "other-3":
            gsq.wait_new_pid(name, after[name])
        after = gsq.wait_ready()
        for name in "queue", "same-1", "same-2":
            is_equal(after[name], before[name], "pid of " + name)

        mark = gsq.mark()
        write_file(path, POOLS % ("backoff = off", "max_attempts = 1", 3, 2))
        kill(gsq.pid, signal.SIGHUP)
        line = gsq.wait_event("changed", after=mark)
        is_equal(line["what"], "queue default: max_attempts: 10 -> 1", "told")
        gsq.wait_new_pid("queue", after["queue"])
        again = gsq.wait_ready()
        del again["queue"], after["queue"]
        is_equal(again, after, "pids of the workers")
        is_equal(gsq.tree()["supervisor"]["restarts_in_window"], 0, "counted")


def test_limits_hold_after_a_reload():
    """Those of the queue's process reach it, and are told as they are
    written."""
    limits = 'queue "small" { max_jobs = %d max_body_bytes = %s }\n'
    with Gsq(configuration=limits % (1, "1KiB")) as gsq:
        path = gsq.arguments[gsq.arguments.index("-c") + 1]
        old = gsq.pid_of("queue")
        gsq.enqueue("a", queue="small")
        done = gsq.qctl("enqueue", "small", "b", status=75)
        is_true("FULL" in done.stderr, "before", done.stderr)
        write_file(path, limits % (2, "2KiB"))
        is_equal(gsq.qctl("reload").stdout,
                 "queue small: max_jobs: 1 -> 2\n"
                 "queue small: max_body_bytes: 1KiB -> 2KiB\n", "told")
        gsq.wait_new_pid("queue", old)
        gsq.enqueue(b"b" * 2048, queue="small")
        is_equal(gsq.lane("small")["ready"], 2, "jobs")


def test_a_pool_comes_and_goes_with_a_reload():
    with Gsq(configuration='pool "a" { command = { "builtin:noop" } }\n'
             'pool "b" { queue = "b" command = { "builtin:noop" } }\n') as gsq:
        path = gsq.arguments[gsq.arguments.index("-c") + 1]
        before = gsq.pids()
        write_file(path, 'pool "c" { queue = "c" workers = 2 }\n'
                   'pool "b" { queue = "b" command = { "builtin:noop" } }\n')
        is_equal(gsq.qctl("reload").stdout, "pool a: gone, its workers leave"
                 "\npool c: new, 2 workers\n", "told")
        wait_until(lambda: sorted(gsq.pids()) == ["b-1", "c-1", "c-2",
                                                  "queue"], "they came and "
                   "went")
        is_equal(gsq.wait_ready()["b-1"], before["b-1"], "who was not meant")
        gsq.qctl("scale", "1", "--pool", "a", status=1)
        gsq.qctl("scale", "1", "--pool", "c")
        kill(gsq.pid_of("b-1"))
        gsq.wait_new_pid("b-1", before["b-1"])


def test_a_wrong_file_changes_nothing():
    with Gsq(configuration=POOLS % ("", "", 2, 1)) as gsq:
        path = gsq.arguments[gsq.arguments.index("-c") + 1]
        before, mark = gsq.pids(), gsq.mark()
        write_file(path, POOLS % ("bakoff = off", "", 5, 1))
        done = gsq.qctl("reload", status=1)
        is_true("no such option 'bakoff'" in done.stderr and
                done.stderr.count("\n") == 1, "it is said", done.stderr)
        gsq.wait_event("reload-refused", after=mark)
        write_file(path, POOLS % ("", "", 1024, 1))
        done = gsq.qctl("reload", status=1)
        is_true("more than 1024 workers" in done.stderr, "said", done.stderr)
        is_equal(gsq.pids(), before, "pids")


def test_the_command_line_says_which_workers_there_are():
    with Gsq(workers=1, command=["builtin:noop"], configuration="") as gsq:
        path = gsq.arguments[gsq.arguments.index("-c") + 1]
        write_file(path, 'pool "a" { }\n')
        done = gsq.qctl("reload", status=1)
        is_true("the command line says" in done.stderr, "said", done.stderr)
        is_true(gsq.is_running(), "it runs on")


def test_deaths_are_remembered():
    with Gsq("--max-restarts", "inf", "--backoff", "off", workers=2,
             command=["builtin:noop"]) as gsq:
        pid = gsq.pid_of("w1")
        for _ in range(3):
            kill(pid)
            last, pid = pid, gsq.wait_new_pid("w1", pid)
        gsq.qctl("stop", "w2")
        rows = gsq.qctl_json("deaths")
        is_equal([(row["id"], row["how"], row["planned"]) for row in rows],
                 [("w2", "exit=0", True)] + [("w1", "signal=KILL", False)] * 3,
                 "deaths, the last one first")
        is_equal((rows[0]["why"], rows[1].get("why")), ("stop", None), "why")
        is_equal((rows[1]["pid"], rows[1]["incarnation"]), (last, 3), "life")
        is_equal(len(gsq.qctl_json("deaths", "w1", "-n", "2")), 2, "limited")
        is_true("signal=KILL" in gsq.qctl("deaths").stdout, "as a table")
