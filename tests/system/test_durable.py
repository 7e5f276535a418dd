# SPDX-License-Identifier: MIT
"""An acknowledged job survives everything: what is killed, what is full, what
is damaged, what is slow, what fails."""
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import time

from harness import (
    Closed, Gsq, ROOT, Refused, SANITIZED, SLOWNESS, Skip, effects, is_equal,
    is_true, kill, limit, mount_memory, needs_root, own_mounts, program,
    read_file, run, script, start_helper, temporary, wait_until, write_file)

CHAOS = os.path.join(ROOT, "tests", "chaos")
sys.path.insert(0, CHAOS)
import judge  # noqa: E402

FREE = ("--max-restarts", "inf", "--backoff", "off")

# A supervisor that cannot start its queue says 71, or hands its 78 on.
REFUSED_TO_START = (71, 78)


def store_of(gsq):
    return gsq.directory + "/store"


def segments_of(store):
    return sorted(os.path.join(store, name) for name in os.listdir(store)
                  if name.startswith("segment-"))


def all_jobs(gsq, **what):
    """Every job that there is, by id."""
    found, after = [], 0
    while True:
        page = gsq.call("list", after=after, limit=1000, **what)
        found += page["jobs"]
        after = page["next"]
        if not after:
            return found


def again(gsq, *options, **more):
    """A new start in the same directory."""
    return Gsq(*options, directory=gsq.directory, **more)


def expect_refusal(gsq, *words):
    """It does not start, says why in one line, and says what it is."""
    status = gsq.wait_exit()
    is_true(status in REFUSED_TO_START, "exit status", status)
    found = gsq.events("boot-failed", role="queue")
    is_equal(len(found), 1, "lines that say why")
    for word in words:
        is_true(re.search(word, found[0].text), "the line says " + word,
                found[0])
    return found[0]


# ---- what survives ---------------------------------------------------------

# What a job's body asks for; "hold" waits for the gate.
OBEDIENT = r'''
body=$(cat)
echo "$GSQ_JOB_ID $GSQ_ATTEMPT $PPID $body" >> "$1"
case $body in
hold*) while [ ! -e "$2" ]; do sleep 0.02; done ;;
fail*) exit 1 ;;
dead*) exit 65 ;;
esac
'''

CONFIGURATION = """
queue "default" { max_attempts = 3 retry_base = "1h" }
pool "w" { workers = %d command = { "%s", "%s", "%s" } }
"""


class Obedient:
    """Handlers that do what the body says: their command, the file of their
    effects, and the gate."""

    def __init__(self):
        self.runs = write_file("runs", "")
        self.gate = temporary("gate")
        self.handler = script("obedient", OBEDIENT)

    def gsq(self, workers, **more):
        return Gsq(configuration=CONFIGURATION % (
            workers, self.handler, self.runs, self.gate), **more)

    def bodies(self):
        return [run.text for run in effects(self.runs)]


def fill(gsq, runs):
    """One job of each state; the rows of all."""
    gsq.enqueue("fail")
    gsq.enqueue("dead")
    wait_until(lambda: len(effects(runs)) == 2, "both have run")
    gsq.wait_lane(delayed=1, dead=1, running=0)
    gsq.enqueue("hold")
    wait_until(lambda: len(effects(runs)) == 3, "it runs")
    for priority in (200, 10, 128, 10):
        gsq.enqueue("ready %d" % priority, priority=priority)
    return all_jobs(gsq)


def expect_the_same(before, after, elapsed):
    """What ran is waiting again, everything else is as it was."""
    is_equal([row["id"] for row in after], [row["id"] for row in before],
             "ids")
    for old, new in zip(before, after):
        wanted = "ready" if old["state"] == "running" else old["state"]
        is_equal(new["state"], wanted, "state of %s" % old)
        for key in ("queue", "priority", "enqueued_ms", "body", "cause"):
            is_equal(new.get(key), old.get(key), "%s of %s" % (key, old))
        if old["state"] in ("delayed", "dead"):
            for key in ("attempt", "reason"):
                is_equal(new.get(key), old.get(key), "%s of %s" % (key, old))
        if old["state"] == "delayed":
            gone = (old["due_in_ms"] - new["due_in_ms"]) / 1000
            is_true(-1 < gone < elapsed + 2, "when it is due", old, new)


