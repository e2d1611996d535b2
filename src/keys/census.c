/*
 * src/keys/census.c
 *
 * Where encrypted values are, and under which keys. The columns come from
 * pg_attribute and the types from the extension's members, never from a list of
 * our own: a column that was restored, attached or renamed cannot be missed.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/dependency.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_class.h"
#include "catalog/pg_depend.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "utils/fmgroids.h"
#include "utils/hsearch.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "crypto/envelope.h"
#include "keys/census.h"
#include "pg/extension.h"

#define KR_TYPE_PREFIX "encrypted_"

/* What is counted together; the whole struct is the hash key, so it is zeroed before it is filled. */
typedef struct CountKey
{
	int32 attnum;
	int32 damaged;
	uint32 tag;
} CountKey;

typedef struct CountEntry
{
	CountKey key; /* must be first */
	int64 values;
} CountEntry;

static bool
is_encrypted_type(Oid type)
{
	HeapTuple tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(type));
	bool result;

	if (!HeapTupleIsValid(tuple))
		return false;
	result = ((Form_pg_type) GETSTRUCT(tuple))->typtype == TYPTYPE_BASE &&
		strncmp(NameStr(((Form_pg_type) GETSTRUCT(tuple))->typname), KR_TYPE_PREFIX, strlen(KR_TYPE_PREFIX)) == 0;
	ReleaseSysCache(tuple);
	return result;
}

/* Oids of the extension's encrypted types; NIL where it is not installed. */
static List *
encrypted_types(void)
{
	List *types = NIL;
	Oid extension = get_extension_oid("keyring", true);
	Relation depend;
	ScanKeyData key[2];
	SysScanDesc scan;
	HeapTuple tuple;

	if (!OidIsValid(extension))
		return NIL;

	depend = table_open(DependRelationId, AccessShareLock);
	ScanKeyInit(&key[0], Anum_pg_depend_refclassid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(ExtensionRelationId));
	ScanKeyInit(&key[1], Anum_pg_depend_refobjid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(extension));
	scan = systable_beginscan(depend, DependReferenceIndexId, true, NULL, 2, key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_depend member = (Form_pg_depend) GETSTRUCT(tuple);

		if (member->classid == TypeRelationId && member->deptype == DEPENDENCY_EXTENSION &&
			is_encrypted_type(member->objid))
			types = lappend_oid(types, member->objid);
	}
	systable_endscan(scan);
	table_close(depend, AccessShareLock);
	return types;
}

/*
 * The entry for an attribute, or NULL when its relation is not of a kind that can hold
 * encrypted values (indexes, composite types and views have attributes too) or is gone.
 */
static KrEncryptedColumn *
make_column(Form_pg_attribute attribute)
{
	HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(attribute->attrelid));
	Form_pg_class class;
	KrEncryptedColumn *column = NULL;

	if (!HeapTupleIsValid(tuple))
		return NULL;
	class = (Form_pg_class) GETSTRUCT(tuple);
	if (RELKIND_HAS_TABLE_AM(class->relkind) || class->relkind == RELKIND_PARTITIONED_TABLE ||
		class->relkind == RELKIND_FOREIGN_TABLE)
	{
		column = palloc(sizeof(KrEncryptedColumn));
		column->relation = attribute->attrelid;
		column->attnum = attribute->attnum;
		column->type = attribute->atttypid;
		column->typmod = attribute->atttypmod;
		column->relkind = class->relkind;
		column->stored = RELKIND_HAS_TABLE_AM(class->relkind);
		column->other_temp = class->relpersistence == RELPERSISTENCE_TEMP &&
			isOtherTempNamespace(class->relnamespace);
	}
	ReleaseSysCache(tuple);
	return column;
}

static int
compare_columns(const ListCell *a, const ListCell *b)
{
	const KrEncryptedColumn *left = lfirst(a);
	const KrEncryptedColumn *right = lfirst(b);

	if (left->relation != right->relation)
		return left->relation < right->relation ? -1 : 1;
	return (int) left->attnum - (int) right->attnum;
}

