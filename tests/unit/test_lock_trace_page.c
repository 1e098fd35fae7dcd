#include "tests/unit/test.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/memory.h"
#include "common/linux/lock_trace_page.h"

/* As Linux 6.18 on x86-64 describes them. */
static const char header_page[] = "\tfield: u64 timestamp;\toffset:0;\tsize:8;\tsigned:0;\n"
				  "\tfield: local_t commit;\toffset:8;\tsize:8;\tsigned:1;\n"
				  "\tfield: int overwrite;\toffset:8;\tsize:1;\tsigned:1;\n"
				  "\tfield: char data;\toffset:16;\tsize:4080;\tsigned:0;\n";

static const char event_format[] =
	"name: fcntl_setlk\n"
	"ID: 1127\n"
	"format:\n"
	"\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n"
	"\tfield:unsigned char common_flags;\toffset:2;\tsize:1;\tsigned:0;\n"
	"\tfield:unsigned char common_preempt_count;\toffset:3;\tsize:1;\tsigned:0;\n"
	"\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n"
	"\n"
	"\tfield:struct file_lock * fl;\toffset:8;\tsize:8;\tsigned:0;\n"
	"\tfield:unsigned long i_ino;\toffset:16;\tsize:8;\tsigned:0;\n"
	"\tfield:dev_t s_dev;\toffset:24;\tsize:4;\tsigned:0;\n"
	"\tfield:struct file_lock_core * blocker;\toffset:32;\tsize:8;\tsigned:0;\n"
	"\tfield:fl_owner_t owner;\toffset:40;\tsize:8;\tsigned:0;\n"
	"\tfield:unsigned int pid;\toffset:48;\tsize:4;\tsigned:0;\n"
	"\tfield:unsigned int flags;\toffset:52;\tsize:4;\tsigned:0;\n"
	"\tfield:unsigned char type;\toffset:56;\tsize:1;\tsigned:0;\n"
	"\tfield:loff_t fl_start;\toffset:64;\tsize:8;\tsigned:1;\n"
	"\tfield:loff_t fl_end;\toffset:72;\tsize:8;\tsigned:1;\n"
	"\tfield:int ret;\toffset:80;\tsize:4;\tsigned:1;\n";

enum { PAGE = 4096, HEADER = 16, RECORD = 84, LOCK_ID = 1127, OTHER_ID = 9 };

/* What the kernel's bit fields are made with. */
struct head {
	uint32_t kind : 5, delta : 27;
};

struct page {
	unsigned char bytes[PAGE];
	size_t used; /* of the data */
};

static struct lock_trace_layout layout_here(void)
{
	struct lock_trace_layout layout = { 0 };

	assert_true(lock_trace_layout_read(header_page, &layout));
	for (size_t i = 0; i < LOCK_TRACE_POINTS; i++)
		assert_true(lock_trace_format_read(event_format, &layout.formats[i]));
	layout.formats[1].id = LOCK_ID + 1;
	return layout;
}

static void put(struct page *page, const void *bytes, size_t length)
{
	assert_true(HEADER + page->used + length <= PAGE);
	memcpy(page->bytes + HEADER + page->used, bytes, length);
	page->used += length;
}

static void put_head(struct page *page, unsigned kind, unsigned delta)
{
	const struct head head = { kind & 0x1f, delta & 0x7ffffff };

	put(page, &head, sizeof head);
}

static void put_word(struct page *page, uint32_t word)
{
	put(page, &word, sizeof word);
}

/* A record of PID 4123 that wants bytes first..last of inode 131 on device fe:01. */
static void put_lock(struct page *page, uint16_t id, unsigned delta, unsigned char act,
		     int64_t first, int64_t last, int32_t result)
{
	unsigned char record[RECORD] = { 0 };
	const uint64_t inode = 131, owner = 0xffff888012345678;
	const uint32_t device = 0xfe << 20 | 1, pid = 4123, flags = 1;

	memcpy(record, &id, sizeof id);
	memcpy(record + 16, &inode, sizeof inode);
	memcpy(record + 24, &device, sizeof device);
	memcpy(record + 40, &owner, sizeof owner);
	memcpy(record + 48, &pid, sizeof pid);
	memcpy(record + 52, &flags, sizeof flags);
	record[56] = act;
	memcpy(record + 64, &first, sizeof first);
	memcpy(record + 72, &last, sizeof last);
	memcpy(record + 80, &result, sizeof result);
	put_head(page, RECORD / 4, delta);
	put(page, record, sizeof record);
}

