/*
 * test/bench/roundtrip.c
 *
 * What a client waits for, and what the server works for it: statements with one parameter and one row over libpq, each
 * a round trip. Several sessions take turns after a batch of some milliseconds, so that what else the machine does
 * falls on all of them alike.
 *
 * Usage: roundtrip BATCHES REQUESTS ROWS simple|extended|prepared { OPTIONS SQL }...
 *
 * Each pair is a session, with server options as in PGOPTIONS. The parameter is a number between 1 and ROWS, as text, drawn
 * for each session anew: the second one that asks for a row finds it in the processor's cache. For the same reason the order
 * of the sessions is reversed each time. First comes a line with the pids of the backends. A line for each batch has, for each
 * session, the nanoseconds per request by the clock and of its backend on a processor.
 */
#include <inttypes.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MAX_SESSIONS 16

typedef enum Mode
{
	SIMPLE,
	EXTENDED,
	PREPARED
} Mode;

typedef struct Session
{
	PGconn *connection;
	const char *sql; /* with $1 */
} Session;

static void
die(const char *what, PGconn *connection)
{
	fprintf(stderr, "roundtrip: %s: %s\n", what, connection != NULL ? PQerrorMessage(connection) : "");
	exit(1);
}

/* The server is the one of PGHOST and so on. */
static void
open_session(Session *session, const char *options, Mode mode)
{
	const char *keywords[] = { "dbname", "options", "application_name", NULL };
	const char *values[] = { "postgres", options, "roundtrip", NULL };
	PGresult *prepared;

	session->connection = PQconnectdbParams(keywords, values, 0);
	if (PQstatus(session->connection) != CONNECTION_OK)
		die("could not connect", session->connection);
	if (mode != PREPARED)
		return;
	prepared = PQprepare(session->connection, "s", session->sql, 0, NULL);
	if (PQresultStatus(prepared) != PGRES_COMMAND_OK)
		die(session->sql, session->connection);
	PQclear(prepared);
}

/* The simple protocol knows no parameters: the number stands in the statement. */
static PGresult *
execute_literal(const Session *session, const char *parameter)
{
	const char *mark = strstr(session->sql, "$1");
	char sql[256];

	snprintf(sql, sizeof(sql), "%.*s'%s'%s", (int) (mark - session->sql), session->sql, parameter, mark + 2);
	return PQexec(session->connection, sql);
}

static void
request(const Session *session, Mode mode, const char *parameter)
{
	PGresult *result;

	if (mode == SIMPLE)
		result = execute_literal(session, parameter);
	else if (mode == EXTENDED)
		result = PQexecParams(session->connection, session->sql, 1, NULL, &parameter, NULL, NULL, 0);
	else
		result = PQexecPrepared(session->connection, "s", 1, &parameter, NULL, NULL, 0);
	if (PQresultStatus(result) != PGRES_TUPLES_OK || PQntuples(result) != 1 || PQgetlength(result, 0, 0) == 0)
		die("a request did not bring one row", session->connection);
	PQclear(result);
}

static int64_t
clock_now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (int64_t) time.tv_sec * 1000000000 + time.tv_nsec;
}

/* As the scheduler counts it; 0 where it does not. */
static int64_t
processor_now(const Session *session)
{
	char path[64];
	int64_t result = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/schedstat", PQbackendPID(session->connection));
	file = fopen(path, "r");
	if (file == NULL)
		return 0;
	if (fscanf(file, "%" SCNd64, &result) != 1)
		result = 0;
	fclose(file);
	return result;
}

static void
run_batch(const Session *session, Mode mode, char (*parameters)[12], int requests, int64_t result[2])
{
	int64_t processor = processor_now(session);
	int64_t clock = clock_now();

	for (int i = 0; i < requests; i++)
		request(session, mode, parameters[i]);
	result[0] = (clock_now() - clock) / requests;
	result[1] = (processor_now(session) - processor) / requests;
}

static Mode
mode_called(const char *name)
{
	if (strcmp(name, "simple") == 0)
		return SIMPLE;
	return strcmp(name, "extended") == 0 ? EXTENDED : PREPARED;
}

int
main(int argc, char **argv)
{
	int batches = argc > 6 ? atoi(argv[1]) : 0;
	int requests = argc > 6 ? atoi(argv[2]) : 0;
	int rows = argc > 6 ? atoi(argv[3]) : 0;
	Mode mode = argc > 6 ? mode_called(argv[4]) : SIMPLE;
	int count = (argc - 5) / 2;
	Session sessions[MAX_SESSIONS];
	char(*parameters)[12];
	int64_t ns[MAX_SESSIONS][2];

	if (batches < 1 || requests < 1 || rows < 1 || count > MAX_SESSIONS)
		die("usage: roundtrip BATCHES REQUESTS ROWS simple|extended|prepared { OPTIONS SQL }...", NULL);
	parameters = calloc(requests, sizeof(*parameters));
	if (parameters == NULL)
		die("out of memory", NULL);
	for (int i = 0; i < count; i++)
	{
		sessions[i].sql = argv[6 + 2 * i];
		open_session(&sessions[i], argv[5 + 2 * i], mode);
	}

	for (int i = 0; i < count; i++)
		printf("%d%c", PQbackendPID(sessions[i].connection), i < count - 1 ? ' ' : '\n');

	/* the first batches warm up; they also make the server choose its generic plan */
	for (int round = -5; round < batches; round++)
	{
		for (int turn = 0; turn < count; turn++)
		{
			int i = round % 2 == 0 ? turn : count - 1 - turn;

			for (int j = 0; j < requests; j++)
				snprintf(parameters[j], sizeof(*parameters), "%ld", 1 + random() % rows);
			run_batch(&sessions[i], mode, parameters, requests, ns[i]);
		}
		for (int i = 0; i < count && round >= 0; i++)
			printf("%" PRId64 " %" PRId64 "%c", ns[i][0], ns[i][1], i < count - 1 ? ' ' : '\n');
	}
	for (int i = 0; i < count; i++)
		PQfinish(sessions[i].connection);
	free(parameters);
	return 0;
}
