// Usage: node driver.mjs STEPS unnamed|named. The steps of the drivers with node-postgres, on the server of PGHOST etc.
import pg from 'pg';
import { show, steps } from './steps.mjs';

const [file, mode] = process.argv.slice(2);
const client = new pg.Client();

async function run(name, sql, values) {
	try {
		const result = await client.query({ name: mode === 'named' ? name : undefined, text: sql, values, rowMode: 'array' });
		console.log('  done', result.command, result.rowCount);
		for (const f of result.fields) {
			console.log('  column', f.name, f.dataTypeID, f.dataTypeModifier, f.dataTypeSize, f.tableID !== 0, f.columnID, f.format);
		}
		for (const row of result.rows) console.log('  row', row.map(show).join(' | '));
	} catch (error) {
		const { code, message, detail, table, column, dataType, constraint } = error;
		console.log('  error', [code, message, detail, table, column, dataType, constraint].join(' | '));
	}
}

await client.connect();
for (const { name, sql, rows } of steps(file)) {
	console.log(name);
	for (const values of rows) await run(name, sql, values);
}
await client.end();