List *
kr_keys_encrypted_columns(Oid relation)
{
	List *types = encrypted_types();
	List *columns = NIL;
	Relation attributes;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple tuple;

	if (types == NIL)
		return NIL;

	attributes = table_open(AttributeRelationId, AccessShareLock);
	ScanKeyInit(&key, Anum_pg_attribute_attrelid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(relation));
	scan = systable_beginscan(attributes, AttributeRelidNumIndexId, OidIsValid(relation), NULL,
							  OidIsValid(relation) ? 1 : 0, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_attribute attribute = (Form_pg_attribute) GETSTRUCT(tuple);
		KrEncryptedColumn *column;

		/* a dropped column has no type */
		if (attribute->attnum > 0 && !attribute->attisdropped &&
			list_member_oid(types, attribute->atttypid) && (column = make_column(attribute)) != NULL)
			columns = lappend(columns, column);
	}
	systable_endscan(scan);
	table_close(attributes, AccessShareLock);

	list_sort(columns, compare_columns);
	return columns;
}

bool
kr_keys_stored_tag(Datum value, uint32 *tag)
{
	struct varlena *stored = (struct varlena *) DatumGetPointer(value);
	struct varlena *header = stored;
	KrEnvelope envelope;
	bool readable;

	if (VARATT_IS_EXTERNAL(stored) || VARATT_IS_COMPRESSED(stored))
		header = pg_detoast_datum_slice(stored, 0, KR_ENVELOPE_HEADERMAX);

	readable = kr_crypto_envelope_parse_header(&envelope, (const uint8_t *) VARDATA_ANY(header),
											   VARSIZE_ANY_EXHDR(header)) == KR_OK;
	if (readable)
		*tag = envelope.key_tag;

	if (header != stored)
		pfree(header);
	return readable;
}

static CountKey
classify(AttrNumber attnum, Datum value)
{
	CountKey key = { .attnum = attnum };

	key.damaged = !kr_keys_stored_tag(value, &key.tag);
	return key;
}

static void
count_values(HTAB *counts, Relation relation, int ncolumns, const AttrNumber *columns, Snapshot snapshot)
{
	TableScanDesc scan = table_beginscan(relation, snapshot, 0, NULL);
	TupleTableSlot *slot = table_slot_create(relation, NULL);
	CountEntry **last = palloc0(sizeof(CountEntry *) * ncolumns);

	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		CHECK_FOR_INTERRUPTS();
		for (int i = 0; i < ncolumns; i++)
		{
			bool isnull;
			Datum value = slot_getattr(slot, columns[i], &isnull);
			CountKey key;

			if (isnull)
				continue;
			key = classify(columns[i], value);
			/* nearly every value has the key of the one before it */
			if (last[i] == NULL || memcmp(&last[i]->key, &key, sizeof(key)) != 0)
			{
				bool found;

				last[i] = hash_search(counts, &key, HASH_ENTER, &found);
				if (!found)
					last[i]->values = 0;
			}
			last[i]->values++;
		}
	}

	pfree(last);
	ExecDropSingleTupleTableSlot(slot);
	table_endscan(scan);
}

static int
compare_counts(const ListCell *a, const ListCell *b)
{
	const KrKeyCount *left = lfirst(a);
	const KrKeyCount *right = lfirst(b);

	if (left->attnum != right->attnum)
		return (int) left->attnum - (int) right->attnum;
	if (left->damaged != right->damaged)
		return left->damaged ? -1 : 1;
	return left->tag < right->tag ? -1 : left->tag > right->tag;
}

List *
kr_keys_census(Relation relation, int ncolumns, const AttrNumber *columns, Snapshot snapshot)
{
	HASHCTL info = { .keysize = sizeof(CountKey), .entrysize = sizeof(CountEntry), .hcxt = CurrentMemoryContext };
	HTAB *counts = hash_create("keyring census", 16, &info, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	HASH_SEQ_STATUS status;
	CountEntry *entry;
	List *result = NIL;

	count_values(counts, relation, ncolumns, columns, snapshot);

	hash_seq_init(&status, counts);
	while ((entry = hash_seq_search(&status)) != NULL)
	{
		KrKeyCount *count = palloc(sizeof(KrKeyCount));

		count->attnum = (AttrNumber) entry->key.attnum;
		count->damaged = entry->key.damaged != 0;
		count->tag = entry->key.tag;
		count->values = entry->values;
		result = lappend(result, count);
	}
	hash_destroy(counts);

	list_sort(result, compare_counts);
	return result;
}
