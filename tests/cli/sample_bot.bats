#!/usr/bin/env bats
#
# The sample bot, as the demo and a newcomer meet it, and what dblockcheck says about it.

bats_require_minimum_version 1.5.0

setup() {
	load ../helpers/clients.bash
	load ../helpers/dblockcheck.bash
	dblockcheck_setup
	database=$folder/data/bot.db
}

teardown() {
	clients_teardown
}

rows() {
	sqlite3 -batch "$database" "SELECT count(*) FROM $1"
}

@test "the bot makes the same shop wherever it is started first" {
	start_bot first --database="$database" --stdin
	stop first
	start_bot second --database="$folder/again.db" --stdin
	stop second

	(($(rows clients) + $(rows devices) + $(rows orders) + $(rows order_events) > 2000))
	diff <(sqlite3 -batch "$database" .dump) <(sqlite3 -batch "$folder/again.db" .dump)
	[ "$(sqlite3 -batch "$database" 'PRAGMA foreign_key_check; PRAGMA integrity_check')" = ok ]
}

@test "the well-behaved bot takes an order in a short transaction and is never in the way" {
	start_bot bot --database="$database" --stdin
	local orders
	orders=$(rows orders)
	tell bot broken screen
	hear bot order
	[ "$(rows orders)" = $((orders + 1)) ]
	run sqlite3 -batch "$database" 'SELECT problem FROM orders ORDER BY id DESC LIMIT 1'
	[ "$output" = 'broken screen' ]

	answer_is open read=yes write=yes migrate=bot
	holder_is bot connected --r/r.---.----- SHARED DMS
	sqlite_agrees
}

@test "the bot closes its database on Ctrl+C" {
	start_bot bot --database="$database" --tick=3600
	kill -INT "$(pid bot)"
	hear bot bye
	stop bot
	[ "$(ls "$folder/data")" = bot.db ]

	answer_is free read=yes write=yes migrate=yes
}

@test "the bot that forgets its transaction locks others out, and dblockcheck says who it is" {
	start_bot bot --database="$database" --mode=forgotten-transaction
	run ! sqlite3 -batch "$database" "DELETE FROM orders WHERE id = 1"
	[[ $output == *'database is locked'* ]]

	answer_is locked read=yes write=bot migrate=bot
	holder_is bot writer --r/r.w--.-r--- SHARED WRITE READ1 DMS
	finding_is idle-writer bot
}

@test "the bot that forgets its transaction does so with a rollback journal as well" {
	start_bot bot --database="$database" --journal-mode=delete --mode=forgotten-transaction

	answer_is locked read=yes write=bot migrate=bot
	holder_is bot writer -wr/-.---.----- SHARED RESERVED
	finding_is idle-writer bot
}

@test "the bot that keeps a snapshot keeps the WAL from being emptied" {
	start_bot bot --database="$database" --stdin
	tell bot slow
	hear bot order
	start_bot report --database="$database" --mode=keep-snapshot
	tell bot no sound
	hear bot order

	answer_is open read=yes write=yes migrate=bot+report
	holder_is report reader --r/r.---.-r--- SHARED READ1 DMS
	finding_is stale-snapshot report
}

@test "a bot that is locked out says so and fails" {
	start_bot first --database="$database" --mode=forgotten-transaction
	run --separate-stderr -1 "$sample_bot" --database="$database" --stdin --timeout=0 <<<slow
	[ "$stderr" = "bot.py: $database: database is locked" ]
}
