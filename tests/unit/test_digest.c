#include "tests/unit/folder.h"

#include "common/linux/file_digest.h"

/* FIPS 180-4's examples, and what sha256sum(1) says. */
static const struct {
	const char *words, *digest;
} known[] = {
	{ "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
	{ "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
	{ "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
	  "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
};

static const char million_a[] = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";

static void the_digests_of_the_standard_come_out(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
		auto_digest digest = { 0 };
		char text[DIGEST_TEXT_SIZE];

		digest_start(&digest);
		digest_add(&digest, known[i].words, strlen(known[i].words));
		digest_finish(&digest, text);
		assert_string_equal(text, known[i].digest);
		assert_null(digest.context);
	}
}

static void pieces_of_any_size_give_the_same(void **state)
{
	char piece[1000], text[DIGEST_TEXT_SIZE];
	auto_digest digest = { 0 };

	(void)state;
	memset(piece, 'a', sizeof piece);
	digest_start(&digest);
	for (size_t left = 1000000, size = 1; left > 0; size = size % 997 + 1) {
		const size_t now = size < left ? size : left;

		digest_add(&digest, piece, now);
		left -= now;
	}
	digest_finish(&digest, text);
	assert_string_equal(text, million_a);
}

static void starting_anew_forgets_what_was_added(void **state)
{
	char text[DIGEST_TEXT_SIZE];
	auto_digest digest = { 0 };

	(void)state;
	digest_start(&digest);
	digest_add(&digest, "junk", 4);
	digest_start(&digest);
	digest_add(&digest, "abc", 3);
	digest_finish(&digest, text);
	assert_string_equal(text, known[1].digest);
}

static void a_digest_that_is_never_finished_is_released(void **state)
{
	auto_digest digest = { 0 }, never = { 0 };

	(void)state;
	digest_start(&digest);
	digest_add(&digest, "abc", 3);
	digest_release(&digest);
	assert_null(digest.context);
	digest_release(&never);
}

/* --- of files ------------------------------------------------------------------------------------------------- */

static int made_file(const char *folder)
{
	char path[PATH_MAX];
	const int fd = open(folder_path(folder, "file", path),
			    O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	return fd;
}

static void append_a(int fd, size_t count)
{
	char *bytes = malloc(count);

	assert_non_null(bytes);
	memset(bytes, 'a', count);
	assert_int_equal(write(fd, bytes, count), count);
	free(bytes);
}

static struct file_digest *started(int fd)
{
	struct error err = { 0 };
	struct file_digest *digest = file_digest_start(fd, &err);

	assert_non_null(digest);
	return digest;
}

static void a_file_that_grows_is_followed_to_its_end(void **state)
{
	const int fd = made_file(*state);
	struct file_digest *digest = started(fd);
	char text[DIGEST_TEXT_SIZE];
	struct error err = { 0 };

	for (size_t done = 0; done < 1000000; done += 125000) {
		append_a(fd, 125000);
		file_digest_reach(digest, done + 125000);
	}
	assert_true(file_digest_finish(digest, text, &err));
	assert_string_equal(text, million_a);
	(void)close(fd);
}

static void what_is_beyond_the_reach_is_not_read(void **state)
{
	const int fd = made_file(*state);
	struct file_digest *digest = started(fd);
	char text[DIGEST_TEXT_SIZE];
	struct error err = { 0 };

	append_a(fd, 1000000);
	assert_int_equal(write(fd, "more", 4), 4);
	file_digest_reach(digest, 1000000);
	assert_true(file_digest_finish(digest, text, &err));
	assert_string_equal(text, million_a);
	(void)close(fd);
}

static void a_file_that_nothing_was_reached_of_is_the_empty_one(void **state)
{
	const int fd = made_file(*state);
	char text[DIGEST_TEXT_SIZE];
	struct error err = { 0 };

	append_a(fd, 10);
	assert_true(file_digest_finish(started(fd), text, &err));
	assert_string_equal(text, known[0].digest);
	(void)close(fd);
}

static void a_file_shorter_than_its_reach_is_an_error(void **state)
{
	const int fd = made_file(*state);
	struct file_digest *digest = started(fd);
	char text[DIGEST_TEXT_SIZE];
	struct error err = { 0 };

	append_a(fd, 1000);
	file_digest_reach(digest, 1001);
	assert_false(file_digest_finish(digest, text, &err));
	assert_int_equal(err.status, STATUS_TROUBLE);
	(void)close(fd);
}

static void a_file_that_cannot_be_read_is_an_error(void **state)
{
	const int fd = open(*state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct file_digest *digest = started(fd);
	char text[DIGEST_TEXT_SIZE];
	struct error err = { 0 };
	uint64_t length = 0;

	file_digest_reach(digest, 1);
	assert_false(file_digest_finish(digest, text, &err));
	assert_non_null(strstr(err.text, "directory"));
	assert_false(file_digest_of(fd, text, &length, NULL, &err));
	(void)close(fd);
}

static void following_can_be_given_up(void **state)
{
	const int fd = made_file(*state);
	struct file_digest *digest = started(fd);

	append_a(fd, 1000);
	file_digest_reach(digest, 500);
	file_digest_drop(digest);
	file_digest_drop(NULL);
	(void)close(fd);
}

static void a_whole_file_has_the_digest_and_the_length_that_it_has(void **state)
{
	const int fd = made_file(*state);
	char text[DIGEST_TEXT_SIZE];
	struct error err = { 0 };
	uint64_t length = 1;

	assert_true(file_digest_of(fd, text, &length, NULL, &err));
	assert_int_equal(length, 0);
	assert_string_equal(text, known[0].digest);
	append_a(fd, 1000000);
	/* Wherever the descriptor stands, and it stays there. */
	assert_int_equal(lseek(fd, 77, SEEK_SET), 77);
	assert_true(file_digest_of(fd, text, &length, NULL, &err));
	assert_int_equal(length, 1000000);
	assert_string_equal(text, million_a);
	assert_int_equal(lseek(fd, 0, SEEK_CUR), 77);
	(void)close(fd);
}

static int asked;

static bool second_time(void)
{
	return ++asked == 2;
}

static void reading_a_whole_file_can_be_stopped(void **state)
{
	const int fd = made_file(*state);
	char text[DIGEST_TEXT_SIZE];
	struct error err = { 0 };
	uint64_t length = 0;

	append_a(fd, 3 << 20);
	asked = 0;
	assert_false(file_digest_of(fd, text, &length, second_time, &err));
	assert_int_equal(asked, 2);
	assert_string_equal(err.text, "interrupted");
	(void)close(fd);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, folder_make, folder_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_digests_of_the_standard_come_out),
		cmocka_unit_test(pieces_of_any_size_give_the_same),
		cmocka_unit_test(starting_anew_forgets_what_was_added),
		cmocka_unit_test(a_digest_that_is_never_finished_is_released),
		IN_FOLDER(a_file_that_grows_is_followed_to_its_end),
		IN_FOLDER(what_is_beyond_the_reach_is_not_read),
		IN_FOLDER(a_file_that_nothing_was_reached_of_is_the_empty_one),
		IN_FOLDER(a_file_shorter_than_its_reach_is_an_error),
		IN_FOLDER(a_file_that_cannot_be_read_is_an_error),
		IN_FOLDER(following_can_be_given_up),
		IN_FOLDER(a_whole_file_has_the_digest_and_the_length_that_it_has),
		IN_FOLDER(reading_a_whole_file_can_be_stopped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
