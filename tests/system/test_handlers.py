# SPDX-License-Identifier: MIT
"""What a handler gets, what its end means, and what becomes of its output."""
import hashlib
import os
import re

from harness import (
    Gsq, SANITIZED, is_equal, is_true, limit, lines_of, memory_kib, read_file,
    script, temporary, wait_until, write_file)

CONFIGURATION = """
queue "default" {
    max_attempts = 2
    retry_base = "10ms"
}
pool "p" {
    queue = "default"
    workers = %d
    command = { %s }
}
"""


def configured(command, workers=1):
    """A gsq whose jobs get two attempts, 10 ms apart."""
    return Gsq(configuration=CONFIGURATION % (workers, ", ".join(
        '"%s"' % word for word in command)))


# Does what its body says, the first time; a second line is for the second.
OBEDIENT = r'''
echo "$GSQ_JOB_ID $GSQ_ATTEMPT" >> "$1"
times=$(grep -c "^$GSQ_JOB_ID " "$1")
what=$(sed -n "${times}p")
echo "does $what" >&2
case $what in
signal*) kill -${what#signal } $$; sleep 5 ;;
esac
exit ${what#exit }
'''


def obedient():
    runs = temporary("runs")
    return [script("obedient", OBEDIENT), runs], runs


def attempts_of(runs, job):
    return [int(line.split()[1]) for line in lines_of(runs)
            if line.startswith("%d " % job)]


def test_what_an_exit_status_means():
    """Each row: what the handler does, how its job ends, with which cause,
    after which attempts, and a word of the reason."""
    cases = [
        ("exit 0", "done", None, [1], ""),
        ("exit 1\nexit 0", "done", None, [1, 2], ""),
        ("exit 1\nexit 7", "dead", "exhausted", [1, 2], "7"),
        ("exit 64\nexit 128", "dead", "exhausted", [1, 2], "128"),
        ("exit 255\nexit 255", "dead", "exhausted", [1, 2], "255"),
        ("exit 65", "dead", "rejected", [1], "65"),
        ("exit 100", "dead", "rejected", [1], "100"),
        ("exit 1\nexit 65", "dead", "rejected", [1, 2], "65"),
        ("signal 9\nexit 0", "done", None, [1, 2], ""),
        ("signal 11\nsignal 11", "dead", "exhausted", [1, 2], "signal|SEGV"),
        ("signal 15\nsignal 2", "dead", "exhausted", [1, 2], "signal|INT"),
    ]
    command, runs = obedient()
    with configured(command) as gsq:
        pids = gsq.pids()
        for what, state, cause, attempts, reason in cases:
            (job,) = gsq.enqueue(what + "\n")
            is_equal(gsq.wait_job(job), state, "end of %r" % what)
            is_equal(attempts_of(runs, job), attempts,
                     "attempts of %r" % what)
            if state == "dead":
                row = gsq.job(job)
                is_equal((row["state"], row["cause"], row["attempt"]),
                         ("dead", cause, attempts[-1]), "job of %r" % what)
                is_true(re.search(reason, row["reason"]),
                        "reason of %r" % what, row)
        is_equal(gsq.pids(), pids, "pids")
        lane = gsq.lane()
        is_equal(lane["dead"], sum(case[1] == "dead" for case in cases),
                 "dead jobs")


@limit(120)
def test_not_now_is_not_counted():
    """75 and 111: the job comes again later and no attempt is used up."""
    for status in (75, 111):
        command, runs = obedient()
        write_file(runs, "")
        with configured(command) as gsq:
            (job,) = gsq.enqueue("exit %d\nexit 0\n" % status)
            wait_until(lambda: len(attempts_of(runs, job)) == 1, "it runs")
            row = wait_until(
                lambda: [row for row in [gsq.job(job)]
                         if row["state"] == "delayed"], "it is delayed")[0]
            is_equal(row["attempt"], 0, "attempts used by %d" % status)
            is_true(row["due_in_ms"] > 0, "due later", row)
            is_equal(gsq.wait_job(job, 60), "done", "end of the job")
            is_equal(attempts_of(runs, job), [1, 1], "attempts told")
            is_true(gsq.children()["p-1"]["healthy"], "the pool is healthy")


