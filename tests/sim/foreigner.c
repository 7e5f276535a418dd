/* SPDX-License-Identifier: MIT */
#include "tests/sim/clients.h"

#include "base/check.h"
#include "tests/sim/oracle.h"
#include "tests/sim/sim.h"
#include "tests/sim/stream.h"
#include "tests/sim/talker.h"
#include "tests/sim/time.h"
#include "wire/method.h"

#include <string.h>

#define FOREIGNERS_MAX 3
#define JOBS_MAX       16
#define ANSWERS_MAX    512
#define SUBSCRIBE      1u    /* its msgid */
#define LIE	       1000u /* msgids of results that are lies, from here */

struct job {
	uint64_t id; /* 0: none */
	uint64_t msgid;
	int64_t delivery;
	int64_t until_us;
};

/* Responses of this connection, in their order. */
struct answer {
	uint64_t id;
	int64_t delivery;
	enum said said;
	bool counts; /* not a lie */
};

struct foreigner {
	bool used;
	struct talker talker;
	struct timer act;
	unsigned queue;
	uint32_t holder;
	bool subscribed;
	bool is_deaf;
	int64_t asked; /* and not yet given */
	int64_t asked_us;
	struct job jobs[JOBS_MAX];
	struct answer answers[ANSWERS_MAX];
	uint64_t answer_count;
	uint64_t settled;
	uint64_t lies;
	uint64_t lied_id; /* said to be held at the subscription; 0: none */
};

static struct foreigner foreigners[FOREIGNERS_MAX];
static bool none_any_more;

/* ---- saying ---- */

static void
say_outcome(struct foreigner *self, uint64_t msgid, enum said said)
{
	static const char *const words[] = {
		[SAID_FAIL] = "fail",
		[SAID_RETRY] = "retry",
		[SAID_DEAD] = "dead",
		[SAID_RELEASE] = "release",
	};
	struct message_writer writer;
	struct buffer *output = &self->talker.output;
	if (said == SAID_DONE) {
		message_response(&writer, output, msgid);
		put_nil(&writer);
	} else {
		message_verdict(&writer, output, msgid, 3);
		put_key(&writer, "verdict");
		put_text(&writer, span_of(words[said]));
		put_key(&writer, "reason");
		put_text(&writer, SPAN_LITERAL("as it says"));
		put_key(&writer, "delay_ms");
		put_integer(&writer, (int64_t)draw(300));
		message_verdict_end(&writer);
	}
	CHECK(message_end(&writer) == 0);
}

static void
add_answer(struct foreigner *self, const struct answer *answer)
{
	if (self->answer_count < ANSWERS_MAX)
		self->answers[self->answer_count] = *answer;
	self->answer_count++;
}

/* So many more may come, or be taken for what was asked for. */
static void
expect(struct foreigner *self, int64_t n)
{
	if (self->asked == 0)
		self->asked_us = time_now_us();
	self->asked += n;
}

static void
ask(struct foreigner *self)
{
	struct message_writer writer;
	int64_t n = 1 + (int64_t)draw(4);
	if (self->asked >= JOBS_MAX / 2)
		return;
	message_notification(
	    &writer, &self->talker.output, SPAN_LITERAL("demand"), 2);
	put_key(&writer, "queue");
	put_text(&writer, span_of(queue_rules(self->queue)->name));
	put_key(&writer, "n");
	put_integer(&writer, n);
	CHECK(message_end(&writer) == 0);
	expect(self, n);
}

/* What it says to hold it never had in that delivery. */
static void
put_lie(struct foreigner *self, struct message_writer *writer)
{
	int64_t delivery;
	self->lied_id = 0;
	if (strikes(FAULT_LIARS))
		self->lied_id = oracle_some_job(&delivery);
	put_key(writer, "held");
	put_array(writer, self->lied_id != 0);
	if (self->lied_id == 0)
		return;
	put_array(writer, 2);
	put_unsigned(writer, self->lied_id);
	put_integer(writer, 1000000);
}

