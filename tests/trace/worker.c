/* SPDX-License-Identifier: MIT */
#include "story.h"

#include "base/check.h"

static unsigned
connection_number(const struct speaker *speaker)
{
	return speaker->old ? speaker->worker->old : speaker->worker->now;
}

static struct connection *
connection_of(const struct speaker *speaker)
{
	return connection_at(connection_number(speaker));
}

static void
tell_up(const struct worker *worker)
{
	struct fact fact = { .kind = FACT_WORKER_UP,
		.worker_up = {
		    .pid = worker->pid, .incarnation = worker->incarnation } };
	CHECK(name_set(&fact.worker_up.name, span_of(worker->name.text)));
	tell(&fact);
	render_all();
}

/* "w1 starts": the supervisor has started it, with a new pid. */
void
do_starts(const struct speaker *speaker, struct line *line)
{
	struct worker *worker = speaker->worker;
	end_of_line(line);
	worker->pid = ++story.last_pid;
	worker->incarnation++;
	tell_up(worker);
}

/* "w1 lives": the supervisor tells a new queue of it. */
void
do_lives(const struct speaker *speaker, struct line *line)
{
	end_of_line(line);
	if (speaker->worker->incarnation == 0)
		fail("it has never been started");
	tell_up(speaker->worker);
}

/* "stray claims pid 4000 incarnation 7": no supervisor speaks of it. */
void
do_claims(const struct speaker *speaker, struct line *line)
{
	struct worker *worker = speaker->worker;
	if (!next_is(line, "pid"))
		fail("claims pid P incarnation N");
	worker->pid = (int64_t)next_number(line, "a pid", INT32_MAX);
	if (!next_is(line, "incarnation"))
		fail("claims pid P incarnation N");
	worker->incarnation =
	    (int64_t)next_number(line, "an incarnation", INT32_MAX);
	end_of_line(line);
}

/* "w1 dies signal 9", "w1 stops": it has been reaped. */
static void
tell_down(const struct speaker *speaker, struct line *line, bool planned)
{
	struct text reason;
	rest_of_line(line, &reason);
	struct fact fact = { .kind = FACT_WORKER_DOWN,
		.worker_down = { .pid = speaker->worker->pid,
		    .incarnation = speaker->worker->incarnation,
		    .planned = planned,
		    .reason = span_of(reason.text) } };
	tell(&fact);
	render_all();
}

void
do_dies(const struct speaker *speaker, struct line *line)
{
	tell_down(speaker, line, false);
}

void
do_stops(const struct speaker *speaker, struct line *line)
{
	tell_down(speaker, line, true);
}

static const struct sent *
next_sent(const struct sent *sent, uint64_t id, unsigned worker)
{
	for (sent = sent ? sent + 1 : story.sent;
	     sent < story.sent + story.sent_count; sent++)
		if (sent->id == id &&
		    story.connections[sent->connection - 1].worker == worker)
			return sent;
	return NULL;
}

/* The last delivery of a job to a worker, over whatever connection. */
static const struct sent *
last_sent(unsigned worker, uint64_t id)
{
	const struct sent *last = NULL, *sent = NULL;
	while ((sent = next_sent(sent, id, worker)) != NULL)
		last = sent;
	if (last == NULL)
		fail("%s was never given %s", story.workers[worker].name.text,
		    label_of(id));
	return last;
}

struct holding {
	unsigned worker;
	struct held held[HELD_MAX];
	size_t count;
};

static void
hold_one(void *context, const char *label)
{
	struct holding *holding = context;
	uint64_t id = id_of_label(label);
	if (holding->count == HELD_MAX)
		fail("more than %d held jobs", HELD_MAX);
	holding->held[holding->count++] = (struct held){ .id = id,
		.delivery = last_sent(holding->worker, id)->delivery };
}

/* "10..12 a b", "10 of w2": another worker's, as that one was given it. */
static void
next_holding(struct line *line, struct holding *holding)
{
	unsigned first = line->at, end = first;
	while (end < line->count && strcmp(line->words[end], "of") != 0)
		end++;
	line->at = end;
	if (next_is(line, "of"))
		holding->worker =
		    index_of(find_or_add_worker(next_word(line, "a worker")));
	for (unsigned i = first; i < end; i++)
		each_label(line->words[i], hold_one, holding);
}

static struct connection *
connect_worker(const struct speaker *speaker)
{
	if (connection_number(speaker) != 0)
		return &story.connections[connection_number(speaker) - 1];
	if (story.connection_count == SESSIONS_MAX)
		fail("more than %d connections", SESSIONS_MAX);
	struct connection *connection =
	    &story.connections[story.connection_count++];
	connection->worker = index_of(speaker->worker);
	speaker->worker->now = story.connection_count;
	return connection;
}

/* "w1 subscribes mail holding 10 11": over a new connection when it has none.
 * What it holds and the core does not know of happens as "unknown 10". */
