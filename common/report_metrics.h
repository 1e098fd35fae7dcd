/*
 * Surveys as metrics, in Prometheus' text format, for the node exporter's textfile collector
 * (prometheus.io/docs/instrumenting/exposition_formats). Shows only; nothing is decided here.
 *
 * A family must stand in one piece, with its HELP and TYPE, whatever the number of databases: so they are collected first
 * and written at the end. A sample that comes twice makes the collector refuse the file, so each database counts once.
 */
#ifndef COMMON_REPORT_METRICS_H
#define COMMON_REPORT_METRICS_H

#include "common/base/names.h"
#include "common/base/text.h"
#include "common/survey.h"
#include "common/verdict.h"

enum metric {
	METRIC_UP,
	METRIC_STATE,
	METRIC_CAN,
	METRIC_HOLDERS,
	METRIC_WAL,
	METRIC_WAL_PENDING,
	METRIC_OLDEST_READER,
	METRIC_WRITE_LOCK,
	METRIC_HIDDEN_PROCESSES,
	METRIC_COUNT,
};

struct metrics {
	struct text samples[METRIC_COUNT];
	struct names databases; /* that are in */
	const char *
		container; /* whose paths they are, as a second label; NULL: this machine's. Not owned */
};

#define auto_metrics __attribute__((cleanup(metrics_release))) struct metrics

/* All that is known of one database. What is not known has no sample: zero would be a claim. */
void metrics_add(struct metrics *metrics, const struct survey *survey,
		 const struct verdict *verdict);

/* One that could not be surveyed, as the user wrote it: that it is not up is all there is to say. */
void metrics_add_failure(struct metrics *metrics, const char *database);

/* Appends the families that have samples. */
void metrics_text(const struct metrics *metrics, struct text *text);
void metrics_release(struct metrics *metrics);

#endif
