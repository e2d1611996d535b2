-- Statements that fail: the same SQLSTATE, message and detail for both copies.

-- unique violation: INSERT, UPDATE, COPY, and two in one statement
INSERT INTO customer (customer_id, first_name, last_name, email) VALUES (900, 'a', 'b', 'luisg@embraer.com.br');
UPDATE customer SET email = 'fharris@google.com' WHERE email = 'luisg@embraer.com.br';
UPDATE employee SET email = 'same@example.com';
COPY customer (customer_id, first_name, last_name, email) FROM STDIN;
900	a	b	fharris@google.com
\.

-- not null violation
INSERT INTO customer (customer_id, first_name, email) VALUES (900, 'a', 'q@example.com');
UPDATE customer SET last_name = NULLIF(last_name, 'Holý') WHERE last_name = 'Holý';

-- check violation
INSERT INTO customer (customer_id, first_name, last_name, email) VALUES (900, 'a', 'b', 'no at sign');
UPDATE customer SET email = 'no at sign' WHERE customer_id = 2;

-- violation of a view's CHECK OPTION
UPDATE french SET country = 'Belgium' WHERE customer_id = (SELECT min(customer_id) FROM french);

-- foreign key violation, also between encrypted columns
INSERT INTO subscription VALUES ('nobody@example.com', 'Ulm', 1);
INSERT INTO invoice (invoice_id, customer_id, invoice_date, billing_city, total) VALUES (9000, 9000, now(), 'Ulm', 1);
DELETE FROM customer WHERE email = 'luisg@embraer.com.br';

-- cardinality: more than one row, a row hit twice
SELECT * FROM customer WHERE email = (SELECT email FROM customer WHERE country = 'France');
INSERT INTO customer (customer_id, first_name, last_name, email) VALUES (900, 'a', 'b', 'twice@example.com'), (901, 'a', 'b', 'twice@example.com') ON CONFLICT (email) DO UPDATE SET last_name = 'c';
MERGE INTO customer c USING (VALUES ('fharris@google.com'), ('fharris@google.com')) AS v (mail) ON v.mail = c.email WHEN MATCHED THEN UPDATE SET phone = '1';

-- PL/pgSQL: no rows, too many rows
DO $$
DECLARE
    r customer%ROWTYPE;
BEGIN
    SELECT * INTO STRICT r FROM customer WHERE country = 'France';
END $$;
DO $$
DECLARE
    mail customer.email%TYPE;
BEGIN
    SELECT email INTO STRICT mail FROM customer WHERE email = 'nobody';
END $$;

-- bad arguments: regular expression, cast, format, array index
SELECT * FROM customer WHERE last_name ~ '(';
SELECT last_name::text::int FROM customer WHERE customer_id = 1;
SELECT to_tsquery('simple', email || ' & &') FROM customer WHERE customer_id = 1;
SELECT format('%s %s', last_name) FROM customer;
SELECT lpad(last_name, 2000000000) FROM customer;

-- not in GROUP BY; ambiguous; no such column
SELECT country, city FROM customer GROUP BY country;
SELECT city FROM customer, employee;
SELECT last_nam FROM customer;

-- the transaction goes on after an error was caught
BEGIN;
SAVEPOINT a;
INSERT INTO customer (customer_id, first_name, last_name, email) VALUES (900, 'a', 'b', 'fharris@google.com');
ROLLBACK TO SAVEPOINT a;
INSERT INTO customer (customer_id, first_name, last_name, email) VALUES (900, 'a', 'b', 'other@example.com') RETURNING email;
ROLLBACK;