def test_127_means_that_the_pool_is_broken():
    """126 and 127: the job goes back uncounted, the worker is unhealthy."""
    for status in (126, 127):
        gate = temporary("gate%d" % status)
        handler = script("broken%d" % status,
                         'cat > /dev/null\n[ -e "$1" ] || exit %d\n' % status)
        with configured([handler, gate]) as gsq:
            (job,) = gsq.enqueue("x")
            child = wait_until(
                lambda: [child for child in [gsq.children()["p-1"]]
                         if not child["healthy"]], "it is unhealthy")[0]
            is_true(str(status) in child["unhealthy_reason"], "why", child)
            is_equal(child["restarts"], 0, "restarts")
            is_true(gsq.job(job)["state"] != "dead", "the job lives")
            write_file(gate, "")
            is_equal(gsq.wait_job(job, 60), "done", "end of the job")
            wait_until(lambda: gsq.children()["p-1"]["healthy"], "healthy")


def test_the_environment_of_a_handler():
    """GSQ_* and an allow-list; nothing else of the supervisor's."""
    output = temporary("environment")
    handler = script("environment", 'env -0 > "$1.new"; mv "$1.new" "$1"\n')
    with Gsq(workers=1, queue="mail", command=[handler, output],
             environment={"SECRET_TOKEN": "s3cret", "LD_DEBUG_OUTPUT": "x",
                          "LANG": "C.UTF-8"}) as gsq:
        (job,) = gsq.enqueue("body", queue="mail")
        is_equal(gsq.wait_job(job), "done", "end of the job")
        found = dict(row.split("=", 1)
                     for row in read_file(output).split("\0") if row)
    is_equal({key: found.get(key) for key in
              ("GSQ_JOB_ID", "GSQ_QUEUE", "GSQ_ATTEMPT")},
             {"GSQ_JOB_ID": str(job), "GSQ_QUEUE": "mail",
              "GSQ_ATTEMPT": "1"}, "variables of the job")
    is_equal(found.get("PATH"), os.environ["PATH"], "PATH")
    is_equal(found.get("LANG"), "C.UTF-8", "LANG")
    for key in ("SECRET_TOKEN", "LD_DEBUG_OUTPUT", "GSQ_TEST_ID"):
        is_true(key not in found, key + " is not handed on", found)


def test_no_shell_looks_at_the_command():
    """Arguments arrive as they were given, whatever they contain."""
    output = temporary("executed")
    handler = script("arguments",
                     'for word; do printf "%s\\n" "$word"; done > "$0.out"\n')
    words = ["$(touch %s)" % output, "`id`", "a b", "*", "; exit 3", "'", '"',
             "", "$HOME", "--help", "-x", "{body}", "\\n", "ü"]
    with Gsq(workers=1, command=[handler] + words) as gsq:
        (job,) = gsq.enqueue("$(touch %s); `id`" % output)
        is_equal(gsq.wait_job(job), "done", "end of the job")
    is_equal(read_file(handler + ".out").split("\n")[:-1], words, "arguments")
    is_true(not os.path.exists(output), "nothing was executed")


def test_a_command_without_a_slash_is_found_in_the_path():
    with Gsq(workers=1, command=["true"]) as gsq:
        (job,) = gsq.enqueue("x")
        is_equal(gsq.wait_job(job), "done", "end of the job")


def test_bodies_arrive_byte_for_byte():
    """Nothing, NULs, every byte, a megabyte; text is no matter."""
    bodies = [b"", b"\0", b"\0\0\n\0", bytes(range(256)) * 3, b"no newline",
              b"\n", os.urandom(1 << 20), "ünïcode".encode()]
    handler = script("sum", 'sha256sum > "$1/$GSQ_JOB_ID.sum"\n')
    os.mkdir(temporary("sums"))
    with Gsq(workers=2, command=[handler, temporary("sums")]) as gsq:
        for body in bodies:
            job = gsq.call("enqueue", queue="default", body=body)["id"]
            is_equal(gsq.wait_job(job), "done", "end of the job")
            found = read_file(temporary("sums/%d.sum" % job)).split()[0]
            is_equal(found, hashlib.sha256(body).hexdigest(),
                     "sum of %r..." % body[:20])


