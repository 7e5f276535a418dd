/* SPDX-License-Identifier: MIT */
/*
 * Writes the first corpus of the target store: stores as the queue leaves them
 * behind, young and old, closed in order or not.
 *
 *     seed_store FOLDER
 */
#include "sys/log.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/image.h"
#include "tests/support/store_world.h"

#include <limits.h>
#include <stdio.h>

static struct disk disk;
static struct world world;

/* Nobody mutates here. */
size_t
LLVMFuzzerMutate(uint8_t *bytes, size_t count, size_t room)
{
	(void)bytes;
	(void)room;
	return count;
}

static void
write_seed(const char *folder, const char *name)
{
	static uint8_t bytes[IMAGE_FILES_MAX * IMAGE_FILE_BYTES];
	char path[PATH_MAX];
	size_t count = image_write_disk(&disk, bytes, sizeof(bytes));
	CHECK(count > 0);
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	FILE *file = fopen(path, "wb");
	CHECK(file != NULL);
	CHECK(fwrite(bytes, 1, count, file) == count);
	CHECK(fclose(file) == 0);
}

/* After that many steps; cut: the power goes. */
static void
make_seed(const char *folder, const char *name, uint32_t steps, bool cut)
{
	struct world_mix mix = world_mix_usual;
	mix.body_bytes_max = 40;
	mix.live_max = 10;
	disk_init(&disk, steps);
	world_init(&world, &disk, steps);
	world.sizes = image_sizes;
	CHECK(world_open(&world, false));
	world_run(&world, &mix, steps);
	CHECK(world.error == 0 && world.wrong == NULL);
	disk.dead = cut;
	world_close(&world);
	if (cut)
		disk_power_cut(&disk, LOSS_TORN);
	write_seed(folder, name);
	disk_release(&disk);
}

int
main(int argc, char **argv)
{
	CHECK(argc == 2);
	log_open("seeds", LOG_ERROR);
	make_seed(argv[1], "new", 0, false);
	make_seed(argv[1], "few-jobs", 12, false);
	make_seed(argv[1], "some-jobs", 60, false);
	make_seed(argv[1], "some-jobs-cut", 61, true);
	make_seed(argv[1], "two-segments", 100, false);
	make_seed(argv[1], "two-segments-cut", 101, true);
	make_seed(argv[1], "cleaned", 600, false);
	return 0;
}
