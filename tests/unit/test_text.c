#include "tests/unit/test.h"

#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/text.h"

static int use_utf8(void **state)
{
	(void)state;
	return setlocale(LC_CTYPE, "C.UTF-8") ? 0 : -1;
}

static void assert_printable(const char *name, const char *expected)
{
	char *shown = text_printable(name);

	assert_string_equal(shown, expected);
	free(shown);
}

static void an_empty_text_is_an_empty_string(void **state)
{
	auto_text text = { 0 };

	(void)state;
	assert_string_equal(text_string(&text), "");

	char *bytes = text_take(&text);

	assert_string_equal(bytes, "");
	free(bytes);
}

static void appending_grows_and_keeps_the_end_marked(void **state)
{
	auto_text text = { 0 };

	(void)state;
	for (int i = 0; i < 1000; i++)
		text_append(&text, "%d,", i % 10);
	assert_int_equal(text.length, 2000);
	assert_int_equal(strlen(text_string(&text)), 2000);
	assert_memory_equal(text_string(&text), "0,1,2,3,4,5,6,7,8,9,0,1,", 24);
	text_append_bytes(&text, "ab\0c", 4);
	assert_int_equal(text.length, 2004);
	assert_memory_equal(text.bytes + 2000, "ab\0c", 5);
}

static void taking_a_text_leaves_it_empty(void **state)
{
	struct text text = { 0 };

	(void)state;
	text_append(&text, "bot");

	char *bytes = text_take(&text);

	assert_string_equal(bytes, "bot");
	assert_null(text.bytes);
	assert_int_equal(text.length, 0);
	free(bytes);
}

static void plain_names_are_shown_as_they_are(void **state)
{
	(void)state;
	assert_printable("", "");
	assert_printable("data/bot.db", "data/bot.db");
	assert_printable("Müller's $HOME \"x\" `y`", "Müller's $HOME \"x\" `y`");
	assert_printable("数据库 🛠", "数据库 🛠");
	assert_printable(NULL, "?");
}

static void control_characters_are_shown_escaped(void **state)
{
	(void)state;
	assert_printable("a\nb\tc", "a\\nb\\tc");
	assert_printable("\x1b[2J\x07\x7f\r", "\\x1b[2J\\x07\\x7f\\x0d");
	assert_printable("\xc2\x9b"
			 "31m",
			 "\\u{9b}31m"); /* the one-character form of ESC [ */
	assert_printable("\xc2\x85", "\\u{85}");
}

static void every_control_character_is_escaped(void **state)
{
	(void)state;
	for (int byte = 1; byte < 0x20; byte++) {
		const char name[] = { (char)byte, '\0' };
		char *shown = text_printable(name);

		assert_int_equal(shown[0], '\\');
		assert_true(strlen(shown) >= 2);
		free(shown);
	}
}

static void a_backslash_is_doubled_so_that_escapes_cannot_be_forged(void **state)
{
	(void)state;
	assert_printable("\\n", "\\\\n");
	assert_printable("a\\x1bb", "a\\\\x1bb");
}

static void direction_overrides_and_invisible_characters_are_shown_escaped(void **state)
{
	(void)state;
	assert_printable("a\u202egnp.exe", "a\\u{202e}gnp.exe");
	assert_printable("\u2066x\u2069", "\\u{2066}x\\u{2069}");
	assert_printable("\u200bx\u200f", "\\u{200b}x\\u{200f}");
	assert_printable("\ufeff", "\\u{feff}");
	assert_printable("\u2028\u2029", "\\u{2028}\\u{2029}");
	assert_printable("a\u00adb", "a\\u{ad}b");
	assert_printable("\U000e0041", "\\u{e0041}");
	assert_printable("e\u0301", "e\\u{301}"); /* a mark that lands on what stands before it */
}

static void invalid_utf8_is_shown_byte_by_byte(void **state)
{
	(void)state;
	assert_printable("\xff\xfe", "\\xff\\xfe");
	assert_printable("a\xc3", "a\\xc3");			      /* cut short */
	assert_printable("\xc0\x8a", "\\xc0\\x8a");		      /* an overlong newline */
	assert_printable("\xed\xa0\x80", "\\xed\\xa0\\x80");	      /* a surrogate */
	assert_printable("\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"); /* above U+10FFFF */
	assert_printable("\xe2\x82z", "\\xe2\\x82z");
	assert_printable("\x80", "\\x80");
}

