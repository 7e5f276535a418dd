/* SPDX-License-Identifier: MIT */
#include "queue/store_log_segments.h"

#include "base/check.h"
#include "base/planted.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_FORMAT "segment-%010" PRIu32

/* A backlog of a hundred gigabytes has more segments than a process should
 * have files open. */
#define OPEN_SEGMENTS_MAX 64

/* Sizes are whole pages. */
#define PAGE_BYTES 4096u

const struct log_sizes log_sizes_default = {
	.segment_bytes_min = 8u * 1024 * 1024,
	.segment_bytes_max = SEGMENT_BYTES_MAX,
	.slack_bytes = UINT64_C(128) * 1024 * 1024,
};

/* ---- names ---- */

void
segment_name(char *name, uint32_t number)
{
	snprintf(name, SEGMENT_NAME_BYTES_MAX, NAME_FORMAT, number);
}

uint32_t
segment_number(const char *name)
{
	uint32_t number = 0;
	char ours[SEGMENT_NAME_BYTES_MAX];
	if (sscanf(name, "segment-%10" SCNu32, &number) != 1 ||
	    number > SEGMENT_NUMBER_MAX)
		return 0;
	segment_name(ours, number);
	return strcmp(ours, name) == 0 ? number : 0;
}

/* ---- the table ---- */

void
segments_init(
    struct segments *segments, struct io *io, const struct log_sizes *sizes)
{
	CHECK(sizes->segment_bytes_max <= SEGMENT_BYTES_MAX &&
	    sizes->segment_bytes_min <= sizes->segment_bytes_max);
	*segments = (struct segments){ .io = io, .sizes = *sizes };
}

static void
close_file(struct segments *segments, struct segment *segment)
{
	if (segment->file < 0)
		return;
	segments->io->close(segments->io, segment->file);
	segment->file = -1;
	segments->open_count--;
}

void
segments_release(struct segments *segments)
{
	for (uint32_t i = 0; i < segments->count; i++)
		close_file(segments, &segments->all[i]);
	free(segments->all);
	segments->all = NULL;
	segments->count = segments->room = 0;
}

struct segment *
segments_at(const struct segments *segments, uint32_t number)
{
	if (segments->count == 0 || number < segments->all[0].number ||
	    number - segments->all[0].number >= segments->count)
		return NULL;
	return &segments->all[number - segments->all[0].number];
}

static void
note_largest(struct segments *segments)
{
	segments->largest = 0;
	for (uint32_t i = 0; i < segments->count; i++)
		if (segments->all[i].bytes > segments->largest)
			segments->largest = segments->all[i].bytes;
}

static int
push(struct segments *segments, uint32_t number, uint32_t bytes)
{
	if (segments->count == segments->room) {
		uint32_t room = segments->room ? 2 * segments->room : 16;
		struct segment *all =
		    realloc(segments->all, room * sizeof(*all));
		if (all == NULL)
			return ENOMEM;
		segments->all = all;
		segments->room = room;
	}
	segments->all[segments->count++] = (struct segment){
		.number = number,
		.bytes = bytes,
		.file = -1,
	};
	segments->bytes += bytes;
	note_largest(segments);
	return 0;
}

static void
remove_at(struct segments *segments, uint32_t index)
{
	struct segment *segment = &segments->all[index];
	close_file(segments, segment);
	segments->bytes -= segment->bytes;
	segments->count--;
	memmove(
	    segment, segment + 1, (segments->count - index) * sizeof(*segment));
	if (segments->head > index)
		segments->head--;
	note_largest(segments);
}

/* ---- files ---- */

/* The head and what is about to be synced are in use all the time; whatever
 * is closed here is opened again when somebody asks for it. False when there
 * was none to close. */
static bool
close_one(struct segments *segments)
{
	for (uint32_t tries = 0; tries < segments->count; tries++) {
		uint32_t index = segments->closes_next++ % segments->count;
		struct segment *segment = &segments->all[index];
		if (segment->file < 0 || index == segments->head ||
		    segment->written != segment->synced)
			continue;
		close_file(segments, segment);
		return true;
	}
	return false;
}

/* The process may run out of descriptors before we have as many as we may. */
static int
open_file(struct segments *segments, const char *name, bool create, int *file)
{
	struct io *io = segments->io;
	if (segments->open_count >= OPEN_SEGMENTS_MAX)
		close_one(segments);
	int error = io->open(io, name, create, file);
	if ((error == EMFILE || error == ENFILE) && close_one(segments))
		error = io->open(io, name, create, file);
	return error;
}

int
segments_file(struct segments *segments, struct segment *segment, int *ret_file)
{
	if (segment->file < 0) {
		char name[SEGMENT_NAME_BYTES_MAX];
		int file;
		segment_name(name, segment->number);
		int error = open_file(segments, name, false, &file);
		if (error != 0)
			return error;
		segment->file = file;
		segments->open_count++;
	}
	*ret_file = segment->file;
	return 0;
}

struct finding {
	struct segments *segments;
	uint32_t first;
	int error;
};

static void
on_found(void *context, const char *name)
{
	struct finding *finding = context;
	uint32_t number = segment_number(name);
	if (number < finding->first || number == 0 || finding->error != 0)
		return;
	finding->error = push(finding->segments, number, 0);
}

static int
compare_numbers(const void *a, const void *b)
{
	uint32_t left = ((const struct segment *)a)->number;
	uint32_t right = ((const struct segment *)b)->number;
	return (left > right) - (left < right);
}

