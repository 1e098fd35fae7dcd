#include "tests/unit/test.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/json.h"

static void assert_line(struct json_t *document, const char *expected)
{
	char *line = json_take_line(document);

	assert_string_equal(line, expected);
	free(line);
}

static void plain_values_come_out_as_they_went_in(void **state)
{
	struct json_t *document = json_new_object();

	(void)state;
	json_put_text(document, "name", "bot");
	json_put_text(document, "nothing", NULL);
	json_put_number(document, "size_bytes", INT64_MAX);
	json_put_number(document, "low", INT64_MIN);
	json_put_bool(document, "yes", true);
	json_put_null(document, "null");
	assert_line(document,
		    "{\"name\":\"bot\",\"nothing\":null,\"size_bytes\":9223372036854775807,"
		    "\"low\":-9223372036854775808,\"yes\":true,\"null\":null}");
}

static void children_stay_where_they_were_put(void **state)
{
	struct json_t *document = json_new_object();
	struct json_t *array = json_put_array(document, "pids");
	struct json_t *child = json_put_object(document, "can");

	(void)state;
	json_add_number(array, 1);
	json_add_text(array, "two");
	json_add(array, json_new_array());
	json_put_bool(child, "read", false);
	json_put(child, "more", json_new_object());
	assert_line(document, "{\"pids\":[1,\"two\",[]],\"can\":{\"read\":false,\"more\":{}}}");
}

static void a_line_is_ascii_and_one_line(void **state)
{
	struct json_t *document = json_new_object();

	(void)state;
	json_put_text(document, "name", "é\n\x1b[31m\u202e🛠\"\\");

	char *line = json_take_line(document);

	for (const char *at = line; *at; at++)
		assert_in_range((unsigned char)*at, 0x20, 0x7e);
	assert_string_equal(line,
			    "{\"name\":\"\\u00E9\\n\\u001B[31m\\u202E\\uD83D\\uDEE0\\\"\\\\\"}");
	free(line);
}

static void bytes_that_are_no_utf8_are_given_in_hex_as_well(void **state)
{
	struct json_t *document = json_new_object();

	(void)state;
	json_put_text(document, "path", "a\xff\xc3z");
	assert_line(document, "{\"path\":\"a\\uFFFD\\uFFFDz\",\"path_hex\":\"61ffc37a\"}");
}

static void valid_text_gets_no_hex_key(void **state)
{
	struct json_t *document = json_new_object();

	(void)state;
	json_put_text(document, "path", "Müller");
	assert_line(document, "{\"path\":\"M\\u00FCller\"}");
}

static void one_bad_argument_gives_all_of_them_in_hex(void **state)
{
	char first[] = "bot", second[] = "\xfe", third[] = "";
	char *const words[] = { first, second, third };
	struct json_t *document = json_new_object();

	(void)state;
	json_put_texts(document, "command", words, 3);
	assert_line(document, "{\"command\":[\"bot\",\"\\uFFFD\",\"\"],"
			      "\"command_hex\":[\"626f74\",\"fe\",\"\"]}");
}

static void good_arguments_need_no_hex(void **state)
{
	char first[] = "bot", second[] = "-v";
	char *const words[] = { first, second };
	struct json_t *document = json_new_object();

	(void)state;
	json_put_texts(document, "command", words, 2);
	json_put_texts(document, "empty", NULL, 0);
	assert_line(document, "{\"command\":[\"bot\",\"-v\"],\"empty\":[]}");
}

static void a_failure_names_tool_database_status_and_message(void **state)
{
	const struct error err = { .status = STATUS_TROUBLE, .text = "bot.db: No such file" };

	(void)state;
	assert_line(json_failure("dblockcheck", "bot\xff.db", &err),
		    "{\"schema\":1,\"tool\":\"dblockcheck\",\"database\":\"bot\\uFFFD.db\","
		    "\"database_hex\":\"626f74ff2e6462\","
		    "\"error\":{\"status\":3,\"message\":\"bot.db: No such file\"}}");
	assert_line(json_failure("dblockcheck", NULL, &err),
		    "{\"schema\":1,\"tool\":\"dblockcheck\","
		    "\"error\":{\"status\":3,\"message\":\"bot.db: No such file\"}}");
}

static void a_very_long_hostile_text_stays_valid_json(void **state)
{
	enum { SIZE = 100000 };
	struct json_t *document = json_new_object();
	char *bytes = malloc(SIZE + 1);

	(void)state;
	assert_non_null(bytes);
	for (int i = 0; i < SIZE; i++)
		bytes[i] = (char)(i % 255 + 1);
	bytes[SIZE] = '\0';
	json_put_text(document, "name", bytes);

	char *line = json_take_line(document);
	json_t *parsed = json_loads(line, 0, NULL);

	assert_non_null(parsed);
	assert_int_equal(strlen(json_string_value(json_object_get(parsed, "name_hex"))), 2 * SIZE);
	json_decref(parsed);
	free(line);
	free(bytes);
}