static void decoding_knows_each_length_and_its_bounds(void **state)
{
	static const struct {
		const char *bytes;
		size_t length, size;
		uint32_t character;
	} cases[] = {
		{ "A", 1, 1, 'A' },
		{ "\xc2\x80", 2, 2, 0x80 },
		{ "\xdf\xbf", 2, 2, 0x7ff },
		{ "\xe0\xa0\x80", 3, 3, 0x800 },
		{ "\xef\xbf\xbf", 3, 3, 0xffff },
		{ "\xf0\x90\x80\x80", 4, 4, 0x10000 },
		{ "\xf4\x8f\xbf\xbf", 4, 4, 0x10ffff },
		{ "\xc1\xbf", 2, 0, 0 },
		{ "\xe0\x9f\xbf", 3, 0, 0 },
		{ "\xf0\x8f\xbf\xbf", 4, 0, 0 },
		{ "\xed\xbf\xbf", 3, 0, 0 },
		{ "\xf8\x88\x80\x80\x80", 5, 0, 0 },
		{ "\xc2", 1, 0, 0 },
		{ "\xe2\x82\xac", 2, 0, 0 },
		{ "", 0, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		uint32_t character = 0;

		assert_int_equal(text_decode(cases[i].bytes, cases[i].length, &character),
				 cases[i].size);
		assert_int_equal(character, cases[i].character);
		assert_int_equal(text_is_utf8(cases[i].bytes, cases[i].length),
				 cases[i].length == 0 || cases[i].size == cases[i].length);
	}
}

static void words_that_need_no_quotes_stay_bare(void **state)
{
	auto_text text = { 0 };

	(void)state;
	text_append_shell_word(&text, "/srv/data-1/bot_2.db");
	assert_string_equal(text_string(&text), "/srv/data-1/bot_2.db");
}

static void other_words_are_quoted_readably(void **state)
{
	auto_text text = { 0 };

	(void)state;
	text_append_shell_word(&text, "my data/bot's.db");
	text_append(&text, " ");
	text_append_shell_word(&text, "");
	text_append(&text, " ");
	text_append_shell_word(&text, "a\nb\xff");
	assert_string_equal(text_string(&text), "'my data/bot'\\''s.db' '' $'a\\012b\\377'");
}

/* What bash makes of `word`, at most `size` - 1 bytes. */
static size_t read_back(const char *word, char *bytes, size_t size)
{
	auto_text script = { 0 };
	int pipe_fds[2] = { -1, -1 };
	size_t filled = 0;
	ssize_t got = 0;
	int status = 0;

	text_append(&script, "printf %%s %s", word);
	assert_int_equal(pipe(pipe_fds), 0);

	const pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0) {
		(void)dup2(pipe_fds[1], STDOUT_FILENO);
		(void)close(pipe_fds[0]);
		execlp("bash", "bash", "--norc", "-c", text_string(&script), (char *)NULL);
		_exit(127);
	}
	(void)close(pipe_fds[1]);
	while ((got = read(pipe_fds[0], bytes + filled, size - filled)) > 0)
		filled += (size_t)got;
	(void)close(pipe_fds[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	return filled;
}

static void a_shell_reads_every_word_back_as_the_same_bytes(void **state)
{
	static const char *const names[] = {
		"bot.db",
		"a b",
		"it's",
		"''",
		"$HOME `id` $(id) ${x} \\ \\\\ \\n",
		"*?[a-z]{a,b}~!#&;|<>()",
		"~",
		"#x",
		"a=b",
		"\"quoted\"",
		"new\nline\n",
		"tab\t and \x1b[31m and \x7f",
		"digits after\0011234\n5",
		"quote ' and \n and \\ together",
		"\xff\xfe not UTF-8 \xc3",
		"Müller 数据库",
		"\u202egnp",
		"!history !! !$",
		"-n",
		" ",
	};
	char bytes[256];

	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		auto_text word = { 0 };

		text_append_shell_word(&word, names[i]);

		const size_t length = read_back(text_string(&word), bytes, sizeof bytes);

		assert_int_equal(length, strlen(names[i]));
		assert_memory_equal(bytes, names[i], length);
	}
}

static void each_single_byte_survives_the_shell(void **state)
{
	auto_text word = { 0 };
	char all[256], bytes[512];

	(void)state;
	for (int byte = 1; byte < 256; byte++)
		all[byte - 1] = (char)byte;
	all[255] = '\0';
	text_append_shell_word(&word, all);
	assert_int_equal(read_back(text_string(&word), bytes, sizeof bytes), 255);
	assert_memory_equal(bytes, all, 255);
}

static void a_shell_word_has_nothing_that_a_terminal_obeys(void **state)
{
	auto_text word = { 0 };

	(void)state;
	text_append_shell_word(&word, "a\x1b[31m\u202e\xc2\x9b\xff\n");
	for (const char *at = text_string(&word); *at; at++)
		assert_in_range((unsigned char)*at, 0x20, 0x7e);
}

static void sizes_read_as_people_write_them(void **state)
{
	static const struct {
		uint64_t bytes;
		const char *shown;
	} cases[] = {
		{ 0, "0 bytes" },	    { 1, "1 bytes" },
		{ 1023, "1023 bytes" },	    { 1024, "1.0 KiB" },
		{ 4096 + 2048, "6.0 KiB" }, { 1024 * 1024 - 1, "1.0 MiB" }, /* never "1024.0 KiB" */
		{ 4299161, "4.1 MiB" },	    { 1ULL << 30, "1.0 GiB" },
		{ 1ULL << 40, "1.0 TiB" },  { UINT64_MAX, "16.0 EiB" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		auto_text text = { 0 };

		text_append_size(&text, cases[i].bytes);
		/* One byte has no good plural; both forms are right. */
		if (cases[i].bytes == 1)
			assert_true(strcmp(text_string(&text), "1 bytes") == 0 ||
				    strcmp(text_string(&text), "1 byte") == 0);
		else
			assert_string_equal(text_string(&text), cases[i].shown);
	}
}

static void columns_count_what_a_terminal_shows(void **state)
{
	(void)state;
	assert_int_equal(text_columns(""), 0);
	assert_int_equal(text_columns("bot"), 3);
	assert_int_equal(text_columns("Müller"), 6);
	assert_int_equal(text_columns("数据"), 4);
	assert_int_equal(text_columns("…"), 1);
}

static void assert_cell(const char *words, size_t columns, const char *expected)
{
	auto_text text = { 0 };

	text_append_cell(&text, words, columns);
	assert_string_equal(text_string(&text), expected);
	if (columns > 0)
		assert_int_equal(text_columns(text_string(&text)), columns);
}

static void cells_are_cut_or_padded_to_their_width(void **state)
{
	(void)state;
	assert_cell("bot", 0, "bot");
	assert_cell("bot", 5, "bot  ");
	assert_cell("bot", 3, "bot");
	assert_cell("robot", 4, "rob…");
	assert_cell("robot", 1, "…");
	assert_cell("", 2, "  ");
	assert_cell("Müller", 4, "Mül…");
}

static void a_wide_character_is_never_cut_in_half(void **state)
{
	(void)state;
	assert_cell("数据库", 6, "数据库");
	assert_cell("数据库", 8, "数据库  ");
	assert_cell("数据库", 5, "数据…");
	assert_cell("数据库", 4, "数… ");
	assert_cell("数据库", 2, "… ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_text_is_an_empty_string),
		cmocka_unit_test(appending_grows_and_keeps_the_end_marked),
		cmocka_unit_test(taking_a_text_leaves_it_empty),
		cmocka_unit_test(plain_names_are_shown_as_they_are),
		cmocka_unit_test(control_characters_are_shown_escaped),
		cmocka_unit_test(every_control_character_is_escaped),
		cmocka_unit_test(a_backslash_is_doubled_so_that_escapes_cannot_be_forged),
		cmocka_unit_test(direction_overrides_and_invisible_characters_are_shown_escaped),
		cmocka_unit_test(invalid_utf8_is_shown_byte_by_byte),
		cmocka_unit_test(decoding_knows_each_length_and_its_bounds),
		cmocka_unit_test(words_that_need_no_quotes_stay_bare),
		cmocka_unit_test(other_words_are_quoted_readably),
		cmocka_unit_test(a_shell_reads_every_word_back_as_the_same_bytes),
		cmocka_unit_test(each_single_byte_survives_the_shell),
		cmocka_unit_test(a_shell_word_has_nothing_that_a_terminal_obeys),
		cmocka_unit_test(sizes_read_as_people_write_them),
		cmocka_unit_test(columns_count_what_a_terminal_shows),
		cmocka_unit_test(cells_are_cut_or_padded_to_their_width),
		cmocka_unit_test(a_wide_character_is_never_cut_in_half),
	};

	return cmocka_run_group_tests(tests, use_utf8, NULL);
}
