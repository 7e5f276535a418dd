/* SPDX-License-Identifier: MIT */
/* Runs with real processes: sh is the handler. */
#include "worker/run.h"

#include "sys/clock.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define JOBS_MAX 4

static char directory[] = "/tmp/gsq-test-run-XXXXXX";
static char script[4096];
static char *command[] = { "sh", "-c", script, "handler", directory, NULL };
static struct options options;
static struct event_base *base;
static struct runs runs;
static struct ledger_job jobs[JOBS_MAX + 1]; /* by id */
static struct outcome outcomes[JOBS_MAX + 1];
static bool ended[JOBS_MAX + 1];
static unsigned ended_count;
static int log_ends[2];

static char errors[STDERR_BYTES_MAX + 1]; /* of the last that ended */

static void
on_ended(void *context, struct ledger_job *job, const struct outcome *outcome)
{
	cr_assert_leq(outcome->errors.count, STDERR_BYTES_MAX);
	memset(errors, 0, sizeof(errors));
	if (outcome->errors.count > 0)
		memcpy(errors, outcome->errors.bytes, outcome->errors.count);
	cr_assert_eq(context, &ended);
	cr_assert(job->id > 0 && job->id <= JOBS_MAX);
	cr_assert_not(ended[job->id], "it ended twice");
	ended[job->id] = true;
	outcomes[job->id] = *outcome;
	ended_count++;
}

/* The log of this process becomes a pipe, so that it can be looked at. */
static void
set_up(void)
{
	cr_assert_not_null(mkdtemp(directory));
	cr_assert_eq(pipe2(log_ends, O_CLOEXEC | O_NONBLOCK), 0);
	cr_assert_geq(dup2(log_ends[1], STDERR_FILENO), 0);
	signal(SIGPIPE, SIG_IGN);
	setenv("PATH", "/usr/bin:/bin", 1);
	setenv("SECRET", "1", 1);
	snprintf(options.directory, sizeof(options.directory), "/run/gsq");
	name_set(&options.queue, SPAN_LITERAL("mail"));
	name_set(&options.name, SPAN_LITERAL("w1"));
	options.max_demand = JOBS_MAX;
	options.channel_fd = -1;
	options.command = command;
	base = event_base_new();
	cr_assert_not_null(base);
	cr_assert_eq(runs_init(&runs, base, &options, on_ended, &ended), 0);
	for (uint64_t id = 1; id <= JOBS_MAX; id++)
		jobs[id].id = id;
}

static void
tear_down(void)
{
	char line[128];
	runs_die(&runs);
	cr_expect_eq(waitpid(-1, NULL, WNOHANG), -1, "something is left");
	runs_release(&runs);
	event_base_free(base);
	snprintf(line, sizeof(line), "rm -r %s", directory);
	cr_expect_eq(system(line), 0);
}

TestSuite(run, .init = set_up, .fini = tear_down, .timeout = 60);

/* ---- helpers ---- */

static void
use_builtin(const char *name)
{
	static char text[32];
	static char *builtin_command[] = { text, NULL };
	snprintf(text, sizeof(text), "%s", name);
	runs_release(&runs);
	options.command = builtin_command;
	cr_assert_eq(runs_init(&runs, base, &options, on_ended, &ended), 0);
}

static void
begin_with(uint64_t id, struct span body)
{
	const struct params_job params = { .id = (int64_t)id,
		.attempt = 2,
		.delivery = 5,
		.priority = 128,
		.body = body };
	ended[id] = false;
	runs_begin(&runs, &jobs[id], &params);
}

static void
begin(uint64_t id, const char *what)
{
	snprintf(script, sizeof(script), "%s", what);
	begin_with(id, (struct span){ NULL, 0 });
}

static void
wait_ended(uint64_t id)
{
	while (!ended[id])
		cr_assert_eq(event_base_loop(base, EVLOOP_ONCE), 0);
}

static const struct outcome *
run(const char *what)
{
	begin(1, what);
	wait_ended(1);
	return &outcomes[1];
}

