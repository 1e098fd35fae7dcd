#include "tests/unit/test.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "common/backup_manifest.h"
#include "common/base/memory.h"

#define DIGEST_A "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define DIGEST_B "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static void made(struct backup_manifest *manifest)
{
	*manifest = (struct backup_manifest){
		.file = memory_copy_text("bot-20261122T121500.123Z.db.zst"),
		.source = memory_copy_text("/srv/data/bot.db"),
		.host = memory_copy_text("bots"),
		.inode = UINT64_C(1234567890123),
		.method = memory_copy_text("copy_file_range"),
		.time = INT64_C(1795349700123),
		.size = UINT64_C(5000000000),
		.file_size = 123456789,
		.packed = true,
		.digest = DIGEST_A,
		.database_digest = DIGEST_B,
		.facts = {
			.user_version = -7,
			.application_id = 0x42303031,
			.pages = 1220703,
			.page_size = 4096,
			.has_revision = true,
			.revision = "1975ea83b712",
		},
		.was_wal = true,
		.verified = INTEGRITY_QUICK,
		.lock_seconds = 1.234,
		.mode = 0640,
		.uid = 1000,
		.gid = 33,
	};
}

static void assert_equal(const struct backup_manifest *a, const struct backup_manifest *b)
{
	assert_string_equal(a->file, b->file);
	assert_string_equal(a->source, b->source);
	assert_string_equal(a->host, b->host);
	assert_true(a->inode == b->inode);
	assert_string_equal(a->method, b->method);
	assert_true(a->time == b->time);
	assert_true(a->size == b->size && a->file_size == b->file_size);
	assert_int_equal(a->packed, b->packed);
	assert_string_equal(a->digest, b->digest);
	assert_string_equal(a->database_digest, b->database_digest);
	assert_true(a->facts.user_version == b->facts.user_version);
	assert_true(a->facts.application_id == b->facts.application_id);
	assert_true(a->facts.pages == b->facts.pages);
	assert_true(a->facts.page_size == b->facts.page_size);
	assert_int_equal(a->facts.has_revision, b->facts.has_revision);
	assert_string_equal(a->facts.revision, b->facts.revision);
	assert_int_equal(a->was_wal, b->was_wal);
	assert_int_equal(a->verified, b->verified);
	assert_true(a->lock_seconds - b->lock_seconds < 0.0006 &&
		    b->lock_seconds - a->lock_seconds < 0.0006);
	assert_int_equal(a->mode, b->mode);
	assert_int_equal(a->uid, b->uid);
	assert_int_equal(a->gid, b->gid);
}

static bool taken(const char *text, struct backup_manifest *manifest)
{
	struct error err = { 0 };
	const bool good = backup_manifest_read(text, strlen(text), manifest, &err);

	if (!good)
		assert_int_equal(err.status, STATUS_NO);
	return good;
}

static void assert_comes_back(const struct backup_manifest *manifest)
{
	auto_backup_manifest read = { 0 };
	char *text = backup_manifest_text(manifest);

	/* One line of printable ASCII. */
	for (const char *at = text; at[1]; at++)
		assert_in_range((unsigned char)*at, 0x20, 0x7e);
	assert_int_equal(text[strlen(text) - 1], '\n');
	if (!taken(text, &read))
		fail_msg("%s was refused", text);
	assert_equal(manifest, &read);
	free(text);
}

static void a_manifest_comes_back_as_it_was_written(void **state)
{
	auto_backup_manifest manifest = { 0 };

	(void)state;
	made(&manifest);
	assert_comes_back(&manifest);
}

static void each_value_at_its_limits_comes_back(void **state)
{
	auto_backup_manifest manifest = { 0 };

	(void)state;
	made(&manifest);
	manifest.time = 0;
	manifest.inode = UINT64_MAX;
	manifest.size = INT64_MAX;
	manifest.file_size = 0;
	manifest.packed = manifest.was_wal = manifest.facts.has_revision = false;
	manifest.facts.revision[0] = '\0';
	manifest.facts.user_version = INT32_MIN;
	manifest.facts.application_id = INT32_MAX;
	manifest.facts.pages = UINT32_MAX;
	manifest.facts.page_size = 65536;
	manifest.verified = INTEGRITY_NONE;
	manifest.lock_seconds = 0;
	manifest.mode = 0;
	manifest.uid = 0;
	manifest.gid = UINT32_MAX - 1;
	assert_comes_back(&manifest);
	manifest.time = INT64_C(253402300799999);
	manifest.verified = INTEGRITY_FULL;
	manifest.mode = 07777;
	assert_comes_back(&manifest);
}

