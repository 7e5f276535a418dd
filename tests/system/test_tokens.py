# SPDX-License-Identifier: MIT
"""The same said twice with a token is one job, whatever happens in between."""
import json

from harness import Gsq, Refused, is_equal, is_true, kill

CONFIGURATION = """
queue "memory" { durability = "memory" }
queue "keys" { keys = "coalesce" }
queue "out" { }
pool "none" { workers = 0 }
"""


def say(gsq, token, body="42", queue="default", **more):
    return gsq.call("enqueue", queue=queue, body=body, token=token, **more)


def refusal_of(gsq, **params):
    try:
        gsq.call("enqueue", **params)
    except Refused as refused:
        return refused.text.split(":")[0]
    return None


def test_the_same_again_is_one_job():
    with Gsq(workers=0) as gsq:
        first = say(gsq, "a")
        is_equal(first["dup"], False, "at first")
        again = say(gsq, "a")
        is_equal(again, dict(first, dup=True), "again")
        is_equal(gsq.lane()["ready"], 1, "jobs")
        is_true(say(gsq, "b")["id"] > first["id"], "another token")
        is_true("dup" not in gsq.call("enqueue", queue="default", body="x"),
                "without one nothing is said of it")


def test_a_token_is_known_after_a_crash_and_when_its_job_is_done():
    with Gsq(workers=1) as gsq:
        first = say(gsq, "a")
        gsq.wait_job(first["id"])
        queue = gsq.pid_of("queue")
        kill(queue)
        gsq.wait_new_pid("queue", queue)
        again = say(gsq, "a")
        is_equal((again["id"], again["dup"]), (first["id"], True), "again")
        directory = gsq.directory
        gsq.stop()
        with Gsq(directory=directory, workers=0) as anew:
            is_equal(say(anew, "a")["dup"], True, "after a stop")
            other = say(anew, "a2")
            is_equal(other["dup"], False, "one that was not said")
            is_true(other["id"] > first["id"] + 1, "no id comes again")
            is_equal(anew.lane()["ready"], 1, "jobs")


def test_a_token_stands_for_one_job():
    with Gsq(configuration=CONFIGURATION) as gsq:
        say(gsq, "a", key="k")
        for more in ({"body": "43"}, {"key": "l"}, {"queue": "out"}):
            params = dict(queue="default", body="42", key="k", token="a")
            params.update(more)
            is_equal(refusal_of(gsq, **params), "TOKEN_REUSED", str(more))
        # What does not make it another job may differ.
        is_equal(say(gsq, "a", key="k", priority=1)["dup"], True, "priority")


def test_what_is_merged_is_merged_once():
    with Gsq(configuration=CONFIGURATION) as gsq:
        one = say(gsq, "a", queue="keys", key="42")
        two = say(gsq, "b", queue="keys", key="42")
        is_equal((two["id"], two["result"]), (one["id"], "merged"), "merged")
        again = say(gsq, "b", queue="keys", key="42")
        is_equal((again["result"], again["dup"]), ("merged", True), "again")
        is_equal(gsq.job(one["id"])["hints"], 2, "hints")


def test_a_token_is_no_safer_than_its_job():
    """In memory both are forgotten, so that nobody hears of a job that is
    lost."""
    with Gsq(configuration=CONFIGURATION) as gsq:
        first = say(gsq, "a", queue="memory")
        is_equal(say(gsq, "a", queue="memory")["dup"], True, "again")
        queue = gsq.pid_of("queue")
        kill(queue)
        gsq.wait_new_pid("queue", queue)
        again = say(gsq, "a", queue="memory")
        is_equal(again["dup"], False, "after the death of the queue")
        is_true(again["id"] > first["id"] + 1, "no id comes again")


def test_many_of_one_request_have_a_token_each():
    with Gsq(workers=0) as gsq:
        params = dict(queue="default", bodies=["a", "b", "c"], each=True,
                      tokens=["1", None, "3"])
        first = gsq.call("enqueue", **params)
        is_equal(first["dups"], [False] * 3, "at first")
        again = gsq.call("enqueue", **params)
        is_equal(again["dups"], [True, False, True], "again")
        is_equal(again["ids"][0], first["ids"][0], "the first")
        is_equal(again["ids"][2], first["ids"][2], "the last")
        is_equal(gsq.lane()["ready"], 4, "jobs")
        params["bodies"] = ["a", "b", "x"]
        reused = gsq.call("enqueue", **params)
        is_equal(reused["results"], ["new", "new", "refused"], "reused")
        is_true(reused["errors"][2][1].startswith("TOKEN_REUSED"), "why")


def test_bad_tokens_are_refused():
    with Gsq(workers=0) as gsq:
        for refusal, params in (
                ("BAD_NAME", dict(body="x", token="")),
                ("BAD_NAME", dict(body="x", token="t" * 129)),
                ("BAD_ARGUMENT", dict(body="x", token=7)),
                ("BAD_ARGUMENT", dict(bodies=["x", "y"], token="a")),
                ("BAD_ARGUMENT", dict(bodies=["x"], tokens=["a"])),
                ("BAD_ARGUMENT", dict(body="x", tokens=["a"], each=True)),
                ("BAD_ARGUMENT", dict(bodies=["x"], tokens="a", each=True)),
                ("BAD_ARGUMENT",
                 dict(bodies=["x"], tokens=["a", "b"], each=True))):
            is_equal(refusal_of(gsq, queue="default", **params), refusal,
                     str(params))
        each = gsq.call("enqueue", queue="default", bodies=["x", "y"],
                        tokens=["", 7], each=True)
        is_equal([error[1].split(":")[0] for error in each["errors"]],
                 ["BAD_NAME", "BAD_ARGUMENT"], "each for itself")
        is_equal(gsq.call("list")["jobs"], [], "jobs")


def test_qctl_says_it_twice():
    with Gsq(workers=0) as gsq:
        def enqueue(*words, status=0):
            return gsq.qctl("enqueue", "default", *words,
                            status=status).stdout
        one = enqueue("42", "--token", "a")
        is_equal(enqueue("42", "--token", "a"), one, "the id")
        found = json.loads(enqueue("42", "--token", "a", "-o", "json"))
        is_equal(found, {"id": int(one), "result": "new", "dup": True},
                 "as JSON")
        enqueue("43", "--token", "a", status=1)
        enqueue("1", "2", "--token", "a", status=64)
        enqueue("1", "--token", "", status=64)
        enqueue("1", "--token", "t" * 129, status=64)
        enqueue("1", "--in", "1s", "--at", "2026-12-24T18:00:00Z", status=64)
        enqueue("1", "--at", "tomorrow", status=64)
