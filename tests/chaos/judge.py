# SPDX-License-Identifier: MIT
"""The judge of a campaign: what producers and nemesis saw, what handlers
wrote, and the rule of the total queue. Pure: it does nothing but compare.

- What was acknowledged has run to its end (or is in the dead list).
- What ran was sent, and not refused; without an answer it may have run or not,
  a batch as a whole.
- A job that ran again has a reason: its run failed, its handler was killed, or
  its worker died. The death of the queue alone is none.
- Two runs of a job never overlap, attempts go up, an id is one job for ever.

Handlers write a line when they begin and one when they end, each with one
write to the end of the file, so that the order of the lines is that of the
events:

    B JOB ATTEMPT WORKER HANDLER BODY UPTIME
    E JOB ATTEMPT WORKER HANDLER BODY UPTIME STATUS
"""
import bisect
import collections
import dataclasses

# A result that was ready so long before its worker died should have been kept.
RESULT_SECONDS = 10

# "relaxed" promises 10 ms; a machine that does other things may be late.
RELAXED_SECONDS = 1

# A queue that was killed is back by then.
AWAY_SECONDS = 2

# A handler may say that it has begun when its worker is dead already; pids do
# not come back so soon.
LAST_WORDS_SECONDS = 5

# Of each kind of problem, so many are told.
TOLD = 10


@dataclasses.dataclass
class Sent:
    """A body that a producer sent."""
    body: str
    serial: int       # of its producer, going up
    producer: str
    batch: tuple      # the request; the same for all of a batch
    durable: bool     # survives the loss of power
    job: int = 0      # the id that was acknowledged; 0: no answer
    at: float = 0.0   # when the answer was read
    refused: str = ""


@dataclasses.dataclass
class Death:
    """Of a worker: where the file of effects ended before the kill, and when
    the worker was gone."""
    worker: int
    since: int
    at: float


@dataclasses.dataclass
class Cut:
    """A loss of power: from began on nothing is to be believed, until all
    processes are gone."""
    began: float
    ended: float
    since: int
    until: int


@dataclasses.dataclass
class History:
    """What is known from outside."""
    sent: dict = dataclasses.field(default_factory=dict)  # by body
    deaths_of: dict = dataclasses.field(default_factory=dict)  # by worker
    queue_deaths: list = dataclasses.field(default_factory=list)  # when
    handlers: set = dataclasses.field(default_factory=set)  # that were killed,
    # as (worker, handler)
    reapers: set = dataclasses.field(default_factory=set)  # to which a handler
    # falls whose worker is dead
    cuts: list = dataclasses.field(default_factory=list)
    dead: set = dataclasses.field(default_factory=set)  # jobs in the dead list

    def note_death(self, death):
        self.deaths_of.setdefault(death.worker, []).append(death)

    def cut_at(self, at, before=0.0):
        """Was the power gone at that time, or going within so many seconds?
        The cuts are in order: of thousands, one has to be looked at."""
        place = bisect.bisect_left(self.cuts, at, key=lambda cut: cut.ended)
        return (place < len(self.cuts) and
                self.cuts[place].began - before <= at)

    def is_cut(self, sent):
        """Was the answer read after the power was gone?"""
        return self.cut_at(sent.at)

    def is_twilight(self, offset):
        """Was that place of the effects written after the power was gone?"""
        place = bisect.bisect_right(
            self.cuts, offset, key=lambda cut: cut.until)
        return (place < len(self.cuts) and
                self.cuts[place].since <= offset)

    def queue_died_between(self, begin, end):
        place = bisect.bisect_left(self.queue_deaths, begin)
        return (place < len(self.queue_deaths) and
                self.queue_deaths[place] <= end)


@dataclasses.dataclass
class Run:
    job: int
    attempt: int
    worker: int
    handler: int
    body: str
    begun: int           # offset in the file of effects
    begun_at: float
    ended: int = -1
    ended_at: float = 0.0
    status: int = -1
    twilight: bool = False  # begun after the power was gone


class Verdict:
    """Problems, and what there was to be seen."""

    def __init__(self):
        self.problems = []
        self.told = collections.Counter()
        self.counts = collections.Counter()
        self.redelivery_seconds = []

    def add(self, kind, words, *details):
        self.told[kind] += 1
        if self.told[kind] <= TOLD:
            self.problems.append("%s: %s" % (kind, words))
            self.problems.extend("    %s" % (one,) for one in details)

    def lines(self):
        return self.problems + [
            "%s: %d in all" % (kind, count)
            for kind, count in self.told.items() if count > TOLD]


# ---- reading ---------------------------------------------------------------

def _begin(runs, open_runs, words, offset):
    job, attempt, worker, handler = (int(word) for word in words[1:5])
    run = Run(job, attempt, worker, handler, words[5], offset,
              float(words[6]))
    runs.append(run)
    open_runs[(job, attempt, worker, handler)] = run


def _end(open_runs, words, offset, verdict):
    job, attempt, worker, handler = (int(word) for word in words[1:5])
    run = open_runs.pop((job, attempt, worker, handler), None)
    if run is None:
        verdict.add("torn", "an end without a beginning", words)
        return
    run.ended = offset
    run.ended_at = float(words[6])
    run.status = int(words[7])


def read_runs(data, history, verdict):
    """All runs, in the order in which they began."""
    runs, open_runs, offset = [], {}, 0
    for line in data.split(b"\n")[:-1]:
        words = line.decode("utf-8", "replace").split(" ")
        if words[0] == "B" and len(words) == 7:
            _begin(runs, open_runs, words, offset)
        elif words[0] == "E" and len(words) == 8:
            _end(open_runs, words, offset, verdict)
        else:
            verdict.add("torn", "a line of effects", line)
        offset += len(line) + 1
    if offset != len(data):
        verdict.add("torn", "the last line of effects", data[offset:])
    for run in runs:
        run.twilight = history.is_twilight(run.begun)
    return runs


