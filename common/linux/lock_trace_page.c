#include "common/linux/lock_trace_page.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/memory.h"
#include "common/base/parse.h"

const char *const lock_trace_points[LOCK_TRACE_POINTS] = { "fcntl_setlk", "locks_remove_posix" };

/* Of include/linux/filelock.h. */
enum { FL_OFDLCK = 1024 };

/* A record's header: 5 bits say what it is, 27 how long after the one before (ring_buffer.h). */
enum { KIND_LONG = 0, KIND_PADDING = 29, KIND_TIME_EXTEND = 30, KIND_TIME_STAMP = 31 };
enum { DELTA_BITS = 27, WORD = 4 };

void lock_trace_events_release(struct lock_trace_events *events)
{
	free(events->items);
	*events = (struct lock_trace_events){ 0 };
}

/* The number behind `label` before `end`, as in "offset:16;". */
static bool find_number(const char *line, const char *end, const char *label, size_t *number)
{
	const char *found = strstr(line, label);
	uint64_t value = 0;

	if (!found || found >= end)
		return false;
	found += strlen(label);
	if (!parse_number_at(&found, 10, UINT16_MAX, &value))
		return false;
	*number = (size_t)value;
	return true;
}

/*
 *	field:unsigned long i_ino;	offset:16;	size:8;	signed:0;
 */
static bool find_field(const char *text, const char *name, struct lock_trace_field *field)
{
	const size_t length = strlen(name);

	for (const char *line = strstr(text, "field:"); line; line = strstr(line + 1, "field:")) {
		const char *end = line + strcspn(line, "\n");
		const char *semicolon = line + strcspn(line, ";\n");

		if (*semicolon != ';' || (size_t)(semicolon - line) <= length ||
		    memcmp(semicolon - length, name, length) != 0 ||
		    semicolon[-(ptrdiff_t)length - 1] != ' ')
			continue;
		return find_number(line, end, "offset:", &field->offset) &&
		       find_number(line, end, "size:", &field->size);
	}
	return false;
}

static bool find_integer(const char *text, const char *name, struct lock_trace_field *field)
{
	return find_field(text, name, field) &&
	       (field->size == 1 || field->size == 2 || field->size == 4 || field->size == 8);
}

bool lock_trace_format_read(const char *text, struct lock_trace_format *format)
{
	const char *id = strstr(text, "ID: ");
	uint64_t value = 0;

	if (!id)
		return false;
	id += 4;
	if (!parse_number_at(&id, 10, UINT16_MAX, &value))
		return false;
	format->id = (uint16_t)value;
	return find_integer(text, "common_type", &format->type) &&
	       find_integer(text, "i_ino", &format->inode) &&
	       find_integer(text, "s_dev", &format->device) &&
	       find_integer(text, "owner", &format->owner) &&
	       find_integer(text, "pid", &format->pid) &&
	       find_integer(text, "flags", &format->flags) &&
	       find_integer(text, "type", &format->act) &&
	       find_integer(text, "fl_start", &format->first) &&
	       find_integer(text, "fl_end", &format->last) &&
	       find_integer(text, "ret", &format->result);
}

bool lock_trace_layout_read(const char *header_page, struct lock_trace_layout *layout)
{
	return find_integer(header_page, "timestamp", &layout->timestamp) &&
	       layout->timestamp.size == 8 &&
	       find_integer(header_page, "commit", &layout->commit) && layout->commit.size >= 4 &&
	       find_field(header_page, "data", &layout->data) && layout->data.size > 0 &&
	       layout->data.offset >= layout->timestamp.offset + layout->timestamp.size &&
	       layout->data.offset >= layout->commit.offset + layout->commit.size;
}

size_t lock_trace_page_size(const struct lock_trace_layout *layout)
{
	return layout->data.offset + layout->data.size;
}

/* A number of this machine's byte order; the caller knows that it lies within the record. */
static uint64_t number_at(const unsigned char *bytes, struct lock_trace_field field)
{
	uint64_t eight = 0;
	uint32_t four = 0;
	uint16_t two = 0;

	switch (field.size) {
	case 8:
		memcpy(&eight, bytes + field.offset, sizeof eight);
		return eight;
	case 4:
		memcpy(&four, bytes + field.offset, sizeof four);
		return four;
	case 2:
		memcpy(&two, bytes + field.offset, sizeof two);
		return two;
	default:
		return bytes[field.offset];
	}
}

static uint32_t word_at(const unsigned char *bytes)
{
	return (uint32_t)number_at(bytes, (struct lock_trace_field){ 0, WORD });
}

static bool lies_within(struct lock_trace_field field, size_t length)
{
	return field.offset + field.size <= length;
}

static bool is_whole(const struct lock_trace_format *format, size_t length)
{
	return lies_within(format->inode, length) && lies_within(format->device, length) &&
	       lies_within(format->owner, length) && lies_within(format->pid, length) &&
	       lies_within(format->flags, length) && lies_within(format->act, length) &&
	       lies_within(format->first, length) && lies_within(format->last, length) &&
	       lies_within(format->result, length);
}

