/* SPDX-License-Identifier: MIT */
/*
 * The worker's side: what the queue says is decoded as session.c does and told
 * to the ledger, among exits, losses and reconnects; what the worker answers is
 * read as the queue reads it. Beside the ledger's own invariants: two runs of
 * one job never overlap, and no more is outstanding than was wanted.
 *
 * Input: min and max demand, then events.
 */
#include "tests/fuzz/fuzz.h"
#include "wire/method.h"
#include "worker/ledger.h"
#include "worker/report.h"

#include <stdio.h>

#define COMMAND	 "/usr/local/bin/handler"
#define RUNS_MAX 1024

static msgpack_zone zone;
static msgpack_zone answer_zone;
static struct ledger ledger;
static uint64_t runs[RUNS_MAX]; /* ids of what runs or is being stopped */
static size_t run_count;

/* ---- what leaves ---- */

static void
check_verdict(const msgpack_object *error, const struct outcome *outcome)
{
	struct span verdict, reason;
	const char *name = outcome_verdict_name(outcome->verdict);
	if (name == NULL) {
		CHECK(error == NULL);
		return;
	}
	CHECK(object_span(map_find(error, "verdict"), &verdict));
	CHECK(span_is_text(verdict, name));
	CHECK(object_span(map_find(error, "reason"), &reason));
	CHECK(reason.count <= REASON_BYTES_MAX);
	struct span errors = { 0 };
	object_span(map_find(error, "stderr"), &errors);
	CHECK(span_is(errors, outcome->errors));
	CHECK(ledger.errors_bytes <= LEDGER_ERRORS_BYTES_MAX);
}

static void
check_sent(const struct ledger_job *job)
{
	struct buffer buffer = { 0 };
	struct message message;
	struct params_result params;
	char reason[REASON_BYTES_MAX];
	if (job->state == LEDGER_SENT) {
		CHECK(report_response(
			  &buffer, job->msgid, &job->outcome, COMMAND) == 0);
		decode_own(&buffer, &answer_zone, &message);
		CHECK(message.kind == MESSAGE_RESPONSE);
		check_verdict(message.error, &job->outcome);
	} else {
		CHECK(job->state == LEDGER_REQUESTED);
		CHECK(report_request(&buffer, job, COMMAND) == 0);
		decode_own(&buffer, &answer_zone, &message);
		CHECK(method_of_name(message.method) == METHOD_result);
		CHECK(method_decode(METHOD_result, message.params, &params,
			  reason, sizeof(reason)) == REFUSAL_NONE);
		CHECK((uint64_t)params.job == job->id);
		CHECK((uint64_t)params.delivery == job->delivery);
		check_verdict(params.error, &job->outcome);
	}
	CHECK(message.msgid == job->msgid);
	buffer_release(&buffer);
}

static void
check_held(void)
{
	const struct ledger_job *job = NULL;
	uint32_t count = 0;
	while ((job = ledger_next_held(&ledger, job)) != NULL)
		count++;
	CHECK(count == ledger_held_count(&ledger));
}

/* ---- the ledger ---- */

static size_t
find_run(uint64_t id)
{
	size_t i = 0;
	while (i < run_count && runs[i] != id)
		i++;
	return i;
}

static void
tell(const struct ledger_fact *fact)
{
	uint64_t ended = 0;
	if (fact->event == LEDGER_EXITED)
		ended = fact->exited.job->id;
	struct ledger_wishes wishes = ledger_step(&ledger, fact);
	const char *wrong = ledger_verify(&ledger);
	if (wrong != NULL)
		check_failed("ledger", 0, wrong);
	CHECK(!wishes.full);
	if (ended != 0 && find_run(ended) < run_count)
		runs[find_run(ended)] = runs[--run_count];
	if (wishes.run != NULL) {
		CHECK(find_run(wishes.run->id) == run_count);
		CHECK(run_count < RUNS_MAX);
		runs[run_count++] = wishes.run->id;
	}
	if (wishes.send != NULL)
		check_sent(wishes.send);
	if (wishes.ask > 0)
		CHECK(ledger.owed + ledger.in_hand_count <= ledger.max_demand);
}

static void
tell_event(enum ledger_event event)
{
	tell(&(struct ledger_fact){ .event = event });
}

/* ---- what the queue says ---- */

static void
hear_job(const struct message *message)
{
	struct params_job params;
	char reason[REASON_BYTES_MAX];
	if (method_decode(METHOD_job, message->params, &params, reason,
		sizeof(reason)) != REFUSAL_NONE) {
		tell_event(LEDGER_REFUSED);
		return;
	}
	if (ledger.in_hand_count + 2 >= RUNS_MAX)
		return;
	int64_t delivery =
	    params.delivery != 0 ? params.delivery : params.attempt;
	tell(&(struct ledger_fact){ .event = LEDGER_JOB,
	    .job = { .id = (uint64_t)params.id,
		.msgid = message->msgid,
		.delivery = (uint32_t)delivery } });
}