def test_a_handler_need_not_read_its_body():
    """A megabyte that nobody reads neither blocks nor fails the job."""
    with Gsq(workers=1, command=["true"]) as gsq:
        jobs = gsq.enqueue(*[b"x" * (1 << 20)] * 3)
        for job in jobs:
            is_equal(gsq.wait_job(job), "done", "end of the job")


def test_a_handler_that_closes_everything_still_counts_by_its_exit():
    """Output closed early is no end; the exit is."""
    handler = script("closer", "exec 0<&- 1>&- 2>&-\nsleep 0.3\nexit 65\n")
    with Gsq(workers=1, command=[handler]) as gsq:
        (job,) = gsq.enqueue("x")
        is_equal(gsq.wait_job(job), "dead", "end of the job")
        is_equal(gsq.job(job)["cause"], "rejected", "cause")


def test_output_goes_to_the_log_line_by_line():
    """Each line with the id of its job; nothing of it can move a terminal."""
    handler = script("talker", r'''
echo "first line"
echo "second line" >&2
printf 'event=exit child=w1 "quoted" \\ end\n'
printf '\033[31mred\007\r\n'
printf '%05000d\n' 7
printf 'no newline at the end'
''')
    with Gsq(workers=1, command=[handler], verbose=False) as gsq:
        mark = gsq.mark()
        jobs = gsq.enqueue("a", "b")
        for job in jobs:
            is_equal(gsq.wait_job(job), "done", "end of the job")
            lines = gsq.wait_event("output", after=mark, count=6, job=job)
            text = "\n".join(line.text for line in lines)
            for words in ("first line", "second line",
                          "no newline at the end"):
                is_true(words in text, words, text)
            is_true(all(len(line.text) <= 4096 for line in lines),
                    "long lines are cut")
            is_true("\033" not in text and "\007" not in text
                    and "\r" not in text, "control bytes are quoted", text)
            is_true(any("event=exit" in line.text for line in lines),
                    "a forged line is only a line of output")
        is_equal(gsq.events("exit", after=mark), [], "forged events")


def test_a_flood_of_output_costs_no_memory():
    """A hundred megabytes without a newline, and then the job is done."""
    handler = script("flood", "head -c 100000000 /dev/zero | tr '\\0' x\n")
    with Gsq(workers=1, command=[handler], verbose=False) as gsq:
        (job,) = gsq.enqueue("x")
        is_equal(gsq.wait_job(job), "done", "end of the job")
        worker = memory_kib(gsq.pid_of("w1"), "VmHWM")
        is_true(SANITIZED or worker < 16 * 1024, "memory of the worker",
                worker)
        size = sum(len(line.text) for line in gsq.lines)
        is_true(size < 1 << 20, "bytes of log", size)


def test_an_exhausted_job_stays_in_the_dead_list():
    """It is not lost: its cause and the last reason are there to be read."""
    handler = script("fails", "echo sorry >&2; exit 3\n")
    with configured([handler], workers=2) as gsq:
        jobs = gsq.enqueue("a", "b", "c")
        for job in jobs:
            is_equal(gsq.wait_job(job), "dead", "end of the job")
        found = gsq.call("list", state="dead")["jobs"]
        is_equal([row["id"] for row in found], jobs, "the dead list")
        for row, body in zip(found, (b"a", b"b", b"c")):
            is_equal((row["cause"], row["attempt"], row["body"]),
                     ("exhausted", 2, body), "job")
            is_true("3" in row["reason"], "reason", row)


def test_pools_of_the_configuration():
    """Two pools serve two queues, each with its own command."""
    result = temporary("result")
    path = script("tell", 'echo "$1 $GSQ_QUEUE $(cat)" >> "$2"\n')
    with Gsq(configuration="""
pool "sync" { queue = "a" workers = 2 command = { "%s", "one", "%s" } }
pool "mail" { queue = "b" workers = 1 command = { "%s", "two", "%s" } }
""" % (path, result, path, result)) as gsq:
        is_equal(sorted(gsq.worker_pids()), ["mail-1", "sync-1", "sync-2"],
                 "ids")
        (first,) = gsq.enqueue("x", queue="a")
        (second,) = gsq.enqueue("y", queue="b")
        gsq.wait_job(first)
        gsq.wait_job(second)
        is_equal(sorted(lines_of(result)), ["one a x\n", "two b y\n"],
                 "what ran")
