-- Statements that write. They run once, in this order. Where RETURNING gives several rows the order is the
-- executor's, so the lines of a query whose name says so are compared in any order.

-- INSERT, one row and several, with DEFAULT, NULL and the empty string
INSERT INTO customer (customer_id, first_name, last_name, email) VALUES (101, 'Ada', 'lovelace', 'ada@example.com') RETURNING *;
INSERT INTO customer (customer_id, first_name, last_name, country, email, company, state, support_rep_id)
VALUES (102, 'Alan', 'turing', DEFAULT, 'alan@example.com', '', NULL, 3), (103, 'Grace', 'hopper', 'USA', 'grace@example.com', 'US Navy', 'NY', 4)
RETURNING customer_id, last_name, country, company, upper(email) AS mail;

-- INSERT … SELECT between encrypted columns, from plain ones and from expressions (in any order)
INSERT INTO customer (customer_id, first_name, last_name, city, state, country, phone, email)
SELECT employee_id + 200, first_name, last_name, city, state, country, phone, email FROM employee ORDER BY employee_id RETURNING customer_id, email, phone;
INSERT INTO customer (customer_id, first_name, last_name, company, country, email)
SELECT genre_id + 300, name, 'Genre ' || genre_id, NULLIF(name, 'Rock'), 'Music', genre_id || '@genres.example.com' FROM genre WHERE genre_id < 6 RETURNING customer_id, first_name, last_name, company;

-- UPDATE with literals, expressions, the column itself and other columns (in any order)
UPDATE customer SET state = 'XX' WHERE country = 'Music' RETURNING customer_id, state;
UPDATE customer SET last_name = upper(last_name), fax = phone, address = city WHERE customer_id IN (201, 202) RETURNING customer_id, last_name, fax, address;
UPDATE customer SET city = state, state = city WHERE customer_id = 17 RETURNING city, state;
UPDATE customer SET company = company, phone = COALESCE(phone, 'none'), city = DEFAULT WHERE country = 'Chile' RETURNING customer_id, company, phone, city;
UPDATE customer SET (address, city, country) = (SELECT e.address, e.city, e.country FROM employee e WHERE e.employee_id = customer.support_rep_id) WHERE customer_id < 4 RETURNING customer_id, address, city, country;
UPDATE customer SET email = replace(email, '@', '+2@') WHERE email LIKE '%@gmail.com' AND country = 'Canada' RETURNING email;

-- UPDATE … FROM, joined on encrypted columns (in any order)
UPDATE invoice i SET billing_city = c.city, billing_state = c.state, billing_country = c.country FROM customer c WHERE c.customer_id = i.customer_id AND c.customer_id < 4 RETURNING i.invoice_id, i.billing_city, i.billing_state, c.email;
UPDATE customer c SET fax = e.fax FROM employee e WHERE e.email = c.email AND e.city = c.city RETURNING c.customer_id, e.employee_id, c.fax;
UPDATE employee e SET phone = v.phone FROM (VALUES ('jane@chinookcorp.com', '+1 555'), ('steve@chinookcorp.com', NULL)) v (mail, phone) WHERE v.mail = e.email RETURNING e.employee_id, e.phone;

-- DELETE, with USING and with a sub-query (in any order)
DELETE FROM customer c USING employee e WHERE e.email = c.email AND e.city = 'Lethbridge' RETURNING c.customer_id, c.email, e.last_name;
DELETE FROM customer WHERE country = 'Music' AND company IS NULL RETURNING last_name;
DELETE FROM customer WHERE email IN (SELECT email FROM employee WHERE title = 'IT Manager') RETURNING *;

