/* A survey of a database by the path that a container has for it (linux/container_path.h). */
#ifndef COMMON_SURVEY_CONTAINER_H
#define COMMON_SURVEY_CONTAINER_H

#include "common/wait.h"

/*
 * As wait_until_yes(), of `path` in the container `name`; the survey then knows both. Fails when the container cannot be
 * looked into, or ends meanwhile. No name, NULL: of a path of this machine.
 */
bool wait_in_container(struct survey *survey, struct verdict *verdict, const struct proc_root *root,
		       const char *name, const char *path, const struct survey_options *options,
		       enum question question, bool visible_only, double patience,
		       struct error *err);

#endif
