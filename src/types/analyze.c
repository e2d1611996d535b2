/*
 * src/types/analyze.c
 *
 * Statistics: null fraction, width and, for searchable columns, the number of
 * distinct values, counted by their tokens. No value, no histogram and no
 * frequency is stored; pg_statistic says what every page of the table says.
 */
#include "postgres.h"

#include <math.h>

#include "commands/vacuum.h"
#include "pg/compat.h"
#include "types/envelope.h"

KR_FUNCTION(keyring_analyze);

typedef struct Token
{
	uint8 bytes[KR_TOKENBYTES];
} Token;

/* What was seen in the sample. */
typedef struct Sample
{
	int rows;
	int nulls;
	double width; /* sum */
	Token *tokens;
	int ntokens;
	int distinct;
	int once; /* distinct values seen once */
} Sample;

static int
compare_tokens(const void *a, const void *b)
{
	return memcmp(a, b, KR_TOKENBYTES);
}

/* A value whose header is damaged is left out: statistics of the others are better than none, and ANALYZE does not mend it. */
static void
add_token(Sample *sample, Datum value)
{
	struct varlena *header = kr_types_header(value);
	KrEnvelope envelope;
	KrStatus status = kr_crypto_envelope_parse_header(&envelope, (const uint8_t *) VARDATA_ANY(header),
													  VARSIZE_ANY_EXHDR(header));

	if (status == KR_OK && envelope.token != NULL)
		memcpy(sample->tokens[sample->ntokens++].bytes, envelope.token, KR_TOKENBYTES);
	kr_types_free_detoasted(header, value);
}

static void
count_distinct(Sample *sample)
{
	int run = 0;

	qsort(sample->tokens, sample->ntokens, sizeof(Token), compare_tokens);
	for (int i = 0; i < sample->ntokens; i++)
	{
		run++;
		if (i + 1 < sample->ntokens && compare_tokens(&sample->tokens[i], &sample->tokens[i + 1]) == 0)
			continue;
		sample->distinct++;
		if (run == 1)
			sample->once++;
		run = 0;
	}
}

/*
 * stadistinct, as analyze.c of PostgreSQL estimates it: n*d / (n - f1 + f1*n/N),
 * Haas and Stokes, IBM Research Report RJ 10025 (Duj1).
 */
static double
estimate_distinct(const Sample *sample, double null_fraction, double total_rows)
{
	double n = sample->ntokens;
	double d = sample->distinct;
	double f1 = sample->once;
	double total = total_rows * (1.0 - null_fraction);
	double estimate;

	if (sample->ntokens == 0)
		return 0.0;
	if (sample->once == sample->ntokens)
		return -1.0 * (1.0 - null_fraction);
	if (sample->once == 0)
		estimate = d;
	else
	{
		estimate = total > 0 ? n * d / (n - f1 + f1 * n / total) : 0;
		estimate = floor(Min(Max(estimate, d), total) + 0.5);
	}
	return estimate > 0.1 * total_rows ? -(estimate / total_rows) : estimate;
}

static void
compute_stats(VacAttrStatsP stats, AnalyzeAttrFetchFunc fetch, int rows, double total_rows)
{
	Sample sample = { .rows = rows };
	int nonnull;

	sample.tokens = palloc(Max(rows, 1) * sizeof(Token));
	for (int i = 0; i < rows; i++)
	{
		bool isnull;
		Datum value;

		kr_pg_analyze_delay();
		value = fetch(stats, i, &isnull);
		if (isnull)
		{
			sample.nulls++;
			continue;
		}
		sample.width += VARSIZE_ANY(DatumGetPointer(value));
		if (KR_TYPMOD_MODE(stats->attrtypmod) == KR_TYPMOD_SEARCHABLE)
			add_token(&sample, value);
	}
	count_distinct(&sample);
	pfree(sample.tokens);
	if (rows == 0)
		return;

	nonnull = rows - sample.nulls;
	stats->stats_valid = true;
	stats->stanullfrac = (float4) ((double) sample.nulls / rows);
	stats->stawidth = nonnull > 0 ? (int32) (sample.width / nonnull) : 0;
	stats->stadistinct = (float4) estimate_distinct(&sample, stats->stanullfrac, total_rows);
}

Datum
keyring_analyze(PG_FUNCTION_ARGS)
{
	VacAttrStats *stats = (VacAttrStats *) PG_GETARG_POINTER(0);

	if (kr_pg_statistics_target(stats) < 0)
		kr_pg_statistics_target(stats) = default_statistics_target;

	/* as many rows as PostgreSQL samples for its own types */
	stats->minrows = 300 * kr_pg_statistics_target(stats);
	stats->compute_stats = compute_stats;
	PG_RETURN_BOOL(true);
}
