#include "tests/unit/folder.h"

#include <errno.h>

#include "common/base/scope.h"
#include "common/linux/file_copy.h"

enum { BLOCK = 64 << 10 }; /* larger than the blocks of any file system that tests run on */

static int made(const char *folder, const char *name)
{
	char path[PATH_MAX];
	const int fd =
		open(folder_path(folder, name, path), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	return fd;
}

static void put(int fd, off_t offset, size_t length, int seed)
{
	uint8_t *bytes = malloc(length);

	assert_non_null(bytes);
	for (size_t i = 0; i < length; i++)
		bytes[i] = (uint8_t)(i * 31 + i / 251 + (size_t)seed + 1);
	assert_int_equal(pwrite(fd, bytes, length, offset), length);
	free(bytes);
}

static off_t length_of(int fd)
{
	struct stat stat = { 0 };

	assert_int_equal(fstat(fd, &stat), 0);
	return stat.st_size;
}

static bool same_range(int one, int other, off_t offset, size_t length)
{
	uint8_t *a = calloc(length, 1), *b = calloc(length, 1);

	assert_non_null(a);
	assert_non_null(b);

	const bool same = pread(one, a, length, offset) == pread(other, b, length, offset) &&
			  memcmp(a, b, length) == 0;

	free(a);
	free(b);
	return same;
}

static void assert_same(int from, int to)
{
	assert_int_equal(length_of(to), length_of(from));
	assert_true(same_range(from, to, 0, (size_t)length_of(from)));
}

static const enum copy_method methods[] = { COPY_RANGE, COPY_READ_WRITE };

/* Each way of copying in turn; the folder is emptied in between. */
static void each_method(const char *folder, void (*test)(int from, int to, enum copy_method method))
{
	for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
		auto_close int from = made(folder, "from"), to = made(folder, "to");
		char path[PATH_MAX];

		test(from, to, methods[i]);
		assert_int_equal(unlink(folder_path(folder, "from", path)), 0);
		assert_int_equal(unlink(folder_path(folder, "to", path)), 0);
	}
}

static void copy_all(int from, int to, enum copy_method method)
{
	enum copy_method used = method;

	put(from, 0, 3000001, 0);
	assert_true(file_copy_range(from, to, 0, 3000001, &used));
	assert_int_equal(used, method);
	assert_same(from, to);
}

static void a_whole_file_arrives_as_it_is(void **state)
{
	each_method(*state, copy_all);
}

static void copy_nothing(int from, int to, enum copy_method method)
{
	assert_true(file_copy_range(from, to, 0, 0, &method));
	assert_int_equal(length_of(to), 0);
	put(from, 0, 10, 0);
	assert_true(file_copy_range(from, to, 5, 0, &method));
	assert_int_equal(length_of(to), 0);
}

static void nothing_is_copied_as_nothing(void **state)
{
	each_method(*state, copy_nothing);
}

static void copy_a_part(int from, int to, enum copy_method method)
{
	put(from, 0, 5 * BLOCK, 0);
	assert_int_equal(ftruncate(to, 5 * BLOCK), 0);
	assert_true(file_copy_range(from, to, BLOCK + 7, 2 * BLOCK, &method));
	assert_true(same_range(from, to, BLOCK + 7, 2 * BLOCK));

	uint8_t before = 1, after = 1;

	assert_int_equal(pread(to, &before, 1, BLOCK + 6), 1);
	assert_int_equal(pread(to, &after, 1, 3 * BLOCK + 7), 1);
	assert_int_equal(before, 0);
	assert_int_equal(after, 0);
}

static void a_part_goes_to_its_place_and_no_byte_further(void **state)
{
	each_method(*state, copy_a_part);
}

static void copy_in_pieces(int from, int to, enum copy_method method)
{
	put(from, 0, 1000000, 0);
	for (uint64_t at = 0; at < 1000000; at += 77777)
		assert_true(file_copy_range(from, to, at,
					    at + 77777 < 1000000 ? 77777 : 1000000 - at, &method));
	assert_same(from, to);
}

static void pieces_make_the_whole(void **state)
{
	each_method(*state, copy_in_pieces);
}

static uint64_t blocks_of(int fd)
{
	struct stat stat = { 0 };

	assert_int_equal(fsync(fd), 0);
	assert_int_equal(fstat(fd, &stat), 0);
	return (uint64_t)stat.st_blocks * 512;
}

/* data, hole, data, hole */
static void make_holes(int fd)
{
	put(fd, 0, BLOCK, 1);
	put(fd, 64 * BLOCK, BLOCK, 2);
	assert_int_equal(ftruncate(fd, 256 * BLOCK), 0);
}