-- upsert: ON CONFLICT (column), ON CONSTRAINT, and DO NOTHING (in any order)
INSERT INTO customer (customer_id, first_name, last_name, email) VALUES (110, 'Ada', 'king', 'ada@example.com')
ON CONFLICT (email) DO UPDATE SET last_name = EXCLUDED.last_name, company = customer.last_name RETURNING *;
INSERT INTO customer (customer_id, first_name, last_name, email, country) VALUES (111, 'Alan', 'Mathison', 'alan@example.com', 'UK'), (112, 'Edsger', 'Dijkstra', 'edsger@example.com', 'Netherlands')
ON CONFLICT ON CONSTRAINT customer_email_key DO UPDATE SET first_name = customer.first_name || ' ' || EXCLUDED.last_name, country = EXCLUDED.country WHERE customer.country <> EXCLUDED.country
RETURNING customer_id, first_name, country;
INSERT INTO customer (customer_id, first_name, last_name, email) VALUES (113, 'x', 'x', 'grace@example.com'), (114, 'Barbara', 'Liskov', 'barbara@example.com')
ON CONFLICT DO NOTHING RETURNING customer_id, email;
INSERT INTO customer (customer_id, first_name, last_name, email) SELECT customer_id, first_name, last_name, email FROM customer WHERE country = 'Norway'
ON CONFLICT (customer_id) DO UPDATE SET email = 'x' || EXCLUDED.email, last_name = EXCLUDED.last_name RETURNING customer_id, email;
INSERT INTO employee (employee_id, first_name, last_name, email) VALUES (50, 'A', 'B', 'jane@chinookcorp.com'), (51, 'C', 'D', 'new@chinookcorp.com')
ON CONFLICT (email) DO UPDATE SET title = EXCLUDED.last_name RETURNING employee_id, title, last_name;

-- MERGE: update, delete, insert
MERGE INTO customer c
USING (VALUES ('ada@example.com', 'Ada', 'Byron', 'London'), ('kurt@example.com', 'Kurt', 'Gödel', 'Brno'), ('barbara@example.com', NULL, NULL, NULL)) AS s (mail, first, last, city) ON c.email = s.mail
WHEN MATCHED AND s.first IS NULL THEN DELETE
WHEN MATCHED THEN UPDATE SET last_name = s.last, city = s.city, company = c.last_name
WHEN NOT MATCHED THEN INSERT (customer_id, first_name, last_name, city, email) VALUES (120, s.first, s.last, s.city, s.mail);
SELECT customer_id, first_name, last_name, city, company FROM customer WHERE email LIKE '%@example.com' ORDER BY customer_id;

-- MERGE from an encrypted table, joined on encrypted columns
MERGE INTO employee e
USING (SELECT DISTINCT ON (city) city, phone, last_name, state FROM customer WHERE country = 'Canada' ORDER BY city, customer_id) c ON e.city = c.city
WHEN MATCHED AND e.state = c.state THEN UPDATE SET fax = c.phone, address = c.last_name
WHEN MATCHED THEN DO NOTHING
WHEN NOT MATCHED AND c.state = 'ON' THEN INSERT (employee_id, first_name, last_name, city, state, phone) VALUES (60 + length(c.city), 'New', c.last_name, c.city, c.state, c.phone);
SELECT * FROM employee ORDER BY employee_id;

-- data-modifying common table expressions
WITH gone AS (DELETE FROM customer WHERE country = 'Music' RETURNING *),
     back AS (INSERT INTO customer (customer_id, first_name, last_name, company, country, email) SELECT customer_id + 100, first_name, last_name, state, 'Sound', email || '.org' FROM gone RETURNING *)
SELECT g.first_name, b.company, b.country, b.email FROM gone g JOIN back b USING (first_name) ORDER BY g.customer_id;
WITH moved AS (UPDATE invoice SET billing_postal_code = billing_city, billing_city = 'Lima' WHERE billing_country = 'Chile' RETURNING invoice_id, billing_postal_code, billing_city)
SELECT * FROM moved ORDER BY invoice_id;

-- through a view (in any order)
UPDATE customer_list SET email = 'new-' || email, city = 'Malmö' WHERE country = 'Sweden' RETURNING id, name, city, email;
INSERT INTO french (customer_id, first_name, last_name, country, email) VALUES (130, 'Blaise', 'Pascal', 'France', 'blaise@example.com') RETURNING last_name;
UPDATE french SET phone = '0' WHERE city = 'Lyon' RETURNING phone;

