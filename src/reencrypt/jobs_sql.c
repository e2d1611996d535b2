/*
 * src/reencrypt/jobs_sql.c
 *
 * The SQL-callable functions of jobs. Who may call them is a matter of EXECUTE privileges.
 */
#include "postgres.h"

#include "keys/census.h"
#include "keys/lifecycle.h"
#include "miscadmin.h"
#include "reencrypt/worklist.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "worker/board.h"

KR_FUNCTION(keyring_reencrypt);
KR_FUNCTION(keyring_pause_job);
KR_FUNCTION(keyring_resume_job);
KR_FUNCTION(keyring_cancel_job);

static void
check_arguments(Oid relation, const char *column)
{
	if (!OidIsValid(relation) && column != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a column was named without its table"),
				 errhint("Name both, as in keyring_reencrypt('schema.table', 'column').")));
	if (OidIsValid(relation) && get_rel_name(relation) == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation with OID %u does not exist", relation),
				 errhint("Name the table as in keyring_reencrypt('schema.table').")));
	if (column != NULL && get_attnum(relation, column) == InvalidAttrNumber)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("column \"%s\" of relation \"%s\" does not exist", column, get_rel_name(relation)),
				 errhint("Write the name as the catalogs do: without quotes, in lower case unless it was quoted.")));
}

static void
refuse_nothing(Oid relation, const char *column)
{
	if (!OidIsValid(relation))
		return;
	if (column != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("column \"%s\" of \"%s\" is not encrypted", column, get_rel_name(relation)),
				 errhint("The view keyring_columns lists the encrypted columns.")));
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("table \"%s\" has no encrypted column that stores values", get_rel_name(relation)),
			 errhint("The view keyring_columns lists the encrypted columns.")));
}

/* Arguments may be NULL, which means all; skip_unavailable NULL means false. */
Datum
keyring_reencrypt(PG_FUNCTION_ARGS)
{
	KrJob job = {
		.relation = PG_ARGISNULL(0) ? InvalidOid : PG_GETARG_OID(0),
		.column = PG_ARGISNULL(1) ? NULL : NameStr(*PG_GETARG_NAME(1))
	};
	List *columns;
	ListCell *cell;

	PreventCommandIfReadOnly("keyring_reencrypt()");
	PreventCommandDuringRecovery("keyring_reencrypt()");
	check_arguments(job.relation, job.column);
	kr_keys_require_primary();
	columns = kr_reencrypt_columns(&job, NULL);
	if (columns == NIL)
		refuse_nothing(job.relation, job.column);

	kr_reencrypt_lock_jobs();
	job.id = kr_reencrypt_insert(job.relation, job.column, !PG_ARGISNULL(2) && PG_GETARG_BOOL(2));
	foreach(cell, columns)
	{
		const KrEncryptedColumn *column = lfirst(cell);

		kr_reencrypt_add_column(job.id, column->relation, column->attnum);
	}
	kr_worker_ask_at_commit();
	PG_RETURN_INT64(job.id);
}

/* Locks a job and moves it, if it is in a state from which that is allowed. */
static void
change_state(int64 id, KrJobState state, bool (*allowed)(KrJobState), const char *verb)
{
	KrJob *job = kr_reencrypt_read_locked(id);

	if (job == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("job %lld does not exist", (long long) id),
				 errhint("The view keyring_jobs lists the jobs of this database.")));
	if (!allowed(job->state))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("cannot %s job %lld: it is %s", verb, (long long) id, kr_reencrypt_state_name(job->state)),
				 errhint("The view keyring_jobs shows the state of each job.")));
	kr_reencrypt_set_state(id, state);
}

static bool
is_paused(KrJobState state)
{
	return state == KR_JOB_PAUSED;
}

Datum
keyring_pause_job(PG_FUNCTION_ARGS)
{
	PreventCommandIfReadOnly("keyring_pause_job()");
	change_state(PG_GETARG_INT64(0), KR_JOB_PAUSED, kr_reencrypt_is_workable, "pause");
	kr_worker_wake_at_commit();
	PG_RETURN_VOID();
}

Datum
keyring_resume_job(PG_FUNCTION_ARGS)
{
	PreventCommandIfReadOnly("keyring_resume_job()");
	change_state(PG_GETARG_INT64(0), KR_JOB_QUEUED, is_paused, "resume");
	kr_worker_ask_at_commit();
	PG_RETURN_VOID();
}

Datum
keyring_cancel_job(PG_FUNCTION_ARGS)
{
	PreventCommandIfReadOnly("keyring_cancel_job()");
	change_state(PG_GETARG_INT64(0), KR_JOB_CANCELLED, kr_reencrypt_is_active, "cancel");
	kr_worker_wake_at_commit();
	PG_RETURN_VOID();
}
