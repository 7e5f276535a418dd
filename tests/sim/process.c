/* SPDX-License-Identifier: MIT */
#include "tests/sim/process.h"

#include "base/pages.h"
#include "tests/sim/queue.h"
#include "tests/sim/sim.h"
#include "tests/sim/stream.h"

#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct process *current;
static struct memory worlds; /* memory of nobody in particular */
static bool in_world;
static int64_t last_pid;

/* ---- memory ---- */

/* In front of everything that malloc gave. */
struct block {
	LIST_ENTRY(block) in_memory;
	bool is_listed;
	char pad[7];
	uint64_t room;
};

_Static_assert(sizeof(struct block) % 16 == 0, "malloc's alignment");

void *__real_malloc(size_t bytes);
void *__real_calloc(size_t count, size_t bytes);
void *__real_realloc(void *block, size_t bytes);
void __real_free(void *block);
void *__wrap_malloc(size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);
void *__wrap_realloc(void *memory, size_t bytes);
void __wrap_free(void *memory);
char *__wrap_strndup(const char *text, size_t bytes_max);

static void *
enlist(struct block *block)
{
	block->is_listed = in_world;
	if (in_world)
		LIST_INSERT_HEAD(current != NULL ? &current->memory : &worlds,
		    block, in_memory);
	return block + 1;
}

void *
__wrap_malloc(size_t bytes)
{
	struct block *block = __real_malloc(sizeof(*block) + bytes);
	return block != NULL ? enlist(block) : NULL;
}

void *
__wrap_calloc(size_t count, size_t bytes)
{
	struct block *block = __real_calloc(1, sizeof(*block) + count * bytes);
	return block != NULL ? enlist(block) : NULL;
}

void *
__wrap_realloc(void *memory, size_t bytes)
{
	if (memory == NULL)
		return __wrap_malloc(bytes);
	struct block *block = (struct block *)memory - 1;
	if (block->is_listed)
		LIST_REMOVE(block, in_memory);
	block = __real_realloc(block, sizeof(*block) + bytes);
	return block != NULL ? enlist(block) : NULL;
}

char *
__wrap_strndup(const char *text, size_t bytes_max)
{
	size_t count = strnlen(text, bytes_max);
	char *copy = __wrap_malloc(count + 1);
	if (copy == NULL)
		return NULL;
	memcpy(copy, text, count);
	copy[count] = '\0';
	return copy;
}

void
__wrap_free(void *memory)
{
	if (memory == NULL)
		return;
	struct block *block = (struct block *)memory - 1;
	if (block->is_listed)
		LIST_REMOVE(block, in_memory);
	__real_free(block);
}

/* Worlds are small, and huge pages take longest to clear. */
void *
pages_take(size_t bytes)
{
	return calloc(1, bytes);
}

void
pages_give(void *pages, size_t bytes)
{
	(void)bytes;
	free(pages);
}

static void
give_back(struct memory *memory)
{
	struct block *block;
	while ((block = LIST_FIRST(memory)) != NULL) {
		LIST_REMOVE(block, in_memory);
		__real_free(block);
	}
}

void
process_memory_reset(void)
{
	in_world = false;
	current = NULL;
	give_back(&worlds);
}

/* ---- life ---- */

void
process_reset(void)
{
	process_memory_reset();
	in_world = true;
	last_pid = 1000;
}

static void
on_wake(void *context)
{
	struct process *process = context;
	if (process->stopped_until_us > time_now_us()) {
		timer_set(
		    &process->wake, process->stopped_until_us - time_now_us());
		return;
	}
	process->on_wake(process->context);
}

void
process_start(
    struct process *process, void (*act)(void *context), void *context)
{
	*process = (struct process){ .pid = ++last_pid,
		.alive = true,
		.on_wake = act,
		.context = context,
		.wake = { .fire = on_wake, .context = process } };
	LIST_INIT(&process->memory);
}

void
process_end(struct process *process)
{
	if (!process->alive)
		return;
	process->alive = false;
	process->base = NULL;
	timer_cancel(&process->wake);
	stream_close_all(process);
	give_back(&process->memory);
}

void
process_wake(struct process *process)
{
	if (process->alive)
		timer_hasten(&process->wake, (int64_t)draw(100));
}

void
process_signal(struct process *process, int number)
{
	if (!process->alive)
		return;
	process->signals |= UINT64_C(1) << number;
	process_wake(process);
}

void
process_stop(struct process *process, int64_t for_us)
{
	if (process->alive)
		process->stopped_until_us = time_now_us() + for_us;
}

struct process *
process_enter(struct process *process)
{
	struct process *before = current;
	current = process;
	return before;
}

void
process_leave(struct process *before)
{
	current = before;
}

struct process *
process_current(void)
{
	return current;
}

/* ---- what real code asks the kernel about itself ---- */

pid_t __real_getpid(void);
pid_t __wrap_getpid(void);
_Noreturn void __wrap__exit(int status);
void (*__wrap_signal(int number, void (*handler)(int)))(int);
int __wrap_sigprocmask(int how, const sigset_t *set, sigset_t *old);

pid_t
__wrap_getpid(void)
{
	return current != NULL ? (pid_t)current->pid : __real_getpid();
}

_Noreturn void __real__exit(int status);

_Noreturn void
__wrap__exit(int status)
{
	if (current == NULL)
		__real__exit(status);
	queue_exits(status);
}

void (*__wrap_signal(int number, void (*handler)(int)))(int)
{
	(void)number, (void)handler;
	return SIG_DFL;
}

int
__wrap_sigprocmask(int how, const sigset_t *set, sigset_t *old)
{
	(void)how, (void)set, (void)old;
	return 0;
}