static int
ask_size(struct segments *segments, struct segment *segment)
{
	int file;
	uint64_t bytes = 0;
	int error = segments_file(segments, segment, &file);
	if (error == 0)
		error = segments->io->size(segments->io, file, &bytes);
	if (error != 0)
		return error;
	if (bytes > SEGMENT_BYTES_MAX)
		bytes = SEGMENT_BYTES_MAX;
	segment->bytes = (uint32_t)bytes;
	segments->bytes += bytes;
	note_largest(segments);
	return 0;
}

int
segments_find(struct segments *segments, uint32_t first)
{
	struct finding finding = { segments, first, 0 };
	int error = segments->io->list(segments->io, on_found, &finding);
	if (error == 0)
		error = finding.error;
	if (segments->count > 1)
		qsort(segments->all, segments->count, sizeof(*segments->all),
		    compare_numbers);
	for (uint32_t i = 0; i < segments->count && error == 0; i++)
		error = ask_size(segments, &segments->all[i]);
	return error;
}

void
segments_keep(struct segments *segments, uint32_t from, uint32_t to)
{
	while (segments->count > to)
		remove_at(segments, segments->count - 1);
	for (uint32_t i = 0; i < from; i++)
		remove_at(segments, 0);
	segments->head = 0;
	for (uint32_t i = 0; i < segments->count; i++)
		segments->all[i].ready = true;
}

/* ---- spares ---- */

uint32_t
segments_next_bytes(const struct segments *segments)
{
	uint64_t bytes = segments->bytes / 8;
	if (bytes < segments->sizes.segment_bytes_min)
		return segments->sizes.segment_bytes_min;
	if (bytes > segments->sizes.segment_bytes_max)
		return segments->sizes.segment_bytes_max;
	return (uint32_t)(bytes / PAGE_BYTES * PAGE_BYTES);
}

/* A file of that size, or of the largest that the disk has room for. */
static int
make_file(
    struct segments *segments, const char *name, uint32_t *bytes, int *ret_file)
{
	struct io *io = segments->io;
	int file;
	int error = open_file(segments, name, true, &file);
	if (error != 0)
		return error;
	while ((error = io->allocate(io, file, *bytes)) == ENOSPC &&
	    *bytes / 2 >= segments->sizes.segment_bytes_min)
		*bytes = *bytes / 2 / PAGE_BYTES * PAGE_BYTES;
	if (error == 0 || PLANTED(NO_SPACE_IGNORED)) {
		*ret_file = file;
		return 0;
	}
	io->close(io, file);
	io->remove(io, name);
	return error;
}

static bool
is_full(int error)
{
	return error == ENOSPC || error == EDQUOT || error == EFBIG;
}

int
segments_add(struct segments *segments, uint32_t number_if_none)
{
	uint32_t number = number_if_none;
	uint32_t bytes = segments_next_bytes(segments);
	char name[SEGMENT_NAME_BYTES_MAX];
	int file = -1;
	if (segments->count > 0)
		number = segments->all[segments->count - 1].number + 1;
	segment_name(name, number);
	int error = make_file(segments, name, &bytes, &file);
	if (error != 0)
		return is_full(error) ? ENOSPC : error;
	error = push(segments, number, bytes);
	if (error != 0) {
		segments->io->close(segments->io, file);
		return error;
	}
	segments->all[segments->count - 1].file = file;
	segments->all[segments->count - 1].ready = PLANTED(NAMES_NOT_SYNCED);
	segments->open_count++;
	return 0;
}

void
segments_names_synced(struct segments *segments, uint32_t last)
{
	for (uint32_t i = 0; i < segments->count; i++)
		if (segments->all[i].number <= last)
			segments->all[i].ready = true;
}

bool
segments_names_dirty(const struct segments *segments)
{
	return segments->count > 0 && !segments->all[segments->count - 1].ready;
}

int
segments_make_next(struct segments *segments)
{
	int error = 0;
	if (segments->head + 1 == segments->count)
		error = segments_add(segments, 1);
	if (error != 0)
		return error;
	if (!segments->all[segments->head + 1].ready) {
		error = segments->io->sync(segments->io, IO_DIRECTORY);
		if (error != 0)
			return error;
		segments_names_synced(segments, UINT32_MAX);
	}
	return 0;
}

int
segments_recycle_first(struct segments *segments)
{
	CHECK(segments->head > 0);
	char from[SEGMENT_NAME_BYTES_MAX], to[SEGMENT_NAME_BYTES_MAX];
	struct segment first = segments->all[0];
	uint32_t number = segments->all[segments->count - 1].number + 1;
	segment_name(from, first.number);
	segment_name(to, number);
	int error = segments->io->rename(segments->io, from, to);
	if (error != 0)
		return error;
	remove_at(segments, 0);
	error = push(segments, number, first.bytes);
	if (error == 0)
		segments->all[segments->count - 1].filled = first.filled;
	return error;
}

static int
remove_file(struct segments *segments, uint32_t index)
{
	char name[SEGMENT_NAME_BYTES_MAX];
	segment_name(name, segments->all[index].number);
	int error = segments->io->remove(segments->io, name);
	if (error == 0)
		remove_at(segments, index);
	return error;
}

int
segments_remove_first(struct segments *segments)
{
	CHECK(segments->head > 0);
	return remove_file(segments, 0);
}

int
segments_remove_last(struct segments *segments)
{
	CHECK(segments->head + 1 < segments->count);
	return remove_file(segments, segments->count - 1);
}