static bool read_page(struct page *page, uint64_t flags, struct lock_trace_events *events)
{
	const struct lock_trace_layout layout = layout_here();
	const uint64_t time = 1000, commit = page->used | flags;

	memcpy(page->bytes, &time, sizeof time);
	memcpy(page->bytes + 8, &commit, sizeof commit);
	return lock_trace_page_read(&layout, page->bytes, sizeof page->bytes, events);
}

static void a_record_becomes_an_event(void **state)
{
	struct page page = { 0 };
	struct lock_trace_events events = { 0 };

	(void)state;
	put_lock(&page, LOCK_ID, 5, 1, 120, 120, -EAGAIN);
	assert_true(read_page(&page, 0, &events));
	assert_int_equal(events.count, 1);

	const struct lock_trace_event *event = &events.items[0];

	assert_int_equal(event->nanoseconds, 1005);
	assert_int_equal(event->pid, 4123);
	assert_int_equal(event->owner, 0xffff888012345678);
	assert_int_equal(event->major, 0xfe);
	assert_int_equal(event->minor, 1);
	assert_int_equal(event->inode, 131);
	assert_int_equal(event->act, LOCK_TRACE_WRITE);
	assert_int_equal(event->first, 120);
	assert_int_equal(event->last, 120);
	assert_int_equal(event->error, EAGAIN);
	assert_false(event->ofd);
	assert_int_equal(events.lost, 0);
	lock_trace_events_release(&events);
}

static void the_end_of_the_file_is_told_as_in_proc_locks(void **state)
{
	struct page page = { 0 };
	struct lock_trace_events events = { 0 };

	(void)state;
	put_lock(&page, LOCK_ID + 1, 0, 2, 0, INT64_MAX, 0);
	assert_true(read_page(&page, 0, &events));
	assert_int_equal(events.count, 1);
	assert_int_equal(events.items[0].act, LOCK_TRACE_UNLOCK);
	assert_true(events.items[0].last == UINT64_MAX);
	lock_trace_events_release(&events);
}

static void times_add_up_over_records_that_are_not_ours(void **state)
{
	struct page page = { 0 };
	struct lock_trace_events events = { 0 };
	const uint32_t padding = 8;

	(void)state;
	put_lock(&page, OTHER_ID, 10, 0, 0, 0, 0);
	put_head(&page, 29, 20); /* what was thrown away: its length counts from its own word on */
	put_word(&page, padding);
	put_word(&page, 0);
	put_head(&page, 30, 3); /* a long time: 2 * 2^27 + 3 */
	put_word(&page, 2);
	put_lock(&page, LOCK_ID, 7, 0, 1, 1, 0);
	put_head(&page, 31, 5); /* the time itself */
	put_word(&page, 1);
	put_lock(&page, LOCK_ID, 1, 0, 1, 1, 0);
	assert_true(read_page(&page, 0, &events));
	assert_int_equal(events.count, 2);
	assert_int_equal(events.items[0].nanoseconds, 1000 + 10 + 20 + (2 << 27) + 3 + 7);
	assert_int_equal(events.items[1].nanoseconds, (1 << 27) + 5 + 1);
	lock_trace_events_release(&events);
}

static void a_record_with_its_length_in_a_word_of_its_own_is_read(void **state)
{
	struct page page = { 0 }, plain = { 0 };
	struct lock_trace_events events = { 0 };

	(void)state;
	put_lock(&plain, LOCK_ID, 0, 0, 124, 124, 0);
	put_head(&page, 0, 9);
	put_word(&page, RECORD + 4);
	put(&page, plain.bytes + HEADER + 4, RECORD);
	put_lock(&page, LOCK_ID, 1, 2, 124, 124, 0);
	assert_true(read_page(&page, 0, &events));
	assert_int_equal(events.count, 2);
	assert_int_equal(events.items[0].nanoseconds, 1009);
	assert_int_equal(events.items[1].nanoseconds, 1010);
	lock_trace_events_release(&events);
}

