#include "common/base/memory.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/status.h"

void memory_give_up(void)
{
	static const char message[] = "dblocktools: out of memory\n";

	/* Whether it could be written or not, there is nothing left to do about it. */
	if (write(STDERR_FILENO, message, sizeof message - 1) < 0)
		_exit(STATUS_TROUBLE);
	_exit(STATUS_TROUBLE);
}

void *memory_allocate(size_t count, size_t size)
{
	void *memory = calloc(count ? count : 1, size ? size : 1);

	if (!memory)
		memory_give_up();
	return memory;
}

char *memory_copy(const void *bytes, size_t length)
{
	if (length == SIZE_MAX)
		memory_give_up();

	char *copy = memory_allocate(length + 1, 1);

	if (length)
		memcpy(copy, bytes, length);
	return copy;
}

char *memory_copy_text(const char *text)
{
	return text ? memory_copy(text, strlen(text)) : NULL;
}

char *memory_format(const char *format, ...)
{
	va_list arguments;
	char *text = NULL;

	va_start(arguments, format);
	const int length = vasprintf(&text, format, arguments);

	va_end(arguments);
	if (length < 0)
		memory_give_up();
	return text;
}

void *memory_grow(void *array, size_t *capacity, size_t needed, size_t size)
{
	if (array && needed <= *capacity)
		return array;

	size_t wanted = *capacity < 8 ? 8 : *capacity * 2;

	if (wanted < needed)
		wanted = needed;

	void *moved = reallocarray(array, wanted, size);

	if (!moved)
		memory_give_up();
	*capacity = wanted;
	return moved;
}
