/* SPDX-License-Identifier: MIT */
#include "queue/store_log_settings.h"

#include "tests/support/disk.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

static struct disk disk;
static char reason[200];

TestSuite(settings_file);

static int
keep(const char *lines)
{
	struct io *io = disk_open(&disk);
	int error = settings_write(io, span_of(lines));
	io->free(io);
	return error;
}

/* What is kept; "!" for what is refused. */
static const char *
kept(void)
{
	static char text[100];
	struct buffer lines = { 0 };
	struct io *io = disk_open(&disk);
	int error = settings_read(io, &lines, reason, sizeof(reason));
	io->free(io);
	size_t count = error == 0 ? buffer_count(&lines) : 0;
	if (count > 0)
		memcpy(text, buffer_front(&lines), count);
	text[count] = '\0';
	buffer_release(&lines);
	return error == 0 ? text : "!";
}

Test(settings_file, keeps_the_last_lines)
{
	disk_init(&disk, 1);
	cr_expect_str_eq(kept(), "");
	cr_assert_eq(keep("mail draining\nmore draining\n"), 0);
	cr_expect_str_eq(kept(), "mail draining\nmore draining\n");
	cr_assert_eq(keep("x draining\n"), 0);
	cr_expect_str_eq(kept(), "x draining\n");
	cr_assert_eq(keep(""), 0);
	cr_expect_str_eq(kept(), "");
	disk_release(&disk);
}

/* Whatever call is the last one, and whatever of it the disk keeps: the lines
 * are those of before, or the new ones; these where it was said that they
 * are kept. */
Test(settings_file, is_old_or_new_after_a_power_cut)
{
	bool ended = false;
	unsigned old = 0, new = 0;
	for (uint64_t n = 1; !ended; n++) {
		for (unsigned loss = 0; loss < LOSS_KINDS; loss++) {
			disk_init(&disk, n * LOSS_KINDS + loss);
			cr_assert_eq(keep("old draining\n"), 0);
			disk.dead_at = disk.calls + n;
			int error = keep("new draining\n");
			ended = !disk.dead;
			cr_assert_eq(error == 0, ended);
			disk_power_cut(&disk, (enum disk_loss)loss);
			const char *text = kept();
			bool is_old = strcmp(text, "old draining\n") == 0;
			cr_assert(is_old || strcmp(text, "new draining\n") == 0,
			    "call %lu: %s", (unsigned long)n, text);
			cr_assert(!ended || !is_old);
			old += is_old;
			new += !is_old;
			disk_release(&disk);
		}
	}
	cr_expect_gt(old, 0);
	cr_expect_gt(new, LOSS_KINDS);
}

Test(settings_file, that_is_damaged_is_refused_with_what_to_do)
{
	disk_init(&disk, 1);
	cr_assert_eq(keep("mail draining\n"), 0);
	struct disk_file *file = disk_find(&disk, SETTINGS_NAME);
	for (uint64_t i = 0; i < file->bytes; i++) {
		file->seen[i] ^= 1;
		cr_assert_str_eq(kept(), "!", "byte %d", (int)i);
		file->seen[i] ^= 1;
	}
	file->bytes--;
	cr_expect_str_eq(kept(), "!");
	cr_expect_not_null(strstr(reason, "'settings'"));
	cr_expect_not_null(strstr(reason, "removed"));
	disk_release(&disk);
}

Test(settings_file, a_full_disk_keeps_what_was_there)
{
	disk_init(&disk, 1);
	cr_assert_eq(keep("old draining\n"), 0);
	uint64_t before = disk.calls;
	cr_assert_eq(keep("old draining\n"), 0);
	uint64_t calls = disk.calls - before;
	unsigned refused = 0;
	disk.fail_error = ENOSPC;
	for (uint64_t n = 1; n <= calls; n++) {
		disk.fail_at = disk.calls + n;
		refused += keep("new draining\n") == ENOSPC &&
		    strcmp(kept(), "old draining\n") == 0;
		disk.fail_at = 0;
		cr_assert_eq(keep("old draining\n"), 0);
	}
	cr_expect_gt(refused, 2);
	disk_release(&disk);
}
