/* SPDX-License-Identifier: MIT */
/*
 * Runs simulated worlds, one for each seed, in as many processes as there are
 * processors; and makes a failure small.
 */
#include "tests/sim/sim.h"

#include <getopt.h>
#include <inttypes.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define STEPS_USUAL  10000u
#define STEPS_IN_ALL UINT64_C(10000000)
#define TWICE_EVERY  50u
#define RUNNERS_MAX  16
#define KEPT_FILE    "tests/seeds.txt"

struct settings {
	uint64_t seed; /* 0: a campaign */
	uint64_t first;
	uint64_t seeds;
	uint64_t steps;
	uint64_t total;
	uint64_t without;
	uint64_t notes;
	double seconds;
	unsigned runners;
	const char *kept;
	bool vacuous_is_good; /* too short to see everything */
	bool quiet;
	bool keeps_large; /* a failure as it is */
};

/* What one process of a campaign has done; shared with its parent. */
struct runner {
	uint64_t seeds;
	uint64_t steps;
	uint64_t jobs;
	uint64_t twice;
	double virtual_s;
	uint64_t by_kind[STEP_COUNT];
	uint64_t sights[SIGHT_COUNT];
	uint64_t at; /* the seed of now */
	bool failed;
};

struct shared {
	struct runner runners[RUNNERS_MAX];
	volatile bool stop;
	struct sim_outcome outcome; /* of a single world */
	bool finished;
};

static struct shared *shared;

