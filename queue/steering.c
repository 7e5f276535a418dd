/* SPDX-License-Identifier: MIT */
#include "queue/steering.h"

#include "queue/select.h"
#include "sys/clock.h"

/* What one steering request does to a job. */
struct steering {
	enum fact_kind kind;
	const char *done;    /* how it is called what it did */
	const char *waiting; /* the same of a job that is being stopped */
	enum job_state
	    usual; /* of a filter that says none; JOB_NONE: it must */
};

static const struct steering cancelling = { FACT_CANCEL, "cancelled",
	"stopping", JOB_NONE };
static const struct steering deleting = { FACT_DELETE, "deleted", NULL,
	JOB_NONE };
static const struct steering retrying = { FACT_REVIVE, "retried", NULL,
	JOB_DEAD };

static enum refusal
steer_one(
    const struct request *request, const struct steering *steering, uint64_t id)
{
	struct fact fact = { .kind = steering->kind };
	fact.steer.id = id;
	return request_step(request, &fact, (struct span){ 0 });
}

static void
steer_job(
    const struct request *request, const struct steering *steering, uint64_t id)
{
	struct message_writer writer;
	if (steer_one(request, steering, id) != REFUSAL_NONE) {
		request_refuse_as_core(request);
		return;
	}
	bool is_waiting = steering->waiting != NULL &&
	    request_turn(request)->core.answer == 1;
	if (!request->wants_answer)
		return;
	request_begin(request, &writer, 2);
	put_key(&writer, "id");
	put_unsigned(&writer, id);
	put_key(&writer, "result");
	put_text(
	    &writer, span_of(is_waiting ? steering->waiting : steering->done));
	request_end(request, &writer);
}

/* Of those that pass, a page: what cannot be done with one of them is left
 * alone, as it would be a moment later. */
static uint32_t
steer_page(const struct request *request, const struct steering *steering,
    const struct selection *selection)
{
	const struct core *core = &request_turn(request)->core;
	uint64_t ids[SELECTION_MAX];
	uint32_t count = 0;
	/* A step may take one of the others with it. */
	for (uint32_t i = 0; i < selection->count; i++)
		ids[i] = job_at(&core->jobs, selection->jobs[i])->id;
	for (uint32_t i = 0; i < selection->count; i++)
		count += steer_one(request, steering, ids[i]) == REFUSAL_NONE;
	return count;
}

/* The filters of all three are the same. */
struct steer_filter {
	struct span queue;
	struct span state;
	struct span key;
	int64_t after;
	int64_t limit;
};

static void
steer_filtered(const struct request *request, const struct steering *steering,
    const struct steer_filter *filter)
{
	struct selection selection;
	char words[SELECTION_WORDS_BYTES];
	struct message_writer writer;
	enum refusal refusal =
	    select_begin(&selection, &request_turn(request)->core,
		filter->queue, filter->state, filter->key, words);
	if (refusal != REFUSAL_NONE) {
		request_refuse(request, refusal, words);
		return;
	}
	if (selection.state == JOB_NONE)
		selection.state = steering->usual;
	select_page(&selection, &request_turn(request)->core,
	    (uint64_t)filter->after, (uint32_t)filter->limit);
	uint32_t count = steer_page(request, steering, &selection);
	if (!request->wants_answer)
		return;
	request_begin(request, &writer, 2);
	put_key(&writer, "count");
	put_unsigned(&writer, count);
	put_key(&writer, "next");
	put_unsigned(&writer, selection.next);
	request_end(request, &writer);
}

static void
steer(const struct request *request, const struct steering *steering,
    int64_t id, const struct steer_filter *filter)
{
	bool has_filter = filter->queue.count > 0 || filter->state.count > 0 ||
	    filter->key.bytes != NULL;
	if (!request_may_control(request))
		return;
	if ((id != 0) == has_filter)
		request_refuse(request, REFUSAL_BAD_ARGUMENT,
		    "say either \"id\" or which jobs by \"queue\", "
		    "\"state\" and \"key\"");
	else if (id != 0)
		steer_job(request, steering, (uint64_t)id);
	else
		steer_filtered(request, steering, filter);
}

void
steering_cancel(const struct request *request, const void *from)
{
	const struct params_cancel *params = from;
	const struct steer_filter filter = { params->queue, params->state,
		params->key, params->after, params->limit };
	steer(request, &cancelling, params->id, &filter);
}

void
steering_delete(const struct request *request, const void *from)
{
	const struct params_delete *params = from;
	const struct steer_filter filter = { params->queue, params->state,
		params->key, params->after, params->limit };
	steer(request, &deleting, params->id, &filter);
}

void
steering_retry(const struct request *request, const void *from)
{
	const struct params_retry *params = from;
	const struct steer_filter filter = { params->queue, params->state,
		params->key, params->after, params->limit };
	steer(request, &retrying, params->id, &filter);
}

/* One who runs the job may take more time for it, and who controls gsq. */
void
steering_touch(const struct request *request, const void *from)
{
	const struct params_touch *params = from;
	struct fact fact = { .kind = FACT_TOUCH,
		.subscriber = request->client->subscriber };
	struct message_writer writer;
	if (params->delivery == 0 && !request_may_control(request))
		return;
	fact.touch.id = (uint64_t)params->id;
	fact.touch.delivery = (uint32_t)params->delivery;
	fact.touch.ttr_ms = request_ttr(params->ttr_ms);
	if (request_step(request, &fact, (struct span){ 0 }) != REFUSAL_NONE) {
		request_refuse_as_core(request);
		return;
	}
	if (!request->wants_answer)
		return;
	request_begin(request, &writer, 0);
	outlet_end(&request->client->server->outlet, request->client, &writer,
	    VISIBLE_NOW);
}

/* ---- queues ---- */

static void
change_gate(const struct request *request, struct fact *fact)
{
	struct message_writer writer;
	if (!request_may_control(request))
		return;
	fact->now_ms = server_now_ms(request->client->server);
	fact->gate.wall_ms = clock_wall_ms();
	fact->gate.uid = request->client->credentials.uid;
	if (turn_gate(request_turn(request), fact) != REFUSAL_NONE) {
		request_refuse_as_core(request);
		return;
	}
	if (!request->wants_answer)
		return;
	request_begin(request, &writer, 0);
	request_end(request, &writer);
}

void
steering_pause(const struct request *request, const void *from)
{
	const struct params_pause *params = from;
	struct fact fact = { .kind = FACT_PAUSE };
	fact.gate.queue = params->queue;
	fact.gate.on = true;
	fact.gate.for_ms = params->for_ms;
	change_gate(request, &fact);
}

void
steering_resume(const struct request *request, const void *from)
{
	const struct params_resume *params = from;
	struct fact fact = { .kind = FACT_PAUSE };
	fact.gate.queue = params->queue;
	change_gate(request, &fact);
}

void
steering_drain(const struct request *request, const void *from)
{
	const struct params_drain *params = from;
	struct fact fact = { .kind = FACT_DRAIN };
	fact.gate.queue = params->queue;
	fact.gate.on = params->on;
	change_gate(request, &fact);
}
