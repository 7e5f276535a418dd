/* SPDX-License-Identifier: MIT */
#include "worker/report.h"

#include "base/limits.h"
#include "wire/message.h"

/* What died of a signal when it was asked to end has not crashed, and the queue
 * is to take it for no crash. */
static bool
has_signal(const struct outcome *outcome)
{
	return outcome->cause == OUTCOME_CAUSE_SIGNAL && !outcome->asked;
}

/* The keys of a verdict: verdict, reason, and one more for some. */
static uint32_t
count_keys(const struct outcome *outcome)
{
	bool has_number =
	    outcome->cause == OUTCOME_CAUSE_EXIT || has_signal(outcome);
	bool has_delay = outcome->verdict == OUTCOME_RETRY;
	return 2u + (has_number ? 1u : 0u) + (has_delay ? 1u : 0u);
}

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
		put_key(writer, "exit");
	if (has_signal(outcome))
		put_key(writer, "signal");
	if (outcome->cause == OUTCOME_CAUSE_EXIT || has_signal(outcome))
		put_integer(writer, outcome->number);
	if (outcome->verdict == OUTCOME_RETRY) {
		put_key(writer, "delay_ms");
		put_integer(writer, outcome->delay_ms);
	}
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