def expect_order(obedient, gsq):
    """Everything comes to its end, the urgent ones first."""
    with obedient.gsq(1, directory=gsq.directory) as last:
        write_file(obedient.gate, "")
        last.wait_lane(ready=0, running=0)
        is_equal(obedient.bodies()[3:],
                 ["ready 10", "ready 10", "hold", "ready 128", "ready 200"],
                 "the order of what was left")


def test_all_states_survive_kill_9_of_everything():
    """Ready, delayed, running, dead: attempts, priorities, due times, causes;
    what ran comes again, as one counted attempt."""
    obedient = Obedient()
    with obedient.gsq(1) as gsq:
        before = fill(gsq, obedient.runs)
        began = time.monotonic()
        gsq.kill_supervisor()
        with obedient.gsq(0, directory=gsq.directory) as second:
            after = all_jobs(second)
            expect_the_same(before, after, time.monotonic() - began)
            (held,) = [row for row in after if row["body"] == b"hold"]
            is_equal(held["attempt"], 1, "attempts of what ran")
        expect_order(obedient, gsq)


def test_all_states_survive_a_stop_and_a_start():
    """TERM and a new start: the same, but what ran is given back, uncounted,
    or had the time to end."""
    obedient = Obedient()
    with obedient.gsq(1) as gsq:
        before = fill(gsq, obedient.runs)
        began = time.monotonic()
        kill(gsq.pid, signal.SIGTERM)
        gsq.wait_event("stopping", role="w-1")
        write_file(obedient.gate, "")
        is_equal(gsq.wait_exit(), 0, "exit status")
        with obedient.gsq(0, directory=gsq.directory) as second:
            expect_the_same(
                [row for row in before if row["state"] != "running"],
                all_jobs(second), time.monotonic() - began)


def test_a_new_start_is_at_once_after_the_supervisor_was_killed():
    """The old queue may still have the store for a moment; nobody has to wait
    for that, or to start again."""
    gsq = Gsq(workers=1, command=["builtin:noop"])
    jobs = []
    for _ in range(5):
        jobs += gsq.enqueue("x", queue="other")
        kill(gsq.pid)
        gsq.process.wait()
        gsq = again(gsq, workers=1, command=["builtin:noop"])
        is_equal([row["id"] for row in all_jobs(gsq)], jobs, "jobs")
    gsq.stop()


DURABILITIES = """
queue "sync" { }
queue "relaxed" { durability = "relaxed" }
queue "memory" { durability = "memory" }
pool "none" { workers = 0 }
"""


def test_an_answer_says_what_the_job_survives():
    """sync and relaxed survive kill -9 of everything and a stop; memory does
    not, and says so."""
    with Gsq(configuration=DURABILITIES) as gsq:
        for queue in ("sync", "relaxed", "memory"):
            for what in ({"body": b"x"}, {"bodies": [b"a", b"b"]}):
                answer = gsq.call("enqueue", queue=queue, **what)
                is_equal(answer["durability"], queue, "durability")
        kept = ["sync"] * 3 + ["relaxed"] * 3
        is_equal(sorted(row["queue"] for row in all_jobs(gsq)),
                 ["memory"] * 3 + ["relaxed"] * 3 + ["sync"] * 3, "jobs")
        kill(gsq.pid_of("queue"))
        wait_until(lambda: sorted(row["queue"] for row in all_jobs(gsq))
                   == sorted(kept), "what is durable is there again")
        gsq.kill_supervisor()
        with again(gsq, configuration=DURABILITIES) as second:
            is_equal(sorted(row["queue"] for row in all_jobs(second)),
                     sorted(kept), "jobs after kill -9 of everything")
            second.enqueue("x", queue="memory")
            second.stop()
        with again(gsq, configuration=DURABILITIES) as third:
            is_equal(sorted(row["queue"] for row in all_jobs(third)),
                     sorted(kept), "jobs after a stop")


def test_durable_is_what_is_not_said():
    with Gsq(workers=1) as gsq:
        answer = gsq.call("enqueue", queue="never-heard-of", body=b"x")
        is_equal(answer["durability"], "sync", "durability")


