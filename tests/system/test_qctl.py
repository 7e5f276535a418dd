# SPDX-License-Identifier: MIT
"""qctl: every verb, every form of output, its manners and exit statuses."""
import json
import os
import re
import signal
import subprocess
import threading
import time

from harness import (
    Closed, Gsq, SANITIZED, WAIT, effects, is_equal, is_true, kill, limit, lines_of,
    run, script, start_helper, temporary, wait_until, write_file)

LOOKING = ("queues", "workers", "status", "tree", "list", "stats")


def idle(workers=0, **more):
    """A gsq whose jobs stay where they are."""
    return Gsq(workers=workers, command=["builtin:noop"], **more)


def rows_of(gsq, *arguments):
    """What `qctl -o json` says, when that is a list."""
    found = gsq.qctl_json(*arguments)
    is_true(isinstance(found, list), "a list of rows", found)
    return found


def ids_of(done):
    """The ids that an enqueue printed, one a line."""
    return [int(line) for line in done.stdout.splitlines()]


def test_every_verb_in_every_form():
    """table is for people, json is one document, jsonl one a line."""
    with idle(1) as gsq:
        gsq.enqueue("one", "two", queue="other")
        for verb in LOOKING + ("get", "peek", "ping", "version"):
            arguments = [verb] + {"get": ["1"], "peek": ["other"]}.get(
                verb, [])
            table = gsq.qctl("-o", "table", *arguments)
            is_true(table.stdout.strip(), "a table of " + verb)
            is_equal(table.stderr, "", "words on stderr of " + verb)
            is_true("\033" not in table.stdout, "no colour into a pipe")
            is_equal(gsq.qctl(*arguments).stdout.count("\n"),
                     table.stdout.count("\n"), "table is the default")
            json.loads(gsq.qctl("-o", "json", *arguments).stdout)
            lines = gsq.qctl("-o", "jsonl", *arguments).stdout.splitlines()
            is_true(lines, "lines of " + verb)
            for line in lines:
                json.loads(line)
        (row,) = [row for row in rows_of(gsq, "queues")
                  if row["name"] == "other"]
        is_equal((row["ready"], row["running"]), (2, 0), "counts")
        found = rows_of(gsq, "list")
        is_equal([(row["id"], row["queue"], row["state"]) for row in found],
                 [(1, "other", "ready"), (2, "other", "ready")], "list")
        is_equal(gsq.qctl_json("get", "2")["body"], "two", "get")
        is_equal(gsq.qctl_json("peek", "other")["body"], "one", "peek")
        (row,) = rows_of(gsq, "workers")
        is_equal(row["pid"], gsq.pid_of("w1"), "workers")
        tree = gsq.qctl_json("tree")
        is_equal(tree["supervisor"]["pid"], gsq.pid, "tree")


def test_help_names_every_verb():
    with idle() as gsq:
        text = gsq.qctl("help").stdout
        for verb in LOOKING + ("enqueue", "get", "peek", "events", "scale",
                               "restart", "wait", "ping", "shutdown", "check", "top",
                               "version"):
            is_true(re.search(r"\b%s\b" % verb, text), verb + " in the help")
            is_true(gsq.qctl("help", verb).stdout.strip(), "help " + verb)


def test_enqueue_takes_words_a_whole_input_or_lines():
    """Bodies come out as they went in."""
    with idle() as gsq:
        is_equal(ids_of(gsq.qctl("enqueue", "q", "a b", "", "--", "-x")),
                 [1, 2, 3], "ids of words")
        is_equal(ids_of(gsq.qctl("enqueue", "q", input="whole\ninput\n")),
                 [4], "id of a whole input")
        is_equal(ids_of(gsq.qctl("enqueue", "q", "-", input="dash")), [5],
                 "id of -")
        is_equal(ids_of(gsq.qctl("enqueue", "--lines", "q",
                                 input="one\n two \n\nlast without end")),
                 [6, 7, 8, 9], "ids of lines")
        binary = gsq.qctl("enqueue", "q", input=b"\0\xff\n\0")
        is_equal(int(binary.stdout), 10, "id of bytes")
        is_equal(ids_of(gsq.qctl("enqueue", "q", input="")), [11],
                 "id of nothing")
        found = [gsq.job(job)["body"] for job in range(1, 12)]
        is_equal(found, [b"a b", b"", b"-x", b"whole\ninput\n", b"dash",
                         b"one", b" two ", b"", b"last without end",
                         b"\0\xff\n\0", b""], "bodies")


