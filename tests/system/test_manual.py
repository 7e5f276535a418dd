# SPDX-License-Identifier: MIT
"""What the guide and the pages say by hand, held against the source: these need
no process, only the checkout."""
import glob
import os
import re
import shutil

from harness import (
    ROOT, Skip, is_equal, is_true, program, read_file, run, temporary,
    write_file)


def source(*patterns):
    """The text of all files that match, from the root of the checkout."""
    return "".join(read_file(path) for pattern in patterns
                   for path in sorted(glob.glob(os.path.join(ROOT, pattern))))


def statuses_of(program):
    """{number: meaning} of its exit_status.def."""
    rows = re.findall(r'^EXIT_STATUS\(\w+, +(\d+), +"([^"]*)"',
                      source(program + "/exit_status.def"), re.MULTILINE)
    is_true(len(rows) > 5, "the table of %s is read" % program, rows)
    return {int(number): meaning for number, meaning in rows}


def section(text, heading):
    """From a heading to the next of its rank."""
    rest = text.partition("\n%s\n" % heading)[2]
    is_true(rest, "there is a heading '%s'" % heading)
    return re.split(r"\n%s " % heading.split(" ")[0], rest)[0]


def test_the_guide_has_every_exit_status():
    guide = source("docs/OPERATING.md")
    for program, name in ("supervisor", "gsq-supervisor"), ("qctl", "qctl"):
        rows = re.findall(r"^\| (\d+) \| ([^|]*) \|", section(
            guide, "## Exit statuses of " + name), re.MULTILINE)
        is_equal({int(number): meaning for number, meaning in rows},
                 statuses_of(program), "statuses of %s" % name)


def test_the_page_has_every_exit_status_of_the_children():
    page = source("docs/man/gsq-supervisor.8")
    told = page.partition("Its children end with")[2].partition(".El")[0]
    made = re.findall(r"^#define EXIT_\w+\s+(\d+)", source(
        "queue/*.[ch]", "worker/*.[ch]"), re.MULTILINE)
    is_true(made, "the source defines some")
    is_equal(sorted(map(int, re.findall(r"^\.It (\d+)", told, re.MULTILINE))),
             sorted({0} | set(map(int, made))), "statuses of the children")


def test_every_event_of_the_guide_is_logged():
    code = source("common/*/*.c", "supervisor/*.c", "queue/*.c", "worker/*.c")
    told = set(re.findall(r"event=([a-z-]+)", source("docs/OPERATING.md")))
    is_true(len(told) > 10, "the guide names events", told)
    for event in sorted(told):
        is_true('"%s"' % event in code, "nothing logs event=%s" % event)


def test_the_forty_tests_of_supervision_exist():
    """Each row names tests that are there, or says that there is none."""
    rows = re.findall(r"^\| (\d+) \|.*\| ([^|]*) \|$",
                      source("docs/SUPERVISION.md"), re.MULTILINE)
    is_equal([int(number) for number, _ in rows], list(range(1, 41)), "rows")
    for number, shown_by in rows:
        names = re.findall(r"`([a-z_]+)\.([a-z0-9_]+)`", shown_by)
        is_true(names or "not yet" in shown_by or "`make " in shown_by,
                "row %s names a test" % number, shown_by)
        for file, test in names:
            is_true("\ndef test_%s(" % test in source(
                "tests/system/test_%s.py" % file),
                "row %s: there is no %s.%s" % (number, file, test))


def test_the_unit_is_as_systemd_wants_it():
    """systemd-analyze finds nothing wrong with it, and little exposed."""
    if shutil.which("systemd-analyze") is None:
        raise Skip("there is no systemd-analyze")
    unit = temporary("gsq.service")
    text = re.sub(r"(?m)^Documentation=.*\n", "", source(
        "packaging/gsq.service"))
    write_file(unit, text.replace("/usr/local/bin/gsq-supervisor",
                                  program("supervisor")))
    done = run(["systemd-analyze", "verify", unit])
    is_equal((done.returncode, done.stdout + done.stderr), (0, ""), "verify")
    done = run(["systemd-analyze", "security", "--offline=true",
                "--no-pager", unit])
    exposure = float(re.search(r"exposure level for \S+: ([0-9.]+)",
                               done.stdout).group(1))
    is_true(exposure <= 2.0, "exposure", exposure)


def test_the_unit_does_not_restart_what_does_not_mend_itself():
    unit = source("packaging/gsq.service")
    kept_down = re.search(r"^RestartPreventExitStatus=(.*)$", unit,
                          re.MULTILINE).group(1).split()
    by_number = statuses_of("supervisor")
    is_equal([by_number[int(number)] for number in kept_down],
             ["usage", "already running", "configuration"],
             "statuses that end the unit")
