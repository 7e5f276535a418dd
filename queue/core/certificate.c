/* SPDX-License-Identifier: MIT */
#include "core/certificate.h"

#include "base/units.h"
#include "base/utf8.h"

#include <endian.h>
#include <string.h>

/* Numbers are little endian. Behind it the worker's name, the reason, and what
 * is left is stderr. */
struct head {
	uint8_t verdict;
	uint8_t known;
	uint8_t core;
	uint8_t exit;
	uint8_t signal;
	uint8_t worker_bytes;
	uint8_t reason_bytes;
	uint32_t attempt;
	uint32_t delivery;
	uint32_t worker_pid;
	uint64_t began_wall_ms;
	uint64_t duration_ms;
	uint64_t cpu_ms;
	uint64_t rss_bytes;
} __attribute__((packed));

static char *
put(char *at, const void *bytes, size_t count)
{
	if (count > 0)
		memcpy(at, bytes, count);
	return at + count;
}

static struct head
head_of(const struct certificate *certificate)
{
	const struct remains *remains = &certificate->remains;
	size_t reason_bytes =
	    utf8_cut(certificate->reason, REASON_BYTES_MAX).count;
	return (struct head){
		.verdict = (uint8_t)certificate->verdict,
		.known = remains->known,
		.core = remains->core,
		.exit = remains->exit,
		.signal = remains->signal,
		.worker_bytes = (uint8_t)certificate->worker.count,
		.reason_bytes = (uint8_t)reason_bytes,
		.attempt = htole32(certificate->attempt),
		.delivery = htole32(certificate->delivery),
		.worker_pid = htole32((uint32_t)certificate->worker_pid),
		.began_wall_ms = htole64((uint64_t)certificate->began_wall_ms),
		.duration_ms = htole64((uint64_t)remains->duration_ms),
		.cpu_ms = htole64((uint64_t)remains->cpu_ms),
		.rss_bytes = htole64((uint64_t)remains->rss_bytes),
	};
}

bool
certificate_write(struct buffer *buffer, const struct certificate *certificate)
{
	const struct head head = head_of(certificate);
	const struct span errors = certificate->remains.errors;
	size_t count =
	    sizeof(head) + head.worker_bytes + head.reason_bytes + errors.count;
	char *at = buffer_reserve(buffer, count);
	if (at == NULL)
		return false;
	at = put(at, &head, sizeof(head));
	at = put(at, certificate->worker.bytes, head.worker_bytes);
	at = put(at, certificate->reason.bytes, head.reason_bytes);
	put(at, errors.bytes, errors.count);
	buffer_added(buffer, count);
	return true;
}

static bool
is_sound(const struct certificate *certificate)
{
	const struct remains *remains = &certificate->remains;
	return certificate->verdict < VERDICT_COUNT &&
	    remains->signal <= SIGNAL_MAX && remains->duration_ms >= 0 &&
	    remains->duration_ms <= DURATION_MS_MAX && remains->cpu_ms >= 0 &&
	    remains->cpu_ms <= DURATION_MS_MAX && remains->rss_bytes >= 0 &&
	    certificate->worker_pid <= INT32_MAX &&
	    certificate->worker.count <= NAME_BYTES_MAX &&
	    certificate->reason.count <= REASON_BYTES_MAX &&
	    remains->errors.count <= STDERR_BYTES_MAX;
}

bool
certificate_read(struct span bytes, struct certificate *ret_certificate)
{
	struct head head;
	if (bytes.count < sizeof(head))
		return false;
	memcpy(&head, bytes.bytes, sizeof(head));
	const char *worker = bytes.bytes + sizeof(head);
	const char *reason = worker + head.worker_bytes;
	size_t before = sizeof(head) + head.worker_bytes + head.reason_bytes;
	if (before > bytes.count)
		return false;
	*ret_certificate = (struct certificate){
		.verdict = (enum verdict)head.verdict,
		.attempt = le32toh(head.attempt),
		.delivery = le32toh(head.delivery),
		.began_wall_ms = (int64_t)le64toh(head.began_wall_ms),
		.worker_pid = le32toh(head.worker_pid),
		.worker = { worker, head.worker_bytes },
		.reason = { reason, head.reason_bytes },
		.remains = { .known = head.known,
		    .exit = head.exit,
		    .signal = head.signal,
		    .core = head.core != 0,
		    .duration_ms = (int64_t)le64toh(head.duration_ms),
		    .cpu_ms = (int64_t)le64toh(head.cpu_ms),
		    .rss_bytes = (int64_t)le64toh(head.rss_bytes),
		    .errors = { bytes.bytes + before, bytes.count - before } },
	};
	return is_sound(ret_certificate);
}