@limit(120)
def test_no_id_comes_twice():
    """Not after a crash, not after everything was done, not of any queue."""
    with Gsq(*FREE, configuration=DURABILITIES) as gsq:
        highest = 0
        for turn in range(9):
            queue = ("sync", "relaxed", "memory")[turn % 3]
            ids = gsq.enqueue(*["x"] * 50, queue=queue)
            is_true(ids[0] > highest, "ids go up", highest, ids)
            is_equal(ids, sorted(set(ids)), "ids of a batch")
            highest = ids[-1]
            old = gsq.pid_of("queue")
            kill(old)
            gsq.wait_new_pid("queue", old)
    with Gsq(workers=2, command=["builtin:noop"]) as gsq:
        ids = gsq.enqueue(*["x"] * 100)
        gsq.wait_lane(done=100, ready=0, running=0)
        gsq.kill_supervisor()
        with again(gsq, workers=0) as second:
            (following,) = second.enqueue("y")
            is_true(following > ids[-1], "ids go up", ids[-1], following)


def test_without_an_answer_a_request_is_whole_or_not_there():
    """The queue dies with a batch on its way to it: all of it, or nothing."""
    outcomes = set()
    with Gsq(*FREE, workers=0, verbose=False) as gsq:
        for turn in range(12):
            before = len(all_jobs(gsq))
            old = gsq.pid_of("queue")
            with gsq.client() as client:
                client.request("enqueue", queue="default",
                               bodies=[b"x" * 200] * 500)
                time.sleep(turn * 0.0003)
                kill(old)
                try:
                    client.answer(1)
                    answered = True
                except (Closed, BrokenPipeError):
                    answered = False
            gsq.wait_new_pid("queue", old)
            kept = len(all_jobs(gsq)) - before
            is_true(kept == 500 or (kept == 0 and not answered),
                    "all or nothing", kept, answered)
            outcomes.add((kept, answered))
    print("outcomes (kept, answered): %s" % sorted(outcomes))


# ---- the queue dies, the work does not -------------------------------------

GATED = r'''
echo "$GSQ_JOB_ID $GSQ_ATTEMPT $PPID begins" >> "$1"
while [ ! -e "$2" ]; do sleep 0.02; done
echo "$GSQ_JOB_ID $GSQ_ATTEMPT $PPID ends" >> "$1"
'''


def gated():
    """([command], file of effects, gate)"""
    path, gate = write_file("gated.effects", ""), temporary("gated.gate")
    return [script("gated", GATED), path, gate], path, gate


def test_a_worker_goes_on_with_its_job_while_the_queue_is_killed():
    """Five times; it runs once, its result counts, others are not given it."""
    command, path, gate = gated()
    with Gsq(*FREE, workers=3, command=command) as gsq:
        before = gsq.worker_pids()
        (job,) = gsq.enqueue("x")
        wait_until(lambda: len(effects(path)) == 1, "it runs")
        old = gsq.pid_of("queue")
        for _ in range(5):
            kill(old)
            old = gsq.wait_new_pid("queue", old)
        wait_until(lambda: gsq.job(job)["state"] == "running",
                   "the queue knows that it runs")
        gsq.wait_lane(demand=2)
        write_file(gate, "")
        is_true(gsq.wait_job(job) in ("done", "gone"), "its end")
        is_equal([run.text for run in effects(path)], ["begins", "ends"],
                 "what ran")
        is_equal(gsq.worker_pids(), before, "pids of the workers")


def test_a_handler_has_its_whole_body_whatever_becomes_of_its_worker():
    """It is there when the handler starts: a worker that dies, or stands
    still, cannot make half a body look like a whole one."""
    path = temporary("count")
    handler = script("reader", 'kill -STOP $PPID\nwc -c > "$1.new"\n'
                     'mv "$1.new" "$1"\nkill -CONT $PPID\n')
    with Gsq(workers=1, command=[handler, path]) as gsq:
        (job,) = gsq.enqueue(b"x" * (1 << 20))
        is_equal(gsq.wait_job(job), "done", "its end")
        is_equal(int(read_file(path)), 1 << 20, "bytes that it read")


