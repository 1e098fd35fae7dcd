#include "tests/fuzz/fuzz.h"

#include "common/linux/lock_trace_page.h"

/* The format files of a kernel, with the sizes and places that the corpus was made with. */
static const char header_page[] = "\tfield: u64 timestamp;\toffset:0;\tsize:8;\tsigned:0;\n"
				  "\tfield: local_t commit;\toffset:8;\tsize:8;\tsigned:1;\n"
				  "\tfield: char data;\toffset:16;\tsize:4080;\tsigned:0;\n";
static const char event_format[] = "ID: 1127\n"
				   "\tfield:unsigned short common_type;\toffset:0;\tsize:2;\n"
				   "\tfield:unsigned long i_ino;\toffset:16;\tsize:8;\n"
				   "\tfield:dev_t s_dev;\toffset:24;\tsize:4;\n"
				   "\tfield:fl_owner_t owner;\toffset:40;\tsize:8;\n"
				   "\tfield:unsigned int pid;\toffset:48;\tsize:4;\n"
				   "\tfield:unsigned int flags;\toffset:52;\tsize:4;\n"
				   "\tfield:unsigned char type;\toffset:56;\tsize:1;\n"
				   "\tfield:loff_t fl_start;\toffset:64;\tsize:8;\n"
				   "\tfield:loff_t fl_end;\toffset:72;\tsize:8;\n"
				   "\tfield:int ret;\toffset:80;\tsize:4;\n";

static void check_events(const struct lock_trace_events *events, size_t size)
{
	/* Each takes a header and the fields up to the last one. */
	CHECK(events->count <= size / 88);
	for (size_t i = 0; i < events->count; i++) {
		const struct lock_trace_event *event = &events->items[i];

		CHECK(event->act <= LOCK_TRACE_UNLOCK);
		CHECK(event->first <= event->last);
		CHECK(event->last <= INT64_MAX || event->last == UINT64_MAX);
		CHECK(event->error >= 0);
	}
}

/* As a page of a kernel whose formats we know, and as a format file. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct lock_trace_layout layout = { 0 }, other = { 0 };
	struct lock_trace_format format = { 0 };
	struct lock_trace_events events = { 0 };
	char *text = fuzz_string(data, size);
	uint8_t *page = malloc(size ? size : 1);

	CHECK(page);
	memcpy(page, data, size);
	CHECK(lock_trace_layout_read(header_page, &layout));
	for (size_t i = 0; i < LOCK_TRACE_POINTS; i++)
		CHECK(lock_trace_format_read(event_format, &layout.formats[i]));
	(void)lock_trace_page_read(&layout, page, size, &events);
	check_events(&events, size);
	if (lock_trace_format_read(text, &format)) {
		layout.formats[0] = format;
		(void)lock_trace_page_read(&layout, page, size, &events);
	}
	if (lock_trace_layout_read(text, &other))
		CHECK(lock_trace_page_size(&other) >= other.data.offset);
	lock_trace_events_release(&events);
	free(page);
	free(text);
	return 0;
}