static const char *const hostile[] = {
	"a\nb.db",
	"a\r\n\"}\n{.db",
	"\x1b[2J\x07.db",
	"\xff\xfe.db",
	"\xc3(.db",
	"half \xe2\x82",
	"\xed\xa0\x80 surrogate",
	"\xf0\x9f\x9b\xa0 tool \xe2\x80\xae gnp.db",
	"\"quoted\" \\backslash\\ \\u0041",
	"\x01\x7f",
	"  ",
	"-rf",
	"...",
	"\xef\xbf\xbd", /* what stands for a bad byte, itself */
	"name_hex",
};

static void hostile_names_come_back_byte_for_byte(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof hostile / sizeof *hostile; i++) {
		auto_backup_manifest manifest = { 0 };

		made(&manifest);
		free(manifest.file);
		free(manifest.source);
		manifest.file = memory_copy_text(hostile[i]);
		manifest.source = memory_format("/srv/%s", hostile[i]);
		free(manifest.host);
		manifest.host = memory_copy_text(hostile[i]);
		assert_comes_back(&manifest);
	}
}

/* It is text from the database, which may hold any bytes; restoring compares it with what the backup holds. */
static void hostile_revisions_come_back_byte_for_byte(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof hostile / sizeof *hostile; i++) {
		auto_backup_manifest manifest = { 0 };

		made(&manifest);
		(void)snprintf(manifest.facts.revision, sizeof manifest.facts.revision, "%s",
			       hostile[i]);
		assert_comes_back(&manifest);
	}
}

static void a_revision_cut_inside_a_character_comes_back(void **state)
{
	auto_backup_manifest manifest = { 0 };

	(void)state;
	made(&manifest);
	memset(manifest.facts.revision, 'r', REVISION_SIZE - 2);
	manifest.facts.revision[REVISION_SIZE - 2] = '\xc3';
	manifest.facts.revision[REVISION_SIZE - 1] = '\0';
	assert_comes_back(&manifest);
}

static void backups_of_one_path_are_of_one_database_on_one_machine_or_with_one_inode(void **state)
{
	static const struct {
		const char *source, *host;
		uint64_t inode;
		bool same;
	} cases[] = {
		{ "/data/bot.db", "a", 1, true },
		{ "/data/bot.db", "a", 2, true }, /* restored by rename */
		{ "/data/bot.db", "b", 1, true }, /* a container that was made anew */
		{ "/data/bot.db", "b", 2, false },
		{ "/data/other.db", "a", 1, false },
		{ "/data/bot.d", "a", 1, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		auto_backup_manifest one = {
			.source = memory_copy_text("/data/bot.db"),
			.host = memory_copy_text("a"),
			.inode = 1,
		};
		auto_backup_manifest other = {
			.source = memory_copy_text(cases[i].source),
			.host = memory_copy_text(cases[i].host),
			.inode = cases[i].inode,
		};

		assert_int_equal(backup_manifest_same_source(&one, &other), cases[i].same);
		assert_int_equal(backup_manifest_same_source(&other, &one), cases[i].same);
	}
}

/* --- what is refused ------------------------------------------------------------------------------------------ */

static json_t *document(void)
{
	auto_backup_manifest manifest = { 0 };

	made(&manifest);

	char *text = backup_manifest_text(&manifest);
	json_t *object = json_loads(text, 0, NULL);

	assert_non_null(object);
	free(text);
	return object;
}

/* Takes over `object`. */
static bool document_taken(json_t *object)
{
	auto_backup_manifest manifest = { 0 };
	char *text = json_dumps(object, 0);
	const bool good = taken(text, &manifest);

	free(text);
	json_decref(object);
	return good;
}

/* With `value` (taken over) under `key`; NULL: without the key. */
static bool taken_with(const char *key, json_t *value)
{
	json_t *object = document();

	if (value)
		assert_int_equal(json_object_set_new(object, key, value), 0);
	else
		assert_int_equal(json_object_del(object, key), 0);
	return document_taken(object);
}

static void assert_refused(const char *key, json_t *value)
{
	if (taken_with(key, value))
		fail_msg("\"%s\": taken", key);
}

/* What a manifest must have. tool_version is for people, and revision and compression may be null. */
static const struct {
	const char *key;
	json_type type;
} needed[] = {
	{ "schema", JSON_INTEGER },
	{ "tool", JSON_STRING },
	{ "file", JSON_STRING },
	{ "source", JSON_STRING },
	{ "host", JSON_STRING },
	{ "inode", JSON_INTEGER },
	{ "time", JSON_STRING },
	{ "size_bytes", JSON_INTEGER },
	{ "file_size_bytes", JSON_INTEGER },
	{ "page_size_bytes", JSON_INTEGER },
	{ "pages", JSON_INTEGER },
	{ "sha256", JSON_STRING },
	{ "database_sha256", JSON_STRING },
	{ "user_version", JSON_INTEGER },
	{ "application_id", JSON_INTEGER },
	{ "journal_mode", JSON_STRING },
	{ "verified", JSON_STRING },
	{ "method", JSON_STRING },
	{ "read_lock_seconds", JSON_REAL },
	{ "mode", JSON_STRING },
	{ "uid", JSON_INTEGER },
	{ "gid", JSON_INTEGER },
};

enum { NEEDED = sizeof needed / sizeof *needed };

static void without_one_of_its_keys_it_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < NEEDED; i++)
		assert_refused(needed[i].key, NULL);
	assert_refused("revision", NULL);
	assert_refused("compression", NULL);
}

