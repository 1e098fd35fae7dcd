# check-tap.awk - judge the TAP of one test program (bats, cmocka).
#
#   awk -v program=NAME -v status=EXIT_STATUS -f check-tap.awk FILE
#
# Prints a line for each test case: "pass", "fail<TAB>what" or "skip<TAB>what: why". A program that ends without
# the results that it planned, has no test at all, or fails although its tests did not, is one failure more.

function say(outcome, text) {
	count[outcome]++
	print outcome "\t" program ": " text
}

/^1\.\.[0-9]+/ {
	planned += substr($0, 4) + 0
}

/^not ok [0-9]+ # SKIP / { # how cmocka 1.1.5 writes a skip
	sub(/^not ok [0-9]+ # SKIP /, "")
	say("skip", $0)
	next
}

/^(not )?ok [0-9]+/ {
	outcome = $1 == "ok" ? "pass" : "fail"
	sub(/^(not )?ok [0-9]+ (- )?/, "")
	if (outcome == "pass" && sub(/ # [Ss][Kk][Ii][Pp]/, ":"))
		say("skip", $0)
	else
		say(outcome, $0)
}

END {
	reported = count["pass"] + count["fail"] + count["skip"]
	if (status == 124 || status == 137)
		say("fail", "did not end in time, or was killed")
	else if (reported != planned)
		say("fail", planned + 0 " tests planned, " reported " reported, exit status " status)
	else if (reported == 0)
		say("fail", "has no tests")
	else if (status != 0 && !count["fail"])
		say("fail", "exit status " status " although no test failed")
}
