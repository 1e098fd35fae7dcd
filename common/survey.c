#include "common/survey.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/memory.h"
#include "common/base/scope.h"
#include "common/base/text.h"
#include "common/certificate.h"
#include "common/linux/privileges.h"
#include "common/lock_view.h"
#include "common/survey_holders.h"
#include "common/target.h"

/* A database that is replaced all the time cannot be surveyed; say so rather than go on for ever. */
enum { MOST_ATTEMPTS = 5 };

/* Of the sample time, what a process that the walk found is watched for at least. */
static const double least_share = 0.25;

void survey_release(struct survey *survey)
{
	for (size_t i = 0; i < survey->holders.count; i++)
		holder_release(&survey->holders.items[i]);
	free(survey->holders.items);
	for (size_t i = 0; i < survey->waiters.count; i++) {
		process_release(&survey->waiters.items[i].process);
		free(survey->waiters.items[i].behind);
	}
	free(survey->waiters.items);
	free(survey->given);
	free(survey->database);
	free(survey->container);
	free(survey->inside);
	free(survey->filesystem);
	free(survey->filesystem_options);
	*survey = (struct survey){ 0 };
}

bool survey_saw_everything(const struct survey *survey)
{
	return survey->scanned && !survey->restless && survey->hidden_processes == 0 &&
	       survey->initial_pid_namespace && !survey->proc_hides;
}

struct holder *survey_find(const struct survey *survey, pid_t pid)
{
	for (size_t i = 0; i < survey->holders.count; i++)
		if (survey->holders.items[i].process.pid == pid)
			return &survey->holders.items[i];
	return NULL;
}

void survey_forget(struct survey *survey, pid_t pid)
{
	struct holder *holder = survey_find(survey, pid);

	if (!holder)
		return;
	holder_release(holder);
	survey->holders.count--;
	memmove(holder, holder + 1,
		(size_t)(survey->holders.items + survey->holders.count - holder) * sizeof *holder);
}

static int by_pid(const void *left, const void *right)
{
	const struct holder *a = left, *b = right;

	return (a->process.pid > b->process.pid) - (a->process.pid < b->process.pid);
}

static void sort_holders(struct survey *survey)
{
	if (survey->holders.count > 1)
		qsort(survey->holders.items, survey->holders.count, sizeof *survey->holders.items,
		      by_pid);
}

/* Takes over what the files said, and what that means together with the locks. */
static void note_files(struct survey *survey, const struct file_view *files)
{
	const bool reserved = survey->probes[SLOT_RESERVED].conflict == CONFLICT_WRITE;

	memcpy(survey->exists, files->exists, sizeof survey->exists);
	memcpy(survey->size, files->size, sizeof survey->size);
	memcpy(survey->changed, files->changed, sizeof survey->changed);
	survey->header = files->header;
	survey->mode = file_view_mode(files);
	survey->index_known = files->index_known;
	survey->index = files->index;
	survey->journal_empty = !journal_has_content(files->journal, files->journal_length);
	survey->journal_hot = journal_is_hot(files->journal, files->journal_length,
					     files->size[FILE_MAIN], reserved);
}

static struct file_access access_of(const struct stat *stat)
{
	return (struct file_access){ stat->st_uid, stat->st_mode & 07777 };
}

static void note_target(struct survey *survey, const struct target *target)
{
	const struct timespec now = clock_wall();
	struct stat folder = { 0 };

	survey->given = memory_copy_text(target->given);
	survey->database = memory_copy_text(target->absolute);
	survey->device = target->files[FILE_MAIN].stat.st_dev;
	survey->inode = target->files[FILE_MAIN].stat.st_ino;
	for (enum database_file file = 0; file < FILE_COUNT; file++)
		survey->access[file] = access_of(&target->files[file].stat);
	if (fstat(target->folder_fd, &folder) == 0)
		survey->folder_access = access_of(&folder);
	survey->filesystem = memory_copy_text(target->filesystem);
	survey->filesystem_options = memory_copy_text(target->filesystem_options);
	survey->trust = target->trust;
	survey->has_dotfile = target->has_dotfile;
	survey->dotfile_age = (double)(now.tv_sec - target->dotfile_changed.tv_sec) +
			      (double)(now.tv_nsec - target->dotfile_changed.tv_nsec) / 1e9;
}

static bool anybody_uses_current(const struct survey *survey)
{
	for (size_t i = 0; i < survey->holders.count; i++)
		if (holder_uses_current(&survey->holders.items[i]))
			return true;
	return false;
}