static bool
exists(const char *name)
{
	char path[128];
	snprintf(path, sizeof(path), "%s/%s", directory, name);
	return access(path, F_OK) == 0;
}

/* Turns the loop until a handler has made that file. */
static void
wait_file(const char *name)
{
	struct timeval short_while = { .tv_usec = 2000 };
	while (!exists(name)) {
		event_base_loopexit(base, &short_while);
		cr_assert_eq(event_base_loop(base, 0), 0);
	}
}

static const char *
read_file(const char *name)
{
	static char text[4096];
	char path[128];
	snprintf(path, sizeof(path), "%s/%s", directory, name);
	int fd = open(path, O_RDONLY);
	cr_assert_geq(fd, 0, "%s: %s", name, strerror(errno));
	ssize_t got = read(fd, text, sizeof(text) - 1);
	cr_assert_geq(got, 0);
	text[got] = '\0';
	close(fd);
	return text;
}

static bool
is_alive(pid_t pid)
{
	return kill(pid, 0) == 0;
}

static pid_t
pid_in(const char *name)
{
	pid_t pid = (pid_t)atoi(read_file(name));
	cr_assert_gt(pid, 1);
	return pid;
}

static const char *
take_log(void)
{
	static char text[1 << 16];
	ssize_t got = read(log_ends[0], text, sizeof(text) - 1);
	text[got > 0 ? got : 0] = '\0';
	return text;
}

/* A daemon in a session of its own that ignores TERM; $1 is the directory. */
#define DAEMON(name)                                                           \
	"setsid sh -c 'trap \"\" TERM; echo $$ > $0/" name ".new; mv $0/" name \
	".new $0/" name "; while :; do sleep 0.05; done' $1 & "                \
	"while [ ! -e $1/" name " ]; do sleep 0.01; done; "

/* ---- ends ---- */

Test(run, the_exit_status_is_the_outcome)
{
	cr_expect_eq(run("exit 0")->verdict, OUTCOME_DONE);
	cr_expect_eq(run("exit 3")->verdict, OUTCOME_FAIL);
	cr_expect_eq(outcomes[1].number, 3);
	cr_expect_eq(run("exit 65")->verdict, OUTCOME_DEAD);
	cr_expect_eq(run("kill -9 $$")->cause, OUTCOME_CAUSE_SIGNAL);
	cr_expect_eq(outcomes[1].number, SIGKILL);
	cr_expect_null(jobs[1].context);
	cr_expect_eq(runs.count, 0);
}

Test(run, what_a_process_used_is_measured)
{
	int64_t before_ms = clock_monotonic_ms();
	run("sleep 0.05; x=0; while [ $x -lt 3000 ]; do x=$((x+1)); done; "
	    "dd if=/dev/zero of=/dev/null bs=48M count=1; exit 1");
	int64_t took_ms = clock_monotonic_ms() - before_ms;
	cr_expect(outcomes[1].measured);
	cr_expect_geq(outcomes[1].duration_ms, 50);
	cr_expect_leq(outcomes[1].duration_ms, took_ms);
	cr_expect_gt(outcomes[1].cpu_ms, 0);
	cr_expect_leq(outcomes[1].cpu_ms, took_ms);
	cr_expect_gt(outcomes[1].rss_bytes, INT64_C(48) << 20,
	    "of the hungriest, in bytes: %lld",
	    (long long)outcomes[1].rss_bytes);
	cr_expect_not(outcomes[1].core);
}

Test(run, its_stderr_is_kept_as_it_began)
{
	run("echo out; echo oh >&2; echo dear >&2; exit 1");
	cr_expect_str_eq(errors, "oh\ndear\n");
	run("echo out; exit 1");
	cr_expect_str_eq(errors, "");
	run("echo first >&2; seq 100000 199999 >&2; kill -9 $$");
	cr_expect_eq(strlen(errors), STDERR_BYTES_MAX);
	cr_expect_eq(strncmp(errors, "first\n100000\n", 13), 0);
	run("sh -c 'sleep 0.01; echo late >&2' & wait; exit 3");
	cr_expect_str_eq(errors, "late\n", "of all that it started");
	run("exec 2>&-; exit 4");
	cr_expect_str_eq(errors, "");
}

