/* SPDX-License-Identifier: MIT */
/*
 * The terminal as top has it: pages are drawn on it, keys are read from it.
 * However the program ends, by a signal too, the terminal is as it was before;
 * only SIGKILL leaves it no time. This is all that knows ncurses.
 */
#ifndef GSQ_QCTL_SCREEN_H
#define GSQ_QCTL_SCREEN_H

#include "qctl/page.h"

#include <poll.h>
#include <stdint.h>

/* Besides the characters. */
enum screen_key {
	SCREEN_NO_KEY = -1,
	SCREEN_KEY_UP = 0x110000,
	SCREEN_KEY_DOWN,
	SCREEN_KEY_PAGE_UP,
	SCREEN_KEY_PAGE_DOWN,
	SCREEN_KEY_HOME,
	SCREEN_KEY_END,
	SCREEN_KEY_HELP,
	SCREEN_KEY_REDRAW, /* Ctrl-L */
	SCREEN_KEY_RESIZED,
	SCREEN_KEY_OTHER
};

/* Can pages be drawn on the terminal? NULL when they can, else why not, which
 * lasts. */
const char *screen_check(void);

/* Takes the terminal, which was checked. False when it cannot be had. */
bool screen_open(void);

/* Gives the terminal back; as often as you like. */
void screen_close(void);

void screen_size(size_t *ret_rows, size_t *ret_columns);

void screen_draw(const struct page *page);

/* The next one is drawn anew, whatever is on the screen. */
void screen_spoiled(void);

/* The next key; SCREEN_NO_KEY when there is none now. */
int screen_key(void);

/* Waits for a key, for one of these, or that long, which may be shorter. False
 * when the terminal is gone. */
bool screen_wait(struct pollfd *fds, size_t count, int64_t timeout_ms);

/* The signal that wants the program to end, or 0. */
int screen_ended_by(void);

/* Ends the program as that signal does. */
_Noreturn void screen_die(int number);

#endif
