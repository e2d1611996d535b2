// Reads steps.txt for the programs of this folder, and prints what they see.
import { readFileSync } from 'node:fs';

const readers = {
	integer: Number,
	bigint: Number,
	numeric: (text) => text, // as the driver returns them
	boolean: (text) => text === 'true',
	timestamptz: (text) => new Date(text),
};

function native(kind, text) {
	if (text === '\\N') return null;
	if (kind.endsWith('[]')) return text.split(',').map((element) => native(kind.slice(0, -2), element));
	return (readers[kind] ?? String)(text);
}

// Yields the name of each step, its SQL, and the lists of values that it runs with.
export function* steps(file) {
	for (const block of readFileSync(file, 'utf8').split('\n\n').slice(1)) {
		const lines = block.trimEnd().split('\n');
		const after = (mark) => lines.filter((line) => line.startsWith(mark)).map((line) => line.slice(mark.length));
		const kinds = (after(': ')[0] ?? '').split(' ');
		const rows = after('| ').map((line) => line.split(' | ').map((text, i) => native(kinds[i], text)));
		yield { name: lines[0], sql: after('\t').join(' '), rows: rows.length ? rows : [[]] };
	}
}

export function show(value) {
	const text = value instanceof Date ? value.toISOString() : JSON.stringify(value);
	return `${value?.constructor?.name ?? typeof value} ${text}`;
}
