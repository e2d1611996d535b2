-- Encrypts the columns of the table that psql's variable "table" names: those with an index searchable, the others not.
SELECT keyring_encrypt_column(:'table', attname, searchable => EXISTS (
           SELECT FROM pg_index WHERE indrelid = attrelid AND attnum = ANY (indkey)))
  FROM pg_attribute
 WHERE attrelid = :'table'::regclass
   AND attname IN ('name', 'note', 'amount', 'price', 'day', 'moment', 'active', 'ref', 'doc')
 ORDER BY attnum;
