#!/usr/bin/php
<?php
# A client of the oracle: PHP's SQLite3. See ../run for the protocol that all clients speak.

$db = $cursor = null;

function open_database($path)
{
	global $db;
	$db = new SQLite3($path);
	$db->enableExceptions(true);
	$db->busyTimeout(0);
}

function finish()
{
	global $cursor;
	$cursor?->finalize();
	$cursor = null;
}

function close_database()
{
	global $db;
	finish();
	$db?->close();
	$db = null;
}

function act($command, $argument)
{
	global $db, $cursor;
	switch ($command) {
	case 'open':
		open_database($argument);
		break;
	case 'attach':
		open_database(':memory:');
		$db->exec("ATTACH '$argument' AS shop");
		break;
	case 'sql':
		$db->exec($argument);
		break;
	case 'cursor':
		finish();
		$cursor = $db->query($argument);
		$cursor->fetchArray(); # query() has reset it
		break;
	case 'finish':
		finish();
		break;
	case 'close':
		close_database();
		break;
	}
}

echo 'ok 0 ', SQLite3::version()['versionString'], "\n";
while (($line = fgets(STDIN)) !== false) {
	[$command, $argument] = explode(' ', rtrim($line, "\n"), 2) + [1 => ''];
	try {
		act($command, $argument);
		echo "ok ?\n";
	} catch (Exception $error) {
		if ($command == 'open' || $command == 'attach')
			close_database();
		echo 'error ? ', str_replace("\n", ' ', $error->getMessage()), "\n";
	}
}
