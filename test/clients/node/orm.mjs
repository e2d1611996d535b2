// Usage: node orm.mjs migrate 1|2 or node orm.mjs steps. Sequelize's models and queries, with migrations by umzug,
// on the server of PGHOST etc.
import { DataTypes, Op, Sequelize } from 'sequelize';
import { SequelizeStorage, Umzug } from 'umzug';
import { show } from './steps.mjs';

const { PGDATABASE, PGUSER, PGPASSWORD, PGHOST, PGPORT } = process.env;
const sequelize = new Sequelize(PGDATABASE, PGUSER, PGPASSWORD, {
	dialect: 'postgres', host: PGHOST, port: PGPORT, logging: false,
});

const columns = {
	id: { type: DataTypes.INTEGER, primaryKey: true, autoIncrement: true },
	name: { type: DataTypes.STRING(20), allowNull: false, unique: true },
	note: DataTypes.TEXT,
	amount: DataTypes.INTEGER,
	price: DataTypes.DECIMAL(10, 2),
	day: DataTypes.DATEONLY,
	moment: DataTypes.DATE(6),
	active: { type: DataTypes.BOOLEAN, defaultValue: true },
	ref: { type: DataTypes.UUID, unique: true },
	doc: DataTypes.JSONB,
};
const Item = sequelize.define('Item', columns, { tableName: 'sequel', timestamps: false });

// Each column has values once.
const once = Object.fromEntries(Object.entries({
	name: DataTypes.TEXT,
	amount: DataTypes.INTEGER,
	price: DataTypes.DECIMAL(10, 2),
	day: DataTypes.DATEONLY,
	moment: DataTypes.DATE(6),
	active: DataTypes.BOOLEAN,
	ref: DataTypes.UUID,
	doc: DataTypes.JSONB,
}).map(([field, type]) => [field, { type, unique: true }]));
const identity = { id: { type: DataTypes.INTEGER, primaryKey: true, autoIncrement: true } };
const Once = sequelize.define('Once', { ...identity, ...once }, { tableName: 'sequel_once', timestamps: false });

// The second comes when columns are encrypted already.
const migrations = [
	{
		name: '1-items',
		up: async ({ context }) => {
			await context.createTable('sequel', columns);
			await context.createTable('sequel_once', { ...identity, ...once });
			await context.addIndex('sequel', ['amount']);
			await context.addIndex('sequel', ['price']);
		},
	},
	{
		name: '2-colours',
		up: async ({ context }) => {
			await context.addColumn('sequel', 'colour', { type: DataTypes.STRING(10), defaultValue: 'grey' });
			await context.addIndex('sequel', ['name', 'amount']);
			await context.addConstraint('sequel', { fields: ['price', 'name'], type: 'unique', name: 'sequel_price_name' });
			await context.renameColumn('sequel', 'note', 'remark');
		},
	},
];

async function migrate(to) {
	const context = sequelize.getQueryInterface();
	const umzug = new Umzug({ migrations, context, storage: new SequelizeStorage({ sequelize }), logger: undefined });
	const done = await umzug.up({ to: migrations[to - 1].name });
	console.log('migrate\n  done', done.map(({ name }) => name).join(' '));
}

const fields = Object.keys(columns);
const print = (items) => items.forEach((item) => console.log('  row', fields.map((field) => show(item[field])).join(' | ')));
const ids = async (where) => (await Item.findAll({ where, order: ['id'], attributes: ['id'] })).map(({ id }) => id).join(' ');

// By columns: an equal value of each, and two to look for.
const sought = {
	name: ['Ada', 'Bob'],
	note: ['née Byron', '100%'],
	amount: [7, 0],
	price: ['12.50', '0.25'],
	day: ['2024-02-29', '1970-01-01'],
	moment: [new Date('2024-02-29T12:30:00.123Z'), new Date(0)],
	active: [true, false],
	ref: ['a0000000-0000-4000-8000-000000000001', 'a0000000-0000-4000-8000-000000000002'],
	doc: [{ a: [1, 'x'] }, {}],
};
const row = (i, more) => ({ ...Object.fromEntries(fields.slice(1).map((field) => [field, sought[field][i]])), ...more });

