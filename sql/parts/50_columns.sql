-- ---------------------------------------------------------------------------
-- Encrypting existing columns, and where encrypted values are
-- ---------------------------------------------------------------------------

-- A NULL deserves an error: from to_regclass() it would leave the column as it is without a word.
CREATE FUNCTION keyring_encrypt_column(relation regclass, column_name name, searchable boolean DEFAULT false)
    RETURNS void LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'keyring_encrypt_column';
REVOKE ALL ON FUNCTION keyring_encrypt_column(regclass, name, boolean) FROM PUBLIC;
COMMENT ON FUNCTION keyring_encrypt_column(regclass, name, boolean) IS
    'encrypts an existing column: rewrites its table under an exclusive lock';

-- A NULL deserves an error.
CREATE FUNCTION keyring_decrypt_column(relation regclass, column_name name)
    RETURNS void LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'keyring_decrypt_column';
REVOKE ALL ON FUNCTION keyring_decrypt_column(regclass, name) FROM PUBLIC;
COMMENT ON FUNCTION keyring_decrypt_column(regclass, name) IS
    'turns an encrypted column back into plaintext: rewrites its table under an exclusive lock';

-- Whoever may write to a column has to be able to evaluate its CHECKs, so PUBLIC keeps EXECUTE.
CREATE FUNCTION keyring_fits(value encrypted_text, max integer)
    RETURNS boolean LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'keyring_fits';
COMMENT ON FUNCTION keyring_fits(encrypted_text, integer) IS
    'whether a value has at most so many characters, as varchar(n) asks: for the CHECK that keyring_encrypt_column makes';

-- NULL stands for all.
CREATE FUNCTION keyring_census(relation regclass DEFAULT NULL, column_name name DEFAULT NULL,
                               OUT relation regclass, OUT column_name name, OUT key_id integer, OUT value_count bigint)
    RETURNS SETOF record LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'keyring_census';
REVOKE ALL ON FUNCTION keyring_census(regclass, name) FROM PUBLIC;
COMMENT ON FUNCTION keyring_census(regclass, name) IS
    'stored values per key, counted by their headers; key_id is NULL for keys that this database does not have, value_count for temporary tables of other sessions';

-- Operators are named in full: one of a user's own, in the extension's schema, could fit the arguments better.
CREATE VIEW keyring_columns AS
    SELECT a.attrelid::regclass AS relation,
           a.attname AS column_name,
           o.prorettype::regtype AS base_type,
           a.atttypmod OPERATOR(pg_catalog.>) 0 AND (a.atttypmod OPERATOR(pg_catalog.&) 1) OPERATOR(pg_catalog.=) 1 AS searchable,
           CASE c.relkind::text
               WHEN 'p' THEN 'partitioned table'
               WHEN 'm' THEN 'materialized view'
               WHEN 'f' THEN 'foreign table'
               ELSE CASE c.relpersistence::text WHEN 't' THEN 'temporary table' ELSE 'table' END
           END AS kind
      FROM pg_catalog.pg_extension e
      JOIN pg_catalog.pg_depend d ON d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_extension'::regclass::oid
                                 AND d.refobjid OPERATOR(pg_catalog.=) e.oid
                                 AND d.deptype OPERATOR(pg_catalog.=) 'e'::"char"
                                 AND d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_type'::regclass::oid
      JOIN pg_catalog.pg_type t ON t.oid OPERATOR(pg_catalog.=) d.objid
                               AND t.typtype OPERATOR(pg_catalog.=) 'b'::"char"
                               AND t.typname OPERATOR(pg_catalog.~~) 'encrypted\_%'::text
      JOIN pg_catalog.pg_proc o ON o.pronamespace OPERATOR(pg_catalog.=) t.typnamespace
                               AND o.pronargs OPERATOR(pg_catalog.=) 1::smallint
                               AND o.proargtypes[0] OPERATOR(pg_catalog.=) t.oid
                               AND o.proname::text OPERATOR(pg_catalog.=)
                                   pg_catalog.concat('keyring_'::text, pg_catalog.substr(t.typname::text, 11), '_open'::text)
      JOIN pg_catalog.pg_attribute a ON a.atttypid OPERATOR(pg_catalog.=) t.oid
                                    AND a.attnum OPERATOR(pg_catalog.>) 0::smallint
                                    AND NOT a.attisdropped
      JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) a.attrelid
                                AND c.relkind OPERATOR(pg_catalog.=) ANY ('{r,p,m,f}'::"char"[])
     WHERE e.extname OPERATOR(pg_catalog.=) 'keyring'::name;
GRANT SELECT ON keyring_columns TO PUBLIC;
COMMENT ON VIEW keyring_columns IS 'encrypted columns of this database, as the system catalogs know them';
COMMENT ON COLUMN keyring_columns.relation IS 'the table, partition, materialized view or foreign table';
COMMENT ON COLUMN keyring_columns.column_name IS 'the column';
COMMENT ON COLUMN keyring_columns.base_type IS 'the type of its plaintext';
COMMENT ON COLUMN keyring_columns.searchable IS 'whether its values carry a token for equality and indexes';
COMMENT ON COLUMN keyring_columns.kind IS 'table, partitioned table, temporary table, materialized view or foreign table';
