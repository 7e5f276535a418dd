# SPDX-License-Identifier: MIT
"""What the handlers of a pool may have of the machine, and as whom they run."""
import os
import pwd
import re

from harness import (
    Gsq, is_equal, is_true, needs_root, read_file, run, program, script,
    temporary, wait_until, write_file)


def seen_by_handler(settings, owner=None):
    """A handler's /proc/self/{limits,status,oom_score_adj}, its umask, place
    and home, under the settings of a pool."""
    seen = temporary("seen")
    os.mkdir(seen)
    if owner is not None:
        os.chown(seen, owner.pw_uid, owner.pw_gid)
        os.chmod(temporary(""), 0o711)
    handler = script("look", r'''
cd_was=$(pwd)
cat /proc/self/limits > "$1/limits"
cat /proc/self/status > "$1/status"
cat /proc/self/oom_score_adj > "$1/oom"
{ umask; pwd; echo "$HOME"; id -un; id -gn; nice; } > "$1/rest"
''')
    with Gsq(configuration='pool "w" { %s command = { "%s", "%s" } }\n' % (
            settings, handler, seen)) as gsq:
        worker = gsq.pid_of("w-1")
        gsq.worker_oom = int(read_file("/proc/%d/oom_score_adj" % worker))
        (job,) = gsq.enqueue("x")
        is_equal(gsq.wait_job(job), "done", "end of the job")
        limits = {row[:25].strip(): row[25:].split()[:2] for row in
                  read_file(seen + "/limits").splitlines()[1:]}
        status = dict(re.findall(r"(\w+):\s*(.*)",
                                 read_file(seen + "/status")))
        rest = read_file(seen + "/rest").splitlines()
        return (limits, status, int(read_file(seen + "/oom")), rest,
                gsq.worker_oom)


def test_limits_and_more_of_a_pool():
    limits, status, oom, rest, worker_oom = seen_by_handler(
        'limits = { "nofile=123:456", "core=inf", "as=4GiB" } '
        'umask = "027" cwd = "/usr" nice = 5 oom_score_adj = 700 '
        'no_new_privs = yes')
    is_equal(limits["Max open files"], ["123", "456"], "nofile")
    is_equal(limits["Max address space"], [str(4 << 30)] * 2, "as")
    is_equal(rest[:2], ["0027", "/usr"], "umask and place")
    is_equal(rest[5], "5", "niceness")
    is_equal(status["NoNewPrivs"], "1", "no_new_privs")
    is_equal((oom, worker_oom), (700, 300), "oom_score_adj")


def test_what_is_not_said_is_as_gsq_has_it():
    limits, status, oom, rest, worker_oom = seen_by_handler("")
    own = run(["sh", "-c", "ulimit -n; ulimit -Hn; umask"]).stdout.split()
    is_equal(limits["Max open files"], own[:2], "nofile")
    is_equal(rest[:2], [own[2], os.getcwd()], "umask and place")
    is_equal(status["NoNewPrivs"], status["NoNewPrivs"][:1], "told")
    is_true(oom >= 600 and worker_oom >= 300, "a handler dies before its "
            "worker, this before the queue", oom, worker_oom)


def test_handlers_run_as_another_user():
    needs_root()
    user = pwd.getpwnam("nobody")
    limits, status, oom, rest, worker_oom = seen_by_handler(
        'user = nobody', owner=user)
    is_equal(status["Uid"].split(), [str(user.pw_uid)] * 4, "ids")
    is_equal(status["Gid"].split(), [str(user.pw_gid)] * 4, "groups")
    is_equal(status["Groups"].split(), [str(user.pw_gid)], "more groups")
    is_equal(rest[2], user.pw_dir, "home")


def test_a_user_that_is_not_there_ends_the_boot():
    gsq = Gsq(ready=False, configuration=
              'pool "w" { user = "no-such-user" }\n')
    is_equal(gsq.wait_exit(), 71, "exit status")
    text = "\n".join(line.text for line in gsq.lines)
    is_true("worker: user 'no-such-user': there is none" in text, "why", text)


def test_a_place_that_is_not_there_is_told():
    with Gsq(configuration='pool "w" { cwd = "%s" command = { "true" } }\n'
             % temporary("nowhere")) as gsq:
        (job,) = gsq.enqueue("x")
        line = gsq.wait_event("confinement")
        is_equal((line["what"], line["error"]),
                 ("cwd", "No such file or directory"), "what is told")
        wait_until(lambda: not gsq.children()["w-1"]["healthy"],
                   "the worker is unhealthy")
        os.mkdir(temporary("nowhere"))
        is_equal(gsq.wait_job(job), "done", "end of the job")


def test_wrong_confinements_are_named_by_line():
    path = write_file("wrong.conf", '''
pool "a" {
    limits = { "files=1" }
}
pool "b" {
    umask = "99"
    cwd = "here"
    no_new_privs = maybe
    nice = 30
}
''')
    done = run([program("supervisor"), "-c", path, "-d", temporary("d")])
    is_equal(done.returncode, 78, "exit status")
    for words in ("limit must be as", "umask must be octal", "cwd must be a "
                  "path", "no_new_privs must be yes or no", "nice must be"):
        is_true(words in done.stderr, words, done.stderr)
