#include "common/file_view.h"

#include <unistd.h>

#include "common/base/scope.h"
#include "common/base/text.h"

static void look_at_files(struct file_view *view, const struct target *target)
{
	for (enum database_file file = 0; file < FILE_COUNT; file++) {
		struct stat now = { 0 };
		const int fd = target->files[file].path_fd;

		/* Unlinked since it was found: a journal of a transaction that has ended. */
		view->exists[file] = fd >= 0 && fstat(fd, &now) == 0 && now.st_nlink > 0;
		view->size[file] = view->exists[file] ? (uint64_t)now.st_size : 0;
		view->changed[file] = now.st_mtim;
	}
}

/* At most `size` bytes from the start of one file; 0 when there is none, or it cannot be read. */
static size_t read_start(const struct target *target, enum database_file file, uint8_t *bytes,
			 size_t size)
{
	struct error ignored = { 0 };
	auto_close int fd =
		target->files[file].path_fd >= 0 ? target_reopen(target, file, &ignored) : -1;
	const ssize_t length = fd >= 0 ? pread(fd, bytes, size, 0) : -1;

	return length > 0 ? (size_t)length : 0;
}

static bool read_header(struct file_view *view, const struct target *target, struct error *err)
{
	uint8_t bytes[DATABASE_HEADER_SIZE] = { 0 };
	auto_close int fd = target_reopen(target, FILE_MAIN, err);

	if (fd < 0)
		return false;

	const ssize_t length = pread(fd, bytes, sizeof bytes, 0);

	if (length < 0) {
		auto_free char *shown = text_printable(target->given);

		return fail_errno(err, STATUS_TROUBLE, "%s: cannot read", shown);
	}
	database_header_read(bytes, (size_t)length, &view->header);
	return true;
}

static void read_wal_index(struct file_view *view, const struct target *target)
{
	/* A writer that is just changing the header is done in microseconds. */
	enum { TRIES = 10 };
	uint8_t bytes[WAL_INDEX_HEADER_SIZE] = { 0 };

	for (int i = 0; i < TRIES && view->exists[FILE_SHM] && !view->index_known; i++) {
		const size_t length = read_start(target, FILE_SHM, bytes, sizeof bytes);

		view->index_known = wal_index_read(bytes, length, &view->index);
	}
}

bool file_view_take(struct file_view *view, const struct target *target, struct error *err)
{
	*view = (struct file_view){ 0 };
	if (!read_header(view, target, err))
		return false;
	view->journal_length =
		read_start(target, FILE_JOURNAL, view->journal, sizeof view->journal);
	look_at_files(view, target);
	if (!view->exists[FILE_JOURNAL])
		view->journal_length = 0;
	read_wal_index(view, target);
	return true;
}

enum journal_mode file_view_mode(const struct file_view *view)
{
	if (view->size[FILE_WAL] > 0 && view->size[FILE_MAIN] > 0)
		return JOURNAL_WAL;
	return view->header.mode;
}
