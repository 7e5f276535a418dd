/* SPDX-License-Identifier: MIT */
#include "qctl/screen.h"

#include <errno.h>
#include <ncurses.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <term.h>
#include <termios.h>
#include <unistd.h>

/* term.h makes these common words its own. */
#undef columns
#undef lines

#define ESCAPE_DELAY_MS 25
#define FDS_MAX		8
#define LEAVE_BYTES_MAX 256

static const struct {
	int of_ncurses;
	enum screen_key key;
} keys[] = {
	{ KEY_UP, SCREEN_KEY_UP },
	{ KEY_DOWN, SCREEN_KEY_DOWN },
	{ KEY_PPAGE, SCREEN_KEY_PAGE_UP },
	{ KEY_NPAGE, SCREEN_KEY_PAGE_DOWN },
	{ KEY_HOME, SCREEN_KEY_HOME },
	{ KEY_END, SCREEN_KEY_END },
	{ KEY_F(1), SCREEN_KEY_HELP },
	{ 'L' & 0x1f, SCREEN_KEY_REDRAW },
	{ KEY_RESIZE, SCREEN_KEY_RESIZED },
};

/* These ask the program to end. */
static const int endings[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM };

/* With these it ends where it stands. */
static const int crashes[] = { SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV };

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct {
	SCREEN *screen; /* NULL: the terminal is not ours */
	bool is_coloured;
	struct termios termios; /* as it was */
	char leave[LEAVE_BYTES_MAX];
	size_t leave_bytes;
	sigset_t waiting; /* the signals that may come while we wait */
	struct sigaction crashed[COUNT(crashes)];
} terminal;

static volatile sig_atomic_t ended_by;
static volatile sig_atomic_t was_stopped;

/* ---- signals ---- */

static void
on_ending(int number)
{
	ended_by = number;
}

static void
on_continue(int number)
{
	(void)number;
	was_stopped = 1;
}

/* Whatever broke, ncurses may be in the midst of it: only what may be called in
 * a signal handler. Then the signal does what it would have done. */
static void
on_crash(int number)
{
	tcsetattr(STDIN_FILENO, TCSANOW, &terminal.termios);
	ssize_t written =
	    write(STDOUT_FILENO, terminal.leave, terminal.leave_bytes);
	(void)written;
	for (size_t i = 0; i < COUNT(crashes); i++)
		if (crashes[i] == number)
			sigaction(number, &terminal.crashed[i], NULL);
	raise(number);
}

/* Those that matter to the loop come only while it waits, so that none is
 * missed between looking and waiting. */
static void
take_signals(void)
{
	struct sigaction action = { .sa_handler = on_ending };
	sigset_t blocked;
	sigemptyset(&blocked);
	for (size_t i = 0; i < COUNT(endings); i++) {
		sigaddset(&blocked, endings[i]);
		sigaction(endings[i], &action, NULL);
	}
	sigaddset(&blocked, SIGWINCH);
	sigaddset(&blocked, SIGCONT);
	action.sa_handler = on_continue;
	sigaction(SIGCONT, &action, NULL);
	sigprocmask(SIG_BLOCK, &blocked, &terminal.waiting);
	for (size_t i = 0; i < COUNT(endings); i++)
		sigdelset(&terminal.waiting, endings[i]);
	sigdelset(&terminal.waiting, SIGWINCH);
	sigdelset(&terminal.waiting, SIGCONT);
	action.sa_handler = on_crash;
	for (size_t i = 0; i < COUNT(crashes); i++)
		sigaction(crashes[i], &action, &terminal.crashed[i]);
}

int
screen_ended_by(void)
{
	return ended_by;
}

_Noreturn void
screen_die(int number)
{
	sigset_t set;
	screen_close();
	signal(number, SIG_DFL);
	sigemptyset(&set);
	sigaddset(&set, number);
	raise(number);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	_exit(128 + number);
}

/* ---- what the terminal can do ---- */

/* Appends a sequence without the pauses "$<5>" that old terminals need. */
static void
add_leaving(const char *capability)
{
	const char *sequence = tigetstr(capability);
	if (sequence == NULL || sequence == (const char *)-1)
		return;
	while (*sequence != '\0' && terminal.leave_bytes < LEAVE_BYTES_MAX) {
		if (sequence[0] == '$' && sequence[1] == '<') {
			sequence = strchrnul(sequence, '>');
			sequence += *sequence == '>';
			continue;
		}
		terminal.leave[terminal.leave_bytes++] = *sequence++;
	}
}

const char *
screen_check(void)
{
	static char reason[256];
	const char *name = getenv("TERM");
	int error;
	if (!isatty(STDOUT_FILENO) || !isatty(STDIN_FILENO))
		return "top needs a terminal for its output and its keys; "
		       "'qctl status' and 'qctl stats' do not";
	if (name == NULL || *name == '\0')
		return "top does not know the terminal: TERM is not set";
	if (setupterm(NULL, STDOUT_FILENO, &error) == ERR) {
		snprintf(reason, sizeof(reason),
		    "top does not know the terminal '%s' of TERM", name);
		return reason;
	}
	const char *move = tigetstr("cup");
	bool can_move = move != NULL && move != (const char *)-1;
	add_leaving("rmcup");
	add_leaving("cnorm");
	add_leaving("sgr0");
	add_leaving("rmkx");
	del_curterm(cur_term);
	if (can_move)
		return NULL;
	snprintf(reason, sizeof(reason),
	    "top cannot move about on the terminal '%s' of TERM", name);
	return reason;
}

