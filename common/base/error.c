#include "common/base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum status status_worse(enum status a, enum status b)
{
	static const unsigned char weight[] = {
		[STATUS_OK] = 0,    [STATUS_UNKNOWN] = 1, [STATUS_NO] = 2,
		[STATUS_BUSY] = 3,  [STATUS_TROUBLE] = 4, [STATUS_PUT_BACK] = 5,
		[STATUS_USAGE] = 6, [STATUS_DAMAGED] = 7,
	};

	return weight[a] >= weight[b] ? a : b;
}

bool fail(struct error *err, enum status status, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(err->text, sizeof err->text, format, arguments);
	va_end(arguments);
	err->status = status;
	return false;
}

bool fail_errno(struct error *err, enum status status, const char *format, ...)
{
	const char *reason = strerrordesc_np(errno);
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(err->text, sizeof err->text, format, arguments);
	va_end(arguments);
	err->status = status;

	/* The reason matters more than the end of a very long path. */
	size_t used = strlen(err->text), wanted = strlen(reason ? reason : "unknown error") + 2;

	if (used + wanted >= sizeof err->text)
		used = sizeof err->text - wanted - 1;
	(void)snprintf(err->text + used, sizeof err->text - used, ": %s",
		       reason ? reason : "unknown error");
	return false;
}
