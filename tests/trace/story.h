/* SPDX-License-Identifier: MIT */
/*
 * A story while it is told: what it speaks of, and where it is. Everything
 * that tells it works on the one below; what goes wrong ends it (fail).
 */
#ifndef GSQ_TESTS_TRACE_STORY_H
#define GSQ_TESTS_TRACE_STORY_H

#include "core/core.h"

#include <setjmp.h>

#define WORDS_MAX      4096
#define TEXT_BYTES_MAX 160
#define WORKERS_MAX    64
#define SESSIONS_MAX   256 /* connections of all workers */
#define POLICIES_MAX   16
#define HELD_MAX       256
#define RANGE_MAX      10000

struct text {
	char text[TEXT_BYTES_MAX];
};

/* A job by the name that the story gives it. */
struct named_job {
	struct text label;
	uint64_t id;
};

struct connection {
	unsigned worker;
	uint32_t subscriber; /* handle; 0: has not subscribed, or is closed */
	struct text queue;   /* subscribed last */
};

struct worker {
	struct text name;
	int64_t pid;
	int64_t incarnation; /* 0: foreign */
	unsigned now;	     /* connections, counted from 1 */
	unsigned old;
};

/* What a connection was sent. */
struct sent {
	unsigned connection;
	uint64_t id;
	uint64_t msgid;
	uint32_t delivery;
};

struct policy {
	struct text queue;
	struct lane_policy policy;
};

struct story {
	const char *file;
	unsigned line;
	struct core core;
	int64_t now_ms;
	unsigned expectations;

	struct text *happenings;
	size_t happening_count;
	size_t met; /* of the happenings, expected so far */
	unsigned step_line;

	struct named_job *jobs;
	size_t job_count;
	struct sent *sent;
	size_t sent_count;
	struct worker workers[WORKERS_MAX];
	unsigned worker_count;
	struct connection connections[SESSIONS_MAX];
	unsigned connection_count;
	struct policy policies[POLICIES_MAX];
	unsigned policy_count;
	int64_t last_pid;
};

/* The words of a line, and how far they were read. */
struct line {
	char *words[WORDS_MAX];
	unsigned count;
	unsigned at;
};

/* A worker that speaks, over its connection of now or the old one. */
struct speaker {
	struct worker *worker;
	bool old;
};

/* How a story came to its end before its end. */
enum {
	GAVE_UP = 1,
	ABORTED /* the core's memory is not to be touched again */
};

extern struct story story;
extern sigjmp_buf give_up;

/* Ends the story: prints the one line that says why. */
_Noreturn void __attribute__((format(printf, 2, 3)))
fail_at(unsigned line, const char *format, ...);

#define fail(...) fail_at(story.line, __VA_ARGS__)

/* Room for one more behind that many items, which may move. */
void *grow(void *items, size_t count, size_t item_bytes);

void __attribute__((format(printf, 2, 3)))
set_text(struct text *text, const char *format, ...);

/* ---- names (story.c) ---- */

const char *label_of(uint64_t id);
uint64_t id_of_label(const char *label);
void name_job(const char *label, uint64_t id);
struct worker *find_or_add_worker(const char *name);
unsigned index_of(const struct worker *worker);
struct connection *connection_at(unsigned number);
const char *worker_of_subscriber(uint32_t subscriber);
const char *worker_of_pid(int64_t pid);

/* ---- words (words.c); what: for the message when it is missing ---- */

void split(struct line *line, char *text);
bool has_more(const struct line *line);
const char *next_word(struct line *line, const char *what);
bool next_is(struct line *line, const char *word);
void end_of_line(const struct line *line);
void rest_of_line(struct line *line, struct text *ret_text);
uint64_t next_number(struct line *line, const char *what, uint64_t max);
int64_t next_duration(struct line *line, const char *what);
void next_durations(struct line *line, const char *what, int64_t *ret_from_ms,
    int64_t *ret_to_ms);
const char *next_queue(struct line *line);

/* Calls back for the job named by the word, or for each of "10..20". */
void each_label(const char *word,
    void (*call)(void *context, const char *label), void *context);

/* ---- happenings (happening.c) ---- */

/* Tells the core a fact, now; its wishes are to be rendered then, once the
 * story knows what it has made. */
void tell(struct fact *fact);
void render_all(void);
void __attribute__((format(printf, 1, 2))) happens(const char *format, ...);
void all_must_be_met(void);
void do_expect(struct line *line);

/* ---- what is on disk (disk.c) ---- */

/* What the core has just been told and wished. */
void disk_follow(const struct fact *fact);

/* What the certificate with that note says; false when there is none. */
bool disk_certificate(uint64_t note, struct certificate *ret_certificate);

/* The last record of a job is lost, and the one before counts. */
void disk_lose_last(uint64_t id);

/* What is said of queues is on disk, too. */
void disk_keep_gates(void);

/* Tells the core all that is there. */
void disk_restore(void);
void disk_release(void);

/* ---- looks (look.c) ---- */

void do_counts(struct line *line);
void do_totals(struct line *line);
void do_order(struct line *line);
void do_job(struct line *line);
void do_certificates(struct line *line);
void do_wake(struct line *line);

/* ---- steps (step.c, restart.c) and those of workers (worker.c) ---- */

struct lane_policy policy_of(const void *context, struct span queue);
void do_at(struct line *line);
void do_queue(struct line *line);
void do_enqueue(struct line *line);
void do_cancel(struct line *line);
void do_delete(struct line *line);
void do_revive(struct line *line);
void do_touch(struct line *line);
void do_pause(struct line *line);
void do_resume(struct line *line);
void do_drain(struct line *line);
void do_open(struct line *line);
void do_restore(struct line *line);
void do_crash(struct line *line);
void do_restored(struct line *line);
void do_introduced(struct line *line);
void do_starts(const struct speaker *speaker, struct line *line);
void do_lives(const struct speaker *speaker, struct line *line);
void do_claims(const struct speaker *speaker, struct line *line);
void do_dies(const struct speaker *speaker, struct line *line);
void do_stops(const struct speaker *speaker, struct line *line);
void do_subscribes(const struct speaker *speaker, struct line *line);
void do_asks(const struct speaker *speaker, struct line *line);
void do_touches(const struct speaker *speaker, struct line *line);
void do_answers(const struct speaker *speaker, struct line *line);
void do_repeats(const struct speaker *speaker, struct line *line);
void do_reports(const struct speaker *speaker, struct line *line);
void do_disconnects(const struct speaker *speaker, struct line *line);
void do_reconnects(const struct speaker *speaker, struct line *line);

#endif