static void
subscribe(struct foreigner *self)
{
	struct message_writer writer;
	self->holder = oracle_new_holder(false);
	self->queue = (unsigned)draw(QUEUES);
	self->subscribed = self->is_deaf = false;
	self->asked = 0;
	self->answer_count = self->settled = self->lies = 0;
	message_request(&writer, &self->talker.output, SUBSCRIBE,
	    SPAN_LITERAL("subscribe"), 3);
	put_key(&writer, "queue");
	put_text(&writer, span_of(queue_rules(self->queue)->name));
	put_key(&writer, "name");
	put_text(&writer, SPAN_LITERAL("foreign"));
	put_lie(self, &writer);
	CHECK(message_end(&writer) == 0);
	ask(self);
}

/* ---- hearing ---- */

void
foreigners_note_ends(void)
{
	for (unsigned i = 0; i < FOREIGNERS_MAX; i++)
		if (foreigners[i].used &&
		    talker_is_connected(&foreigners[i].talker) &&
		    stream_is_over(foreigners[i].talker.fd))
			oracle_holder_gone(foreigners[i].holder);
}

/* Foreign ones do not hang for long: nobody but the queue would end them. */
static int64_t
draw_duration_us(const struct foreigner *self)
{
	int64_t ttr_us = queue_rules(self->queue)->ttr_ms * 1000;
	if (ttr_us > 0 && strikes(FAULT_TTR))
		return draw_about(ttr_us, 3 * ttr_us);
	if (strikes(FAULT_HANG_JOBS))
		return draw_about(1000000, 30000000);
	return draw_about(10, 200000);
}

static void
take_job(
    struct foreigner *self, const struct params_job *params, uint64_t msgid)
{
	if (--self->asked < 0)
		broken("nobody gets more than was asked for",
		    "foreign holder %u, job %lld", self->holder,
		    (long long)params->id);
	foreigners_note_ends();
	note("foreign holder %lld gets job %lld, delivery %lld, attempt %lld",
	    self->holder, params->id, params->delivery, params->attempt);
	oracle_delivered(&(struct delivered){ .holder = self->holder,
	    .id = (uint64_t)params->id,
	    .delivery = params->delivery,
	    .attempt = params->attempt,
	    .priority = params->priority,
	    .asked_us = self->asked_us,
	    .late = stream_is_over(self->talker.fd),
	    .queue = params->queue,
	    .ttr_ms = params->ttr_ms,
	    .key = params->key,
	    .body = params->body });
	oracle_run_begins(self->holder, (uint64_t)params->id);
	struct job *job = self->jobs;
	while (job < self->jobs + JOBS_MAX && job->id != 0)
		job++;
	if (job == self->jobs + JOBS_MAX)
		return; /* it hangs until the connection ends */
	*job = (struct job){ .id = (uint64_t)params->id,
		.msgid = msgid,
		.delivery = params->delivery,
		.until_us = time_now_us() + draw_duration_us(self) };
}

static void
hear_settled(struct foreigner *self, const struct message *message)
{
	int64_t n;
	if (!object_integer(map_find(message->params, "n"), 0, INT64_MAX, &n) ||
	    (uint64_t)n > self->answer_count)
		broken("settled counts what was sent", "foreign holder %u",
		    self->holder);
	for (; self->settled < (uint64_t)n; self->settled++) {
		if (self->settled >= ANSWERS_MAX)
			continue;
		const struct answer *answer = &self->answers[self->settled];
		if (answer->counts)
			oracle_settled(self->holder, answer->id,
			    answer->delivery, answer->said, false);
		else
			sight(SIGHT_STALE_ANSWER);
	}
}

/* Who is deaf is so until the queue cuts it off. */
static void
stop_job(struct foreigner *self, struct job *job)
{
	job->until_us = 0;
	if (fault_rate(FAULT_DEAF) == 0 || chance(300))
		return;
	job->until_us = INT64_MAX;
	self->is_deaf = true;
}

