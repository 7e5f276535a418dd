/* SPDX-License-Identifier: MIT */
#include "base/buffer.h"

#include "base/random.h"
#include "tests/support/memory.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>

static void
expect_content(const struct buffer *buffer, const char *text)
{
	cr_assert_eq(buffer_count(buffer), strlen(text));
	cr_assert_arr_eq(buffer_front(buffer), text, strlen(text));
}

Test(buffer, a_zeroed_struct_is_an_empty_buffer)
{
	struct buffer buffer = { 0 };
	cr_assert_eq(buffer_count(&buffer), 0);
	buffer_consume(&buffer, 0);
	buffer_truncate(&buffer, 0);
	cr_assert_eq(buffer_append(&buffer, NULL, 0), 0);
	buffer_release(&buffer);
	buffer_release(&buffer);
}

Test(buffer, bytes_leave_in_the_order_they_came)
{
	struct buffer buffer = { 0 };
	cr_assert_eq(buffer_append(&buffer, "abc", 3), 0);
	cr_assert_eq(buffer_append(&buffer, "def", 3), 0);
	expect_content(&buffer, "abcdef");
	buffer_consume(&buffer, 2);
	expect_content(&buffer, "cdef");
	cr_assert_eq(buffer_append(&buffer, "g", 1), 0);
	expect_content(&buffer, "cdefg");
	buffer_release(&buffer);
}

Test(buffer, reserved_bytes_count_once_they_are_added)
{
	struct buffer buffer = { 0 };
	char *room = buffer_reserve(&buffer, 10);
	cr_assert_not_null(room);
	memcpy(room, "hello", 5);
	cr_assert_eq(buffer_count(&buffer), 0);
	buffer_added(&buffer, 5);
	expect_content(&buffer, "hello");
	buffer_release(&buffer);
}

Test(buffer, adding_more_than_there_is_room_aborts, .signal = SIGABRT)
{
	struct buffer buffer = { 0 };
	buffer_added(&buffer, 1);
}

Test(buffer, consuming_more_than_there_is_aborts, .signal = SIGABRT)
{
	struct buffer buffer = { 0 };
	buffer_append(&buffer, "ab", 2);
	buffer_consume(&buffer, 3);
}

Test(buffer, a_half_written_message_is_taken_back)
{
	struct buffer buffer = { 0 };
	buffer_append(&buffer, "..whole", 7);
	buffer_consume(&buffer, 2);
	size_t before = buffer_count(&buffer);
	buffer_append(&buffer, "half", 4);
	buffer_truncate(&buffer, before);
	expect_content(&buffer, "whole");
	buffer_release(&buffer);
}

Test(buffer, more_than_memory_can_hold_is_refused_and_nothing_is_lost)
{
	struct buffer buffer = { 0 };
	buffer_append(&buffer, "abc", 3);
	cr_assert_null(buffer_reserve(&buffer, SIZE_MAX));
	cr_assert_null(buffer_reserve(&buffer, SIZE_MAX / 2));
	cr_assert_eq(buffer_append(&buffer, "x", SIZE_MAX), ENOMEM);
	expect_content(&buffer, "abc");
	buffer_release(&buffer);
}

Test(buffer, an_empty_one_gives_much_memory_back_and_keeps_little)
{
	struct buffer buffer = { 0 };
	cr_assert_not_null(buffer_reserve(&buffer, 1024 * 1024));
	buffer_added(&buffer, 1024 * 1024);
	buffer_consume(&buffer, 1024 * 1024);
	cr_assert_eq(buffer.capacity, 0);
	buffer_append(&buffer, "abc", 3);
	buffer_consume(&buffer, 3);
	cr_assert_gt(buffer.capacity, 0);
	cr_assert_eq(buffer.end, 0, "the next bytes begin at the front");
	buffer_release(&buffer);
}

Test(buffer, steady_traffic_does_not_grow_it)
{
	struct buffer buffer = { 0 };
	char bytes[1000] = { 0 };
	buffer_append(&buffer, bytes, sizeof(bytes));
	for (int i = 0; i < 10000; i++) {
		buffer_append(&buffer, bytes, sizeof(bytes));
		buffer_consume(&buffer, sizeof(bytes));
	}
	cr_assert_leq(buffer.capacity, 8192);
	buffer_release(&buffer);
}

/* Every byte carries its place in the stream. */
static void
append_some(struct buffer *buffer, uint64_t *written, size_t count)
{
	char *room = buffer_reserve(buffer, count);
	cr_assert_not_null(room);
	for (size_t i = 0; i < count; i++)
		room[i] = (char)((*written)++ % 251);
	buffer_added(buffer, count);
}

static void
consume_some(struct buffer *buffer, uint64_t *taken, size_t count)
{
	const char *front = buffer_front(buffer);
	for (size_t i = 0; i < count; i++)
		cr_assert_eq(front[i], (char)((*taken)++ % 251));
	buffer_consume(buffer, count);
}

Test(buffer, a_random_walk_keeps_every_byte_in_its_place)
{
	struct random random = { .state = 20260103 };
	struct buffer buffer = { 0 };
	uint64_t written = 0;
	uint64_t taken = 0;
	for (int i = 0; i < 20000; i++) {
		uint64_t dice = random_next(&random);
		size_t count = (size_t)(dice >> 8) % (dice & 1 ? 10 : 3000);
		if (dice & 2)
			append_some(&buffer, &written, count);
		else if (count <= buffer_count(&buffer))
			consume_some(&buffer, &taken, count);
		else
			consume_some(&buffer, &taken, buffer_count(&buffer));
		cr_assert_eq(buffer_count(&buffer), written - taken);
	}
	cr_assert_gt(taken, 1000000);
	buffer_release(&buffer);
}

Test(buffer, room_for_nothing_is_a_place_too)
{
	struct buffer buffer = { 0 };
	cr_assert_not_null(buffer_reserve(&buffer, 0));
	cr_assert_eq(buffer_count(&buffer), 0);
	buffer_release(&buffer);
}

#if MEMORY_CAN_FAIL
Test(buffer, without_memory_it_stays_as_it_is)
{
	struct buffer buffer = { 0 };
	char more[10000] = "";
	cr_assert_eq(buffer_append(&buffer, "here", 4), 0);
	fail_memory(1);
	int error = buffer_append(&buffer, more, sizeof(more));
	fail_memory(0);
	cr_assert_eq(error, ENOMEM);
	cr_assert_eq(buffer_count(&buffer), 4);
	cr_assert_arr_eq(buffer_front(&buffer), "here", 4);
	buffer_release(&buffer);
}
#endif
