/* SPDX-License-Identifier: MIT */
#include "core/verify.h"

#include "support.h"

#include <criterion/criterion.h>
#include <stdio.h>

/*
 * A core with something of everything, and one lie at a time: each has to be
 * found, and by the rule that it breaks.
 *
 * mail: jobs 1 and 2 run (worker a), 3 is delayed, 4 dead, 5 and 6 are ready.
 * sync: worker b has job 7 and asks for two more. quiet: nothing.
 * Worker s, supervised, is silent and holds job 8 of other. Job 10 of late ran
 * when the queue died, and worker 70, who lives, was not heard yet.
 */
static uint32_t a, b, s;

static void
begin_with_all(void)
{
	begin();
	a = subscribe("mail");
	ask(a, "mail", 4);
	for (int i = 0; i < 4; i++)
		enqueue("mail");
	enqueue("mail");
	enqueue("mail");
	b = subscribe("sync");
	subscribe_too(b, "mail");
	ask(b, "sync", 3);
	enqueue("sync");
	worker_up(50, 1);
	s = subscribe_worker("other", 50, 1);
	ask(s, "other", 1);
	enqueue("other");
	gone(s);
	enqueue("quiet");
	uint32_t c = subscribe("quiet");
	ask(c, "quiet", 1);
	answer(c, 1, VERDICT_DONE);
	gone(c);
	tell((struct fact){ .kind = FACT_RESTORE,
	    .restore = { .queue = SPAN_LITERAL("late"),
		.job = { .id = 10,
		    .state = JOB_RUNNING,
		    .delivery = 1,
		    .attempt = 1 } } });
	worker_up(70, 1);
	/* Their certificates have ids, too. */
	answer(a, 3, VERDICT_FAIL);
	answer(a, 4, VERDICT_DEAD);
	core_set_attempt(&core, core.attempts.newest, 1);
}

static void
release(void)
{
	core_release(&core);
}

TestSuite(verify, .init = begin_with_all, .fini = release);

static struct subscriber *
worker(uint32_t handle)
{
	return subscriber_at(&core.demand, handle);
}

static struct subscription *
asking(void)
{
	return demand_find(worker(b), lane_named("sync"));
}

/* ---- lies about jobs ---- */

static void
state_of_a_ready_job(void)
{
	job_with(5)->state = JOB_RUNNING;
}

static void
state_of_a_running_job(void)
{
	job_with(1)->state = JOB_READY;
}

static void
state_of_a_delayed_job(void)
{
	job_with(3)->state = JOB_READY;
}

static void
state_of_a_dead_job(void)
{
	job_with(4)->state = JOB_NONE;
}

static void
id_of_the_future(void)
{
	core.next_id = 8;
}

static void
handle_of_an_id(void)
{
	job_with(5)->id = 2;
}

static void
attempts_beyond_deliveries(void)
{
	job_with(1)->attempt = 2;
}

static void
cause_of_a_living_job(void)
{
	job_with(5)->cause = CAUSE_REJECTED;
}

static void
no_cause_of_a_dead_job(void)
{
	job_with(4)->cause = CAUSE_NONE;
}

static void
running_without_attempt(void)
{
	job_with(2)->attempt = 0;
}

/* ---- lies about lists ---- */

static void
back_link(void)
{
	job_with(6)->previous = 0;
}

static void
tail(void)
{
	lane_named("mail")->ready[128].tail = jobs_find(&core.jobs, 5);
}

static void
lane_of_a_job(void)
{
	job_with(5)->lane = lane_named("sync")->handle;
}

static void
lane_of_a_dead_job(void)
{
	job_with(4)->lane = lane_named("sync")->handle;
}

static void
lane_of_a_running_job(void)
{
	job_with(1)->lane = lane_named("sync")->handle;
}

static void
lane_of_a_delayed_job(void)
{
	job_with(3)->lane = lane_named("sync")->handle;
}

static void
priority_of_a_job(void)
{
	job_with(5)->priority = 3;
}