static void with_a_key_of_another_type_it_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < NEEDED; i++) {
		json_t *const values[] = {
			json_null(),	  json_true(),	   json_object(),  json_array(),
			json_string("1"), json_integer(1), json_real(1.5),
		};

		for (size_t j = 0; j < sizeof values / sizeof *values; j++) {
			/* A whole number of seconds is fine. */
			const bool fits =
				json_typeof(values[j]) == needed[i].type ||
				(needed[i].type == JSON_REAL && json_is_number(values[j]));

			if (fits)
				json_decref(values[j]);
			else
				assert_refused(needed[i].key, values[j]);
		}
	}
	assert_refused("revision", json_integer(1));
	assert_refused("compression", json_true());
}

static void null_is_a_revision_and_a_compression_that_is_not_there(void **state)
{
	(void)state;
	assert_true(taken_with("revision", json_null()));
	assert_true(taken_with("compression", json_null()));
}

static void keys_that_we_do_not_know_are_no_harm(void **state)
{
	(void)state;
	assert_true(taken_with("note", json_string("by hand")));
}

static void a_file_that_is_not_in_the_folder_is_refused(void **state)
{
	static const char *const names[] = {
		"",	     ".",   "..",      "/",	   "/etc/passwd",
		"../bot.db", "a/b", "bot.db/", "./bot.db", "a/..",
	};

	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		assert_refused("file", json_string(names[i]));
}

static void hex_is_no_way_around_that(void **state)
{
	static const char *const hex[] = {
		"",	    "2e",     "2e2e", "2f6574632f706173737764", /* "/etc/passwd" */
		"2e2e2f61", "612f62", "6100", /* a NUL would hide what follows */
		"0061",	    "6",      "616",  "zz",
		"61 62",    "+61",    "0x61",
	};

	(void)state;
	for (size_t i = 0; i < sizeof hex / sizeof *hex; i++)
		assert_refused("file_hex", json_string(hex[i]));
	assert_true(taken_with("file_hex", json_string("612e6462ff")));
}

static void a_source_that_is_no_path_from_the_root_is_refused(void **state)
{
	(void)state;
	assert_refused("source", json_string(""));
	assert_refused("source", json_string("bot.db"));
	assert_refused("source", json_string("./bot.db"));
	assert_true(taken_with("source", json_string("/bot.db")));
}

static void values_that_cannot_be_are_refused(void **state)
{
	(void)state;
	assert_refused("schema", json_integer(2));
	assert_refused("schema", json_integer(0));
	assert_refused("tool", json_string("dbrestore"));
	assert_refused("tool", json_string("dbbackup "));
	assert_refused("time", json_string("yesterday"));
	assert_refused("time", json_string("2026-02-30T00:00:00.000Z"));
	assert_refused("verified", json_string("yes"));
	assert_refused("verified", json_string(""));
	assert_refused("compression", json_string("gzip"));
	assert_refused("compression", json_string(""));
	assert_refused("journal_mode", json_string("tea"));
	assert_refused("size_bytes", json_integer(-1));
	assert_refused("file_size_bytes", json_integer(-1));
	assert_refused("pages", json_integer(-1));
	assert_refused("page_size_bytes", json_integer(-1));
	assert_refused("read_lock_seconds", json_real(-1));
	assert_refused("uid", json_integer(-1));
	assert_refused("gid", json_integer(-1));
	assert_refused("uid", json_integer(UINT32_MAX));
	assert_refused("gid", json_integer(INT64_C(1) << 32));
	assert_refused("mode", json_string(""));
	assert_refused("mode", json_string("0888"));
	assert_refused("mode", json_string("10000"));
	assert_refused("mode", json_string("0644 "));
	assert_refused("mode", json_string("-644"));
	assert_refused("mode", json_string("rw-r--r--"));
}

