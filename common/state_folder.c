#include "common/state_folder.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string.h>

#include "common/base/digest.h"
#include "common/base/io.h"
#include "common/base/json.h"
#include "common/base/memory.h"
#include "common/base/scope.h"
#include "common/base/text.h"
#include "common/linux/publish.h"

/* Room for a document: the hashes of some hundred thousand files. */
enum { MOST_BYTES = 64 << 20 };

#define TEMPORARY "writing.json"

static bool is_trusted(const struct stat *stat)
{
	return (stat->st_uid == geteuid() || stat->st_uid == 0) && (stat->st_mode & 022) == 0;
}

static int open_folder(const struct target *target)
{
	return openat(target->folder_fd, STATE_FOLDER,
		      O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

bool state_folder_open(const struct target *target, const char *shown, int *fd, struct error *err)
{
	struct stat stat = { 0 };

	if (mkdirat(target->folder_fd, STATE_FOLDER, 0700) != 0 && errno != EEXIST)
		return fail_errno(err, STATUS_TROUBLE, "%s: cannot make " STATE_FOLDER " beside it",
				  shown);
	*fd = open_folder(target);
	if (*fd < 0 || fstat(*fd, &stat) != 0)
		return fail_errno(err, STATUS_TROUBLE, "%s: cannot open " STATE_FOLDER " beside it",
				  shown);
	if (!is_trusted(&stat))
		return fail(err, STATUS_TROUBLE,
			    "%s: " STATE_FOLDER
			    " beside it belongs to somebody else, or others may write to it",
			    shown);
	return flock(*fd, LOCK_EX | LOCK_NB) == 0 ||
	       fail(err, STATUS_BUSY, "%s: another dbrestore or dbmigrate is at work on it", shown);
}

int state_folder_look(const struct target *target)
{
	auto_close int fd = open_folder(target);
	struct stat stat = { 0 };

	if (fd < 0 || fstat(fd, &stat) != 0)
		return -1;
	if (is_trusted(&stat))
		return take_descriptor(&fd);
	errno = EPERM;
	return -1;
}

/* --- files in it ------------------------------------------------------------------------------------------------ */

char *state_file_name(const struct target *target, const char *kind)
{
	enum { LONGEST = 180 };
	auto_digest digest = { 0 };
	char text[DIGEST_TEXT_SIZE];

	if (strlen(target->name) <= LONGEST)
		return memory_format("%s-%s.json", kind, target->name);
	/* It would not fit, with what is around it. */
	digest_start(&digest);
	digest_add(&digest, target->name, strlen(target->name));
	digest_finish(&digest, text);
	return memory_format("%s-%.64s-%s.json", kind, target->name, text);
}

/* Fails with the file's name in front. */
static bool file_failed(const char *name, const char *doing, struct error *err)
{
	auto_free char *shown = text_printable(name);

	return fail_errno(err, STATUS_TROUBLE, STATE_FOLDER "/%s: %s", shown, doing);
}

struct json_t *state_file_read(int fd, const char *name, struct error *err)
{
	auto_close int file =
		fd < 0 ? -1 : openat(fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat stat = { 0 };

	if (file < 0 && (fd < 0 || errno == ENOENT))
		return NULL;
	if (file < 0 || fstat(file, &stat) != 0) {
		(void)file_failed(name, "cannot be read", err);
		return NULL;
	}
	if (!S_ISREG(stat.st_mode) || stat.st_size > MOST_BYTES) {
		auto_free char *shown = text_printable(name);

		(void)fail(err, STATUS_TROUBLE,
			   STATE_FOLDER "/%s: cannot be read: is no file of ours", shown);
		return NULL;
	}

	auto_free char *bytes = memory_allocate((size_t)stat.st_size + 1, 1);
	const ssize_t got = io_read_at(file, bytes, (size_t)stat.st_size, 0);
	struct error broken = { 0 };
	struct json_t *document = got < 0 ? NULL : json_parse(bytes, (size_t)got, &broken);

	if (!document) {
		auto_free char *shown = text_printable(name);

		(void)fail(err, STATUS_TROUBLE,
			   STATE_FOLDER
			   "/%s: cannot be understood; if it is of no use any more, remove it",
			   shown);
	}
	return document;
}

bool state_file_write(int fd, const char *name, struct json_t *document, struct error *err)
{
	auto_free char *line = json_take_line(document);
	auto_free char *text = memory_format("%s\n", line);

	/* Nobody else works in here; one that was killed may have left it. */
	if (unlinkat(fd, TEMPORARY, 0) != 0 && errno != ENOENT)
		return file_failed(name, "cannot be written", err);
	return publish_write(fd, TEMPORARY, text, strlen(text), STATE_FOLDER, err) &&
	       publish_over(fd, TEMPORARY, fd, name, STATE_FOLDER, err) &&
	       publish_sync_folder(fd, STATE_FOLDER, err);
}

bool state_file_remove(int fd, const char *name, struct error *err)
{
	if (unlinkat(fd, name, 0) != 0 && errno != ENOENT)
		return file_failed(name, "cannot be removed", err);
	return publish_sync_folder(fd, STATE_FOLDER, err);
}

void state_folder_tidy(const struct target *target)
{
	auto_close int fd = state_folder_look(target);

	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
		(void)unlinkat(fd, TEMPORARY,
			       0); /* what cannot be removed is overwritten some day */
}