static void any_bytes_come_back_from_text_or_hex(void **state)
{
	char all[256];
	const char *const texts[] = { "",     "bot",	    "M\xc3\xbcller", "a\xff\xc3z",
				      "\xff", "\n\x1b\x7f", "\xef\xbf\xbd",  all };

	(void)state;
	for (int i = 0; i < 255; i++)
		all[i] = (char)(i + 1);
	all[255] = '\0';
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		struct json_t *document = json_new_object();
		struct error err = { 0 };

		json_put_text(document, "name", texts[i]);

		char *line = json_take_line(document);
		struct json_t *read = json_parse(line, strlen(line), &err);
		char *text = json_get_exact_text(read, "name");

		assert_non_null(text);
		assert_string_equal(text, texts[i]);
		free(text);
		json_release(read);
		free(line);
	}
}

static struct json_t *parsed(const char *words)
{
	struct error err = { 0 };
	struct json_t *document = json_parse(words, strlen(words), &err);

	if (!document)
		fail_msg("%s: %s", words, err.text);
	return document;
}

static void bad_hex_is_no_text(void **state)
{
	static const char *const documents[] = {
		"{\"n\":\"a\",\"n_hex\":\"6\"}",
		"{\"n\":\"a\",\"n_hex\":\"616\"}",
		"{\"n\":\"a\",\"n_hex\":\"6g\"}",
		"{\"n\":\"a\",\"n_hex\":\"00\"}",
		"{\"n\":\"a\",\"n_hex\":\"610061\"}",
		"{\"n\":\"a\",\"n_hex\":\" 61\"}",
		"{\"n\":\"a\",\"n_hex\":\"0x61\"}",
		"{\"n\":\"a\",\"n_hex\":\"-1\"}",
		"{\"n\":null}",
		"{\"n\":7}",
		"{\"n\":[\"a\"]}",
		"{}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof documents / sizeof *documents; i++) {
		struct json_t *document = parsed(documents[i]);
		char *text = json_get_exact_text(document, "n");

		if (text)
			fail_msg("%s gave \"%s\"", documents[i], text);
		json_release(document);
	}
}

static void seconds_come_back_to_the_millisecond(void **state)
{
	static const double seconds[] = { 0, 0.001, 1.5, 12.345, 86400, 315360000 };

	(void)state;
	for (size_t i = 0; i < sizeof seconds / sizeof *seconds; i++) {
		struct json_t *document = json_new_object();
		double read = -1;

		json_put_seconds(document, "seconds", seconds[i] + 0.0001);

		char *line = json_take_line(document);
		struct json_t *again = parsed(line);

		assert_true(json_get_seconds(again, "seconds", &read));
		assert_true(read > seconds[i] - 1e-6 && read < seconds[i] + 1e-6);
		json_release(again);
		free(line);
	}
}

static void only_a_number_is_seconds(void **state)
{
	struct json_t *document = parsed("{\"w\":7,\"r\":0.5,\"t\":\"1\",\"n\":null,\"b\":true}");
	double seconds = 0;

	(void)state;
	assert_true(json_get_seconds(document, "w", &seconds));
	assert_true(seconds == 7);
	assert_true(json_get_seconds(document, "r", &seconds));
	assert_true(seconds == 0.5);
	assert_false(json_get_seconds(document, "t", &seconds));
	assert_true(seconds == 0);
	assert_false(json_get_seconds(document, "n", &seconds));
	assert_false(json_get_seconds(document, "b", &seconds));
	assert_false(json_get_seconds(document, "missing", &seconds));
	json_release(document);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_values_come_out_as_they_went_in),
		cmocka_unit_test(children_stay_where_they_were_put),
		cmocka_unit_test(a_line_is_ascii_and_one_line),
		cmocka_unit_test(bytes_that_are_no_utf8_are_given_in_hex_as_well),
		cmocka_unit_test(valid_text_gets_no_hex_key),
		cmocka_unit_test(one_bad_argument_gives_all_of_them_in_hex),
		cmocka_unit_test(good_arguments_need_no_hex),
		cmocka_unit_test(a_failure_names_tool_database_status_and_message),
		cmocka_unit_test(a_very_long_hostile_text_stays_valid_json),
		cmocka_unit_test(any_bytes_come_back_from_text_or_hex),
		cmocka_unit_test(bad_hex_is_no_text),
		cmocka_unit_test(seconds_come_back_to_the_millisecond),
		cmocka_unit_test(only_a_number_is_seconds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
