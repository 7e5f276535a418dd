/* SPDX-License-Identifier: MIT */
/*
 * What all of the simulator shares: chance, the count of steps, the trace of
 * the last events, what was seen, and the way out when a rule is broken.
 *
 * One world at a time, in one process, on one thread; everything in it follows
 * from the seed.
 */
#ifndef GSQ_TESTS_SIM_H
#define GSQ_TESTS_SIM_H

#include <stdbool.h>
#include <stdint.h>

enum fault {
#define FAULT(name, weight, words) FAULT_##name,
#include "tests/sim/fault.def"
#undef FAULT
	FAULT_COUNT
};

enum sight {
#define SIGHT(name, words) SIGHT_##name,
#include "tests/sim/sight.def"
#undef SIGHT
	SIGHT_COUNT
};

/* What reached real code, by kind; each is a step. */
enum step_kind {
	STEP_CORE,   /* a fact was told to the core */
	STEP_LEDGER, /* ... to a worker's ledger */
	STEP_PLAN,   /* ... to the supervisor's plan */
	STEP_START,  /* a queue process was started */
	STEP_DEATH,  /* a process was killed, or the machine */
	STEP_COUNT
};

extern const char *const fault_names[FAULT_COUNT];
extern const char *const fault_words[FAULT_COUNT];
extern const char *const sight_words[SIGHT_COUNT];
extern const char *const step_words[STEP_COUNT];

#define RULE_BYTES 96

/* One world's orders and its outcome. */
struct sim_orders {
	uint64_t seed;
	uint64_t steps;	  /* then the faults stop, and everything must drain */
	uint64_t without; /* bit by enum fault: not in this world */
	uint64_t notes;	  /* how many of the last events are kept */
};

struct sim_outcome {
	bool failed;
	char rule[RULE_BYTES]; /* the rule that was broken */
	char detail[400];
	uint64_t hash;
	uint64_t steps;
	uint64_t by_kind[STEP_COUNT];
	uint64_t sights[SIGHT_COUNT];
	int64_t time_us;
	uint64_t jobs;
};

/* ---- chance ---- */

uint64_t draw(uint64_t below);
/* In so many of a thousand. */
bool chance(uint32_t per_mille);
/* From least to most, small ones more often. */
int64_t draw_about(int64_t least, int64_t most);

/* How often that kind of thing goes wrong in this world, 0: never; out of
 * 1000. All zero once the faults have stopped. */
uint32_t fault_rate(enum fault fault);

static inline bool
strikes(enum fault fault)
{
	uint32_t rate = fault_rate(fault);
	return rate > 0 && chance(rate);
}

/* ---- what happens ---- */

/* Counts a step and mixes what it was into the hash. */
void step(enum step_kind kind, uint64_t what);
void mix_in(uint64_t what);

/* For the trace: format has up to four %lld, and lives for ever. */
void note(
    const char *format, long long a, long long b, long long c, long long d);

/* The same in words that are copied. */
void note_words(const char *words);

void sight(enum sight sight);

/* A rule is broken: the world ends here. */
_Noreturn void broken(const char *rule, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Does this step look through the invariants? (It costs more than the step.) */
bool verifies_now(void);

/* ---- worlds ---- */

void world_run(const struct sim_orders *orders, struct sim_outcome *outcome);

/* Have the faults stopped? */
bool world_heals(void);

/* The queue was lost in this way; for those that must know. */
void world_machine_lost(void);

/* The last events, to stdout. */
void world_print_trace(void);

#endif
