/* A survey of a database by the path that a container has for it (linux/container_path.h). */
#ifndef COMMON_SURVEY_CONTAINER_H
#define COMMON_SURVEY_CONTAINER_H

#include "common/linux/container_path.h"
#include "common/survey.h"

/*
 * Notes in a survey, taken by place->outside, that it is of `path` in that container, and takes the names over. Fails when
 * it is of another file than the container has there by now, or the container has ended meanwhile.
 */
bool survey_note_container(struct survey *survey, struct container_path *place, const char *path,
			   struct error *err);

#endif