def test_enqueue_refuses_and_says_why():
    with idle() as gsq:
        for arguments, given, status, word in [
                (["bad name", "x"], None, 1, "BAD_NAME|name"),
                (["q", "--priority", "300", "x"], None, 64, "priority"),
                (["q"], b"x" * (1 << 20) + b"y", 1, "TOO_BIG")]:
            done = gsq.qctl("enqueue", *arguments, input=given, status=None)
            said = done.stderr if isinstance(done.stderr, str) \
                else done.stderr.decode()
            is_true(done.returncode in (status, 64), "exit status", done)
            is_true(re.search(word, said), "why", said)
        is_equal(gsq.call("list")["jobs"], [], "jobs")


def test_priorities_decide_the_order():
    """Lower first, in order of arrival within one."""
    result = temporary("result")
    handler = script("tell", 'echo "$(cat)" >> "$1"\n')
    with Gsq(workers=0, command=[handler, result]) as gsq:
        for body, priority in [("e", 200), ("c", 128), ("a", 0), ("f", 255),
                               ("d", 128), ("b", 0)]:
            gsq.qctl("enqueue", "--priority", str(priority), "default", body)
        is_equal(gsq.qctl_json("peek", "default")["body"], "a", "peek")
        gsq.qctl("scale", "1")
        gsq.wait_lane(done=6)
        is_equal("".join(lines_of(result)), "a\nb\nc\nd\ne\nf\n", "order")


@limit(240)
def test_a_million_lines_in_constant_memory():
    """1,000,000 lines stream through; every one becomes a job, once."""
    count = 100000 if SANITIZED else 1000000
    with Gsq("--max-demand", "1000", workers=2, command=["builtin:noop"],
             verbose=False) as gsq:
        began = time.monotonic()
        feeder = start_helper(["seq", str(count)], stdout=subprocess.PIPE)
        with open(temporary("ids"), "wb") as ids:
            child = subprocess.Popen(
                gsq.qctl_arguments("enqueue", "--lines", "default"),
                stdin=feeder.stdout, stdout=ids, stderr=subprocess.PIPE)
            said = child.stderr.read()
            _, status, usage = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(status)
        feeder.stdout.close()
        took = time.monotonic() - began
        is_equal((child.returncode, said), (0, b""), "qctl")
        is_true(SANITIZED or usage.ru_maxrss < 32 * 1024, "memory of qctl",
                usage.ru_maxrss)
        gsq.wait_lane(done=count, ready=0, running=0, timeout=150)
        row = gsq.lane()
        is_equal((row["enqueued"], row["dead"]), (count, 0), "jobs")
        with open(temporary("ids")) as ids:
            numbers = [int(line) for line in ids]
        is_equal((len(numbers), len(set(numbers))), (count, count), "ids")
        print("%d lines in %.1f s, %d KiB" % (count, took, usage.ru_maxrss))


def test_wait_for_a_job():
    """0 when done, 1 when dead, 124 when the time is over."""
    gate = temporary("gate")
    handler = script("gated", '''
read -r status
while [ ! -e "$1" ]; do sleep 0.02; done
exit "$status"
''')
    with Gsq(workers=2, command=[handler, gate]) as gsq:
        good, bad = gsq.enqueue("0", "65")
        began = time.monotonic()
        done = gsq.qctl("--timeout", "200ms", "wait", str(good), status=124)
        is_true(0.15 < time.monotonic() - began < WAIT / 2, "the time")
        is_true(done.stderr.strip(), "said why")
        waiting = start_helper(gsq.qctl_arguments("wait", str(good)),
                               stdout=subprocess.PIPE)
        write_file(gate, "")
        is_equal(waiting.wait(WAIT), 0, "a job that gets done")
        waiting.stdout.close()
        gsq.qctl("wait", str(bad), status=1)
        gsq.qctl("wait", str(good))


def test_wait_until_a_queue_is_empty():
    with Gsq(workers=2) as gsq:
        gsq.enqueue("a", "b")
        gsq.qctl("--timeout", "100ms", "wait", "--empty", "default",
                 status=124)
        gsq.qctl("wait", "--empty", "default")
        row = gsq.lane()
        is_equal((row["done"], row["ready"], row["running"]), (2, 0, 0),
                 "counts")


