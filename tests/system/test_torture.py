# SPDX-License-Identifier: MIT
"""Handlers at their worst. Each is ended in time, with all that it started; costs
the worker no memory and the log no more than a job may; and is reported. The
same worker goes on."""
import re
import time

from harness import (
    Gsq, SANITIZED, SLOWNESS, descendants, is_alive, is_equal, is_true,
    lines_of, memory_kib, script, write_file)

# Every process writes its pid into the file $1; the body says what is done.
HANDLER = r'''
read -r what
pids=$1
echo $$ >> "$pids"
deaf() { trap "" TERM INT HUP; }
child() {
    setsid sh -c 'trap "" TERM INT HUP; echo $$ >> "$0"; '"$1" "$pids" &
    while [ "$(wc -l < "$pids")" -lt 2 ]; do sleep 0.01; done
}
case $what in
deaf) deaf; while :; do sleep 0.05; done ;;
halted) kill -STOP $$ ;;
silent) exec 0<&- 1>&- 2>&-; deaf; while :; do sleep 0.05; done ;;
child-keeps-pipes) child 'while :; do sleep 0.05; done' ;;
child-fails-late) child 'while :; do sleep 0.05; done'; exit 3 ;;
child-floods) child 'exec cat /dev/zero'; sleep 0.1 ;;
flood) head -c 100000000 /dev/zero | tr '\0' x ;;
flood-of-errors) head -c 100000000 /dev/zero | tr '\0' x >&2; exit 1 ;;
endless) deaf; exec cat /dev/zero ;;
endless-lines) deaf; exec yes ;;
runs-away) cat > "$pids.away" <<'END'
echo $$ >> "$1"
trap "" TERM INT HUP
setsid sh "$0" "$1" &
END
    setsid sh "$pids.away" "$pids" & sleep 0.05 ;;
esac
'''

TTR_MS, GRACE_MS = 300, 50

# What it does: how the job ends, how its run is reported, and how long it may
# take in ms, beside what the machine is slow.
ENDS_WELL = ("done", None, 0)
TIMES_OUT = ("dead", r"^timeout: killed by signal 9", TTR_MS + GRACE_MS)
TORTURES = {
    "deaf": TIMES_OUT,
    "halted": ("dead", r"^timeout: killed by signal", TTR_MS + GRACE_MS),
    "silent": TIMES_OUT,
    "child-keeps-pipes": ENDS_WELL,
    "child-fails-late": ("dead", r"^exit status 3$", 0),
    "child-floods": ("done", None, 100),
    "endless": TIMES_OUT,
    "endless-lines": TIMES_OUT,
    "runs-away": ("done", None, 50),
}
# Without the time, as they have an end of their own.
FLOODS = {
    "flood": ENDS_WELL,
    "flood-of-errors": ("dead", r"^exit status 1$", 0),
}

WORKER_KIB_MAX = 16 * 1024
LOG_BYTES_MAX = 1 << 20  # OUTPUT_JOB_BYTES_MAX, and what stands around it


class Rack:
    """One worker, and handlers that do what the body says."""

    def __init__(self, ttr_ms):
        self.pids = write_file("pids", "")
        self.gsq = Gsq(verbose=False, configuration='''
            queue "q" { ttr = "%dms" ttr_grace = "%dms" max_attempts = 1 }
            pool "p" { queue = "q" workers = 1 command = { "%s", "%s" } }
            ''' % (ttr_ms, GRACE_MS, script("rack", HANDLER), self.pids))

    def __enter__(self):
        self.gsq.__enter__()
        return self

    def __exit__(self, *exception):
        return self.gsq.__exit__(*exception)

    def expect(self, what, state, reason, ms, processes=1):
        """That it ends so, of at least so many processes that tell of
        themselves; returns the job and where the log of it begins."""
        gsq = self.gsq
        worker = gsq.pid_of("p-1")
        write_file("pids", "")
        mark = gsq.mark()
        began = time.monotonic()
        (job,) = gsq.enqueue(what, queue="q")
        is_equal(gsq.wait_job(job), state, what + ": the end of the job")
        took_ms = (time.monotonic() - began) * 1000
        is_true(took_ms < ms + 1500 * SLOWNESS, what + ": in time", took_ms)
        pids = [int(line) for line in lines_of(self.pids)]
        is_true(len(pids) >= processes, what + ": they have run", pids)
        for pid in pids:
            is_true(not is_alive(pid), what + ": all of it is dead", pid)
        # What one of them started in its last moment wrote nothing down.
        left = set(descendants(gsq.pid)) - set(gsq.pids().values())
        is_equal(left, set(), what + ": what is left")
        is_equal(gsq.pid_of("p-1"), worker, what + ": the worker")
        if not SANITIZED:
            kib = memory_kib(worker, "VmHWM")
            is_true(kib < WORKER_KIB_MAX, what + ": memory", kib)
        if reason:
            row = gsq.job(job)
            is_equal(row["cause"], "exhausted", what + ": the cause")
            gsq.wait_log(r"event=dead job=%d .*reason=" % job, after=mark)
            is_true(re.search(reason, row["reason"]), what + ": the reason",
                    row["reason"])
        size = sum(len(line.text) for line in gsq.lines[mark:])
        is_true(size < LOG_BYTES_MAX, what + ": bytes of log", size)
        return job, mark


def test_handlers_that_do_not_want_to_end():
    """Deaf to TERM, halted, without output, writing for ever: TERM, KILL after
    the grace, and the time is the reason."""
    with Rack(TTR_MS) as rack:
        for what in ("deaf", "halted", "silent"):
            rack.expect(what, *TORTURES[what])


def test_handlers_that_leave_a_child_behind():
    """It keeps the output open, writes into it without an end, or runs away
    from whoever kills it: the end of the handler is the end of the job, and
    of all that it started."""
    with Rack(TTR_MS) as rack:
        for what in ("child-keeps-pipes", "child-fails-late", "child-floods"):
            rack.expect(what, *TORTURES[what], processes=2)
        rack.expect("runs-away", *TORTURES["runs-away"], processes=3)


def test_handlers_that_write_without_an_end():
    """The worker reads on and drops it, and says so."""
    with Rack(TTR_MS) as rack:
        for what in ("endless", "endless-lines"):
            job, mark = rack.expect(what, *TORTURES[what])
            # The log may be too slow for its lines: then it says how many.
            said = (rack.gsq.events("output-full", after=mark, job=job) +
                    rack.gsq.log(r" dropped=[1-9]", after=mark))
            is_equal(bool(said), what == "endless-lines", "what is left out")


def test_a_hundred_megabytes_without_a_newline():
    """On either stream: one line, cut, and the handler is never held up."""
    with Rack(60000) as rack:
        for what, stream in (("flood", "stdout"), ("flood-of-errors", "stderr")):
            job, mark = rack.expect(what, *FLOODS[what])
            (line,) = rack.gsq.events("output", after=mark, job=job)
            is_equal((line["stream"], line["cut"]), (stream, "yes"), "the line")
