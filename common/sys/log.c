/* SPDX-License-Identifier: MIT */
#include "sys/log.h"

#include "base/limits.h"
#include "base/utf8.h"

#include "sys/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define ROLE_BYTES_MAX 80

/* What stderr is decides how a write can be kept from blocking. */
enum sink { SINK_OTHER, SINK_PIPE, SINK_SOCKET };

static struct {
	char role[ROLE_BYTES_MAX + 1];
	enum log_level level;
	pid_t pid;
	enum sink sink;
	bool columns;
	bool coloured;
	char file[PATH_MAX]; /* empty: standard error is what it was */
	bool torn;	     /* the last line got through in part */
	uint64_t dropped;
} state = { .role = "gsq", .level = LOG_INFO };

static const struct {
	const char *name;
	const char *column;
	const char *colour;
} levels[] = {
	[LOG_ERROR] = { "error", "error", "\x1b[31m" },
	[LOG_WARNING] = { "warning", "warn ", "\x1b[33m" },
	[LOG_INFO] = { "info", "info ", "\x1b[32m" },
	[LOG_DEBUG] = { "debug", "debug", "\x1b[2m" },
};

/* Colours that no level has. */
static const char *const role_colours[] = { "\x1b[36m", "\x1b[35m", "\x1b[34m",
	"\x1b[96m", "\x1b[95m", "\x1b[94m" };

#define ROLE_COLOURS (sizeof(role_colours) / sizeof(role_colours[0]))

/* ---- life ---- */

static bool
wants_colour(void)
{
	const char *none = getenv("NO_COLOR");
	const char *terminal = getenv("TERM");
	return (none == NULL || *none == '\0') &&
	    (terminal == NULL || strcmp(terminal, "dumb") != 0);
}

static enum sink
what_stderr_is(void)
{
	struct stat status;
	if (fstat(STDERR_FILENO, &status) != 0)
		return SINK_OTHER;
	if (S_ISFIFO(status.st_mode))
		return SINK_PIPE;
	return S_ISSOCK(status.st_mode) ? SINK_SOCKET : SINK_OTHER;
}

static void
look_around(void)
{
	state.pid = getpid();
	state.sink = what_stderr_is();
	state.columns = isatty(STDERR_FILENO) == 1;
	state.coloured = state.columns && wants_colour();
	/* Reads the time zone now, which may allocate; lines never do. */
	tzset();
}

void
log_open(const char *role, enum log_level level)
{
	int kept = errno;
	snprintf(state.role, sizeof(state.role), "%s", role);
	state.level = level;
	look_around();
	errno = kept;
}

/* ---- a file ---- */

void
log_set_file(const char *path)
{
	snprintf(
	    state.file, sizeof(state.file), "%s", path != NULL ? path : "");
}

const char *
log_file(void)
{
	return state.file[0] != '\0' ? state.file : NULL;
}

static int
open_file(const char *path)
{
	int fd = open(
	    path, O_WRONLY | O_APPEND | O_CREAT | O_NOCTTY | O_CLOEXEC, 0640);
	if (fd < 0)
		return errno;
	int error = dup2(fd, STDERR_FILENO) < 0 ? errno : 0;
	close(fd);
	look_around();
	return error;
}

int
log_to_file(const char *path)
{
	char from_root[PATH_MAX];
	char here[PATH_MAX];
	const char *folder = "";
	if (*path != '/') {
		if (getcwd(here, sizeof(here)) == NULL)
			return errno;
		folder = here;
	}
	if (snprintf(from_root, sizeof(from_root), "%s%s%s", folder,
		*folder != '\0' ? "/" : "", path) >= (int)sizeof(from_root))
		return ENAMETOOLONG;
	int error = open_file(from_root);
	if (error == 0)
		log_set_file(from_root);
	return error;
}

int
log_reopen(void)
{
	return log_file() == NULL ? 0 : open_file(log_file());
}

bool
log_wants(enum log_level level)
{
	return level <= state.level;
}

/* ---- a line ---- */

/* Text that grows up to its room; what does not fit is cut and marked. */
struct line {
	char text[LOG_LINE_BYTES_MAX];
	size_t count;
	bool cut;
};

#define LINE_END_BYTES 4 /* "...\n" */
#define LINE_ROOM      (LOG_LINE_BYTES_MAX - LINE_END_BYTES)

static void __attribute__((format(printf, 2, 0)))
add_list(struct line *line, const char *format, va_list arguments)
{
	size_t room = LINE_ROOM - line->count;
	if (line->cut)
		return;
	int wanted =
	    vsnprintf(line->text + line->count, room, format, arguments);
	if (wanted < 0)
		return;
	line->cut = (size_t)wanted >= room;
	line->count += line->cut ? room - 1 : (size_t)wanted;
}

static void __attribute__((format(printf, 2, 3)))
add(struct line *line, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	add_list(line, format, arguments);
	va_end(arguments);
}

/* What came from outside is quoted by those who log it; that a line stays one
 * line does not depend on it. */