def test_events_are_seen_live():
    """Enqueued, delivered, done, as JSON Lines, as they happen."""
    with Gsq(workers=1, command=["builtin:noop"]) as gsq:
        watcher = start_helper(
            gsq.qctl_arguments("-o", "jsonl", "events"),
            stdout=subprocess.PIPE, text=True)
        seen = []

        def read():
            for line in iter(watcher.stdout.readline, ""):
                seen.append(json.loads(line))
        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        # A first job tells when the watcher has joined.
        wait_until(lambda: gsq.enqueue("x") and seen, "events come")
        (job,) = gsq.enqueue("y")

        def types():
            return [event["type"] for event in list(seen)
                    if event.get("job") == job]
        wait_until(lambda: "done" in types(), "the job's events come")
        is_equal(types(), ["enqueued", "delivered", "done"], "types")
        numbers = [event["seq"] for event in seen]
        is_equal(numbers, sorted(set(numbers)), "sequence")
        kill(watcher.pid, signal.SIGINT)
        is_true(watcher.wait(WAIT) in (0, 130, -signal.SIGINT),
                "it leaves on Ctrl-C", watcher.returncode)
        reader.join(WAIT)
        watcher.stdout.close()


class Watcher:
    """qctl events, as JSON Lines."""

    def __init__(self, gsq, *options):
        self.process = start_helper(
            gsq.qctl_arguments("-o", "jsonl", "events", *options),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.seen = []
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in iter(self.process.stdout.readline, ""):
            self.seen.append(json.loads(line))

    def wait_for(self, wanted, what):
        """The events, once there are as many as wanted."""
        return wait_until(
            lambda: len(self.seen) >= wanted and list(self.seen), what)

    def wait_end(self):
        """(exit status, what it said)"""
        self.process.wait(WAIT)
        self.reader.join(WAIT)
        said = self.process.stderr.read()
        self.process.stdout.close()
        self.process.stderr.close()
        return self.process.returncode, said

    def end(self):
        kill(self.process.pid, signal.SIGINT)
        self.wait_end()


def test_events_go_on_where_a_watcher_left():
    """What happened meanwhile comes first, then what happens: nothing twice,
    nothing missing, and no gap."""
    with Gsq("-n", "0") as gsq:
        gsq.enqueue(*["x"] * 5)
        first = Watcher(gsq, "--after", "0")
        numbers = [event["seq"] for event in first.wait_for(5, "five")]
        first.end()
        gsq.enqueue(*["x"] * 4)
        second = Watcher(gsq, "--after", str(numbers[2]))
        second.wait_for(6, "two of before, four of meanwhile")
        gsq.enqueue("x")
        events = second.wait_for(7, "and one live")
        second.end()
        is_equal(numbers, [1, 2, 3, 4, 5], "numbers")
        is_equal([event["seq"] for event in events], list(range(4, 11)),
                 "numbers of the second")
        is_equal({event["type"] for event in events}, {"enqueued"}, "types")
        gsq.qctl("events", "--after", "11", status=1)
        with gsq.client() as client:
            is_equal(client.call("events"), {"seq": 10}, "the last one")


def last_event(gsq):
    with gsq.client() as client:
        return client.call("events")["seq"]


def test_events_go_on_by_themselves_when_the_queue_was_killed():
    """The same watcher sees what comes next, behind one gap that says from
    which to which nothing is known. So does one that comes later and says
    where it was."""
    with Gsq("-n", "0") as gsq:
        watcher, words = Watcher(gsq), ""
        wait_until(lambda: gsq.enqueue("x") and watcher.seen, "events come")
        for life in (1, 2):
            last = last_event(gsq)
            wait_until(lambda: watcher.seen[-1]["seq"] == last, "it saw all")
            before = len(watcher.seen)
            words += ("qctl: the queue went away; this goes on after event %d "
                      "when it is back\n" % last)
            old = gsq.pid_of("queue")
            kill(old)
            gsq.wait_new_pid("queue", old)
            gsq.enqueue("y", "z")
            other = Watcher(gsq, "--after", str(last))
            for events in (watcher.wait_for(before + 3, "a gap")[before:],
                           other.wait_for(3, "a gap")):
                gap, one, two = events
                is_equal((gap["type"], gap["from"], gap["seq"]),
                         ("gap", last + 1, life * 1000000000), "gap")
                is_equal([(one["type"], one["seq"]), (two["type"], two["seq"])],
                         [("enqueued", gap["seq"] + 1),
                          ("enqueued", gap["seq"] + 2)], "what follows")
            other.end()
        kill(watcher.process.pid, signal.SIGINT)
        is_equal(watcher.wait_end()[1], words, "words")


def test_events_through_kills_under_load_leave_nothing_unsaid():
    """Each number is either seen or part of a gap, in order; so is each job
    that was acknowledged."""
    with Gsq("-n", "0", "--max-restarts", "inf", "--backoff", "1ms..10ms"
             ) as gsq:
        watcher = Watcher(gsq, "--after", "0")
        acknowledged, queue = set(), gsq.pid_of("queue")
        for _ in range(5):
            (first,) = gsq.enqueue("first")
            # Of a life that it slept through there is no gap of its own.
            wait_until(lambda: watcher.seen and
                       watcher.seen[-1].get("job") == first, "it is back")
            with gsq.client() as client:
                try:
                    for request in range(1000):
                        acknowledged.add(client.call(
                            "enqueue", queue="default", body=b"x")["id"])
                        if request == 30:
                            kill(queue)
                except (Closed, ConnectionError):
                    pass
            queue = gsq.wait_new_pid("queue", queue)
        (end,) = gsq.enqueue("end")
        wait_until(lambda: watcher.seen[-1].get("job") == end,
                   "the last one")
        watcher.end()
        expected, gaps = 1, []
        for event in watcher.seen:
            is_equal(event.get("from", event["seq"]), expected, "number")
            expected = event["seq"] + 1
            if event["type"] == "gap":
                gaps.append(event)
        is_equal(len(gaps), 5, "gaps")
        seen = {event["job"] for event in watcher.seen if "job" in event}
        is_true(len(acknowledged & seen) > 5 * 20, "seen", len(seen))
        is_true(len(acknowledged - seen) <= 5, "unseen at a kill",
                acknowledged - seen)


def test_events_that_are_missing_are_told_in_a_table():
    with Gsq("-n", "0", verbose=False) as gsq:
        for _ in range(20):
            gsq.call("enqueue", queue="q", bodies=[b"x"] * 1000)
        done = gsq.qctl("--timeout", "300ms", "events", "--after", "0",
                        status=124)
        lines = done.stdout.splitlines()
        gaps = [line for line in lines if " gap " in line]
        is_equal(len(gaps), 1, "gaps")
        is_true("missing: 1 to 3616" in gaps[0], "which", gaps)
        is_true(re.match(r" *3617 ", lines[lines.index(gaps[0]) + 1]),
                "the first that is remembered", lines[:4])
        is_true(re.match(r" *20000 ", lines[-1]), "the last", lines[-1])


def test_events_of_one_queue_end_with_gsq():
    """A watcher of an idle queue is told when gsq goes away."""
    with Gsq(workers=1, command=["builtin:noop"]) as gsq:
        watcher = start_helper(
            gsq.qctl_arguments("-o", "jsonl", "events", "--queue", "a"),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        wait_until(lambda: gsq.enqueue("x", queue="a") and gsq.call("stats")
                   ["connections"] >= 2, "it is connected")
        gsq.enqueue("x", queue="b")
        gsq.stop()
        out, said = watcher.communicate(timeout=WAIT)
        is_equal(watcher.returncode, 69, "exit status")
        is_true("start gsq with: " in said and
                re.search(r"to go on when gsq is back: --after \d+\n$", said),
                "says how to go on", said)
        for line in out.splitlines():
            is_equal(json.loads(line)["queue"], "a", "queue of an event")


def test_scale_up_and_down():
    """Workers come and go by number; a busy one ends its job first."""
    starts, gate = temporary("starts"), temporary("gate")
    handler = script("gated", r'''
echo "$GSQ_JOB_ID $GSQ_ATTEMPT $PPID -" >> "$1"
while [ ! -e "$2" ]; do sleep 0.02; done
''')
    with Gsq(workers=1, command=[handler, starts, gate]) as gsq:
        before = gsq.pids()
        is_true(gsq.qctl("scale", "4").stdout
                or gsq.qctl("scale", "4").stderr, "it says what it did")
        gsq.wait_ready(count=5)
        is_equal(sorted(gsq.worker_pids()), ["w1", "w2", "w3", "w4"], "ids")
        jobs = gsq.enqueue(*"abcd")
        wait_until(lambda: len(effects(starts)) == 4, "all are busy")
        is_equal(len({run_.worker for run_ in effects(starts)}), 4, "workers")
        gsq.qctl("scale", "1")
        write_file(gate, "")
        for job in jobs:
            is_equal(gsq.wait_job(job), "done", "end of a job")
        wait_until(lambda: sorted(gsq.worker_pids()) == ["w1"],
                   "one is left")
        is_equal([run_.attempt for run_ in effects(starts)], [1] * 4,
                 "attempts")
        is_equal(gsq.pids(), before, "the first one's pid")
        is_equal(gsq.tree()["supervisor"]["restarts_in_window"], 0,
                 "planned ends count for nothing")
        gsq.qctl("scale", "0")
        wait_until(lambda: not gsq.worker_pids(), "none is left")
        gsq.qctl("scale", "2")
        gsq.wait_ready(count=3)


def test_restart_of_a_child():
    """A new pid, the others untouched, nothing counted."""
    with Gsq(workers=2, command=["builtin:noop"]) as gsq:
        before = gsq.pids()
        for name in ("w1", "queue"):
            gsq.qctl("restart", name)
            after = gsq.pids()
            is_true(after[name] not in (0, before[name]), "new pid", after)
            is_equal({key: pid for key, pid in after.items() if key != name},
                     {key: pid for key, pid in before.items()
                      if key != name}, "the others")
            before = after
        is_equal(gsq.tree()["supervisor"]["restarts_in_window"], 0,
                 "restarts counted")
        done = gsq.qctl("restart", "w9", status=1)
        is_true("NOT_FOUND" in done.stderr, "why", done.stderr)
        gsq.wait_lane(demand=2)
        (job,) = gsq.enqueue("x")
        is_equal(gsq.wait_job(job), "done", "a job at the end")


def test_shutdown():
    with Gsq(workers=2) as gsq:
        gsq.qctl("shutdown")
        is_equal(gsq.wait_exit(), 0, "exit status")
        gsq.expect_no_sockets()
        gsq.qctl("ping", status=69)


def test_unknown_things_are_exit_one():
    """gsq refuses: 1, with the name of the error on stderr."""
    with idle() as gsq:
        for arguments in (["get", "99"], ["peek", "nowhere"]):
            done = gsq.qctl(*arguments, status=1)
            is_equal(done.stdout, "", "stdout")
            is_true("NOT_FOUND" in done.stderr, "why", done.stderr)
            is_equal(len(done.stderr.splitlines()), 1, "lines of stderr")


def test_list_by_queue_and_state_and_page_after_page():
    """Thousands of jobs, each once, whatever the size of a page."""
    with idle() as gsq:
        jobs = gsq.enqueue(*["x"] * 2500, queue="many")
        other = gsq.enqueue("y", queue="few")
        is_equal([row["id"] for row in rows_of(gsq, "list", "--queue", "many",
                                               "--limit", "5000")], jobs,
                 "jobs of one queue")
        is_equal([row["id"] for row in
                  rows_of(gsq, "list", "--queue", "few")], other, "others")
        is_equal(rows_of(gsq, "list", "--state", "dead"), [], "dead")


def test_a_reader_that_goes_away_is_no_drama():
    """qctl list | head: no message, no hanging."""
    with idle() as gsq:
        gsq.enqueue(*["x" * 60] * 10000, queue="many")
        done = run(["bash", "-c", '"$@" | head -n 1; echo "${PIPESTATUS[0]}"',
                    "bash"] + gsq.qctl_arguments(
                        "-o", "jsonl", "list", "--limit", "10000"))
        lines = done.stdout.splitlines()
        json.loads(lines[0])
        is_true(lines[1] in ("0", "141", "1"), "exit status", lines)
        is_equal(done.stderr, "", "said")


def test_control_characters_in_bodies_do_not_reach_the_terminal():
    """What comes from outside is shown, not obeyed."""
    with idle() as gsq:
        gsq.enqueue(b"\033[31mred\007\n\xff\xfe\0", queue="q")
        for verb in (["list"], ["get", "1"], ["peek", "q"]):
            done = gsq.qctl(*verb)
            is_true(not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", done.stdout),
                    "no control characters from " + verb[0], done.stdout)
            json.loads(gsq.qctl("-o", "json", *verb).stdout)
