#include "tests/unit/test.h"

#include <jansson.h>
#include <locale.h>

#include "tests/unit/made_up.h"

#include "common/base/json.h"
#include "common/base/scope.h"
#include "common/report.h"

static int use_utf8(void **state)
{
	(void)state;
	return setlocale(LC_CTYPE, "C.UTF-8") ? 0 : -1;
}

static const struct report_style plain = { .width = 100 };

/* The text of a report on that survey; free() it. */
static char *report(const struct survey *survey, const struct report_style *style)
{
	auto_verdict verdict = { 0 };
	auto_diagnosis diagnosis = { 0 };
	struct text text = { 0 };

	verdict_decide(survey, false, &verdict);
	diagnosis_make(survey, &verdict, &diagnosis);
	report_text(&text, survey, &verdict, &diagnosis, style);
	return text_take(&text);
}

static json_t *report_as_json(const struct survey *survey)
{
	auto_verdict verdict = { 0 };
	auto_diagnosis diagnosis = { 0 };

	verdict_decide(survey, false, &verdict);
	diagnosis_make(survey, &verdict, &diagnosis);

	auto_free char *line =
		json_take_line(report_json("dblockcheck", survey, &verdict, &diagnosis));
	json_t *document = json_loads(line, JSON_REJECT_DUPLICATES, NULL);

	assert_non_null(document);
	assert_null(strchr(line, '\n'));
	return document;
}

static void assert_has(const char *text, const char *wanted)
{
	if (!strstr(text, wanted))
		fail_msg("%s\n--- has no\n%s", text, wanted);
}

static void assert_has_not(const char *text, const char *unwanted)
{
	if (strstr(text, unwanted))
		fail_msg("%s\n--- has\n%s", text, unwanted);
}

/* Nothing that a terminal obeys, valid UTF-8 all through. */
static void assert_tame(const char *text)
{
	assert_true(text_is_utf8(text, strlen(text)));
	for (const char *at = text; *at; at++)
		if (((unsigned char)*at < 0x20 && *at != '\n') || *at == 0x7f)
			fail_msg("byte 0x%02x in: %s", (unsigned char)*at, text);
}

static void assert_width(const char *text, size_t width)
{
	while (*text) {
		auto_free char *line = memory_copy(text, strcspn(text, "\n"));

		if (text_columns(line) > width)
			fail_msg("%zu columns: %s", text_columns(line), line);
		text += strlen(line);
		text += *text == '\n';
	}
}

static void make_locked_wal(struct survey *survey)
{
	struct holder *writer = NULL, *reader = NULL, *editor = NULL;

	made_up_start(survey, JOURNAL_WAL);
	writer = made_up_connection(survey, 4123);
	writer->process.supervisor.kind = SUPERVISOR_DOCKER;
	memset(writer->process.supervisor.id, 'a', 64);
	made_up_lock(survey, writer, SLOT_WRITE, true);
	made_up_lock(survey, writer, SLOT_READ1, false);
	reader = made_up_process(survey, 4377, "/usr/bin/sqlite3", "sqlite3 data/bot.db");
	reader->process.tty = memory_copy_text("pts/2");
	(void)made_up_file(reader, FILE_MAIN, 3, true);
	made_up_lock(survey, reader, SLOT_SHARED, false);
	made_up_lock(survey, reader, SLOT_DMS, false);
	made_up_lock(survey, reader, SLOT_READ2, false);
	editor = made_up_process(survey, 5120, "/usr/bin/cursor", "cursor --type=utility");
	(void)made_up_file(editor, FILE_MAIN, 30, false);
}

static void a_locked_database_reads_as_promised(void **state)
{
	auto_survey survey = { 0 };

	(void)state;
	make_locked_wal(&survey);

	auto_free char *text = report(&survey, &plain);

	assert_has(text,
		   "data/bot.db: LOCKED, writers get \"database is locked\"\n"
		   "  WAL mode, 4.0 MiB + 1.2 MiB in the WAL (312 frames, 31 checkpointed)\n\n");
	assert_has(text, "  PID   USER  LOCKS        WHAT IT IS DOING                    COMMAND\n"
			 "  4123  bot   WRITE READ1  write transaction, idle for 0.2 s+  "
			 "python3 bot.py  (docker aaaaaaaaaaaa)\n"
			 "  4377  bot   READ2        reads a snapshot 281 frames old     "
			 "sqlite3 data/bot.db  (pts/2)\n"
			 "  5120  bot   -            has it open, no lock                "
			 "cursor --type=utility\n");
	assert_has(text, "  read     yes\n"
			 "  write    no   4123 holds WRITE\n"
			 "  migrate  no   3 processes have it open\n");
	assert_has(text, "\n  idle-writer: 4123 ");
	assert_has(text, "\n    fix: botkill data/bot.db\n");
	assert_tame(text);
	assert_width(text, 100);
}

