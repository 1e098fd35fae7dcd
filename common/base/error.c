#include "common/base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

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
