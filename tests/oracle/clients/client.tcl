#!/usr/bin/tclsh
# A client of the oracle: SQLite's own Tcl binding. See ../run for the protocol that all clients speak.
package require sqlite3

proc open_database {path} {
	sqlite3 db $path
	db timeout 0
}

# A coroutine stands still in the middle of the SELECT.
proc read_slowly {select} {
	db eval $select { yield }
}

proc finish {} {
	catch { rename reader {} }
}

proc close_database {} {
	finish
	catch { db close }
}

proc act {command argument} {
	switch $command {
		open { open_database $argument }
		attach { open_database :memory: ; db eval {ATTACH $argument AS shop} }
		sql { db eval $argument }
		cursor { finish; coroutine reader read_slowly $argument }
		finish { finish }
		close { close_database }
	}
}

fconfigure stdout -buffering line
puts "ok 0 [sqlite3 -version]"
while {[gets stdin line] >= 0} {
	set space [string first " " "$line "]
	set command [string range $line 0 $space-1]
	if {[catch { act $command [string range $line $space+1 end] } error]} {
		if {$command in {open attach}} close_database
		puts "error ? $error"
	} else {
		puts "ok ?"
	}
}
