/* SPDX-License-Identifier: MIT */
/*
 * The configuration file: whatever stands in it, it is read and within all
 * ranges, or it is refused with words and what was there before is as it was.
 *
 * Input: the file. It includes nothing: the files of the machine are not
 * part of the input.
 */
#include "base/limits.h"
#include "base/units.h"
#include "sys/configuration.h"
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

static void
check_duration(int64_t duration_ms)
{
	CHECK(duration_ms >= 0 && duration_ms <= DURATION_MS_MAX);
}

static void
check_backoff(const struct backoff *backoff)
{
	check_duration(backoff->base_ms);
	check_duration(backoff->cap_ms);
}

static void
check_queue(const struct configuration *configuration,
    const struct queue_options *queue)
{
	CHECK(name_is_valid(span_of(queue->name.text)));
	CHECK(queue->max_attempts >= 1 && queue->max_attempts <= 1000);
	CHECK((unsigned)queue->durability < DURABILITY_COUNT);
	check_backoff(&queue->retry);
	CHECK(queue->retry.base_ms <= queue->retry.cap_ms);
	struct queue_options found =
	    configuration_queue(configuration, queue->name.text);
	CHECK(found.max_attempts == queue->max_attempts);
}

static void
check_pool(const struct pool_options *pool)
{
	CHECK(name_is_valid(span_of(pool->name.text)));
	CHECK(name_is_valid(span_of(pool->queue.text)));
	CHECK(pool->workers >= 0 && pool->workers <= CHILDREN_MAX);
	CHECK(pool->max_demand >= 1 && pool->max_demand <= DEMAND_MAX);
	CHECK(pool->min_demand >= 0 && pool->min_demand < pool->max_demand);
	CHECK(pool->command == NULL || pool->command[0] != NULL);
}

static void
check_all(const struct configuration *configuration)
{
	CHECK(configuration->max_restarts >= RESTARTS_AUTOMATIC);
	CHECK(configuration->max_restarts <= 1000000);
	CHECK(configuration->max_window_ms > 0);
	CHECK(configuration->max_window_ms <= DAY_MS);
	check_backoff(&configuration->backoff);
	check_duration(configuration->start_timeout_ms);
	check_duration(configuration->queue_start_timeout_ms);
	check_duration(configuration->stop_grace_ms);
	for (size_t i = 0; i < configuration->queue_count; i++)
		check_queue(configuration, &configuration->queues[i]);
	for (size_t i = 0; i < configuration->pool_count; i++)
		check_pool(&configuration->pools[i]);
}

/* Lines, each ended, each about this file. */
static void
check_errors(const char *errors, const char *path)
{
	CHECK(errors[0] != '\0');
	CHECK(errors[strlen(errors) - 1] == '\n');
	CHECK(strncmp(errors, path, strlen(path)) == 0);
}

static bool
includes(const uint8_t *bytes, size_t count)
{
	return count > 0 && memmem(bytes, count, "include", 7) != NULL;
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	char path[64];
	struct configuration configuration, before;
	if (includes(bytes, count))
		return 0;
	int file = memfd_create("configuration", MFD_CLOEXEC);
	CHECK(file >= 0);
	CHECK(write(file, bytes, count) == (ssize_t)count);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	configuration_init(&configuration);
	before = configuration;
	char *errors = configuration_read(&configuration, path);
	if (errors != NULL) {
		check_errors(errors, path);
		CHECK(memcmp(&before, &configuration, sizeof(before)) == 0);
	} else {
		check_all(&configuration);
		/* Over itself it changes nothing. */
		CHECK(configuration_read(&configuration, path) == NULL);
		check_all(&configuration);
	}
	free(errors);
	configuration_release(&configuration);
	close(file);
	return 0;
}