static double
now_s(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* ---- a single world, in a process of its own: it may crash ---- */

static void
run_apart(
    const struct sim_orders *orders, bool prints, struct sim_outcome *outcome)
{
	int status = 0;
	shared->finished = false;
	fflush(stdout);
	pid_t pid = fork();
	if (pid == 0) {
		world_run(orders, &shared->outcome);
		if (prints)
			world_print_trace();
		shared->finished = true;
		fflush(stdout);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	*outcome = shared->outcome;
	if (shared->finished)
		return;
	outcome->failed = true;
	snprintf(outcome->rule, sizeof(outcome->rule), "nothing crashes");
	snprintf(outcome->detail, sizeof(outcome->detail), "%s",
	    WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "it exited");
}

/* ---- shrinking ---- */

static bool
still_fails(const struct sim_orders *orders, const struct sim_outcome *before)
{
	struct sim_outcome outcome;
	run_apart(orders, false, &outcome);
	return outcome.failed && strcmp(outcome.rule, before->rule) == 0;
}

/* Does without one kind after the other, then with fewer steps. */
static void
shrink(struct sim_orders *orders, const struct sim_outcome *outcome)
{
	for (unsigned i = 0; i < FAULT_COUNT; i++) {
		struct sim_orders smaller = *orders;
		smaller.without |= UINT64_C(1) << i;
		if (smaller.without != orders->without &&
		    still_fails(&smaller, outcome))
			*orders = smaller;
	}
	while (orders->steps > 20) {
		struct sim_orders smaller = *orders;
		smaller.steps /= 2;
		if (!still_fails(&smaller, outcome))
			break;
		*orders = smaller;
	}
}

static void
print_failure(const struct sim_orders *orders)
{
	struct sim_outcome outcome;
	run_apart(orders, true, &outcome);
	printf("\nsim: seed %" PRIu64 ", step %" PRIu64 ", %.3f s: broken: %s\n"
	       "     %s\n",
	    orders->seed, outcome.steps, (double)outcome.time_us / 1e6,
	    outcome.rule, outcome.detail);
}

static void
print_command(const struct sim_orders *orders)
{
	printf("     again: sim --seed %" PRIu64 " --steps %" PRIu64,
	    orders->seed, orders->steps);
	for (unsigned i = 0; i < FAULT_COUNT; i++)
		if ((orders->without >> i & 1) != 0)
			printf(" --without %s", fault_names[i]);
	printf("\n");
}

static void
report_failure(const struct settings *settings, uint64_t seed)
{
	struct sim_orders orders = { .seed = seed,
		.steps = settings->steps,
		.without = settings->without,
		.notes = settings->notes };
	struct sim_outcome outcome;
	run_apart(&orders, false, &outcome);
	if (!outcome.failed) {
		printf("sim: seed %" PRIu64 " failed in the campaign and not "
		       "alone: it is not deterministic\n",
		    seed);
		return;
	}
	print_failure(&orders);
	print_command(&orders);
	if (settings->keeps_large)
		return;
	printf("sim: making it smaller ...\n");
	shrink(&orders, &outcome);
	print_failure(&orders);
	print_command(&orders);
	printf("     with:");
	for (unsigned i = 0; i < FAULT_COUNT; i++)
		if ((orders.without >> i & 1) == 0)
			printf(" %s", fault_names[i]);
	printf("\n");
}

/* ---- a campaign ---- */

static void
add(struct runner *runner, const struct sim_outcome *outcome)
{
	runner->seeds++;
	runner->steps += outcome->steps;
	runner->jobs += outcome->jobs;
	runner->virtual_s += (double)outcome->time_us / 1e6;
	for (unsigned i = 0; i < STEP_COUNT; i++)
		runner->by_kind[i] += outcome->by_kind[i];
	for (unsigned i = 0; i < SIGHT_COUNT; i++)
		runner->sights[i] += outcome->sights[i];
}

/* The same seed, the same events. */
static bool
is_deterministic(
    const struct sim_orders *orders, const struct sim_outcome *outcome)
{
	struct sim_outcome again;
	world_run(orders, &again);
	if (again.hash == outcome->hash && again.steps == outcome->steps)
		return true;
	printf("sim: seed %" PRIu64 " is not deterministic: %" PRIu64
	       " steps, then %" PRIu64 "\n",
	    orders->seed, outcome->steps, again.steps);
	return false;
}

static bool
run_one(const struct settings *settings, struct runner *runner, uint64_t seed)
{
	struct sim_orders orders = { .seed = seed,
		.steps = settings->steps,
		.without = settings->without };
	struct sim_outcome outcome;
	runner->at = seed;
	world_run(&orders, &outcome);
	add(runner, &outcome);
	if (outcome.failed)
		return false;
	if (seed % TWICE_EVERY != 0)
		return true;
	runner->twice++;
	return is_deterministic(&orders, &outcome);
}

static bool
goes_on(const struct settings *settings, const struct runner *runner,
    uint64_t seed, double until_s)
{
	if (shared->stop)
		return false;
	if (settings->seeds != 0)
		return seed < settings->first + settings->seeds;
	if (settings->seconds > 0)
		return now_s() < until_s;
	return runner->steps < settings->total / settings->runners;
}

static void
run_share(const struct settings *settings, unsigned number)
{
	struct runner *runner = &shared->runners[number];
	double until_s = now_s() + settings->seconds;
	uint64_t seed = settings->first + number;
	for (; goes_on(settings, runner, seed, until_s);
	     seed += settings->runners) {
		if (run_one(settings, runner, seed))
			continue;
		runner->failed = true;
		shared->stop = true;
		return;
	}
}

/* Returns how many shares failed. */
static unsigned
run_shares(const struct settings *settings)
{
	pid_t pids[RUNNERS_MAX];
	unsigned failed = 0;
	fflush(stdout);
	for (unsigned i = 0; i < settings->runners; i++) {
		pids[i] = fork();
		if (pids[i] != 0)
			continue;
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		run_share(settings, i);
		fflush(stdout);
		_exit(0);
	}
	for (unsigned i = 0; i < settings->runners; i++) {
		int status = 0;
		waitpid(pids[i], &status, 0);
		if (status != 0)
			shared->runners[i].failed = true;
		failed += shared->runners[i].failed;
	}
	return failed;
}

/* That all processes of the campaign had. */
static double
processor_s(void)
{
	struct rusage usage;
	getrusage(RUSAGE_CHILDREN, &usage);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	    (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void
print_totals(
    const struct settings *settings, const struct runner *all, double took_s)
{
	printf("sim: %" PRIu64 " steps of %" PRIu64 " seeds in %.1f s: %.0f a "
	       "second with %u processes,\n     %.0f a second of processor; "
	       "%" PRIu64 " jobs, %.1f virtual hours, %" PRIu64
	       " seeds twice\n",
	    all->steps, all->seeds, took_s, (double)all->steps / took_s,
	    settings->runners, (double)all->steps / processor_s(), all->jobs,
	    all->virtual_s / 3600, all->twice);
	if (settings->quiet)
		return;
	for (unsigned i = 0; i < STEP_COUNT; i++)
		printf("  %12" PRIu64 "  %s\n", all->by_kind[i], step_words[i]);
	printf("seen:\n");
	for (unsigned i = 0; i < SIGHT_COUNT; i++)
		printf("  %12" PRIu64 "  %s\n", all->sights[i], sight_words[i]);
}

static bool
is_vacuous(const struct runner *all)
{
	bool vacuous = false;
	for (unsigned i = 0; i < SIGHT_COUNT; i++) {
		if (all->sights[i] > 0)
			continue;
		printf("sim: vacuous: never saw \"%s\"\n", sight_words[i]);
		vacuous = true;
	}
	return vacuous;
}

static int
run_campaign(const struct settings *settings)
{
	struct runner all = { 0 };
	double began_s = now_s();
	unsigned failed = run_shares(settings);
	for (unsigned i = 0; i < settings->runners; i++) {
		const struct runner *one = &shared->runners[i];
		all.seeds += one->seeds;
		all.steps += one->steps;
		all.jobs += one->jobs;
		all.twice += one->twice;
		all.virtual_s += one->virtual_s;
		for (unsigned k = 0; k < STEP_COUNT; k++)
			all.by_kind[k] += one->by_kind[k];
		for (unsigned k = 0; k < SIGHT_COUNT; k++)
			all.sights[k] += one->sights[k];
	}
	print_totals(settings, &all, now_s() - began_s);
	for (unsigned i = 0; i < settings->runners; i++) {
		if (!shared->runners[i].failed)
			continue;
		report_failure(settings, shared->runners[i].at);
		return 1;
	}
	if (failed > 0)
		return 1;
	return is_vacuous(&all) && !settings->vacuous_is_good ? 1 : 0;
}

/* ---- seeds that failed once ---- */

static int
run_kept(const struct settings *settings)
{
	char line[400];
	unsigned count = 0;
	FILE *file = fopen(settings->kept, "r");
	if (file == NULL)
		return 0;
	while (fgets(line, sizeof(line), file) != NULL) {
		struct settings one = *settings;
		struct sim_outcome outcome;
		uint64_t seed, steps;
		if (sscanf(line, "%" SCNu64 " %" SCNu64, &seed, &steps) != 2)
			continue;
		one.steps = steps;
		run_apart(&(struct sim_orders){ .seed = seed, .steps = steps },
		    false, &outcome);
		count++;
		if (!outcome.failed)
			continue;
		report_failure(&one, seed);
		fclose(file);
		return 1;
	}
	fclose(file);
	printf("sim: %u seeds that failed once are good\n", count);
	return 0;
}

/* ---- one seed ---- */

static int
run_seed(const struct settings *settings)
{
	struct sim_orders orders = { .seed = settings->seed,
		.steps = settings->steps,
		.without = settings->without };
	struct sim_outcome outcome, again;
	run_apart(&orders, false, &outcome);
	if (outcome.failed) {
		report_failure(settings, settings->seed);
		return 1;
	}
	run_apart(&orders, false, &again);
	printf("sim: seed %" PRIu64 ": %" PRIu64 " steps, %" PRIu64
	       " jobs, %.3f virtual s, hash %016" PRIx64 "%s\n",
	    settings->seed, outcome.steps, outcome.jobs,
	    (double)outcome.time_us / 1e6, outcome.hash,
	    again.hash == outcome.hash ? "" : ", and another one again");
	for (unsigned i = 0; i < SIGHT_COUNT && !settings->quiet; i++)
		if (outcome.sights[i] > 0)
			printf("  %8" PRIu64 "  %s\n", outcome.sights[i],
			    sight_words[i]);
	return again.hash == outcome.hash ? 0 : 1;
}

/* ---- command line ---- */

static void
print_help(void)
{
	printf(
	    "usage: sim [options]\n"
	    "  --seed N        that world alone, twice\n"
	    "  --seeds COUNT   so many worlds\n"
	    "  --first N       the first of them; default 1\n"
	    "  --seconds S     as many worlds as there is time for\n"
	    "  --total N       ... or until so many steps are done; default "
	    "10000000\n"
	    "  --steps N       of a world, before its faults stop; default "
	    "%u\n"
	    "  --without KIND  no world has that kind of fault or actor\n"
	    "  --processes N   default: one for each processor\n"
	    "  --kept FILE     seeds that are run first; default " KEPT_FILE
	    "\n"
	    "  --partly        not everything must be seen\n"
	    "  --no-shrink     a failure is not made smaller\n"
	    "  --notes N       so many last events of a failure; default 40\n"
	    "  --quiet         totals alone\n"
	    "  --list          the kinds of faults, and what must be seen\n"
	    "A step is one fact that was told to the real core, ledger or "
	    "plan, one start of\na queue or one death. The invariants are "
	    "looked through after every k-th step,\nk from 1 to 16 by seed.\n",
	    STEPS_USUAL);
}

static void
print_list(void)
{
	for (unsigned i = 0; i < FAULT_COUNT; i++)
		printf("%-14s %s\n", fault_names[i], fault_words[i]);
	printf("\nmust be seen:\n");
	for (unsigned i = 0; i < SIGHT_COUNT; i++)
		printf("  %s\n", sight_words[i]);
}

static uint64_t
number(const char *text)
{
	char *end;
	uint64_t value = strtoull(text, &end, 10);
	if (*text != '\0' && *end == '\0')
		return value;
	fprintf(stderr, "sim: '%s' is not a number\n", text);
	exit(64);
}

static uint64_t
kind(const char *name)
{
	for (unsigned i = 0; i < FAULT_COUNT; i++)
		if (strcmp(name, fault_names[i]) == 0)
			return UINT64_C(1) << i;
	fprintf(stderr, "sim: no kind '%s'; see sim --list\n", name);
	exit(64);
}

static void
read_options(struct settings *settings, int argc, char **argv)
{
	static const struct option options[] = {
		{ "seed", required_argument, NULL, 's' },
		{ "seeds", required_argument, NULL, 'n' },
		{ "first", required_argument, NULL, 'f' },
		{ "seconds", required_argument, NULL, 't' },
		{ "total", required_argument, NULL, 'a' },
		{ "steps", required_argument, NULL, 'k' },
		{ "without", required_argument, NULL, 'w' },
		{ "processes", required_argument, NULL, 'p' },
		{ "kept", required_argument, NULL, 'e' },
		{ "partly", no_argument, NULL, 'v' },
		{ "no-shrink", no_argument, NULL, 'g' },
		{ "notes", required_argument, NULL, 'o' },
		{ "quiet", no_argument, NULL, 'q' },
		{ "list", no_argument, NULL, 'l' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int option;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 's':
			settings->seed = number(optarg);
			break;
		case 'n':
			settings->seeds = number(optarg);
			break;
		case 'f':
			settings->first = number(optarg);
			break;
		case 't':
			settings->seconds = (double)number(optarg);
			break;
		case 'a':
			settings->total = number(optarg);
			break;
		case 'k':
			settings->steps = number(optarg);
			break;
		case 'w':
			settings->without |= kind(optarg);
			break;
		case 'p':
			settings->runners = (unsigned)number(optarg);
			break;
		case 'e':
			settings->kept = optarg;
			break;
		case 'v':
			settings->vacuous_is_good = true;
			break;
		case 'g':
			settings->keeps_large = true;
			break;
		case 'o':
			settings->notes = number(optarg);
			break;
		case 'q':
			settings->quiet = true;
			break;
		case 'l':
			print_list();
			exit(0);
		case 'h':
			print_help();
			exit(0);
		default:
			fprintf(stderr, "sim: see sim --help\n");
			exit(64);
		}
	}
	if (optind == argc && settings->runners >= 1 &&
	    settings->runners <= RUNNERS_MAX && settings->steps > 0)
		return;
	fprintf(stderr, "sim: see sim --help\n");
	exit(64);
}

int
main(int argc, char **argv)
{
	long processors = sysconf(_SC_NPROCESSORS_ONLN);
	struct settings settings = { .first = 1,
		.steps = STEPS_USUAL,
		.total = STEPS_IN_ALL,
		.kept = KEPT_FILE,
		.runners = processors < 1 ? 1
		    : processors > 8	  ? 8
					  : (unsigned)processors };
	read_options(&settings, argc, argv);
	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	mallopt(M_MMAP_THRESHOLD, 1024 * 1024);
	mallopt(M_TOP_PAD, 16 * 1024 * 1024);
	mallopt(M_TRIM_THRESHOLD, 256 * 1024 * 1024);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		return 71;
	if (settings.seed != 0)
		return run_seed(&settings);
	int failed = run_kept(&settings);
	return failed != 0 ? failed : run_campaign(&settings);
}