/* Where cores go is the host's affair; that there is one is the kernel's
 * word. */
Test(run, a_core_is_told)
{
	char pattern[8] = "";
	int fd = open("/proc/sys/kernel/core_pattern", O_RDONLY | O_CLOEXEC);
	cr_assert_geq(fd, 0);
	cr_assert_gt(read(fd, pattern, sizeof(pattern) - 1), 0);
	close(fd);
	run("ulimit -c 0; kill -SEGV $$");
	cr_expect_eq(outcomes[1].number, SIGSEGV);
	cr_expect(!outcomes[1].core || pattern[0] == '|');
	run("cd $1 && ulimit -c unlimited && kill -SEGV $$");
	cr_expect_eq(outcomes[1].number, SIGSEGV);
	if (pattern[0] != '/' && pattern[0] != '|')
		cr_expect(outcomes[1].core);
}

Test(run, not_now_grows_with_the_deliveries_that_did_not_count)
{
	const struct outcome *outcome = run("exit 75");
	cr_expect_eq(outcome->verdict, OUTCOME_RETRY);
	/* Delivery 5, attempt 2: given back three times, so 2 s * 2^3. */
	cr_expect_geq(outcome->delay_ms, 14400);
	cr_expect_leq(outcome->delay_ms, 17600);
}

Test(run, a_command_that_is_not_there_ends_at_once)
{
	command[0] = "no-such-command";
	begin(1, "");
	cr_expect(ended[1]);
	cr_expect_eq(outcomes[1].cause, OUTCOME_CAUSE_CANNOT_RUN);
	cr_expect_eq(outcomes[1].number, ENOENT);
	command[0] = "sh";
}

Test(run, without_descriptors_nothing_can_be_run)
{
	struct rlimit limit;
	cr_assert_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	struct rlimit none = { .rlim_cur = 3, .rlim_max = limit.rlim_max };
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	begin(1, "exit 0");
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	cr_expect_eq(outcomes[1].number, EMFILE);
	cr_expect_eq(run("exit 0")->verdict, OUTCOME_DONE);
}

/* ---- what a handler gets ---- */

Test(run, the_environment_is_the_jobs)
{
	run("env > $1/env");
	const char *text = read_file("env");
	cr_expect_not_null(strstr(text, "GSQ_JOB_ID=1\n"));
	cr_expect_not_null(strstr(text, "GSQ_QUEUE=mail\n"));
	cr_expect_not_null(strstr(text, "GSQ_ATTEMPT=2\n"));
	cr_expect_not_null(strstr(text, "PATH=/usr/bin:/bin\n"));
	cr_expect_null(strstr(text, "SECRET"));
}

Test(run, the_body_is_on_standard_input)
{
	snprintf(script, sizeof(script), "cat > $1/body");
	begin_with(1, SPAN_LITERAL("hello\nworld"));
	wait_ended(1);
	cr_expect_str_eq(read_file("body"), "hello\nworld");
}

Test(run, a_body_greater_than_a_pipe_arrives_whole)
{
	size_t count = BODY_BYTES_MAX;
	char *body = malloc(count);
	memset(body, 'x', count);
	snprintf(script, sizeof(script), "sleep 0.1; wc -c > $1/count");
	begin_with(1, (struct span){ body, count });
	memset(body, 'y', count); /* it was copied */
	wait_ended(1);
	cr_expect_eq(atoi(read_file("count")), (int)count);
	snprintf(script, sizeof(script), "tr -d x | wc -c > $1/count");
	memset(body, 'x', count);
	begin_with(1, (struct span){ body, count });
	memset(body, 'y', count);
	wait_ended(1);
	cr_expect_eq(atoi(read_file("count")), 0);
	free(body);
}

Test(run, a_body_need_not_be_read)
{
	static char body[BODY_BYTES_MAX];
	snprintf(script, sizeof(script), "exit 0");
	begin_with(1, (struct span){ body, sizeof(body) });
	wait_ended(1);
	cr_expect_eq(outcomes[1].verdict, OUTCOME_DONE);
}