static void
flatten(struct line *line, size_t from)
{
	for (size_t i = from; i < line->count; i++) {
		unsigned char byte = (unsigned char)line->text[i];
		if (byte < 0x20 || byte == 0x7f)
			line->text[i] = '?';
	}
}

/* The same colour for a role in every process and on every day. */
static const char *
role_colour(void)
{
	uint32_t hash = 2166136261u; /* FNV-1a */
	for (const char *at = state.role; *at != '\0'; at++)
		hash = (hash ^ (unsigned char)*at) * 16777619u;
	return role_colours[hash % ROLE_COLOURS];
}

/* Seconds since 1970, and the milliseconds of the running one: a clock that
 * stands before 1970 has those, too. */
static time_t
read_clock(int *ret_ms)
{
	int64_t now_ms = clock_wall_ms();
	*ret_ms = (int)(now_ms % 1000);
	if (*ret_ms < 0)
		*ret_ms += 1000;
	return (time_t)((now_ms - *ret_ms) / 1000);
}

static void
add_columns(struct line *line, enum log_level level, const char *event)
{
	int ms;
	time_t seconds = read_clock(&ms);
	struct tm tm;
	localtime_r(&seconds, &tm);
	const char *plain = state.coloured ? "\x1b[0m" : "";
	add(line, "%02d:%02d:%02d.%03d ", tm.tm_hour, tm.tm_min, tm.tm_sec, ms);
	add(line, "%s%s%s ", state.coloured ? levels[level].colour : "",
	    levels[level].column, plain);
	add(line, "%s%-10s%s ", state.coloured ? role_colour() : "", state.role,
	    plain);
	add(line, "%7d %-11s", (int)state.pid, event);
}

static void
add_fields(struct line *line, enum log_level level, const char *event)
{
	int ms;
	time_t seconds = read_clock(&ms);
	struct tm tm;
	gmtime_r(&seconds, &tm);
	add(line, "time=%04d-%02d-%02dT%02d:%02d:%02d.%03dZ ",
	    tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min,
	    tm.tm_sec, ms);
	add(line, "level=%s role=%s pid=%d event=%s", levels[level].name,
	    state.role, (int)state.pid, event);
}

static bool
is_continuation(char byte)
{
	return ((unsigned char)byte & 0xc0) == 0x80;
}

/* A cut line ends in "..." and not in the middle of a character. */
static void
end_line(struct line *line)
{
	if (line->cut) {
		while (line->count > 0 &&
		    is_continuation(line->text[line->count - 1]))
			line->count--;
		if (line->count > 0 &&
		    (unsigned char)line->text[line->count - 1] >= 0xc0)
			line->count--;
		memcpy(line->text + line->count, "...", 3);
		line->count += 3;
	}
	line->text[line->count++] = '\n';
}

/* ---- writing ---- */

/* The poll before a write to a pipe has a gap in which another process may
 * fill it; RWF_NOWAIT closes the gap where the kernel knows it for pipes. */
