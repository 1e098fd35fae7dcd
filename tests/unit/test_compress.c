#include "tests/unit/folder.h"

#include <sys/mman.h>

#include "common/base/compress.h"

/* A file in memory. */
static int memory_file(void)
{
	const int fd = memfd_create("compress", MFD_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

/* The same bytes each time; `kinds` is how many different ones there are: 1 packs well, 256 hardly. */
static int made_of(size_t length, unsigned kinds)
{
	const int fd = memory_file();
	uint8_t *bytes = malloc(length + 1);
	uint32_t random = 1;

	assert_non_null(bytes);
	for (size_t i = 0; i < length; i++) {
		random = random * 1664525 + 1013904223;
		bytes[i] = (uint8_t)((random >> 24) % kinds);
	}
	assert_int_equal(pwrite(fd, bytes, length, 0), length);
	free(bytes);
	return fd;
}

static off_t length_of(int fd)
{
	struct stat stat = { 0 };

	assert_int_equal(fstat(fd, &stat), 0);
	return stat.st_size;
}

static void assert_same_bytes(int one, int other)
{
	const size_t length = (size_t)length_of(one);
	uint8_t *a = malloc(length + 1), *b = malloc(length + 1);

	assert_non_null(a);
	assert_non_null(b);
	assert_int_equal(length_of(other), length);
	assert_int_equal(pread(one, a, length, 0), length);
	assert_int_equal(pread(other, b, length, 0), length);
	assert_int_equal(memcmp(a, b, length), 0);
	free(a);
	free(b);
}

static int packed(int from, int level)
{
	struct compress pack = { .from = from, .to = memory_file() };
	struct error err = { 0 };

	assert_int_equal(lseek(from, 0, SEEK_SET), 0);
	if (!compress_pack(&pack, level, &err))
		fail_msg("%s", err.text);
	assert_int_equal(pack.read, length_of(from));
	assert_int_equal(pack.written, length_of(pack.to));
	return pack.to;
}

/* Unpacks to the descriptor that is in *unpack afterwards. */
static bool unpacked(int from, uint64_t most, struct compress *unpack, struct error *err)
{
	*unpack = (struct compress){ .from = from, .to = memory_file(), .most = most };
	assert_int_equal(lseek(from, 0, SEEK_SET), 0);
	return compress_unpack(unpack, err);
}

static void assert_comes_back(size_t length, unsigned kinds, int level)
{
	const int from = made_of(length, kinds), small = packed(from, level);
	struct compress unpack;
	struct error err = { 0 };

	if (!unpacked(small, length, &unpack, &err))
		fail_msg("%zu bytes: %s", length, err.text);
	assert_int_equal(unpack.read, length_of(small));
	assert_int_equal(unpack.written, length);
	assert_same_bytes(from, unpack.to);
	(void)close(from);
	(void)close(small);
	(void)close(unpack.to);
}

static void what_was_packed_comes_back(void **state)
{
	const size_t large = getenv("DBLOCKTOOLS_SANITIZED") ? 200001 : 1000001;

	(void)state;
	for (unsigned kinds = 1; kinds <= 256; kinds *= 16) {
		assert_comes_back(1, kinds, COMPRESS_USUAL_LEVEL);
		assert_comes_back(12345, kinds, COMPRESS_USUAL_LEVEL);
		assert_comes_back(large, kinds, COMPRESS_USUAL_LEVEL);
	}
}

static void an_empty_file_is_packed_too(void **state)
{
	(void)state;
	assert_comes_back(0, 1, COMPRESS_USUAL_LEVEL);
}

/* Where the last piece fills a buffer or a block exactly, the end of the frame comes with nothing left to give. */
static void round_sizes_come_back(void **state)
{
	static const size_t sizes[] = { 4096,	   128 << 10, 256 << 10, 384 << 10,
					512 << 10, 1 << 20,   2 << 20,	 3 << 20 };

	/* Sanitizers and valgrind take seconds for the large ones. */
	const size_t count =
		sizeof sizes / sizeof *sizes - (getenv("DBLOCKTOOLS_SANITIZED") ? 3 : 0);

	(void)state;
	for (size_t i = 0; i < count; i++) {
		assert_comes_back(sizes[i], 256, COMPRESS_USUAL_LEVEL);
		assert_comes_back(sizes[i], 1, COMPRESS_USUAL_LEVEL);
		assert_comes_back(sizes[i] - 1, 1, COMPRESS_USUAL_LEVEL);
		assert_comes_back(sizes[i] + 1, 16, COMPRESS_USUAL_LEVEL);
	}
}

static void the_first_and_the_last_level_work(void **state)
{
	const size_t length = getenv("DBLOCKTOOLS_SANITIZED") ? 60000 : 600000;

	(void)state;
	assert_comes_back(length, 16, COMPRESS_LEAST_LEVEL);
	assert_comes_back(length, 16, COMPRESS_MOST_LEVEL);
}

static void what_repeats_becomes_small(void **state)
{
	const int from = made_of(1 << 20, 1), small = packed(from, COMPRESS_USUAL_LEVEL);

	(void)state;
	assert_in_range(length_of(small), 1, 1 << 10);
	(void)close(from);
	(void)close(small);
}

static void the_digest_is_of_what_was_written(void **state)
{
	const int from = memory_file();
	struct compress pack = { .from = from, .to = memory_file() }, unpack;
	struct error err = { 0 };
	auto_digest digest = { 0 };
	char bytes[256], text[DIGEST_TEXT_SIZE];

	(void)state;
	assert_int_equal(pwrite(from, "abc", 3, 0), 3);
	assert_true(compress_pack(&pack, COMPRESS_USUAL_LEVEL, &err));

	const ssize_t length = pread(pack.to, bytes, sizeof bytes, 0);

	assert_int_equal(length, pack.written);
	digest_start(&digest);
	digest_add(&digest, bytes, (size_t)length);
	digest_finish(&digest, text);
	assert_string_equal(pack.digest, text);
	assert_true(unpacked(pack.to, 3, &unpack, &err));
	assert_string_equal(unpack.digest,
			    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	(void)close(from);
	(void)close(pack.to);
	(void)close(unpack.to);
}

static void reading_starts_where_the_descriptor_stands(void **state)
{
	const int from = made_of(1000, 256);
	struct compress pack = { .from = from, .to = memory_file() };
	struct error err = { 0 };

	(void)state;
	assert_int_equal(lseek(from, 990, SEEK_SET), 990);
	assert_true(compress_pack(&pack, COMPRESS_USUAL_LEVEL, &err));
	assert_int_equal(pack.read, 10);
	(void)close(from);
	(void)close(pack.to);
}

/* It is a "no" about the file, and a reason is given. */
static void assert_no_zstd_file(int from)
{
	struct compress unpack;
	struct error err = { 0 };

	if (unpacked(from, UINT64_MAX, &unpack, &err))
		fail_msg("what is no whole zstd file was unpacked");
	assert_int_equal(err.status, STATUS_NO);
	assert_int_not_equal(err.text[0], '\0');
	(void)close(unpack.to);
}

static void a_file_cut_off_anywhere_is_noticed(void **state)
{
	const int from = made_of(3000, 16), small = packed(from, COMPRESS_USUAL_LEVEL);

	(void)state;
	for (off_t length = length_of(small) - 1; length >= 0; length--) {
		assert_int_equal(ftruncate(small, length), 0);
		assert_no_zstd_file(small);
	}
	(void)close(from);
	(void)close(small);
}

static void a_large_file_cut_off_between_two_blocks_is_noticed(void **state)
{
	const int from = made_of(2 << 20, 256), small = packed(from, COMPRESS_USUAL_LEVEL);

	(void)state;
	for (off_t length = length_of(small) - 5; length > 0; length -= 128 << 10) {
		assert_int_equal(ftruncate(small, length), 0);
		assert_no_zstd_file(small);
	}
	(void)close(from);
	(void)close(small);
}

static void any_changed_byte_is_noticed(void **state)
{
	const int from = made_of(2000, 16), small = packed(from, COMPRESS_USUAL_LEVEL);

	(void)state;
	for (off_t at = 0; at < length_of(small); at++) {
		struct compress unpack;
		struct error err = { 0 };
		uint8_t byte = 0, changed = 0;

		assert_int_equal(pread(small, &byte, 1, at), 1);
		changed = byte ^ 0x5a;
		assert_int_equal(pwrite(small, &changed, 1, at), 1);
		/* A bit or two of the header mean nothing to a reader: then it is still the same that comes out. */
		if (unpacked(small, 2000, &unpack, &err))
			assert_same_bytes(from, unpack.to);
		else
			assert_int_equal(err.status, STATUS_NO);
		(void)close(unpack.to);
		assert_int_equal(pwrite(small, &byte, 1, at), 1);
	}
	(void)close(from);
	(void)close(small);
}

static void a_changed_byte_of_the_content_is_noticed(void **state)
{
	/* Hardly packed: most of the file is the content as it is. */
	const int from = made_of(5000, 256), small = packed(from, COMPRESS_USUAL_LEVEL);

	(void)state;
	for (off_t at = 100; at < 5000; at += 98) {
		uint8_t byte = 0, changed = 0;

		assert_int_equal(pread(small, &byte, 1, at), 1);
		changed = byte ^ 1;
		assert_int_equal(pwrite(small, &changed, 1, at), 1);
		assert_no_zstd_file(small);
		assert_int_equal(pwrite(small, &byte, 1, at), 1);
	}
	(void)close(from);
	(void)close(small);
}

static void junk_behind_the_end_is_noticed(void **state)
{
	static const char *const junk[] = { "x", "xx", "xxxx", "junk and more of it" };

	(void)state;
	for (size_t i = 0; i < sizeof junk / sizeof *junk; i++) {
		const int from = made_of(1000, 16), small = packed(from, COMPRESS_USUAL_LEVEL);

		assert_int_equal(pwrite(small, junk[i], strlen(junk[i]), length_of(small)),
				 strlen(junk[i]));
		assert_no_zstd_file(small);
		(void)close(from);
		(void)close(small);
	}
}

static void what_was_never_packed_is_refused(void **state)
{
	const int empty = memory_file(), database = memory_file();

	(void)state;
	assert_no_zstd_file(empty);
	assert_int_equal(pwrite(database, "SQLite format 3", 16, 0), 16);
	assert_no_zstd_file(database);
	(void)close(empty);
	(void)close(database);
}

static void more_than_it_should_be_is_refused_before_it_is_written(void **state)
{
	/* A megabyte of one byte: a bomb in a few hundred bytes. */
	const int from = made_of(8 << 20, 1), small = packed(from, COMPRESS_USUAL_LEVEL);
	struct compress unpack;
	struct error err = { 0 };

	(void)state;
	assert_false(unpacked(small, (1 << 20) + 1, &unpack, &err));
	assert_int_equal(err.status, STATUS_NO);
	assert_non_null(strstr(err.text, "more than it should"));
	assert_true(length_of(unpack.to) <= (1 << 20) + 1);
	(void)close(unpack.to);
	assert_false(unpacked(small, (8 << 20) - 1, &unpack, &err));
	(void)close(unpack.to);
	assert_true(unpacked(small, 8 << 20, &unpack, &err));
	(void)close(unpack.to);
	(void)close(from);
	(void)close(small);
}

/* zstd -22 --ultra makes windows of 128 MiB; a stranger's header may ask for 2 GiB of memory. */
static void a_header_that_asks_for_a_huge_window_is_refused(void **state)
{
	/* RFC 8878: magic, no single segment, window descriptor of 2^31 bytes, an empty last block. */
	static const uint8_t bytes[] = { 0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xa8, 0x01, 0x00, 0x00 };
	const int from = memory_file();

	(void)state;
	assert_int_equal(pwrite(from, bytes, sizeof bytes, 0), sizeof bytes);
	assert_no_zstd_file(from);
	(void)close(from);
}

static void several_frames_are_one_file(void **state)
{
	const int from = made_of(1000, 16), small = packed(from, COMPRESS_USUAL_LEVEL);
	const off_t length = length_of(small);
	char bytes[4096];
	struct compress unpack;
	struct error err = { 0 };

	(void)state;
	assert_in_range(length, 1, sizeof bytes);
	assert_int_equal(pread(small, bytes, sizeof bytes, 0), length);
	assert_int_equal(pwrite(small, bytes, (size_t)length, length), length);
	assert_true(unpacked(small, 2000, &unpack, &err));
	assert_int_equal(unpack.written, 2000);
	(void)close(from);
	(void)close(small);
	(void)close(unpack.to);
}

static void a_full_disk_is_trouble_and_no_damage(void **state)
{
	const int from = made_of(100000, 256), small = packed(from, COMPRESS_USUAL_LEVEL);
	const int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
	struct compress pack = { .from = from, .to = full };
	struct compress unpack = { .from = small, .to = full, .most = UINT64_MAX };
	struct error err = { 0 };

	(void)state;
	assert_true(full >= 0);
	assert_int_equal(lseek(from, 0, SEEK_SET), 0);
	assert_int_equal(lseek(small, 0, SEEK_SET), 0);
	assert_false(compress_pack(&pack, COMPRESS_USUAL_LEVEL, &err));
	assert_int_equal(err.status, STATUS_TROUBLE);
	assert_non_null(strstr(err.text, "No space left"));
	err = (struct error){ 0 };
	assert_false(compress_unpack(&unpack, &err));
	assert_int_equal(err.status, STATUS_TROUBLE);
	assert_non_null(strstr(err.text, "No space left"));
	(void)close(full);
	(void)close(from);
	(void)close(small);
}

static int asked;

static bool third_time(void)
{
	return ++asked == 3;
}

static void it_can_be_watched_and_stopped(void **state)
{
	_Atomic uint64_t done = 0;
	const int from = made_of(4 << 20, 256);
	struct compress pack = {
		.from = from,
		.to = memory_file(),
		.done = &done,
		.stop = third_time,
	};
	struct error err = { 0 };

	(void)state;
	asked = 0;
	assert_false(compress_pack(&pack, COMPRESS_LEAST_LEVEL, &err));
	assert_int_equal(asked, 3);
	assert_string_equal(err.text, "interrupted");
	assert_int_equal(err.status, STATUS_TROUBLE);
	assert_true(done > 0 && done < 4 << 20);
	assert_int_equal(done, pack.read);
	(void)close(from);
	(void)close(pack.to);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_packed_comes_back),
		cmocka_unit_test(an_empty_file_is_packed_too),
		cmocka_unit_test(round_sizes_come_back),
		cmocka_unit_test(the_first_and_the_last_level_work),
		cmocka_unit_test(what_repeats_becomes_small),
		cmocka_unit_test(the_digest_is_of_what_was_written),
		cmocka_unit_test(reading_starts_where_the_descriptor_stands),
		cmocka_unit_test(a_file_cut_off_anywhere_is_noticed),
		cmocka_unit_test(a_large_file_cut_off_between_two_blocks_is_noticed),
		cmocka_unit_test(any_changed_byte_is_noticed),
		cmocka_unit_test(a_changed_byte_of_the_content_is_noticed),
		cmocka_unit_test(junk_behind_the_end_is_noticed),
		cmocka_unit_test(what_was_never_packed_is_refused),
		cmocka_unit_test(more_than_it_should_be_is_refused_before_it_is_written),
		cmocka_unit_test(a_header_that_asks_for_a_huge_window_is_refused),
		cmocka_unit_test(several_frames_are_one_file),
		cmocka_unit_test(a_full_disk_is_trouble_and_no_damage),
		cmocka_unit_test(it_can_be_watched_and_stopped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