void
do_subscribes(const struct speaker *speaker, struct line *line)
{
	struct worker *worker = speaker->worker;
	struct holding holding = { .worker = index_of(worker) };
	const char *queue = next_queue(line);
	if (next_is(line, "holding"))
		next_holding(line, &holding);
	end_of_line(line);
	struct connection *connection = connect_worker(speaker);
	struct fact fact = { .kind = FACT_SUBSCRIBE,
		.subscriber = connection->subscriber,
		.subscribe = { .queue = span_of(queue),
		    .name = span_of(worker->name.text),
		    .pid = worker->pid,
		    .incarnation = worker->incarnation,
		    .held = holding.held,
		    .held_count = holding.count } };
	tell(&fact);
	if (story.core.refusal == REFUSAL_NONE) {
		connection->subscriber = (uint32_t)story.core.answer;
		set_text(&connection->queue, "%s", queue);
	}
	render_all();
	for (size_t i = 0; i < holding.count; i++)
		if (!holding.held[i].stands)
			happens("unknown %s", label_of(holding.held[i].id));
}

/* "w1 asks 2", "w1 asks 2 of mail" */
void
do_asks(const struct speaker *speaker, struct line *line)
{
	struct connection *connection = connection_of(speaker);
	struct fact fact = { .kind = FACT_DEMAND,
		.subscriber = connection->subscriber,
		.demand = { .queue = span_of(connection->queue.text),
		    .n =
			(uint32_t)next_number(line, "how many", DEMAND_MAX) } };
	if (next_is(line, "of"))
		fact.demand.queue = span_of(next_word(line, "a queue"));
	end_of_line(line);
	tell(&fact);
	render_all();
}

/* "done", "retry 5s", "fail because exit 1" */
static struct outcome
next_outcome(struct line *line, struct text *reason)
{
	struct outcome outcome = { .verdict = verdict_of_name(
				       span_of(next_word(line, "a verdict"))) };
	if (outcome.verdict == VERDICT_COUNT)
		fail("a verdict is done, fail, retry, dead or release");
	if (outcome.verdict == VERDICT_RETRY)
		outcome.delay_ms = next_duration(line, "a delay");
	reason->text[0] = '\0';
	outcome.crashed = next_is(line, "crashed");
	if (next_is(line, "because"))
		rest_of_line(line, reason);
	end_of_line(line);
	outcome.reason = span_of(reason->text);
	return outcome;
}

/* What is said of some jobs, and which fact it makes. */
struct answering {
	const struct speaker *speaker;
	struct outcome outcome;
	bool by_delivery; /* a late result */
	bool first;	  /* of the job's deliveries, not the last one */
};

static void
answer_one(void *context, const char *label)
{
	const struct answering *answering = context;
	unsigned worker = index_of(answering->speaker->worker);
	uint64_t id = id_of_label(label);
	const struct sent *sent = last_sent(worker, id);
	if (answering->first)
		sent = next_sent(NULL, id, worker);
	struct fact fact = { .kind = FACT_ANSWER,
		.subscriber = connection_of(answering->speaker)->subscriber };
	if (answering->by_delivery) {
		fact.kind = FACT_RESULT;
		fact.result.id = id;
		fact.result.delivery = sent->delivery;
		fact.result.outcome = answering->outcome;
	} else {
		fact.answer.msgid = sent->msgid;
		fact.answer.outcome = answering->outcome;
	}
	tell(&fact);
	render_all();
}

static void
answer_all(struct answering answering, struct line *line)
{
	struct text reason;
	const char *jobs = next_word(line, "a job");
	answering.outcome = next_outcome(line, &reason);
	each_label(jobs, answer_one, &answering);
}

/* "w1 touches 10 5s": for the delivery that it had last. */
void
do_touches(const struct speaker *speaker, struct line *line)
{
	struct fact fact = { .kind = FACT_TOUCH,
		.subscriber = connection_of(speaker)->subscriber };
	fact.touch.id = id_of_label(next_word(line, "a job"));
	fact.touch.delivery =
	    last_sent(index_of(speaker->worker), fact.touch.id)->delivery;
	if (has_more(line))
		fact.touch.ttr_ms = next_duration(line, "a time");
	end_of_line(line);
	tell(&fact);
	render_all();
}

/* "w1 answers 10..12 done": the responses to the last deliveries. */
void
do_answers(const struct speaker *speaker, struct line *line)
{
	answer_all((struct answering){ .speaker = speaker }, line);
}

/* "w1 repeats 10 done": the response to the first delivery, once more. */
void
do_repeats(const struct speaker *speaker, struct line *line)
{
	answer_all(
	    (struct answering){ .speaker = speaker, .first = true }, line);
}

/* "w1 reports 10 done": a late result, of an earlier connection. */
void
do_reports(const struct speaker *speaker, struct line *line)
{
	answer_all(
	    (struct answering){ .speaker = speaker, .by_delivery = true },
	    line);
}

/* "w1 disconnects": the queue sees the end of the connection. */
void
do_disconnects(const struct speaker *speaker, struct line *line)
{
	struct connection *connection = connection_of(speaker);
	end_of_line(line);
	tell(&(struct fact){
	    .kind = FACT_GONE, .subscriber = connection->subscriber });
	render_all();
	connection->subscriber = 0;
	if (speaker->old)
		speaker->worker->old = 0;
	else
		speaker->worker->now = 0;
}

/* "w1 reconnects": its next words are on a new connection, and the queue has
 * not seen the end of the old one, which is w1.old from now on. */
void
do_reconnects(const struct speaker *speaker, struct line *line)
{
	struct worker *worker = speaker->worker;
	end_of_line(line);
	connection_of(speaker);
	if (worker->old != 0)
		fail("it has an old connection already");
	worker->old = worker->now;
	worker->now = 0;
}