Test(run, it_leads_a_session_and_its_input_ends)
{
	run("cut -d' ' -f6 /proc/$$/stat > $1/sid; cat; echo $$ >> $1/sid");
	int session = 0, pid = 0;
	cr_expect_eq(sscanf(read_file("sid"), "%d %d", &session, &pid), 2);
	cr_expect_eq(session, pid);
}

/* ---- output ---- */

Test(run, output_goes_to_the_log_with_the_job)
{
	take_log();
	run("echo one; echo two >&2; printf three");
	const char *log = take_log();
	cr_expect_not_null(
	    strstr(log, "event=output job=1 stream=stdout text=one\n"), "%s",
	    log);
	cr_expect_not_null(
	    strstr(log, "event=output job=1 stream=stderr text=two\n"));
	cr_expect_not_null(
	    strstr(log, "event=output job=1 stream=stdout text=three\n"));
}

Test(run, what_is_written_last_is_not_lost)
{
	take_log();
	run("head -c 60000 /dev/zero | tr '\\0' x; echo; echo last");
	cr_expect_not_null(strstr(take_log(), "text=last\n"));
}

Test(run, closed_pipes_are_no_end)
{
	begin(1,
	    "exec 0<&- 1>&- 2>&-; touch $1/closed; "
	    "while [ ! -e $1/gate ]; do sleep 0.01; done; exit 7");
	wait_file("closed");
	cr_expect_not(ended[1]);
	char path[128];
	snprintf(path, sizeof(path), "%s/gate", directory);
	close(open(path, O_CREAT | O_WRONLY, 0600));
	wait_ended(1);
	cr_expect_eq(outcomes[1].number, 7);
}

/* ---- what a handler leaves behind ---- */

Test(run, a_daemon_is_dead_before_the_run_has_ended)
{
	run(DAEMON("daemon") "exit 0");
	cr_expect_eq(outcomes[1].verdict, OUTCOME_DONE);
	cr_expect_not(is_alive(pid_in("daemon")));
}

Test(run, a_daemon_of_another_run_lives_on)
{
	begin(1,
	    "(" DAEMON("first") ") & wait; touch $1/ready; "
				"while [ ! -e $1/gate ]; do sleep 0.01; done");
	wait_file("ready");
	begin(2, DAEMON("second") "exit 0");
	wait_ended(2);
	cr_expect_not(is_alive(pid_in("second")));
	cr_expect(is_alive(pid_in("first")), "it belongs to the first run");
	cr_expect_not(ended[1]);
	runs_stop(&runs, &jobs[1]);
	wait_ended(1);
	cr_expect_not(is_alive(pid_in("first")));
}

Test(run, its_group_does_not_outlive_it)
{
	run("sleep 100 & echo $! > $1/child; exit 0");
	cr_expect_not(is_alive(pid_in("child")));
}

/* ---- ended from here ---- */

Test(run, stop_kills_it)
{
	begin(1, "trap '' TERM; touch $1/ready; while :; do sleep 0.05; done");
	wait_file("ready");
	runs_stop(&runs, &jobs[1]);
	wait_ended(1);
	cr_expect_eq(outcomes[1].cause, OUTCOME_CAUSE_SIGNAL);
}

Test(run, what_is_not_begun_is_not_measured)
{
	command[0] = "/nonexistent/handler";
	run("");
	command[0] = "sh";
	cr_expect_eq(outcomes[1].cause, OUTCOME_CAUSE_CANNOT_RUN);
	cr_expect_not(outcomes[1].measured);
	cr_expect_str_eq(errors, "");
}

Test(run, interrupted_ones_are_given_back_whatever_they_say)
{
	begin(1,
	    "trap 'exit 0' TERM; touch $1/one; while :; do sleep 0.01; "
	    "done");
	begin(2, "touch $1/two; exec sleep 100");
	wait_file("one");
	wait_file("two");
	runs_interrupt(&runs);
	wait_ended(1);
	wait_ended(2);
	for (int id = 1; id <= 2; id++) {
		cr_expect_eq(outcomes[id].verdict, OUTCOME_RELEASE);
		cr_expect_eq(outcomes[id].cause, OUTCOME_CAUSE_STOPPED);
	}
}

