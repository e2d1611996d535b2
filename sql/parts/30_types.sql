-- Shared by all encrypted types.

CREATE FUNCTION keyring_analyze(internal) RETURNS boolean
    LANGUAGE c VOLATILE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'keyring_analyze';
COMMENT ON FUNCTION keyring_analyze(internal) IS 'statistics of an encrypted column: null fraction, width, and for searchable ones the number of distinct values';

CREATE FUNCTION keyring_mixed_support(internal) RETURNS internal
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'keyring_mixed_support';
COMMENT ON FUNCTION keyring_mixed_support(internal) IS 'planner support: a comparison with the base type is one of opened values';

CREATE FUNCTION keyring_eqsel(internal, oid, internal, integer) RETURNS double precision
    LANGUAGE c STABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'keyring_eqsel';
COMMENT ON FUNCTION keyring_eqsel(internal, oid, internal, integer) IS 'restriction selectivity of =, without a look at the operand: planning needs no key';

CREATE FUNCTION keyring_neqsel(internal, oid, internal, integer) RETURNS double precision
    LANGUAGE c STABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'keyring_neqsel';
COMMENT ON FUNCTION keyring_neqsel(internal, oid, internal, integer) IS 'restriction selectivity of <>, without a look at the operand: planning needs no key';


CREATE FUNCTION keyring_eqjoinsel(internal, oid, internal, smallint, internal) RETURNS double precision
    LANGUAGE c STABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'keyring_eqjoinsel';
COMMENT ON FUNCTION keyring_eqjoinsel(internal, oid, internal, smallint, internal) IS 'join selectivity of =, by the columns that operands are made of';

CREATE FUNCTION keyring_neqjoinsel(internal, oid, internal, smallint, internal) RETURNS double precision
    LANGUAGE c STABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'keyring_neqjoinsel';
COMMENT ON FUNCTION keyring_neqjoinsel(internal, oid, internal, smallint, internal) IS 'join selectivity of <>, by the columns that operands are made of';

CREATE FUNCTION keyring_cost_support(internal) RETURNS internal
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'keyring_cost_support';
COMMENT ON FUNCTION keyring_cost_support(internal) IS 'planner support: cost of operands that stay the same, and of comparisons by token';
