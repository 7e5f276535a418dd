# SPDX-License-Identifier: MIT
"""Real input through a storm of kills, judged against sha256sum itself."""
import os
import random
import stat
import threading
import time

from harness import (
    Gsq, SANITIZED, SLOWNESS, Skip, effects, is_equal, is_true, judge, kill,
    limit, run, script, temporary, wait_until)

# A worker under AddressSanitizer needs longer than 100 ms to be ready.
FILES = 500 if SANITIZED else 2000
KILL_SECONDS = 0.1 * SLOWNESS


def some_files():
    """Names of readable regular files of this machine, one a line each."""
    found = []
    for folder, folders, names in os.walk("/usr"):
        folders.sort()
        for name in sorted(names):
            path = os.path.join(folder, name)
            try:
                status = os.lstat(path)
            except OSError:
                continue
            if (stat.S_ISREG(status.st_mode) and "\n" not in path
                    and 0 < status.st_size < 1 << 20
                    and os.access(path, os.R_OK)):
                found.append(path)
                if len(found) == FILES:
                    return found
    raise Skip("fewer than %d files in /usr" % FILES)


def sums_of(paths):
    """What sha256sum says by itself, as a set of lines."""
    lines = set()
    for first in range(0, len(paths), 200):
        done = run(["sha256sum", "--"] + paths[first:first + 200])
        is_equal(done.returncode, 0, "exit status of sha256sum")
        lines |= set(done.stdout.splitlines())
    return lines


@limit(120)
def test_sums_of_two_thousand_files_while_workers_are_killed():
    """4 workers, a random one killed every 100 ms: nothing is missing, every
    duplicate is explained by a kill."""
    paths = some_files()
    wanted = sums_of(paths)
    is_equal(len(wanted), FILES, "sums wanted")
    result = temporary("result")
    handler = script("sum", r'''
IFS= read -r file
sum=$(sha256sum -- "$file") || exit 1
printf '%s %s %s %s\n' "$GSQ_JOB_ID" "$GSQ_ATTEMPT" "$PPID" "$sum" >> "$1"
''')
    # Who kills at random kills some jobs' workers more than three times.
    with Gsq("--max-restarts", "inf", "--backoff", "off", workers=4,
             command=[handler, result], verbose=False,
             configuration='queue "default" { max_crashes = 0 }') as gsq:
        queue = gsq.pid_of("queue")
        stop = threading.Event()
        killed = []

        def done_so_far():
            row = gsq.lane()
            return row["done"] if row else 0

        def wait_for_next(killed_at):
            """Until it is time for a kill: after a while, or where the machine
            is fast, after a part of the work."""
            end = time.monotonic() + KILL_SECONDS
            while time.monotonic() < end and not stop.wait(0.02):
                if done_so_far() >= killed_at + FILES / 20:
                    break
            return done_so_far()

        def kill_for_ever():
            chance = random.Random(1)
            killed_at = 0
            while not stop.is_set():
                killed_at = wait_for_next(killed_at)
                if stop.is_set():
                    return
                alive = [pid for pid in gsq.worker_pids().values() if pid]
                if alive:
                    pid = chance.choice(alive)
                    # Noted first: its job may come again before kill returns.
                    killed.append(pid)
                    try:
                        kill(pid)
                    except ProcessLookupError:
                        killed.pop()

        killer = threading.Thread(target=kill_for_ever)
        killer.start()
        try:
            done = gsq.qctl("enqueue", "--lines", "default",
                            input="".join(path + "\n" for path in paths))
            acknowledged = [int(word) for word in done.stdout.split()]
            is_equal(len(set(acknowledged)), FILES, "jobs acknowledged")
            wait_until(lambda: gsq.call("queues")["queues"][0]["done"]
                       >= FILES, "all jobs are done", 90 * SLOWNESS)
        finally:
            stop.set()
            killer.join()
        is_equal(gsq.pid_of("queue"), queue, "pid of the queue")
        row = gsq.wait_lane(done=FILES, dead=0, ready=0, running=0)
        found = effects(result)
        duplicates = judge(found, acknowledged, set(killed))
        is_equal({effect.text for effect in found}, wanted, "the sums")
        died = gsq.call("stats")["died"]
        print("%d kills, %d jobs came back, %d duplicates, %s" % (
            len(killed), died, duplicates, row))
        is_true(len(killed) >= 10, "enough kills", killed)
        is_true(died >= 3, "enough jobs were hit by a kill", died)
