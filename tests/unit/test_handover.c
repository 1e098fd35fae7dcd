#include "tests/unit/child.h"

#include <fcntl.h>
#include <string.h>

#include "common/base/handover.h"
#include "common/base/memory.h"
#include "common/base/scope.h"

static int made(void)
{
	struct error err = { 0 };
	const int fd = handover_make(&err);

	if (fd < 0)
		fail_msg("%s", err.text);
	return fd;
}

static void put(int fd, const char *text)
{
	struct json_t *document = json_new_object();
	struct error err = { 0 };

	json_put_text(document, "text", text);
	if (!handover_put(fd, document, &err))
		fail_msg("%s", err.text);
}

static void assert_taken(int fd, const char *text)
{
	struct error err = { 0 };
	struct json_t *document = handover_take(fd, &err);

	if (!document)
		fail_msg("%s", err.text);

	auto_free char *found = json_get_exact_text(document, "text");

	assert_string_equal(found, text);
	json_release(document);
}

static void what_was_put_is_taken(void **state)
{
	auto_close int fd = made();

	(void)state;
	put(fd, "words \xff\n\x1b");
	assert_taken(fd, "words \xff\n\x1b");
	assert_taken(fd, "words \xff\n\x1b");
}

static void the_last_document_is_the_one(void **state)
{
	auto_close int fd = made();

	(void)state;
	put(fd, "a long one, of which nothing may be left");
	put(fd, "short");
	assert_taken(fd, "short");
}

static void large_documents_fit(void **state)
{
	enum { LARGE = 2 << 20 };
	auto_close int fd = made();
	auto_free char *text = memory_allocate(LARGE + 1, 1);

	(void)state;
	memset(text, 'x', LARGE);
	put(fd, text);
	assert_taken(fd, text);
}

static int put_in_child(void *argument)
{
	struct json_t *document = json_new_object();
	struct error err = { 0 };

	json_put_text(document, "text", "from a child");
	return handover_put(*(const int *)argument, document, &err) ? 0 : 1;
}

static void a_child_hands_over_to_its_parent(void **state)
{
	auto_close int fd = made();

	(void)state;
	assert_int_equal(child_run(put_in_child, &fd), 0);
	assert_taken(fd, "from a child");
}

static void the_file_is_not_left_to_other_programs(void **state)
{
	auto_close int fd = made();

	(void)state;
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
}

static void assert_nothing_taken(int fd)
{
	struct error err = { 0 };

	assert_null(handover_take(fd, &err));
	assert_int_equal(err.status, STATUS_TROUBLE);
}

static void what_is_no_document_is_trouble(void **state)
{
	auto_close int fd = made();

	(void)state;
	assert_nothing_taken(fd);
	assert_int_equal(write(fd, "{\"text\":\"cut o", 14), 14);
	assert_nothing_taken(fd);
	assert_nothing_taken(-1);
}

static void what_cannot_be_put_is_trouble(void **state)
{
	auto_close int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	struct error err = { 0 };

	(void)state;
	assert_true(fd >= 0);
	assert_false(handover_put(fd, json_new_object(), &err));
	assert_int_equal(err.status, STATUS_TROUBLE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_put_is_taken),
		cmocka_unit_test(the_last_document_is_the_one),
		cmocka_unit_test(large_documents_fit),
		cmocka_unit_test(a_child_hands_over_to_its_parent),
		cmocka_unit_test(the_file_is_not_left_to_other_programs),
		cmocka_unit_test(what_is_no_document_is_trouble),
		cmocka_unit_test(what_cannot_be_put_is_trouble),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