Test(run, a_stopped_process_can_be_interrupted)
{
	begin(1, "touch $1/ready; kill -STOP $$; exit 0");
	wait_file("ready");
	runs_interrupt(&runs);
	wait_ended(1);
	cr_expect_eq(outcomes[1].cause, OUTCOME_CAUSE_STOPPED);
}

Test(run, what_is_deaf_to_an_interrupt_is_killed)
{
	begin(1, "trap '' TERM; touch $1/ready; while :; do sleep 0.05; done");
	wait_file("ready");
	runs_interrupt(&runs);
	runs_kill(&runs);
	wait_ended(1);
	cr_expect_eq(outcomes[1].verdict, OUTCOME_RELEASE);
}

Test(run, nothing_is_left_when_the_worker_dies)
{
	begin(1, DAEMON("daemon") "sleep 100");
	wait_file("daemon");
	pid_t pid = pid_in("daemon");
	runs_die(&runs);
	cr_expect_not(is_alive(pid));
	cr_expect_not(ended[1]);
	cr_expect_eq(waitpid(-1, NULL, WNOHANG), -1);
	cr_expect_eq(errno, ECHILD);
}

/* ---- ended because the queue says so ---- */

Test(run, one_that_is_asked_to_end_gets_a_term_and_says_how_it_ended)
{
	begin(1,
	    "trap 'exit 3' TERM; touch $1/ready; while :; do sleep 0.01; "
	    "done");
	wait_file("ready");
	runs_end(&runs, &jobs[1], 60000);
	wait_ended(1);
	cr_expect_eq(outcomes[1].verdict, OUTCOME_FAIL);
	cr_expect_eq(outcomes[1].cause, OUTCOME_CAUSE_EXIT);
	cr_expect_eq(outcomes[1].number, 3);
	cr_expect(outcomes[1].asked);
}

Test(run, one_that_does_its_work_in_the_grace_has_done_it)
{
	begin(1,
	    "trap 'exit 0' TERM; touch $1/ready; while :; do sleep 0.01; "
	    "done");
	wait_file("ready");
	runs_end(&runs, &jobs[1], 60000);
	wait_ended(1);
	cr_expect_eq(outcomes[1].verdict, OUTCOME_DONE);
}

Test(run, one_that_is_deaf_is_killed_after_the_grace_with_all_it_started)
{
	begin(1,
	    "trap '' TERM; sleep 100 & echo $! > $1/child; touch $1/ready; "
	    "while :; do sleep 0.05; done");
	wait_file("ready");
	take_log();
	runs_end(&runs, &jobs[1], 20);
	cr_expect_not(ended[1]);
	wait_ended(1);
	cr_expect_eq(outcomes[1].cause, OUTCOME_CAUSE_SIGNAL);
	cr_expect_eq(outcomes[1].number, SIGKILL);
	cr_expect(outcomes[1].asked, "no crash");
	cr_expect_not(is_alive(pid_in("child")));
	cr_expect_not_null(strstr(take_log(), "event=kill job=1"));
}

Test(run, one_that_is_asked_twice_has_the_grace_of_the_first_time)
{
	begin(1, "trap '' TERM; touch $1/ready; while :; do sleep 0.05; done");
	wait_file("ready");
	runs_end(&runs, &jobs[1], 20);
	runs_end(&runs, &jobs[1], 3600 * 1000);
	wait_ended(1);
	cr_expect_eq(outcomes[1].number, SIGKILL);
}

Test(run, one_that_ended_before_its_grace_leaves_no_timer)
{
	begin(1, "touch $1/ready; exec sleep 100");
	wait_file("ready");
	runs_end(&runs, &jobs[1], 3600 * 1000);
	wait_ended(1);
	cr_expect_eq(outcomes[1].number, SIGTERM);
	cr_expect_eq(event_base_get_num_events(base, EVENT_BASE_COUNT_ADDED), 1,
	    "the signal of children");
}

