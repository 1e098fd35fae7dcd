/*
 * What the holders have to do with one another and with files beside the database's: open files that two share, and
 * sidecars of another name of the same database. See survey_holders.h.
 */

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/memory.h"
#include "common/base/scope.h"
#include "common/linux/descriptor.h"
#include "common/survey_holders.h"

/* Whether two processes have one and the same open file of the database between them. */
static bool share_a_file(const struct holder *a, const struct holder *b)
{
	for (size_t i = 0; i < a->file_count; i++) {
		const struct held_file *file = &a->files[i];

		/* A fork keeps the numbers. */
		for (size_t j = 0; file->fd >= 0 && file->writable && j < b->file_count; j++)
			if (b->files[j].fd == file->fd && b->files[j].file == file->file &&
			    descriptor_is_shared(a->process.pid, file->fd, b->process.pid,
						 file->fd))
				return true;
	}
	return false;
}

void holders_find_shared(struct survey *survey)
{
	for (size_t i = 0; i < survey->holders.count; i++)
		for (size_t j = 0; j < i; j++) {
			struct holder *one = &survey->holders.items[i];
			struct holder *other = &survey->holders.items[j];

			if (one->shares && other->shares)
				continue; /* as most of a family, after the first of it */
			if ((one->process.forked || other->process.forked) &&
			    share_a_file(one, other))
				one->shares = other->shares = true;
		}
}

/* Whether the file beside our name of the database is another one than theirs. Looked up now: it comes and goes. */
static bool is_another(const struct target *target, enum database_file which,
		       const struct descriptor_file *theirs)
{
	auto_free char *name = memory_format("%s%s", target->name, database_file_suffix(which));
	struct statx ours = { 0 };

	return statx(target->folder_fd, name, AT_SYMLINK_NOFOLLOW, STATX_INO, &ours) != 0 ||
	       ours.stx_ino != theirs->inode || ours.stx_dev_major != theirs->major ||
	       ours.stx_dev_minor != theirs->minor;
}

/*
 * Whether a process has a file at `path`, beside its name of the database, that is not the one beside ours. A journal may
 * go between the two looks, so theirs is looked at once more: what was there before and after was there in between.
 */
static bool is_elsewhere(const struct proc_root *root, pid_t pid, const char *path,
			 const struct target *target, enum database_file which)
{
	struct descriptor_file theirs = { 0 }, again = { 0 };

	return descriptor_of_path(root, pid, path, &theirs) && is_another(target, which, &theirs) &&
	       descriptor_of_path(root, pid, path, &again) && again.inode == theirs.inode &&
	       again.major == theirs.major && again.minor == theirs.minor;
}

/*
 * One name in one mount namespace has one set of sidecars: there is nothing to look for. Each look reads the links of all
 * that the process has open, and most have it by our name.
 */
static bool uses_our_name(const struct proc_root *root, const struct holder *holder,
			  const struct target *target)
{
	return strcmp(holder->path, target->resolved) == 0 &&
	       proc_shares_mounts(root, holder->process.pid, root->self);
}

void holders_find_elsewhere(struct survey *survey, const struct proc_root *root,
			    const struct target *target)
{
	for (size_t i = 0; i < survey->holders.count; i++) {
		struct holder *holder = &survey->holders.items[i];

		if (!holder->path || !holder_can_write_current(holder, FILE_MAIN) ||
		    uses_our_name(root, holder, target))
			continue;
		for (enum database_file which = FILE_MAIN + 1;
		     which < FILE_COUNT && !holder->elsewhere; which++) {
			auto_free char *path =
				memory_format("%s%s", holder->path, database_file_suffix(which));

			if (is_elsewhere(root, holder->process.pid, path, target, which))
				holder->elsewhere = take_pointer(&path);
		}
	}
}