-- prepared writes, past the fifth execution
PREPARE put AS INSERT INTO customer (customer_id, first_name, last_name, email, company) VALUES ($1, $2, $3, $4, $5) RETURNING last_name, company;
EXECUTE put (451, 'P1', 'one', 'p1@example.com', NULL);
EXECUTE put (452, 'P2', 'two', 'p2@example.com', 'C2');
EXECUTE put (453, 'P3', 'three', 'p3@example.com', '');
EXECUTE put (454, 'P4', 'four', 'p4@example.com', 'C4');
EXECUTE put (455, 'P5', 'five', 'p5@example.com', 'C5');
EXECUTE put (456, 'P6', 'six', 'p6@example.com', 'C6');
EXECUTE put (457, 'P7', 'seven', 'p7@example.com', 'C7');
PREPARE change (text, varchar) AS UPDATE customer SET city = $1, state = $1, company = $2 WHERE email = $2 RETURNING customer_id, city, state, company;
EXECUTE change ('Ulm', 'p1@example.com');
EXECUTE change ('Bonn', 'p2@example.com');
EXECUTE change (NULL, 'p3@example.com');
EXECUTE change ('', 'p4@example.com');
EXECUTE change ('Jena', 'p5@example.com');
EXECUTE change ('Kiel', 'p6@example.com');
EXECUTE change ('Ulm', 'p7@example.com');
DEALLOCATE ALL;

-- PL/pgSQL that writes: row variables, cursors, exceptions
DO $$
DECLARE
    r customer%ROWTYPE;
    mail customer.email%TYPE;
BEGIN
    SELECT * INTO r FROM customer WHERE customer_id = 5;
    r.customer_id := 501;
    r.email := 'copy-' || r.email;
    r.state := 'new';
    INSERT INTO customer VALUES (r.*);
    INSERT INTO customer SELECT (r).* ON CONFLICT (customer_id) DO UPDATE SET first_name = EXCLUDED.last_name RETURNING email INTO mail;
    RAISE NOTICE 'stored %', mail;
    UPDATE customer SET last_name = r.last_name || '!', city = r.state WHERE email = mail;
    FOR r IN SELECT * FROM customer WHERE country = 'Sound' FOR UPDATE LOOP
        UPDATE customer SET phone = r.email, company = r.company WHERE customer_id = r.customer_id;
    END LOOP;
    BEGIN
        INSERT INTO customer (customer_id, first_name, last_name, email) VALUES (502, 'x', 'y', mail);
    EXCEPTION WHEN unique_violation THEN
        RAISE NOTICE 'taken: %', SQLERRM;
    END;
END $$;
DO $$
DECLARE
    c CURSOR FOR SELECT * FROM customer WHERE country = 'Sound' ORDER BY customer_id FOR UPDATE;
BEGIN
    FOR r IN c LOOP
        UPDATE customer SET address = r.last_name WHERE CURRENT OF c;
    END LOOP;
END $$;
SELECT customer_id, first_name, last_name, city, state, phone, address FROM customer WHERE customer_id = 501 OR country = 'Sound' ORDER BY customer_id;

-- savepoints
BEGIN;
UPDATE customer SET state = 'S1' WHERE customer_id = 1;
SAVEPOINT s;
UPDATE customer SET state = 'S2' WHERE customer_id = 1 RETURNING state;
ROLLBACK TO SAVEPOINT s;
SELECT state FROM customer WHERE customer_id = 1;
COMMIT;

-- CREATE TABLE AS, SELECT INTO, LIKE, temporary tables (in any order)
CREATE TEMP TABLE brazilians AS SELECT customer_id, last_name, state, email FROM customer WHERE country = 'Brazil';
SELECT * FROM brazilians WHERE email LIKE '%.br' ORDER BY last_name;
SELECT last_name, upper(city) AS city INTO TEMP swiss FROM customer WHERE country = 'Sweden' OR city = 'Ulm';
SELECT * FROM swiss ORDER BY last_name;
CREATE TEMP TABLE twin (LIKE customer INCLUDING ALL);
INSERT INTO twin SELECT * FROM customer WHERE customer_id < 10;
UPDATE twin SET email = c.email FROM customer c WHERE c.customer_id = twin.customer_id + 20 RETURNING twin.email;
SELECT t.customer_id, t.email = c.email AS same, t.phone = c.phone AS phone FROM twin t JOIN customer c USING (customer_id) ORDER BY customer_id;
DROP TABLE brazilians, swiss, twin;