static void
hear_stop(struct foreigner *self, const struct message *message)
{
	struct params_stop params;
	char reason[REASON_BYTES_MAX];
	if (method_decode(METHOD_stop, message->params, &params, reason,
		sizeof(reason)) != REFUSAL_NONE)
		broken("gsq sends good messages", "no good stop");
	note("foreign holder %lld is to stop job %lld, delivery %lld",
	    self->holder, params.id, params.delivery, 0);
	oracle_stop_heard((uint64_t)params.id, params.delivery);
	oracle_stops((uint64_t)params.id, params.delivery, params.reason,
	    stream_is_over(self->talker.fd));
	for (unsigned i = 0; i < JOBS_MAX; i++)
		if (self->jobs[i].id == (uint64_t)params.id)
			stop_job(self, &self->jobs[i]);
}

static void
hear_notification(struct foreigner *self, const struct message *message)
{
	enum method method = method_of_name(message->method);
	if (method == METHOD_stop)
		hear_stop(self, message);
	else if (method == METHOD_settled)
		hear_settled(self, message);
	else
		broken("gsq sends good messages", "%.*s to a worker",
		    (int)message->method.count, message->method.bytes);
}

static void
hear_subscribed(struct foreigner *self, const struct message *message)
{
	int64_t id = 0;
	if (message->error != NULL)
		broken("good requests are taken or put off",
		    "a subscription was refused");
	const msgpack_object *unknown = map_find(message->result, "unknown");
	bool named = unknown != NULL && unknown->type == MSGPACK_OBJECT_ARRAY &&
	    unknown->via.array.size == 1 &&
	    object_integer(&unknown->via.array.ptr[0], 1, INT64_MAX, &id) &&
	    (uint64_t)id == self->lied_id;
	if (self->lied_id != 0 && !named)
		broken("a result is taken from its holder alone",
		    "a lie about job %llu stands",
		    (unsigned long long)self->lied_id);
	self->subscribed = true;
}

static void
hear_response(struct foreigner *self, const struct message *message)
{
	struct span text = { 0 };
	const msgpack_object *error = message->error;
	if (error != NULL && error->type == MSGPACK_OBJECT_ARRAY &&
	    error->via.array.size == 2)
		object_span(&error->via.array.ptr[1], &text);
	if (message->msgid == 0) {
		sight(SIGHT_GARBAGE_REFUSED);
	} else if (message->msgid == SUBSCRIBE) {
		hear_subscribed(self, message);
	} else if (message->error == NULL) {
		broken("a result is taken from its holder alone",
		    "foreign holder %u lied with msgid %llu", self->holder,
		    (unsigned long long)message->msgid);
	} else if (text.count > 5 && memcmp(text.bytes, "STALE", 5) == 0) {
		sight(SIGHT_STALE_REFUSED);
	}
}

static void
on_message(void *context, const struct message *message)
{
	struct foreigner *self = context;
	struct params_job params;
	char reason[REASON_BYTES_MAX];
	switch (message->kind) {
	case MESSAGE_REQUEST:
		if (method_of_name(message->method) != METHOD_job ||
		    method_decode(METHOD_job, message->params, &params, reason,
			sizeof(reason)) != REFUSAL_NONE)
			broken("gsq sends good messages", "no good job");
		take_job(self, &params, message->msgid);
		break;
	case MESSAGE_NOTIFICATION:
		hear_notification(self, message);
		break;
	case MESSAGE_RESPONSE:
		hear_response(self, message);
		break;
	}
}

/* It drops everything: what it had is nobody's. */
static void
on_end(void *context)
{
	struct foreigner *self = context;
	note("foreign holder %lld is cut off", self->holder, 0, 0, 0);
	oracle_holder_gone(self->holder);
	memset(self->jobs, 0, sizeof(self->jobs));
	timer_set(&self->act, draw_about(1000, 300000));
}

/* ---- acting ---- */