static void
occupied_too_much(void)
{
	lane_named("mail")->occupied[3] |= 1;
}

static void
occupied_too_little(void)
{
	lane_named("mail")->occupied[2] = 0;
}

static void
order_of_ids(void)
{
	job_with(5)->older = jobs_find(&core.jobs, 2);
}

static void
newest(void)
{
	core.jobs.newest = jobs_find(&core.jobs, 5);
}

static void
a_lost_job(void)
{
	cr_assert_neq(jobs_add(&core.jobs, core.next_id++), 0);
}

static void
a_job_in_no_lane(void)
{
	uint32_t handle = jobs_add(&core.jobs, core.next_id++);
	job_at(&core.jobs, handle)->state = JOB_READY;
}

static void
a_job_without_its_id(void)
{
	core.jobs.by_id.count++;
}

/* ---- lies about counts ---- */

static void
count_of_ready(void)
{
	lane_named("mail")->counts[JOB_READY]++;
}

static void
count_of_dead(void)
{
	lane_named("mail")->counts[JOB_DEAD]--;
}

static void
count_of_delayed(void)
{
	lane_named("mail")->counts[JOB_DELAYED]++;
}

static void
count_of_running(void)
{
	lane_named("mail")->counts[JOB_RUNNING]--;
}

static void
running_in_another_lane(void)
{
	lane_named("mail")->counts[JOB_RUNNING]--;
	lane_named("sync")->counts[JOB_RUNNING]++;
}

static void
delayed_in_another_lane(void)
{
	lane_named("mail")->counts[JOB_DELAYED]--;
	lane_named("sync")->counts[JOB_DELAYED]++;
}

/* ---- lies about lanes ---- */

static void
idle_though_busy(void)
{
	lane_named("mail")->idle = true;
}

static void
busy_though_idle(void)
{
	lane_named("quiet")->idle = false;
}

static void
idle_and_not_listed(void)
{
	TAILQ_REMOVE(&core.lanes.idle, lane_named("quiet"), in_idle);
}

static void
listed_and_not_idle(void)
{
	TAILQ_INSERT_TAIL(&core.lanes.idle, lane_named("mail"), in_idle);
}

static void
name_of_a_lane(void)
{
	lane_named("mail")->name.text[0] = 'b';
}

static void
number_of_lanes(void)
{
	core.lanes.slab.used++;
}

/* ---- lies about demand ---- */

static void
demand_beside_a_ready_job(void)
{
	demand_ask(&core.demand, &core.lanes,
	    demand_find(worker(b), lane_named("mail")), 1);
}

static void
demand_beyond_the_maximum(void)
{
	asking()->demand = DEMAND_MAX + 1;
}

static void
demand_that_is_not_served(void)
{
	heap_remove(&lane_named("sync")->asking, asking()->place);
}

static void
no_demand_that_is_served(void)
{
	asking()->demand = 0;
}

static void
place_of_another(void)
{
	lane_named("sync")->asking.items[asking()->place] = 99;
}

static void
place_beyond_the_end(void)
{
	asking()->place = 7;
}

static void
one_that_asks_for_nothing(void)
{
	lane_named("sync")->asking.count++;
}

static void
order_of_those_who_ask(void)
{
	uint32_t c = subscribe("sync");
	ask(c, "sync", 1);
	demand_find(worker(c), lane_named("sync"))->demand = 9;
}

static void
full_and_served(void)
{
	worker(b)->held_bytes = HELD_BYTES_MAX;
}

static void
subscription_of_another_lane(void)
{
	asking()->lane = lane_named("mail")->handle;
}

static void
count_of_subscriptions_of_a_lane(void)
{
	lane_named("sync")->subscription_count++;
}

static void
count_of_subscriptions_of_a_worker(void)
{
	worker(b)->subscription_count++;
}

static void
a_lost_subscription(void)
{
	cr_assert_neq(slab_take(&core.demand.subscriptions), 0);
}

static void
subscription_of_a_stranger(void)
{
	LIST_REMOVE(asking(), in_subscriber);
}

