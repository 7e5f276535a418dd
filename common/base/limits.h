/* SPDX-License-Identifier: MIT */
/*
 * Every limit of gsq in one place, each with its reason.
 */
#ifndef GSQ_BASE_LIMITS_H
#define GSQ_BASE_LIMITS_H

/* Names of queues and workers: long enough for a host name, short enough for a
 * log line and a table column. */
#define NAME_BYTES_MAX 64

/* A key: the user, the repository, the path that a job is about. Fits into one
 * byte of the log, and into an environment variable. */
#define KEY_BYTES_MAX 255

/* What is merged into one waiting job: the lines that a handler is given to
 * work through. More is refused until it has run. */
#define MERGED_BODY_BYTES_MAX (64u * 1024)
#define MERGED_HINTS_MAX      1000

/* A token of a producer: a UUID, or the id of an event at whoever sent it. Each
 * is remembered for a day, in 100 bytes: eleven a second, all day long. */
#define TOKEN_BYTES_MAX 128
#define TOKENS_MAX	1000000u

/* Attempts of a job, and workers and handlers that it may kill, at most. */
#define ATTEMPTS_MAX 1000
#define CRASHES_MAX  255

/* Ids of jobs that were folded into one, by which it is still found; the oldest
 * is forgotten first. A job is tried ten times, and folded as often. */
#define ALIASES_MAX 16

/* A job's body. Jobs name work, they do not carry it: a megabyte is generous,
 * and keeps what one worker can make the queue hold in memory small. */
#define BODY_BYTES_MAX (1024u * 1024)

/* One message on a socket: the largest body, or a batch of small ones. Hostile
 * peers can make gsq buffer this much, once per connection. */
#define MESSAGE_BYTES_MAX (4u * 1024 * 1024)

/* Nesting of a message. The deepest of ours (a batch of jobs with options)
 * has 5 levels; msgpack-c allows 32 and recurses. */
#define MESSAGE_DEPTH_MAX 16

/* Objects in one message: 24 bytes of memory each once decoded, so that four
 * megabytes of nils cannot become a hundred. The largest of ours, an enqueue of
 * 10,000 jobs or a page of 1,000, stay far below. */
#define MESSAGE_ELEMENTS_MAX (256u * 1024)

/* Jobs in one enqueue request: the reply lists their ids. */
#define BATCH_JOBS_MAX 10000

/* Bytes of answers and jobs that wait for one connection to take them, before
 * it is not read from any more; and what max_output_bytes may make of it for
 * the clients of the queue. Below 64 KiB a page of answers would stop them
 * each time, and above 64 MiB sixteen that never read would cost a gigabyte. */
#define OUTPUT_BYTES_HIGH (1024u * 1024)
#define OUTPUT_BYTES_MIN  (64u * 1024)
#define OUTPUT_BYTES_MAX  (64u * 1024 * 1024)

/* Read per readiness of one connection, so that a flood from one client cannot
 * starve the others of a turn. */
#define READ_BYTES_PER_TURN (64u * 1024)

/* And how long the messages of one connection are worked on before the others
 * have their turn, in microseconds: so many bytes may be thousands of requests,
 * each of which looks at thousands of jobs. Long enough for hundreds of small
 * ones, so that turns cost nothing. */
#define WORK_US_PER_TURN 250

/* Demand of one subscription. GenStage's default is 1000; a worker that holds
 * more than 10,000 jobs keeps them from everybody else. */
#define DEMAND_MAX 10000

/* What is remembered of what happened, for watchers that read slowly or come
 * back: seconds of a busy queue, hours of a quiet one. */
#define EVENTS_MAX	 (16u * 1024)
#define EVENTS_BYTES_MAX (1024u * 1024)

/* And sent to one of them in one turn: some ten thousand at a time would keep
 * the others waiting. */
#define EVENTS_PER_TURN 500

/* Numbers of events that a queue takes at a time: three hours of a hundred
 * thousand events a second, and nine million times as many as JavaScript can
 * count exactly. */
#define EVENT_NUMBERS UINT64_C(1000000000)

/* Subscriptions of one connection: a worker serves a few queues, not all. */
#define SUBSCRIPTIONS_PER_PEER_MAX 64

/* Named queues alive at once. Each costs about 4 KiB, almost half of it for how
 * long its jobs waited and ran. */
#define LANES_MAX 4096

/* Connections of the queue at once. Each costs two buffers, 4 KiB or more. */
#define CONNECTIONS_MAX 16384

/* Descriptors that no connection gets, however many knock: a store that cannot
 * open its next file ends the queue, and a supervisor needs some for each child
 * that it starts. */
#define DESCRIPTORS_KEPT 16

/* Workers of one supervisor. Bounded by its table, which is made at the start
 * so that a restart never asks for memory. */
#define CHILDREN_MAX 1024

/* What is kept of the reason why an attempt failed. */
#define REASON_BYTES_MAX 160

/* What is kept of what a handler wrote to stderr, with each of its last
 * attempts: where it begins to complain is what tells most. */
#define STDERR_BYTES_MAX 4096

/* The last attempts of a job of which it is known what they ended of: enough to
 * see whether it is always the same. */
#define ATTEMPTS_KEPT 10

/* And of all jobs together, the oldest are forgotten first: a queue that fails
 * for a night fills neither the disk nor, where jobs are kept in memory, that.
 * 64 bytes of memory each. */
#define CERTIFICATES_MAX       100000u
#define CERTIFICATES_BYTES_MAX (64u * 1024 * 1024)

/* One log line. At most PIPE_BUF, so that lines of several processes on one
 * pipe never mix. */
#define LOG_LINE_BYTES_MAX 4096

/* One line of a handler's output in the log; longer ones are cut and say so. */
#define OUTPUT_LINE_BYTES_MAX 2048

/* What a handler may write into the log for one job: some thousand lines, so
 * that one gone wild neither fills the disk nor hides the others. */
#define OUTPUT_JOB_BYTES_MAX (512u * 1024)

#endif