/* The kernel just said that nobody has the file open: whoever was seen with it has let go since. */
static void forget_current_users(struct survey *survey)
{
	size_t kept = 0;

	for (size_t i = 0; i < survey->holders.count; i++) {
		struct holder *holder = &survey->holders.items[i];

		if (holder_uses_replaced(holder))
			survey->holders.items[kept++] = *holder;
		else
			holder_release(holder);
	}
	survey->holders.count = kept;
	survey->hidden_locks = 0;
	for (enum lock_slot slot = 0; slot < SLOT_COUNT; slot++)
		survey->probes[slot] = (struct lock_probe){ 0 };
}

/* A closer and slower look for somebody who was not found: at every thread, and at mappings. */
static bool look_closer(struct survey *survey, const struct proc_root *root,
			const struct target *target, const struct lock_view *view, size_t *let_go,
			struct error *err)
{
	const size_t before = survey->holders.count;

	bool unsettled = false;

	if (!holders_walk(survey, root, target, true, &unsettled, err) ||
	    !holders_identify(survey, root, before, err))
		return false;
	*let_go = holders_look_again(survey, root, before, target, view) + unsettled;
	for (size_t i = before; i < survey->holders.count; i++)
		survey->holders.items[i].sampled_seconds = 0;
	return true;
}

/* Without the rights that only looking into processes needs. */
static enum certificate ask_kernel(const struct target *target, bool expected)
{
	privileges_lower();

	const enum certificate answer = certificate_ask(target, expected);

	privileges_raise();
	return answer;
}

/*
 * The last word on who has it open. The kernel's certificate where it can be had; where not, and nobody was seen,
 * closer looks until one finds somebody, or meets nobody who ended meanwhile and might have handed it on.
 */
static bool certify(struct survey *survey, const struct proc_root *root,
		    const struct target *target, const struct lock_view *view, struct error *err)
{
	enum { MOST_LOOKS = 5 };
	const bool expected = anybody_uses_current(survey);
	size_t let_go = 1;

	survey->certificate = ask_kernel(target, expected);
	if (survey->certificate == CERTIFICATE_FREE) {
		forget_current_users(survey);
		return true;
	}
	for (int i = 0;
	     i < MOST_LOOKS && let_go > 0 && survey->scanned && !anybody_uses_current(survey); i++)
		if (!look_closer(survey, root, target, view, &let_go, err))
			return false;

	const bool nobody = !anybody_uses_current(survey);

	survey->restless = nobody && let_go > 0;
	survey->hidden_opener = nobody && survey->certificate != CERTIFICATE_NONE;
	return true;
}

/*
 * The first half: who there is, and what they do. Sets *second_look to when the second sample is due.
 *
 * The owners of locks are known first and sampled while the walk goes on. A read of /proc/locks is slow (the kernel
 * waits for a grace period), so it is left out where nothing is to be sampled.
 */
static bool find_holders(struct survey *survey, const struct proc_root *root,
			 const struct target *target, const struct survey_options *options,
			 double *second_look, struct error *err)
{
	const double sample = options->sample_seconds;
	auto_lock_view view = { 0 };

	*second_look = clock_now() + sample;
	if (sample > 0 && ask_kernel(target, true) != CERTIFICATE_FREE) {
		if (!lock_view_take(&view, root, target, err))
			return false;
		holders_note_owners(survey, root, &view.table);
	}

	const size_t owners = survey->holders.count;
	bool unsettled = false;

	if (options->scan && !holders_walk(survey, root, target, false, &unsettled, err))
		return false;
	if (survey->holders.count > owners && clock_now() + sample * least_share > *second_look)
		*second_look = clock_now() + sample * least_share;
	return holders_identify(survey, root, 0, err);
}

/* There are no locks on a file that nobody has open: the certificate is the answer, and only the files are read. */
static bool settle_certified(struct survey *survey, const struct target *target, struct error *err)
{
	struct file_view files = { 0 };

	survey->certificate = CERTIFICATE_FREE;
	survey->consistent = true;
	if (!file_view_take(&files, target, err))
		return false;
	note_files(survey, &files);
	return true;
}

