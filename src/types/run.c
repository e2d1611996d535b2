/*
 * src/types/run.c
 */
#include "postgres.h"

#include "executor/spi.h"
#include "types/conversion.h"
#include "types/run.h"
#include "types/table_owner.h"

bool kr_types_converting = false;

static void
run_statement(const char *sql)
{
	bool outer = kr_types_converting;

	SPI_connect();
	kr_types_converting = true;
	PG_TRY();
	{
		int result = SPI_execute(sql, false, 0);

		if (result != SPI_OK_UTILITY)
			ereport(ERROR,
					(errcode(ERRCODE_INTERNAL_ERROR),
					 errmsg_internal("ALTER TABLE returned %s", SPI_result_code_string(result))));
	}
	PG_FINALLY();
	{
		kr_types_converting = outer;
	}
	PG_END_TRY();
	SPI_finish();
}

void
kr_types_run_as_owner(Oid relation, const char *sql)
{
	KrIdentity caller = kr_types_enter_owner(relation);

	run_statement(sql);
	kr_types_leave_owner(caller);
}
