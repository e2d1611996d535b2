# Prints what keeps expressions over encrypted numbers, dates and documents working where PostgreSQL
# would convert a plain value once more. Casts do not chain, and a cast from one type to several is
# ambiguous for functions, so each combination stands here. All are SQL functions of one expression, which the
# planner inlines: in the end the base type's own operator or function is called, with its result.

function sql(base) {
	return base == "double" ? "float8" : base
}

# The $1 or $2 of a function, opened.
function opened(position, base) {
	return "keyring_" base "_open($" position ")"
}

# COMMENT would take a lock on each object until CREATE EXTENSION commits, more than a server with few connections has
# room for. These come last, in one statement.
function describe(catalog, object, comment) {
	descriptions[++described] = "    ('" catalog "'::regclass, " object ", '" comment "')"
}

function print_descriptions(    i) {
	print "INSERT INTO pg_catalog.pg_description (classoid, objoid, objsubid, description)"
	print "SELECT class, object, 0, comment FROM (VALUES"
	for (i = 1; i <= described; i++)
		print descriptions[i] (i < described ? "," : "")
	print ") AS described (class, object, comment);"
}

function make_function(name, arguments, result, volatility, expression, comment) {
	printf "CREATE FUNCTION %s(%s) RETURNS %s\n    LANGUAGE sql %s STRICT PARALLEL SAFE\n    RETURN %s;\n",
		name, arguments, result, volatility, expression
	describe("pg_proc", "'" name "(" arguments ")'::regprocedure::oid", comment)
}

function make_cast(from, to, function_name, arguments, context, comment) {
	printf "CREATE CAST (%s AS %s) WITH FUNCTION %s(%s)%s;\n", from, to, function_name, arguments, context
	describe("pg_cast", "(SELECT oid FROM pg_catalog.pg_cast WHERE castsource OPERATOR(pg_catalog.=) '" from "'::regtype AND casttarget OPERATOR(pg_catalog.=) '" to "'::regtype)",
		comment)
}

# --- casts ----------------------------------------------------------------------------------------

# Values of one type, plain or encrypted, where a column of another stands.
function seal_casts(from, to,    name) {
	name = "keyring_" to "_seal"
	make_function(name, sql(from) ", integer, boolean", "encrypted_" to, "VOLATILE",
		name "(CAST($1 AS " sql(to) "), $2, $3)", "cast: converts to " sql(to) " and seals")
	make_cast(sql(from), "encrypted_" to, name, sql(from) ", integer, boolean", " AS ASSIGNMENT", "converts and seals a value")
	make_function(name, "encrypted_" from ", integer, boolean", "encrypted_" to, "VOLATILE",
		name "(CAST(" opened(1, from) " AS " sql(to) "), $2, $3)", "cast: opens, converts to " sql(to) " and seals")
	make_cast("encrypted_" from, "encrypted_" to, name, "encrypted_" from ", integer, boolean", " AS ASSIGNMENT",
		"converts a value and seals it again")
}

function open_cast(from, to, context,    name) {
	name = "keyring_" from "_to_" to
	make_function(name, "encrypted_" from, sql(to), "STABLE", "CAST(" opened(1, from) " AS " sql(to) ")",
		"cast: opens a value and converts it to " sql(to))
	make_cast("encrypted_" from, sql(to), name, "encrypted_" from, context, "opens and converts a value")
}

function casts(    i, j, n, pair, list) {
	for (i = 1; i <= numbers; i++)
		for (j = 1; j <= numbers; j++)
			if (i != j) {
				seal_casts(number[i], number[j])
				open_cast(number[i], number[j], " AS ASSIGNMENT")
			}
	n = split("date timestamp,date timestamptz,timestamp date,timestamp timestamptz,timestamp time," \
		"timestamptz date,timestamptz timestamp,timestamptz time,time interval,interval time,json jsonb,jsonb json", list, ",")
	for (i = 1; i <= n; i++) {
		split(list[i], pair, " ")
		seal_casts(pair[1], pair[2])
		open_cast(pair[1], pair[2], " AS ASSIGNMENT")
	}
	open_cast("integer", "boolean", "")
	open_cast("boolean", "integer", "")
	open_cast("jsonb", "boolean", "")
	open_cast("time", "timetz", "")
	open_cast("inet", "cidr", " AS ASSIGNMENT")
	for (i = 1; i <= numbers; i++)
		open_cast("jsonb", number[i], "")
}

