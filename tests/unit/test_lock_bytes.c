#include "tests/unit/test.h"

#include <string.h>

#include "common/sqlite/lock_bytes.h"

/* The main file's lock page starts here (sqlite.org/fileformat2.html, 1.5). */
#define PENDING_BYTE UINT64_C(1073741824)

static void add(struct lock_bytes *locks, enum database_file file, uint64_t first, uint64_t last,
		char type)
{
	lock_bytes_add(locks, file, first, last, type == 'w');
}

static void assert_compact(const struct lock_bytes *locks, const char *expected)
{
	char compact[LOCK_COMPACT_SIZE];

	lock_bytes_compact(locks, compact);
	assert_string_equal(compact, expected);
}

static void assert_names(const struct lock_bytes *locks, const char *expected)
{
	const char *names[LOCK_NAMES];
	const size_t count = lock_bytes_names(locks, names);
	char joined[256] = "";
	size_t length = 0;

	for (size_t i = 0; i < count; i++)
		length += (size_t)snprintf(joined + length, sizeof joined - length, "%s%s",
					   i ? " " : "", names[i]);
	assert_string_equal(joined, expected);
}

static void nothing_held_is_nothing_named(void **state)
{
	const struct lock_bytes locks = { 0 };

	(void)state;
	assert_true(lock_bytes_none(&locks));
	assert_names(&locks, "");
	assert_compact(&locks, "---/-.---.-----");
}

