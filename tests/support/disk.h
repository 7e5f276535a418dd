/* SPDX-License-Identifier: MIT */
/*
 * A disk in memory behind queue/io.h, with everything that goes wrong with
 * disks, at a call that is chosen and by chance that can be replayed.
 *
 * What is written is seen at once and is durable after a sync; of each sector
 * that is not, a power cut leaves the old or the new content. Names that are
 * not synced go in their order: some first ones are kept.
 */
#ifndef GSQ_TESTS_DISK_H
#define GSQ_TESTS_DISK_H

#include "base/random.h"
#include "queue/io.h"

#include <stdbool.h>
#include <stdint.h>

#define DISK_SECTOR_BYTES 512u /* what is written or not as a whole */
#define DISK_FILES_MAX	  512
#define DISK_PENDING_MAX  4096
#define DISK_NAME_BYTES	  40

struct disk_file {
	char *seen;   /* owned; content as it is read */
	char *stable; /* owned; as it is on the disk */
	bool *dirty;  /* owned; by sector */
	uint64_t bytes;
	uint64_t stable_bytes;
	uint64_t room;
};

/* Names and the files they stand for. */
struct disk_names {
	char names[DISK_FILES_MAX][DISK_NAME_BYTES];
	int files[DISK_FILES_MAX];
	int count;
};

struct disk_change {
	char from[DISK_NAME_BYTES]; /* "": create */
	char to[DISK_NAME_BYTES];   /* "": remove */
	int file;
};

enum disk_loss { LOSS_RANDOM, LOSS_ALL, LOSS_NOTHING, LOSS_TORN, LOSS_KINDS };

struct disk {
	struct disk_file files[DISK_FILES_MAX];
	int file_count;
	struct disk_names seen;
	struct disk_names stable;
	struct disk_change pending[DISK_PENDING_MAX];
	int pending_count;
	uint64_t synced_names; /* changes, ever */
	struct random random;

	uint64_t calls;	  /* so far */
	uint64_t dead_at; /* the call at which the process ends; 0: never */
	uint64_t fail_at; /* the call that fails; 0: none */
	int fail_error;
	bool fails_on;	   /* and all after it */
	bool dribbles;	   /* short reads and writes, EINTR */
	uint64_t capacity; /* bytes; 0: endless */
	int64_t now_us;
	int64_t sync_us;     /* what a sync takes */
	uint32_t late_polls; /* sync_begin: so many polls until it ends */
	bool has_thread;     /* offer sync_begin */
	bool has_failed;     /* the failing call has come */
	bool claimed;
	bool dead;
	uint64_t syncs;
	uint64_t begun_syncs;
	uint64_t written_bytes;
};

void disk_init(struct disk *disk, uint64_t seed);
void disk_release(struct disk *disk);

/* A process opens the disk. */
struct io *disk_open(struct disk *disk);

/* The process has ended or died; the kernel has not. */
void disk_process_ends(struct disk *disk);

/* The power goes and comes back. */
void disk_power_cut(struct disk *disk, enum disk_loss loss);

/* A copy of all of it, to be tried out. */
void disk_copy(struct disk *to, const struct disk *from);

/* The file of that name, or NULL. */
struct disk_file *disk_find(struct disk *disk, const char *name);
bool disk_remove(struct disk *disk, const char *name);

/* What all files take. */
uint64_t disk_used(const struct disk *disk);

#endif