# The text of these is not what their output functions print: true, 10.0.0.1/32.
function text_casts(    i, j, n, base, text) {
	split("boolean inet", base, " ")
	n = split("text varchar bpchar", text, " ")
	for (i = 1; i <= 2; i++)
		for (j = 1; j <= n; j++)
			open_cast(base[i], text[j], " AS ASSIGNMENT")
}

# to_json and its kin take the cast to json of a type that is not built in. The types without one they quote, like the base type.
function json_casts(    i, n, list) {
	n = split("boolean smallint integer bigint real double numeric date timestamp timestamptz", list, " ")
	for (i = 1; i <= n; i++) {
		make_function("keyring_" list[i] "_to_json", "encrypted_" list[i], "json", "STABLE", "to_json(" opened(1, list[i]) ")",
			"cast: opens a value for to_json and its kin")
		make_cast("encrypted_" list[i], "json", "keyring_" list[i] "_to_json", "encrypted_" list[i], "",
			"a number, boolean or date as to_json writes it")
	}
}

# --- operators ------------------------------------------------------------------------------------

function argument(base, encrypted) {
	return encrypted ? "encrypted_" base : sql(base)
}

function make_operator(op, left, left_encrypted, right, right_encrypted, result,    a, b, name, part) {
	a = argument(left, left_encrypted)
	b = argument(right, right_encrypted)
	name = "keyring_" word[op]
	make_function(name, a ", " b, sql(result), "STABLE",
		(left_encrypted ? opened(1, left) : "$1") " OPERATOR(pg_catalog." op ") " (right_encrypted ? opened(2, right) : "$2"),
		"implementation of " op " operator")
	printf "CREATE OPERATOR %s (\n    LEFTARG = %s, RIGHTARG = %s, FUNCTION = %s", op, a, b, name
	if (op in planning) {
		split(planning[op], part, " ")
		printf ",\n    COMMUTATOR = OPERATOR(@extschema@.%s), NEGATOR = OPERATOR(@extschema@.%s),\n    RESTRICT = %s, JOIN = %s",
			part[1], part[2], part[3], part[4]
	}
	printf "\n);\n"
	describe("pg_operator", "'" op "(" a ", " b ")'::regoperator::oid", "of opened values")
}

# The forms in which a conversion to the second type would have to follow the opening of the first.
function widening(op, narrow, wide, result) {
	make_operator(op, narrow, 1, wide, 0, result)
	make_operator(op, wide, 0, narrow, 1, result)
	make_operator(op, narrow, 1, wide, 1, result)
	make_operator(op, wide, 1, narrow, 1, result)
}

function every_form(op, left, right, result) {
	make_operator(op, left, 1, right, 0, result)
	make_operator(op, left, 0, right, 1, result)
	make_operator(op, left, 1, right, 1, result)
}

# Row comparison, (c, id) > (1, 2), asks for an operator family, which holds an order for each pair of types.
function order_members(family, a, b, expressions,    k, list) {
	make_function("keyring_order", a ", " b, "integer", "STABLE", expressions, "btree support: order of plaintexts of two types")
	split("< <= = >= >", list, " ")
	printf "ALTER OPERATOR FAMILY encrypted_%s_order_ops USING btree ADD", family
	for (k = 1; k <= 5; k++)
		printf "\n    OPERATOR %d %s (%s, %s),", k, list[k], a, b
	printf "\n    FUNCTION 1 (%s, %s) keyring_order(%s, %s);\n", a, b, a, b
}

