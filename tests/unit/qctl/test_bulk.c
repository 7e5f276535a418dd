/* SPDX-License-Identifier: MIT */
#include "qctl/bulk.h"

#include <criterion/criterion.h>

static struct bulk bulk;

/* An answer of that many ids from first on. */
struct ids {
	msgpack_object array;
	msgpack_object items[BULK_BATCH_JOBS];
};

static struct ids ids;

static const msgpack_object *
ids_from(uint64_t first, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		ids.items[i].type = MSGPACK_OBJECT_POSITIVE_INTEGER;
		ids.items[i].via.u64 = first + i;
	}
	ids.array.type = MSGPACK_OBJECT_ARRAY;
	ids.array.via.array.size = count;
	ids.array.via.array.ptr = ids.items;
	return &ids.array;
}

static void
expect_taken(int64_t first_id, size_t count)
{
	const struct bulk_batch *batch = bulk_take(&bulk);
	cr_assert_not_null(batch);
	cr_expect_eq(batch->count, count);
	for (size_t i = 0; i < count; i++)
		cr_expect_eq(batch->ids[i], first_id + (int64_t)i);
}

static void
expect_range(unsigned place, uint64_t first, uint64_t last, enum bulk_fate fate)
{
	cr_assert_lt(place, bulk.range_count);
	cr_expect_eq(bulk.ranges[place].first, first);
	cr_expect_eq(bulk.ranges[place].last, last);
	cr_expect_eq(bulk.ranges[place].fate, fate);
}

Test(bulk, ids_leave_in_the_order_of_the_bodies)
{
	bulk_sent(&bulk, 1, 2, 10);
	bulk_sent(&bulk, 2, 3, 10);
	cr_assert(bulk_accept(&bulk, 2, ids_from(102, 3), NULL));
	cr_assert_null(bulk_take(&bulk), "the first is not answered yet");
	cr_assert(bulk_accept(&bulk, 1, ids_from(100, 2), NULL));
	expect_taken(100, 2);
	expect_taken(102, 3);
	cr_assert_null(bulk_take(&bulk));
	cr_expect_eq(bulk.accepted, 5);
	cr_expect_eq(bulk.sent, 5);
	cr_expect_eq(bulk.range_count, 0);
}

Test(bulk, what_is_on_its_way_is_bounded_by_batches)
{
	for (uint64_t i = 1; i <= BULK_BATCHES; i++) {
		cr_assert(bulk_has_room(&bulk));
		bulk_sent(&bulk, i, 1, 1);
	}
	cr_assert_not(bulk_has_room(&bulk));
	cr_assert(bulk_accept(&bulk, 1, ids_from(1, 1), NULL));
	cr_assert_not(bulk_has_room(&bulk), "it has not left yet");
	expect_taken(1, 1);
	cr_assert(bulk_has_room(&bulk));
}

Test(bulk, what_is_on_its_way_is_bounded_by_bytes)
{
	bulk_sent(&bulk, 1, 1, BULK_BYTES_MAX);
	cr_assert_not(bulk_has_room(&bulk));
	cr_assert(bulk_accept(&bulk, 1, ids_from(1, 1), NULL));
	cr_assert(bulk_has_room(&bulk));
}

Test(bulk, the_ring_goes_round)
{
	for (uint64_t i = 1; i <= 10 * BULK_BATCHES; i++) {
		bulk_sent(&bulk, i, 1, 1);
		cr_assert(bulk_accept(&bulk, i, ids_from(i, 1), NULL));
		expect_taken((int64_t)i, 1);
	}
	cr_expect_eq(bulk.unanswered, 0);
	cr_expect_eq(bulk.bytes, 0);
}

Test(bulk, an_answer_to_nothing_changes_nothing)
{
	bulk_sent(&bulk, 1, 2, 10);
	cr_expect_not(bulk_accept(&bulk, 7, ids_from(1, 2), NULL));
	cr_expect_not(bulk_refuse(&bulk, 7));
	cr_expect_not(
	    bulk_accept(&bulk, 1, ids_from(1, 3), NULL), "too many ids");
	cr_expect_not(
	    bulk_accept(&bulk, 1, ids_from(0, 2), NULL), "no id is 0");
	cr_expect_not(bulk_accept(&bulk, 1, NULL, NULL));
	cr_expect_eq(bulk.unanswered, 1);
	cr_assert(bulk_accept(&bulk, 1, ids_from(1, 2), NULL));
	cr_expect_not(bulk_accept(&bulk, 1, ids_from(1, 2), NULL), "twice");
	cr_expect_eq(bulk.accepted, 2);
}

Test(bulk, refused_bodies_are_told_by_number)
{
	bulk_sent(&bulk, 1, 10, 1);
	bulk_sent(&bulk, 2, 10, 1);
	bulk_sent(&bulk, 3, 10, 1);
	bulk_sent(&bulk, 4, 10, 1);
	cr_assert(bulk_accept(&bulk, 1, ids_from(1, 10), NULL));
	cr_assert(bulk_refuse(&bulk, 2));
	cr_assert(bulk_refuse(&bulk, 3));
	cr_assert(bulk_accept(&bulk, 4, ids_from(11, 10), NULL));
	expect_taken(1, 10);
	expect_taken(11, 10);
	cr_assert_null(bulk_take(&bulk));
	cr_assert_eq(bulk.range_count, 1, "neighbours are one");
	expect_range(0, 11, 30, BULK_REFUSED);
	cr_expect_eq(bulk.refused, 20);
	cr_expect_eq(bulk.accepted, 20);
}

Test(bulk, at_the_end_nothing_is_left_in_doubt)
{
	bulk_sent(&bulk, 1, 10, 1);
	bulk_sent(&bulk, 2, 10, 1);
	bulk_sent(&bulk, 3, 10, 1);
	bulk_sent(&bulk, 4, 1, 1);
	cr_assert(bulk_refuse(&bulk, 1));
	cr_assert(bulk_accept(&bulk, 3, ids_from(1, 10), NULL));
	cr_assert_null(bulk_take(&bulk));
	const struct bulk_batch *batch = bulk_take_last(&bulk);
	cr_assert_not_null(batch, "an accepted one behind the gap");
	cr_expect_eq(batch->ids[0], 1);
	cr_assert_null(bulk_take_last(&bulk));
	cr_assert_eq(bulk.range_count, 3);
	expect_range(0, 1, 10, BULK_REFUSED);
	expect_range(1, 11, 20, BULK_UNANSWERED);
	expect_range(2, 31, 31, BULK_UNANSWERED);
}

Test(bulk, the_most_scattered_end_has_room)
{
	for (uint64_t i = 1; i <= BULK_BATCHES; i++)
		bulk_sent(&bulk, i, 1, 1);
	for (uint64_t i = 1; i <= BULK_BATCHES; i += 2)
		cr_assert(bulk_refuse(&bulk, i));
	while (bulk_take_last(&bulk) != NULL)
		continue;
	cr_expect_eq(bulk.range_count, BULK_BATCHES);
}
