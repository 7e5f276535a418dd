/* SPDX-License-Identifier: MIT */
#include "queue/obituary.h"

#include "core/certificate.h"

bool
obituary_is_there(const struct core *core, const struct job *job)
{
	const struct attempt_list *list = job_attempts(&core->jobs, job);
	return list != NULL && list->count > 0;
}

static void
put_pair(struct message_writer *writer, const char *key, int64_t value)
{
	put_key(writer, key);
	put_integer(writer, value);
}

static void
put_pair_text(struct message_writer *writer, const char *key, struct span text)
{
	put_key(writer, key);
	put_text(writer, text);
}

/* What a run may have left behind, each a pair of its own. */
static const struct {
	enum remains_known which;
	const char *key;
} rows[] = {
	{ REMAINS_DURATION, "duration_ms" },
	{ REMAINS_EXIT, "exit" },
	{ REMAINS_SIGNAL, "signal" },
	{ REMAINS_CPU, "cpu_ms" },
	{ REMAINS_RSS, "rss_bytes" },
};

#define ROWS (sizeof(rows) / sizeof(rows[0]))

static int64_t
value_of(const struct remains *remains, enum remains_known which)
{
	switch (which) {
	case REMAINS_DURATION:
		return remains->duration_ms;
	case REMAINS_EXIT:
		return remains->exit;
	case REMAINS_SIGNAL:
		return remains->signal;
	case REMAINS_CPU:
		return remains->cpu_ms;
	case REMAINS_RSS:
		break;
	}
	return remains->rss_bytes;
}

static uint32_t
count_pairs(const struct certificate *certificate)
{
	const struct remains *remains = &certificate->remains;
	uint32_t count = 3;
	count += certificate->began_wall_ms != 0;
	count += certificate->reason.count > 0;
	count += certificate->worker.count > 0;
	count += certificate->worker_pid != 0;
	for (size_t i = 0; i < ROWS; i++)
		count += (remains->known & rows[i].which) != 0;
	count += remains->core;
	count += remains->errors.count > 0;
	return count;
}

static void
put_remains(struct message_writer *writer, const struct remains *remains)
{
	for (size_t i = 0; i < ROWS; i++)
		if (remains->known & rows[i].which)
			put_pair(writer, rows[i].key,
			    value_of(remains, rows[i].which));
	if (remains->core) {
		put_key(writer, "core");
		put_boolean(writer, true);
	}
	if (remains->errors.count > 0) {
		put_key(writer, "stderr");
		put_bytes(writer, remains->errors);
	}
}

static void
put_certificate(
    struct message_writer *writer, const struct certificate *certificate)
{
	put_map(writer, count_pairs(certificate));
	put_pair(writer, "attempt", certificate->attempt);
	put_pair(writer, "delivery", certificate->delivery);
	put_pair_text(
	    writer, "outcome", span_of(verdict_name(certificate->verdict)));
	if (certificate->reason.count > 0)
		put_pair_text(writer, "reason", certificate->reason);
	if (certificate->began_wall_ms != 0)
		put_pair(writer, "began_ms", certificate->began_wall_ms);
	if (certificate->worker.count > 0)
		put_pair_text(writer, "worker", certificate->worker);
	if (certificate->worker_pid != 0)
		put_pair(writer, "worker_pid", certificate->worker_pid);
	put_remains(writer, &certificate->remains);
}

void
obituary_put(
    struct message_writer *writer, struct turn *turn, const struct job *job)
{
	const struct core *core = &turn->core;
	const struct attempt_list *list = job_attempts(&core->jobs, job);
	put_array(writer, list->count);
	for (uint32_t at = list->first; at != 0;
	     at = attempt_at(&core->attempts, at)->later) {
		struct certificate certificate;
		struct span bytes =
		    turn_certificate(turn, attempt_at(&core->attempts, at));
		if (certificate_read(bytes, &certificate))
			put_certificate(writer, &certificate);
		else
			put_map(writer, 0); /* another gsq wrote it */
	}
}
