/* Rules about what the holders have to do with one another, and with the files' names and owners. See rules.h. */

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/memory.h"
#include "common/base/scope.h"
#include "common/base/text.h"
#include "common/rules.h"

/* What it waits for: what the kernel says; and who holds PENDING wants EXCLUSIVE next. */
static bool wants(const struct holder *holder, enum lock_slot slot, bool *write)
{
	const struct lock_bytes *locks = &holder->locks;
	const bool commits = slot == SLOT_SHARED && lock_bytes_writes(locks, SLOT_PENDING) &&
			     !lock_bytes_writes(locks, SLOT_SHARED);

	*write = commits || lock_bytes_writes(&holder->wanted, slot);
	return *write || lock_bytes_holds(&holder->wanted, slot);
}

static bool waits_for(const struct holder *holder, const struct holder *other)
{
	for (enum lock_slot slot = 0; slot < SLOT_COUNT; slot++) {
		bool write = false;

		if (wants(holder, slot, &write) &&
		    (lock_bytes_writes(&other->locks, slot) ||
		     (write && lock_bytes_reads(&other->locks, slot))))
			return true;
	}
	return false;
}

static bool is_deadlocked(const struct survey *survey, const struct holder *holder)
{
	for (size_t i = 0; survey->consistent && i < survey->holders.count; i++) {
		const struct holder *other = &survey->holders.items[i];

		if (other != holder && waits_for(holder, other) && waits_for(other, holder))
			return true;
	}
	return false;
}

/*
 * Two that wait for one another. A process that asks again and again, as SQLite does, is not seen waiting unless it was
 * traced; so nobody is called deadlocked who merely reads while another wants to commit.
 */
bool rule_deadlock(const struct survey *survey, const struct verdict *verdict,
		   struct finding *finding)
{
	(void)verdict;
	if (!finding_add_those(finding, survey, is_deadlocked))
		return false;

	auto_free char *who = finding_who(finding);

	finding->why = memory_format("%s wait for each other's locks: none of them can go on "
				     "unless one gives up",
				     who);
	finding->fix = memory_copy_text("roll back the one that has only read; begin to write with "
					"BEGIN IMMEDIATE");
	return true;
}

/* It has the wal-index open and none of the locks of who has opened it: the connection is another process's. */
static bool has_inherited(const struct survey *survey, const struct holder *holder)
{
	return survey->mode == JOURNAL_WAL && holder_has_open(holder, FILE_SHM) &&
	       lock_bytes_none(&holder->locks);
}

static bool was_left_over(const struct survey *survey, const struct holder *holder)
{
	const bool wants_to_stay = holder->process.daemon && !has_inherited(survey, holder);

	return holder->process.orphaned && !wants_to_stay && holder_uses_current(holder) &&
	       !holder_is_bystander(holder);
}

bool rule_leftover_child(const struct survey *survey, const struct verdict *verdict,
			 struct finding *finding)
{
	(void)verdict;
	if (!finding_add_those(finding, survey, was_left_over))
		return false;

	auto_free char *who = finding_who(finding);

	finding->why =
		memory_format("the program that forked %s has ended, and what it left behind "
			      "still has the database open",
			      who);
	finding->fix = finding_command(survey, "botkill");
	return true;
}

static bool shares_a_file(const struct survey *survey, const struct holder *holder)
{
	(void)survey;
	return holder->shares;
}

bool rule_forked_connection(const struct survey *survey, const struct verdict *verdict,
			    struct finding *finding)
{
	(void)verdict;
	if (!finding_add_those(finding, survey, shares_a_file))
		return false;

	auto_free char *who = finding_who(finding);

	finding->why = memory_format(
		"one open file of the database is shared by %s: it was carried through a fork, and a "
		"connection used on both sides can destroy the database",
		who);
	finding->fix = memory_copy_text("open the connection after the fork, in the process that "
					"uses it");
	return true;
}

static bool is_elsewhere(const struct survey *survey, const struct holder *holder)
{
	(void)survey;
	return holder->elsewhere != NULL;
}

bool rule_split_sidecars(const struct survey *survey, const struct verdict *verdict,
			 struct finding *finding)
{
	const struct holder *first = finding_add_those(finding, survey, is_elsewhere);

	(void)verdict;
	if (!first)
		return false;