static void each_slot_has_its_byte_name_and_letter(void **state)
{
	static const struct {
		enum lock_slot slot;
		enum database_file file;
		uint64_t first, last;
		char type;
		const char *name, *compact;
	} cases[] = {
		{ SLOT_PENDING, FILE_MAIN, PENDING_BYTE, PENDING_BYTE, 'w', "PENDING",
		  "w--/-.---.-----" },
		{ SLOT_PENDING, FILE_MAIN, PENDING_BYTE, PENDING_BYTE, 'r', "PENDING",
		  "r--/-.---.-----" },
		{ SLOT_RESERVED, FILE_MAIN, PENDING_BYTE + 1, PENDING_BYTE + 1, 'w', "RESERVED",
		  "-w-/-.---.-----" },
		{ SLOT_SHARED, FILE_MAIN, PENDING_BYTE + 2, PENDING_BYTE + 511, 'r', "SHARED",
		  "--r/-.---.-----" },
		{ SLOT_SHARED, FILE_MAIN, PENDING_BYTE + 2, PENDING_BYTE + 511, 'w', "EXCLUSIVE",
		  "--w/-.---.-----" },
		{ SLOT_WRITE, FILE_SHM, 120, 120, 'w', "WRITE", "---/-.w--.-----" },
		{ SLOT_CKPT, FILE_SHM, 121, 121, 'w', "CKPT", "---/-.-w-.-----" },
		{ SLOT_RECOVER, FILE_SHM, 122, 122, 'w', "RECOVER", "---/-.--w.-----" },
		{ SLOT_READ0, FILE_SHM, 123, 123, 'r', "READ0", "---/-.---.r----" },
		{ SLOT_READ1, FILE_SHM, 124, 124, 'r', "READ1", "---/-.---.-r---" },
		{ SLOT_READ2, FILE_SHM, 125, 125, 'r', "READ2", "---/-.---.--r--" },
		{ SLOT_READ3, FILE_SHM, 126, 126, 'w', "READ3", "---/-.---.---w-" },
		{ SLOT_READ4, FILE_SHM, 127, 127, 'r', "READ4", "---/-.---.----r" },
		{ SLOT_DMS, FILE_SHM, 128, 128, 'r', "DMS", "---/r.---.-----" },
		{ SLOT_DMS, FILE_SHM, 128, 128, 'w', "DMS", "---/w.---.-----" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const struct lock_range range = lock_slot_range(cases[i].slot);
		const bool write = cases[i].type == 'w';
		struct lock_bytes locks = { 0 };

		assert_int_equal(range.file, cases[i].file);
		assert_int_equal(range.start, cases[i].first);
		assert_int_equal(range.length, cases[i].last - cases[i].first + 1);
		add(&locks, cases[i].file, cases[i].first, cases[i].last, cases[i].type);
		assert_names(&locks, cases[i].name);
		assert_compact(&locks, cases[i].compact);
		assert_false(locks.foreign);
		assert_false(lock_bytes_none(&locks));
		for (enum lock_slot slot = 0; slot < SLOT_COUNT; slot++) {
			const bool held = slot == cases[i].slot;

			assert_int_equal(lock_bytes_holds(&locks, slot), held);
			assert_int_equal(lock_bytes_writes(&locks, slot), held && write);
			assert_int_equal(lock_bytes_reads(&locks, slot), held && !write);
		}
	}
}

static void a_merged_range_is_every_lock_that_it_covers(void **state)
{
	struct lock_bytes exclusive = { 0 }, pending = { 0 }, recovery = { 0 }, readers = { 0 };

	(void)state;
	/* RESERVED, PENDING and the shared range, taken one by one, are one lock to the kernel. */
	add(&exclusive, FILE_MAIN, PENDING_BYTE, PENDING_BYTE + 511, 'w');
	assert_names(&exclusive, "RESERVED PENDING EXCLUSIVE");
	assert_compact(&exclusive, "www/-.---.-----");
	assert_false(exclusive.foreign);

	/* A writer that waits for readers to end: two write locks merged, one read lock beside. */
	add(&pending, FILE_MAIN, PENDING_BYTE, PENDING_BYTE + 1, 'w');
	add(&pending, FILE_MAIN, PENDING_BYTE + 2, PENDING_BYTE + 511, 'r');
	assert_names(&pending, "SHARED RESERVED PENDING");
	assert_compact(&pending, "wwr/-.---.-----");
	assert_false(pending.foreign);

	/* WRITE, CKPT and RECOVER together. */
	add(&recovery, FILE_SHM, 120, 122, 'w');
	assert_names(&recovery, "WRITE CKPT RECOVER");
	assert_compact(&recovery, "---/-.www.-----");

	/* Two readers of one process, and its DMS. */
	add(&readers, FILE_SHM, 127, 128, 'r');
	assert_names(&readers, "READ4 DMS");
	assert_compact(&readers, "---/r.---.----r");
	assert_false(readers.foreign);
}

static void sqlites_own_example_comes_out_right(void **state)
{
	struct lock_bytes locks = { 0 };

	(void)state;
	add(&locks, FILE_MAIN, PENDING_BYTE + 1, PENDING_BYTE + 1, 'w');
	add(&locks, FILE_MAIN, PENDING_BYTE + 2, PENDING_BYTE + 511, 'r');
	add(&locks, FILE_SHM, 128, 128, 'r');
	add(&locks, FILE_SHM, 120, 120, 'w');
	add(&locks, FILE_SHM, 124, 124, 'r');
	assert_compact(&locks, "-wr/r.w--.-r---");
	assert_names(&locks, "SHARED RESERVED WRITE READ1 DMS");
}

static void all_names_come_in_their_promised_order(void **state)
{
	struct lock_bytes locks = { 0 };

	(void)state;
	add(&locks, FILE_MAIN, 0, UINT64_MAX, 'w');
	add(&locks, FILE_MAIN, 0, UINT64_MAX, 'r');
	add(&locks, FILE_SHM, 0, UINT64_MAX, 'w');
	assert_names(&locks, "SHARED RESERVED PENDING EXCLUSIVE WRITE CKPT RECOVER "
			     "READ0 READ1 READ2 READ3 READ4 DMS FOREIGN");
	assert_compact(&locks, "www/w.www.wwwww");
}

static void a_lock_to_the_end_of_the_file_meets_all_but_is_foreign(void **state)
{
	struct lock_bytes whole = { 0 }, tail = { 0 };

	(void)state;
	add(&whole, FILE_MAIN, 0, UINT64_MAX, 'r');
	assert_names(&whole, "SHARED RESERVED PENDING FOREIGN");
	add(&tail, FILE_SHM, 126, UINT64_MAX, 'w');
	assert_names(&tail, "READ3 READ4 DMS FOREIGN");
}

static void one_byte_beyond_what_sqlite_locks_is_foreign(void **state)
{
	static const struct {
		enum database_file file;
		uint64_t first, last;
		bool foreign;
	} cases[] = {
		{ FILE_MAIN, PENDING_BYTE, PENDING_BYTE + 511, false },
		{ FILE_MAIN, PENDING_BYTE - 1, PENDING_BYTE + 511, true },
		{ FILE_MAIN, PENDING_BYTE, PENDING_BYTE + 512, true },
		{ FILE_MAIN, PENDING_BYTE - 1, PENDING_BYTE - 1, true },
		{ FILE_MAIN, PENDING_BYTE + 512, PENDING_BYTE + 512, true },
		{ FILE_MAIN, 0, 0, true },
		{ FILE_SHM, 120, 128, false },
		{ FILE_SHM, 119, 119, true },
		{ FILE_SHM, 129, 129, true },
		{ FILE_SHM, 120, 129, true },
		{ FILE_WAL, 0, UINT64_MAX, true },
		{ FILE_WAL, 120, 128, true },
		{ FILE_JOURNAL, PENDING_BYTE, PENDING_BYTE, true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct lock_bytes locks = { 0 };

		add(&locks, cases[i].file, cases[i].first, cases[i].last, 'w');
		assert_int_equal(locks.foreign, cases[i].foreign);
		assert_false(lock_bytes_none(&locks));
	}
}

static void locks_of_other_files_take_no_slot(void **state)
{
	struct lock_bytes locks = { 0 };

	(void)state;
	add(&locks, FILE_WAL, 0, UINT64_MAX, 'w');
	add(&locks, FILE_JOURNAL, 0, UINT64_MAX, 'r');
	assert_compact(&locks, "---/-.---.-----");
	assert_names(&locks, "FOREIGN");
}

static void read_locks_where_sqlite_only_writes_are_foreign(void **state)
{
	static const enum lock_slot written[] = { SLOT_RESERVED, SLOT_WRITE, SLOT_CKPT,
						  SLOT_RECOVER };

	(void)state;
	for (enum lock_slot slot = 0; slot < SLOT_COUNT; slot++) {
		const struct lock_range range = lock_slot_range(slot);
		struct lock_bytes locks = { 0 };
		bool only_written = false;

		for (size_t i = 0; i < sizeof written / sizeof *written; i++)
			only_written = only_written || written[i] == slot;
		add(&locks, range.file, range.start, range.start + range.length - 1, 'r');
		assert_int_equal(locks.foreign, only_written);
		assert_true(lock_bytes_reads(&locks, slot));
	}
}

static void part_of_the_shared_range_is_shared(void **state)
{
	struct lock_bytes first = { 0 }, last = { 0 };

	(void)state;
	/* Old systems lock one byte of it; and a range is decoded by what it overlaps. */
	add(&first, FILE_MAIN, PENDING_BYTE + 2, PENDING_BYTE + 2, 'r');
	add(&last, FILE_MAIN, PENDING_BYTE + 511, PENDING_BYTE + 511, 'w');
	assert_names(&first, "SHARED");
	assert_names(&last, "EXCLUSIVE");
}

static void locks_add_up_and_the_stronger_letter_shows(void **state)
{
	struct lock_bytes locks = { 0 };

	(void)state;
	add(&locks, FILE_SHM, 124, 124, 'r');
	add(&locks, FILE_SHM, 124, 124, 'w');
	assert_true(lock_bytes_reads(&locks, SLOT_READ1));
	assert_true(lock_bytes_writes(&locks, SLOT_READ1));
	assert_names(&locks, "READ1");
	assert_compact(&locks, "---/-.---.-w---");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_held_is_nothing_named),
		cmocka_unit_test(each_slot_has_its_byte_name_and_letter),
		cmocka_unit_test(a_merged_range_is_every_lock_that_it_covers),
		cmocka_unit_test(sqlites_own_example_comes_out_right),
		cmocka_unit_test(all_names_come_in_their_promised_order),
		cmocka_unit_test(a_lock_to_the_end_of_the_file_meets_all_but_is_foreign),
		cmocka_unit_test(one_byte_beyond_what_sqlite_locks_is_foreign),
		cmocka_unit_test(locks_of_other_files_take_no_slot),
		cmocka_unit_test(read_locks_where_sqlite_only_writes_are_foreign),
		cmocka_unit_test(part_of_the_shared_range_is_shared),
		cmocka_unit_test(locks_add_up_and_the_stronger_letter_shows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