/* The second half: what they hold now, by the target as it is now. */
static bool settle_holders(struct survey *survey, const struct proc_root *root,
			   const struct target *target, const struct survey_options *options,
			   double second_look, struct error *err)
{
	const size_t sampled = survey->holders.count;
	auto_lock_view view = { 0 };

	survey->sampled_seconds = options->sample_seconds;
	if (sampled == 0 && ask_kernel(target, true) == CERTIFICATE_FREE)
		return settle_certified(survey, target, err);
	if (!lock_view_take(&view, root, target, err))
		return false;
	memcpy(survey->probes, view.probes, sizeof survey->probes);
	holders_note_owners(survey, root, &view.table);
	if (!holders_identify(survey, root, sampled, err))
		return false;
	if (sampled > 0)
		clock_sleep_until(second_look);
	(void)holders_look_again(survey, root, 0, target, &view);
	holders_find_shared(survey);
	holders_find_elsewhere(survey, root, target);
	survey->consistent = view.consistent;
	survey->shm_hidden = view.shm_hidden;
	for (size_t i = 0; i < survey->holders.count; i++)
		if (options->sample_seconds <= 0)
			survey->holders.items[i].sampled_seconds = 0;
	note_files(survey, &view.files);
	return holders_explain_probes(survey, root, err) &&
	       certify(survey, root, target, &view, err);
}

/*
 * /proc can be mounted so that other users' processes do not show at all (proc(5), hidepid). Capabilities help
 * against that only where they are those of the machine, not of a user namespace.
 */
static bool proc_hides_processes(const struct proc_root *root)
{
	auto_mounts mounts = { 0 };
	struct error ignored = { 0 };
	const struct mount *mount = NULL;

	if (root->initial_user_namespace && privileges_see_everything())
		return false;
	if (!mounts_read(root, &mounts, &ignored))
		return true;
	mount = mounts_of_descriptor(&mounts, root, root->fd);

	const char *option = mount ? strstr(mount->options, "hidepid=") : "hidepid=?";

	return option && strncmp(option, "hidepid=0", 9) != 0 &&
	       strncmp(option, "hidepid=off", 11) != 0;
}

/*
 * Without a walk the kernel's certificate is the whole answer, and nothing else needs to be asked when it is
 * granted: there are no locks on a file that nobody has open.
 */
static bool certified_at_once(const struct target *target, const struct survey_options *options)
{
	return !options->scan && certificate_ask(target, true) == CERTIFICATE_FREE;
}

/* Both halves, and the time between them. *moved when the database was replaced meanwhile. */
static bool look_twice(struct survey *survey, const struct proc_root *root,
		       const struct target *first, const char *path,
		       const struct survey_options *options, bool *moved, struct error *err)
{
	/* What the second half costs before its look at the processes, at most. */
	const double ahead = 0.03;
	auto_target second = TARGET_NONE;
	double second_look = 0;

	privileges_raise();

	const bool found = find_holders(survey, root, first, options, &second_look, err);

	privileges_lower();
	if (!found)
		return false;
	if (options->sample_seconds > 0)
		holders_ask_supervisors(survey);
	if (survey->holders.count > 0)
		clock_sleep_until(second_look - ahead);
	if (!target_open(&second, root, path, err))
		return false;
	*moved = !target_same(first, &second);
	if (*moved)
		return true;
	note_target(survey, &second);
	privileges_raise();

	const bool settled = settle_holders(survey, root, &second, options, second_look, err);

	privileges_lower();
	return settled;
}

/* One attempt; *moved when the database was replaced under it. */
static bool attempt(struct survey *survey, const struct proc_root *root, const char *path,
		    const struct survey_options *options, bool *moved, struct error *err)
{
	auto_target target = TARGET_NONE;
	bool done = false;

	*moved = false;
	if (!target_open(&target, root, path, err) || !target_may_read(&target, err))
		return false;
	survey->initial_pid_namespace = root->initial_pid_namespace;
	survey->proc_hides = proc_hides_processes(root);
	if (certified_at_once(&target, options)) {
		note_target(survey, &target);
		done = settle_certified(survey, &target, err);
	} else {
		done = look_twice(survey, root, &target, path, options, moved, err);
	}
	sort_holders(survey);
	survey->taken = clock_wall();
	return done;
}

bool survey_take(struct survey *survey, const struct proc_root *root, const char *path,
		 const struct survey_options *options, struct error *err)
{
	bool moved = true;

	for (int i = 0; i < MOST_ATTEMPTS && moved; i++) {
		survey_release(survey);
		if (!attempt(survey, root, path, options, &moved, err))
			return false;
	}
	if (moved) {
		auto_free char *shown = text_printable(path);

		return fail(err, STATUS_TROUBLE, "%s: is being replaced all the time", shown);
	}
	return true;
}
