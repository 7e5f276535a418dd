/* SPDX-License-Identifier: MIT */
#include "core/demand.h"

#include "support.h"

#include <criterion/criterion.h>
#include <signal.h>

static struct lanes lanes;
static struct demand demand;
static struct lane *mail, *sync_lane;

static struct lane *
add_lane(const char *name)
{
	struct lane *lane = lanes_add(&lanes, span_of(name), &usual_policy);
	demand_init_lane(&demand, lane);
	return lane;
}

static void
init_demand(void)
{
	lanes_init(&lanes);
	demand_init(&demand);
	mail = add_lane("mail");
	sync_lane = add_lane("sync");
}

static void
release_demand(void)
{
	lanes_release(&lanes);
	demand_release(&demand);
}

TestSuite(demand, .init = init_demand, .fini = release_demand);

static struct subscription *
subscribe_new(struct lane *lane)
{
	struct subscriber *subscriber = demand_join(&demand, 0, 0);
	return demand_subscribe(&demand, subscriber, lane);
}

static bool
ask_for(struct subscription *subscription, uint32_t n)
{
	return demand_ask(&demand, &lanes, subscription, n);
}

static struct subscriber *
owner(const struct subscription *subscription)
{
	return subscriber_at(&demand, subscription->subscriber);
}

/* Serves the first one with a job of that size and says who it was. */
static struct subscription *
serve(struct lane *lane, uint32_t bytes)
{
	struct subscription *first = demand_first(&demand, lane);
	if (first != NULL)
		demand_served(&demand, &lanes, first, bytes);
	return first;
}

Test(demand, nobody_asks_at_first)
{
	subscribe_new(mail);
	cr_expect_null(demand_first(&demand, mail));
	cr_expect_eq(demand_pending(mail), 0);
}

Test(demand, of_a_lane_is_the_sum_over_its_subscriptions)
{
	struct subscription *a = subscribe_new(mail), *b = subscribe_new(mail);
	struct subscription *other = subscribe_new(sync_lane);
	cr_expect(ask_for(a, 2) && ask_for(b, 3) && ask_for(a, 4));
	cr_expect(ask_for(other, 50));
	cr_expect_eq(demand_pending(mail), 9);
	serve(mail, 1);
	cr_expect_eq(demand_pending(mail), 8);
	cr_expect_eq(demand_pending(sync_lane), 50);
}

Test(demand, eight_jobs_go_to_two_who_ask_for_eight_four_and_four)
{
	struct subscription *a = subscribe_new(mail), *b = subscribe_new(mail);
	ask_for(a, 8);
	ask_for(b, 8);
	for (int i = 0; i < 8; i++)
		cr_expect_eq(serve(mail, 1), i % 2 == 0 ? a : b);
	cr_expect_eq(a->demand, 4);
	cr_expect_eq(b->demand, 4);
}

Test(demand, the_most_unserved_is_served_first)
{
	struct subscription *a = subscribe_new(mail), *b = subscribe_new(mail);
	ask_for(a, 1);
	ask_for(b, 3);
	cr_expect_eq(serve(mail, 1), b);
	cr_expect_eq(serve(mail, 1), b);
	cr_expect_eq(serve(mail, 1), a);
	cr_expect_eq(serve(mail, 1), b);
	cr_expect_null(serve(mail, 1));
}

Test(demand, among_equals_the_longest_idle_is_served_first)
{
	struct subscription *all[5];
	for (int i = 0; i < 5; i++)
		all[i] = subscribe_new(mail);
	static const int asks[] = { 3, 0, 4, 1, 2 };
	for (int i = 0; i < 5; i++)
		ask_for(all[asks[i]], 1);
	for (int i = 0; i < 5; i++)
		cr_expect_eq(serve(mail, 1), all[asks[i]]);
	/* Asking for more does not make anybody wait anew. */
	ask_for(all[1], 1);
	ask_for(all[0], 2);
	ask_for(all[1], 1);
	cr_expect_eq(serve(mail, 1), all[1]);
}

Test(demand, may_grow_to_its_maximum_and_not_beyond)
{
	struct subscription *a = subscribe_new(mail);
	cr_expect(ask_for(a, DEMAND_MAX - 1));
	cr_expect_not(ask_for(a, 2));
	cr_expect_not(ask_for(a, UINT32_MAX));
	cr_expect_eq(a->demand, DEMAND_MAX - 1);
	cr_expect(ask_for(a, 1));
	cr_expect_not(ask_for(a, 1));
}

