# SPDX-License-Identifier: MIT
"""What the campaigns have in common: a gsq with workers whose handlers write
down what they do, producers that never stop, and the end, when all is drained
and judged.

The clock is CLOCK_BOOTTIME: handlers read it from /proc/uptime.
"""
import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "system"))
import harness  # noqa: E402
import judge  # noqa: E402

WORKERS = 4
DRAIN_SECONDS = 120

# Jobs that may wait for a worker before the producers pause: so much work the
# end of a campaign has to do, too.
OPEN_JOBS_MAX = 150

# Of a job that did not end yet.
OPEN_STATES = ("ready", "blocked", "delayed", "running")

CONFIGURATION = """
supervisor { max_restarts = "inf" backoff = "off" }
queue "safe" { max_attempts = 1000 max_crashes = 0 retry_base = "5ms" retry_cap = "50ms" }
queue "quick" {
    durability = "relaxed"
    max_attempts = 1000 max_crashes = 0 retry_base = "5ms" retry_cap = "50ms"
}
pool "safe" { queue = "safe" workers = %d command = { "%s", "%s" } }
pool "quick" { queue = "quick" workers = %d command = { "%s", "%s" } }
"""

# Some jobs take their time, some fail once.
HANDLER = r'''
read -r body
read -r now rest < /proc/uptime
line="$GSQ_JOB_ID $GSQ_ATTEMPT $PPID $$ $body"
echo "B $line $now" >> "$1"
status=0
case $body in
*-slow) sleep 0.1 ;;
*-fails) [ "$GSQ_ATTEMPT" -gt 1 ] || status=1 ;;
esac
read -r now rest < /proc/uptime
echo "E $line $now $status" >> "$1"
exit $status
'''


# How a client sees that the queue has died.
CUT = (harness.Closed, BrokenPipeError, ConnectionResetError)


class Failure(Exception):
    """The campaign found something."""


def now():
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def wait_until(condition, what, seconds):
    try:
        return harness.wait_until(condition, what, seconds)
    except AssertionError as problem:
        raise Failure(str(problem))


