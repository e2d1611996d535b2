-- Encrypts the columns of the table that psql's variable "table" names: those with an index searchable, the others not.
-- Django's indexes for LIKE stand in the way, and would be of no use.
SELECT format('DROP INDEX %s', indexrelid::regclass)
  FROM pg_index JOIN pg_opclass o ON o.oid = indclass[0]
 WHERE indrelid = :'table'::regclass AND opcname ~ 'pattern_ops' \gexec
SELECT keyring_encrypt_column(:'table', attname, searchable => EXISTS (
           SELECT FROM pg_index WHERE indrelid = attrelid AND attnum = ANY (indkey)))
  FROM pg_attribute
 WHERE attrelid = :'table'::regclass
   AND attname IN ('name', 'note', 'amount', 'price', 'day', 'moment', 'active', 'ref', 'doc')
 ORDER BY attnum;
