#include "common/sqlite/script_rights.h"

#include <sqlite3.h>
#include <string.h>
#include <strings.h>

/* PRAGMAs for all, also with a value. */
static const char *const harmless[] = { "analysis_limit",      "application_id",
					"cache_size",	       "cache_spill",
					"case_sensitive_like", "collation_list",
					"compile_options",     "database_list",
					"defer_foreign_keys",  "foreign_key_check",
					"foreign_key_list",    "foreign_keys",
					"function_list",       "ignore_check_constraints",
					"index_info",	       "index_list",
					"index_xinfo",	       "integrity_check",
					"legacy_alter_table",  "optimize",
					"quick_check",	       "recursive_triggers",
					"table_info",	       "table_list",
					"table_xinfo",	       "temp_store",
					"user_version" };

/* For all, as long as nothing is set. */
static const char *const to_read[] = { "automatic_index",
				       "cell_size_check",
				       "checkpoint_fullfsync",
				       "data_store_directory",
				       "data_version",
				       "freelist_count",
				       "fullfsync",
				       "locking_mode",
				       "mmap_size",
				       "module_list",
				       "page_count",
				       "pragma_list",
				       "query_only",
				       "read_uncommitted",
				       "reverse_unordered_selects",
				       "schema_version",
				       "temp_store_directory",
				       "threads",
				       "trusted_schema",
				       "writable_schema" };

/* The same; one that is alone may set them, since that stays within the file. */
static const char *const of_the_file[] = {
	"auto_vacuum",	  "busy_timeout", "encoding",	   "journal_mode", "journal_size_limit",
	"max_page_count", "page_size",	  "secure_delete", "synchronous",  "wal_autocheckpoint"
};

/* These do something without a value, too: for one that is alone. */
static const char *const deeds[] = { "incremental_vacuum", "wal_checkpoint" };

/* Of SQLite's shell and of extensions; most are not known here at all. */
static const char *const functions[] = { "load_extension", "fts3_tokenizer", "readfile",
					 "writefile", "edit" };

static bool is_one_of(const char *name, const char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strcasecmp(name, names[i]) == 0)
			return true;
	return false;
}

#define IS_ONE_OF(name, names) is_one_of(name, names, sizeof(names) / sizeof *(names))

/* Notes why; the first reason of a statement counts. */
static int refuse(struct script_judge *judge, const char *name, const char *why)
{
	if (judge->reason.length == 0)
		text_append(&judge->reason, "%s %s", name, why);
	return SQLITE_DENY;
}

static bool is_alone(const struct script_judge *judge)
{
	return judge->rights == SCRIPT_ALONE;
}

static int judge_pragma(struct script_judge *judge, const char *name, const char *value)
{
	const bool about_file = IS_ONE_OF(name, of_the_file);
	const bool for_alone = about_file || IS_ONE_OF(name, deeds);
	const bool readable = about_file || IS_ONE_OF(name, to_read);
	auto_text shown = { 0 };

	if (IS_ONE_OF(name, harmless) || (readable && !value) || (for_alone && is_alone(judge)))
		return SQLITE_OK;
	text_append(&shown, "PRAGMA %s", name);
	return refuse(judge, text_string(&shown),
		      for_alone	 ? "does not belong into a transaction; a dbmate migration with "
				   "transaction:false may have it"
		      : readable ? "may be read by a migration, but not set"
				 : "is not one that a migration may use");
}

static int judge_transaction(struct script_judge *judge, const char *what)
{
	return is_alone(judge)
		       ? SQLITE_OK
		       : refuse(judge, what, "leaves the transaction that the migration runs in");
}

static int judge_savepoint(struct script_judge *judge, const char *what)
{
	return judge_transaction(judge, strcmp(what, "BEGIN") == 0	? "SAVEPOINT"
					: strcmp(what, "ROLLBACK") == 0 ? "ROLLBACK TO"
									: what);
}

/* A VACUUM attaches a temporary database, which has no name, to put the new one together. */
static int judge_attach(struct script_judge *judge, const char *file)
{
	if (judge->vacuum && file && !*file && is_alone(judge))
		return SQLITE_OK;
	return refuse(judge, judge->vacuum ? "VACUUM INTO" : "ATTACH",
		      "leaves the file: a migration changes one database");
}

static int judge_function(struct script_judge *judge, const char *name)
{
	return IS_ONE_OF(name, functions)
		       ? refuse(judge, name, "leaves the file: a migration changes one database")
		       : SQLITE_OK;
}

/* SQLite's authorizer; what the two words are depends on the action. */
int script_judge(void *context, int action, const char *first, const char *second,
		 const char *database, const char *within)
{
	struct script_judge *judge = context;

	(void)database;
	(void)within;
	switch (action) {
	case SQLITE_TRANSACTION:
		return judge_transaction(judge, first);
	case SQLITE_SAVEPOINT:
		return judge_savepoint(judge, first);
	case SQLITE_ATTACH:
		return judge_attach(judge, first);
	case SQLITE_DETACH:
		return refuse(judge, "DETACH", "leaves the file: a migration changes one database");
	case SQLITE_FUNCTION:
		return judge_function(judge, second);
	case SQLITE_PRAGMA:
		return judge_pragma(judge, first, second);
	default:
		return SQLITE_OK;
	}
}
