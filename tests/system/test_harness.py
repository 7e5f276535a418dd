# SPDX-License-Identifier: MIT
"""The harness itself: a test that leaks, hangs or does nothing must fail."""
import os
import sys

from harness import is_equal, is_true, run, temporary, write_file

RUN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "run")


def run_tests(name, text, *arguments):
    """Runs tests of our own making; the lines that the runner prints."""
    folder = temporary(name)
    os.mkdir(folder)
    write_file(folder + "/test_%s.py" % name, text)
    done = run([sys.executable, RUN, "--folder", folder] + list(arguments))
    return done.returncode, done.stdout.splitlines()


def test_a_test_that_leaves_a_process_fails():
    status, lines = run_tests("leak", """
import subprocess
def test_leak():
    subprocess.Popen(["setsid", "sh", "-c", "trap '' TERM; sleep 300 & wait"])
""")
    is_equal(status, 1, "exit status")
    is_true(any("sleep 300" in line for line in lines),
            "the process is named", *lines)
    is_equal(lines[-1], "0 passed, 1 failed", "last line")


def test_a_test_that_hangs_fails_and_says_where():
    status, lines = run_tests("hang", """
import time
def test_hang():
    time.sleep(300)
""", "--limit", "1")
    is_equal(status, 1, "exit status")
    is_true(any("time limit" in line for line in lines), "said", *lines)
    is_true(any("in test_hang" in line for line in lines), "where", *lines)


def test_skips_are_counted_and_nothing_run_is_a_failure():
    status, lines = run_tests("skip", """
import harness
def test_skip():
    raise harness.Skip("no moon")
""")
    is_equal(status, 1, "exit status")
    is_true(any("SKIP" in line and "no moon" in line for line in lines),
            "the reason is shown", *lines)
    is_equal(lines[-1], "0 passed, 0 failed, 1 skipped", "last line")
