#include "common/linux/file_digest.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/io.h"
#include "common/base/memory.h"
#include "common/base/scope.h"

enum { BUFFER_SIZE = 256 << 10 };

struct file_digest {
	pthread_t thread;
	pthread_mutex_t lock; /* for all below */
	pthread_cond_t moved;
	uint64_t reach; /* bytes that may be read */
	bool end;	/* there will be no more */
	int error;	/* errno of a failed read */
	int fd;
	struct digest digest; /* the thread's alone while it runs */
};

/* Adds what is between two places; stops early at the end of the file. */
static int add_bytes(struct digest *digest, int fd, char *buffer, uint64_t *at, uint64_t until)
{
	while (*at < until) {
		const uint64_t left = until - *at;
		const size_t wanted = left < BUFFER_SIZE ? (size_t)left : BUFFER_SIZE;
		const ssize_t got = io_read_at(fd, buffer, wanted, *at);

		if (got <= 0)
			return got < 0 ? errno : EIO;
		digest_add(digest, buffer, (size_t)got);
		*at += (uint64_t)got;
	}
	return 0;
}

/* Waits for more to read, or the end; gives how far to read. */
static uint64_t await_reach(struct file_digest *digest, uint64_t at, bool *end)
{
	pthread_mutex_lock(&digest->lock);
	while (digest->reach == at && !digest->end)
		pthread_cond_wait(&digest->moved, &digest->lock);

	const uint64_t reach = digest->reach;

	*end = digest->end && reach == at;
	pthread_mutex_unlock(&digest->lock);
	return reach;
}

static void *follow(void *context)
{
	struct file_digest *digest = context;
	auto_free char *buffer = memory_allocate(BUFFER_SIZE, 1);
	uint64_t at = 0;
	bool end = false;

	while (!end && digest->error == 0) {
		const uint64_t reach = await_reach(digest, at, &end);

		digest->error = add_bytes(&digest->digest, digest->fd, buffer, &at, reach);
	}
	return NULL;
}

struct file_digest *file_digest_start(int fd, struct error *err)
{
	struct file_digest *digest = memory_allocate(1, sizeof *digest);
	int error = 0;

	digest->fd = fd;
	digest_start(&digest->digest);
	(void)pthread_mutex_init(&digest->lock, NULL); /* neither can fail with these attributes */
	(void)pthread_cond_init(&digest->moved, NULL);
	error = pthread_create(&digest->thread, NULL, follow, digest);
	if (error == 0)
		return digest;
	digest_release(&digest->digest);
	free(digest);
	errno = error;
	(void)fail_errno(err, STATUS_TROUBLE, "cannot start a thread");
	return NULL;
}

void file_digest_reach(struct file_digest *digest, uint64_t bytes)
{
	pthread_mutex_lock(&digest->lock);
	digest->reach = bytes;
	pthread_cond_signal(&digest->moved);
	pthread_mutex_unlock(&digest->lock);
}

static void end(struct file_digest *digest)
{
	pthread_mutex_lock(&digest->lock);
	digest->end = true;
	pthread_cond_signal(&digest->moved);
	pthread_mutex_unlock(&digest->lock);
	(void)pthread_join(digest->thread, NULL);
	(void)pthread_cond_destroy(&digest->moved);
	(void)pthread_mutex_destroy(&digest->lock);
}

bool file_digest_finish(struct file_digest *digest, char text[DIGEST_TEXT_SIZE], struct error *err)
{
	end(digest);

	const int error = digest->error;

	digest_finish(&digest->digest, text);
	free(digest);
	errno = error;
	return error == 0 || fail_errno(err, STATUS_TROUBLE, "the copy cannot be read again");
}

void file_digest_drop(struct file_digest *digest)
{
	if (!digest)
		return;
	end(digest);
	digest_release(&digest->digest);
	free(digest);
}

bool file_digest_of(int fd, char text[DIGEST_TEXT_SIZE], uint64_t *length, bool (*stop)(void),
		    struct error *err)
{
	auto_free char *buffer = memory_allocate(BUFFER_SIZE, 1);
	auto_digest digest = { 0 };
	ssize_t got = 0;

	*length = 0;
	digest_start(&digest);
	while ((got = io_read_at(fd, buffer, BUFFER_SIZE, *length)) != 0) {
		if (got < 0)
			return fail_errno(err, STATUS_TROUBLE, "cannot be read");
		if (stop && stop())
			return fail(err, STATUS_TROUBLE, "interrupted");
		digest_add(&digest, buffer, (size_t)got);
		*length += (uint64_t)got;
	}
	digest_finish(&digest, text);
	return true;
}