# ---- the rules -------------------------------------------------------------

def _judge_ids(history, runs, verdict):
    """One id, one job, one body; going up for each producer."""
    body_of, job_of = {}, {}

    def note(job, body, where):
        if body_of.setdefault(job, body) != body:
            verdict.add("id", "job %d is both %s and %s (%s)" % (
                job, body_of[job], body, where))
        if job_of.setdefault(body, job) != job:
            verdict.add("id", "%s is both job %d and job %d (%s)" % (
                body, job_of[body], job, where))

    last = {}
    for sent in sorted(history.sent.values(), key=lambda one: one.serial):
        if sent.job == 0 or history.is_cut(sent):
            continue
        note(sent.job, sent.body, "acknowledged")
        if sent.job <= last.get(sent.producer, 0):
            verdict.add("id", "ids of a producer do not go up", sent)
        last[sent.producer] = sent.job
    for run in runs:
        if not run.twilight:
            note(run.job, run.body, "ran")


def _is_excused(history, sent):
    """A relaxed job may be lost when power is, shortly after its answer."""
    return not sent.durable and history.cut_at(sent.at, RELAXED_SECONDS)


def _judge_losses(history, runs, verdict):
    done = {run.body for run in runs if run.status == 0}
    twilight = {run.body for run in runs if run.twilight}
    seen = {run.body for run in runs if not run.twilight} | done
    batches = collections.defaultdict(list)
    for sent in history.sent.values():
        answered = sent.job != 0 and not history.is_cut(sent)
        if answered:
            verdict.counts["acknowledged"] += 1
            if sent.body in done or sent.job in history.dead:
                continue
            if _is_excused(history, sent):
                verdict.counts["relaxed and lost with the power"] += 1
            else:
                verdict.add("lost", "job %d (%s)" % (sent.job, sent.body),
                            sent, *[run for run in runs
                                    if run.body == sent.body])
        elif sent.refused:
            verdict.counts["refused"] += 1
            if sent.body in seen:
                verdict.add("unknown", "refused (%s) and ran" % sent.refused,
                            sent)
        else:
            verdict.counts["unanswered"] += 1
            verdict.counts["unanswered and kept"] += sent.body in done
            if sent.durable:
                batches[sent.batch].append(sent.body)
    for batch, bodies in batches.items():
        kept = {body in done for body in bodies}
        if len(kept) > 1 and not twilight & set(bodies):
            verdict.add("batch", "half of request %s of %s was kept" % (
                batch[1], batch[0]))
    for body in seen - set(history.sent):
        verdict.add("unknown", body)


def _death_of(history, run, following):
    """The death of the run's worker, after it began and before the job's
    next run did, or None."""
    for death in history.deaths_of.get(run.worker, ()):
        if (run.begun_at <= death.at + LAST_WORDS_SECONDS
                and death.since <= following.begun):
            return death
    return None


def _judge_repetition(history, run, following, verdict):
    """Why did the job run again?"""
    verdict.counts["repeated"] += 1
    if run.ended > following.begun:
        verdict.add("overlap", "job %d ran twice at a time" % run.job, run,
                    following)
    if run.status > 0:
        verdict.counts["repeated after a failure"] += 1
        return
    if (run.worker, run.handler) in history.handlers:
        verdict.counts["repeated after the death of its handler"] += 1
        return
    if run.worker in history.reapers:
        verdict.counts["repeated after the death of its worker"] += 1
        return
    death = _death_of(history, run, following)
    if death is None:
        verdict.add("repeated", "job %d ran again though its worker lived"
                    % run.job, run, following)
        return
    if run.ended >= 0 and death.at - run.ended_at > RESULT_SECONDS:
        verdict.add("repeated", "the result of job %d had %.1f s to be kept"
                    % (run.job, death.at - run.ended_at), run, following)
        return
    if run.ended < 0:
        verdict.counts["repeated after the death of its worker"] += 1
        verdict.redelivery_seconds.append(following.begun_at - death.at)
    else:
        verdict.counts["repeated with the result on its way"] += 1


def _judge_attempts(history, run, following, verdict):
    """They go up. A queue that was away cannot say whether a worker had a job
    that nobody has, so that it does not count that run; and a power cut may
    take the last counts with it."""
    queue_died = history.queue_died_between(
        run.begun_at - AWAY_SECONDS, following.begun_at + 0.02)
    least = run.attempt if queue_died else run.attempt + 1
    if following.attempt < least and not history.cuts:
        verdict.add("attempt", "attempts of job %d do not go up" % run.job,
                    run, following)


def _judge_repetitions(history, runs, verdict):
    runs_of = collections.defaultdict(list)
    for run in runs:
        if not run.twilight:
            runs_of[run.job].append(run)
    for own in runs_of.values():
        for run, following in zip(own, own[1:]):
            _judge_repetition(history, run, following, verdict)
            _judge_attempts(history, run, following, verdict)


def judge(history, data):
    """The verdict on a campaign that has come to its end: nothing is waiting,
    nothing runs. data: the file of effects."""
    verdict = Verdict()
    history.queue_deaths.sort()
    runs = read_runs(data, history, verdict)
    verdict.counts["sent"] = len(history.sent)
    verdict.counts["runs"] = len(runs)
    verdict.counts["jobs that ran"] = len({run.job for run in runs})
    _judge_ids(history, runs, verdict)
    _judge_losses(history, runs, verdict)
    _judge_repetitions(history, runs, verdict)
    return verdict