Test(demand, none_is_served_beyond_what_it_asked_for, .signal = SIGABRT)
{
	demand_served(&demand, &lanes, subscribe_new(mail), 1);
}

Test(demand, of_a_full_subscriber_is_kept_and_waits)
{
	struct subscription *a = subscribe_new(mail);
	struct subscription *too =
	    demand_subscribe(&demand, owner(a), sync_lane);
	ask_for(a, 9);
	ask_for(too, 9);
	serve(mail, HELD_BYTES_MAX - 1);
	cr_expect_eq(demand_first(&demand, mail), a);
	serve(mail, HELD_BYTES_MAX); /* one above it is allowed */
	cr_expect_null(demand_first(&demand, mail));
	cr_expect_null(demand_first(&demand, sync_lane));
	cr_expect_eq(demand_pending(mail), 7);

	/* What it asks for while it is full is added, and waits too. */
	ask_for(a, 1);
	cr_expect_null(demand_first(&demand, mail));
	demand_relieved(&demand, &lanes, owner(a), HELD_BYTES_MAX - 1);
	cr_expect_null(demand_first(&demand, mail));
	demand_relieved(&demand, &lanes, owner(a), HELD_BYTES_MAX);
	cr_expect_eq(demand_first(&demand, mail), a);
	cr_expect_eq(demand_first(&demand, sync_lane), too);
	cr_expect_eq(owner(a)->held_bytes, 0);
	cr_expect_eq(owner(a)->running_count, 0);
}

Test(demand, adopted_jobs_fill_a_subscriber_too)
{
	struct subscription *a = subscribe_new(mail);
	ask_for(a, 1);
	demand_adopted(&demand, &lanes, owner(a), HELD_BYTES_MAX);
	cr_expect_null(demand_first(&demand, mail));
	cr_expect_eq(a->demand, 1);
}

Test(demand, nobody_is_relieved_of_more_than_it_holds, .signal = SIGABRT)
{
	struct subscription *a = subscribe_new(mail);
	ask_for(a, 1);
	serve(mail, 5);
	demand_relieved(&demand, &lanes, owner(a), 6);
}

Test(demand, nobody_is_relieved_of_a_job_he_does_not_hold, .signal = SIGABRT)
{
	demand_relieved(&demand, &lanes, owner(subscribe_new(mail)), 0);
}

Test(demand, ends_with_all_subscriptions_of_its_subscriber)
{
	struct subscription *a = subscribe_new(mail), *b = subscribe_new(mail);
	struct subscriber *subscriber = owner(a);
	struct subscription *too =
	    demand_subscribe(&demand, subscriber, sync_lane);
	ask_for(a, 5);
	ask_for(b, 1);
	ask_for(too, 5);
	cr_expect_eq(demand_find(subscriber, mail), a);
	cr_expect_eq(demand_find(subscriber, sync_lane), too);
	demand_unsubscribe(&demand, &lanes, subscriber);
	cr_expect_null(demand_find(subscriber, mail));
	cr_expect_eq(demand_pending(mail), 1);
	cr_expect_eq(demand_first(&demand, mail), b);
	cr_expect_null(demand_first(&demand, sync_lane));
	cr_expect_eq(subscriber->subscription_count, 0);
	cr_expect_eq(mail->subscription_count, 1);
	cr_expect_eq(sync_lane->subscription_count, 0);
	cr_expect(sync_lane->idle);
	demand_leave(&demand, subscriber);
	cr_expect_eq(demand.subscribers.used, 1);
	cr_expect_eq(demand.subscriptions.used, 1);
}

Test(demand, a_subscriber_with_a_subscription_cannot_leave, .signal = SIGABRT)
{
	demand_leave(&demand, owner(subscribe_new(mail)));
}

Test(demand, a_subscriber_with_a_job_cannot_leave, .signal = SIGABRT)
{
	struct subscriber *subscriber = demand_join(&demand, 0, 0);
	subscriber->running.head = 1;
	demand_leave(&demand, subscriber);
}