# The order by "<" and ">", which know two types better than a conversion of one to the other: a date may be no timestamp.
function order_expression(a, b) {
	return "CASE WHEN " a " OPERATOR(pg_catalog.<) " b " THEN -1 WHEN " a " OPERATOR(pg_catalog.>) " b " THEN 1 ELSE 0 END"
}

function compared(left, right,    k) {
	for (k = 1; k <= comparisons; k++)
		every_form(comparison[k], left, right, "boolean")
	order_members(left, "encrypted_" left, sql(right), order_expression(opened(1, left), "$2"))
}

# With a numeric beside them integers are raised as such, else as double precision. A numeric and a double precision
# PostgreSQL finds by itself.
function powers(base) {
	make_operator("^", base, 1, "double", 0, "float8")
	overload("power", "encrypted_" base ", float8", "float8", opened(1, base) ", $2")
	if (base != "real") {
		make_operator("^", base, 1, "numeric", 0, "numeric")
		overload("power", "encrypted_" base ", numeric", "numeric", opened(1, base) ", $2")
	}
}

# Intervals are multiplied and divided by double precision.
function intervals(base) {
	make_operator("*", "interval", 0, base, 1, "interval")
	make_operator("*", base, 1, "interval", 0, "interval")
	make_operator("/", "interval", 0, base, 1, "interval")
}

# Of integers and numerics each combination, those included that PostgreSQL could find by itself: beside the ones with
# floating-point numbers it would prefer these to them. Comparisons of one type have their own implementation.
function operators(    i, j, k, n, list) {
	for (i = 1; i <= exact; i++) {
		for (j = 1; j <= exact; j++)
			for (k = 1; k <= arithmetics; k++)
				every_form(arithmetic[k], number[i], number[j], number[i > j ? i : j])
		for (j = exact + 1; j <= numbers; j++)
			for (k = 1; k < arithmetics; k++)
				widening(arithmetic[k], number[i], number[j], "float8")
	}
	for (i = 1; i <= numbers; i++)
		for (j = 1; j <= numbers; j++)
			if (i != j)
				compared(number[i], number[j])
	for (i = 1; i < numbers; i++) {
		intervals(number[i])
		if (number[i] != "numeric")
			powers(number[i])
	}

	n = split("date timestamp timestamptz", list, " ")
	for (i = 1; i <= n; i++)
		for (j = 1; j <= n; j++) {
			every_form("-", list[i], list[j], i == 1 && j == 1 ? "integer" : "interval")
			if (i != j)
				compared(list[i], list[j])
		}
}

# A literal beside an encrypted value is taken for one of the same type, if there is such an operator: beside a number of
# which there are operators with other types, or a type whose literals would else be taken for text.
function of_one_type(    k) {
	for (k = 1; k < arithmetics; k++) {
		make_operator(arithmetic[k], "real", 1, "real", 1, "real")
		make_operator(arithmetic[k], "double", 1, "double", 1, "double")
	}
	make_operator("-", "time", 1, "time", 1, "interval")
	make_operator("-", "inet", 1, "inet", 1, "bigint")
	every_form("||", "bytea", "bytea", "bytea")
	every_form("||", "jsonb", "jsonb", "jsonb")
}

# Operands of another type than the column's: the token of the value that equals them, or one that no value has.
function fittings(    i, n, list, name, j, takes, result) {
	n = split("smallint integer bigint real date timestamp timestamptz", list, " ")
	for (i = 1; i <= n; i++)
		for (j = 0; j < 2; j++) {
			name = "keyring_" list[i] "_fitting" (j ? "s" : "")
			takes = j ? "anyarray" : "anyelement"
			printf "CREATE FUNCTION %s(%s) RETURNS encrypted_%s%s\n    LANGUAGE c STABLE STRICT PARALLEL SAFE COST %d " \
				"SUPPORT keyring_cost_support\n    AS 'MODULE_PATHNAME', 'keyring_value_fitting%s';\n",
				name, takes, list[i], j ? "[]" : "", j ? 200 : 60, j ? "s" : ""
			describe("pg_proc", "'" name "(" takes ")'::regprocedure::oid",
				"operand: seals the value of type " sql(list[i]) " that equals one of another type, or one that no value equals")
		}
}