static void
answer_job(struct foreigner *self, struct job *job)
{
	enum said said = SAID_DONE;
	if (strikes(FAULT_FAIL_JOBS))
		said = (enum said)(1 + draw(4));
	note("foreign holder %lld says %lld of job %lld, delivery %lld",
	    self->holder, said, (long long)job->id, job->delivery);
	oracle_run_ends(self->holder, job->id);
	oracle_said(self->holder, job->id, job->delivery, said, false);
	say_outcome(self, job->msgid, said);
	add_answer(
	    self, &(struct answer){ job->id, job->delivery, said, true });
	if (strikes(FAULT_LIARS)) {
		say_outcome(self, job->msgid, (enum said)draw(5));
		add_answer(self, &(struct answer){ .counts = false });
	}
	job->id = 0;
	ask(self);
}

static bool
has(const struct foreigner *self, uint64_t id)
{
	for (unsigned i = 0; i < JOBS_MAX; i++)
		if (self->jobs[i].id == id)
			return true;
	return false;
}

/* The result of a delivery that is another's, or over. */
static void
lie(struct foreigner *self)
{
	struct message_writer writer;
	int64_t delivery = 0;
	uint64_t id = oracle_some_job(&delivery);
	if (id == 0 || delivery == 0 || has(self, id) ||
	    oracle_may_end(self->holder, id, delivery))
		return;
	message_request(&writer, &self->talker.output, LIE + self->lies++,
	    SPAN_LITERAL("result"), 2);
	put_key(&writer, "job");
	put_unsigned(&writer, id);
	put_key(&writer, "delivery");
	put_integer(&writer, delivery);
	CHECK(message_end(&writer) == 0);
}

static void
send_rubbish(struct foreigner *self)
{
	char bytes[40];
	size_t count = 1 + draw(sizeof(bytes));
	for (size_t i = 0; i < count; i++)
		bytes[i] = (char)draw(256);
	if (chance(500))
		bytes[0] = (char)0xc1;
	CHECK(buffer_append(&self->talker.output, bytes, count) == 0);
	/* Whatever it was taken for, nothing of it may count. */
	expect(self, DEMAND_MAX);
	self->answer_count += 40;
}

static void
on_act(void *context)
{
	struct foreigner *self = context;
	timer_set(&self->act, draw_about(100, 60000));
	if (none_any_more)
		return;
	if (!talker_is_connected(&self->talker)) {
		if (talker_connect(
			&self->talker, 200 + (int64_t)(self - foreigners)))
			subscribe(self);
	} else {
		for (unsigned i = 0; i < JOBS_MAX; i++)
			if (self->jobs[i].id != 0 &&
			    self->jobs[i].until_us <= time_now_us())
				answer_job(self, &self->jobs[i]);
		if (strikes(FAULT_LIARS))
			lie(self);
		if (self->subscribed && chance(50))
			ask(self);
		if (strikes(FAULT_GARBAGE) && chance(200))
			send_rubbish(self);
		if (!self->is_deaf && chance(2)) {
			talker_close(&self->talker);
			on_end(self);
			return;
		}
	}
	talker_send(&self->talker);
}

void
foreigners_reset(void)
{
	unsigned count = 0;
	if (fault_rate(FAULT_FOREIGN) > 0)
		count = 1 + (unsigned)draw(FOREIGNERS_MAX);
	memset(foreigners, 0, sizeof(foreigners));
	none_any_more = false;
	for (unsigned i = 0; i < FOREIGNERS_MAX; i++) {
		struct foreigner *self = &foreigners[i];
		self->used = i < count;
		self->talker.fd = -1;
		self->talker.context = self;
		self->talker.on_message = on_message;
		self->talker.on_end = on_end;
		self->act.fire = on_act;
		self->act.context = self;
		if (self->used)
			timer_set(&self->act, (int64_t)draw(50000));
	}
}

void
foreigners_leave(void)
{
	none_any_more = true;
	for (unsigned i = 0; i < FOREIGNERS_MAX; i++) {
		struct foreigner *self = &foreigners[i];
		if (!self->used || !talker_is_connected(&self->talker))
			continue;
		talker_close(&self->talker);
		on_end(self);
	}
}
