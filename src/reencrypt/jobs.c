/*
 * src/reencrypt/jobs.c
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "keys/owner.h"
#include "miscadmin.h"
#include "pg/extension.h"
#include "reencrypt/jobs.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#define KR_JOB_FIELDS \
	"id, state, coalesce(relation, 0::oid), coalesce((SELECT a.attname FROM pg_attribute a WHERE a.attrelid = relation" \
	" AND a.attnum = keyring_job.attnum AND NOT a.attisdropped), column_name), skip_unavailable, coalesce(target_key, 0), pass, current_relation," \
	" next_block, end_block, done_blocks, total_blocks, scanned, moved, skipped, pass_seconds, looking"

static const char *const state_names[] = {
	[KR_JOB_QUEUED] = "queued",
	[KR_JOB_RUNNING] = "running",
	[KR_JOB_WAITING] = "waiting",
	[KR_JOB_PAUSED] = "paused",
	[KR_JOB_COMPLETED] = "completed",
	[KR_JOB_CANCELLED] = "cancelled"
};

const char *
kr_reencrypt_state_name(KrJobState state)
{
	return state_names[state];
}

static KrJobState
state_of(const char *name)
{
	for (int i = 0; i < (int) lengthof(state_names); i++)
	{
		if (strcmp(state_names[i], name) == 0)
			return (KrJobState) i;
	}
	elog(ERROR, "unknown state of a job: \"%s\"", name);
}

void
kr_reencrypt_lock_jobs(void)
{
	LockRelationOid(kr_pg_relation("keyring_job"), ShareRowExclusiveLock);
}

static Datum
field(HeapTuple row, TupleDesc desc, int number)
{
	bool isnull;

	return SPI_getbinval(row, desc, number, &isnull);
}

static void
take_job(HeapTuple row, TupleDesc desc, void *arg)
{
	KrJob *job = palloc0(sizeof(KrJob));

	job->id = DatumGetInt64(field(row, desc, 1));
	job->state = state_of(SPI_getvalue(row, desc, 2));
	job->relation = DatumGetObjectId(field(row, desc, 3));
	job->column = SPI_getvalue(row, desc, 4);
	job->skip_unavailable = DatumGetBool(field(row, desc, 5));
	job->target_key = DatumGetInt32(field(row, desc, 6));
	job->pass = DatumGetInt32(field(row, desc, 7));
	job->current = DatumGetObjectId(field(row, desc, 8));
	job->next_block = (BlockNumber) DatumGetInt64(field(row, desc, 9));
	job->end_block = (BlockNumber) DatumGetInt64(field(row, desc, 10));
	job->done_blocks = DatumGetInt64(field(row, desc, 11));
	job->total_blocks = DatumGetInt64(field(row, desc, 12));
	job->scanned = DatumGetInt64(field(row, desc, 13));
	job->moved = DatumGetInt64(field(row, desc, 14));
	job->skipped = DatumGetInt64(field(row, desc, 15));
	job->pass_seconds = DatumGetFloat8(field(row, desc, 16));
	job->looking = DatumGetBool(field(row, desc, 17));
	*(KrJob **) arg = job;
}

static KrJob *
read_job(const char *command, int64 id)
{
	Oid types[] = { INT8OID };
	Datum values[] = { Int64GetDatum(id) };
	KrJob *job = NULL;

	kr_keys_rows_as_owner(command, lengthof(types), types, values, NULL, take_job, &job);
	return job;
}

KrJob *
kr_reencrypt_read(int64 id)
{
	return read_job("SELECT " KR_JOB_FIELDS " FROM %s.keyring_job WHERE id = $1", id);
}

KrJob *
kr_reencrypt_read_locked(int64 id)
{
	return read_job("SELECT " KR_JOB_FIELDS " FROM %s.keyring_job WHERE id = $1 FOR NO KEY UPDATE", id);
}

static void
take_id(HeapTuple row, TupleDesc desc, void *arg)
{
	*(int64 *) arg = DatumGetInt64(field(row, desc, 1));
}

int64
kr_reencrypt_newest(void)
{
	int64 id = 0;

	kr_keys_rows_as_owner("SELECT coalesce(max(id), 0) FROM %s.keyring_job", 0, NULL, NULL, NULL, take_id, &id);
	return id;
}

static void
take_ids(HeapTuple row, TupleDesc desc, void *arg)
{
	int64 *id = palloc(sizeof(int64));

	take_id(row, desc, id);
	*(List **) arg = lappend(*(List **) arg, id);
}

List *
kr_reencrypt_workable(void)
{
	List *ids = NIL;

	kr_keys_rows_as_owner("SELECT id FROM %s.keyring_job WHERE state IN ('queued', 'running', 'waiting') ORDER BY id",
						  0, NULL, NULL, NULL, take_ids, &ids);
	return ids;
}

int64
kr_reencrypt_insert(Oid relation, const char *column, bool skip_unavailable)
{
	Oid types[] = { OIDOID, NAMEOID, BOOLOID, TEXTOID, INT8OID, INT2OID };
	int64 id = kr_reencrypt_newest() + 1;
	NameData name;
	Datum values[] = { ObjectIdGetDatum(relation), NameGetDatum(&name), BoolGetDatum(skip_unavailable),
					   CStringGetTextDatum(GetUserNameFromId(GetUserId(), false)), Int64GetDatum(id),
					   Int16GetDatum(column != NULL ? get_attnum(relation, column) : InvalidAttrNumber) };
	char nulls[] = "      ";

	namestrcpy(&name, column != NULL ? column : "");
	if (!OidIsValid(relation))
		nulls[0] = 'n';
	if (column == NULL)
		nulls[1] = nulls[5] = 'n';
	kr_keys_as_owner("INSERT INTO %s.keyring_job (relation, column_name, skip_unavailable, started_by, id, attnum)"
					 " VALUES ($1, $2, $3, $4, $5, $6)",
					 lengthof(types), types, values, nulls);
	return id;
}

void
kr_reencrypt_add_column(int64 id, Oid relation, AttrNumber attnum)
{
	Oid types[] = { INT8OID, OIDOID, INT2OID };
	Datum values[] = { Int64GetDatum(id), ObjectIdGetDatum(relation), Int16GetDatum(attnum) };
	int64 other = 0;

	kr_keys_rows_as_owner("SELECT job_id FROM %s.keyring_job_column WHERE relation = $2 AND attnum = $3 AND active AND job_id <> $1",
						  lengthof(types), types, values, NULL, take_id, &other);
	if (other != 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("cannot start a job for column \"%s\" of \"%s\": job %lld is at it",
						get_attname(relation, attnum, false), get_rel_name(relation), (long long) other),
				 errhint("Wait for it with CALL keyring_wait_for_job(%lld), or end it with keyring_cancel_job(%lld).",
						 (long long) other, (long long) other)));
	kr_keys_as_owner("INSERT INTO %s.keyring_job_column (job_id, relation, attnum) VALUES ($1, $2, $3)",
					 lengthof(types), types, values, NULL);
}

void
kr_reencrypt_set_state(int64 id, KrJobState state)
{
	Oid types[] = { INT8OID, TEXTOID };
	Datum values[] = { Int64GetDatum(id), CStringGetTextDatum(state_names[state]) };

	kr_keys_as_owner("UPDATE %s.keyring_job SET state = $2, waiting_reason = NULL, waiting_for_pid = NULL,"
					 " waiting_for_transaction = NULL,"
					 " finished_at = CASE WHEN $2 IN ('completed', 'cancelled') THEN clock_timestamp() END WHERE id = $1",
					 lengthof(types), types, values, NULL);
	if (!kr_reencrypt_is_active(state))
		kr_keys_as_owner("UPDATE %s.keyring_job_column SET active = false WHERE job_id = $1", 1, types, values, NULL);
}

void
kr_reencrypt_save(const KrJob *job)
{
	Oid types[] = { INT8OID, INT4OID, INT4OID, OIDOID, INT8OID, INT8OID, INT8OID, INT8OID, INT8OID, INT8OID, INT8OID,
					FLOAT8OID, BOOLOID };
	Datum values[] = { Int64GetDatum(job->id), Int32GetDatum(job->target_key), Int32GetDatum(job->pass),
					   ObjectIdGetDatum(job->current), Int64GetDatum(job->next_block), Int64GetDatum(job->end_block),
					   Int64GetDatum(job->done_blocks), Int64GetDatum(job->total_blocks), Int64GetDatum(job->scanned),
					   Int64GetDatum(job->moved), Int64GetDatum(job->skipped), Float8GetDatum(job->pass_seconds),
					   BoolGetDatum(job->looking) };

	kr_keys_as_owner("UPDATE %s.keyring_job SET state = 'running', waiting_reason = NULL, waiting_for_pid = NULL,"
					 " waiting_for_transaction = NULL, target_key = $2, pass = $3, current_relation = $4, next_block = $5,"
					 " end_block = $6, done_blocks = $7, total_blocks = $8, scanned = $9, moved = $10, skipped = $11,"
					 " pass_seconds = $12, looking = $13 WHERE id = $1",
					 lengthof(types), types, values, NULL);
}

void
kr_reencrypt_save_position(const KrJob *job)
{
	Oid types[] = { INT8OID, OIDOID, INT8OID, INT8OID };
	Datum values[] = { Int64GetDatum(job->id), ObjectIdGetDatum(job->current), Int64GetDatum(job->next_block),
					   Int64GetDatum(job->end_block) };

	kr_keys_as_owner("UPDATE %s.keyring_job SET current_relation = $2, next_block = $3, end_block = $4 WHERE id = $1",
					 lengthof(types), types, values, NULL);
}

void
kr_reencrypt_set_waiting(int64 id, const KrObstacle *obstacle)
{
	Oid types[] = { INT8OID, TEXTOID, INT4OID, TEXTOID };
	Datum values[] = { Int64GetDatum(id), CStringGetTextDatum(obstacle->reason), Int32GetDatum(obstacle->pid),
					   obstacle->transaction != NULL ? CStringGetTextDatum(obstacle->transaction) : (Datum) 0 };
	char nulls[] = "    ";

	if (obstacle->transaction == NULL)
		nulls[3] = 'n';
	kr_keys_as_owner("UPDATE %s.keyring_job SET state = 'waiting', waiting_reason = $2, waiting_for_pid = nullif($3, 0),"
					 " waiting_for_transaction = $4 WHERE id = $1 AND state IN ('queued', 'running', 'waiting')",
					 lengthof(types), types, values, nulls);
}

void
kr_reencrypt_set_unreadable(int64 id, int tables)
{
	Oid types[] = { INT8OID, INT4OID };
	Datum values[] = { Int64GetDatum(id), Int32GetDatum(tables) };

	kr_keys_as_owner("UPDATE %s.keyring_job SET unreadable_tables = $2 WHERE id = $1", lengthof(types), types, values, NULL);
}