static void take_record(const struct lock_trace_format *format, const unsigned char *record,
			uint64_t time, struct lock_trace_events *events)
{
	enum { MINOR_BITS = 20, MOST_ERRNO = 4095 };
	const uint64_t device = number_at(record, format->device);
	const uint64_t act = number_at(record, format->act);
	const uint64_t first = number_at(record, format->first);
	const uint64_t last = number_at(record, format->last);
	const int32_t result = (int32_t)number_at(record, format->result);

	/* F_RDLCK, F_WRLCK and F_UNLCK are 0, 1 and 2 to the kernel everywhere but on SPARC and Alpha. */
	if (act > LOCK_TRACE_UNLOCK || first > last || (int64_t)first < 0 || result < -MOST_ERRNO)
		return;
	*memory_append(events) = (struct lock_trace_event){
		.nanoseconds = time,
		.pid = (pid_t)number_at(record, format->pid),
		.ofd = number_at(record, format->flags) & FL_OFDLCK,
		.owner = number_at(record, format->owner),
		.major = (unsigned)(device >> MINOR_BITS),
		.minor = (unsigned)(device & ((1U << MINOR_BITS) - 1)),
		.inode = number_at(record, format->inode),
		.act = (enum lock_trace_act)act,
		.first = first,
		.last = last >= INT64_MAX ? UINT64_MAX : last,
		.error = result < 0 ? -result : 0,
	};
}

static void look_at_record(const struct lock_trace_layout *layout, const unsigned char *record,
			   size_t length, uint64_t time, struct lock_trace_events *events)
{
	for (size_t i = 0; i < LOCK_TRACE_POINTS; i++) {
		const struct lock_trace_format *format = &layout->formats[i];

		if (lies_within(format->type, length) &&
		    number_at(record, format->type) == format->id && is_whole(format, length)) {
			take_record(format, record, time, events);
			return;
		}
	}
}

/* The kind and time of a record as a bit field of the kernel's: which end comes first is the machine's affair. */
struct record_header {
	uint32_t kind : 32 - DELTA_BITS, delta : DELTA_BITS;
};

/* How many bytes follow a record's header, and where its content starts behind it. */
static bool measure(const struct record_header *header, const unsigned char *behind, size_t left,
		    size_t *skip, size_t *length)
{
	*skip = 0;
	if (header->kind > KIND_LONG && header->kind < KIND_PADDING) {
		*length = (size_t)header->kind * WORD;
		return *length <= left;
	}
	if (left < WORD)
		return false;

	const size_t told = word_at(behind);

	switch (header->kind) {
	case KIND_LONG: /* the length counts its own word */
		*skip = WORD;
		*length = told < WORD ? 0 : (told - WORD + WORD - 1) / WORD * WORD;
		return told >= WORD && *length <= left - WORD;
	case KIND_PADDING:
		*length = told;
		return told <= left;
	default: /* a time of more than 27 bits: the high ones are in the next word */
		*length = WORD;
		return true;
	}
}

static bool read_records(const struct lock_trace_layout *layout, const unsigned char *data,
			 size_t length, uint64_t time, struct lock_trace_events *events)
{
	size_t at = 0;

	while (length - at >= WORD) {
		struct record_header header;
		size_t skip = 0, content = 0;

		memcpy(&header, data + at, sizeof header);
		at += WORD;
		if (header.kind == KIND_PADDING && header.delta == 0)
			return true; /* nothing more on this page */
		if (!measure(&header, data + at, length - at, &skip, &content))
			return false;

		const uint64_t high = header.kind >= KIND_TIME_EXTEND
					      ? (uint64_t)word_at(data + at) << DELTA_BITS
					      : 0;
		const uint64_t kept = header.kind == KIND_TIME_STAMP ? time & (31ULL << 59) : time;

		time = kept + (high | header.delta);
		if (header.kind < KIND_PADDING)
			look_at_record(layout, data + at + skip, content, time, events);
		at += skip + content;
	}
	return true;
}

/* The commit word: how many bytes of data there are, and two bits about what was overwritten before them. */
bool lock_trace_page_read(const struct lock_trace_layout *layout, const void *page, size_t length,
			  struct lock_trace_events *events)
{
	static const uint64_t missed = 1U << 31, counted = 1U << 30, size_mask = (1U << 27) - 1;
	const unsigned char *bytes = page;

	if (length < layout->data.offset)
		return false;

	const uint64_t commit = number_at(bytes, layout->commit);
	const size_t used = (size_t)(commit & size_mask);

	if (used > length - layout->data.offset)
		return false;
	if (commit & missed) {
		const struct lock_trace_field count = { layout->data.offset + used,
							layout->commit.size };

		events->lost += commit & counted && lies_within(count, length)
					? number_at(bytes, count)
					: 1;
	}
	return read_records(layout, bytes + layout->data.offset, used,
			    number_at(bytes, layout->timestamp), events);
}
