# SPDX-License-Identifier: MIT
"""Jobs as lines: out of one gsq, into another, and on after a break."""
import json
import os
import subprocess

from harness import (
    Gsq, is_equal, is_true, limit, run, SANITIZED, Skip, start_helper,
    temporary, wait_until, write_file)

CONFIGURATION = """
queue "small" { max_jobs = 3 }
queue "app" { keys = "coalesce" merge = "append" }
"""

# What an enqueue can say of a job.
SAID = ("queue", "body", "key", "mode", "priority", "max_attempts", "ttr_ms")


def lines(text):
    return [json.loads(line) for line in text.splitlines()]


def said(gsq, **filters):
    """All jobs as far as somebody said something of them."""
    jobs = []
    after = 0
    while True:
        page = gsq.call("list", after=after, whole=True, **filters)
        jobs += page["jobs"]
        after = page["next"]
        if after == 0:
            return [{key: job.get(key) for key in SAID} for job in jobs]


def fill(gsq):
    """Jobs of every kind."""
    with gsq.client() as client:
        for params in (
                {"body": b"plain"},
                {"body": b""},
                {"body": b"\xff\x00no text", "priority": 3},
                {"body": "öß\n\t\"\\".encode(), "key": "k", "mode": "serial"},
                {"body": b"later", "delay_ms": 3600000, "max_attempts": 2},
                {"body": b"at", "at_ms": 4000000000000, "ttr_ms": 0},
                {"body": b"x" * 1048576, "ttr_ms": 1500},
                {"body": b"\x01" * 1048576, "key": b"\xfe\xff",
                 "mode": "coalesce"},
                {"body": b"of use for an hour", "expires_ms": 3600000}):
            client.call("enqueue", queue="q", **params)
        for _ in range(3):
            client.call("enqueue", queue="app", key="a", body=b"1")


def test_what_is_exported_can_be_imported_elsewhere():
    with Gsq(configuration=CONFIGURATION) as gsq:
        fill(gsq)
        wanted = said(gsq)
        done = gsq.qctl("export")
        rows = lines(done.stdout)
        is_equal([row["id"] for row in rows], list(range(1, 11)), "by id")
        is_equal(rows[4]["state"], "delayed", "a state")
        is_true(3500000 < rows[4]["delay_ms"] <= 3600000, "a delay", rows[4])
        is_equal(rows[5]["at_ms"], 4000000000000, "a time")
        is_true(3500000 < rows[8]["expires_ms"] <= 3600000, "until when")
        is_equal((rows[9]["body"], rows[9]["hints"]), ("1\n1\n1", 3), "merged")
        is_equal(said(gsq), wanted, "nothing was changed")
        only = lines(gsq.qctl("export", "app").stdout)
        is_equal([row["id"] for row in only], [10], "of one queue")
        only = lines(gsq.qctl("export", "q", "--state", "delayed").stdout)
        is_equal([row["id"] for row in only], [5, 6], "of one state")
        only = lines(gsq.qctl("export", "q", "--after", "7").stdout)
        is_equal([row["id"] for row in only], [8, 9], "behind one")
        path = write_file("jobs.jsonl", done.stdout)
    with Gsq(configuration=CONFIGURATION) as other:
        done = other.qctl("import", path)
        is_equal((done.stdout, done.stderr), ("", "qctl: 10 jobs imported\n"),
                 "words")
        is_equal(said(other), wanted, "the same jobs")
        with open(path) as file:
            other.qctl("import", "--queue", "app", "-", input=file.read())
        is_equal(other.lane("app")["ready"], 1, "only those of a queue")


def test_a_line_that_is_no_job_ends_it_and_loses_nothing():
    with Gsq(configuration=CONFIGURATION) as gsq:
        text = ('{"queue":"q","body":"1"}\n'
                '\n'
                '{"queue":"q","body":"2","priority":7}\n'
                '{"queue":"q","body":"3","prio":7}\n'
                '{"queue":"q","body":"4"}\n')
        done = gsq.qctl("import", "-", input=text, status=2)
        for words in ('line 4: no job has a "prio"', "2 jobs imported",
                      "to go on: --from-line 4"):
            is_true(words in done.stderr, words, done.stderr)
        done = gsq.qctl("import", "-", "--from-line", "4",
                        input=text.replace('"prio"', '"priority"'))
        is_true("2 jobs imported" in done.stderr, "the rest", done.stderr)
        is_equal([job["body"] for job in said(gsq)], [b"1", b"2", b"3", b"4"],
                 "jobs")
        # Nothing of it at all is a plain refusal.
        done = gsq.qctl("import", "-", input="x\n", status=1)
        is_true("line 1: no JSON" in done.stderr, "its words", done.stderr)
        done = gsq.qctl("import", "/nowhere/at.all", status=71)
        is_true("cannot open '/nowhere/at.all'" in done.stderr, "its words")
        gsq.qctl("import", "-", input="")


