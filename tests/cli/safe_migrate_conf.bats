#!/usr/bin/env bats
#
# dblocktools.conf: read, never run; and whatever is wrong in it is said before anything is done.

bats_require_minimum_version 1.5.0

setup() {
	load ../helpers/clients.bash
	load ../helpers/machine.bash
	load ../helpers/dblockcheck.bash
	load ../helpers/backup.bash
	load ../helpers/migrate.bash
	load ../helpers/chain.bash
	chain_setup
	conf=$project/dblocktools.conf
}

teardown() {
	chain_teardown
}

# Refused for this reason, before any tool was asked anything.
refused_as() {
	nothing_begun 3
	talk_says "$1"
	[[ ! -e .dblocktools ]]
}

bad() {
	printf 'DATABASE=data/bot.db\n%b\n' "$1" >"$conf"
	refused_as "$2"
}

@test "a setting that is unknown, there twice, or no setting is refused with its line" {
	bad 'STRAT=x' 'line 2: there is no setting STRAT'
	bad 'WAIT=1\nWAIT=2' 'line 3: WAIT is there twice'
	bad 'just words' 'line 2: not KEY=value'
	bad 'export WAIT=1' 'line 2: not KEY=value'
}

@test "a value that is none of its kind is refused" {
	bad 'WAIT=soon' 'WAIT: a number of seconds'
	bad 'GRACE=-1' 'GRACE: a number of seconds'
	bad 'KEEP_LAST=1.5' 'KEEP_LAST: a number'
	bad 'COMPRESS=true' 'COMPRESS: "yes" or "no"'
	bad 'ENGINE=django' 'ENGINE: auto, sql'
	bad 'START=sh -c "x' 'START: a quote that is not closed'
	bad 'BACKUP=no' 'prod always has its backup'
	bad 'BACKUP_PROD=no' 'prod always has its backup'
	bad 'UNIT=-x' 'UNIT: the name'
	bad 'MATCH=a\tb' 'MATCH has a control character'
	bad 'MATCH=\033[31m' 'control character'
}

@test "what only all lines together are wrong in is refused" {
	bad 'START=./run_bot\nUNIT=bot.service' 'started in two ways: UNIT START'
	bad 'COMPOSE_FILE=c.yml' 'needs COMPOSE_PROJECT'
	bad 'COMPOSE_FILE=c.yml\nCOMPOSE_PROJECT=A b' 'COMPOSE_PROJECT: small letters'
	bad 'ENGINE=command' 'needs MIGRATE_COMMAND'
	bad 'ENGINE=sql\nMIGRATE_COMMAND=x' 'MIGRATE_COMMAND is for'
	echo 'WAIT=1' >"$conf"
	refused_as 'DATABASE is not set'
	: >"$conf"
	refused_as 'DATABASE is not set'
	rm "$conf"
	refused_as 'there is no such file'
}

@test "a conf that is no plain, small text is refused and hangs nobody" {
	printf 'DATABASE=data/bot.db\nMATCH=a\0b\n' >"$conf"
	refused_as 'has a NUL'
	{ echo DATABASE=data/bot.db; head -c 71680 /dev/zero | tr '\0' '#'; } >"$conf"
	refused_as 'larger than 64 KiB'
	rm "$conf"
	mkfifo "$conf"
	refused_as 'there is no such file'
	rm "$conf"
	mkdir "$conf"
	refused_as 'there is no such file'
}

@test "CRLF, a BOM, blanks, quotes and no last newline are all right" {
	printf '\xef\xbb\xbf# words\r\n\r\n  DATABASE = "data/bot.db" \r\nREHEARSE=no\r\nSTART=./run_bot\r\nWAIT = '"'1.5'" >"$conf"
	chain 0 --dry-run
	answer_has '.steps[0].ok'
	talk_says 'start would be: ./run_bot'
}

# The value is told as it was written, or nobody cares for it; either way nothing of it is run.
expands_nothing() {
	# shellcheck disable=SC2016 # that is the point
	printf '%s\n' "$1"'=$(touch run1)`touch run2`;touch run3&touch run4 $HOME ~ *' >dblocktools.conf
	[[ $1 == DATABASE ]] || echo DATABASE=data/bot.db >>dblocktools.conf
	echo REHEARSE=no >>dblocktools.conf
	run --separate-stderr safe_migrate --dry-run
	case $1 in
	DATABASE) talk_says 'touch.*there is no such database' ;;
	START) talk_says 'START: there is no program .*touch' ;;
	BACKUPS) talk_says 'backup would go to .*touch' ;;
	esac
	is_same '' "$(find "${project%/*}" -name 'run[1-4]')"
}

@test "nothing in a value is expanded or run" {
	# shellcheck disable=SC2086 # they are words
	rows expands_nothing DATABASE BACKUPS MATCH START MIGRATE_COMMAND ${DBLOCKTOOLS_LONG:+MIGRATIONS ALEMBIC PROTECT ALEMBIC_COMMAND}
}

@test "a start command keeps its quoted, empty and odd words" {
	cat >words <<-END
		#!/bin/bash
		printf '<%s>' "\$@" >words.seen
		read -ra stat </proc/\$\$/stat
		echo "\$\$ \${stat[21]}" >>'$bots'
		exec tail -f /dev/null
	END
	chmod 755 words
	conf_is HOLDS_DATABASE=no
	# shellcheck disable=SC2016 # it is not to be expanded
	sed -i '/^START=/d' "$conf" && echo 'START=./words "a b" "" '"'\$HOME'"' x\ y *' >>"$conf"
	exits_with 0 "$scripts/bot.sh" start dev
	# shellcheck disable=SC2016
	is_same '<a b><><$HOME><x y><*>' "$(cat words.seen)"
}

@test "_DEV and _PROD go before the plain key, for their environment only" {
	conf_is START_DEV='./run_bot --dev' DATABASE_DEV=data/dev.db
	cp "$database" data/dev.db
	chain 0 --dry-run dev
	answer_has '.database | endswith("data/dev.db")'
	talk_says 'start would be: ./run_bot --dev$'
	chain 0 --dry-run prod
	answer_has '.database | endswith("data/bot.db")'
	talk_says 'start would be: ./run_bot$'
}

@test "as root a conf that others can write is refused" {
	require_root
	chmod 666 "$conf"
	refused_as 'others can write .*dblocktools.conf'
	chmod 664 "$conf"
	chgrp 65534 "$conf"
	refused_as 'others can write .*dblocktools.conf'
	chmod 644 "$conf"
	chmod 777 "$project"
	refused_as 'others can write .*project'
	chmod 755 "$project"
	chain 0 --dry-run
}

@test "as root a conf of another user is refused, unless that user called sudo" {
	require_root
	chown 65533 "$conf"
	refused_as 'user 65533 can write'
	SUDO_UID=65532 refused_as 'user 65533 can write'
	SUDO_UID=65533 chain 0 --dry-run
}

@test "as root a link to a conf that others can write is refused" {
	require_root
	mv "$conf" data/real.conf
	ln -s data/real.conf "$conf"
	chain 0 --dry-run
	chmod 666 data/real.conf
	refused_as 'others can write .*real.conf'
}
