/* SPDX-License-Identifier: MIT */
#include "tests/fuzz/image.h"

#include "core/job.h"
#include "queue/record.h"
#include "queue/store_log_format.h"
#include "queue/store_log_frame.h"
#include "tests/fuzz/fuzz.h"

#include <endian.h>
#include <inttypes.h>
#include <stdio.h>

#define FILE_HEADER_BYTES 9u

/* Numbers from here on stand for the last ones there can be. */
#define NUMBERS_AT_THE_END 0xfff0u

#define MAGIC 0x66717367u

const struct log_sizes image_sizes = {
	.segment_bytes_min = 4 * 1024,
	.segment_bytes_max = 8 * 1024,
	.slack_bytes = 32 * 1024,
};

/* ---- numbers ---- */

static uint64_t
get(const uint8_t *at, unsigned bytes)
{
	uint64_t number = 0;
	for (unsigned i = 0; i < bytes; i++)
		number |= (uint64_t)at[i] << (8 * i);
	return number;
}

static void
set(uint8_t *at, unsigned bytes, uint64_t number)
{
	for (unsigned i = 0; i < bytes; i++)
		at[i] = (uint8_t)(number >> (8 * i));
}

/* ---- reading ---- */

void
image_read(struct image *image, const uint8_t *bytes, size_t count)
{
	image->count = 0;
	while (image->count < IMAGE_FILES_MAX && count >= FILE_HEADER_BYTES) {
		struct image_file *file = &image->files[image->count++];
		file->kind = bytes[0] % 4;
		file->number = (uint16_t)get(bytes + 1, 2);
		file->sectors =
		    (uint16_t)(get(bytes + 3, 2) % (IMAGE_SECTORS_MAX + 1));
		file->count = (uint32_t)get(bytes + 5, 4);
		bytes += FILE_HEADER_BYTES;
		count -= FILE_HEADER_BYTES;
		if (file->count > count)
			file->count = (uint32_t)count;
		if (file->count > IMAGE_FILE_BYTES)
			file->count = IMAGE_FILE_BYTES;
		file->content = bytes;
		bytes += file->count;
		count -= file->count;
	}
}

static uint32_t
number_of(const struct image_file *file)
{
	return file->number < NUMBERS_AT_THE_END
	    ? file->number
	    : UINT32_MAX - (0xffffu - file->number);
}

void
image_name(const struct image_file *file, char *name)
{
	switch ((enum image_kind)file->kind) {
	case IMAGE_FORMAT:
		strcpy(name, FORMAT_NAME);
		return;
	case IMAGE_SEGMENT:
		segment_name(name, number_of(file));
		return;
	case IMAGE_NEW_FORMAT:
		strcpy(name, FORMAT_NAME ".new");
		return;
	case IMAGE_OTHER:
		snprintf(name, DISK_NAME_BYTES, "segment-%u", file->number);
		return;
	}
}

void
image_fill(const struct image *image, struct disk *disk)
{
	struct io *io = disk_open(disk);
	for (unsigned i = 0; i < image->count; i++) {
		const struct image_file *it = &image->files[i];
		char name[DISK_NAME_BYTES];
		int file;
		image_name(it, name);
		io->remove(io, name);
		CHECK(io->open(io, name, true, &file) == 0);
		struct iovec part = { (char *)(uintptr_t)it->content,
			it->count };
		if (it->count > 0)
			CHECK(io_write(io, file, &part, 1, 0) == 0);
		CHECK(io->allocate(io, file, it->sectors * 512u) == 0);
		CHECK(io->sync(io, file) == 0);
		io->close(io, file);
	}
	CHECK(io->sync(io, IO_DIRECTORY) == 0);
	io->free(io);
}

/* ---- writing ---- */

static uint8_t *
write_header(uint8_t *at, const struct image_file *file)
{
	at[0] = file->kind;
	set(at + 1, 2, file->number);
	set(at + 3, 2, file->sectors);
	set(at + 5, 4, file->count);
	return at + FILE_HEADER_BYTES;
}

size_t
image_write_disk(struct disk *disk, uint8_t *bytes, size_t room)
{
	uint8_t *at = bytes;
	for (int i = 0; i < disk->seen.count && i < IMAGE_FILES_MAX; i++) {
		const char *name = disk->seen.names[i];
		const struct disk_file *from = disk_find(disk, name);
		struct image_file file = { 0 };
		uint64_t used = from->bytes;
		while (used > 0 && from->seen[used - 1] == 0)
			used--;
		file.kind = strcmp(name, FORMAT_NAME) == 0 ? IMAGE_FORMAT
							   : IMAGE_SEGMENT;
		file.number = (uint16_t)segment_number(name);
		file.count = (uint32_t)used;
		if (file.kind == IMAGE_SEGMENT)
			file.sectors = (uint16_t)(from->bytes / 512);
		if ((size_t)(at - bytes) + FILE_HEADER_BYTES + used > room)
			return 0;
		at = write_header(at, &file);
		memcpy(at, from->seen, used);
		at += used;
	}
	return (size_t)(at - bytes);
}