const steps = {
	async empty() {
		await Item.truncate();
		await Once.truncate();
	},
	async create() {
		print([await Item.create(row(0, { id: 1 })), await Item.create(row(1, { id: 2 }))]);
		print(await Item.bulkCreate([{ id: 3, name: 'Cy', active: null }, { id: 4, name: 'Zoë' }], { returning: true }));
	},
	async read() {
		print([await Item.findByPk(1), await Item.findOne({ where: { name: 'Zoë' } })]);
	},
	async filter() {
		for (const field of fields.slice(1)) {
			const [one] = sought[field];
			// an object would be taken for conditions on its members
			const values = field === 'doc' ? sought.doc.map((value) => JSON.stringify(value)) : sought[field];
			const found = [{ [field]: { [Op.eq]: values[0] } }, { [field]: { [Op.in]: values } }, { [field]: { [Op.not]: values[0] } }];
			if (field === 'doc') found.push({ doc: { [Op.contains]: one } });
			for (const where of found) console.log('  found', field, await ids(where));
			const [rows] = await sequelize.query(`SELECT id FROM sequel WHERE ${field} = ANY ($1) ORDER BY id`, { bind: [sought[field]] });
			console.log('  found', field, JSON.stringify(rows));
		}
		console.log('  found', await ids({ name: { [Op.like]: { [Op.any]: ['A%', 'B%'] } } }));
		console.log('  found', await ids({ [Op.or]: [{ name: { [Op.iLike]: 'a%' } }, { note: null }], amount: { [Op.between]: [1, 9] } }));
		console.log('  found', await ids({ doc: { a: { 1: 'x' } } }));
		console.log('  found', await ids({ moment: { [Op.lt]: new Date('2024-01-01') }, day: { [Op.ne]: null } }));
	},
	async unique() {
		await Item.create({ id: 20, name: 'Ada' });
	},
	async 'unique: an update'() {
		await Item.update({ ref: sought.ref[0] }, { where: { name: 'Bob' } });
	},
	async 'not null'() {
		await sequelize.query('INSERT INTO sequel (id, note) VALUES (20, $1)', { bind: ['nobody'] });
	},
	async 'numeric overflow'() {
		await Item.update({ price: '123456789' }, { where: { name: 'Bob' } });
	},
	async upsert() {
		for (const name of ['Ada', 'Gus']) {
			const [item] = await Item.upsert({ id: name === 'Ada' ? 1 : 30, name, note: 'upserted', amount: 3 }, {
				conflictFields: ['name'],
			});
			print([item]);
		}
	},
	async 'unique: each type'() {
		for (const field of Object.keys(once)) {
			await Once.create({ [field]: sought[field][0] });
			try {
				await Once.create({ [field]: sought[field][0] });
			} catch (error) {
				const { code, detail, constraint } = error.original;
				console.log('  error', field, code, detail, constraint);
			}
		}
	},
	async 'upsert: each type'() {
		for (const field of Object.keys(once)) {
			for (const value of sought[field]) {
				const [row] = await Once.upsert({ [field]: value }, { conflictFields: [field] });
				console.log('  row', field, show(row[field]));
			}
		}
	},
	async sort() {
		for (const field of fields.slice(1)) {
			const sorted = await Item.findAll({ order: [[field, 'DESC NULLS LAST'], 'id'] });
			console.log('  sorted', field, sorted.map(({ id }) => id).join(' '));
		}
	},
	async paginate() {
		const { count, rows } = await Item.findAndCountAll({ order: ['name'], limit: 2, offset: 2 });
		console.log('  page', count, rows.map(({ name }) => name).join(' '));
		for (const field of fields.slice(1)) {
			const page = await Item.findAll({ order: [field, 'id'], limit: 2, offset: 1, attributes: ['id'] });
			console.log('  page', field, page.map(({ id }) => id).join(' '));
		}
		console.log('  totals', await Item.sum('amount'), await Item.max('price'), await Item.min('day'));
		const groups = await Item.findAll({
			attributes: ['active', [sequelize.fn('count', '*'), 'n']], group: 'active', order: ['active'], raw: true,
		});
		console.log('  groups', JSON.stringify(groups));
	},
	async update() {
		await sequelize.transaction(async (transaction) => {
			const item = await Item.findOne({ where: { name: 'Ada' }, lock: true, transaction });
			await item.update({ amount: 99, doc: { b: null }, moment: null, price: 25 }, { transaction });
			await item.increment('amount', { by: 2, transaction });
			print([await item.reload({ transaction })]);
		});
		const [count, items] = await Item.update({ note: null, active: true }, { where: { amount: 0 }, returning: true });
		console.log('  count', count);
		print(items);
		for (const field of Object.keys(once)) {
			const value = field === 'doc' ? JSON.stringify(sought.doc[0]) : sought[field][0];
			console.log('  count', field, await Once.update({ [field]: sought[field][0] }, { where: { [field]: { [Op.eq]: value } } }));
		}
	},
	async delete() {
		for (const field of Object.keys(once)) {
			const value = field === 'doc' ? JSON.stringify(sought.doc[1]) : sought[field][1];
			console.log('  count', field, await Once.destroy({ where: { [field]: { [Op.eq]: value } } }));
		}
		console.log('  count', await Item.destroy({ where: { ref: sought.ref[0] } }));
		console.log('  count', await Item.destroy({ where: { name: ['Bob', 'none'] } }));
		console.log('  left', (await Item.findAll({ order: ['name'] })).map(({ name }) => name).join(' '));
	},
};

const [command, to] = process.argv.slice(2);
if (command === 'migrate') await migrate(to);
else {
	for (const [name, work] of Object.entries(steps)) {
		console.log(name);
		try {
			await work();
		} catch (error) {
			const { code, message, detail, constraint } = error.original ?? { message: error.stack };
			console.log('  error', [error.name, code, message, detail, constraint].join(' | '));
		}
	}
}
await sequelize.close();
