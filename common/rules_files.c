/* Rules about what lies on the disk. See rules.h. */

#include <stdlib.h>
#include <string.h>

#include "common/base/memory.h"
#include "common/base/scope.h"
#include "common/base/text.h"
#include "common/rules.h"

static bool uses_replaced(const struct survey *survey, const struct holder *holder)
{
	(void)survey;
	return holder_uses_replaced(holder);
}

bool rule_replaced_file(const struct survey *survey, const struct verdict *verdict,
			struct finding *finding)
{
	(void)verdict;
	if (!finding_add_those(finding, survey, uses_replaced))
		return false;

	auto_free char *who = finding_who(finding);

	finding->why = memory_format(
		"a file that was deleted or replaced since is still used by %s: what is "
		"written there is lost, and others do not see the locks on it",
		who);
	finding->fix = memory_copy_text("stop that process and start it again");
	return true;
}

/* SQLite replays a -wal that it finds, whatever database it belonged to (reference: howtocorrupt.html 1.4). */
bool rule_leftover_wal(const struct survey *survey, const struct verdict *verdict,
		       struct finding *finding)
{
	(void)verdict;
	if (survey->mode != JOURNAL_WAL || survey->header.mode != JOURNAL_ROLLBACK)
		return false;
	finding->why =
		memory_copy_text("the database says that it is not in WAL mode, yet a -wal file "
				 "lies beside it; if that was left by another database (a copy "
				 "put back by hand), the next program that opens this one "
				 "writes it into it");
	finding->fix = memory_copy_text(
		"stop everybody, copy both files, and find out where the -wal came "
		"from before anybody opens it");
	return true;
}

bool rule_hot_journal(const struct survey *survey, const struct verdict *verdict,
		      struct finding *finding)
{
	(void)verdict;
	if (!survey->journal_hot)
		return false;
	finding->why =
		memory_copy_text("a writer ended in the middle of a transaction and left its "
				 "journal; the next program that opens the database rolls it "
				 "back");
	finding->fix =
		memory_copy_text("start the bot, or open it once with sqlite3; until then keep the "
				 "-journal file");
	return true;
}

bool rule_unsafe_filesystem(const struct survey *survey, const struct verdict *verdict,
			    struct finding *finding)
{
	auto_free char *type = text_printable(survey->filesystem);

	(void)verdict;
	if (survey->trust != FILESYSTEM_SHARED)
		return false;
	finding->why = memory_format(
		"it lies on %s: locks of other machines may not be seen, and "
		"SQLite's locks may not work there%s",
		type, survey->mode == JOURNAL_WAL ? "; WAL mode is not supported" : "");
	finding->fix = memory_copy_text("move the database to a local disk");
	return true;
}

/* It has the database open for writing without any lock that the kernel knows. */
static bool is_lockless(const struct survey *survey, const struct holder *holder)
{
	(void)survey;
	return holder_uses_current(holder) && lock_bytes_none(&holder->locks) &&
	       holder_can_write(holder, FILE_MAIN);
}

bool rule_dotfile_lock(const struct survey *survey, const struct verdict *verdict,
		       struct finding *finding)
{
	(void)verdict;
	if (!survey->has_dotfile || !finding_add_those(finding, survey, is_lockless))
		return false;

	auto_free char *who = finding_who(finding);

	finding->why = memory_format(
		"a folder beside the database that ends in .lock is the lock of %s (the "
		"unix-dotfile VFS); programs with ordinary locks do not see it, and can destroy what is written",
		who);
	finding->fix = memory_format("wait until %s is done, and use one VFS in all programs", who);
	return true;
}

bool rule_stale_dotfile(const struct survey *survey, const struct verdict *verdict,
			struct finding *finding)
{
	struct finding lockless = { 0 };

	(void)verdict;
	/* "Nobody" must be proved before anybody is told to remove a lock. */
	if (!survey->has_dotfile || survey->hidden_opener ||
	    (survey->certificate != CERTIFICATE_FREE && !survey_saw_everything(survey)))
		return false;

	const bool in_use = finding_add_those(&lockless, survey, is_lockless);

	free(lockless.pids.items);
	if (in_use)
		return false;
	finding->why = memory_format("a lock folder of the unix-dotfile VFS was left beside the "
				     "database %.0f s ago, and nobody who could own it has the "
				     "database open",
				     survey->dotfile_age > 0 ? survey->dotfile_age : 0);
	auto_free char *command = finding_command(survey, "rmdir");

	/* A quoted word may be followed by a bare one: 'a b'.lock is one word to a shell. */
	finding->fix = memory_format("%s.lock", command);
	return true;
}

bool rule_not_a_database(const struct survey *survey, const struct verdict *verdict,
			 struct finding *finding)
{
	(void)verdict;
	if (survey->header.is_database)
		return false;
	finding->why =
		memory_copy_text("it does not start as an SQLite database does: encrypted, "
				 "damaged, or something else; locks and users are shown all the "
				 "same");
	finding->fix = memory_copy_text("");
	return true;
}