/* ---- lies about workers ---- */

static void
connection_that_has_ended(void)
{
	worker(b)->connected = false;
}

static void
ended_with_nothing_in_hand(void)
{
	gone(a);
	a = subscribe("none");
	demand_unsubscribe(&core.demand, &core.lanes, worker(a));
	worker(a)->connected = false;
}

static void
number_of_running_jobs(void)
{
	worker(a)->running_count++;
}

static void
bytes_in_hand(void)
{
	worker(a)->held_bytes++;
}

static void
worker_of_a_job(void)
{
	job_with(1)->place = b;
}

static void
answer_that_finds_nothing(void)
{
	lease_of(1)->msgid = 77;
}

static void
answer_too_many(void)
{
	lease_of(1)->msgid = 0;
}

static void
nobody_silent(void)
{
	TAILQ_REMOVE(&core.demand.silent, worker(s), in_silent);
}

static void
silent_and_connected(void)
{
	TAILQ_INSERT_TAIL(&core.demand.silent, worker(a), in_silent);
}

static void
silent_and_foreign(void)
{
	LIST_REMOVE(worker(s), in_supervised);
	worker(s)->incarnation = 0;
}

static void
silent_twice(void)
{
	/* Two who are silent, one of whom is taken for connected. */
	worker(s)->return_at_ms = INT64_MIN;
	worker_up(60, 1);
	uint32_t t = subscribe_worker("other", 60, 1);
	ask(t, "other", 1);
	enqueue("other");
	gone(t);
	worker(s)->return_at_ms = INT64_MAX;
}

static void
worker_that_is_not_found(void)
{
	LIST_REMOVE(worker(s), in_supervised);
}

static void
over_and_at_work(void)
{
	worker(a)->over = true;
}

static void
over_and_silent(void)
{
	worker(s)->over = true;
}

static void
a_lost_worker(void)
{
	cr_assert_neq(slab_take(&core.demand.subscribers), 0);
}

/* ---- lies about those who are absent ---- */

static void
absent_and_another(void)
{
	worker(core.absent)->handle = s;
}

static void
absent_and_connected(void)
{
	worker(core.absent)->connected = true;
}

static void
absent_and_supervised(void)
{
	worker(core.absent)->incarnation = 1;
}

static void
absent_and_answerable(void)
{
	lease_of(10)->msgid = 1;
}

static void
absent_without_jobs(void)
{
	core.absent = demand_stand_in(&core.demand);
}

static void
number_of_those_who_are_not_heard(void)
{
	core.roll.unheard = 0;
}

static void
heard_and_not_noted(void)
{
	core.roll.living->unheard = true;
	core.roll.unheard++;
}

/* ---- lies about what a queue has ---- */

static void
bytes_of_a_lane(void)
{
	lane_named("mail")->body_bytes++;
}

static struct key *
key_of_a_job(void)
{
	tell((struct fact){ .kind = FACT_ENQUEUE,
	    .enqueue = { .queue = SPAN_LITERAL("mail"),
		.key = SPAN_LITERAL("42"),
		.mode = KEY_SERIAL } });
	return key_at(&core.keys, job_with(core.answer)->key);
}

static void
keys_of_a_lane(void)
{
	key_of_a_job();
	lane_named("mail")->keys++;
}

static void
unfinished_jobs_of_a_key(void)
{
	key_of_a_job()->unfinished--;
	lane_named("mail")->keys--;
}

static void
key_without_its_holder(void)
{
	key_of_a_job()->holder = 0;
}

static void
who_waits_for_a_key(void)
{
	struct key *key = key_of_a_job();
	key_of_a_job();
	job_at(&core.jobs, key->line.head)->previous = 9;
}

/* ---- lies about time ---- */

static void
place_of_a_delayed_job(void)
{
	job_with(3)->place = 9;
}

static void
order_of_delayed_jobs(void)
{
	/* A second one, and then the first is later than it. */
	ask(b, "mail", 2);
	answer(b, 2, VERDICT_FAIL);
	uint32_t first = heap_first(&core.due.by_clock);
	job_at(&core.jobs, first)->at_ms = INT64_MAX;
}