/* ---- an image that can be changed ---- */

static struct {
	struct image image;
	uint8_t contents[IMAGE_FILES_MAX][IMAGE_FILE_BYTES];
	uint64_t log_id;
	struct random random;
} work;

static uint64_t
chance(uint64_t of)
{
	return random_next(&work.random) % of;
}

static uint8_t *
content_of(const struct image_file *file)
{
	return work.contents[file - work.image.files];
}

/* Behind its content lie zeros. */
static void
clear_rest(struct image_file *file)
{
	memset(
	    content_of(file) + file->count, 0, IMAGE_FILE_BYTES - file->count);
}

static void
load(const uint8_t *bytes, size_t count, uint64_t seed)
{
	image_read(&work.image, bytes, count);
	work.random.state = seed;
	for (unsigned i = 0; i < work.image.count; i++) {
		struct image_file *file = &work.image.files[i];
		if (file->count > 0)
			memcpy(work.contents[i], file->content, file->count);
		clear_rest(file);
	}
}

/* Zeros at the end need not be in it. */
static size_t
save(uint8_t *bytes, size_t room)
{
	uint8_t *at = bytes;
	for (unsigned i = 0; i < work.image.count; i++) {
		struct image_file *file = &work.image.files[i];
		while (
		    file->count > 0 && work.contents[i][file->count - 1] == 0)
			file->count--;
		if ((size_t)(at - bytes) + FILE_HEADER_BYTES + file->count >
		    room)
			break;
		at = write_header(at, file);
		memcpy(at, work.contents[i], file->count);
		at += file->count;
	}
	return (size_t)(at - bytes);
}

/* ---- frames ---- */

/* A frame as it stands there, good or not. */
struct place {
	struct image_file *file;
	uint32_t offset;
};

static uint8_t *
frame_at(const struct place *place)
{
	return content_of(place->file) + place->offset;
}

static bool
is_frame(const struct place *place)
{
	return get(frame_at(place), 4) == MAGIC;
}

/* What it takes, or would take: what its header says need not be true. */
static uint32_t
frame_span(const struct place *place)
{
	uint32_t left = IMAGE_FILE_BYTES - place->offset;
	uint64_t payload = get(frame_at(place) + 60, 4);
	return payload > left || frame_bytes(payload) > left
	    ? SECTOR_BYTES
	    : (uint32_t)frame_bytes(payload);
}

/* Any of all frames; false when there is none. */
static bool
choose_frame(struct place *ret_place)
{
	uint64_t seen = 0;
	for (unsigned i = 0; i < work.image.count; i++) {
		struct place place = { &work.image.files[i], 0 };
		if (place.file->kind != IMAGE_SEGMENT)
			continue;
		for (; place.offset < place.file->count;
		     place.offset += SECTOR_BYTES)
			if (is_frame(&place) && chance(++seen) == 0)
				*ret_place = place;
	}
	return seen > 0;
}

static uint32_t
payload_of(const struct place *place)
{
	uint32_t room =
	    frame_span(place) - FRAME_HEADER_BYTES - FRAME_TRAILER_BYTES;
	uint64_t payload = get(frame_at(place) + 60, 4);
	return payload < room ? (uint32_t)payload : room;
}

static void
grow_to(struct image_file *file, uint32_t count)
{
	if (count > IMAGE_FILE_BYTES)
		count = IMAGE_FILE_BYTES;
	if (file->count < count)
		file->count = count;
}

/* ---- repair ---- */