static void
hear(const char *bytes, size_t count)
{
	struct message message;
	struct params_settled settled;
	char reason[REASON_BYTES_MAX];
	size_t first = first_message(bytes, count);
	if (!ledger.connected || first == 0 ||
	    message_decode(&message, &zone, bytes, first) != NULL)
		return;
	switch (message.kind) {
	case MESSAGE_REQUEST:
		if (!message.odd_params &&
		    method_of_name(message.method) == METHOD_job)
			hear_job(&message);
		break;
	case MESSAGE_NOTIFICATION:
		if (!message.odd_params &&
		    method_of_name(message.method) == METHOD_settled &&
		    method_decode(METHOD_settled, message.params, &settled,
			reason, sizeof(reason)) == REFUSAL_NONE)
			tell(&(struct ledger_fact){ .event = LEDGER_SETTLED,
			    .settled = (uint64_t)settled.n });
		break;
	case MESSAGE_RESPONSE:
		tell(&(struct ledger_fact){
		    .event = LEDGER_ANSWERED, .answered = message.msgid });
		break;
	}
}

/* A delivery as the queue writes it, so that not every byte of it has to be
 * found by chance. */
static void
deliver(struct source *source)
{
	struct message_writer writer;
	struct buffer buffer = { 0 };
	uint64_t msgid = source_byte(source);
	message_request(&writer, &buffer, msgid, SPAN_LITERAL("job"), 5);
	put_key(&writer, "id");
	put_unsigned(&writer, 1u + source_byte(source) % 8u);
	put_key(&writer, "queue");
	put_text(&writer, SPAN_LITERAL("mail"));
	put_key(&writer, "attempt");
	put_unsigned(&writer, 1);
	put_key(&writer, "delivery");
	put_unsigned(&writer, source_byte(source));
	put_key(&writer, "body");
	put_bytes(&writer, source_span(source, source_byte(source) % 4u));
	CHECK(message_end(&writer) == 0);
	hear(buffer_front(&buffer), buffer_count(&buffer));
	buffer_release(&buffer);
}

/* ---- what happens here ---- */

static struct outcome
outcome_of_byte(uint8_t how, uint8_t number)
{
	switch (how % 4) {
	case 0:
		return outcome_of_exit(number, how / 4u, how);
	case 1:
		return outcome_of_signal(number);
	case 2:
		return outcome_of_errno(number);
	}
	return outcome_of_stop();
}

/* With a lot of stderr, so that the bound of all is met. */
static struct outcome
outcome_from(struct source *source)
{
	static const char errors[STDERR_BYTES_MAX];
	uint8_t how = source_byte(source);
	uint8_t number = source_byte(source);
	struct outcome outcome = outcome_of_byte(how, number);
	if (how & 64) {
		outcome.measured = true;
		outcome.core = how & 32;
		outcome.asked = how & 128;
		outcome.duration_ms = outcome.cpu_ms = number;
		outcome.rss_bytes = number * INT64_C(1000000);
		outcome.errors =
		    (struct span){ errors, number * sizeof(errors) / 255 };
	}
	return outcome;
}

/* The nth of those that run or are being stopped. */
static void
exit_one(struct source *source)
{
	struct ledger_job *job;
	unsigned nth = source_byte(source) % 8u;
	struct outcome outcome = outcome_from(source);
	TAILQ_FOREACH(job, &ledger.in_hand, in_list)
		if (job->state != LEDGER_WAITING && nth-- == 0)
			break;
	if (job == NULL)
		return;
	tell(&(struct ledger_fact){ .event = LEDGER_EXITED,
	    .exited = { .job = job, .outcome = outcome } });
}

static void
connect_again(void)
{
	const struct ledger_job *job;
	if (ledger.connected) {
		tell_event(LEDGER_LOST);
		return;
	}
	check_held();
	tell_event(LEDGER_CONNECTED);
	while ((job = ledger_resend(&ledger)) != NULL)
		check_sent(job);
	CHECK(ledger_verify(&ledger) == NULL);
}

static void
happen(struct source *source)
{
	struct span bytes;
	char *copy;
	switch (source_byte(source) % 10) {
	case 0:
	case 1:
		deliver(source);
		break;
	case 2:
		bytes = source_span(source, source_byte(source));
		copy = copy_exactly(bytes.bytes, bytes.count);
		hear(copy, bytes.count);
		free(copy);
		break;
	case 3:
	case 4:
		exit_one(source);
		break;
	case 5:
		connect_again();
		break;
	case 6:
		tell(&(struct ledger_fact){ .event = LEDGER_UNKNOWN,
		    .unknown = 1u + source_byte(source) % 8u });
		break;
	case 7:
		tell(&(struct ledger_fact){ .event = LEDGER_APPETITE,
		    .appetite = source_byte(source) % 3 });
		break;
	case 8:
		if (ledger.connected)
			tell(&(struct ledger_fact){ .event = LEDGER_SETTLED,
			    .settled = source_byte(source) });
		break;
	case 9:
		if (source_byte(source) == 255)
			tell_event(LEDGER_QUIET);
		break;
	}
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	CHECK(msgpack_zone_init(&zone, MSGPACK_ZONE_CHUNK_SIZE));
	CHECK(msgpack_zone_init(&answer_zone, MSGPACK_ZONE_CHUNK_SIZE));
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	struct source source = { bytes, count };
	uint32_t max = 1u + source_byte(&source) % 16u;
	uint32_t min = source_byte(&source) % max;
	run_count = 0;
	ledger_init(&ledger, max, min);
	while (source.count > 0)
		happen(&source);
	ledger_release(&ledger);
	return 0;
}