def pids_below(pid):
    """The pids of the children of a process."""
    try:
        with open("/proc/%d/task/%d/children" % (pid, pid)) as file:
            return [int(word) for word in file.read().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def kill_child(pid, parent):
    """SIGKILL, if it is still that parent's child. Was it?"""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return False
    try:
        row = harness.process(pid)
        if row is None or row.parent != parent or row.state == "Z":
            return False
        signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        return True
    except ProcessLookupError:
        return False
    finally:
        os.close(descriptor)


# ---- producers -------------------------------------------------------------

class Producer(threading.Thread):
    """Sends requests of so many bodies, so many at a time without an answer,
    and writes down what it sent and what was answered."""

    def __init__(self, campaign, name, queue, bodies=1, window=1):
        super().__init__(daemon=True)
        self.campaign = campaign
        self.name = name
        self.queue = queue
        self.bodies = bodies
        self.window = window
        self.random = random.Random("%s %s" % (campaign.seed, name))
        self.serial = 0
        self.acknowledged = 0
        self.waiting = {}  # requests without an answer: msgid to [Sent]
        self.is_quiet = False
        self.problem = None

    def run(self):
        try:
            while not self.campaign.over:
                self._connect_and_work()
        except BaseException as problem:  # shown by the campaign
            self.problem = problem

    def _connect_and_work(self):
        self.waiting.clear()
        self.is_quiet = True
        try:
            client = harness.Client(self.campaign.socket, 60)
        except (ConnectionRefusedError, FileNotFoundError):
            self.campaign.refusals.append(now())
            time.sleep(0.002)
            return
        with client:
            try:
                while not self.campaign.over:
                    self._step(client)
            except (harness.Closed, BrokenPipeError):
                self.campaign.cut_connections += 1

    def _step(self, client):
        may_send = not self.campaign.is_sated()
        if may_send and len(self.waiting) < self.window:
            self.is_quiet = False
            self._send(client)
        elif self.waiting:
            self._receive(client)
        else:
            self.is_quiet = True
            time.sleep(0.002)

    def _new_body(self, batch):
        self.serial += 1
        chance = self.random.random()
        kind = "slow" if chance < 0.04 else (
            "fails" if chance < 0.08 else "plain")
        body = "%s-%d-%s" % (self.name, self.serial, kind)
        sent = judge.Sent(body, self.serial, self.name, batch,
                          self.queue == "safe")
        self.campaign.history.sent[body] = sent
        return sent

    def _send(self, client):
        batch = (self.name, self.serial)
        count = 1 if self.bodies == 1 else self.random.randint(2, self.bodies)
        all_sent = [self._new_body(batch) for _ in range(count)]
        bodies = [sent.body.encode() + b"\n" for sent in all_sent]
        what = {"body": bodies[0]} if self.bodies == 1 else {"bodies": bodies}
        priority = self.random.choice((64, 128, 128, 128))
        self.waiting[client.last_msgid + 1] = all_sent
        client.request("enqueue", queue=self.queue, priority=priority, **what)

    def _receive(self, client):
        _, msgid, error, result = client.receive()
        at = now()
        all_sent = self.waiting.pop(msgid)
        if error is not None:
            for sent in all_sent:
                sent.refused = str(error)
            return
        wanted = "sync" if self.queue == "safe" else "relaxed"
        harness.is_equal(result["durability"], wanted, "durability")
        ids = result["ids"] if self.bodies > 1 else [result["id"]]
        harness.is_equal(len(ids), len(all_sent), "ids in an answer")
        for sent, job in zip(all_sent, ids):
            sent.at, sent.job = at, job
            self.campaign.note_open(sent.body)
        self.acknowledged += len(ids)


# ---- a campaign ------------------------------------------------------------

class Campaign:
    """A gsq that is to be hurt, and those who use it."""

    verbose = False  # its log tells of every job

    def __init__(self, directory, seed):
        self.directory = directory
        self.seed = seed
        self.random = random.Random(seed)
        self.history = judge.History()
        self.over = False
        self.paused = False
        self.open_max = OPEN_JOBS_MAX
        self.refusals = []
        self.downtimes = []  # of the supervisor: [from, to]
        self.cut_connections = 0
        self.open = set()  # bodies that were acknowledged and did not end
        self.ended = set()
        self.clock = None  # the one that gsq sees instead of the machine's
        self.gsq = None
        self.gsqs = []
        self.socket = os.path.join(directory, "g", "gsq.sock")
        self.effects = harness.write_file(
            os.path.join(directory, "effects"), "")
        self.handler = self.make_handler(os.path.join(directory, "handler"))
        self.store = os.path.join(directory, "g", "store")
        self.history.reapers.update((1, os.getpid()))
        self.producers = []

    def add_producers(self, *rows):
        for row in rows:
            self.producers.append(Producer(self, *row))

    def make_handler(self, path):
        return harness.write_file(path, "#!/bin/sh" + HANDLER, 0o755)

    # -- the gsq

    def configuration(self):
        workers = max(1, WORKERS - 1)
        return CONFIGURATION % (
            workers, self.handler, self.effects,
            WORKERS - workers, self.handler, self.effects)

    def start(self):
        self.gsq = harness.Gsq(
            "--store", self.store, directory=os.path.join(self.directory, "g"),
            verbose=self.verbose, ready=False,
            environment=self.clock and self.clock.environment,
            configuration=self.configuration())
        self.gsqs.append(self.gsq)
        self.history.reapers.add(self.gsq.pid)

    def tree(self):
        """What the supervisor tells, as soon as it does."""
        def ask():
            try:
                return self.gsq.tree()
            except (OSError, harness.Closed):
                if not self.gsq.is_running():
                    raise Failure("the supervisor ended with status %d"
                                  % self.gsq.wait_exit())
                return None
        return wait_until(ask, "the supervisor answers", 30)

    def children(self):
        """{name: pid} of those that live."""
        return {child["id"]: child["pid"] for child in self.tree()["children"]
                if child["pid"] != 0}

    def kill(self, pids):
        """SIGKILL to children of the supervisor, all at once; those that
        died of it. Their deaths are in the history."""
        since = self.effects_bytes()
        killed = [pid for pid in pids if kill_child(pid, self.gsq.pid)]
        for pid in killed:
            wait_until(lambda: not harness.is_alive(pid), "it is dead", 30)
        for pid in killed:
            self.history.note_death(judge.Death(pid, since, now()))
        return killed

    def kill_queue(self, pid):
        """The same for the queue; did it die of it?"""
        self.history.queue_deaths.append(now())
        return bool(self.kill([pid]))

    def kill_tree(self, also_children):
        """SIGKILL to the supervisor; whether its children are killed or left
        to see that it is gone."""
        os.kill(self.gsq.pid, signal.SIGSTOP)  # so that it starts no other
        since = self.effects_bytes()
        children = pids_below(self.gsq.pid)
        began = now()
        self.history.queue_deaths.append(began)
        os.kill(self.gsq.pid, signal.SIGKILL)
        if also_children:
            for pid in children:
                kill_child(pid, self.gsq.pid)
        self.gsq.process.wait()
        # Those who see it themselves may do so a little later.
        at = now() + (0 if also_children else 1)
        for pid in children:
            self.history.note_death(judge.Death(pid, since, at))
        if not self.downtimes or self.downtimes[-1][1] != float("inf"):
            self.downtimes.append([began, float("inf")])

    def wait_gone(self):
        try:
            harness.expect_nothing_left(10)
        except AssertionError as problem:
            raise Failure(str(problem))

    def wait_running(self):
        """Waits until a new supervisor has started everything. Before that
        it gives up when the queue dies, as it should."""
        wait_until(
            lambda: self.tree()["supervisor"]["state"] == "running",
            "all is started", 60)
        self.downtimes[-1][1] = now()

    # -- how far it is

    def effects_bytes(self):
        return os.path.getsize(self.effects)

    def watch(self):
        """Reads on in the file of effects, in a thread of its own."""
        rest = b""
        with open(self.effects, "rb") as file:
            while not self.over:
                lines = (rest + file.read()).split(b"\n")
                rest = lines.pop()
                for line in lines:
                    if line.startswith(b"E ") and line.endswith(b" 0"):
                        body = line.split(b" ")[5].decode()
                        self.ended.add(body)
                        self.open.discard(body)
                time.sleep(0.005)

    def note_open(self, body):
        self.open.add(body)
        if body in self.ended:
            self.open.discard(body)

    def acknowledged(self):
        return sum(producer.acknowledged for producer in self.producers)

    def is_sated(self):
        return self.paused or len(self.open) > self.open_max

    def begin(self):
        """The first start, and then the producers."""
        self.start()
        self.gsq.wait_ready(60)
        threading.Thread(target=self.watch, daemon=True).start()
        for producer in self.producers:
            producer.start()

    def check_producers(self):
        for producer in self.producers:
            if producer.problem is not None:
                raise Failure("producer %s: %r" % (
                    producer.name, producer.problem))

    def wait_progress(self, answers, ends, seconds=60):
        """Waits until so many more jobs were acknowledged and ended."""
        answers += self.acknowledged()
        ends += len(self.ended)

        def is_far_enough():
            self.check_producers()
            return (self.acknowledged() >= answers and
                    len(self.ended) >= ends)
        wait_until(is_far_enough, "jobs are taken and ended", seconds)

    def wait_quiet(self):
        """Waits until no producer waits for an answer."""
        wait_until(lambda: all(producer.is_quiet
                               for producer in self.producers),
                   "all is answered", 60)

    def is_drained(self):
        try:
            rows = self.gsq.call("queues")["queues"]
        except (OSError, harness.Closed):
            return False
        return not any(row[key] for row in rows
                       for key in OPEN_STATES)

    # -- the end

    def drain(self):
        """No more faults, no more jobs: everything comes to its end."""
        self.paused = True
        self.wait_quiet()
        self.over = True
        for producer in self.producers:
            producer.join(60)
        self.check_producers()
        self.gsq.wait_ready(60)
        wait_until(self.is_drained, "everything has ended", DRAIN_SECONDS)
        after = 0
        while True:
            page = self.gsq.call("list", state="dead", after=after)
            self.history.dead.update(row["id"] for row in page["jobs"])
            after = page["next"]
            if not after:
                break

    def stop(self):
        """TERM; what is left is sound, and a new start finds no job."""
        self.gsq.stop(timeout=60)
        done = harness.run([harness.program("queue"), "--check", self.store])
        harness.is_true(done.returncode == 0, "the store is sound at the end",
                        done.stdout, done.stderr)
        self.start()
        self.gsq.wait_ready(60)
        harness.is_equal(self.gsq.call("stats")["jobs"],
                         len(self.history.dead), "jobs after a new start")
        self.gsq.stop(timeout=60)

    def judge(self):
        with open(self.effects, "rb") as file:
            verdict = judge.judge(self.history, file.read())
        for at in self.refusals:
            if not any(begin <= at <= end for begin, end in self.downtimes):
                verdict.add("refused", "a connection at %.3f, with a "
                            "supervisor alive" % at)
        return verdict

    def write_logs(self):
        for number, gsq in enumerate(self.gsqs):
            harness.write_file(
                os.path.join(self.directory, "log-%d" % number),
                "".join(line.text + "\n" for line in gsq.lines))

    def abandon(self):
        """After a failure: nothing stays but the files."""
        self.over = True
        if self.gsq is not None and self.gsq.is_running():
            os.kill(self.gsq.pid, signal.SIGKILL)
            self.gsq.process.wait()

    def attempt(self, wanted):
        """What go returns; the logs are in the directory after it."""
        try:
            return self.go(wanted)
        except BaseException:
            self.abandon()
            raise
        finally:
            self.write_logs()
            self.leave()

    def leave(self):
        """What is not in the directory goes there, or goes."""


def guard(verdict, rows):
    """No green for nothing: (what, how many there were, at least)."""
    for what, found, least in rows:
        if found < least:
            verdict.add("vacuous", "%s: %d, and not at least %d" % (
                what, found, least))


def percentile(values, part):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]