static void a_free_database_reads_as_promised(void **state)
{
	auto_survey survey = { 0 };

	(void)state;
	made_up_start(&survey, JOURNAL_ROLLBACK);

	auto_free char *text = report(&survey, &plain);

	assert_string_equal(text, "data/bot.db: FREE, no process has it open\n"
				  "  rollback mode, 4.0 MiB\n\n"
				  "  read     yes\n"
				  "  write    yes\n"
				  "  migrate  yes\n");
	survey.certificate = CERTIFICATE_FREE;

	auto_free char *certified = report(&survey, &plain);

	assert_has(certified, "FREE, no process has it open (certified by the kernel)\n");
}

static void what_cannot_be_told_is_not_called_free(void **state)
{
	auto_survey survey = { 0 };

	(void)state;
	made_up_start(&survey, JOURNAL_ROLLBACK);
	survey.hidden_processes = 2;

	auto_free char *text = report(&survey, &plain);

	assert_has(text, ": UNKNOWN, ");
	assert_has(text, "  migrate  ?    cannot tell: see below\n");
	assert_has(text, "hidden-processes: 2 processes");
	assert_has_not(text, "FREE");
	assert_width(text, 100);
}

static void somebody_who_cannot_be_seen_is_in_the_way(void **state)
{
	auto_survey survey = { 0 };

	(void)state;
	made_up_start(&survey, JOURNAL_ROLLBACK);
	made_up_hidden_lock(&survey, SLOT_RESERVED, true);

	auto_free char *text = report(&survey, &plain);

	assert_has(text, "  write    no   somebody who cannot be seen from here holds a lock\n");
	assert_has(text, "  migrate  no   somebody who cannot be seen from here has it open\n");
}

static void readers_that_are_refused_are_said_in_the_first_line(void **state)
{
	auto_survey survey = { 0 };

	(void)state;
	made_up_start(&survey, JOURNAL_ROLLBACK);
	(void)made_up_writer(&survey, 10, SLOT_SHARED);

	auto_free char *text = report(&survey, &plain);

	assert_has(text, "data/bot.db: LOCKED, readers and writers get \"database is locked\"\n");
	assert_has(text, "  rollback mode, 4.0 MiB + a journal of 4.5 KiB\n");
	assert_has(text, "RESERVED PENDING EXCLUSIVE");
	assert_has(text, "  read     no   10 holds PENDING\n");
	assert_has(text, "  migrate  no   10 has it open\n");
	assert_width(text, 100);
}

static void color_is_only_around_the_state(void **state)
{
	const struct report_style colored = { .width = 100, .color = true };
	auto_survey survey = { 0 };

	(void)state;
	made_up_start(&survey, JOURNAL_ROLLBACK);

	auto_free char *text = report(&survey, &colored);

	assert_has(text, "data/bot.db: \x1b[1;32mFREE\x1b[0m, no process has it open\n");
	assert_tame(strchr(text, '\n'));
}

/* Names that try to look like something else, everywhere a name can be. */
static void make_hostile(struct survey *survey)
{
	static const char name[] = "a\x1b[2J\n  read     yes\n\u202eb\xff\\n";
	struct holder *holder = NULL;

	make_locked_wal(survey);
	holder = &survey->holders.items[0];
	free(survey->given);
	survey->given = memory_copy_text(name);
	free(survey->database);
	survey->database = memory_copy_text(name);
	free(survey->filesystem);
	survey->filesystem = memory_copy_text(name);
	survey->trust = FILESYSTEM_SHARED;
	free(holder->process.user);
	holder->process.user = memory_copy_text(name);
	free(holder->process.name);
	holder->process.name = memory_copy_text("a\n\x1b\xff");
	free(holder->process.exe);
	holder->process.exe = memory_copy_text(name);
	free(holder->process.cwd);
	holder->process.cwd = memory_copy_text(name);
	free(holder->path);
	holder->path = memory_copy_text(name);
	made_up_word(&holder->process, name);
	holder->process.supervisor.kind = SUPERVISOR_SYSTEMD;
	(void)snprintf(holder->process.supervisor.name, sizeof holder->process.supervisor.name,
		       "%s", name);
	holder->process.ancestors[0] = (struct ancestor){ .pid = 1, .name = "x\n\x1b[0m\xff" };
	holder->process.ancestor_count = 1;
	free(survey->holders.items[1].process.tty);
	survey->holders.items[1].process.tty = memory_copy_text(name);
}