	auto_free char *who = finding_who(finding);
	auto_free char *file = text_printable(first->elsewhere);

	finding->why = memory_format(
		"by another name of this database (a hard link, or only the file mounted into a "
		"container) %s %s %s: what is written by one name is missing by the other, and can "
		"destroy it",
		who, finding->pids.count > 1 ? "use, among others," : "uses", file);
	finding->fix =
		memory_copy_text("stop those, and let all use one name; mount the folder into "
				 "the container, not the file");
	return true;
}

/* Who may surely not write, whatever the group and the access control list say: the mode is their limit. */
static bool may_surely_not_write(const struct file_access *file, uid_t uid)
{
	if (file->uid == uid)
		return !(file->mode & S_IWUSR);
	return !(file->mode & (S_IWGRP | S_IWOTH));
}

enum { NOT_REFUSED = -1, FOLDER = FILE_COUNT };

/* The first of the other files, or the folder, that keeps a user from writing who may write the database itself. */
static int refused_to(const struct survey *survey, uid_t uid)
{
	if (uid == 0 || may_surely_not_write(&survey->access[FILE_MAIN], uid))
		return NOT_REFUSED;
	for (enum database_file file = FILE_MAIN + 1; file < FILE_COUNT; file++)
		if (survey->exists[file] && may_surely_not_write(&survey->access[file], uid))
			return (int)file;
	return may_surely_not_write(&survey->folder_access, uid) ? FOLDER : NOT_REFUSED;
}

/* Who is asked about: the owner of the database, and everybody who has it open for writing. */
static int find_refused(const struct survey *survey, struct finding *finding, uid_t *uid)
{
	int first = refused_to(survey, survey->access[FILE_MAIN].uid);

	*uid = survey->access[FILE_MAIN].uid;
	for (size_t i = 0; i < survey->holders.count; i++) {
		const struct holder *holder = &survey->holders.items[i];
		int file = NOT_REFUSED;

		if (holder->process.known && holder_can_write_current(holder, FILE_MAIN))
			file = refused_to(survey, holder->process.uid);
		if (file != NOT_REFUSED)
			finding_add(finding, holder);
		if (file != NOT_REFUSED && first == NOT_REFUSED) {
			first = file;
			*uid = holder->process.uid;
		}
	}
	return first;
}

/*
 * The command that gives a sidecar what SQLite would have given it: the owner and permissions of the database. -h: whose
 * folder it is could put a link to another file there, for root to give away.
 */
static char *repair_of(const struct survey *survey, enum database_file file)
{
	const bool other_owner = survey->access[file].uid != survey->access[FILE_MAIN].uid;
	struct text command = { 0 };

	text_append(&command, "%s --reference=", other_owner ? "chown -h" : "chmod");
	text_append_shell_word(&command, survey->database);
	text_append(&command, " ");
	text_append_shell_word(&command, survey->database);
	text_append(&command, "%s", database_file_suffix(file));
	return text_take(&command);
}

/* What is there need not be made. Who closes it last removes it if he may. */
static bool has_wal(const struct survey *survey)
{
	return survey->mode == JOURNAL_WAL && survey->exists[FILE_WAL] && survey->exists[FILE_SHM];
}

bool rule_sidecar_permissions(const struct survey *survey, const struct verdict *verdict,
			      struct finding *finding)
{
	uid_t uid = 0;
	const int file = find_refused(survey, finding, &uid);

	(void)verdict;
	if (file == NOT_REFUSED)
		return false;
	if (file == FOLDER) {
		finding->why = memory_format(
			"user %u may write the database but not its folder, where SQLite has to make "
			"its -journal or -wal: writing %s (\"unable to open database file\", "
			"\"attempt to write a readonly database\")",
			(unsigned)uid,
			has_wal(survey)
				? "works only while the -wal and -shm of now are there, and is then refused"
				: "is refused");
		finding->fix = memory_copy_text("let that user write to the folder");
		return true;
	}
	finding->why = memory_format(
		"user %u may write the database but not its %s, probably made by a "
		"program that another user ran: writing is refused (\"attempt to write a "
		"readonly database\")",
		(unsigned)uid, database_file_suffix((enum database_file)file));
	finding->fix = repair_of(survey, (enum database_file)file);
	return true;
}