static void a_digest_is_64_small_hex_digits(void **state)
{
	static const char *const digests[] = {
		"",
		"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015a",
		"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad0",
		"BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD",
		"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ag",
		"ba7816bf8f01cfea414140de5dae2223 00361a396177a9cb410ff61f20015ad",
	};

	(void)state;
	for (size_t i = 0; i < sizeof digests / sizeof *digests; i++) {
		assert_refused("sha256", json_string(digests[i]));
		assert_refused("database_sha256", json_string(digests[i]));
	}
}

/* A number that JSON cannot hold ends the program: it must not get in. */
static void what_was_read_can_be_shown_again(void **state)
{
	static const double seconds[] = { 1e18, 1e300, 1e306, 1.7e308 };

	(void)state;
	for (size_t i = 0; i < sizeof seconds / sizeof *seconds; i++) {
		json_t *object = document();
		auto_backup_manifest manifest = { 0 };

		assert_int_equal(
			json_object_set_new(object, "read_lock_seconds", json_real(seconds[i])), 0);

		char *text = json_dumps(object, 0);

		if (taken(text, &manifest))
			free(backup_manifest_text(&manifest));
		free(text);
		json_decref(object);
	}
}

static void what_is_no_json_object_is_refused(void **state)
{
	static const char *const texts[] = {
		"",
		"{",
		"null",
		"[]",
		"[{}]",
		"{}",
		"\"dbbackup\"",
		"7",
		"{}{}",
		"\xff\xfe",
		"{\"tool\":\"dbbackup\",\"tool\":\"dbbackup\"}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		auto_backup_manifest manifest = { 0 };

		if (taken(texts[i], &manifest))
			fail_msg("\"%s\" was taken", texts[i]);
	}
}

static void a_manifest_cut_off_anywhere_is_refused(void **state)
{
	auto_backup_manifest manifest = { 0 };

	(void)state;
	made(&manifest);

	char *text = backup_manifest_text(&manifest);

	/* The newline may be missing. */
	for (size_t length = strlen(text) - 2; length > 0; length--) {
		auto_backup_manifest read = { 0 };
		struct error err = { 0 };
		char *cut = memory_copy(text, length);

		assert_false(backup_manifest_read(cut, length, &read, &err));
		assert_int_equal(err.status, STATUS_NO);
		free(cut);
	}
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_manifest_comes_back_as_it_was_written),
		cmocka_unit_test(each_value_at_its_limits_comes_back),
		cmocka_unit_test(hostile_names_come_back_byte_for_byte),
		cmocka_unit_test(hostile_revisions_come_back_byte_for_byte),
		cmocka_unit_test(a_revision_cut_inside_a_character_comes_back),
		cmocka_unit_test(
			backups_of_one_path_are_of_one_database_on_one_machine_or_with_one_inode),
		cmocka_unit_test(without_one_of_its_keys_it_is_refused),
		cmocka_unit_test(with_a_key_of_another_type_it_is_refused),
		cmocka_unit_test(null_is_a_revision_and_a_compression_that_is_not_there),
		cmocka_unit_test(keys_that_we_do_not_know_are_no_harm),
		cmocka_unit_test(a_file_that_is_not_in_the_folder_is_refused),
		cmocka_unit_test(hex_is_no_way_around_that),
		cmocka_unit_test(a_source_that_is_no_path_from_the_root_is_refused),
		cmocka_unit_test(values_that_cannot_be_are_refused),
		cmocka_unit_test(a_digest_is_64_small_hex_digits),
		cmocka_unit_test(what_was_read_can_be_shown_again),
		cmocka_unit_test(what_is_no_json_object_is_refused),
		cmocka_unit_test(a_manifest_cut_off_anywhere_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