# ---- full, damaged, not ours -----------------------------------------------

@limit(120)
def test_a_full_disk_refuses_new_jobs_and_lets_the_others_end():
    """FULL, with nothing lost; it survives a crash so; when there is room
    again it goes on by itself."""
    own_mounts()
    disk = mount_memory("disk", 64)
    ballast = os.path.join(disk, "ballast")
    with open(ballast, "wb") as file:
        file.write(b"\0" * (36 << 20))
    command, path, gate = gated()
    with Gsq("--store", disk + "/store", *FREE, workers=2, command=command,
             verbose=False) as gsq:
        accepted = gsq.enqueue("a", "b")
        wait_until(lambda: len(effects(path)) == 2, "both run")

        def refused():
            try:
                accepted.extend(gsq.enqueue(*[b"x" * 200000] * 5))
            except Refused as refusal:
                is_equal((refusal.name, refusal.code), ("FULL", 0), "refusal")
                return True
            return False
        wait_until(refused, "the disk is full", 30 * SLOWNESS)
        gsq.wait_event("store-full")
        is_equal(len(all_jobs(gsq)), len(accepted), "jobs when it is full")

        old = gsq.pid_of("queue")
        kill(old)
        gsq.wait_new_pid("queue", old)
        is_equal(len(all_jobs(gsq)), len(accepted), "jobs after a crash")
        is_true(refused(), "it is full as before")

        write_file(gate, "")
        gsq.wait_lane(ready=0, running=0, timeout=60 * SLOWNESS)
        is_equal(sorted(run.job for run in effects(path)
                        if run.text == "ends"), accepted, "what ran")
        os.remove(ballast)
        # What the ended jobs had is free at once, and may be taken before the
        # disk is asked again, which is once a second.
        for _ in range(11):
            wait_until(lambda: not refused(), "there is room again", 10)
        gsq.wait_lane(ready=0, running=0, timeout=60 * SLOWNESS)
        is_equal(sorted(run.job for run in effects(path)
                        if run.text == "ends"), accepted, "what ran in all")


def test_events_on_a_full_disk_have_no_numbers():
    """Numbers are taken for good before an event is shown: FULL until that can
    be written down, and nothing else is disturbed."""
    own_mounts()
    disk = mount_memory("disk", 24)
    with Gsq("--store", disk + "/store", workers=0) as gsq:
        gsq.enqueue("x")
        ballast = os.path.join(disk, "ballast")
        with open(ballast, "wb", buffering=0) as file:
            try:
                while True:
                    file.write(b"\0" * 4096)
            except OSError:
                pass
        done = gsq.qctl("events", status=75)
        is_true("FULL: no room on the disk for the numbers" in done.stderr,
                "says why", done.stderr)
        gsq.enqueue("y")
        os.remove(ballast)
        with gsq.client() as client:
            is_equal(client.call("events", after=1), {"seq": 2}, "answer")
            _, _, (event,) = client.receive()
            is_equal((event["seq"], event["type"], event["job"]),
                     (2, "enqueued", 2), "what is remembered")


def test_no_room_for_a_store_at_all():
    """A disk that is full at the first start: one clear line."""
    own_mounts()
    disk = mount_memory("disk", 2)
    gsq = Gsq("--store", disk + "/store", workers=1, ready=False)
    expect_refusal(gsq, "No space left")


def test_a_disk_that_may_not_be_written():
    """Read-only: one clear line, and what is there stays as it is."""
    own_mounts()
    disk = mount_memory("disk", 64)
    with Gsq("--store", disk + "/store", workers=0) as gsq:
        gsq.enqueue("x")
    is_equal(run(["mount", "-o", "remount,ro", disk]).returncode, 0, "mount")
    second = again(gsq, "--store", disk + "/store", workers=0, ready=False)
    expect_refusal(second, "[Rr]ead-only")
    is_equal(run(["mount", "-o", "remount,rw", disk]).returncode, 0, "mount")
    with again(gsq, "--store", disk + "/store", workers=0) as third:
        is_equal(len(all_jobs(third)), 1, "jobs")


def flip(path, offset):
    with open(path, "r+b") as file:
        file.seek(offset)
        (byte,) = file.read(1)
        file.seek(offset)
        file.write(bytes([byte ^ 0x40]))


