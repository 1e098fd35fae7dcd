#!/usr/bin/env bun
// A client of the oracle: Bun, which carries a SQLite of its own. See ../run for the protocol that all clients speak.
import { Database } from "bun:sqlite";

let db = null;
let cursor = null;
let statement = null;

function finish() {
	cursor?.return?.();
	statement?.finalize();
	cursor = statement = null;
}

function close() {
	finish();
	db?.close();
	db = null;
}

const actions = {
	open(path) {
		db = new Database(path);
		try {
			db.exec("PRAGMA busy_timeout = 0");
		} catch {}
	},
	attach(path) {
		actions.open(":memory:");
		db.exec(`ATTACH '${path}' AS shop`);
	},
	sql(text) {
		const one = db.prepare(text);
		try {
			one.all();
		} finally {
			one.finalize();
		}
	},
	cursor(select) {
		finish();
		statement = db.prepare(select);
		cursor = statement.iterate();
		cursor.next();
	},
	finish,
	close,
};

const version = new Database(":memory:").query("SELECT sqlite_version() AS v").get().v;
console.log("ok 0 " + version);
for await (const line of console) {
	const space = (line + " ").indexOf(" ");
	const command = line.slice(0, space);
	try {
		actions[command](line.slice(space + 1));
		console.log("ok ?");
	} catch (error) {
		if (command === "open" || command === "attach") close();
		console.log("error ? " + String(error.message).replaceAll("\n", " "));
	}
}