static void hostile_names_do_nothing_to_the_text(void **state)
{
	const struct report_style verbose = { .width = 100, .verbose = true };
	auto_survey survey = { 0 };

	(void)state;
	make_hostile(&survey);

	auto_free char *text = report(&survey, &verbose);
	const char *forged = strstr(text, "\n  read     ");

	assert_tame(text);
	assert_non_null(forged);
	assert_null(strstr(forged + 1, "\n  read     "));
	assert_has_not(text, "\u202e");
}

static void hostile_names_come_out_of_the_json_as_they_went_in(void **state)
{
	auto_survey survey = { 0 };

	(void)state;
	make_hostile(&survey);

	json_t *document = report_as_json(&survey);
	const json_t *holder = json_array_get(json_object_get(document, "holders"), 0);

	assert_string_equal(json_string_value(json_object_get(holder, "name")), "a\n\x1b\ufffd");
	assert_string_equal(json_string_value(json_object_get(holder, "name_hex")), "610a1bff");
	assert_non_null(json_object_get(document, "database_hex"));
	assert_non_null(json_object_get(holder, "command_hex"));
	assert_non_null(json_object_get(holder, "exe_hex"));
	json_decref(document);
}

static void a_command_of_100_kilobytes_is_cut_in_text_and_whole_in_json(void **state)
{
	enum { SIZE = 100 * 1024 };
	auto_survey survey = { 0 };
	auto_free char *word = memory_allocate(SIZE + 1, 1);

	(void)state;
	memset(word, 'x', SIZE);
	made_up_start(&survey, JOURNAL_ROLLBACK);
	made_up_word(&made_up_user(&survey, 10)->process, word);

	auto_free char *text = report(&survey, &plain);
	json_t *document = report_as_json(&survey);
	const json_t *holder = json_array_get(json_object_get(document, "holders"), 0);
	const json_t *last = json_array_get(json_object_get(holder, "command"), 2);

	assert_width(text, 100);
	assert_has(text, "xxx…\n");
	assert_int_equal(json_string_length(last), SIZE);
	json_decref(document);
}

static void verbose_tells_who_the_holders_are(void **state)
{
	const struct report_style verbose = { .width = 100, .verbose = true };
	auto_survey survey = { 0 };

	(void)state;
	make_locked_wal(&survey);
	survey.holders.items[0].process.ancestors[0] =
		(struct ancestor){ .pid = 900, .name = "bash" };
	survey.holders.items[0].process.ancestors[1] =
		(struct ancestor){ .pid = 1, .name = "systemd" };
	survey.holders.items[0].process.ancestor_count = 2;

	auto_free char *text = report(&survey, &verbose);

	assert_has(text, "\n  4123  locks --r/r.w--.-r---, started ");
	assert_has(text, "\n    command  python3 bot.py\n"
			 "    program  /usr/bin/python3.11\n"
			 "    folder   /srv\n"
			 "    file     /srv/data/bot.db\n"
			 "    parents  900 bash < 1 systemd\n");
}

static void a_holder_known_by_its_lock_alone_says_so(void **state)
{
	auto_survey survey = { 0 };

	(void)state;
	made_up_start(&survey, JOURNAL_ROLLBACK);
	survey.holders.items[survey.holders.count++] = (struct holder){ .process.pid = 77 };
	made_up_lock(&survey, &survey.holders.items[0], SLOT_RESERVED, true);

	auto_free char *text = report(&survey, &plain);

	assert_has(text, "  77   ?     RESERVED  write transaction  ? (its locks are all that can");

	json_t *document = report_as_json(&survey);
	const json_t *holder = json_array_get(json_object_get(document, "holders"), 0);
	static const char *const nulls[] = { "start_ticks",   "ppid",  "user", "uid",  "name",
					     "command",	      "exe",   "tty",  "cwd",  "supervisor",
					     "container_pid", "state", "idle", "path", "catches" };

	assert_int_equal(json_integer_value(json_object_get(holder, "pid")), 77);
	for (size_t i = 0; i < sizeof nulls / sizeof *nulls; i++)
		assert_true(json_is_null(json_object_get(holder, nulls[i])));
	json_decref(document);
}