/* Jobs 3 and 4 have one each, in that order. */
static struct attempt *
certificate_of(uint64_t id)
{
	struct attempt_list *list = job_attempts(&core.jobs, job_with(id));
	cr_assert(list != NULL && list->count == 1);
	return attempt_at(&core.attempts, list->first);
}

static void
owner_of_a_certificate(void)
{
	certificate_of(3)->job = jobs_find(&core.jobs, 4);
}

static void
number_of_certificates(void)
{
	job_attempts(&core.jobs, job_with(3))->count++;
}

static void
last_certificate(void)
{
	job_attempts(&core.jobs, job_with(3))->last = 0;
}

static void
certificate_in_no_list(void)
{
	*job_attempts(&core.jobs, job_with(3)) = (struct attempt_list){ 0 };
}

static void
age_of_a_certificate(void)
{
	certificate_of(4)->older = 0;
}

static void
bytes_of_certificates(void)
{
	core.attempts.bytes++;
}

static void
note_of_the_future(void)
{
	core.next_id = certificate_of(4)->note;
}

static const struct lie {
	void (*tell)(void);
	const char *found;
} lies[] = {
	{ owner_of_a_certificate, "attempt->job == handle" },
	{ number_of_certificates, "count == list->count" },
	{ last_certificate, "last == list->last" },
	{ certificate_in_no_list, "count == core->attempts.slab.used" },
	{ age_of_a_certificate, "attempt->older == last" },
	{ bytes_of_certificates, "bytes == attempts->bytes" },
	{ note_of_the_future, "attempt->note < core->next_id" },
	{ state_of_a_ready_job, "job->state == state" },
	{ state_of_a_running_job, "job->state == state" },
	{ state_of_a_delayed_job, "job->state == state" },
	{ state_of_a_dead_job, "job->state == state" },
	{ id_of_the_future, "job->id < core->next_id" },
	{ handle_of_an_id, "jobs_find(&core->jobs, job->id) == handle" },
	{ attempts_beyond_deliveries, "job->attempt <= job->delivery" },
	{ cause_of_a_living_job, "job->cause != CAUSE_NONE" },
	{ no_cause_of_a_dead_job, "job->cause != CAUSE_NONE" },
	{ running_without_attempt, "job->attempt > 0" },
	{ back_link, "job->previous == previous" },
	{ tail, "list->tail == previous" },
	{ lane_of_a_job, "job->lane == lane->handle" },
	{ lane_of_a_dead_job, "job->lane == lane->handle" },
	{ lane_of_a_running_job, "running_weight" },
	{ lane_of_a_delayed_job, "delayed_weight" },
	{ priority_of_a_job, "job->priority == priority" },
	{ occupied_too_much, "occupied == (list->head != 0)" },
	{ occupied_too_little, "occupied == (list->head != 0)" },
	{ order_of_ids, "job->older == older" },
	{ newest, "jobs_find(&core->jobs, job->id) == handle" },
	{ a_lost_job, "job->state != JOB_NONE" },
	{ a_job_in_no_lane, "count == found->jobs" },
	{ a_job_without_its_id, "count == core->jobs.by_id.count" },
	{ count_of_ready, "ready == lane->counts[JOB_READY]" },
	{ count_of_dead, "dead == lane->counts[JOB_DEAD]" },
	{ count_of_delayed, "due_count(&core->due) == found->delayed" },
	{ count_of_running, "sums.running == found->running" },
	{ running_in_another_lane, "running_weight" },
	{ delayed_in_another_lane, "delayed_weight" },
	{ idle_though_busy, "lane->idle == lane_is_idle(lane)" },
	{ busy_though_idle, "lane->idle == lane_is_idle(lane)" },
	{ idle_and_not_listed, "found->idle_lanes == 0" },
	{ listed_and_not_idle, "lane->idle" },
	{ name_of_a_lane, "lanes_find(" },
	{ number_of_lanes, "found->lanes == core->lanes.slab.used" },
	{ demand_beside_a_ready_job, "ready == 0 || lane->asking.count == 0" },
	{ demand_beyond_the_maximum, "subscription->demand <= DEMAND_MAX" },
	{ demand_that_is_not_served, "served == (subscription->place != 0)" },
	{ no_demand_that_is_served, "served == (subscription->place != 0)" },
	{ place_of_another, "lane->asking.items[subscription->place]" },
	{ place_beyond_the_end, "subscription->place <= lane->asking.count" },
	{ one_that_asks_for_nothing, "asking == lane->asking.count" },
	{ order_of_those_who_ask, "heap->before" },
	{ full_and_served, "served == (subscription->place != 0)" },
	{ subscription_of_another_lane, "subscription->lane == lane->handle" },
	{ count_of_subscriptions_of_a_lane,
	    "count == lane->subscription_count" },
	{ count_of_subscriptions_of_a_worker,
	    "sums.subscriptions == found->subscriptions" },
	{ a_lost_subscription,
	    "sums.subscriptions == core->demand.subscriptions.used" },
	{ subscription_of_a_stranger, "demand_find(subscriber, lane)" },
	{ connection_that_has_ended, "subscriber->connected" },
	{ ended_with_nothing_in_hand,
	    "subscriber->connected || subscriber->running_count > 0" },
	{ number_of_running_jobs, "count == subscriber->running_count" },
	{ bytes_in_hand, "bytes == subscriber->held_bytes" },
	{ worker_of_a_job, "job->place == subscriber->handle" },
	{ answer_that_finds_nothing, "jobs_find_delivery(" },
	{ answer_too_many, "core->jobs.by_delivery.count" },
	{ nobody_silent, "silent == 0" },
	{ silent_and_connected, "!subscriber->connected" },
	{ silent_and_foreign, "subscriber->incarnation > 0" },
	{ silent_twice, "subscriber->return_at_ms >= before_ms" },
	{ worker_that_is_not_found, "demand_find_worker(" },
	{ over_and_at_work, "!subscriber->over" },
	{ over_and_silent, "!subscriber->over" },
	{ a_lost_worker, "count == core->demand.subscribers.used" },
	{ absent_and_another, "absent->handle == core->absent" },
	{ absent_and_connected, "!absent->connected" },
	{ absent_and_supervised, "absent->incarnation == 0" },
	{ absent_and_answerable, "msgid == 0" },
	{ absent_without_jobs, "subscriber->running_count > 0" },
	{ number_of_those_who_are_not_heard, "unheard == core->roll.unheard" },
	{ heard_and_not_noted, "!living->unheard" },
	{ bytes_of_a_lane, "bytes_weight == found->bytes_weight" },
	{ keys_of_a_lane, "keys_weight == found->keys_weight" },
	{ unfinished_jobs_of_a_key, "unfinished == 0" },
	{ key_without_its_holder, "key->holder == handle" },
	{ who_waits_for_a_key, "job->previous == previous" },
	{ place_of_a_delayed_job, "job->place == at" },
	{ order_of_delayed_jobs, "heap->before" },
};

Test(verify, finds_nothing_in_a_core_that_is_whole)
{
	cr_expect_null(verify_core(&core));
}

Test(verify, finds_nothing_in_an_empty_core)
{
	core_release(&core);
	begin();
	cr_expect_null(verify_core(&core));
}

Test(verify, names_the_rule_that_each_lie_breaks)
{
	for (size_t i = 0; i < sizeof(lies) / sizeof(*lies); i++) {
		core_release(&core);
		begin_with_all();
		lies[i].tell();
		const char *broken = verify_core(&core);
		cr_expect_not_null(
		    broken, "lie %zu is believed (%s)", i, lies[i].found);
		if (broken != NULL)
			cr_expect_not_null(strstr(broken, lies[i].found),
			    "lie %zu: expected %s, found %s", i, lies[i].found,
			    broken);
	}
}