static void copy_holes(int from, int to, enum copy_method method)
{
	make_holes(from);
	assert_int_equal(ftruncate(to, length_of(from)), 0);
	assert_true(file_copy_range(from, to, 0, (uint64_t)length_of(from), &method));
	assert_same(from, to);
	assert_in_range(blocks_of(to), 2 * BLOCK, 8 * BLOCK);
}

static void holes_stay_holes(void **state)
{
	each_method(*state, copy_holes);
}

static void copy_inside_a_hole(int from, int to, enum copy_method method)
{
	make_holes(from);
	assert_int_equal(ftruncate(to, length_of(from)), 0);
	assert_true(file_copy_range(from, to, 2 * BLOCK, 10 * BLOCK, &method));
	assert_true(file_copy_range(from, to, 100 * BLOCK, 10 * BLOCK, &method));
	assert_int_equal(lseek(to, 0, SEEK_DATA), -1);
	assert_int_equal(errno, ENXIO);
}

static void a_piece_of_a_hole_writes_nothing(void **state)
{
	each_method(*state, copy_inside_a_hole);
}

static void copy_a_short_one(int from, int to, enum copy_method method)
{
	put(from, 0, 100001, 0);
	assert_true(file_copy_range(from, to, 0, 1 << 20, &method));
	assert_same(from, to);
	/* All of it is beyond the end. */
	assert_true(file_copy_range(from, to, 2 << 20, 1 << 20, &method));
	assert_int_equal(length_of(to), 100001);
}

static void a_file_that_ends_early_is_copied_as_far_as_it_goes(void **state)
{
	each_method(*state, copy_a_short_one);
}

static void what_cannot_be_copied_in_the_kernel_is_read_and_written(void **state)
{
	auto_close int to = made(*state, "to");
	auto_close int zero = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
	enum copy_method method = COPY_RANGE;

	/* procfs files have no size, and copy_file_range(2) refuses them or gives 0. */
	assert_true(zero >= 0);
	assert_true(file_copy_range(zero, to, 0, 64, &method));
	assert_int_equal(method, COPY_READ_WRITE);
	assert_int_equal(length_of(to), 64);
}

static void what_may_not_be_written_is_an_error_with_its_number(void **state)
{
	for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
		auto_close int from = made(*state, i ? "from2" : "from1");
		auto_close int closed = open("/dev/full", O_RDWR | O_CLOEXEC);
		enum copy_method method = methods[i];

		put(from, 0, 1000, 0);
		errno = 0;
		assert_false(file_copy_range(from, closed, 0, 1000, &method));
		assert_int_equal(errno, ENOSPC);
	}
}

static void a_clone_is_the_same_file_or_nothing_at_all(void **state)
{
	auto_close int from = made(*state, "from"), to = made(*state, "to");

	put(from, 0, 100000, 0);
	if (file_clone(from, to))
		assert_same(from, to);
	else
		assert_int_equal(length_of(to), 0);
}

static void a_clone_to_another_file_system_is_refused_with_nothing_changed(void **state)
{
	auto_close int from = made(*state, "from");
	auto_close int elsewhere = open("/dev/shm", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	struct stat here = { 0 }, there = { 0 };

	put(from, 0, 1000, 0);
	if (elsewhere < 0 || fstat(from, &here) != 0 || fstat(elsewhere, &there) != 0 ||
	    here.st_dev == there.st_dev)
		skip();
	put(elsewhere, 0, 10, 5);
	assert_false(file_clone(from, elsewhere));
	assert_int_equal(length_of(elsewhere), 10);
	/* Copying is possible all the same. */
	enum copy_method method = COPY_RANGE;

	assert_true(file_copy_range(from, elsewhere, 0, 1000, &method));
	assert_same(from, elsewhere);
}

static void each_method_has_its_name(void **state)
{
	(void)state;
	assert_string_equal(copy_method_name(COPY_REFLINK), "reflink");
	assert_string_equal(copy_method_name(COPY_RANGE), "copy_file_range");
	assert_string_equal(copy_method_name(COPY_READ_WRITE), "read_write");
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, folder_make, folder_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_FOLDER(a_whole_file_arrives_as_it_is),
		IN_FOLDER(nothing_is_copied_as_nothing),
		IN_FOLDER(a_part_goes_to_its_place_and_no_byte_further),
		IN_FOLDER(pieces_make_the_whole),
		IN_FOLDER(holes_stay_holes),
		IN_FOLDER(a_piece_of_a_hole_writes_nothing),
		IN_FOLDER(a_file_that_ends_early_is_copied_as_far_as_it_goes),
		IN_FOLDER(what_cannot_be_copied_in_the_kernel_is_read_and_written),
		IN_FOLDER(what_may_not_be_written_is_an_error_with_its_number),
		IN_FOLDER(a_clone_is_the_same_file_or_nothing_at_all),
		IN_FOLDER(a_clone_to_another_file_system_is_refused_with_nothing_changed),
		cmocka_unit_test(each_method_has_its_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