static void assert_activity(const struct survey *survey, size_t which, const char *expected)
{
	auto_free char *activity = report_activity(survey, &survey->holders.items[which]);

	assert_string_equal(activity, expected);
}

static void activities_are_said_in_words(void **state)
{
	auto_survey survey = { 0 };

	(void)state;
	made_up_start(&survey, JOURNAL_ROLLBACK);
	(void)made_up_user(&survey, 1);
	made_up_lock(&survey, made_up_user(&survey, 2), SLOT_SHARED, false);
	(void)made_up_writer(&survey, 3, SLOT_RESERVED);
	made_up_busy(made_up_writer(&survey, 4, SLOT_RESERVED));
	made_up_stopped(made_up_writer(&survey, 5, SLOT_RESERVED));
	made_up_writer(&survey, 6, SLOT_RESERVED)->after.state = PROCESS_DISK_WAIT;
	made_up_writer(&survey, 7, SLOT_RESERVED)->sampled_seconds = 0;
	made_up_user(&survey, 8)->files[0].replaced = true;
	assert_activity(&survey, 0, "has it open, no lock");
	assert_activity(&survey, 1, "read transaction");
	assert_activity(&survey, 2, "write transaction, idle for 0.2 s+");
	assert_activity(&survey, 3, "write transaction, working");
	assert_activity(&survey, 4, "write transaction, stopped");
	assert_activity(&survey, 5, "write transaction, in disk wait");
	assert_activity(&survey, 6, "write transaction");
	assert_activity(&survey, 7, "has the file from before open");
}

static void what_every_connection_holds_is_left_out_where_there_is_more(void **state)
{
	auto_survey survey = { 0 };

	(void)state;
	made_up_start(&survey, JOURNAL_WAL);
	(void)made_up_connection(&survey, 1);
	made_up_lock(&survey, made_up_connection(&survey, 2), SLOT_READ3, false);
	(void)made_up_user(&survey, 3);

	auto_free char *connected = report_locks(&survey, &survey.holders.items[0]);
	auto_free char *reader = report_locks(&survey, &survey.holders.items[1]);
	auto_free char *open = report_locks(&survey, &survey.holders.items[2]);

	assert_string_equal(connected, "SHARED DMS");
	assert_string_equal(reader, "READ3");
	assert_string_equal(open, "-");
}

/* Every rule that can apply, with names that are short enough for 100 columns. */
static void make_everything(struct survey *survey, enum journal_mode mode)
{
	made_up_start(survey, mode);
	survey->header.is_database = false;
	survey->trust = FILESYSTEM_SHARED;
	survey->has_dotfile = true;
	survey->journal_hot = mode != JOURNAL_WAL;
	survey->hidden_processes = 12;
	made_up_hidden_lock(survey, SLOT_CKPT, true);
	(void)made_up_user(survey, 4001);
	(void)made_up_user(survey, 4002);
	(void)made_up_file(made_up_process(survey, 4003, "/bin/cp", "cp"), FILE_MAIN, 3, false);
	made_up_user(survey, 4004)->files[0].replaced = true;
	made_up_stopped(made_up_user(survey, 4005));
	if (mode == JOURNAL_WAL) {
		made_up_lock(survey, made_up_connection(survey, 4006), SLOT_READ2, false);
		made_up_lock(survey, made_up_connection(survey, 4007), SLOT_WRITE, true);
		(void)made_up_file(made_up_user(survey, 4008), FILE_SHM, 4, true);
		made_up_lock(survey, &survey->holders.items[7], SLOT_DMS, false);
		made_up_lock(survey, made_up_connection(survey, 4009), SLOT_RECOVER, true);
	} else {
		made_up_lock(survey, made_up_user(survey, 4006), SLOT_SHARED, false);
		(void)made_up_writer(survey, 4007, SLOT_PENDING);
		made_up_busy(made_up_writer(survey, 4008, SLOT_RESERVED));
		(void)made_up_file(made_up_user(survey, 4009), FILE_JOURNAL, 4, true);
	}
}

static void no_sentence_is_wider_than_the_page(void **state)
{
	static const enum journal_mode modes[] = { JOURNAL_ROLLBACK, JOURNAL_WAL };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		auto_survey survey = { 0 };

		make_everything(&survey, modes[i]);

		auto_free char *text = report(&survey, &plain);

		assert_width(text, 100);
	}
}