def test_dead_jobs_come_only_when_they_are_asked_for():
    with Gsq(configuration=CONFIGURATION) as gsq, gsq.client() as worker:
        worker.call("subscribe", queue="q")
        gsq.enqueue("hopeless", queue="q")
        worker.notify("demand", queue="q", n=1)
        msgid, _ = worker.next_job()
        worker.respond(msgid, {"verdict": "dead", "reason": "no"})
        wait_until(lambda: gsq.lane("q")["dead"] == 1, "it is dead")
        gsq.enqueue("alive", queue="q")
        text = gsq.qctl("export", "q").stdout
        is_equal(lines(text)[0]["cause"], "rejected", "what is exported")
        done = gsq.qctl("import", "-", input=text)
        is_true("1 jobs imported" in done.stderr
                and "1 dead ones were left out" in done.stderr, "words",
                done.stderr)
        gsq.qctl("import", "--dead", "-", input=text)
        is_equal([job["body"] for job in said(gsq, state="ready")],
                 [b"alive", b"alive", b"hopeless", b"alive"], "jobs")


def test_it_goes_on_behind_a_full_queue():
    text = "".join('{"queue":"small","body":"%d"}\n' % at for at in range(8))
    with Gsq(configuration=CONFIGURATION) as gsq, gsq.client() as worker:
        done = gsq.qctl("import", "-", input=text, status=2)
        for words in ("FULL: that queue has 3 jobs", "3 jobs imported",
                      "to go on: --from-line 4"):
            is_true(words in done.stderr, words, done.stderr)
        done = gsq.qctl("import", "-", "--from-line", "4", "--wait",
                        "--timeout", "200ms", input=text, status=124)
        is_true("to go on: --from-line 4" in done.stderr, "where", done.stderr)
        worker.call("subscribe", queue="small", max_demand=10)
        waiting = start_helper(
            gsq.qctl_arguments("import", "-", "--from-line", "4", "--wait"),
            stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        waiting.stdin.write(text)
        waiting.stdin.close()
        worker.notify("demand", queue="small", n=8)
        bodies = []
        for _ in range(8):
            msgid, job = worker.next_job()
            bodies.append(job["body"].decode())
            worker.respond(msgid)
        is_equal(bodies, [str(at) for at in range(8)], "in order, each once")
        is_true("5 jobs imported" in waiting.stderr.read(), "words")
        is_equal(waiting.wait(), 0, "exit status")
        waiting.stderr.close()


def test_a_token_in_a_line_makes_it_harmless_to_repeat():
    text = "".join('{"queue":"q","body":"%d","token":"t%d"}\n' % (at, at)
                   for at in range(5))
    with Gsq(configuration=CONFIGURATION) as gsq:
        for _ in range(2):
            done = gsq.qctl("import", "-", input=text)
            is_true("5 jobs imported" in done.stderr, "words", done.stderr)
        is_equal(gsq.lane("q")["ready"], 5, "jobs")


@limit(60)
def test_many_jobs_in_constant_memory():
    """A hundred thousand, out and in, with bounded memory at either end."""
    if SANITIZED:
        raise Skip("AddressSanitizer takes terabytes of addresses")
    count = 100000
    with Gsq(configuration=CONFIGURATION) as gsq:
        gsq.qctl("enqueue", "q", "--lines",
                 input="".join("%d\n" % at for at in range(count)))
        path = temporary("many.jsonl")
        for arguments in (["export", "q"], ["import", path]):
            with open(path if arguments[0] == "export" else os.devnull,
                      "w") as out:
                helper = start_helper(
                    ["/usr/bin/env", "bash", "-c",
                     'ulimit -v 60000; exec "$@"', "-"]
                    + gsq.qctl_arguments(*arguments), stdout=out,
                    stderr=subprocess.PIPE, text=True)
                words = helper.stderr.read()
                is_equal(helper.wait(), 0, words)
                helper.stderr.close()
        is_equal(gsq.lane("q")["ready"], 2 * count, "jobs")
        with open(path) as file:
            is_equal(sum(1 for _ in file), count, "lines")


def test_an_export_that_breaks_says_from_where_to_go_on():
    """Nobody reads its output any more; and a page of large bodies is short."""
    with Gsq(configuration=CONFIGURATION) as gsq:
        gsq.enqueue(*[b"x" * 700000] * 3, queue="q")
        gsq.enqueue(*[b"x" * 700000] * 2, queue="q")
        page = gsq.call("list", whole=True)
        is_equal((len(page["jobs"]), page["next"]), (1, 1), "a page")
        done = run(["/usr/bin/env", "bash", "-c",
                    '"$@" > /dev/full', "-"] + gsq.qctl_arguments("export"))
        is_equal(done.returncode, 71, "exit status")
        is_true("cannot write what was exported" in done.stderr, "words",
                done.stderr)
        is_equal([row["id"] for row in lines(gsq.qctl("export").stdout)],
                 [1, 2, 3, 4, 5], "all of them")


def test_the_input_may_break_off_and_so_may_gsq():
    with Gsq(configuration=CONFIGURATION) as gsq:
        importing = start_helper(
            gsq.qctl_arguments("import", "-"), stdin=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True)
        # So many that the first ones are sent.
        for at in range(3000):
            importing.stdin.write('{"queue":"q","body":"%d"}\n' % at)
        importing.stdin.flush()
        wait_until(lambda: gsq.lane("q")
                   and gsq.lane("q")["ready"] >= 1000, "some are there")
        gsq.stop()
        try:
            for at in range(3000):
                importing.stdin.write('{"queue":"q","body":"%d"}\n' % at)
            importing.stdin.close()
        except BrokenPipeError:
            pass
        words = importing.stderr.read()
        is_equal(importing.wait(), 69, words)
        is_true("to go on: --from-line" in words
                and "whether gsq took them is unknown" in words, "words", words)
        importing.stderr.close()
