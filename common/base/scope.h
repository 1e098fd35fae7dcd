/*
 * Cleanup by scope: what is declared with one of these is released at the end of its block, so a
 * function may return early anywhere. take_pointer() and take_descriptor() hand ownership on.
 * Initialise at the declaration, always.
 */
#ifndef BASE_SCOPE_H
#define BASE_SCOPE_H

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static inline void scope_free(void *pointer)
{
	free(*(void **)pointer);
}

/* For descriptors that were only read from: nothing can be lost, so the result says nothing. */
static inline void scope_close(const int *fd)
{
	const int saved = errno;

	if (*fd >= 0)
		(void)close(*fd);
	errno = saved;
}

static inline void scope_close_dir(DIR **dir)
{
	if (*dir)
		(void)closedir(*dir);
}

#define auto_free __attribute__((cleanup(scope_free), unused))
#define auto_close __attribute__((cleanup(scope_close), unused))
#define auto_dir __attribute__((cleanup(scope_close_dir), unused))

/* Returns *where and leaves NULL there, so that auto_free lets go of it. */
#define take_pointer(where)                            \
	({                                             \
		__typeof__(*(where)) taken = *(where); \
		*(where) = NULL;                       \
		taken;                                 \
	})

static inline int take_descriptor(int *fd)
{
	const int taken = *fd;

	*fd = -1;
	return taken;
}

#endif