static void no_sentence_loses_a_blank_where_it_is_broken(void **state)
{
	auto_survey survey = { 0 };

	(void)state;
	/* At each width words are broken elsewhere; without the line breaks they are the same words. */
	made_up_start(&survey, JOURNAL_WAL);
	survey.trust = FILESYSTEM_SHARED;
	free(survey.filesystem);
	survey.filesystem = memory_copy_text("数据库数据库数据库数据库");
	for (size_t width = 40; width < 140; width++) {
		const struct report_style style = { .width = width };
		auto_free char *text = report(&survey, &style);
		char *words = strstr(text, "unsafe-filesystem");
		char joined[1024] = "";
		size_t length = 0;

		assert_non_null(words);
		for (char *word = strtok(words, " \n"); word; word = strtok(NULL, " \n"))
			length += (size_t)snprintf(joined + length, sizeof joined - length, "%s ",
						   word);
		assert_has(joined,
			   "unsafe-filesystem: it lies on 数据库数据库数据库数据库: locks of "
			   "other machines may not be seen, and SQLite's locks may not work "
			   "there; WAL mode is not supported. ");
	}
}

static void the_json_has_every_promised_key(void **state)
{
	static const char *const keys[] = {
		"schema",   "tool",	    "host",	  "time",
		"database", "status",	    "certified",  "can",
		"blockers", "journal_mode", "size_bytes", "page_size_bytes",
		"wal",	    "journal",	    "filesystem", "holders",
		"waiters",  "hidden",	    "findings",	  "certified_no_writer",
	};
	static const char *const holder_keys[] = {
		"pid",	"start_ticks", "ppid", "user",	     "uid",	      "name",  "command",
		"exe",	"tty",	       "cwd",  "supervisor", "container_pid", "locks", "locks_text",
		"role", "state",       "idle", "replaced",   "fds",	      "path",  "catches",
	};
	auto_survey survey = { 0 };

	(void)state;
	make_locked_wal(&survey);

	json_t *document = report_as_json(&survey);
	const json_t *holder = json_array_get(json_object_get(document, "holders"), 0);

	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
		if (!json_object_get(document, keys[i]))
			fail_msg("no %s", keys[i]);
	for (size_t i = 0; i < sizeof holder_keys / sizeof *holder_keys; i++)
		if (!json_object_get(holder, holder_keys[i]))
			fail_msg("no %s in a holder", holder_keys[i]);
	json_decref(document);
}

/* The value at a path of keys and indices, as compact JSON. */
static void assert_json(const json_t *document, const char *path, const char *expected)
{
	auto_free char *steps = memory_copy_text(path);
	const json_t *value = document;

	for (char *step = strtok(steps, "."); step; step = strtok(NULL, "."))
		value = json_is_array(value) ? json_array_get(value, (size_t)atoi(step))
					     : json_object_get(value, step);

	auto_free char *text = value ? json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;

	if (!text || strcmp(text, expected) != 0)
		fail_msg("%s is %s, not %s", path, text ? text : "missing", expected);
}