static ssize_t
write_bytes(const char *bytes, size_t count)
{
	struct iovec all = { (char *)bytes, count };
	struct pollfd ready = { .fd = STDERR_FILENO, .events = POLLOUT };
	if (poll(&ready, 1, 0) != 1 || (ready.revents & POLLOUT) == 0) {
		/* poll says nothing itself; an older EINTR would be meant. */
		errno = EAGAIN;
		return -1;
	}
	if (state.sink == SINK_SOCKET)
		return send(
		    STDERR_FILENO, bytes, count, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (state.sink == SINK_PIPE) {
		ssize_t wrote =
		    pwritev2(STDERR_FILENO, &all, 1, -1, RWF_NOWAIT);
		if (wrote >= 0 || errno != EOPNOTSUPP)
			return wrote;
	}
	return write(STDERR_FILENO, bytes, count);
}

static bool
write_all(const char *bytes, size_t count)
{
	size_t done = 0;
	while (done < count) {
		ssize_t wrote = write_bytes(bytes + done, count - done);
		if (wrote < 0 && errno == EINTR)
			continue;
		if (wrote <= 0)
			break;
		done += (size_t)wrote;
	}
	state.torn = done < count && (done > 0 || state.torn);
	return done == count;
}

static void __attribute__((format(printf, 3, 0))) put_line(enum log_level level,
    const char *event, const char *format, va_list arguments)
{
	struct line line;
	line.count = 0;
	line.cut = false;
	if (state.torn)
		add(&line, "\n");
	if (state.columns)
		add_columns(&line, level, event);
	else
		add_fields(&line, level, event);
	if (state.dropped > 0)
		add(&line, " dropped=%llu", (unsigned long long)state.dropped);
	if (format != NULL) {
		size_t from = line.count;
		add(&line, " ");
		add_list(&line, format, arguments);
		flatten(&line, from);
	}
	end_line(&line);
	if (write_all(line.text, line.count))
		state.dropped = 0;
	else
		state.dropped++;
}

void
log_event(enum log_level level, const char *event, const char *format, ...)
{
	va_list arguments;
	int kept = errno;
	if (!log_wants(level))
		return;
	if (state.pid == 0)
		look_around();
	va_start(arguments, format);
	put_line(level, event, format, arguments);
	va_end(arguments);
	errno = kept;
}

bool
log_allows(struct log_limit *limit)
{
	int64_t second = clock_monotonic_ms() / 1000;
	if (second != limit->second) {
		if (limit->left_out > 0)
			log_event(LOG_WARNING, "left-out", "lines=%llu of=%s",
			    (unsigned long long)limit->left_out, limit->event);
		limit->second = second;
		limit->count = 0;
		limit->left_out = 0;
	}
	if (limit->count < LOG_LINES_PER_SECOND) {
		limit->count++;
		return true;
	}
	limit->left_out++;
	return false;
}

/* ---- quoting ---- */

#define QUOTES	     4
#define QUOTE_ROOM   LOG_LINE_BYTES_MAX
#define QUOTE_MIN    5 /* "..." with its quotes */
#define ESCAPE_BYTES 4 /* \xNN, and the longest character of UTF-8 */

/* What a terminal obeys or a reader cannot see: the C1 controls, marks that
 * turn the direction of text, invisible and line-breaking characters. */
static const struct {
	uint32_t first;
	uint32_t last;
} hidden[] = {
	{ 0x0080, 0x00a0 }, { 0x00ad, 0x00ad }, { 0x061c, 0x061c },
	{ 0x180e, 0x180e }, { 0x200b, 0x200f }, { 0x2028, 0x202f },
	{ 0x2060, 0x206f }, { 0xe000, 0xf8ff }, { 0xfeff, 0xfeff },
	{ 0xfff0, 0xffff }, { 0xe0000, 0x10ffff }, /* tags, or private */
};

static bool
is_hidden(uint32_t character)
{
	for (size_t i = 0; i < sizeof(hidden) / sizeof(hidden[0]); i++)
		if (character >= hidden[i].first && character <= hidden[i].last)
			return true;
	return false;
}

/* Bytes of the visible character beyond ASCII that begins here, or 0. */
static size_t
visible_bytes(const unsigned char *bytes, size_t count)
{
	struct utf8 character =
	    utf8_decode((struct span){ (const char *)bytes, count });
	return is_hidden(character.code) ? 0 : character.bytes;
}

/* One character of the input as it appears: returns how many bytes it used and
 * says how many it became. *is_word: could it stand without quotes? */
static size_t
quote_one(const unsigned char *bytes, size_t count, char out[ESCAPE_BYTES + 1],
    size_t *ret_count, bool *is_word)
{
	static const char named[] = "\"\"\\\\\nn\tt\rr";
	unsigned char byte = bytes[0];
	for (const char *at = named; *at != '\0'; at += 2) {
		if ((char)byte != *at)
			continue;
		out[0] = '\\';
		out[1] = at[1];
		*ret_count = 2;
		*is_word = false;
		return 1;
	}
	size_t used = byte < 0x80 ? 0 : visible_bytes(bytes, count);
	if (byte >= 0x20 && byte < 0x7f)
		used = 1;
	*is_word = used > 0 && byte != ' ' && byte != '=';
	*ret_count = used;
	memcpy(out, bytes, used);
	if (used > 0)
		return used;
	*ret_count = (size_t)snprintf(out, ESCAPE_BYTES + 1, "\\x%02x", byte);
	return 1;
}

static bool
is_plain(const unsigned char *bytes, size_t count)
{
	char one[ESCAPE_BYTES + 1];
	size_t one_count;
	bool is_word = count > 0;
	for (size_t at = 0; is_word && at < count;)
		at += quote_one(
		    bytes + at, count - at, one, &one_count, &is_word);
	return is_word;
}

/* The inside of the quotes, in at most room bytes; returns their number. */
static size_t
quote_inside(const unsigned char *bytes, size_t count, char *text, size_t room)
{
	char one[ESCAPE_BYTES + 1];
	size_t used = 0;
	size_t cut = 0; /* how much can stay when "..." must follow */
	bool is_word;
	for (size_t at = 0; at < count;) {
		size_t one_count;
		at += quote_one(
		    bytes + at, count - at, one, &one_count, &is_word);
		if (used + one_count > room) {
			memcpy(text + cut, "...", 3);
			return cut + 3;
		}
		memcpy(text + used, one, one_count);
		used += one_count;
		if (used + 3 <= room)
			cut = used;
	}
	return used;
}

const char *
log_quote(struct span bytes, size_t max)
{
	static char texts[QUOTES][QUOTE_ROOM + 1];
	static unsigned turn;
	char *text = texts[turn++ % QUOTES];
	const unsigned char *from = (const unsigned char *)bytes.bytes;
	max = max < QUOTE_MIN ? QUOTE_MIN : max > QUOTE_ROOM ? QUOTE_ROOM : max;
	if (bytes.count <= max && is_plain(from, bytes.count)) {
		memcpy(text, from, bytes.count);
		text[bytes.count] = '\0';
		return text;
	}
	size_t inside = quote_inside(from, bytes.count, text + 1, max - 2);
	text[0] = text[inside + 1] = '"';
	text[inside + 2] = '\0';
	return text;
}