static void lost_events_are_counted(void **state)
{
	struct page page = { 0 };
	struct lock_trace_events events = { 0 };
	const uint64_t lost = 77;

	(void)state;
	put_lock(&page, LOCK_ID, 0, 0, 1, 1, 0);
	memcpy(page.bytes + HEADER + page.used, &lost, sizeof lost);
	assert_true(read_page(&page, 1U << 31 | 1U << 30, &events));
	assert_int_equal(events.lost, 77);
	assert_true(read_page(&page, 1U << 31, &events));
	assert_int_equal(events.lost, 78); /* how many is not told: one gap */
	assert_int_equal(events.count, 2);
	lock_trace_events_release(&events);
}

static void a_page_that_cannot_be_right_is_refused(void **state)
{
	struct lock_trace_events events = { 0 };
	const struct lock_trace_layout layout = layout_here();

	(void)state;
	{
		struct page page = { .used = PAGE }; /* more than a page holds */

		assert_false(read_page(&page, 0, &events));
		assert_false(lock_trace_page_read(&layout, page.bytes, HEADER - 1, &events));
	}
	{
		struct page page = { 0 };

		put_head(&page, 28, 0); /* longer than what is there */
		put_word(&page, 0);
		assert_false(read_page(&page, 0, &events));
	}
	{
		struct page page = { 0 };

		put_head(&page, 0, 0); /* a length that does not count its own word */
		put_word(&page, 3);
		assert_false(read_page(&page, 0, &events));
	}
	{
		struct page page = { 0 };

		put_head(&page, 30, 1); /* a time without its second half */
		assert_false(read_page(&page, 0, &events));
	}
	assert_int_equal(events.count, 0);
	lock_trace_events_release(&events);
}

static void a_record_that_is_too_short_or_senseless_is_passed_over(void **state)
{
	struct page page = { 0 };
	struct lock_trace_events events = { 0 };
	const uint16_t id = LOCK_ID;

	(void)state;
	put_head(&page, 1, 0);
	put(&page, &id, sizeof id);
	put(&page, &id, sizeof id);
	put_lock(&page, LOCK_ID, 0, 3, 1, 1, 0);  /* no such lock */
	put_lock(&page, LOCK_ID, 0, 0, 2, 1, 0);  /* ends before it starts */
	put_lock(&page, LOCK_ID, 0, 0, -1, 1, 0); /* before the file */
	assert_true(read_page(&page, 0, &events));
	assert_int_equal(events.count, 0);
	lock_trace_events_release(&events);
}

/* The format without the line of one field. */
static char *without(const char *text, const char *field)
{
	char *changed = memory_copy_text(text), *line = strstr(changed, field);

	assert_non_null(line);
	memset(line, 'x', strlen(field));
	return changed;
}

static void a_format_without_a_field_is_refused(void **state)
{
	static const char *const fields[] = { " i_ino;", " s_dev;",    " owner;",      " pid;",
					      " flags;", " type;",     " fl_end;",     " ret;",
					      "ID: ",	 " fl_start;", " common_type;" };
	struct lock_trace_format format;

	(void)state;
	for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
		char *changed = without(event_format, fields[i]);

		assert_false(lock_trace_format_read(changed, &format));
		free(changed);
	}
	assert_true(lock_trace_format_read(event_format, &format));
	assert_int_equal(format.id, LOCK_ID);
	assert_int_equal(format.act.offset, 56);
}

static void a_page_header_that_is_not_known_is_refused(void **state)
{
	static const char *const fields[] = { " timestamp;", " commit;", " data;" };
	struct lock_trace_layout layout = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
		char *changed = without(header_page, fields[i]);

		assert_false(lock_trace_layout_read(changed, &layout));
		free(changed);
	}
	assert_false(lock_trace_layout_read("", &layout));
	assert_true(lock_trace_layout_read(header_page, &layout));
	assert_int_equal(lock_trace_page_size(&layout), PAGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_record_becomes_an_event),
		cmocka_unit_test(the_end_of_the_file_is_told_as_in_proc_locks),
		cmocka_unit_test(times_add_up_over_records_that_are_not_ours),
		cmocka_unit_test(a_record_with_its_length_in_a_word_of_its_own_is_read),
		cmocka_unit_test(lost_events_are_counted),
		cmocka_unit_test(a_page_that_cannot_be_right_is_refused),
		cmocka_unit_test(a_record_that_is_too_short_or_senseless_is_passed_over),
		cmocka_unit_test(a_format_without_a_field_is_refused),
		cmocka_unit_test(a_page_header_that_is_not_known_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