static void the_json_tells_no_writer_from_nobody(void **state)
{
	static const struct {
		enum certificate certificate;
		const char *nobody, *no_writer;
	} cases[] = {
		{ CERTIFICATE_NONE, "false", "false" },
		{ CERTIFICATE_FREE, "true", "true" },
		{ CERTIFICATE_NO_WRITER, "false", "true" },
		{ CERTIFICATE_IN_USE, "false", "false" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		auto_survey survey = { 0 };

		make_locked_wal(&survey);
		survey.certificate = cases[i].certificate;

		json_t *document = report_as_json(&survey);

		assert_json(document, "certified", cases[i].nobody);
		assert_json(document, "certified_no_writer", cases[i].no_writer);
		json_decref(document);
	}
}

static void the_json_says_what_the_text_says(void **state)
{
	auto_survey survey = { 0 };

	(void)state;
	make_locked_wal(&survey);
	survey.holders.items[0].process.catches = 1ULL << 14 | 1ULL << 1;

	json_t *document = report_as_json(&survey);

	assert_json(document, "schema", "1");
	assert_json(document, "tool", "\"dblockcheck\"");
	assert_json(document, "time", "\"2026-11-22T12:15:00.123Z\"");
	assert_json(document, "database", "\"/srv/data/bot.db\"");
	assert_json(document, "status", "\"locked\"");
	assert_json(document, "certified", "false");
	assert_json(document, "can", "{\"read\":true,\"write\":false,\"migrate\":false}");
	assert_json(document, "blockers",
		    "{\"read\":[],\"write\":[4123],\"migrate\":[4123,4377,5120]}");
	assert_json(document, "journal_mode", "\"wal\"");
	assert_json(document, "page_size_bytes", "4096");
	assert_json(document, "wal.frames", "312");
	assert_json(document, "wal.checkpointed_frames", "31");
	assert_json(document, "wal.pending_bytes", "1150976");
	assert_json(document, "wal.read_marks.2", "{\"slot\":2,\"frame\":31,\"pids\":[4377]}");
	assert_json(document, "wal.read_marks.4", "{\"slot\":4,\"frame\":null,\"pids\":[]}");
	assert_json(document, "journal", "{\"present\":false,\"hot\":false}");
	assert_json(document, "filesystem", "{\"type\":\"ext4\",\"inode\":131,\"network\":false}");
	assert_json(document, "holders.0.locks", "[\"SHARED\",\"WRITE\",\"READ1\",\"DMS\"]");
	assert_json(document, "holders.0.locks_text", "\"--r/r.w--.-r---\"");
	assert_json(document, "holders.0.role", "\"writer\"");
	assert_json(document, "holders.0.state", "\"sleeping\"");
	assert_json(document, "holders.0.idle", "true");
	assert_json(document, "holders.0.replaced", "false");
	assert_json(document, "holders.0.fds", "[3,4,5]");
	assert_json(document, "holders.0.catches", "[\"SIGINT\",\"SIGTERM\"]");
	assert_json(document, "holders.0.supervisor.kind", "\"docker\"");
	assert_json(document, "holders.0.supervisor.name", "null");
	assert_json(document, "holders.1.tty", "\"pts/2\"");
	assert_json(document, "holders.1.supervisor", "null");
	assert_json(document, "holders.2.role", "\"open\"");
	assert_json(document, "hidden", "{\"processes\":0,\"locks\":0}");
	assert_json(document, "findings.0.id", "\"idle-writer\"");
	assert_json(document, "findings.0.pids", "[4123]");
	assert_json(document, "findings.0.fix", "\"botkill data/bot.db\"");
	json_decref(document);
}

static void the_json_has_null_for_what_is_not_known(void **state)
{
	auto_survey survey = { 0 };

	(void)state;
	made_up_start(&survey, JOURNAL_UNKNOWN);
	survey.header.page_size = 0;
	survey.hidden_processes = 4;

	json_t *document = report_as_json(&survey);

	assert_json(document, "can.migrate", "null");
	assert_json(document, "status", "\"unknown\"");
	assert_json(document, "page_size_bytes", "null");
	assert_json(document, "wal", "null");
	assert_json(document, "hidden.processes", "4");
	json_decref(document);

	survey.exists[FILE_WAL] = true;
	document = report_as_json(&survey);
	assert_json(document, "wal.frames", "null");
	assert_json(document, "wal.read_marks", "null");
	json_decref(document);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_locked_database_reads_as_promised),
		cmocka_unit_test(a_free_database_reads_as_promised),
		cmocka_unit_test(what_cannot_be_told_is_not_called_free),
		cmocka_unit_test(somebody_who_cannot_be_seen_is_in_the_way),
		cmocka_unit_test(readers_that_are_refused_are_said_in_the_first_line),
		cmocka_unit_test(color_is_only_around_the_state),
		cmocka_unit_test(hostile_names_do_nothing_to_the_text),
		cmocka_unit_test(hostile_names_come_out_of_the_json_as_they_went_in),
		cmocka_unit_test(a_command_of_100_kilobytes_is_cut_in_text_and_whole_in_json),
		cmocka_unit_test(verbose_tells_who_the_holders_are),
		cmocka_unit_test(a_holder_known_by_its_lock_alone_says_so),
		cmocka_unit_test(activities_are_said_in_words),
		cmocka_unit_test(what_every_connection_holds_is_left_out_where_there_is_more),
		cmocka_unit_test(no_sentence_is_wider_than_the_page),
		cmocka_unit_test(no_sentence_loses_a_blank_where_it_is_broken),
		cmocka_unit_test(the_json_has_every_promised_key),
		cmocka_unit_test(the_json_tells_no_writer_from_nobody),
		cmocka_unit_test(the_json_says_what_the_text_says),
		cmocka_unit_test(the_json_has_null_for_what_is_not_known),
	};

	return cmocka_run_group_tests(tests, use_utf8, NULL);
}