Test(demand, a_supervised_worker_is_found_by_pid_and_incarnation)
{
	struct subscriber *a = demand_join(&demand, 10, 1);
	struct subscriber *b = demand_join(&demand, 10, 2);
	struct subscriber *c = demand_join(&demand, 10 + SUPERVISED_LISTS, 1);
	demand_join(&demand, 10, 0);
	cr_expect_eq(demand_find_worker(&demand, 10, 1), a);
	cr_expect_eq(demand_find_worker(&demand, 10, 2), b);
	cr_expect_eq(demand_find_worker(&demand, 10 + SUPERVISED_LISTS, 1), c);
	cr_expect_null(demand_find_worker(&demand, 10, 0));
	cr_expect_null(demand_find_worker(&demand, 11, 1));
	cr_expect_null(demand_find_worker(&demand, -1, 1));
	demand_disown(a);
	cr_expect(a->over);
	cr_expect_null(demand_find_worker(&demand, 10, 1));
	demand_leave(&demand, b);
	cr_expect_null(demand_find_worker(&demand, 10, 2));
	demand_leave(&demand, a);
	cr_expect_eq(demand.subscribers.used, 2);
}

Test(demand, a_stand_in_is_in_no_list_and_goes_without_jobs)
{
	uint32_t handle = demand_stand_in(&demand);
	struct subscriber *subscriber = subscriber_at(&demand, handle);
	cr_expect_eq(subscriber->handle, handle);
	cr_expect_not(subscriber->connected);
	cr_expect(TAILQ_EMPTY(&demand.all));
	cr_expect(TAILQ_EMPTY(&demand.silent));
	demand_stand_down(&demand, subscriber);
	cr_expect_eq(demand.subscribers.used, 0);
}

Test(demand, a_stand_in_with_a_job_cannot_go, .signal = SIGABRT)
{
	struct subscriber *subscriber =
	    subscriber_at(&demand, demand_stand_in(&demand));
	subscriber->running.head = 1;
	demand_stand_down(&demand, subscriber);
}

Test(demand, the_silent_wait_in_the_order_of_their_time)
{
	struct subscriber *a = demand_join(&demand, 1, 1);
	struct subscriber *b = demand_join(&demand, 2, 1);
	demand_silence(&demand, a, 100);
	demand_silence(&demand, b, 200);
	cr_expect_eq(TAILQ_FIRST(&demand.silent), a);
	cr_expect_not(a->connected);
	demand_silence(&demand, a, 300);
	cr_expect_eq(TAILQ_FIRST(&demand.silent), b);
	cr_expect_eq(a->return_at_ms, 300);
	demand_leave(&demand, b);
	cr_expect_eq(TAILQ_FIRST(&demand.silent), a);
	cr_expect_null(TAILQ_NEXT(a, in_silent));
	demand_leave(&demand, a);
	cr_expect(TAILQ_EMPTY(&demand.silent));
	cr_expect(TAILQ_EMPTY(&demand.all));
}

Test(demand, a_lane_makes_room_for_its_own_subscriptions_alone)
{
	for (int i = 0; i < 1000; i++)
		subscribe_new(mail);
	subscribe_new(sync_lane);
	cr_expect_lt(sync_lane->asking.room, 100);
	cr_expect_gt(mail->asking.room, 1000);
}

#if MEMORY_CAN_FAIL
Test(demand, without_memory_nothing_is_subscribed)
{
	unsigned failures = 0;
	struct subscriber *subscriber = demand_join(&demand, 0, 0);
	for (unsigned n = 1;; n++) {
		fail_memory(n);
		struct subscription *made =
		    demand_subscribe(&demand, subscriber, mail);
		bool failed = memory_has_failed();
		fail_memory(0);
		cr_assert_eq(made == NULL, failed);
		if (!failed)
			break;
		failures++;
		cr_assert_null(demand_find(subscriber, mail));
		cr_assert_eq(mail->subscription_count, 0);
	}
	cr_expect_geq(failures, 2);
	fail_memory(1);
	struct subscription *found = demand_find(subscriber, mail);
	bool asked = ask_for(found, 1);
	fail_memory(0);
	cr_expect(asked, "asking needs no memory");
}

Test(demand, without_memory_nobody_joins)
{
	fail_memory(1);
	struct subscriber *subscriber = demand_join(&demand, 7, 7);
	uint32_t stand_in = demand_stand_in(&demand);
	fail_memory(0);
	cr_expect_null(subscriber);
	cr_expect_eq(stand_in, 0);
	cr_expect_null(demand_find_worker(&demand, 7, 7));
	cr_expect(TAILQ_EMPTY(&demand.all));
}
#endif