/* ---- colours ---- */

static const short colours[STYLE_COUNT] = {
	[STYLE_GOOD] = COLOR_GREEN,
	[STYLE_CAUTION] = COLOR_YELLOW,
	[STYLE_BAD] = COLOR_RED,
};

static void
prepare_colours(void)
{
	if (!style_wanted(stdout) || !has_colors() || start_color() == ERR)
		return;
	short background = use_default_colors() == ERR ? COLOR_BLACK : -1;
	for (short style = 0; style < STYLE_COUNT; style++)
		if (colours[style] != 0)
			init_pair(style, colours[style], background);
	terminal.is_coloured = true;
}

static attr_t
attributes_of(const struct piece *piece)
{
	attr_t attributes = piece->is_marked ? A_REVERSE : A_NORMAL;
	if (piece->style == STYLE_TITLE)
		return attributes | A_BOLD;
	if (!terminal.is_coloured)
		return attributes;
	if (piece->style == STYLE_FAINT)
		return attributes | A_DIM;
	return attributes | (attr_t)COLOR_PAIR(piece->style);
}

/* ---- life cycle ---- */

bool
screen_open(void)
{
	tcgetattr(STDIN_FILENO, &terminal.termios);
	/* Before ncurses looks which signals are nobody's. */
	take_signals();
	terminal.screen = newterm(NULL, stdout, stdin);
	if (terminal.screen == NULL)
		return false;
	atexit(screen_close);
	cbreak();
	noecho();
	nonl();
	intrflush(stdscr, FALSE);
	keypad(stdscr, TRUE);
	nodelay(stdscr, TRUE);
	set_escdelay(ESCAPE_DELAY_MS);
	curs_set(0);
	prepare_colours();
	return true;
}

void
screen_close(void)
{
	if (terminal.screen == NULL)
		return;
	endwin();
	delscreen(terminal.screen);
	terminal.screen = NULL;
	for (size_t i = 0; i < COUNT(crashes); i++)
		sigaction(crashes[i], &terminal.crashed[i], NULL);
}

/* ---- drawing ---- */

void
screen_size(size_t *ret_rows, size_t *ret_columns)
{
	int rows, columns;
	getmaxyx(stdscr, rows, columns);
	*ret_rows = rows > 0 ? (size_t)rows : 0;
	*ret_columns = columns > 0 ? (size_t)columns : 0;
}

void
screen_spoiled(void)
{
	clearok(stdscr, TRUE);
}

/* What is between the pieces of a row that stands out does so too. */
static void
draw_row_mark(const struct piece *piece)
{
	mvchgat((int)piece->row, (int)piece->column, -1, A_REVERSE, 0, NULL);
}

void
screen_draw(const struct page *page)
{
	size_t marked_row = SIZE_MAX;
	erase();
	for (size_t i = 0; i < page->piece_count; i++) {
		const struct piece *piece = &page->pieces[i];
		struct span text = page_text(page, piece);
		if (piece->is_marked && piece->row != marked_row) {
			draw_row_mark(piece);
			marked_row = piece->row;
		}
		attrset((int)attributes_of(piece));
		mvaddnstr((int)piece->row, (int)piece->column, text.bytes,
		    (int)text.count);
	}
	attrset(A_NORMAL);
	refresh();
}

/* ---- keys ---- */

int
screen_key(void)
{
	int key = getch();
	if (key == ERR)
		return SCREEN_NO_KEY;
	for (size_t i = 0; i < COUNT(keys); i++)
		if (keys[i].of_ncurses == key)
			return (int)keys[i].key;
	return key >= ' ' && key < 0x7f ? key : SCREEN_KEY_OTHER;
}

bool
screen_wait(struct pollfd *fds, size_t count, int64_t timeout_ms)
{
	struct pollfd all[FDS_MAX] = { { .fd = STDIN_FILENO,
	    .events = POLLIN } };
	struct timespec timeout = { .tv_sec = timeout_ms / 1000,
		.tv_nsec = timeout_ms % 1000 * 1000000 };
	if (count > FDS_MAX - 1)
		count = FDS_MAX - 1;
	memcpy(&all[1], fds, count * sizeof(*fds));
	int ready = ppoll(all, count + 1, &timeout, &terminal.waiting);
	if (was_stopped) {
		/* Whoever had the terminal meanwhile left it as it liked. */
		was_stopped = 0;
		reset_prog_mode();
		screen_spoiled();
	}
	return ready <= 0 ||
	    (all[0].revents & (POLLHUP | POLLERR | POLLNVAL)) == 0;
}