def contents_of(store):
    """What is in a store, but for the lock, which says who looked last."""
    found = {}
    for name in sorted(os.listdir(store)):
        if name != "lock":
            with open(os.path.join(store, name), "rb") as file:
                found[name] = file.read()
    return found


def damaged():
    """(a gsq that is stopped, the store, its segment): something in the middle
    of 100 jobs is not as it was written."""
    with Gsq(workers=0) as gsq:
        with gsq.client() as client:
            for number in range(100):
                client.call("enqueue", queue="default",
                            body=b"body of job %d" % number)
        store = store_of(gsq)
    (segment,) = segments_of(store)
    with open(segment, "rb") as file:
        offset = file.read().index(b"body of job 50")
    flip(segment, offset)
    return gsq, store, segment


def test_a_damaged_log_is_refused_and_named():
    """File and offset, what to do, and nothing is changed; --check says the
    same; --salvage keeps what can be read, and the next start is good."""
    gsq, store, segment = damaged()
    name = os.path.basename(segment)
    before = contents_of(store)
    second = again(gsq, workers=0, ready=False)
    line = expect_refusal(second, "damaged", name, r"offset \d+", "--salvage",
                          r"exit=78\b")
    is_equal(contents_of(store), before, "the store after the refusal")

    checked = run([program("queue"), "--check", store])
    is_equal(checked.returncode, 1, "exit status of --check")
    offset = re.search(r"offset (\d+)", line.text).group(1)
    is_true(re.search(r"%s\b.*\b%s\b" % (name, offset), checked.stdout),
            "--check names file and offset", checked.stdout)
    is_equal(contents_of(store), before, "the store after --check")

    salvaged = run([program("queue"), "--salvage", store])
    is_equal(salvaged.returncode, 0, "exit status of --salvage")
    is_true("99 jobs" in salvaged.stdout, "what was kept", salvaged.stdout)
    is_true(any(name.startswith("damaged-") for name in os.listdir(store)),
            "the old files are still there", os.listdir(store))
    checked = run([program("queue"), "--check", store])
    is_equal(checked.returncode, 0, "exit status of --check afterwards")
    with again(gsq, workers=0) as third:
        bodies = {row["body"] for row in all_jobs(third)}
        is_equal(bodies, {b"body of job %d" % number for number in range(100)
                          if number != 50}, "jobs")
        (job,) = third.enqueue("new")
        is_true(job > 100, "its id is new", job)


def test_a_missing_file_is_refused_and_named():
    with Gsq(workers=0) as gsq:
        gsq.enqueue("x")
    (segment,) = segments_of(store_of(gsq))
    os.rename(segment, segment + ".away")
    second = again(gsq, workers=0, ready=False)
    expect_refusal(second, os.path.basename(segment), "missing", r"exit=78\b")
    os.rename(segment + ".away", segment)
    with again(gsq, workers=0) as third:
        is_equal(len(all_jobs(third)), 1, "jobs")


def test_a_newer_format_is_refused():
    with Gsq(workers=0) as gsq:
        gsq.enqueue("x")
    path = store_of(gsq) + "/format"
    good = read_file(path)
    version = int(re.search(r"format (\d+)", good).group(1))
    write_file(path, good.replace("format %d" % version,
                                  "format %d" % (version + 1)), 0o600)
    second = again(gsq, workers=0, ready=False)
    expect_refusal(second, "format %d" % (version + 1), r"exit=78\b")
    write_file(path, good, 0o600)
    with again(gsq, workers=0) as third:
        is_equal(len(all_jobs(third)), 1, "jobs")


def test_a_store_of_somebody_else_is_refused():
    needs_root()
    with Gsq(workers=0) as gsq:
        gsq.enqueue("x")
    os.chown(store_of(gsq), 65534, 65534)
    second = again(gsq, workers=0, ready=False)
    expect_refusal(second, "belongs to the user 65534", r"exit=78\b")
    os.chown(store_of(gsq), 0, 0)
    with again(gsq, workers=0) as third:
        is_equal(len(all_jobs(third)), 1, "jobs")