static void
repair_format(struct image_file *file)
{
	char text[256];
	unsigned version = FORMAT_VERSION;
	uint64_t log_id = 1;
	uint32_t first = 1;
	memcpy(text, content_of(file), sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	sscanf(text, "gsq store format %u log %" SCNx64 " first %" SCNu32,
	    &version, &log_id, &first);
	work.log_id = log_id;
	int count = snprintf(text, sizeof(text),
	    "gsq store format %u\nlog %016" PRIx64 "\nfirst %" PRIu32 "\n",
	    version, log_id, first);
	count += snprintf(text + count, sizeof(text) - (size_t)count,
	    "checksum %016" PRIx64 "\n",
	    checksum_of(log_id, text, (size_t)count));
	memcpy(content_of(file), text, (size_t)count);
	file->count = (uint32_t)count;
}

/* The chain up to there. Each repair leaves out something now and then. */
struct chain {
	uint64_t sequence;
	uint64_t checksum;
};

static void
repair_frame(const struct place *place, struct chain *chain)
{
	uint8_t *at = frame_at(place);
	struct frame frame = {
		.flags = (uint16_t)get(at + 6, 2),
		.log_id = work.log_id,
		.sequence = chain->sequence + 1,
		.previous = chain->checksum,
		.synced_through = get(at + 32, 8),
		.next_id = get(at + 40, 8),
		.first_segment = (uint32_t)get(at + 48, 4),
		.segment = number_of(place->file),
		.offset = place->offset,
		.payload_bytes = payload_of(place),
	};
	if (chance(64) == 0)
		frame.sequence = get(at + 16, 8);
	if (chance(64) == 0)
		frame.previous = get(at + 24, 8);
	frame_close((char *)at, &frame);
	grow_to(place->file,
	    place->offset + (uint32_t)frame_bytes(frame.payload_bytes));
	chain->sequence = frame.sequence;
	chain->checksum = frame.checksum;
}

static void
repair_segment(struct image_file *file, struct chain *chain)
{
	struct place place = { file, 0 };
	while (place.offset < file->count &&
	    place.offset + SECTOR_BYTES <= IMAGE_FILE_BYTES) {
		uint32_t step = SECTOR_BYTES;
		if (is_frame(&place)) {
			step = frame_span(&place);
			repair_frame(&place, chain);
		}
		place.offset += step;
	}
}

static void
repair(void)
{
	struct chain chain = { 0 };
	uint64_t done = 0; /* a bit for each file */
	work.log_id = 1;
	for (unsigned i = 0; i < work.image.count; i++)
		if (work.image.files[i].kind == IMAGE_FORMAT)
			repair_format(&work.image.files[i]);
	for (unsigned round = 0; round < work.image.count; round++) {
		struct image_file *lowest = NULL;
		for (unsigned i = 0; i < work.image.count; i++) {
			struct image_file *file = &work.image.files[i];
			if (file->kind == IMAGE_SEGMENT &&
			    !(done & UINT64_C(1) << i) &&
			    (lowest == NULL || file->number < lowest->number))
				lowest = file;
		}
		if (lowest == NULL)
			return;
		done |= UINT64_C(1) << (lowest - work.image.files);
		/* A log whose first segments are gone begins anywhere. */
		if (round == 0 && lowest->count >= 32 && lowest->number > 1) {
			chain.sequence = get(content_of(lowest) + 16, 8) - 1;
			chain.checksum = get(content_of(lowest) + 24, 8);
		}
		repair_segment(lowest, &chain);
	}
}

/* ---- changes ---- */

static uint64_t
number_near(uint64_t number)
{
	static const uint64_t others[] = { 0, 1, 2, 3, 7, 255, INT32_MAX,
		UINT32_MAX, INT64_MAX, UINT64_C(1) << 63, UINT64_MAX - 1,
		UINT64_MAX };
	switch (chance(4)) {
	case 0:
		return number + 1;
	case 1:
		return number - 1;
	case 2:
		return random_next(&work.random) >> chance(64);
	}
	return others[chance(sizeof(others) / sizeof(others[0]))];
}

static void
change_payload(void)
{
	struct place place;
	if (!choose_frame(&place))
		return;
	uint32_t room =
	    frame_span(&place) - FRAME_HEADER_BYTES - FRAME_TRAILER_BYTES;
	uint8_t *payload = frame_at(&place) + FRAME_HEADER_BYTES;
	size_t count = LLVMFuzzerMutate(payload, payload_of(&place), room);
	set(frame_at(&place) + 60, 4, count);
}

static void
change_header(void)
{
	static const struct {
		uint8_t at;
		uint8_t bytes;
	} fields[] = { { 6, 2 }, { 16, 8 }, { 24, 8 }, { 32, 8 }, { 32, 8 },
		{ 40, 8 }, { 40, 8 }, { 48, 4 }, { 60, 4 } };
	struct place place;
	if (!choose_frame(&place))
		return;
	uint64_t field = chance(sizeof(fields) / sizeof(fields[0]));
	uint8_t *at = frame_at(&place) + fields[field].at;
	uint64_t number = get(at, fields[field].bytes);
	set(at, fields[field].bytes,
	    fields[field].at == 6 ? number ^ 1u << chance(2)
				  : number_near(number));
}

/* A record as a writer would write it, of a job that may be anything. */
static char *
make_record(char *at)
{
	static const char *const names[] = { "default", "mail", "a", "no name",
		"" };
	struct job job = { .id = 1 + chance(12),
		.enqueued_ms = (int64_t)number_near(1),
		.delivery = (uint32_t)chance(4),
		.attempt = (uint16_t)chance(4),
		.priority = (uint8_t)chance(256),
		.state = (uint8_t)(chance(16) ? 1 + chance(4) : chance(16)),
		.cause = CAUSE_NONE };
	if (chance(16) == 0)
		job.id = number_near(job.id);
	if (job.state == JOB_DEAD || chance(16) == 0)
		job.cause = (uint8_t)chance(4);
	struct record record = { .job = &job,
		.queue = span_of(names[chance(chance(8) ? 3 : 5)]),
		.reason = span_of(chance(2) ? "exit status 1" : ""),
		.due_wall_ms = (int64_t)number_near(UINT64_C(1767225600000)) };
	switch (chance(3)) {
	case 0:
		return record_write_full(
		    at, &record, (struct span){ "body bytes", chance(11) });
	case 1:
		return record_write_state(at, &record);
	}
	return record_write_gone(at, job.id);
}

/* One more record in a frame, which may grow over what follows. */
static void
add_record(void)
{
	struct place place;
	char bytes[RECORD_BYTES_MAX + 16];
	if (!choose_frame(&place))
		return;
	uint32_t payload = chance(8) ? payload_of(&place) : 0;
	size_t count = (size_t)(make_record(bytes) - bytes);
	size_t whole = frame_bytes(payload + count);
	if (place.offset + whole > IMAGE_FILE_BYTES)
		return;
	memcpy(frame_at(&place) + FRAME_HEADER_BYTES + payload, bytes, count);
	set(frame_at(&place) + 60, 4, payload + count);
	grow_to(place.file, place.offset + (uint32_t)whole);
}

static void
drop_frame(void)
{
	struct place place;
	if (!choose_frame(&place))
		return;
	uint32_t span = frame_span(&place);
	uint8_t *at = frame_at(&place);
	memmove(at, at + span, IMAGE_FILE_BYTES - place.offset - span);
	memset(content_of(place.file) + IMAGE_FILE_BYTES - span, 0, span);
}

/* Behind itself, or anywhere else. */
static void
copy_frame(void)
{
	struct place from, to;
	static uint8_t frame[IMAGE_FILE_BYTES];
	if (!choose_frame(&from) || !choose_frame(&to))
		return;
	uint32_t span = frame_span(&from);
	memcpy(frame, frame_at(&from), span);
	to.offset += frame_span(&to);
	if (to.offset + span > IMAGE_FILE_BYTES)
		return;
	uint8_t *at = frame_at(&to);
	if (chance(2) == 0)
		memmove(at + span, at, IMAGE_FILE_BYTES - to.offset - span);
	memcpy(at, frame, span);
	grow_to(to.file, IMAGE_FILE_BYTES);
}

static void
change_file(void)
{
	struct image *image = &work.image;
	if (image->count == 0)
		return;
	struct image_file *file = &image->files[chance(image->count)];
	switch (chance(6)) {
	case 0:
		file->number = (uint16_t)number_near(file->number);
		break;
	case 1:
		file->sectors = (uint16_t)chance(IMAGE_SECTORS_MAX + 1);
		break;
	case 2:
		file->count = (uint32_t)chance(file->count + 1);
		clear_rest(file);
		break;
	case 3:
		file->kind = (uint8_t)chance(4);
		break;
	case 4:
		if (image->count == IMAGE_FILES_MAX)
			break;
		image->files[image->count] = *file;
		image->files[image->count].number++;
		memcpy(work.contents[image->count], content_of(file),
		    IMAGE_FILE_BYTES);
		image->count++;
		break;
	case 5:
		image->count--;
		memmove(content_of(file), work.contents[image->count],
		    IMAGE_FILE_BYTES);
		*file = image->files[image->count];
		break;
	}
}

/* A sector that was not written, or not right. */
static void
damage(void)
{
	struct place place;
	if (!choose_frame(&place))
		return;
	uint8_t *at = frame_at(&place) +
	    chance(frame_span(&place) / SECTOR_BYTES) * SECTOR_BYTES;
	if (chance(2) == 0)
		memset(at, 0, SECTOR_BYTES);
	else
		at[chance(SECTOR_BYTES)] ^= (uint8_t)(1u << chance(8));
}

static void
change_format(void)
{
	for (unsigned i = 0; i < work.image.count; i++) {
		struct image_file *file = &work.image.files[i];
		if (file->kind != IMAGE_FORMAT)
			continue;
		file->count = (uint32_t)LLVMFuzzerMutate(
		    content_of(file), file->count, 255);
		clear_rest(file);
	}
}

size_t
image_mutate(uint8_t *bytes, size_t count, size_t room, uint64_t seed)
{
	static void (*const changes[])(void) = { change_payload, change_payload,
		change_header, change_header, add_record, add_record,
		add_record, drop_frame, copy_frame, change_file,
		change_format };
	load(bytes, count, seed);
	for (uint64_t left = 1 + chance(4); left > 0; left--)
		changes[chance(sizeof(changes) / sizeof(changes[0]))]();
	if (chance(8) != 0)
		repair();
	if (chance(4) == 0)
		damage();
	return save(bytes, room);
}
