/* What a foreign program prints: kept raw, passed on line by line and printable, and never more than somebody can use. */
#ifndef LINUX_GUEST_OUTPUT_H
#define LINUX_GUEST_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>

#include "common/linux/guest.h"

/* Bytes of one line that are looked at; what is longer is cut. */
enum { GUEST_LINE_SIZE = 4096 };

struct guest_output {
	struct guest *guest;
	size_t logged; /* bytes */
	size_t told;   /* bytes */
	bool told_end; /* the listener knows that there is more */
	bool returned; /* the last byte was a carriage return */
	size_t length; /* of `line` so far */
	size_t last_length;
	char line[GUEST_LINE_SIZE];
	char last[GUEST_LINE_SIZE]; /* the last line that was not empty */
};

/* Takes what there is to read in `fd` (O_NONBLOCK), at most some 64 KiB. False at the end, or when nothing can be read. */
bool guest_output_read(struct guest_output *output, int fd);

/* Nothing more comes: passes on a last line without its newline, and fills in guest->last_line. */
void guest_output_end(struct guest_output *output);

#endif
