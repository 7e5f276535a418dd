# SPDX-License-Identifier: MIT
"""Jobs that are of use until some time."""
from harness import Gsq, is_equal, is_true, kill

CONFIGURATION = """
queue "q" { retry_base = "10s" }
pool "none" { workers = 0 }
"""


def cause_of(gsq, identity):
    job = gsq.job(identity)
    return job["state"], job.get("cause")


def expect_expired(gsq, identity):
    is_equal(gsq.wait_job(identity), "dead", "it is over")
    is_equal(cause_of(gsq, identity), ("dead", "expired"), "why")


def test_what_has_not_begun_in_time_is_dead():
    with Gsq(configuration=CONFIGURATION) as gsq:
        soon = int(gsq.qctl("enqueue", "q", "x", "--expires", "50ms").stdout)
        later = int(gsq.qctl("enqueue", "q", "x", "--expires", "1h").stdout)
        expect_expired(gsq, soon)
        is_true("expired" in gsq.job(soon)["reason"], "said to people")
        left = gsq.job(later)["expires_in_ms"]
        is_true(3500000 < left <= 3600000, "what is left", left)
        is_true("unless it has begun" in gsq.qctl("get", str(later)).stdout,
                "shown")
        is_equal(gsq.call("stats")["expired"], 1, "counted")
        gsq.wait_event("dead", job=soon)
        gsq.qctl("retry", str(soon))
        is_equal(gsq.job(soon)["state"], "ready", "retried")
        is_true("expires_in_ms" not in gsq.job(soon), "for ever")


def test_a_job_that_fails_too_late_is_not_tried_again():
    with Gsq(workers=1, command=["/bin/sh", "-c", "sleep 0.3; exit 1"]) as gsq:
        identity = gsq.call("enqueue", queue="default", body="x",
                            expires_ms=100)["id"]
        expect_expired(gsq, identity)
        is_equal(gsq.job(identity)["attempt"], 1, "attempts")


def test_a_job_expires_over_a_kill_of_the_queue():
    """Also while there is no queue."""
    with Gsq(configuration=CONFIGURATION) as gsq:
        soon = gsq.call("enqueue", queue="q", body="x", expires_ms=300)["id"]
        later = gsq.call("enqueue", queue="q", body="x",
                         expires_ms=3600000)["id"]
        queue = gsq.pid_of("queue")
        kill(queue)
        gsq.wait_new_pid("queue", queue)
        expect_expired(gsq, soon)
        is_true(gsq.job(later)["expires_in_ms"] > 3500000, "the other one")
        queue = gsq.pid_of("queue")
        kill(queue)
        gsq.wait_new_pid("queue", queue)
        is_equal(cause_of(gsq, soon), ("dead", "expired"), "still")


def test_a_bad_time_is_refused():
    with Gsq(workers=0) as gsq:
        gsq.qctl("enqueue", "q", "x", "--expires", "0", status=1)
        gsq.qctl("enqueue", "q", "x", "--expires", "soon", status=64)
        done = gsq.qctl("enqueue", "q", "x", "--at", "9999-01-01T00:00:00Z",
                        status=1)
        is_true("BAD_TIME" in done.stderr, "too far away", done.stderr)