def figures(verdict):
    """The counts of a verdict, in lines for people."""
    counts = verdict.counts
    yield ("%d jobs sent, %d acknowledged, %d unanswered of which %d were "
           "kept, %d refused" % tuple(counts[key] for key in (
               "sent", "acknowledged", "unanswered", "unanswered and kept",
               "refused")))
    yield "%d runs; repeated %d: %s" % (
        counts["runs"], counts["repeated"], ", ".join(
            "%s %d" % (key[len("repeated "):], value)
            for key, value in sorted(counts.items())
            if key.startswith("repeated ")) or "none")
    if counts["relaxed and lost with the power"]:
        yield "%d relaxed jobs lost with the power, as said" % (
            counts["relaxed and lost with the power"])
    if verdict.redelivery_seconds:
        yield "after the death of its worker a job ran again in " \
            "%.0f ms (median), %.0f ms (99 %%)" % tuple(
                1000 * percentile(verdict.redelivery_seconds, part)
                for part in (0.5, 0.99))


# ---- the command line ------------------------------------------------------

def parser_of(description, what, default):
    """The options that all campaigns have, and how much of what is wanted."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--" + what, type=int, default=default,
                        dest="wanted", metavar="N")
    parser.add_argument("--seed", type=int,
                        default=int.from_bytes(os.urandom(3), "little"))
    parser.add_argument("--keep", action="store_true",
                        help="keep the directory of a good campaign, too")
    parser.add_argument("-v", "--verbose", action="store_true",
                        help="the logs in the directory tell of every job")
    return parser


def interrupt(number, frame):
    raise KeyboardInterrupt


def parse(description, what, default):
    return parser_of(description, what, default).parse_args()


def run(name, options, attempt,
        praise="0 lost, 0 unknown, every repetition explained"):
    """Runs attempt(directory), which returns (verdict, lines of figures), and
    says how it went; the exit status."""
    signal.signal(signal.SIGTERM, interrupt)
    Campaign.verbose = options.verbose
    harness.become_subreaper()
    directory = tempfile.mkdtemp(prefix="gsq-%s-" % name)
    harness.begin_test(directory)
    print("%s: seed %d, binaries of %s" % (name, options.seed, harness.BIN))
    sys.stdout.flush()
    try:
        verdict, lines = attempt(directory)
        problems = verdict.lines()
    except harness.Skip as reason:
        print("%s: SKIPPED: %s" % (name, reason))
        shutil.rmtree(directory, ignore_errors=True)
        return 77
    except (Failure, AssertionError) as problem:
        problems, lines = [str(problem)], []
    for line in lines:
        print("%s: %s" % (name, line))
    for line in problems:
        print("%s: %s" % (name, line))
    if problems:
        print("%s: FAILED; seed %d; the files are in %s" % (
            name, options.seed, directory))
        return 1
    print("%s: ok: %s (seed %d)" % (name, praise, options.seed))
    if not options.keep:
        shutil.rmtree(directory, ignore_errors=True)
    return 0
