/* SPDX-License-Identifier: MIT */
#include "worker/report.h"

#include "base/limits.h"
#include "wire/message.h"

/* The keys of a verdict: verdict, reason, and more for some. */
static uint32_t
count_keys(const struct outcome *outcome)
{
	uint32_t count = 2;
	count += outcome->cause == OUTCOME_CAUSE_EXIT ||
	    outcome->cause == OUTCOME_CAUSE_SIGNAL;
	count += outcome->asked;
	count += outcome->verdict == OUTCOME_RETRY;
	if (outcome->measured)
		count += 3;
	count += outcome->core;
	count += outcome->errors.count > 0;
	return count;
}

static void
put_pair(struct message_writer *writer, const char *key, int64_t value)
{
	put_key(writer, key);
	put_integer(writer, value);
}

static void
put_true(struct message_writer *writer, const char *key)
{
	put_key(writer, key);
	put_boolean(writer, true);
}

/* What its process left behind. */
static void
put_remains(struct message_writer *writer, const struct outcome *outcome)
{
	if (outcome->measured) {
		put_pair(writer, "duration_ms", outcome->duration_ms);
		put_pair(writer, "cpu_ms", outcome->cpu_ms);
		put_pair(writer, "rss_bytes", outcome->rss_bytes);
	}
	if (outcome->core)
		put_true(writer, "core");
	if (outcome->errors.count > 0) {
		put_key(writer, "stderr");
		put_bytes(writer, outcome->errors);
	}
}

/* What died of a signal when it was asked to end has not crashed, and the queue
 * is to take it for no crash. */
static void
put_outcome(struct message_writer *writer, const struct outcome *outcome,
    const char *command)
{
	char reason[REASON_BYTES_MAX + 1];
	outcome_print(outcome, command, reason, sizeof(reason));
	put_key(writer, "verdict");
	put_text(writer, span_of(outcome_verdict_name(outcome->verdict)));
	put_key(writer, "reason");
	put_text(writer, span_of(reason));
	if (outcome->cause == OUTCOME_CAUSE_EXIT)
		put_pair(writer, "exit", outcome->number);
	if (outcome->cause == OUTCOME_CAUSE_SIGNAL)
		put_pair(writer, "signal", outcome->number);
	if (outcome->asked)
		put_true(writer, "asked");
	if (outcome->verdict == OUTCOME_RETRY)
		put_pair(writer, "delay_ms", outcome->delay_ms);
	put_remains(writer, outcome);
}

int
report_response(struct buffer *buffer, uint64_t msgid,
    const struct outcome *outcome, const char *command)
{
	struct message_writer writer;
	if (outcome->verdict == OUTCOME_DONE) {
		message_response(&writer, buffer, msgid);
		put_nil(&writer);
	} else {
		message_verdict(&writer, buffer, msgid, count_keys(outcome));
		put_outcome(&writer, outcome, command);
		message_verdict_end(&writer);
	}
	return message_end(&writer);
}

int
report_request(
    struct buffer *buffer, const struct ledger_job *job, const char *command)
{
	struct message_writer writer;
	bool done = job->outcome.verdict == OUTCOME_DONE;
	message_request(
	    &writer, buffer, job->msgid, SPAN_LITERAL("result"), done ? 2 : 3);
	put_key(&writer, "job");
	put_unsigned(&writer, job->id);
	put_key(&writer, "delivery");
	put_unsigned(&writer, job->delivery);
	if (!done) {
		put_key(&writer, "error");
		put_map(&writer, count_keys(&job->outcome));
		put_outcome(&writer, &job->outcome, command);
	}
	return message_end(&writer);
}