def test_two_queues_never_have_one_store():
    """The second one, under another supervisor or alone, says who has it; the
    first is not disturbed. Nor can it be checked or salvaged meanwhile."""
    with Gsq(workers=1, command=["builtin:noop"]) as gsq:
        pid = gsq.pid_of("queue")
        store = store_of(gsq)
        second = Gsq("--store", store, workers=1, ready=False)
        expect_refusal(second, r"in use by another queue \(pid %d\)" % pid,
                       r"exit=78\b")
        for option in ("--check", "--salvage"):
            done = run([program("queue"), option, store])
            is_true(done.returncode != 0 and "in use" in
                    done.stdout + done.stderr, option, done)
        (job,) = gsq.enqueue("x")
        is_equal(gsq.wait_job(job), "done", "a job of the first")
        is_equal(gsq.pid_of("queue"), pid, "pid of the first")


def test_check_of_what_is_no_store():
    os.mkdir(temporary("empty"), 0o700)
    for path in (temporary("empty"), temporary("empty/nothing/there")):
        for option in ("--check", "--salvage"):
            done = run([program("queue"), option, path])
            is_true(done.returncode not in (0, 70) and
                    done.stdout + done.stderr != "",
                    "%s of %s" % (option, path), done)


# ---- disks that are slow, and calls that fail ------------------------------

def tamper(pid, *injections, output="/dev/null"):
    """strace on that process: its calls are delayed, or fail."""
    if not shutil.which("strace"):
        raise Skip("there is no strace")
    arguments = ["strace", "-f", "-qq", "-o", output, "-p", str(pid),
                 "-e", "trace=pwritev,pwrite64,fdatasync,fsync,sendto,sendmsg"]
    for injection in injections:
        arguments += ["-e", "inject=" + injection]
    tracer = start_helper(arguments, stderr=subprocess.PIPE, text=True)

    def is_attached():
        if tracer.poll() is not None:
            raise Skip("strace: " + tracer.stderr.read().strip())
        status = read_file("/proc/%d/status" % pid)
        return re.search(r"TracerPid:\t%d\n" % tracer.pid, status)
    wait_until(is_attached, "strace is there")
    return tracer


def end_tracer(tracer):
    tracer.terminate()
    tracer.wait()


@limit(120)
def test_a_slow_disk_does_not_stop_the_queue():
    """Each sync takes 50 ms; whoever does not need one is answered at once,
    and a busy worker does not wait between two jobs."""
    with Gsq(workers=1, command=["builtin:noop"], verbose=False) as gsq:
        gsq.enqueue(*["x"] * 50)
        gsq.wait_lane(done=50)
        tracer = tamper(gsq.pid_of("queue"), "fdatasync:delay_exit=50000")
        pings, enqueues = [], []
        with gsq.client() as one, gsq.client() as other:
            one.call("enqueue", queue="waits", body=b"x")  # the one that shows
            for _ in range(40):
                began = time.monotonic()
                request = one.request("enqueue", queue="waits", body=b"x")
                for _ in range(5):
                    sent = time.monotonic()
                    other.call("ping")
                    pings.append(time.monotonic() - sent)
                one.answer(request)
                enqueues.append(time.monotonic() - began)
        end_tracer(tracer)
        ping, enqueue = (statistics.median(values) * 1000
                         for values in (pings, enqueues))
        print("ping %.2f ms, at most %.1f ms; enqueue %.1f ms" % (
            ping, max(pings) * 1000, enqueue))
        is_true(enqueue >= 45, "the disk was slow", enqueue)
        is_true(ping < 20, "median of ping", ping)