-- a foreign key between encrypted columns, with CASCADE
CREATE TABLE subscription AS SELECT email, city AS place, customer_id % 3 AS issues FROM customer WHERE customer_id < 20;
ALTER TABLE subscription ADD PRIMARY KEY (email), ADD FOREIGN KEY (email) REFERENCES customer (email) ON UPDATE CASCADE ON DELETE CASCADE;
UPDATE customer SET email = 'moved-' || email WHERE customer_id = 8;
INSERT INTO customer (customer_id, first_name, last_name, email) VALUES (601, 'Soon', 'gone', 'gone@example.com');
INSERT INTO subscription VALUES ('gone@example.com', 'Ulm', 9), ('p1@example.com', NULL, 8) RETURNING *;
DELETE FROM customer WHERE email = 'gone@example.com' RETURNING customer_id;
SELECT s.email, s.place, c.city FROM subscription s JOIN customer c USING (email) ORDER BY 1;

-- triggers with a condition and a column list, made after encryption
CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.fax := TG_NAME; RETURN NEW; END';
CREATE TRIGGER moved BEFORE UPDATE OF city, country ON customer FOR EACH ROW WHEN (OLD.city IS DISTINCT FROM NEW.city) EXECUTE FUNCTION stamp();
UPDATE customer SET city = 'Rome' WHERE customer_id = 9 RETURNING city, fax;
UPDATE customer SET city = 'Rome' WHERE customer_id = 9 AND city = 'Rome' RETURNING city, fax = 'moved';
UPDATE customer SET phone = '0', city = city WHERE customer_id = 10 RETURNING phone, fax = 'moved';
DROP FUNCTION stamp CASCADE;

-- row-level security on an encrypted column
CREATE ROLE clerk;
GRANT SELECT, UPDATE, INSERT, DELETE ON customer TO clerk;
GRANT INSERT, SELECT ON history TO clerk;
ALTER TABLE customer ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_country ON customer TO clerk USING (country = current_setting('app.country')) WITH CHECK (country = current_setting('app.country') AND state IS DISTINCT FROM 'QQ'::text);
SET app.country = 'USA';
SET ROLE clerk;
SELECT customer_id, last_name FROM customer ORDER BY last_name;
SELECT count(*) FROM customer WHERE email = 'hholy@gmail.com';
UPDATE customer SET phone = '911' WHERE last_name < 'C' RETURNING customer_id;
UPDATE customer SET state = 'QQ';
UPDATE customer SET country = 'Canada' WHERE customer_id = 103;
RESET ROLE;
ALTER TABLE customer DISABLE ROW LEVEL SECURITY;
DROP POLICY own_country ON customer;
DROP OWNED BY clerk;
DROP ROLE clerk;

-- materialized view, refreshed both ways
REFRESH MATERIALIZED VIEW sales_by_city;
SELECT * FROM sales_by_city WHERE country IN ('Chile', 'Canada', 'Austria') ORDER BY country, city;
UPDATE invoice SET total = total + 1 WHERE billing_country = 'Austria';
REFRESH MATERIALIZED VIEW CONCURRENTLY sales_by_city;
SELECT * FROM sales_by_city WHERE country IN ('Chile', 'Canada', 'Austria') ORDER BY country, city;

-- what the triggers kept
SELECT customer_id, what, old_mail, new_mail FROM history ORDER BY what, customer_id, old_mail, new_mail;

-- the tables as they are now
TABLE customer ORDER BY customer_id;
TABLE employee ORDER BY employee_id;
SELECT * FROM invoice ORDER BY invoice_id;