Test(run, what_is_kept_is_not_begun_when_it_is_to_end)
{
	const struct params_job params = { .attempt = 1 };
	runs_keep(&runs, &jobs[1], &params);
	runs_end(&runs, &jobs[1], 1000);
	cr_expect(ended[1]);
	cr_expect_eq(outcomes[1].verdict, OUTCOME_FAIL);
	cr_expect(outcomes[1].asked);
	cr_expect_eq(runs.count, 0);
	/* One that could not be kept. */
	jobs[2].context = NULL;
	runs_end(&runs, &jobs[2], 1000);
	cr_expect(ended[2]);
}

/* ---- kept ---- */

Test(run, what_is_kept_starts_later)
{
	const struct params_job first = { .attempt = 1,
		.body = SPAN_LITERAL("body") };
	const struct params_job second = { .attempt = 2,
		.body = SPAN_LITERAL("body") };
	snprintf(script, sizeof(script),
	    "cat > $1/got; echo $GSQ_ATTEMPT >> "
	    "$1/got");
	runs_keep(&runs, &jobs[1], &first);
	runs_keep(&runs, &jobs[1], &second);
	cr_expect_eq(runs.count, 1);
	runs_interrupt(&runs);
	cr_expect_not(ended[1], "it does not go");
	runs_go_on(&runs, &jobs[1]);
	wait_ended(1);
	cr_expect_str_eq(read_file("got"), "body2\n");
	cr_expect_eq(outcomes[1].verdict, OUTCOME_DONE);
}

Test(run, what_is_kept_can_be_forgotten)
{
	const struct params_job params = { .attempt = 1 };
	runs_keep(&runs, &jobs[1], &params);
	runs_stop(&runs, &jobs[1]);
	cr_expect(ended[1]);
	cr_expect_eq(runs.count, 0);
}

Test(run, how_long_one_goes_is_known)
{
	cr_expect_not(runs_any_since(&runs, INT64_MAX));
	begin(1, "touch $1/ready; exec sleep 100");
	wait_file("ready");
	cr_expect(runs_any_since(&runs, INT64_MAX));
	cr_expect_not(runs_any_since(&runs, 1));
	runs_stop(&runs, &jobs[1]);
	wait_ended(1);
	cr_expect_not(runs_any_since(&runs, INT64_MAX));
}

/* ---- built-in ---- */

Test(run, noop_ends_at_once_and_says_nothing)
{
	use_builtin("builtin:noop");
	take_log();
	begin_with(1, SPAN_LITERAL("x"));
	cr_expect(ended[1]);
	cr_expect_eq(outcomes[1].verdict, OUTCOME_DONE);
	cr_expect_str_eq(take_log(), "");
	cr_expect_eq(runs.count, 0);
}

Test(run, demo_tells_its_body_and_takes_a_second)
{
	use_builtin("builtin:demo");
	take_log();
	begin_with(1, SPAN_LITERAL("10"));
	cr_expect_not(ended[1]);
	cr_expect_not_null(
	    strstr(take_log(), "event=processing job=1 body=10\n"));
	wait_ended(1);
	cr_expect_eq(outcomes[1].verdict, OUTCOME_DONE);
}

Test(run, demo_can_be_stopped_and_interrupted)
{
	use_builtin("builtin:demo");
	begin_with(1, SPAN_LITERAL("1"));
	begin_with(2, SPAN_LITERAL("2"));
	runs_stop(&runs, &jobs[1]);
	cr_expect(ended[1]);
	cr_expect_not(ended[2]);
	runs_interrupt(&runs);
	cr_expect(ended[2]);
	cr_expect_eq(outcomes[2].verdict, OUTCOME_RELEASE);
	begin_with(4, SPAN_LITERAL("4"));
	runs_end(&runs, &jobs[4], 60000);
	cr_expect(ended[4], "it has nothing that could be asked");
	cr_expect_eq(outcomes[4].verdict, OUTCOME_FAIL);
	begin_with(3, SPAN_LITERAL("3")); /* released with the others */
}