def fail_nth(gsq, call, error, when):
    """The queue's n-th such call from now on fails; how many jobs were
    acknowledged until the queue died."""
    path = temporary("trace")
    queue = gsq.pid_of("queue")
    mark = gsq.mark()
    before = {row["id"] for row in all_jobs(gsq)}
    tracer = tamper(queue, "%s:error=%s:when=%d" % (call, error, when),
                    output=path)
    acknowledged = []
    try:
        with gsq.client() as client:
            while len(acknowledged) < 200:
                acknowledged.append(client.call(
                    "enqueue", queue="default", body=b"x" * 300)["id"])
    except (Closed, BrokenPipeError):
        pass
    what = "%s of call %d of %s" % (error, when, call)
    is_true(len(acknowledged) < 200, what + ": nothing happened",
            read_file(path)[-2000:])
    gsq.wait_new_pid("queue", queue)
    tracer.wait()
    line = gsq.wait_event("exit", after=mark, child="queue")
    is_true("exit=74" in line.text, what + ": how it ended", line)
    is_equal(len(gsq.events("store-failed", after=mark)), 1,
             what + ": lines that say why")
    after = read_file(path).split("(INJECTED)")
    is_equal(len(after), 2, what + ": calls that failed")
    is_true("sendto" not in after[1] and "sendmsg" not in after[1],
            what + ": an answer after it", after[1])
    kept = {row["id"] for row in all_jobs(gsq)}
    is_true(before | set(acknowledged) <= kept, what + ": lost",
            sorted(before | set(acknowledged) - kept))
    is_true(len(kept - before - set(acknowledged)) <= 1,
            what + ": kept though nobody asked")
    return len(acknowledged)


@limit(180)
def test_a_call_that_fails_ends_the_queue_before_any_answer():
    """A write or a sync fails, the first, the third, the eighth: exit 74, no
    answer after it, and everything that was answered is there again."""
    with Gsq(*FREE, workers=0, verbose=False) as gsq:
        for call, error in (("pwritev", "EIO"), ("pwritev", "ENOSPC"),
                            ("fdatasync", "EIO")):
            for when in (1, 3, 8):
                answers = fail_nth(gsq, call, error, when)
                # Syncs of the thread are counted apart.
                is_true(answers >= when // 3,
                        "answers before %s %d failed" % (call, when), answers)


# ---- campaigns -------------------------------------------------------------

def campaign(name, *arguments):
    """Runs one of tests/chaos; what it says is shown when it fails."""
    done = run([os.path.join(CHAOS, name)] + list(arguments), timeout=600)
    print(done.stdout + done.stderr)
    if done.returncode == 77:
        raise Skip(done.stdout.strip().split("\n")[-1])
    is_equal(done.returncode, 0, "exit status of " + name)


@limit(240)
def test_a_hundred_kills():
    """Queue, workers, handlers, the supervisor, everything at once: nothing
    lost, nothing unknown, nothing twice without a reason."""
    campaign("chaos", "--kills", "100")


@limit(240)
def test_twenty_power_cuts():
    """The same with a disk whose power is cut."""
    needs_root()
    campaign("powercut", "--cuts", "20")


@limit(300)
def test_the_power_cuts_see_a_bug_that_was_planted():
    """A queue that answers before its sync loses jobs, and that is seen."""
    needs_root()
    if SANITIZED:
        raise Skip("shown without the sanitizers")
    campaign("prove", "10")


# ---- the judge of the campaigns --------------------------------------------

class Story:
    """A made-up campaign for the judge."""

    def __init__(self):
        self.history = judge.History()
        self.data = b""
        self.serial = 0

    def sent(self, body, job=0, at=1.0, batch=None, durable=True):
        self.serial += 1
        self.history.sent[body] = judge.Sent(
            body, self.serial, "p", batch or ("p", self.serial), durable, job,
            at)

    def began(self, job, body, attempt=1, worker=100, handler=1000, at=2):
        self.data += b"B %d %d %d %d %s %.2f\n" % (
            job, attempt, worker, handler, body.encode(), at)

    def ended(self, job, body, attempt=1, worker=100, handler=1000, at=3,
              status=0):
        self.data += b"E %d %d %d %d %s %.2f %d\n" % (
            job, attempt, worker, handler, body.encode(), at, status)

    def ran(self, *arguments, **more):
        self.began(*arguments, **more)
        self.ended(*arguments, **more)

    def died(self, worker=100, at=3.5):
        self.history.note_death(judge.Death(worker, len(self.data), at))

    def kinds(self):
        """The kinds of problems that the judge finds."""
        return sorted(judge.judge(self.history, self.data).told)