# --- functions ------------------------------------------------------------------------------------

function overload(name, arguments, result, expressions) {
	make_function(name, arguments, result, "STABLE", "pg_catalog." name "(" expressions ")", "of opened values")
}

# Of integers and real PostgreSQL has these for double precision and numeric only, and takes the first for one argument.
function rounding_functions(base,    i, n, list) {
	n = split("round trunc ceil ceiling floor sqrt sign exp ln log", list, " ")
	for (i = 1; i <= n; i++)
		overload(list[i], "encrypted_" base, "float8", opened(1, base))
}

function integer_functions(base) {
	rounding_functions(base)
	overload("round", "encrypted_" base ", integer", "numeric", opened(1, base) ", $2")
	overload("trunc", "encrypted_" base ", integer", "numeric", opened(1, base) ", $2")
}

function number_functions(    i, j) {
	for (i = 1; i < exact; i++) {
		integer_functions(number[i])
		for (j = 1; j <= exact; j++)
			overload("mod", "encrypted_" number[i] ", " sql(number[j]), number[i > j ? i : j], opened(1, number[i]) ", $2")
	}
	rounding_functions("real")
	for (i = 1; i < numbers; i++)
		overload("to_timestamp", "encrypted_" number[i], "timestamptz", opened(1, number[i]))
	overload("to_char", "encrypted_smallint, text", "text", opened(1, "smallint") ", $2")
}

# A date becomes a timestamp with time zone for these, a time an interval. A plain date needs no age() of its own: with one, an
# untyped literal beside it would no longer be a timestamp.
function date_functions(    i, j, n, list) {
	n = split("date timestamp timestamptz", list, " ")
	for (i = 1; i <= n; i++)
		for (j = 1; j <= n; j++) {
			overload("age", "encrypted_" list[i] ", encrypted_" list[j], "interval", opened(1, list[i]) ", " opened(2, list[j]))
			if (j > 1) {
				overload("age", "encrypted_" list[i] ", " list[j], "interval", opened(1, list[i]) ", $2")
				overload("age", list[j] ", encrypted_" list[i], "interval", "$1, " opened(2, list[i]))
			}
		}
	overload("age", "encrypted_date", "interval", opened(1, "date"))
	overload("date_trunc", "text, encrypted_date", "timestamptz", "$1, " opened(2, "date"))
	overload("to_char", "encrypted_date, text", "text", opened(1, "date") ", $2")
	overload("date_trunc", "text, encrypted_time", "interval", "$1, " opened(2, "time"))
	overload("to_char", "encrypted_time, text", "text", opened(1, "time") ", $2")
}

BEGIN {
	numbers = split("smallint integer bigint numeric real double", number, " ")
	exact = 4
	arithmetics = split("+ - * / %", arithmetic, " ")
	comparisons = split("= <> < <= > >=", comparison, " ")
	split("add subtract multiply divide modulo", words, " ")
	for (i = 1; i <= arithmetics; i++)
		word[arithmetic[i]] = words[i]
	split("equal different less not_greater greater not_less", words, " ")
	for (i = 1; i <= comparisons; i++)
		word[comparison[i]] = words[i]
	word["^"] = "raise"
	word["||"] = "concatenate"
	planning["="] = "= <> eqsel eqjoinsel"
	planning["<>"] = "<> = neqsel neqjoinsel"
	planning["<"] = "> >= scalarltsel scalarltjoinsel"
	planning["<="] = ">= > scalarlesel scalarlejoinsel"
	planning[">"] = "< <= scalargtsel scalargtjoinsel"
	planning[">="] = "<= < scalargesel scalargejoinsel"

	casts()
	text_casts()
	json_casts()
	operators()
	of_one_type()
	fittings()
	number_functions()
	date_functions()
	print_descriptions()
}
