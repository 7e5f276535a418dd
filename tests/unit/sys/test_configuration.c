/* SPDX-License-Identifier: MIT */
#include "sys/configuration.h"

#include "base/limits.h"
#include "base/units.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char directory[] = "/tmp/gsq-test-configuration-XXXXXX";
static char path[128];
static char other[128];
static struct configuration configuration;
static char *errors;

static void
set_up(void)
{
	cr_assert_not_null(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/gsq.conf", directory);
	snprintf(other, sizeof(other), "%s/other.conf", directory);
	configuration_init(&configuration);
}

static void
tear_down(void)
{
	free(errors);
	configuration_release(&configuration);
	unlink(path);
	unlink(other);
	cr_expect_eq(rmdir(directory), 0);
}

TestSuite(configuration, .init = set_up, .fini = tear_down);

static void
write_file(const char *name, const char *text, size_t count)
{
	FILE *file = fopen(name, "w");
	cr_assert_not_null(file);
	cr_assert_eq(fwrite(text, 1, count, file), count);
	cr_assert_eq(fclose(file), 0);
}

static void
read_text(const char *text)
{
	write_file(path, text, strlen(text));
	free(errors);
	errors = configuration_read(&configuration, path);
}

static void
expect_good(const char *text)
{
	read_text(text);
	cr_assert_null(errors, "%s", errors);
}

/* Each line of the errors, with the file's name in front of it. */
static void
expect_errors(const char *text, const char *wanted)
{
	char all[2048] = "";
	char copy[1024];
	snprintf(copy, sizeof(copy), "%s", wanted);
	for (char *line = strtok(copy, "\n"); line; line = strtok(NULL, "\n")) {
		size_t used = strlen(all);
		snprintf(all + used, sizeof(all) - used, "%s:%s\n", path, line);
	}
	read_text(text);
	cr_assert_not_null(errors, "accepted: %s", text);
	cr_expect_str_eq(errors, all);
}

Test(configuration, nothing_said_is_the_default)
{
	cr_assert_null(configuration.directory);
	cr_assert_eq(configuration.max_restarts, RESTARTS_AUTOMATIC);
	cr_assert_eq(configuration.max_window_ms, 5000);
	cr_assert_eq(configuration.backoff.base_ms, 100);
	cr_assert_eq(configuration.backoff.cap_ms, 5000);
	cr_assert_eq(configuration.start_timeout_ms, 10000);
	cr_assert_eq(configuration.queue_start_timeout_ms, 60000);
	cr_assert_eq(configuration.stop_grace_ms, 30000);
	cr_assert_eq(configuration.queue_count, 0);
	cr_assert_eq(configuration.pool_count, 0);
	struct queue_options queue = configuration_queue(&configuration, "q");
	cr_assert_str_eq(queue.name.text, "q");
	cr_assert_eq(queue.max_attempts, 10);
	cr_assert_eq(queue.retry.base_ms, 2 * SECOND_MS);
	cr_assert_eq(queue.retry.cap_ms, HOUR_MS);
}

/* What "section" holds when its key is said to be its default. */
static void
read_default(const char *section, const char *key, const char *initial)
{
	char text[512];
	bool is_named = strcmp(section, "supervisor") != 0;
	snprintf(text, sizeof(text), "%s %s { %s = \"%s\" }", section,
	    is_named ? "\"one\"" : "", key, initial);
	configuration_release(&configuration);
	configuration_init(&configuration);
	expect_good(text);
}

static void
expect_same_queue(
    const struct queue_options *found, const struct queue_options *wanted)
{
	cr_expect_eq(found->max_attempts, wanted->max_attempts);
	cr_expect_eq(found->retry.base_ms, wanted->retry.base_ms);
	cr_expect_eq(found->retry.cap_ms, wanted->retry.cap_ms);
	cr_expect_eq(found->max_crashes, wanted->max_crashes);
	cr_expect_eq(found->retry_schedule.count, wanted->retry_schedule.count);
	cr_expect_eq(found->ttr_ms, wanted->ttr_ms);
	cr_expect_eq(found->ttr_grace_ms, wanted->ttr_grace_ms);
	cr_expect_eq(found->durability, wanted->durability);
	cr_expect_eq(found->keys, wanted->keys);
	cr_expect_eq(found->merge, wanted->merge);
	cr_expect_eq(found->max_running, wanted->max_running);
	cr_expect_eq(found->rate_jobs, wanted->rate_jobs);
	cr_expect_eq(found->rate_ms, wanted->rate_ms);
	cr_expect_eq(found->rate_burst, wanted->rate_burst);
	cr_expect_eq(found->max_jobs, wanted->max_jobs);
	cr_expect_eq(found->max_bytes, wanted->max_bytes);
	cr_expect_eq(found->max_keys, wanted->max_keys);
	cr_expect_eq(found->max_body_bytes, wanted->max_body_bytes);
}

/* The texts of the table are for people; here they are held to what is done. */
static void
expect_default(const char *section, const char *key, const char *initial)
{
	struct configuration usual;
	struct queue_options queue;
	if (strcmp(section, "ROOT") == 0 || *initial == '(')
		return; /* a rule, and no value */
	configuration_init(&usual);
	queue = configuration_queue(&usual, "one");
	read_default(section, key, initial);
	if (strcmp(section, "queue") == 0)
		expect_same_queue(&configuration.queues[0], &queue);
	usual.queues = configuration.queues;
	usual.queue_count = configuration.queue_count;
	if (strcmp(section, "pool") == 0) {
		cr_expect_str_eq(configuration.pools[0].queue.text, "default");
		cr_expect_eq(configuration.pools[0].workers, 1);
		cr_expect_eq(configuration.pools[0].max_demand, 1);
	}
	usual.pools = configuration.pools;
	usual.pool_count = configuration.pool_count;
	cr_expect_eq(memcmp(&configuration, &usual, sizeof(usual)), 0,
	    "%s: %s = %s", section, key, initial);
}

Test(configuration, the_defaults_of_the_table_are_those_that_hold)
{
#define INTEGER(section, key, min, max, initial, ...) \
	expect_default(#section, #key, initial);
#define DURATION(section, key, min, max, initial, ...) \
	expect_default(#section, #key, initial);
#define SECONDS(section, key, initial, ...) \
	expect_default(#section, #key, initial);
#define TEXT(section, key, check, form, initial, ...) \
	expect_default(#section, #key, initial);
#include "sys/configuration_rows.h"
}

Test(configuration, an_empty_file_changes_nothing)
{
	expect_good("");
	expect_good("# only a comment");
	cr_assert_eq(configuration.max_restarts, RESTARTS_AUTOMATIC);
	cr_assert_eq(configuration.max_connections, CONNECTIONS_MAX);
	cr_assert_eq(configuration.max_output_bytes, OUTPUT_BYTES_HIGH);
	cr_assert_eq(configuration.start_timeout_ms, 10000);
}

Test(configuration, everything_can_be_said)
{
	expect_good(
	    "directory = \"/run/gsq\"\n"
	    "store = \"/var/lib/gsq\"\n"
	    "supervisor {\n"
	    "	max_restarts = \"12\"\n"
	    "	max_seconds = 2.5\n"
	    "	backoff = \"1s..1m\"\n"
	    "	start_timeout = 20s\n"
	    "	queue_start_timeout = 2m\n"
	    "	stop_grace = 0\n"
	    "}\n"
	    "queue \"mail\" { max_attempts = 3 retry_base = 10ms\n"
	    "	retry_cap = \"1d\" durability = relaxed\n"
	    "	retry = \"1s, 5m\" max_running = 2 rate = 600/m burst = 5\n"
	    "	max_jobs = 1000 max_bytes = 64MiB max_keys = 10\n"
	    "	max_body_bytes = 4KiB }\n"
	    "max_connections = 100\n"
	    "max_output_bytes = 64KiB\n"
	    "pool \"sync\" { queue = \"mail\" workers = 4\n"
	    "	max_demand = 10 min_demand = 3\n"
	    "	command = { \"sync-user\", \"--quiet\", \"\" } }\n");
	cr_assert_str_eq(configuration.directory, "/run/gsq");
	cr_assert_str_eq(configuration.store, "/var/lib/gsq");
	cr_assert_eq(configuration.max_restarts, 12);
	cr_assert_eq(configuration.max_window_ms, 2500);
	cr_assert_eq(configuration.backoff.base_ms, 1000);
	cr_assert_eq(configuration.backoff.cap_ms, 60000);
	cr_assert_eq(configuration.start_timeout_ms, 20000);
	cr_assert_eq(configuration.queue_start_timeout_ms, 120000);
	cr_assert_eq(configuration.stop_grace_ms, 0);
	struct queue_options queue =
	    configuration_queue(&configuration, "mail");
	cr_assert_eq(queue.max_attempts, 3);
	cr_assert_eq(queue.retry.base_ms, 10);
	cr_assert_eq(queue.retry.cap_ms, DAY_MS);
	cr_assert_eq(queue.durability, DURABILITY_RELAXED);
	cr_assert_eq(queue.max_running, 2);
	cr_assert_eq(queue.retry_schedule.count, 2);
	cr_assert_eq(queue.retry_schedule.delays_ms[1], 5 * MINUTE_MS);
	cr_assert_eq(queue.rate_jobs, 600);
	cr_assert_eq(queue.rate_ms, MINUTE_MS);
	cr_assert_eq(queue.rate_burst, 5);
	cr_assert_eq(queue.max_jobs, 1000);
	cr_assert_eq(queue.max_bytes, 64 * 1024 * 1024);
	cr_assert_eq(queue.max_keys, 10);
	cr_assert_eq(queue.max_body_bytes, 4096);
	cr_assert_eq(configuration.max_connections, 100);
	cr_assert_eq(configuration.max_output_bytes, 64 * 1024);
	cr_assert_eq(configuration.pool_count, 1);
	const struct pool_options *pool = &configuration.pools[0];
	cr_assert_str_eq(pool->name.text, "sync");
	cr_assert_str_eq(pool->queue.text, "mail");
	cr_assert_eq(pool->workers, 4);
	cr_assert_eq(pool->max_demand, 10);
	cr_assert_eq(pool->min_demand, 3);
	cr_assert_str_eq(pool->command[0], "sync-user");
	cr_assert_str_eq(pool->command[1], "--quiet");
	cr_assert_str_eq(pool->command[2], "");
	cr_assert_null(pool->command[3]);
}

Test(configuration, a_pool_that_says_little_has_one_demo_worker)
{
	expect_good("pool \"a\" { }\npool \"b\" { max_demand = 100 }\n");
	cr_assert_str_eq(configuration.pools[0].queue.text, "default");
	cr_assert_eq(configuration.pools[0].workers, 1);
	cr_assert_eq(configuration.pools[0].max_demand, 1);
	cr_assert_eq(configuration.pools[0].min_demand, 0);
	cr_assert_null(configuration.pools[0].command);
	cr_assert_eq(configuration.pools[1].min_demand, 50);
}

Test(configuration, a_second_file_is_read_over_the_first)
{
	expect_good("directory = a supervisor { stop_grace = 1s }\n"
		    "pool \"a\" { command = x }");
	expect_good("directory = b supervisor { start_timeout = 1s }");
	cr_assert_str_eq(configuration.directory, "b");
	cr_assert_eq(configuration.stop_grace_ms, 1000);
	cr_assert_eq(configuration.start_timeout_ms, 1000);
	cr_assert_eq(configuration.pool_count, 1);
	expect_good("pool \"c\" { }");
	cr_assert_eq(configuration.pool_count, 1);
	cr_assert_str_eq(configuration.pools[0].name.text, "c");
}

Test(configuration, a_typo_is_told_with_its_file_and_line)
{
	expect_errors("queue \"default\" {\n\n	max_atempts = 3\n}\n",
	    "3: no such option 'max_atempts'");
	expect_errors("supervisor {\n\n	backof = off\n}\n",
	    "3: no such option 'backof'");
	expect_errors("\nsuperviser { }\n", "2: no such option 'superviser'");
	expect_errors("pool \"a\" {\ncommand = [\"sleep\", \"2\"]\n}\n",
	    "2: no such option 'sleep'; a list is written {\"a\", \"b\"}");
	expect_errors("queue \"q\" {\n	retry = 10\n}\n",
	    "2: retry must be off or 1 to 16 durations as in 1s, 10s, 5m, "
	    "not '10'");
	expect_errors("queue \"q\" {\n	rate = 10\n}\n",
	    "2: rate must be off or a rate as in 10/s, "
	    "600/m, 5000/h, 1/d, not '10'");
}

Test(configuration, comments_do_not_shift_the_lines)
{
	static const char *const above[] = { "\n", "# c\n", "// c\n", "//c\n",
		"/* c */\n", "#\n", "# \"\n", "/* { ' */\n",
		"directory = 'a#b' # c\n", "directory = \"\\\"#\" // c\n",
		"directory = http://x//y\n" };
	for (size_t i = 0; i < sizeof(above) / sizeof(above[0]); i++) {
		char text[128];
		snprintf(text, sizeof(text), "%snosuch = 1\n", above[i]);
		expect_errors(text, "2: no such option 'nosuch'");
	}
	expect_errors(
	    "/* a\n b\n */ nosuch = 1\n", "3: no such option 'nosuch'");
	expect_errors(
	    "directory = 'a\nb'\nnosuch = 1", "3: no such option 'nosuch'");
	expect_good("directory = http://x//y # z\n");
	cr_assert_str_eq(configuration.directory, "http://x//y");
	expect_good("directory = \"a # b /* c */ // d\"\n");
	cr_assert_str_eq(configuration.directory, "a # b /* c */ // d");
}

Test(configuration, all_wrong_values_are_told_at_once)
{
	expect_errors("directory = ''\n"
		      "supervisor {\n"
		      "	max_restarts = many\n"
		      "	max_seconds = 0\n"
		      "	backoff = 5s..1s\n"
		      "	start_timeout = 20\n"
		      "	stop_grace = 2d\n"
		      "}\n"
		      "queue \"a b\" {\n"
		      "	max_attempts = 1001\n"
		      "}\n"
		      "pool \"p\" {\n"
		      "	queue = 'x/y'\n"
		      "	workers = -1\n"
		      "	max_demand = 3\n"
		      "	min_demand = 3\n"
		      "	command = { '' }\n"
		      "}\n",
	    "1: directory must not be empty\n"
	    "3: max_restarts must be inf or 0 to 1000000, not 'many'\n"
	    "4: max_seconds must be 0.001 to 86400 seconds, not 0\n"
	    "5: backoff must be off or MIN..MAX as in 100ms..5s, not "
	    "'5s..1s'\n"
	    "6: start_timeout must be a duration as in 250ms, 1.5s or 10m, "
	    "not '20'\n"
	    "7: stop_grace must be 0ms to 1d00h, not '2d'\n"
	    "10: max_attempts must be 1 to 1000, not 1001\n"
	    "11: the name of a queue 'a b' must be 1 to 64 of A-Z a-z 0-9 . _ "
	    "-\n"
	    "13: queue 'x/y' must be 1 to 64 of A-Z a-z 0-9 . _ -\n"
	    "14: workers must be 0 to 1024, not -1\n"
	    "18: min_demand must be less than max_demand in pool 'p'\n"
	    "18: the command of pool 'p' has no name");
}

Test(configuration, the_output_of_a_client_has_a_bound_in_bounds)
{
	expect_good("max_output_bytes = 65536");
	cr_assert_eq(configuration.max_output_bytes, OUTPUT_BYTES_MIN);
	expect_good("max_output_bytes = 64MiB");
	cr_assert_eq(configuration.max_output_bytes, OUTPUT_BYTES_MAX);
	static const char *const bad[] = { "65535", "67108865", "0", "1MB",
		"many", "-1" };
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char text[64], error[128];
		snprintf(
		    text, sizeof(text), "\nmax_output_bytes = '%s'", bad[i]);
		snprintf(error, sizeof(error),
		    "2: max_output_bytes must be a size from 64KiB to 64MiB, "
		    "not '%s'",
		    bad[i]);
		expect_errors(text, error);
	}
}

Test(configuration, durability_is_sync_unless_it_is_said)
{
	expect_good("queue \"a\" { } queue \"b\" { durability = memory }");
	cr_assert_eq(configuration_queue(&configuration, "a").durability,
	    DURABILITY_SYNC);
	cr_assert_eq(configuration_queue(&configuration, "b").durability,
	    DURABILITY_MEMORY);
	cr_assert_eq(configuration_queue(&configuration, "other").durability,
	    DURABILITY_SYNC);
	expect_errors("store = ''\nqueue \"a\" { durability = disk }",
	    "1: store must not be empty\n"
	    "2: durability must be sync, relaxed or memory, not 'disk'");
}

Test(configuration, wrong_values_change_nothing)
{
	expect_good("directory = a pool \"p\" { }");
	read_text("directory = b pool \"q\" { } pool \"r\" { workers = 5000 }");
	cr_assert_not_null(errors);
	cr_assert_str_eq(configuration.directory, "a");
	cr_assert_eq(configuration.pool_count, 1);
	cr_assert_str_eq(configuration.pools[0].name.text, "p");
}

Test(configuration, what_is_no_number_is_told)
{
	expect_errors("pool \"p\" { workers = x }",
	    "1: invalid integer value for option 'workers'");
	expect_errors("pool \"p\" { workers = 99999999999999999999 }",
	    "1: integer value for option 'workers' is out of range");
}

Test(configuration, two_sections_of_one_name_are_refused)
{
	expect_errors("pool \"a\" {\n}\n\npool \"a\" {\n}",
	    "4: found duplicate title 'a'");
	expect_errors("queue \"a\" {\n}\n\nqueue \"a\" {\n}",
	    "4: found duplicate title 'a'");
}

Test(configuration, more_workers_than_a_supervisor_can_have_are_refused)
{
	expect_errors("pool \"a\" { workers = 1000 }\n"
		      "pool \"b\" { workers = 25 }\n"
		      "pool \"c\" { workers = 1 }\n",
	    "2: more than 1024 workers in all");
}

Test(configuration, a_base_above_the_cap_is_refused)
{
	expect_errors("queue \"a\" { retry_base = 2h }\n",
	    "1: retry_base must not be more than retry_cap in queue 'a'");
}

Test(configuration, a_brace_that_is_not_closed_is_told_by_its_own_line)
{
	expect_errors("pool \"a\" {\n	workers = 3\n\n",
	    "1: this '{' is never closed");
	expect_errors("}\n", "1: unexpected closing brace");
	expect_errors("directory = \"x\n", "2: premature end of file");
}

Test(configuration, bytes_from_the_file_cannot_move_a_terminal)
{
	read_text("\x1b[31mx = 1\n");
	cr_assert_not_null(errors);
	cr_assert_null(strchr(errors, '\x1b'));
}

static void
expect_unreadable(const char *name, const char *reason)
{
	char wanted[256];
	snprintf(wanted, sizeof(wanted), "%s: %s\n", name, reason);
	free(errors);
	errors = configuration_read(&configuration, name);
	cr_assert_not_null(errors);
	cr_expect_str_eq(errors, wanted);
	cr_expect_eq(errno, 0);
}

Test(configuration, a_machine_in_need_is_no_fault_of_the_file)
{
	struct rlimit kept, none;
	write_file(path, "", 0);
	cr_assert_eq(getrlimit(RLIMIT_NOFILE, &kept), 0);
	none = (struct rlimit){ 0, kept.rlim_max };
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	errors = configuration_read(&configuration, path);
	int error = errno;
	/* Criterion needs some to tell how it went. */
	setrlimit(RLIMIT_NOFILE, &kept);
	cr_assert_not_null(errors);
	cr_assert_eq(error, EMFILE);
}

Test(configuration, a_file_that_cannot_be_read_is_told_with_the_reason)
{
	expect_unreadable(path, "No such file or directory");
	expect_unreadable(directory, "Is a directory");
	write_file(path, "a\0b", 3);
	expect_unreadable(path, "not a text: it contains a NUL byte");
	expect_unreadable("/dev/zero", "larger than 1 MiB");
}

Test(configuration, an_included_file_is_found_beside_the_including_one)
{
	static const char text[] = "# c\npool \"b\" { workers = 7 }\n";
	write_file(other, text, strlen(text));
	expect_good("pool \"a\" { }\ninclude('other.conf')\npool \"c\" { }\n");
	cr_assert_eq(configuration.pool_count, 3);
	cr_assert_str_eq(configuration.pools[1].name.text, "b");
	cr_assert_eq(configuration.pools[1].workers, 7);
	char again[256];
	snprintf(again, sizeof(again), "include('%s')", other);
	expect_good(again);
	cr_assert_eq(configuration.pool_count, 1);
}

Test(configuration, errors_of_an_included_file_name_that_file)
{
	static const char text[] = "# c\n\npool \"b\" { worker = 7 }\n";
	char wanted[256];
	write_file(other, text, strlen(text));
	snprintf(
	    wanted, sizeof(wanted), "%s:3: no such option 'worker'\n", other);
	read_text("# c\ninclude('other.conf')\n");
	cr_assert_not_null(errors);
	cr_assert_str_eq(errors, wanted);
}

Test(configuration, an_include_that_cannot_be_is_told)
{
	char wanted[512];
	snprintf(wanted, sizeof(wanted),
	    "2: cannot read '%s': No such file or directory", other);
	expect_errors("\ninclude('other.conf')\n", wanted);
	expect_errors(
	    "\ninclude('a', 'b')\n", "2: include takes one file name");
	snprintf(wanted, sizeof(wanted),
	    "1: cannot read '%s/.': Is a directory", directory);
	expect_errors("include('.')\n", wanted);
	expect_errors("\ninclude('gsq.conf')\n", "2: includes nest too deeply");
}

Test(configuration, garbage_is_an_error_and_nothing_worse)
{
	unsigned seed = 1;
	char text[512];
	static const char bytes[] = "pool \"a{}()=,#/*'\\\n\t\x80\xff$+ queue";
	unsigned refused = 0;
	for (int i = 0; i < 300; i++) {
		for (size_t k = 0; k + 1 < sizeof(text); k++)
			text[k] = bytes[(unsigned)rand_r(&seed) %
			    (sizeof(bytes) - 1)];
		text[sizeof(text) - 1] = '\0';
		read_text(text);
		refused += errors != NULL;
	}
	cr_assert_gt(refused, 290);
}

Test(configuration, a_backoff_is_off_or_from_a_least_to_a_most)
{
	struct backoff backoff;
	static const char *const bad[] = { "", "on", "1s", "1s..", "..1s",
		"2s..1s", "0..1s", "1..2", "1s...2s", "1s..2s..3s", "-1s..2s",
		"off " };
	cr_assert(configuration_parse_backoff("off", &backoff));
	cr_assert_eq(backoff.base_ms, 0);
	cr_assert(configuration_parse_backoff("100ms..5s", &backoff));
	cr_assert_eq(backoff.base_ms, 100);
	cr_assert_eq(backoff.cap_ms, 5000);
	cr_assert(configuration_parse_backoff("1.5s..1.5s", &backoff));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_expect_not(configuration_parse_backoff(bad[i], &backoff),
		    "'%s'", bad[i]);
	cr_assert_eq(backoff.base_ms, 1500);
}

Test(configuration, restarts_are_a_number_or_inf)
{
	int64_t restarts;
	static const char *const bad[] = { "", "-1", "1000001", "1x", " 1",
		"infinite", "99999999999999999999999999" };
	cr_assert(configuration_parse_restarts("inf", &restarts));
	cr_assert_eq(restarts, RESTARTS_UNLIMITED);
	cr_assert(configuration_parse_restarts("0", &restarts));
	cr_assert_eq(restarts, 0);
	cr_assert(configuration_parse_restarts("1000000", &restarts));
	cr_assert_eq(restarts, 1000000);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_expect_not(configuration_parse_restarts(bad[i], &restarts),
		    "'%s'", bad[i]);
	cr_assert_eq(restarts, 1000000);
}