def test_the_judge_finds_nothing_in_a_good_campaign():
    story = Story()
    story.sent("a", 1)
    story.ran(1, "a")
    story.sent("no-answer-and-kept")
    story.ran(2, "no-answer-and-kept")
    story.sent("no-answer-and-lost")
    story.sent("killed", 3)
    story.began(3, "killed")
    story.died()
    story.ran(3, "killed", attempt=2, worker=101)
    story.sent("failed", 4)
    story.began(4, "failed", worker=102)
    story.ended(4, "failed", worker=102, status=1)
    story.ran(4, "failed", attempt=2, worker=102)
    is_equal(story.kinds(), [], "problems")


def test_the_judge_sees_what_is_lost_and_what_is_unknown():
    story = Story()
    story.sent("a", 1)
    is_equal(story.kinds(), ["lost"], "an acknowledged job that never ran")
    story = Story()
    story.sent("a", 1)
    story.began(1, "a")
    is_equal(story.kinds(), ["lost"], "one that never ended")
    story = Story()
    story.ran(1, "a")
    is_equal(story.kinds(), ["unknown"], "a job that nobody sent")
    story = Story()
    story.sent("a", batch=("p", 7))
    story.sent("b", batch=("p", 7))
    story.ran(1, "a")
    is_equal(story.kinds(), ["batch"], "half a batch")


def test_the_judge_sees_repetitions_without_a_reason():
    story = Story()
    story.sent("a", 1)
    story.ran(1, "a")
    story.ran(1, "a", attempt=2, handler=1001)
    is_equal(story.kinds(), ["repeated"], "nobody died")
    story = Story()
    story.sent("a", 1)
    story.ran(1, "a")
    story.died(worker=101)
    story.ran(1, "a", attempt=2, handler=1001)
    is_equal(story.kinds(), ["repeated"], "another one died")
    story = Story()
    story.sent("a", 1)
    story.ran(1, "a")
    story.ran(1, "a", attempt=2, worker=101)
    story.died()
    is_equal(story.kinds(), ["repeated"], "it died later")
    story = Story()
    story.sent("a", 1)
    story.ran(1, "a", at=3)
    story.died(at=60)
    story.ran(1, "a", attempt=2, worker=101, at=61)
    is_equal(story.kinds(), ["repeated"], "the result had a minute")
    story = Story()
    story.sent("a", 1)
    story.began(1, "a")
    story.died()
    story.began(1, "a", attempt=2, worker=101, at=4)
    story.ended(1, "a", at=5)
    story.ended(1, "a", attempt=2, worker=101, at=5)
    is_equal(story.kinds(), ["overlap"], "two runs at a time")
    story = Story()
    story.sent("a", 1)
    story.began(1, "a")
    story.died()
    story.ran(1, "a", attempt=1, worker=101, at=4)
    is_equal(story.kinds(), ["attempt"], "it was not counted")


def test_the_judge_sees_ids_that_come_twice():
    story = Story()
    story.sent("a", 1)
    story.sent("b", 1)
    story.ran(1, "a")
    story.ran(1, "b", attempt=2)
    is_true("id" in story.kinds(), "one id for two jobs", story.kinds())
    story = Story()
    story.sent("a", 2)
    story.sent("b", 1)
    story.ran(2, "a")
    story.ran(1, "b")
    is_equal(story.kinds(), ["id"], "ids that go down")
    story = Story()
    story.sent("a", 1)
    story.ran(1, "a")
    story.ran(2, "a")
    is_equal(story.kinds(), ["id"], "one job with two ids")


def test_the_judge_believes_nothing_after_the_power_is_gone():
    story = Story()
    story.sent("before", 1, at=1)
    story.sent("after", 2, at=5.5)
    story.history.cuts.append(judge.Cut(5, 6, 0, 0))
    story.ran(1, "before")
    is_equal(story.kinds(), [], "an answer that was none")
    story = Story()
    story.sent("relaxed", 1, at=4.99, durable=False)
    story.history.cuts.append(judge.Cut(5, 6, 0, 0))
    is_equal(story.kinds(), [], "relaxed, and just answered")
    story = Story()
    story.sent("relaxed", 1, at=1, durable=False)
    story.history.cuts.append(judge.Cut(5, 6, 0, 0))
    is_equal(story.kinds(), ["lost"], "relaxed, and long answered")
